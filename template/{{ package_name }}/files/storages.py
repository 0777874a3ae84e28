"""Where uploads are kept, and the headers that they are served with.

Models name the function (`storage=public_storage`), so that migrations freeze no backend.
"""

from django.core.files.storage import Storage, storages

IMAGES = {
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
CACHE_CONTROL = "public, max-age=86400, immutable"
SAFETY = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def public_storage() -> Storage:
    """Uploads that anybody may read."""
    return storages["default"]


def content_headers(name: str) -> dict[str, str]:
    """A browser shows pictures. Everything else it downloads, and runs nowhere."""
    extension = name.rpartition(".")[2].lower()
    if extension in IMAGES:
        return {"Content-Type": IMAGES[extension]}
    return {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}

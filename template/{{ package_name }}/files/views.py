"""Uploads, served by the app itself: in development, or where no web server does it."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from django.core.files.storage import FileSystemStorage, Storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from .storages import CACHE_CONTROL, SAFETY, content_headers, public_storage

BLOCK = 64 * 1024


@require_safe
def public_file(request: HttpRequest, name: str) -> HttpResponseBase:
    response = stored_file(request, public_storage(), name)
    response.headers["Cache-Control"] = CACHE_CONTROL
    return response


def stored_file(request: HttpRequest, storage: Storage, name: str) -> HttpResponseBase:
    """A file of a folder, or the part of it that is asked for, block by block."""
    file = open_file(storage, name)
    status = os.stat(file.fileno())
    modified, size = int(status.st_mtime), status.st_size
    etag = f'"{status.st_mtime_ns:x}-{size:x}"'
    validators = {"ETag": etag, "Last-Modified": http_date(modified)}

    response: HttpResponseBase | None = get_conditional_response(request, etag, modified)
    if response is None:
        response = answer(request, file, size, requested_part(request, validators, size))
    if not response.streaming:
        file.close()
    headers = {**validators, "Accept-Ranges": "bytes", **content_headers(name), **SAFETY}
    for header, value in headers.items():
        response.headers[header] = value
    return response


def open_file(storage: Storage, name: str) -> BinaryIO:
    """The file, if it really is one and lies in the storage's folder: also behind links."""
    if isinstance(storage, FileSystemStorage):
        folder = Path(storage.location).resolve()
        # Too long a name, a null byte, no permission: to a visitor there is no file.
        with suppress(OSError, ValueError):
            path = (folder / name).resolve()
            if path.is_relative_to(folder) and path.is_file():
                return path.open("rb")
    raise Http404


def requested_part(request: HttpRequest, validators: dict[str, str], size: int) -> range | None:
    """The bytes that a single Range names; none of them if it begins behind the end."""
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", request.headers.get("Range", ""))
    beginning_of = request.headers.get("If-Range")
    if not match or not any(match.groups()):
        return None
    if beginning_of and beginning_of not in validators.values():
        return None  # What the client has is the beginning of another file.
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last or size) + 1))


def answer(request: HttpRequest, file: BinaryIO, size: int, part: range | None) -> HttpResponseBase:
    if part is not None and not part:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers = {"Content-Length": str(size if part is None else len(part))}
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    if part is None:
        return FileResponse(file, headers=headers)
    return StreamingHttpResponse(blocks(file, part), status=206, headers=headers)


def blocks(file: BinaryIO, part: range) -> Iterator[bytes]:
    with file:
        file.seek(part.start)
        left = len(part)
        while left and (block := file.read(min(left, BLOCK))):
            left -= len(block)
            yield block

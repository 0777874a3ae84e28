"""System checks: what goes wrong with static and media files, said by `manage.py check`.

Those that end in `deploy=True` are run by `manage.py check --deploy`. To do without one, name its
id in SILENCED_SYSTEM_CHECKS.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, storages
from django.urls import Resolver404, get_script_prefix, resolve

from .status import writable

REMOVED = {"STATICFILES_STORAGE": "staticfiles", "DEFAULT_FILE_STORAGE": "default"}
EPHEMERAL = {
    "DYNO": "Heroku",
    "RENDER": "Render",
    "FLY_APP_NAME": "Fly.io",
    "K_SERVICE": "Cloud Run",
    "AWS_LAMBDA_FUNCTION_NAME": "AWS Lambda",
}


def folder(alias: str = "default") -> Path | None:
    """Where a storage keeps its files on this machine; None if it keeps them elsewhere."""
    storage = storages[alias] if alias in storages.backends else None
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


def upload_folders() -> list[Path]:
    return [place for alias in ("default", "private") if (place := folder(alias))]


def source_folders() -> Iterator[Path]:
    """Where collectstatic copies from."""
    for finder in finders.get_finders():
        for storage in getattr(finder, "storages", {}).values():
            yield Path(storage.location)


def within(inner: Path, outer: Path) -> bool:
    """Is one the other, or inside it? Seen through links, `..` and a disk that ignores case."""
    inner, outer = inner.resolve(), outer.resolve()
    for place in (inner, *inner.parents):
        with suppress(OSError):  # as long as a folder is not there
            if place == outer or place.samefile(outer):
                return True
    return False


def overlap(one: Path, other: Path) -> bool:
    return within(one, other) or within(other, one)


def address(url: str) -> str:
    """Host and path, so that one address covers another if it begins like it."""
    parts = urlsplit(url)
    path = parts.path.strip("/")
    return f"{parts.netloc.lower()}/{path}/" if path else f"{parts.netloc.lower()}/"


@register("files")
def uploads_apart_from_static(**kwargs: Any) -> Iterator[CheckMessage]:
    """collectstatic writes over uploads, or serves what anybody uploaded as if you wrote it."""
    media = folder() or (Path(settings.MEDIA_ROOT) if settings.MEDIA_ROOT else None)
    static = [Path(settings.STATIC_ROOT)] if settings.STATIC_ROOT else []
    for place in [*static, *source_folders()]:
        if media and overlap(media, place):
            yield Error(
                f"MEDIA_ROOT ({media}) and a folder of static files ({place}) are one, or one is "
                "inside the other: uploads are served as if they were your own static files, and "
                "`collectstatic --clear` deletes them.",
                hint='Give uploads a folder of their own: MEDIA_ROOT = BASE_DIR / "media".',
                id="files.E001",
            )
            return


@register("files")
def static_root_apart_from_sources(**kwargs: Any) -> Iterator[CheckMessage]:
    """STATIC_ROOT is made anew by each collectstatic: who keeps sources in it loses them."""
    root = settings.STATIC_ROOT
    for source in source_folders() if root else []:
        if overlap(Path(root), source):
            yield Error(
                f"STATIC_ROOT ({root}) and a source of static files ({source}) are one, or one is "
                "inside the other: collectstatic collects what it has made, and `--clear` deletes "
                "your sources.",
                hint='Let it write elsewhere: STATIC_ROOT = BASE_DIR / "staticfiles". '
                "STATICFILES_DIRS names only folders that you write.",
                id="files.E002",
            )
            return


@register("files")
def urls_apart(**kwargs: Any) -> Iterator[CheckMessage]:
    """Who answers for the shorter address answers for the longer one too, and finds nothing."""
    if not settings.STATIC_URL or not (folder() or settings.MEDIA_URL != "/"):
        return
    media, static = address(settings.MEDIA_URL), address(settings.STATIC_URL)
    if media.startswith(static) or static.startswith(media):
        yield Error(
            f"MEDIA_URL ({settings.MEDIA_URL}) and STATIC_URL ({settings.STATIC_URL}) are the "
            "same, or one begins with the other: requests for one are looked up in the other.",
            hint='Keep them apart: MEDIA_URL = "/media/" and STATIC_URL = "/static/".',
            id="files.E003",
        )


@register("files", deploy=True)
def manifest_exists(**kwargs: Any) -> Iterator[CheckMessage]:
    """Without the manifest no page that names a static file can be shown: each is a 500."""
    with suppress(ImproperlyConfigured):
        storage = storages["staticfiles"]
        if isinstance(storage, ManifestFilesMixin) and not storage.hashed_files:
            yield Error(
                f"There is no {storage.manifest_name} in {settings.STATIC_ROOT}: every page that "
                "names a static file would fail.",
                hint="Run `manage.py collectstatic --noinput` when you build, before it starts.",
                id="files.E007",
            )


@register("files")
def removed_settings(**kwargs: Any) -> Iterator[CheckMessage]:
    """Django does not read them any more, and says nothing: files go where they always went."""
    for name, alias in REMOVED.items():
        if settings.is_overridden(name):  # type: ignore[misc]
            yield Error(
                f"{name} is set, but Django removed that setting and does not read it: it has no "
                "effect.",
                hint=f'Delete it, and name the class in STORAGES["{alias}"]["BACKEND"].',
                id="files.E009",
            )


@register("files")
def uploads_can_be_written(**kwargs: Any) -> Iterator[CheckMessage]:
    """The first upload is a 500."""
    for place in upload_folders():
        if not writable(place):
            yield Warning(
                f"This process cannot write to {place}: every upload would fail.",
                hint="Give the folder to the user that runs the site (chown), mount the volume "
                "read-write, or set DJANGO_MEDIA_ROOT to another folder.",
                id="files.W001",
            )


@register("files")
def git_ignores_what_is_made(**kwargs: Any) -> Iterator[CheckMessage]:
    """Uploads in git are published with the code; collected files conflict in every merge."""
    base = Path(settings.BASE_DIR).resolve()
    top = next((place for place in (base, *base.parents) if (place / ".git").exists()), None)
    if not settings.DEBUG or not top:
        return
    made = {place.resolve() for place in (*upload_folders(), Path(settings.STATIC_ROOT or base))}
    names = [
        place.relative_to(top).as_posix()
        for place in sorted(made)
        if place.is_relative_to(top)
        and not any(overlap(place, other) for other in (base / "manage.py", *source_folders()))
    ]
    tracked = git(top, "ls-files", "--", *names) if names else None
    ignored = git(top, "check-ignore", "--", *(f"{name}/x" for name in names))
    if tracked is None or ignored is None:
        return
    for name in names:
        files = [file for file in tracked if file.startswith(f"{name}/") and "/." not in file]
        if files:
            yield Warning(
                f"git tracks {files[0]}: what is in {name}/ is made by collectstatic or uploaded "
                "by users, and would be published and merged like code.",
                hint=f"Run `git rm -r --cached {name}`, and put /{name}/ in .gitignore.",
                id="files.W002",
            )
        elif f"{name}/x" not in ignored:
            yield Warning(
                f"git would not ignore {name}/, which is made by collectstatic or uploaded by "
                "users: the next `git add .` takes it in.",
                hint=f"Put /{name}/ in .gitignore.",
                id="files.W002",
            )


def git(top: Path, *arguments: str) -> list[str] | None:
    """What git lists, or None if git cannot say."""
    with suppress(OSError):
        command = ["git", "-C", str(top), "-c", "core.quotePath=false", *arguments]
        result = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        if result.returncode in (0, 1):
            return result.stdout.splitlines()
    return None


@register("files", deploy=True)
def uploads_outlive_the_machine(**kwargs: Any) -> Iterator[CheckMessage]:
    """Such hosts start each release on an empty disk: all uploads are gone."""
    for place in upload_folders():
        mounted = any(part.is_mount() for part in (place, *place.parents[:-1]))
        for variable, host in EPHEMERAL.items():
            lasting = mounted and host not in ("Heroku", "AWS Lambda")
            if variable in os.environ and not lasting:
                yield Warning(
                    f"Uploads are kept in {place}, on the disk of a machine of {host}, which is "
                    "wiped with every release or restart: they would be lost.",
                    hint="Keep them in a bucket: `copier update --data media_storage=s3`. Or "
                    "mount a volume, and set DJANGO_MEDIA_ROOT to a folder on it.",
                    id="files.W003",
                )


@register("files", deploy=True)
def uploads_served_safely(**kwargs: Any) -> Iterator[CheckMessage]:
    """An uploaded HTML page would run as the site itself, with the cookies of who opens it."""
    root = getattr(settings, "WHITENOISE_ROOT", None)
    if root and any(overlap(place, Path(root)) for place in upload_folders()):
        served_by = f"WhiteNoise, by WHITENOISE_ROOT ({root})"
    elif folder() and not settings.DEBUG and view_of(settings.MEDIA_URL) == "django.views.static":
        served_by = "django.views.static.serve, by a route in config/urls.py"
    else:
        return
    yield Warning(
        f"Uploads are served by {served_by}, on the host of the site's cookies and without the "
        "headers that keep a browser from running them: an uploaded page could act as any user.",
        hint="Delete that line: let the web server of deploy/ serve them, or the app itself by "
        "`copier update --data web_server=none`.",
        id="files.W004",
    )


def view_of(url: str) -> str:
    """The module of the view that answers for files under that URL; empty if there is none."""
    parts = urlsplit(url)
    if parts.netloc and parts.hostname not in settings.ALLOWED_HOSTS:
        return ""
    with suppress(Resolver404):
        view = resolve("/" + parts.path.removeprefix(get_script_prefix()).lstrip("/") + "x.html")
        return view.func.__module__
    return ""

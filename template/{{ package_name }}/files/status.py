"""What this site runs on and how it fares: for the start page, `manage.py doctor` and /readyz.

It asks what is near (database, cache, folders); doctor goes on to ask the network.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.cache import cache, caches
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


@dataclass(frozen=True)
class Fact:
    label: str
    value: str
    ok: bool | None
    """None: good to know, neither right nor wrong."""
    advice: str = ""
    command: str = ""


def facts() -> list[Fact]:
    found = [Fact("Settings", os.environ.get("DJANGO_SETTINGS_MODULE", ""), None)]
    for probe, label, advice in (
        (database, "Database", "Start the database, or correct DATABASE_URL."),
        (caching, "Cache", "Start the cache, or correct CACHE_URL; if it is a table, migrate."),
        (static, "Static files", "Correct STORAGES['staticfiles'] in the settings."),
        (uploads, "Uploads", "Correct the storage in config/settings/media.py."),
    ):
        try:
            found += probe()
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            found.append(Fact(label, f"{type(error).__name__}: {reason}", False, advice))
    return found


def writable(folder: str | os.PathLike[str]) -> bool:
    """Can this process make files there, or make the folder itself if it does not exist yet?"""
    path = Path(folder).resolve()
    while not os.path.exists(path):  # False too where this process may not look
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def database() -> Iterator[Fact]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    yield Fact("Database", connection.display_name, True)
    executor = MigrationExecutor(connection)
    pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    advice = ("Migrate the database.", "uv run manage.py migrate") if pending else ()
    yield Fact("Migrations", f"{pending} pending", not pending, *advice)


def caching() -> Iterator[Fact]:
    backend = type(caches["default"]).__name__
    cache.get("files.status")  # which raises, where set would keep silent
    cache.set("files.status", "works", 10)
    works = cache.get("files.status") == "works" or backend == "DummyCache"
    yield Fact("Cache", backend, works, "" if works else "It keeps nothing: make room in it.")


def static() -> Iterator[Fact]:
    storage = storages["staticfiles"]
    if settings.DEBUG or not isinstance(storage, ManifestFilesMixin):
        yield Fact("Static files", f"straight from their sources, at {settings.STATIC_URL}", None)
    elif count := len(storage.hashed_files):
        yield Fact("Static files", f"{count} in the manifest, at {settings.STATIC_URL}", True)
    else:
        advice = ("Collect the static files.", "uv run manage.py collectstatic --noinput")
        yield Fact("Static files", "no manifest", False, *advice)


def uploads() -> Iterator[Fact]:
    for alias in sorted({"default", "private"} & storages.backends.keys()):
        label = "Uploads" if alias == "default" else "Private uploads"
        storage = storages[alias]
        if isinstance(storage, FileSystemStorage):
            good = writable(storage.location)
            advice = "" if good else "The user that runs the site must be able to write there."
            yield Fact(label, str(storage.location), good, advice)
        else:
            yield Fact(label, getattr(storage, "bucket_name", type(storage).__name__), None)

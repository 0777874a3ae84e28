"""What `manage.py doctor` asks: all that status.py knows, and what only a trial can tell."""

import filecmp
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core import checks
from django.core.files.storage import FileSystemStorage, storages

from .doctor_web import PAGE, probe, web_server
from .status import Fact, facts, writable

COLLECT = "uv run manage.py collectstatic --noinput"


def examine(url: str = "") -> Iterator[Fact]:
    yield from facts()
    yield from said_by_checks()
    yield from collected()
    yield from folders()
    yield from web_server(url)


def said_by_checks() -> Iterator[Fact]:
    """What `manage.py check` says, but for what is among the facts."""
    for message in checks.run_checks(include_deployment_checks=not settings.DEBUG):
        told = message.is_silenced() or message.id in ("files.E007", "files.W001")
        if message.level >= checks.WARNING and not told:
            yield Fact(message.id or "check", message.msg, False, message.hint or "")


def collected() -> Iterator[Fact]:
    """Is what collectstatic made still what the sources say?"""
    storage = storages["staticfiles"]
    if settings.DEBUG or not isinstance(storage, ManifestFilesMixin) or not storage.hashed_files:
        return
    stale, seen = [], set()
    for finder in finders.get_finders():
        for path, source in finder.list(apps.get_app_config("staticfiles").ignore_patterns):
            name = "/".join(filter(None, [getattr(source, "prefix", None), Path(path).as_posix()]))
            hashed, copy = storage.hashed_files.get(name, ""), Path(storage.path(name))
            changed = copy.exists() and not filecmp.cmp(source.path(path), copy, shallow=False)
            if name not in seen and (changed or not storage.exists(hashed or "missing")):
                stale.append(name)
            seen.add(name)
    if stale:
        value = f"{len(stale)} changed since they were collected, such as {stale[0]}"
        yield Fact("Static files", value, False, "Collect them again.", COLLECT)


def folders() -> Iterator[Fact]:
    for alias in storages.backends:
        storage = storages[alias]
        if alias == "staticfiles" or not isinstance(storage, FileSystemStorage):
            continue
        try:
            if writable(storage.location):  # else it was said already
                with probe(alias) as name, storage.open(name) as file:
                    good = file.read() == PAGE
                yield Fact("Trial upload", f"{alias}: written, read and deleted", good)
        except OSError as error:
            advice = f"Make room in {storage.location}, or give it to the user that runs the site."
            yield Fact("Trial upload", f"{alias}: {error.strerror}", False, advice)


def without_secrets(fact: Fact) -> Fact:
    """The same, if a password, a key or a signature got into an error's text: without it."""
    secret = {settings.SECRET_KEY, *(each.get("PASSWORD") for each in settings.DATABASES.values())}
    for name, value in os.environ.items():
        if re.search("KEY|SECRET|TOKEN|PASSWORD", name):
            secret.add(value)
        secret.update(re.findall(r"://[^:@/]*:(.+)@", value))
    hidden = sorted({*secret, *map(unquote, filter(None, secret))} - {None, ""}, key=len)[::-1]
    text = fact.value
    for value in hidden:
        text = text.replace(value, "***") if len(value) > 3 else text
    return replace(fact, value=re.sub(r"\?\S*[Ss]ignature\S*", "?***", text))

"""Copying all files of one storage to another; `manage.py copy_media` is its command line.

Names are in memory, contents never: of each file that is under way no more than a few megabytes.
"""

import gc
import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any, NamedTuple, Protocol

from django.core.files.storage import FileSystemStorage

BLOCK = 1 << 20
ATTEMPTS = 7
HOPELESS = 50
"""After so many failures in a row the rest is not tried."""
NOT_TRIED = "Not tried, since everything before it failed."


class Entry(NamedTuple):
    """A file in a listing. Its tag is another when its content is: an ETag, or the time of writing."""

    size: int
    tag: str


class Trouble(Exception):
    """A sentence on why a file was not copied; `passing` if the next attempt may well succeed."""

    def __init__(self, sentence: str, *, passing: bool = False) -> None:
        super().__init__(sentence)
        self.passing = passing


class Different(Trouble):
    """Another file of the same name is there, and must not be overwritten."""


class Place(Protocol):
    """A storage, as copying sees it. Names are relative, with "/" between their parts."""

    def entries(self) -> Iterator[tuple[str, Entry]]: ...

    def read(self, name: str, entry: Entry) -> Iterator[bytes]:
        """The content in blocks; ends in Trouble if it is not that of the entry."""

    def md5(self, name: str, entry: Entry, *, sure: bool) -> str:
        """In hexadecimal. Not `sure`: what the listing says, if it says anything."""

    def take(self, source: "Place", name: str, entry: Entry) -> Entry:
        """Store a file of another place, verified, over what is there; the new entry."""

    def close(self) -> None: ...


class Folder:
    """A folder on this machine's disk."""

    def __init__(self, storage: FileSystemStorage) -> None:
        self.storage, self.root = storage, Path(storage.location)
        self.parts = self.root / ".copy_media"

    def __str__(self) -> str:
        return str(self.root)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        if self.root.is_dir():
            yield from self.inside(str(self.root), "", [])

    def inside(self, folder: str, prefix: str, above: list[str]) -> Iterator[tuple[str, Entry]]:
        """The files under a folder; links are followed, but never round in a circle."""
        above = [*above, os.path.realpath(folder)]
        with os.scandir(folder) as found:
            for item in sorted(found, key=lambda item: item.name):
                if item.is_dir():
                    if item.path != str(self.parts) and os.path.realpath(item.path) not in above:
                        yield from self.inside(item.path, f"{prefix}{item.name}/", above)
                elif item.is_file():
                    yield prefix + item.name, entry_of(item.stat())

    def path(self, name: str) -> Path:
        parts = name.split("/")
        if {"", ".", ".."} & set(parts) or "\0" in name or any(os.sep in part for part in parts):
            raise Trouble("No file can have this name.")
        return self.root / name

    def read(self, name: str, entry: Entry) -> Iterator[bytes]:
        with self.path(name).open("rb", buffering=0) as file:
            yield from blocks_of(file)
            if entry_of(os.fstat(file.fileno())) != entry:
                raise Trouble("It was changed while it was read: run the command again.")

    def md5(self, name: str, entry: Entry, *, sure: bool = True) -> str:
        return md5_of(self.read(name, entry))

    def take(self, source: Place, name: str, entry: Entry) -> Entry:
        path = self.path(name)
        part = self.parts / hashlib.sha256(os.fsencode(name)).hexdigest()
        self.make(path.parent)
        self.make(part.parent)
        with part.open("wb", buffering=0) as file:
            for block in source.read(name, entry):
                file.write(block)
        written = entry_of(part.stat())
        if isinstance(source, Folder):  # A bucket's own hash was verified on reading.
            with part.open("rb", buffering=0) as file:
                if md5_of(blocks_of(file)) != source.md5(name, entry):
                    raise Trouble("What was written is not what was read.", passing=True)
        if self.storage.file_permissions_mode is not None:
            part.chmod(self.storage.file_permissions_mode)
        part.replace(path)
        return written

    def make(self, folder: Path) -> None:
        if not folder.is_dir():
            self.make(folder.parent)
            folder.mkdir(exist_ok=True)
            if self.storage.directory_permissions_mode is not None:
                folder.chmod(self.storage.directory_permissions_mode)

    def close(self) -> None:
        """Remove what a copy that was killed has left unfinished."""
        with suppress(OSError):
            for part in self.parts.iterdir():
                part.unlink()
            self.parts.rmdir()


def entry_of(stat: os.stat_result) -> Entry:
    return Entry(stat.st_size, str(stat.st_mtime_ns))


def blocks_of(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def md5_of(blocks: Iterable[bytes]) -> str:
    """The hash that S3 has for most files, against accidents rather than attackers."""
    result = hashlib.md5(usedforsecurity=False)
    for block in blocks:
        result.update(block)
    return result.hexdigest()


class Journal:
    """What was verified, a line for each file. It spares reading a file again, and proves nothing:
    a file counts as copied only while both listings say what they said then."""

    def __init__(self, path: Path) -> None:
        """OSError if it cannot be written there."""
        self.verified: dict[str, tuple[Entry, Entry]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a+", encoding="ascii")
        self.file.seek(0)
        for line in self.file:
            with suppress(ValueError, TypeError):  # Half a line, if the process was killed.
                name, size, tag, *there = json.loads(line)
                self.verified[name] = Entry(size, tag), Entry(*there)
        self.file.write("\n")

    def add(self, name: str, source: Entry, target: Entry) -> None:
        self.file.write(json.dumps([name, *source, *target]) + "\n")
        self.file.flush()


class Copy:
    """One run, and its counts of files."""

    def __init__(self, source: Place, target: Place, journal: Journal, *, overwrite: bool) -> None:
        self.source, self.target, self.journal, self.overwrite = source, target, journal, overwrite
        self.lock, self.stopping = Lock(), False
        self.files = self.right = self.copied = self.bytes = self.failing = 0
        self.troubles: dict[str, str] = {}
        """The files that are missing or different in the target, and why."""

    def run(self, jobs: int) -> Iterator[None]:
        """Copy what is missing, `jobs` files at once, and yield ten times a second meanwhile.

        Trouble if a place cannot be listed.
        """
        gc.freeze()  # What Django has loaded stays: spare the collector looking at it again.
        self.there = patiently(lambda: dict(self.target.entries()))
        files = patiently(lambda: list(self.source.entries()))
        self.files = len(files)
        todo = [item for item in files if not self.is_known(*item)]
        self.right = self.files - len(todo)
        shared = iter(todo)
        with ThreadPoolExecutor(jobs) as pool:
            workers = [pool.submit(self.work, shared) for _ in range(jobs)]
            try:
                while wait(workers, 0.1).not_done:
                    yield
            finally:
                self.stopping = True
        for worker in workers:
            worker.result()
        self.troubles.update((name, NOT_TRIED) for name, _ in shared)

    def is_known(self, name: str, entry: Entry) -> bool:
        return self.journal.verified.get(name) == (entry, self.there.get(name))

    def work(self, shared: Iterator[tuple[str, Entry]]) -> None:
        for name, entry in shared:
            try:
                there, copied = patiently(lambda: self.one(name, entry))  # noqa: B023
            except (Trouble, OSError) as error:
                with self.lock:
                    self.troubles[name] = getattr(error, "strerror", None) or str(error)
                    self.failing += not isinstance(error, Different)
            else:
                with self.lock:
                    self.journal.add(name, entry, there)
                    self.right += not copied
                    self.copied += copied
                    self.bytes += entry.size * copied
                    self.failing = 0
            if self.stopping or self.failing >= HOPELESS:
                return

    def one(self, name: str, entry: Entry) -> tuple[Entry, bool]:
        """The file as it now is in the target, and whether it had to be copied."""
        there = self.there.get(name)
        if there is None:
            return self.target.take(self.source, name, entry), True
        if self.is_same(name, entry, there):
            return there, False
        if self.overwrite:
            return self.target.take(self.source, name, entry), True
        raise Different("A different file of this name is there: --overwrite would replace it.")

    def is_same(self, name: str, here: Entry, there: Entry) -> bool:
        if here.size != there.size:
            return False
        return any(
            self.source.md5(name, here, sure=sure) == self.target.md5(name, there, sure=sure)
            for sure in (False, True)
        )


def patiently(action: Callable[[], Any]) -> Any:
    """What the action returns; it is tried again, for some seconds, after Trouble that passes."""
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except Trouble as trouble:
            if not trouble.passing or attempt == ATTEMPTS - 1:
                raise
        time.sleep(2**attempt * random.uniform(0.05, 0.15))  # noqa: S311
    raise AssertionError

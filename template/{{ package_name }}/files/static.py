"""Static files, collected under names that carry a hash of their content.

Such a name never changes its content. So a hashed file that exists is neither written nor compressed
again, and none is deleted: a release that still runs finds its files while the next is collected.
"""

import posixpath
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from json import dumps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.contrib.staticfiles.utils import matches_patterns
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.core.management import CommandError

from .compress import compress, write


class StaticStorage(ManifestStaticFilesStorage):
    """Django's manifest storage in one pass: a stylesheet is finished after what it refers to."""

    _patterns: dict[str, list[tuple[Any, ...]]]

    def __init__(self, *args: Any, vendor_source_maps: Sequence[str] = (), **options: Any) -> None:
        """`vendor_source_maps`: files such as "vendor/*" whose source map may be missing."""
        super().__init__(*args, **options)
        self.vendor_source_maps = vendor_source_maps

    def post_process(
        self, paths: dict[str, tuple[Storage, str]], dry_run: bool = False, **options: Any
    ) -> Iterator[tuple[str, str, bool]]:
        """Called by collectstatic with all files: hash, compress, and write the manifest last."""
        if dry_run:
            return
        self.sources = {self.clean_name(name): source for name, source in paths.items()}
        self.hashed_files: dict[str, str] = {}
        self.underway: list[str] = []
        self.mistakes: list[str] = []
        for name in self.sources:
            yield name, self.finish(name), True
        if self.mistakes:
            raise CommandError("\n".join(self.mistakes))
        compress(Path(self.path(hashed)) for hashed in self.hashed_files.values())
        self.save_manifest()

    def finish(self, name: str) -> str:
        """The hashed name of a collected file, which is now there under it."""
        if name not in self.hashed_files:
            storage, path = self.sources[name]
            with storage.open(path) as source:
                content: File[Any] = source
                if matches_patterns(name, self._patterns):
                    self.underway.append(name)
                    content = ContentFile(self.rewrite(name, source.read()))
                    self.underway.pop()
                hashed = self.clean_name(self.hashed_name(name, content))
                if not self.exists(hashed):
                    write(Path(self.path(hashed)), content.chunks())
            self.hashed_files[name] = hashed
        return self.hashed_files[name]

    def rewrite(self, name: str, content: bytes) -> bytes:
        """The content of a stylesheet or script, with references to hashed names."""
        try:
            text = content.decode()
        except UnicodeDecodeError:
            self.mistakes.append(f"{name} is not in UTF-8: save it in that encoding.")
            return content
        for extension, patterns in self._patterns.items():
            if not matches_patterns(name, (extension,)):
                continue
            for pattern, template, *ignored in patterns:
                if pattern.search(text):
                    blocks = [self.get_ignored_blocks(text, each) for each in ignored]
                    convert = self.url_converter(name, self.hashed_files, template, *blocks)
                    text = pattern.sub(convert, text)
        return text.encode()

    def _stored_name(self, name: str, hashed_files: dict[str, str]) -> str:
        """Django's hook: the hashed name of what the file that is underway refers to."""
        url = urlsplit(name)
        target = posixpath.normpath(url.path)
        referrer = self.underway[-1]
        if target in self.underway:
            circle = " refers to ".join([*self.underway[self.underway.index(target) :], target])
            self.mistakes.append(f"{circle}: no file of a circle can have a hash. Break it.")
        elif target in self.sources:
            return urlunsplit(url._replace(path=self.finish(target)))
        elif not (target.endswith(".map") and self.is_vendored(referrer)):
            self.mistakes.append(
                f"{referrer} refers to {target}, which is not there: "
                "add that file, or correct the reference."
            )
        return name

    def is_vendored(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self.vendor_source_maps)

    def save_manifest(self) -> None:
        paths = dict(sorted(self.hashed_files.items()))
        self.manifest_hash = self.file_hash("", ContentFile(dumps(paths).encode())) or ""
        manifest = {"version": self.manifest_version, "hash": self.manifest_hash, "paths": paths}
        write(Path(self.path(self.manifest_name)), [dumps(manifest).encode()])

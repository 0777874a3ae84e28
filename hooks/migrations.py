#!/usr/bin/env python3
"""Migrations of releases: what `copier update` cannot do by itself.

Copier merges what changed within a file. When a release *moves* a file, or splits it, Copier
deletes the old one and writes the new one, and what a user had written in the old one would be
gone from the working tree. A release that does so carries a migration, which takes the user's edits
to the new place by a real three-way merge (`git merge-file`).

A migration is a function here, entered under the version that brings it:

    @migration("2.0.0")
    def settings_are_split(project: Project) -> None:
        '''config/settings/media.py: what was in base.py before.'''
        project.moved("config/settings/base.py", "config/settings/common.py")

and in copier.yml, once, whatever the number of migrations:

    _migrations:
      - version: v2.0.0
        command: ["{{ _copier_python }}", "{{ _copier_conf.src_path }}/hooks/migrations.py",
                  "{{ _stage }}", "{{ _version_from }}", "{{ _version_to }}"]
        when: "{{ _stage in ['before', 'after'] }}"

Copier runs commands only for people who say that they trust the template: a release with a
migration is therefore a new major version, and its section in CHANGELOG.md says
`copier update --trust`. Without it Copier stops before it changes anything, and says so.

How it works. In the stage "before", the user's text of each file that is about to move is put aside,
in the project's git folder, beside the template's old text of it. In the stage "after" both are
merged into the file at its new place. A conflict is left between markers, as Copier leaves one.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, ...]
MIGRATIONS: list[tuple[Version, Callable[[Project], None]]] = []


def number(version: str) -> Version:
    """v1.2.3 as (1, 2, 3); a version between releases counts as the release before it."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if not found:
        raise SystemExit(f"{version!r} is not a version such as v1.2.3.")
    return tuple(int(part) for part in found.groups())


def migration(version: str) -> Callable:
    """Enter a function as a migration of that version."""

    def enter(function: Callable[[Project], None]) -> Callable[[Project], None]:
        MIGRATIONS.append((number(version), function))
        return function

    return enter


@dataclass
class Project:
    """A project in one stage of an update: "before" or "after" Copier has rendered."""

    folder: Path
    stage: str
    version: str = ""  # that the project has until now

    def moved(self, old: str, new: str) -> None:
        """Carry the user's edits of a file to the place where the release has it."""
        self.split(old, [new])

    def split(self, old: str, new: list[str]) -> None:
        """Carry the user's edits of a file to the several files that it became.

        Each edit goes where the lines around it went. One that fits nowhere is not dropped: the
        file is kept, with the ending .before-update, and named.
        """
        if self.stage == "before":
            self.put_aside(old)
        elif self.aside(old).exists():
            self.merge(old, new)

    # --- before ---------------------------------------------------------------------------------

    def put_aside(self, name: str) -> None:
        path = self.folder / name
        if path.is_file():
            aside = self.aside(name)
            aside.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(path.read_bytes())
            base = self.pristine(name)
            aside.with_name(aside.name + ".base").write_bytes(base)

    def aside(self, name: str) -> Path:
        folder = Path(self.git("rev-parse", "--absolute-git-dir").decode().strip())
        return folder / "groundwork-update" / name

    def pristine(self, name: str) -> bytes:
        """The file as the version that the project had until now writes it, with its answers."""
        with tempfile.TemporaryDirectory(prefix="groundwork-") as scratch:
            answers = (self.folder / ".copier-answers.yml").read_text(encoding="utf-8")
            data = Path(scratch) / "answers.yml"
            data.write_text(re.sub(r"(?m)^_.*\n", "", answers), encoding="utf-8")
            source = re.search(r"(?m)^_src_path: (.*)$", answers)[1].strip("'\"")
            subprocess.run(
                [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet", "--trust",
                 "--skip-tasks", "--vcs-ref", self.version, "--data-file", str(data), source,
                 str(Path(scratch) / "copy")],
                check=True, capture_output=True,
            )  # fmt: skip
            path = Path(scratch) / "copy" / name
            return path.read_bytes() if path.is_file() else b""

    def git(self, *arguments: str) -> bytes:
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, capture_output=True
        ).stdout

    # --- after ----------------------------------------------------------------------------------

    def merge(self, old: str, new: list[str]) -> None:
        aside = self.aside(old)
        base_path = aside.with_name(aside.name + ".base")
        ours, base = read(aside), read(base_path)
        targets = [self.folder / name for name in new if (self.folder / name).is_file()]
        left = set(own_lines(base, ours))
        for target in targets:
            if len(new) == 1:
                text, conflicts = merge_file(ours, base, read(target))
            else:
                text, conflicts = merge_part(ours, base, read(target))
            target.write_text(text, encoding="utf-8", newline="\n")
            left -= set(text.splitlines())
            if conflicts:
                print(f"{target.relative_to(self.folder)}: both changed, see the markers.")
        if left:
            kept = self.folder / f"{old}.before-update"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(ours, encoding="utf-8", newline="\n")
            print(f"{old} is gone, and edits of yours fit in no new file: see {kept.name}.")
        aside.unlink()
        base_path.unlink()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def own_lines(base: str, ours: str) -> list[str]:
    """The lines that the user wrote."""
    known = set(base.splitlines())
    return [line for line in ours.splitlines() if line.strip() and line not in known]


def merge_file(ours: str, base: str, theirs: str) -> tuple[str, int]:
    """`git merge-file`: the text, and how many conflicts are marked in it."""
    with tempfile.TemporaryDirectory(prefix="groundwork-") as folder:
        paths = []
        for name, text in (("ours", ours), ("base", base), ("theirs", theirs)):
            paths.append(Path(folder) / name)
            paths[-1].write_text(text, encoding="utf-8", newline="\n")
        result = subprocess.run(
            ["git", "merge-file", "-p", "-L", "before updating", "-L", "last update",
             "-L", "after updating", *map(str, paths)],
            capture_output=True,
        )  # fmt: skip
    if result.returncode > 127:
        raise SystemExit(f"git merge-file: {result.stderr.decode(errors='replace')}")
    return result.stdout.decode("utf-8"), result.returncode


def merge_part(ours: str, base: str, theirs: str) -> tuple[str, int]:
    """One of several files that a file became: it takes the edits whose surroundings it has.

    The base and the user's text are first reduced to the paragraphs (parted by empty lines) of
    which the new file has at least one line; what it has not is another file's.
    """
    here = {line for line in theirs.splitlines() if line.strip()}
    base_parts, our_parts = paragraphs(base), paragraphs(ours)
    belongs = [part for part in base_parts if here & set(part.splitlines())]
    lines = {line for part in belongs for line in part.splitlines() if line.strip()}
    elsewhere = {
        line for part in base_parts if part not in belongs for line in part.splitlines()
    } - lines
    mine = [
        part
        for part in our_parts
        if lines & set(part.splitlines()) and not elsewhere & set(part.splitlines())
    ]
    return merge_file("\n\n".join(mine) + "\n", "\n\n".join(belongs) + "\n", theirs)


def paragraphs(text: str) -> list[str]:
    return [part.strip("\n") for part in re.split(r"\n(?:[ \t]*\n)+", text) if part.strip()]


def run(stage: str, version_from: str, version_to: str, folder: Path) -> None:
    """Run the migrations between two versions, the oldest first."""
    begin, end = number(version_from), number(version_to)
    for version, function in sorted(MIGRATIONS, key=lambda entry: entry[0]):
        if begin < version <= end:
            function(Project(folder, stage, version_from))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("before", "after"):
        raise SystemExit("usage: migrations.py before|after VERSION_FROM VERSION_TO")
    run(*sys.argv[1:], Path.cwd())

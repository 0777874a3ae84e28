"""Projects that were not made from the template, to be adopted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from releases import commit_all, git

from . import by_hand, edits, layouts

Files = dict[str, str]


@dataclass(frozen=True)
class Existing:
    """A project, the Django that its tests are run with, and what is asked of its adoption."""

    make: Callable[[], Files]
    simple: bool = True  # at most one conflict in Python files, and its tests pass
    django: str = "5.2"
    migrated: bool = False  # are its migrations made by Django before?
    side: str = "ours"  # of the conflict, that its author keeps
    variables: tuple[tuple[str, str], ...] = ()


PROJECTS: dict[str, Existing] = {
    "untouched-4.2": Existing(edits.untouched("4.2.11")),
    "untouched-5.2": Existing(edits.untouched("5.2.8")),
    "untouched-6.1": Existing(edits.untouched("6.1"), django="6.1"),
    "blog-4.2": Existing(edits.blog("4.2.30")),
    "blog-6.1": Existing(edits.blog("6.1"), django="6.1"),
    "databases": Existing(edits.databases("5.2.8")),
    "postgresql": Existing(
        edits.postgresql("5.2"), side="theirs", variables=(("DATABASE_URL", "sqlite:///:memory:"),)
    ),
    "custom-user": Existing(edits.custom_user("6.1"), django="6.1", migrated=True),
    "files": Existing(edits.static_and_media("5.2.1")),
    "whitenoise": Existing(edits.whitenoise("4.2.7")),
    "buckets": Existing(edits.buckets("5.2.3"), side="theirs"),
    "split": Existing(layouts.split("5.2.8")),
    "black": Existing(edits.black("6.1"), django="6.1"),
    "environment": Existing(by_hand.environment()),
    "old-style": Existing(by_hand.old_style()),
    "cookiecutter": Existing(layouts.cookiecutter(), simple=False, migrated=True),
}


def write(folder: Path, files: Files, commit: bool = True) -> Path:
    """Put the files in a folder, and commit them in a repository of their own."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    if commit:
        git(folder, "init", "--quiet")
        commit_all(folder, "As it was")
    return folder

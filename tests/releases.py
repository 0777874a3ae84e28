"""The releases of this repository, made again from the list of their commits."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from projects import REPOSITORY, export

LIST = REPOSITORY / "releases.txt"
NOW = "v99.0.0"  # what the tests call the working tree, which is newer than every release
GIT = ("git", "-c", "user.name=Tests", "-c", "user.email=tests@example.com",
       "-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false",
       "-c", "core.autocrlf=false", "-c", "init.defaultBranch=main")  # fmt: skip


@dataclass(frozen=True)
class Release:
    version: str
    commit: str


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    """What git printed."""
    result = subprocess.run(
        [*GIT, *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )
    if check and result.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {result.stdout}{result.stderr}")
    return result.stdout


def commit_all(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-verify", "--allow-empty", "--message", message)


def released(listing: Path = LIST) -> list[Release]:
    """Every released version, the oldest first."""
    found = []
    for line in listing.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            match = re.fullmatch(r"(v\d+\.\d+\.\d+) ([0-9a-f]{40})", line.strip())
            assert match, f"releases.txt: {line!r} is not 'vX.Y.Z <full commit hash>'"
            found.append(Release(match[1], match[2]))
    return found


def history(folder: Path) -> Path:
    """A clone in which every release has its tag, and the working tree is a release too."""
    git(REPOSITORY, "clone", "--quiet", "--no-tags", f"{REPOSITORY}", f"{folder}")
    for release in released():
        git(folder, "tag", "--annotate", release.version, release.commit, "--message", "x")
    for entry in ("template", "questions", "copier.yml"):
        git(folder, "rm", "-r", "--quiet", "--ignore-unmatch", entry)
        shutil.rmtree(folder / entry, ignore_errors=True)
    export(folder)
    return tagged(folder, NOW)


def tagged(folder: Path, version: str) -> Path:
    """Commit what is in a clone, and tag it."""
    commit_all(folder, version)
    git(folder, "tag", "--annotate", version, "--message", version)
    return folder

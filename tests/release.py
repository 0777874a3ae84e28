"""make release VERSION=x.y.z: check everything, make the tag, and record its commit.

    python tests/release.py x.y.z [--tests COMMAND]

The release is a commit "x.y.z is released" with an annotated tag vx.y.z. A commit cannot contain its
own hash, so that the next one records it in releases.txt, from which the update tests make the tag
again. Nothing is pushed.
"""

from __future__ import annotations

import argparse
import datetime
import re
import shlex
import subprocess
import sys
from pathlib import Path

from projects import REPOSITORY
from releases import Release, released

NOTES = "### What a project must do"


class NotReady(Exception):
    """Why a release cannot be made; the text is for people."""


def git(root: Path, *arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if result.returncode:
        raise NotReady(f"git {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout.strip()


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").split("."))


def section(root: Path, version: str) -> str:
    """What CHANGELOG.md says of a version, which is dated today."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(
        rf"(?ms)^## \[{re.escape(version)}\] - (\S+)\n(.*?)(?=^## \[|^\[[^\]]+\]: |\Z)", text
    )
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    if not found:
        raise NotReady(f"CHANGELOG.md has no section '## [{version}] - {today}'.")
    if found[1] != today:
        raise NotReady(f"CHANGELOG.md dates {version} {found[1]}, and today is {today}.")
    return found[2]


def check(root: Path, version: str) -> None:
    """Everything but the tests."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise NotReady(f"{version!r} is not a version such as 1.2.3.")
    if git(root, "status", "--porcelain"):
        raise NotReady("There are changes that are not committed.")
    before = released(root / "releases.txt")
    if before and numbers(version) <= numbers(before[-1].version):
        raise NotReady(f"{version} is not higher than {before[-1].version}, the last release.")
    if git(root, "tag", "--list", f"v{version}"):
        raise NotReady(f"There is a tag v{version} already.")
    text = section(root, version)
    notes = text.partition(NOTES)[2].split("\n### ")[0]
    if not notes.strip():
        raise NotReady(f"The section of {version} in CHANGELOG.md has no '{NOTES}' with a text.")
    check_migrations(root, version, before, notes)


def check_migrations(root: Path, version: str, before: list[Release], notes: str) -> None:
    """A migration needs trust: a new major version, which says so."""
    settings = (root / "copier.yml").read_text(encoding="utf-8")
    if re.search(rf"^\s*- version: v?{re.escape(version)}\s*$", settings, re.MULTILINE):
        if before and numbers(version)[0] == numbers(before[-1].version)[0]:
            raise NotReady(f"{version} carries a migration: it has to be a new major version.")
        if "--trust" not in notes:
            raise NotReady(f"{version} carries a migration: '{NOTES}' has to name --trust.")


def make(root: Path, version: str) -> str:
    """Commit, tag, record; the commit of the release."""
    path = root / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', text, count=1), encoding="utf-8"
    )
    git(root, "commit", "--all", "--allow-empty", "--message", f"{version} is released")
    git(root, "tag", "--annotate", f"v{version}", "--message", f"Groundwork {version}")
    commit = git(root, "rev-parse", "HEAD")
    with (root / "releases.txt").open("a", encoding="utf-8", newline="\n") as listing:
        listing.write(f"v{version} {commit}\n")
    git(root, "commit", "--all", "--message", f"Record the commit of {version}")
    return commit


def main(arguments: list[str] | None = None, root: Path = REPOSITORY) -> int:
    parser = argparse.ArgumentParser(prog="release.py", description="Make a release.")
    parser.add_argument("version", help="x.y.z")
    parser.add_argument("--tests", default="make test", metavar="COMMAND", help="make test")
    given = parser.parse_args(arguments)
    try:
        check(root, given.version)
        if subprocess.run(shlex.split(given.tests), cwd=root).returncode:
            raise NotReady("The tests fail.")
        if git(root, "status", "--porcelain"):
            raise NotReady("The tests left changes that are not committed.")
        commit = make(root, given.version)
    except NotReady as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"v{given.version} is {commit}. To publish it:\n  git push --follow-tags origin HEAD")
    return 0


if __name__ == "__main__":
    sys.exit(main())

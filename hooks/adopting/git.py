"""Git, called without a shell."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

OURS, THEIRS = "this project", "groundwork"


class Refusal(Exception):
    """Why a project is left as it is; the text is for people."""


def git(folder: Path, *arguments: str, text: str | None = None, check: bool = True) -> str:
    """What git printed."""
    result = subprocess.run(
        ["git", "-c", "core.quotePath=false", *arguments], cwd=folder, capture_output=True,
        input=text.encode() if text is not None else b"",
    )  # fmt: skip
    if check and result.returncode:
        said = result.stderr.decode("utf-8", "replace").strip()
        raise Refusal(f"git {' '.join(arguments)}: {said}")
    return result.stdout.decode("utf-8", "surrogateescape")


def merge_texts(ours: str, base: str, theirs: str) -> tuple[str, int]:
    """A three-way merge of lines, and how many conflicts are marked in it."""
    with tempfile.TemporaryDirectory(prefix="adopt-") as folder:
        paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
        for path, text in zip(paths, (ours, base, theirs), strict=False):
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        result = subprocess.run(
            ["git", "merge-file", "-p", "-L", OURS, "-L", "startproject", "-L", THEIRS,
             *(f"{path}" for path in paths)],
            capture_output=True,
        )  # fmt: skip
    if result.returncode < 0 or result.returncode > 127:
        raise Refusal(f"git merge-file: {result.stderr.decode(errors='replace')}")
    return result.stdout.decode("utf-8", "surrogateescape"), result.returncode


def marked(ours: str, theirs: str) -> str:
    """Both sides, between the markers of an ordinary conflict."""
    return f"<<<<<<< {OURS}\n{ended(ours)}=======\n{ended(theirs)}>>>>>>> {THEIRS}\n"


def ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"

"""The code blocks of the documents, and where each is to be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from projects import REPOSITORY

PLACES = {
    "": "text that no program reads",
    "in a project": "run in a project with the default answers",
    "in a project, served": "a server of such a project, which must answer",
    "in a project with private media": "Python whose imports must be there",
    "in a project with a bucket": "run by tests/test_backups.py",
    "in this repository": "run in a copy of this repository",
    "elsewhere": "needs what no test has; its syntax and its commands' options are checked",
}
RUN = ("sh", "python")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the place that its info line names, and its text."""

    document: str
    line: int
    language: str
    place: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.document}:{self.line}"


def pages() -> list[Path]:
    return [
        *sorted((REPOSITORY / "docs").glob("*.md")),
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
    ]


def blocks() -> list[Block]:
    found = []
    for page in pages():
        name = page.relative_to(REPOSITORY).as_posix()
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text("utf-8")):
            if token.type == "fence":
                language, _, place = token.info.strip().partition(" ")
                line = token.map[0] + 1 if token.map else 0
                found.append(Block(name, line, language, place.strip(), token.content))
    return found

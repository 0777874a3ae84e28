"""The code blocks of the documents, and where each is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from projects import REPOSITORY

# What the info line of a block may name after the language; tests/places.py prepares each.
PLACES = {
    "": "text that no program reads, or data that is parsed",
    "on a machine": "an empty folder of somebody who has git, uv and pipx",
    "without uv": "a new project; Python's own venv and pip, from the network",
    "in a project": "a project with the default answers, in git, with a remote",
    "in a project, served": "a server of such a project, which must answer",
    "in a project with private media": "code of a project whose uploads may be private",
    "in a project with a bucket": "one with static files and uploads on the S3 server of the tests",
    "in a project with PostgreSQL": "one with a database on the PostgreSQL of the tests",
    "in a project to update": "one that is a release behind the template",
    "in a project with a conflict": "the same, where an update met an edit of the same line",
    "in a project with a settled conflict": "the same, when the file has been edited",
    "in a project to move": "one with uploads in folders, and a bucket that is still empty",
    "in production": "a project with what production needs set",
    "in production, served": "a server of it, which must answer",
    "beside a project": "a folder with a Django project that was never made from the template",
    "after an adoption": "in such a project, when hooks/adopt.py has run",
    "beside projects": "a folder with projects of an earlier release, and a list of them",
    "in this repository": "a target of the Makefile or a program of this repository",
    "in a template": "a page of a project, which is rendered",
    # A stand-in looks up what is named in the project's files, and runs here what would be run
    # in a container.
    "needs docker": "a Docker daemon",
    "needs docker and PostgreSQL": "a Docker daemon, for a project with PostgreSQL",
    "needs docker and a bucket": "a Docker daemon, for a project that moves to a bucket",
    "needs kubectl": "a cluster",
    "needs granian": "another application server, which is not a dependency of the template",
}
RUN = ("sh", "python", "html+django")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the place that its info line names, and its text."""

    document: str
    line: int
    language: str
    place: str
    text: str
    before: str  # the paragraph above it

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
        before = ""
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text("utf-8")):
            if token.type == "inline":
                before = token.content
            if token.type == "fence":
                language, _, place = token.info.strip().partition(" ")
                line = token.map[0] + 1 if token.map else 0
                found.append(Block(name, line, language, place.strip(), token.content, before))
    return found


BLOCKS = blocks()


def of(language: str, place: str, document: str = "") -> list[Block]:
    """The blocks of a language and a place, of one document or of all."""
    return [
        block
        for block in BLOCKS
        if (block.language, block.place) == (language, place) and document in ("", block.document)
    ]

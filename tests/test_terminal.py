"""A person answers the questions on a real terminal (tmux)."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from projects import wait_for


class Terminal:
    """A tmux session with a server of its own."""

    def __init__(self, socket: Path, folder: Path) -> None:
        self.tmux = ["tmux", "-S", str(socket)]
        self.call("new-session", "-d", "-x", "160", "-y", "50", "-c", str(folder), "sh")

    def call(self, *arguments: str) -> str:
        return subprocess.run(
            [*self.tmux, *arguments], check=True, capture_output=True, text=True,
            env={**os.environ, "LANG": "C.UTF-8", "PS1": "$ "},
        ).stdout  # fmt: skip

    def type(self, text: str) -> None:
        if text:
            self.call("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        self.call("send-keys", *keys)

    def screen(self) -> str:
        return self.call("capture-pane", "-p", "-J", "-S", "-500")

    def expect(self, text: str) -> str:
        """Wait until the text stands on the screen; the screen."""
        return wait_for(lambda: text in self.screen() and self.screen(), f"{text!r} on the screen")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path / "tmux", tmp_path)
    yield terminal
    terminal.call("kill-server")


def test_a_person_answers_every_question_and_reads_what_to_type_next(
    template: Path, tmp_path: Path, terminal: Terminal
) -> None:
    place = tmp_path / "bookshop"
    terminal.type(shlex.join([sys.executable, "-m", "copier", "copy", str(template), str(place)]))
    terminal.press("Enter")

    terminal.expect("What is the site called?")
    terminal.press("C-u")
    terminal.type('The "Book" Shop')
    terminal.press("Enter")
    terminal.expect("folder and distribution")
    assert "the-book-shop" in terminal.expect("the-book-shop")
    terminal.press("Enter")

    terminal.expect("The Python package")
    terminal.press("C-u")
    terminal.type("django")
    terminal.press("Enter")
    terminal.expect("django is a library that the project depends on")
    terminal.press("C-u")
    terminal.type("bookshop")
    terminal.press("Enter")

    for question in ("What is the site for?", "Who writes it?", "The e-mail address"):
        terminal.expect(question)
        terminal.press("Enter")
    for question in (
        "Under which licence", "Which Django?", "Which Python?", "Which database?",
        "Who serves static files",
    ):  # fmt: skip
        terminal.expect(question)
        terminal.press("Enter")
    terminal.expect("Where are media files")
    terminal.press("Down", "Enter")
    terminal.expect("Are some uploads private")
    terminal.type("y")
    terminal.expect("Whose S3 is it?")
    terminal.press("Down", "Enter")
    terminal.expect("Do you want a Dockerfile")
    terminal.type("n")
    terminal.expect("Where do tests run")
    terminal.press("Enter")

    screen = terminal.expect("uv run manage.py runserver")
    assert 'The "Book" Shop is ready' in screen
    assert "Which web server" not in screen
    assert "Where do the containers run" not in screen
    answers = (place / ".copier-answers.yml").read_text(encoding="utf-8")
    for line in (
        "package_name: bookshop", "media_storage: s3", "private_media: true",
        "object_store: cloudflare-r2", "use_docker: false",
    ):  # fmt: skip
        assert line in answers.splitlines()


def test_interrupted_questions_leave_nothing_behind(
    template: Path, tmp_path: Path, terminal: Terminal
) -> None:
    command = [sys.executable, "-m", "copier", "copy", str(template), str(tmp_path / "site")]
    terminal.type(shlex.join(command) + "; echo ended with $?")
    terminal.press("Enter")
    terminal.expect("What is the site called?")
    terminal.press("C-c")
    screen = terminal.expect("ended with 1")
    assert "Traceback" not in screen
    assert not (tmp_path / "site").exists()

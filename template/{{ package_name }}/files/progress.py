"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

import time

from django.core.management.base import OutputWrapper


class Progress:
    """Call `show` as often as you like, with what is done of all, and some words about it."""

    def __init__(self, output: OutputWrapper) -> None:
        self.output, self.terminal = output, output.isatty()
        self.interval = 0.1 if self.terminal else 10
        self.next = time.monotonic() + self.interval

    def show(self, done: float, total: float, words: str) -> None:
        if time.monotonic() >= self.next:
            self.next = time.monotonic() + self.interval
            share = done / total if total else 1
            if self.terminal:
                self.output.write(f"\r[{'█' * round(30 * share):·<30}] {words}\x1b[K", ending="")
            else:
                self.output.write(f"{share:4.0%}  {words}")
            self.output.flush()

    def clear(self) -> None:
        """Make room on the terminal for the lines that follow."""
        if self.terminal:
            self.output.write("\r\x1b[K", ending="")

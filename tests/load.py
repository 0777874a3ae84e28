"""Visitors of a running site, all at once: they read pages and static files, upload, and download.

    load = Load(server, visitors)
    with load.running():
        ...                       # whatever must not disturb them
    assert not load.failures

A visitor keeps one connection to the web server, as a browser does, and takes nothing twice: what
fails is a failure. Each checks what it is given: the type of a page, the bytes of a file, and that
the picture it sent a moment ago is the one that it gets back.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from web_servers import HOST, Answer, WebServer

CSRF = "groundworkgroundworkgroundworkgr"
"""A token that a visitor chose itself: the cookie and the form say the same."""


@dataclass
class Visitor:
    """Somebody who is signed in."""

    number: int
    session: str
    papers: dict[str, bytes]
    """The private files that it may read, by their paths, and what is in them."""


@dataclass
class Load:
    server: WebServer
    visitors: list[Visitor]
    pause: float = 0.02
    """Seconds between two requests of one visitor."""
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0, "")
    portraits: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """The colour of the last picture of each visitor, by its number."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.stopped = threading.Event()
        threads = [threading.Thread(target=self.visit, args=(each,)) for each in self.visitors]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join(120)
                assert not thread.is_alive(), "A visitor waits for an answer for ever."

    def visit(self, visitor: Visitor) -> None:
        browser = Browser(self.server, visitor.session)
        actions = [self.page, self.page, self.static, self.static, self.upload, self.download]
        rng = random.Random(visitor.number)
        while not self.stopped.is_set():
            action = rng.choice(actions)
            begun = time.monotonic()
            try:
                action(browser, visitor, rng)
                self.done[action.__name__] += 1
            except Exception as error:
                browser.close()
                seconds = time.monotonic() - begun
                self.failures.append(f"{action.__name__} after {seconds:.2f} s: {error!r}")
            self.slowest = max(self.slowest, (time.monotonic() - begun, action.__name__))
            time.sleep(self.pause)
        browser.close()

    # What a visitor does

    def page(self, browser: Browser, visitor: Visitor, rng: random.Random) -> None:
        answer = browser.request("GET", rng.choice(["/", "/account/"]))
        expect(answer, 200, "text/html")
        assert b"</html>" in answer.body, "half a page"

    def static(self, browser: Browser, visitor: Visitor, rng: random.Random) -> None:
        page = browser.request("GET", "/")
        expect(page, 200, "text/html")
        paths = re.findall(r'(?:href|src)="(/static/[^"]+\.[0-9a-f]{12}\.[a-z0-9]+)"',
                           page.body.decode())  # fmt: skip
        assert paths, "the page names no static file"
        answer = browser.request("GET", rng.choice(paths), {"Accept-Encoding": "gzip, br"})
        expect(answer, 200)
        assert "immutable" in answer["Cache-Control"], answer["Cache-Control"]

    def upload(self, browser: Browser, visitor: Visitor, rng: random.Random) -> None:
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        answer = browser.post("/account/", {"name": f"Visitor {visitor.number}"}, picture(colour))
        expect(answer, 302)
        self.portraits[visitor.number] = colour
        page = browser.request("GET", "/account/")
        expect(page, 200, "text/html")
        found = re.search(r'<img class="portrait" src="([^"]+)"', page.body.decode())
        assert found, "the picture that was sent is not on the page"
        stored = browser.follow(unescape(found[1]))
        expect(stored, 200, "image/png")
        assert colour_of(stored.body) == colour, "another picture came back"

    def download(self, browser: Browser, visitor: Visitor, rng: random.Random) -> None:
        path, content = rng.choice(list(visitor.papers.items()))
        answer = browser.follow(path)
        expect(answer, 200)
        assert answer.body == content, f"{len(answer.body)} bytes of {len(content)}"


@dataclass
class Browser:
    """One connection to the web server, kept as long as both sides want it."""

    server: WebServer
    session: str
    connection: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> Answer:
        if self.connection is None or self.connection.sock is None:
            self.connection = http.client.HTTPConnection(HOST)
            self.connection.sock = self.server.connect()
        headers = {
            "Host": HOST,
            "Cookie": f"sessionid={self.session}; csrftoken={CSRF}",
            "Referer": f"https://{HOST}/",
            **(headers or {}),
        }
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def post(self, path: str, fields: dict[str, str], file: bytes) -> Answer:
        boundary = "a-boundary-of-the-tests"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in {**fields, "csrfmiddlewaretoken": CSRF}.items()
        ]
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="avatar"; filename="me.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        )
        body = "".join([*parts, head]).encode() + file + f"\r\n--{boundary}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.request("POST", path, kind, body)

    def follow(self, url: str) -> Answer:
        """What a URL leads to: of the site, or of the bucket that the site sends to."""
        if url.startswith("/"):
            answer = self.request("GET", url)
            return self.follow(answer["Location"]) if answer.status == 302 else answer
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}")
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None


def expect(answer: Answer, status: int, kind: str = "") -> None:
    assert answer.status == status, f"{answer.status} instead of {status}: {answer.body[:300]!r}"
    assert answer["Content-Type"].startswith(kind), answer["Content-Type"]


def picture(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return file.getvalue()


def colour_of(content: bytes) -> Any:
    return Image.open(io.BytesIO(content)).convert("RGB").getpixel((10, 10))

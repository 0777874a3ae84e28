"""nginx and Caddy as the projects configure them: what they serve, and what they never do."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from projects import Project
from web_servers import HOST, MIB, WebServer, lay_out, loopback_addresses, web_server

HASHED = "/static/css/site.0123456789ab.css"
CSS = b"body { color: black; } " * 40
SECRET = b"nobody may read this"
STATIC_FILES = {
    "css/site.0123456789ab.css": CSS,
    "css/site.0123456789ab.css.br": b"a brotli stream of the stylesheet",
    "css/site.0123456789ab.css.gz": b"a gzip stream",
    "css/site.css": CSS,
    "js/app.0123456789ab.mjs": b"export {}",
    "js/app.0123456789ab.mjs.br": b"a brotli stream of the script",
    "img/logo.0123456789ab.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "img/logo.0123456789ab.svg.br": b"a brotli stream of the logo",
    "fonts/text.0123456789ab.woff2": b"a font",
    "LICENSE.0123456789ab": b"a name without an extension",
    "report.201201012359.5.css": b"not a hash, since more follows",
    "staticfiles.json": SECRET,
    ".hidden": SECRET,
    "css/.git/config": SECRET,
}
MEDIA_FILES = {
    "users/2026/01/a.png": b"\x89PNG",
    "users/2026/01/b.JPG": b"\xff\xd8",
    "users/2026/01/c.webp": b"RIFF",
    "users/2026/01/page.html": b"<script>alert(1)</script>",
    "users/2026/01/image.svg": b"<svg onload='alert(1)'/>",
    "users/2026/01/run.php": b"<?php echo 1; ?>",
    "users/2026/01/run.py": b"print(1)",
    "users/2026/01/data.xml": b"<x/>",
    "users/2026/01/paper.pdf": b"%PDF",
    "users/2026/01/png": b"no extension",
    "users/2026/01/x.png.html": b"<script>alert(1)</script>",
    "users/2026/01/UPPER.HTML": b"<script>alert(1)</script>",
    "users/2026/01/index.html": b"<script>alert(1)</script>",
    "users/2026/01/.htaccess": SECRET,
}
PRIVATE_FILES = {
    "a.pdf": b"%PDF private",
    "two words.txt": b"space",
    "50% off?#1.txt": b"percent",
    "grüße/日本.txt": b"unicode",
    "a+b&c=d;e.txt": b"signs",
    "%41.txt": b"not an A",
    ".dot.txt": b"dot",
}


# --- Every combination is valid -------------------------------------------------------------------

EDGES = [
    {"static_serving": static, "media_storage": media, "private_media": private,
     "web_server": server, "database": "postgresql",
     **({"deployment": deployment} if deployment else {"use_docker": False})}
    for server in ("nginx", "caddy")
    for static in ("whitenoise", "web-server", "s3")
    for media in ("filesystem", "s3")
    for private in (False, True)
    for deployment in ("compose", "kubernetes", "")
    if (media == "filesystem" or static == "web-server")
    and not (media == "filesystem" and deployment == "kubernetes")
]  # fmt: skip


@pytest.mark.parametrize("answers", EDGES, ids=lambda answers: "-".join(map(str, answers.values())))
def test_the_configuration_is_valid_and_has_only_what_is_needed(
    answers: dict[str, Any], make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(**answers)
    checked = lay_out(project, tmp_path).check()
    assert checked.returncode == 0, checked.stdout
    assert not re.search(r"\b(warn|error|emerg)", checked.stdout.lower()), checked.stdout
    without_docker = "use_docker" in answers
    names = {"nginx": "nginx/default.conf.template", "caddy": "Caddyfile"}
    text = (project.path / "deploy" / names[answers["web_server"]]).read_text()
    assert not (without_docker and re.search(r"app-1|\$\{|\{\$|/srv/(?!my-site)", text))
    uploads = answers["media_storage"] == "filesystem"
    assert ("/static/" in text) == (answers["static_serving"] == "web-server")
    assert ("/media/" in text) == uploads
    assert ("/_private" in text) == (uploads and answers["private_media"])
    other = {"nginx": "Caddyfile", "caddy": "nginx"}[answers["web_server"]]
    assert not (project.path / "deploy" / other).exists()


# --- One of each, in front of an app that says what it was asked ----------------------------------


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; or hands over a file, as Django does; or is slow."""

    protocol_version = "HTTP/1.1"
    handover = {
        "Content-Disposition": 'attachment; filename="chosen by the app"',
        "Content-Type": "application/x-chosen-by-the-app",
        "Content-Security-Policy": "default-src 'self'",  # of its pages, not of uploads
        "Cache-Control": "private, no-store",
        "Strict-Transport-Security": "max-age=3600",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Set-Cookie": "seen=1",
        "X-Request-ID": "0123456789",
    }

    def answer(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):  # ValueError if it is cut off
                self.rfile.read(size + 2)
            self.rfile.readline()
        length = int(self.headers.get("Content-Length") or 0)
        while length > 0:
            length -= len(self.rfile.read(min(length, MIB)) or b" " * length)
        headers, body = {"Content-Type": "application/json"}, b""
        if self.path.startswith("/private/"):
            headers = {**self.handover, "X-Accel-Redirect": "/_private/" + self.path[9:]}
        elif self.path.startswith("/elsewhere?"):
            headers["X-Accel-Redirect"] = self.path[11:]
        else:
            asked = {"path": self.path, "method": self.command, "headers": self.headers.items()}
            body = json.dumps(asked).encode()
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def log_message(self, *arguments: Any) -> None:
        self.server.lines.append(self.path)  # type: ignore[attr-defined]


@contextlib.contextmanager
def echo_app() -> Iterator[tuple[str, list[str]]]:
    """The address of an app that says what it was asked, and the paths that it was asked for."""
    (address,) = loopback_addresses(1)
    server = ThreadingHTTPServer((address, 8000), Echo)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.lines = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield address, server.lines  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(
    scope="module",
    params=[("nginx", True), ("caddy", True), ("nginx", False), ("caddy", False)],
    ids=["nginx", "caddy", "nginx-without-docker", "caddy-without-docker"],
)
def server(
    request: pytest.FixtureRequest,
    make_project: Callable[..., Project],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebServer]:
    """A web server that serves static files, uploads and private uploads, before the echo app."""
    kind, use_docker = request.param
    project = make_project(
        static_serving="web-server", private_media=True, web_server=kind, use_docker=use_docker
    )
    folder = tmp_path_factory.mktemp("srv")
    (folder / "secret.txt").write_bytes(SECRET)
    folders = {
        "static": write(folder / "static", STATIC_FILES),
        "media": write(folder / "media", MEDIA_FILES),
        "private": write(folder / "private", PRIVATE_FILES),
    }
    with echo_app() as (address, asked), web_server(project, [address, address], **folders) as it:
        (it.folder / "srv" / "secret.txt").write_bytes(SECRET)
        it.asked = asked  # type: ignore[attr-defined]
        yield it


def asked_headers(server: WebServer, headers: dict[str, str]) -> dict[str, str]:
    """The headers that the app sees (names in lower case) when a client sends these."""
    answer = server.get("/echo", headers)
    assert answer.status == 200
    return {name.lower(): value for name, value in json.loads(answer.body)["headers"]}


# --- Static files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip,br", "br"),
        ("GZIP;q=0.5, BR;q=1.0", "br"),
        ("br;q=0.001", "br"),
        ("gzip, deflate", "gzip"),
        ("gzip, br;q=0", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000 , gzip", "gzip"),
        ("gzip;q=0, br", "br"),
        ("gzip;q=0", ""),
        ("br;q=0", ""),
        ("br;q=0, gzip;q=0", ""),
        ("gzip;q=0.0, br;q=0.0", ""),
        ("abracadabra", ""),
        ("brotli", ""),
        ("identity", ""),
        (None, ""),
    ],
)
def test_a_stylesheet_is_sent_in_the_best_encoding_that_is_accepted(
    server: WebServer, accepted: str | None, encoding: str
) -> None:
    answer = server.get(HASHED, {"Accept-Encoding": accepted} if accepted else {})
    assert answer.status == 200
    assert answer["Content-Encoding"] == encoding
    suffix = {"br": ".br", "gzip": ".gz", "": ""}[encoding]
    assert answer.body == STATIC_FILES[f"css/site.0123456789ab.css{suffix}"]
    assert answer["Content-Type"].startswith("text/css")
    assert answer["Vary"] == "Accept-Encoding"
    assert answer["Cache-Control"] == "max-age=31536000, public, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("js/app.0123456789ab.mjs", "text/javascript"),
        ("img/logo.0123456789ab.svg", "image/svg+xml"),
    ],
)
def test_other_types_are_sent_compressed_with_their_own_type(
    server: WebServer, path: str, kind: str
) -> None:
    answer = server.get(f"/static/{path}", {"Accept-Encoding": "br"})
    assert answer.status == 200
    assert answer["Content-Encoding"] == "br"
    assert answer["Content-Type"].split(";")[0] == kind
    plain = server.get(f"/static/{path}")
    assert plain["Content-Type"].split(";")[0] == kind
    assert plain.body == STATIC_FILES[path]


@pytest.mark.parametrize(
    ("path", "immutable"),
    [
        ("css/site.0123456789ab.css", True),
        ("fonts/text.0123456789ab.woff2", True),
        ("LICENSE.0123456789ab", True),
        ("css/site.css", False),
        ("report.201201012359.5.css", False),
    ],
)
def test_only_hashed_names_are_cached_for_ever(
    server: WebServer, path: str, immutable: bool
) -> None:
    answer = server.get(f"/static/{path}")
    assert answer.status == 200
    expected = "max-age=31536000, public, immutable" if immutable else "no-cache"
    assert answer["Cache-Control"] == expected


@pytest.mark.parametrize("encoding", ["br", "gzip", "identity"])
def test_a_static_file_is_revalidated_and_asked_for_by_head_and_by_range(
    server: WebServer, encoding: str
) -> None:
    accept = {"Accept-Encoding": encoding}
    first = server.get(HASHED, accept)
    assert first["ETag"]
    again = server.get(HASHED, {**accept, "If-None-Match": first["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert again["Cache-Control"] == first["Cache-Control"]
    since = server.get(HASHED, {**accept, "If-Modified-Since": first["Last-Modified"]})
    assert since.status == 304
    changed = server.get(HASHED, {**accept, "If-None-Match": '"another"'})
    assert changed.status == 200
    head = server.request("HEAD", HASHED, accept)
    assert (head.status, head.body) == (200, b"")
    assert head["Content-Length"] == str(len(first.body))
    part = server.get(HASHED, {**accept, "Range": "bytes=2-5"})
    if server.kind == "nginx" and encoding == "gzip":  # gzip_static sends the whole, as it may
        assert (part.status, part.body) == (200, first.body)
    else:
        assert (part.status, part.body) == (206, first.body[2:6])


@pytest.mark.parametrize(
    "path",
    ["nothing.css", "css/site.ffffffffffff.css", "css", "css/", "", "staticfiles.json",
     "staticfiles.json.gz", ".hidden", "css/.git/config", "css/site.css/more", "%00", "a%0d%0ab"],
)  # fmt: skip
def test_an_unknown_or_hidden_file_is_not_found_and_the_app_is_not_asked(
    server: WebServer, path: str
) -> None:
    server.asked.clear()  # type: ignore[attr-defined]
    answer = server.get(f"/static/{path}")
    assert answer.status in (400, 404) or (path == "css" and answer.status in (301, 308))
    assert SECRET not in answer.body
    assert "immutable" not in answer["Cache-Control"]
    assert not server.asked  # type: ignore[attr-defined]


def test_static_files_and_uploads_are_only_read(server: WebServer) -> None:
    for path in (HASHED, "/media/users/2026/01/a.png"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert server.request(method, path, body=b"x").status == 405, (method, path)


# --- Nothing outside the folders ------------------------------------------------------------------

CLIMBS = [
    "/static../secret.txt", "/static../private/a.pdf", "/static/../secret.txt",
    "/static/../private/a.pdf", "/static/%2e%2e/secret.txt", "/static/%2e%2e%2fsecret.txt",
    "/static/..%2fsecret.txt", "/static/..%2Fprivate%2Fa.pdf", "/static/..%5csecret.txt",
    "/static/..\\secret.txt", "/static/%252e%252e%252fsecret.txt", "/static/%25%32%65/secret.txt",
    "/static/./../secret.txt", "/static/css/../../secret.txt", "/static//../secret.txt",
    "/static/..//secret.txt", "/static/...//secret.txt", "/static/....//....//secret.txt",
    "/static/..;/secret.txt", "/static;/../secret.txt", "/static/%c0%ae%c0%ae/secret.txt",
    "/static/%e0%80%ae%e0%80%ae/secret.txt", "/static/..%00/secret.txt",
    "/static/..%c0%afsecret.txt", "/static//srv/secret.txt", "/static/%2fsrv%2fsecret.txt",
    "/static/css/..%2f..%2fprivate/a.pdf", "/static/../../etc/passwd",
    "/static/../../../../../../../../etc/passwd", "/media../secret.txt", "/media../private/a.pdf",
    "/media/../secret.txt", "/media/../private/a.pdf", "/media/%2e%2e/private/a.pdf",
    "/media/..%2fprivate/a.pdf", "/media/users/../../private/a.pdf", "/media/..%5cprivate\\a.pdf",
    "/media/%2e%2e%2f%2e%2e%2fetc/passwd", "/media//etc/passwd", "/MEDIA/../private/a.pdf",
    "/_private/a.pdf", "/_private../a.pdf", "/_private/../_private/a.pdf", "//_private/a.pdf",
    "/%5fprivate/a.pdf", "/_private/%61.pdf", "/static/../_private/a.pdf", "/_private%2fa.pdf",
    "/./_private/a.pdf", "/_private//a.pdf", "/_private;/a.pdf", "/_PRIVATE/a.pdf",
    "/_private/", "/_private", "/srv/private/a.pdf", "/private../a.pdf",
    "http://localhost/_private/a.pdf", "http://localhost/static/../secret.txt",
]  # fmt: skip


@pytest.mark.parametrize("path", CLIMBS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_nothing_outside_the_folders_is_reached_however_it_is_written(
    server: WebServer, path: str, version: str
) -> None:
    answer = server.raw(
        f"GET {path} HTTP/{version}\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    )
    assert SECRET not in answer
    assert b"%PDF private" not in answer
    assert b"root:" not in answer


# --- Uploads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in MEDIA_FILES if "/." not in name])
def test_an_upload_is_shown_only_if_it_is_an_image_and_runs_nowhere(
    server: WebServer, name: str
) -> None:
    answer = server.get(f"/media/{name}")
    assert answer.status == 200
    assert answer.body == MEDIA_FILES[name]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    shown = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
    kind = shown.get(name.rpartition(".")[2].lower())
    if kind and "." in name:
        assert answer["Content-Type"] == kind
        assert answer["Content-Disposition"] == ""
    else:
        assert answer["Content-Disposition"] == "attachment"
        assert answer["Content-Type"] == "application/octet-stream"


def test_uploads_are_not_listed_and_dotfiles_and_unknown_ones_not_found(server: WebServer) -> None:
    for path in ("", "users/", "users/2026/01/", "users/2026/01/.htaccess", "users/nothing.png"):
        answer = server.get(f"/media/{path}")
        assert answer.status == 404, path
        assert b"a.png" not in answer.body
        assert b"alert" not in answer.body
        assert answer["X-Content-Type-Options"] == "nosniff"


def test_an_upload_is_revalidated_and_read_in_parts(server: WebServer) -> None:
    path = "/media/users/2026/01/page.html"
    first = server.get(path)
    assert server.get(path, {"If-None-Match": first["ETag"]}).status == 304
    part = server.get(path, {"Range": "bytes=0-3"})
    assert (part.status, part.body) == (206, first.body[:4])
    assert part["Content-Disposition"] == "attachment"
    assert server.request("HEAD", path)["Content-Disposition"] == "attachment"


# --- Private uploads ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRIVATE_FILES)
def test_a_private_file_is_handed_over_with_the_headers_of_the_app(
    server: WebServer, name: str
) -> None:
    answer = server.get("/private/" + quote(name))
    assert answer.status == 200
    assert answer.body == PRIVATE_FILES[name]
    policy = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    for header, value in {**Echo.handover, **policy}.items():
        assert answer[header] == value, header
    assert answer["X-Accel-Redirect"] == ""
    assert answer["Content-Length"] == str(len(PRIVATE_FILES[name]))
    assert answer["Set-Cookie"] == "seen=1"


def test_a_private_file_answers_head_ranges_and_revalidation(server: WebServer) -> None:
    whole = server.get("/private/a.pdf")
    head = server.request("HEAD", "/private/a.pdf")
    assert (head.status, head.body) == (200, b"")
    part = server.get("/private/a.pdf", {"Range": "bytes=1-3"})
    assert (part.status, part.body) == (206, b"PDF")
    assert server.get("/private/a.pdf", {"If-None-Match": whole["ETag"]}).status == 304


@pytest.mark.parametrize(
    "path",
    ["nothing.pdf", "..%2fsecret.txt", "../secret.txt", "%2e%2e/secret.txt", "", "grüße/",
     "../../etc/passwd"],
)  # fmt: skip
def test_the_app_cannot_be_made_to_hand_over_anything_else(server: WebServer, path: str) -> None:
    answer = server.raw(
        f"GET /private/{path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    )
    assert SECRET not in answer
    assert b"root:" not in answer
    assert not answer.startswith(b"HTTP/1.1 200") or b"x-chosen-by" not in answer


def test_a_client_cannot_ask_for_a_private_file_by_headers(server: WebServer) -> None:
    for name in ("X-Accel-Redirect", "X-Sendfile", "X-Original-URL", "X-Rewrite-URL",
                 "X-Accel-Mapping", "X-Reproxy-URL"):  # fmt: skip
        answer = server.get("/echo", {name: "/_private/a.pdf"})
        assert b"%PDF private" not in answer.body
        assert json.loads(answer.body)["path"] == "/echo"


# --- Requests to the app --------------------------------------------------------------------------


def test_the_app_hears_the_truth_about_a_client_whatever_it_says(server: WebServer) -> None:
    lies = {
        "X-Forwarded-For": "6.6.6.6, 7.7.7.7",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Real-IP": "6.6.6.6",
        "X-Request-ID": "6" * 32,
        "Forwarded": "for=6.6.6.6;proto=gopher",
    }
    seen = asked_headers(server, lies)
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-real-ip"] == "127.0.0.1"
    assert seen["host"] == HOST
    assert seen.get("x-forwarded-host", HOST) == HOST
    assert seen["x-request-id"] != "6" * 32
    assert re.fullmatch(r"[0-9a-f-]{32,36}", seen["x-request-id"])
    assert "forwarded" not in seen
    assert "x-forwarded-port" not in seen
    assert not {"6.6.6.6", "gopher", "evil.example"} & set(re.split("[ ,;=]", str(seen)))


@pytest.mark.parametrize("name", ["X-Forwarded-Proto", "X-Forwarded-For", "X-Real-IP"])
def test_a_forged_header_is_not_smuggled_in_twice_or_with_an_underscore(
    server: WebServer, name: str
) -> None:
    forged = name.replace("-", "_")
    request = (
        f"GET /echo HTTP/1.1\r\nHost: {HOST}\r\n{name}: forged\r\n{name.lower()}: forged\r\n"
        f"{forged}: forged\r\nConnection: close, {name}\r\n\r\n"
    )
    head, _, body = server.raw(request.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    seen = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["headers"]
    values = [value for key, value in seen if key.lower() == name.lower()]
    assert len(values) == 1
    assert "forged" not in values[0]
    assert forged.lower() not in {key.lower() for key, _ in seen}


def test_each_request_has_an_id_of_its_own(server: WebServer) -> None:
    assert len({asked_headers(server, {})["x-request-id"] for _ in range(20)}) == 20


def test_plain_http_is_sent_to_https(server: WebServer) -> None:
    answer = server.get("/page?a=1", tls=False)
    assert answer.status in (301, 308)
    assert re.fullmatch(rf"https://{re.escape(HOST)}(:\d+)?/page\?a=1", answer["Location"])


def test_the_server_does_not_say_its_version(server: WebServer) -> None:
    for path in ("/echo", HASHED, "/static/nothing.css"):
        answer = server.get(path)
        assert not re.search(r"\d", answer["Server"]), answer["Server"]
        assert b"nginx/" not in answer.body


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413), (MIB, 413)])
def test_a_request_may_be_as_large_as_the_limit_and_no_larger(
    server: WebServer, more: int, status: int
) -> None:
    answer = server.request("POST", "/echo", body=bytes(10 * MIB + more))
    assert answer.status == status
    if status == 413:
        assert b"At most 10 MB" in answer.body
        assert answer["Content-Type"] == "text/html; charset=utf-8"


def test_a_chunked_request_over_the_limit_is_refused(server: WebServer) -> None:
    chunk = f"{MIB:x}\r\n".encode() + bytes(MIB) + b"\r\n"
    head = f"POST /echo HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = b""
    with server.connect(timeout=10) as connection, contextlib.suppress(OSError):
        connection.sendall(head)
        for _ in range(12):
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n")
        while block := connection.recv(65536):
            answer += block
    assert b" 200 " not in answer.split(b"\r\n")[0]


def test_the_app_is_not_bothered_before_a_slow_upload_is_complete(server: WebServer) -> None:
    server.asked.clear()  # type: ignore[attr-defined]
    head = (
        f"POST /slow HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 300\r\nConnection: close\r\n\r\n"
    )
    with server.connect() as connection:
        connection.sendall(head.encode())
        for _ in range(3):
            time.sleep(0.15)
            assert not server.asked  # type: ignore[attr-defined]
            connection.sendall(b"x" * 100)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert server.asked == ["/slow"]  # type: ignore[attr-defined]


def test_a_path_reaches_the_app_as_it_was_sent(server: WebServer) -> None:
    for path in ("/a%20b/%C3%BC?x=%2F&y=a+b", "/a%2Fb", "/admin/?next=/admin/"):
        assert json.loads(server.get(path).body)["path"] == path


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/%72eadyz", "/readyz?all=1"])
def test_the_health_of_the_app_is_not_for_visitors(server: WebServer, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        assert server.request(method, path).status == 404
    assert server.get(f"https://{HOST}{path}").status == 404
    assert json.loads(server.get("/readyz/more").body)["path"] == "/readyz/more"


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_in_a_pod_the_app_hears_what_the_ingress_says(
    make_project: Callable[..., Project], kind: str, tmp_path: Path
) -> None:
    project = make_project(
        static_serving="web-server", web_server=kind, media_storage="s3",
        database="postgresql", deployment="kubernetes",
    )  # fmt: skip
    static = write(tmp_path / "static", STATIC_FILES)
    said = {"X-Forwarded-Proto": "https", "X-Request-ID": "a" * 32}
    for_ = "6.6.6.6, 198.51.100.7"  # what the visitor claimed, and what the ingress saw
    with (
        echo_app() as (address, _),
        web_server(project, [address], behind_ingress=True, static=static) as server,
    ):
        answer = server.get("/echo", {**said, "X-Forwarded-For": for_}, tls=False)
        seen = {name.lower(): value for name, value in json.loads(answer.body)["headers"]}
        assert {name: seen[name.lower()] for name in said} == said
        assert seen["host"] == HOST
        # nginx hands on the header that config.env names; Caddy writes X-Real-IP, the default.
        if kind == "nginx":
            assert seen["x-forwarded-for"] == for_
        else:
            assert seen["x-real-ip"] == "198.51.100.7"
        config = (project.path / "deploy" / "kubernetes" / "config.env").read_text()
        assert ("DJANGO_CLIENT_IP_HEADER=X-Forwarded-For\n" in config) == (kind == "nginx")
        found = server.get(HASHED, {"Accept-Encoding": "br"}, tls=False)
        assert (found.status, found["Content-Encoding"]) == (200, "br")


# --- The app is away ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_a_page_says_that_the_site_is_away_and_static_files_are_there_all_the_same(
    make_project: Callable[..., Project], tmp_path: Path, kind: str
) -> None:
    project = make_project(static_serving="web-server", web_server=kind)
    static = write(tmp_path / "static", STATIC_FILES)
    with web_server(project, loopback_addresses(2), static=static) as server:
        started = time.monotonic()
        answer = server.get("/")
        assert answer.status == 503
        assert b"Back in a moment" in answer.body
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert int(answer["Retry-After"]) > 0
        assert time.monotonic() - started < 15
        assert server.get(HASHED).status == 200

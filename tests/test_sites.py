"""Whole sites over HTTP: the real web server, the real gunicorn, for every way of static files."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import pytest
from load import Browser, picture
from projects import PRODUCTION, Project
from s3_server import S3Server
from test_rolling import ACCESS, package
from test_web_servers import CLIMBS, MEDIA_FILES, PRIVATE_FILES, SECRET, write
from web_servers import HOST, Answer, WebServer, app_servers, web_server

SESSION = """
import json
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
user = get_user_model().objects.create_user("ada@example.com", "a long password")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(json.dumps(session.session_key))
"""


@dataclass
class Site:
    project: Project
    server: WebServer
    session: str
    static: str

    def page(self, path: str = "/") -> str:
        answer = Browser(self.server, self.session).request("GET", path)
        assert answer.status == 200, answer
        return answer.body.decode()

    def stylesheet(self) -> str:
        """The address of the page's stylesheet, as the page gives it."""
        found = re.search(r'<link[^>]*href="([^"]+\.css)"', self.page())
        assert found
        return found[1]

    def get(self, url: str, headers: dict[str, str] | None = None) -> Answer:
        """A file of the site, or of the bucket."""
        if url.startswith("/"):
            return self.server.get(url, headers)
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.request("GET", parts.path, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


@pytest.fixture(
    scope="module",
    params=[(s, w) for w in ("nginx", "caddy") for s in ("whitenoise", "web-server", "s3")],
    ids="-".join,
)
def site(
    request: pytest.FixtureRequest,
    make_project: Callable[..., Project],
    s3_server: S3Server,
) -> Iterator[Site]:
    static, kind = request.param
    project = make_project(static_serving=static, web_server=kind, private_media=True)
    collected = project.run(
        "env", "-i", str(project.python), "manage.py", "collectstatic", "--noinput"
    )
    assert collected.stderr == ""
    project.variables |= {**PRODUCTION, "DJANGO_ALLOWED_HOSTS": HOST}
    if static == "s3":
        s3_server.reset()
        s3_server.make_bucket("static", public_prefixes=[""])
        project.variables |= {**s3_server.environment(), "STATIC_BUCKET": "static"}
        project.manage("publish_static")
    (project.path / package(project) / "files" / "access.py").write_text(ACCESS)
    project.manage("migrate")
    write(project.path / "media", MEDIA_FILES)
    write(project.path / "private", PRIVATE_FILES)
    for folder in ("", "config", "staticfiles/.hidden", "private"):
        write(project.path / folder, {"secret.txt": SECRET})
    session = json.loads(project.shell(SESSION, **PRODUCTION))
    with app_servers(project, 2) as apps, web_server(project, list(apps)) as server:
        yield Site(project, server, session, static)


def test_the_stylesheet_of_the_page_is_cached_for_ever_and_compressed(site: Site) -> None:
    url = site.stylesheet()
    assert re.search(r"\.[0-9a-f]{12}\.css$", url)
    assert url.startswith("http" if site.static == "s3" else "/static/")
    plain = site.get(url, {"Accept-Encoding": "identity"})
    assert plain.status == 200
    assert plain["Content-Type"].startswith("text/css")
    assert re.fullmatch(r"max-age=315360000?, public, immutable", plain["Cache-Control"])
    if site.static != "s3":  # a bucket has one copy of a file, as publish_static stored it
        for encoding in ("br", "gzip"):
            answer = site.get(url, {"Accept-Encoding": encoding})
            assert (answer.status, answer["Content-Encoding"]) == (200, encoding)
            assert len(answer.body) < len(plain.body)
            assert "Accept-Encoding" in answer["Vary"]
    etag = plain["ETag"]
    condition = {"If-None-Match": etag} if etag else {"If-Modified-Since": plain["Last-Modified"]}
    assert site.get(url, {"Accept-Encoding": "identity", **condition}).status == 304


def test_an_unknown_static_file_is_not_found(site: Site) -> None:
    url = urljoin(site.stylesheet(), "nothing.0123456789ab.css")
    answer = site.get(url)
    assert answer.status in ((403, 404) if site.static == "s3" else (404,))
    assert "immutable" not in answer["Cache-Control"]


def test_nothing_else_of_the_site_is_served_however_it_is_written(site: Site) -> None:
    more = ["/secret.txt", "/config/settings/base.py", "/db.sqlite3",
            "/.env", "/staticfiles/secret.txt", "/static/../config/settings/base.py",
            "/static/../db.sqlite3", "/media/../db.sqlite3", "/media/../manage.py"]  # fmt: skip
    if site.static == "web-server":
        more += ["/static/.hidden/secret.txt", "/static/staticfiles.json"]
    for path in [*CLIMBS, *more]:
        answer = site.server.raw(
            f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
        )
        for part in (
            SECRET,
            b"%PDF private",
            b"root:",
            b"SQLite format",
            b"from .env import",
            b'"paths"',
        ):
            assert part not in answer, path


def test_an_upload_is_stored_and_shown_and_what_could_run_is_only_downloaded(site: Site) -> None:
    browser = Browser(site.server, site.session)
    assert browser.post("/account/", {"name": "Ada"}, picture((1, 2, 3))).status == 302
    found = re.search(r'<img class="portrait" src="([^"]+)"', site.page("/account/"))
    assert found
    shown = site.server.get(found[1])
    assert (shown.status, shown["Content-Type"]) == (200, "image/png")
    assert shown["Content-Disposition"] == ""
    for name in ("page.html", "image.svg"):
        stored = site.server.get(f"/media/users/2026/01/{name}")
        assert stored.status == 200
        assert stored["Content-Disposition"] == "attachment"
        assert stored["Content-Type"] == "application/octet-stream"
    for answer in (shown, stored):
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer["Cache-Control"] == "public, max-age=86400, immutable"


def test_a_private_upload_is_for_whom_the_app_lets_read_it(site: Site) -> None:
    member, stranger = Browser(site.server, site.session), Browser(site.server, "nobody")
    answer = member.request("GET", "/private/a.pdf")
    assert (answer.status, answer.body) == (200, PRIVATE_FILES["a.pdf"])
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Content-Disposition"] == "attachment"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Strict-Transport-Security"]
    assert answer["X-Accel-Redirect"] == ""
    assert member.request("GET", "/private/nothing.pdf").status == 404
    for name in PRIVATE_FILES:
        assert stranger.request("GET", "/private/" + quote(name)).status == 404
        assert stranger.request("GET", "/_private/" + quote(name)).status == 404


def test_the_app_believes_the_web_server_and_no_visitor(site: Site) -> None:
    lies = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example", "X-Real-IP": "6.6.6.6"}
    answer = Browser(site.server, site.session).request("GET", "/account/", lies)
    assert answer.status == 200  # neither sent to HTTPS again, nor refused for its host
    plain = site.server.get("/account/", {"X-Forwarded-Proto": "https"}, tls=False)
    assert plain.status in (301, 308)
    assert plain["Location"].startswith(f"https://{HOST}")
    wrong = site.server.get("/", {"Host": "evil.example"})
    assert b"evil.example" not in wrong.body
    assert wrong.status in (400, 200)  # Caddy has no such site, and answers with nothing
    assert wrong.status == 400 or wrong.body == b""


def test_too_large_an_upload_is_refused_before_the_app_has_it(site: Site) -> None:
    browser = Browser(site.server, site.session)
    answer = browser.server.request(
        "POST", "/account/", {"Content-Type": "application/octet-stream"}, bytes(10 * 2**20 + 1)
    )
    assert answer.status == 413

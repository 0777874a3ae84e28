"""A project in production: what it demands, what it tells, what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from combinations import Answers, name
from projects import PRODUCTION, Project, Server

BUCKETS = {
    "STATIC_BUCKET": "static", "MEDIA_BUCKET": "media", "PRIVATE_BUCKET": "private",
    "STATIC_CDN_DOMAIN": "static.example.com", "MEDIA_CDN_DOMAIN": "media.example.com",
    "S3_ENDPOINT_URL": "https://s3.example.com",
    "DATABASE_URL": "postgresql://site@db.example.com/site",
}  # fmt: skip
CLASSES: list[Answers] = [
    {},
    {"web_server": "none", "private_media": True},
    {"static_serving": "web-server", "web_server": "caddy"},
    {"static_serving": "s3", "object_store": "cloudflare-r2"},
    {"media_storage": "s3", "private_media": True, "object_store": "other"},
    {"database": "postgresql", "media_storage": "s3", "deployment": "kubernetes"},
    {"django_version": "5.2", "use_docker": False},
]
QUICK = {**PRODUCTION, "DJANGO_SETTINGS_MODULE": "config.settings.quick"}
PASSWORD = "a-good-password-of-somebody"
EMAIL = "ada@example.com"


@pytest.mark.parametrize("answers", CLASSES, ids=map(name, CLASSES))
def test_check_deploy_has_nothing_to_say(
    make_project: Callable[..., Project], answers: Answers
) -> None:
    project = make_project(**answers)
    project.manage("collectstatic", "--noinput")
    project.variables = {**PRODUCTION, **BUCKETS}
    if "database" not in answers:
        del project.variables["DATABASE_URL"]
    if answers.get("web_server") == "none":
        project.variables["DJANGO_CLIENT_IP_HEADER"] = "X-Forwarded-For"
    result = project.manage("check", "--deploy", "--fail-level", "WARNING")
    assert "no issues" in result.stdout + result.stderr


@pytest.fixture(scope="module")
def site(make_project: Callable[..., Project]) -> Project:
    """A migrated, collected project with one user, for tests that run it in production."""
    project = make_project()
    project.manage("migrate")
    project.manage("collectstatic", "--noinput")
    # A guess costs half a second of a processor, by design; hundreds of them are tried here.
    (project.path / "config" / "settings" / "quick.py").write_text(
        "from .production import *\n"
        'PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]\n'
    )
    project.shell(
        "from django.contrib.auth import get_user_model\n"
        f"get_user_model().objects.create_superuser({EMAIL!r}, {PASSWORD!r})",
        **QUICK,
    )
    return project


@pytest.mark.parametrize("missing", ["DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS"])
def test_a_missing_variable_is_one_sentence_that_names_it(site: Project, missing: str) -> None:
    variables = {**PRODUCTION, missing: ""}
    result = site.manage("migrate", check=False, **variables)
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.fullmatch(rf"{missing} is not set: [^\n]+\.\n", result.stderr)
    # gunicorn says the same, before all else, and does not try for ever.
    served = site.run("gunicorn", "config.wsgi", "--bind", "127.0.0.1:0", check=False, timeout=150,
                      **variables)  # fmt: skip
    assert served.returncode in (1, 3)  # by when gunicorn hears of its worker's end
    assert f"{missing} is not set: " in served.stderr


def test_a_site_with_postgresql_does_not_fall_back_to_a_file_in_production(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(database="postgresql")
    result = project.manage("migrate", check=False, **PRODUCTION)
    assert result.returncode == 1
    assert re.fullmatch(r"DATABASE_URL is not set: [^\n]+\.\n", result.stderr)


@pytest.fixture(scope="module")
def in_buckets(make_project: Callable[..., Project]) -> Project:
    """A project with its uploads in two buckets of a store that is known by its endpoint."""
    project = make_project(media_storage="s3", private_media=True, object_store="other")
    project.variables = {**PRODUCTION, **BUCKETS, "DATABASE_URL": "sqlite:///db.sqlite3"}
    project.manage("migrate")
    project.manage("collectstatic", "--noinput")
    return project


@pytest.mark.parametrize("server", ["config.wsgi", "config.asgi"])
@pytest.mark.parametrize("missing", ["MEDIA_BUCKET", "PRIVATE_BUCKET", "S3_ENDPOINT_URL"])
def test_a_site_does_not_start_without_its_buckets(
    in_buckets: Project, missing: str, server: str
) -> None:
    result = in_buckets.run("python", "-c", f"import {server}", check=False, **{missing: ""})
    assert result.returncode == 3
    assert re.fullmatch(rf"{missing} is not set: [^\n]+\.\n", result.stderr)


def test_uploads_on_r2_need_a_domain(make_project: Callable[..., Project]) -> None:
    """Its endpoint answers nobody without a key, so their addresses would lead nowhere."""
    project = make_project(media_storage="s3", object_store="cloudflare-r2")
    project.variables = {**PRODUCTION, **BUCKETS, "DATABASE_URL": "sqlite:///db.sqlite3"}
    project.manage("collectstatic", "--noinput")
    project.run("python", "-c", "import config.wsgi")
    result = project.run("python", "-c", "import config.wsgi", check=False, MEDIA_CDN_DOMAIN="")
    assert result.returncode == 3
    assert re.fullmatch(r"MEDIA_CDN_DOMAIN is not set: [^\n]+\.\n", result.stderr)
    checked = project.manage("check", "--deploy", check=False, MEDIA_CDN_DOMAIN="")
    assert "(files.E008) MEDIA_CDN_DOMAIN is not set: browsers cannot load" in checked.stderr
    development = {"DJANGO_SETTINGS_MODULE": "config.settings.development", "DJANGO_USE_S3": "1"}
    project.run("python", "-c", "import config.wsgi", **development, MEDIA_CDN_DOMAIN="")


def test_development_and_collecting_need_no_bucket(in_buckets: Project) -> None:
    nothing = {**dict.fromkeys(in_buckets.variables, ""), "DATABASE_URL": "sqlite:///db.sqlite3"}
    nothing["DJANGO_SETTINGS_MODULE"] = "config.settings.development"
    in_buckets.manage("collectstatic", "--noinput", **nothing)
    in_buckets.run("python", "-c", "import config.wsgi", **nothing)


def test_without_a_bucket_the_check_and_the_doctor_say_so(in_buckets: Project) -> None:
    checked = in_buckets.manage("check", "--deploy", check=False, MEDIA_BUCKET="")
    assert "(files.E008) MEDIA_BUCKET is not set" in checked.stderr
    assert "Traceback" not in checked.stderr
    told = "from my_site.files.status import uploads; print(*uploads(), sep='\\n')"
    public, private = in_buckets.shell(
        told, **{**in_buckets.variables, "MEDIA_BUCKET": ""}
    ).splitlines()
    assert "ok=False" in public
    assert "MEDIA_BUCKET" in public
    assert "ok=None" in private


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DJANGO_HSTS_SECONDS", "a year"),
        ("DJANGO_HSTS_PRELOAD", "perhaps"),
        ("DJANGO_LOG_LEVEL", "LOUD"),
        ("DJANGO_MAX_UPLOAD_MB", "10 MB"),
        ("DATABASE_URL", "nothing://like/this"),
    ],
)
def test_a_bad_value_is_a_sentence_too(site: Project, variable: str, value: str) -> None:
    result = site.manage("check", check=False, **{**PRODUCTION, variable: value})
    assert result.returncode == 1
    assert variable in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("media_storage", ["filesystem", "s3"])
def test_a_relative_folder_of_uploads_is_one_of_the_project_wherever_a_command_is_run(
    make_project: Callable[..., Project], media_storage: str
) -> None:
    project = make_project(private_media=True, media_storage=media_storage)
    code = "from config.settings import media as m; print(m.MEDIA_ROOT, m.PRIVATE_ROOT)"
    run = ("env", "--chdir", "/", f"{project.python}", "-c", code)
    given = {"PYTHONPATH": f"{project.path}", "DJANGO_PRIVATE_ROOT": "/srv/private"}
    assert project.run(*run, **given, DJANGO_MEDIA_ROOT="data/media").stdout == (
        f"{project.path / 'data' / 'media'} /srv/private\n"
    )


def test_hosts_and_origins_may_be_written_with_spaces(site: Project) -> None:
    variables = {
        **PRODUCTION,
        "DJANGO_ALLOWED_HOSTS": " a.example, b.example ,",
        "DJANGO_CSRF_TRUSTED_ORIGINS": "https://a.example, https://b.example",
    }
    code = "from django.conf import settings as s; print(s.ALLOWED_HOSTS, s.CSRF_TRUSTED_ORIGINS)"
    assert site.shell(code, **variables) == (
        "['a.example', 'b.example'] ['https://a.example', 'https://b.example']\n"
    )


def test_every_variable_that_is_read_stands_once_in_env_example(
    make_project: Callable[..., Project],
) -> None:
    # Read by gunicorn itself, by the SDK, or by Compose.
    elsewhere = {"WEB_CONCURRENCY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    for answers in CLASSES:
        project = make_project(**answers).path
        read = set(elsewhere)
        for path in [*project.glob("*.py"), *project.glob("config/**/*.py"),
                     *project.glob("my_site/**/*.py")]:  # fmt: skip
            calls = r"(?:env\.\w+|required|environ\.get)\(\s*[\"']([A-Z][A-Z0-9_]+)[\"']"
            read |= set(re.findall(calls, path.read_text()))
        for path in project.glob("deploy/compose.yaml"):
            read |= set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", path.read_text()))
        listed = re.findall(r"^# ([A-Z][A-Z0-9_]+)=", (project / ".env.example").read_text(), re.M)
        assert len(listed) == len(set(listed)), answers
        if "s3" not in (answers.get("static_serving"), answers.get("media_storage")):
            read -= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        read.remove("DJANGO_SETTINGS_MODULE")  # Django has read it before .env is looked at.
        assert set(listed) == read, answers


@dataclass
class Visitor:
    """Somebody with a browser, behind the web server that is in front of the site."""

    server: Server
    address: str = "192.0.2.1"
    cookies: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {
            "X-Forwarded-Proto": "https", "X-Real-IP": self.address, "Host": "site.example.com",
            "Origin": "https://site.example.com",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            **options.pop("headers", {}),
        }  # fmt: skip
        response = httpx.request(
            method, self.server.url + path, headers=headers, timeout=60, **options
        )
        self.cookies |= dict(response.cookies)
        return response

    def sign_in(self, email: str, password: str, path: str = "/account/sign-in/") -> int:
        token = self.cookies.get("csrftoken") or self.request("GET", path).cookies["csrftoken"]
        data = {"username": email, "password": password, "csrfmiddlewaretoken": token}
        return self.request("POST", path, data=data).status_code


@pytest.fixture
def server(site: Project) -> Iterator[Server]:
    site.shell("from django.core.cache import cache; cache.clear()")
    with site.serve(path="/healthz", **QUICK) as server:
        yield server


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_headers_protect_visitors(server: Server) -> None:
    visitor = Visitor(server)
    headers = visitor.request("GET", "/").headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "default-src" in headers["Content-Security-Policy"]
    cookie = visitor.request("GET", "/account/sign-in/").headers["Set-Cookie"]
    assert "Secure" in cookie
    redirect = visitor.request("GET", "/a?b=c", headers={"X-Forwarded-Proto": "http"})
    assert redirect.headers["Location"] == "https://site.example.com/a?b=c"
    assert visitor.request("GET", "/", headers={"Host": "evil.example"}).status_code == 400


def test_the_administration_is_where_the_variable_says(site: Project) -> None:
    with site.serve(path="/healthz", **PRODUCTION, DJANGO_ADMIN_PATH="/back-office/") as server:
        visitor = Visitor(server)
        assert visitor.request("GET", "/admin/").status_code == 404
        assert visitor.request("GET", "/back-office/login/").status_code == 200


def test_health_is_told_to_any_host_over_plain_http_and_not_logged(server: Server) -> None:
    for path, text in (("/healthz", "alive\n"), ("/readyz", "ready\n")):
        answer = httpx.get(server.url + path, headers={"Host": "10.1.2.3:8000"})
        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["Cache-Control"] == "no-store"
    assert not [line for line in lines(server) if "path" in line]


def test_not_ready_says_which_part_and_no_more(site: Project) -> None:
    broken = {**PRODUCTION, "DATABASE_URL": "sqlite:////nowhere/secret-name.sqlite3"}
    with site.serve(path="/healthz", **broken) as server:
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        answer = httpx.get(f"{server.url}/readyz")
        assert answer.status_code == 503
        assert answer.text == "not ready: Database, Cache\n"
    fresh = {**PRODUCTION, "DATABASE_URL": "sqlite:///fresh.sqlite3"}
    with site.serve(path="/healthz", **fresh) as server:
        assert "Migrations" in httpx.get(f"{server.url}/readyz").text


def test_readiness_costs_little_once_nothing_is_left_to_migrate(site: Project) -> None:
    """A stranger may ask as often as they like: it reads twice, and writes every ten seconds."""
    code = """
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from my_site.files.status import facts
for _ in range(3):
    with CaptureQueriesContext(connection) as asked:
        assert all(fact.ok is not False for fact in facts()), facts()
    print(len(asked))
"""
    site.shell("from django.core.cache import cache; cache.clear()", **PRODUCTION)
    first, second, third = map(int, site.shell(code, **PRODUCTION).split())
    assert first > second == third == 2


def test_every_line_of_a_request_carries_its_id_and_no_query_string(server: Server) -> None:
    visitor = Visitor(server)
    given = {"X-Request-ID": "from-the-edge-0123"}
    answer = visitor.request("GET", "/nothing-here?token=secret", headers=given)
    assert answer.headers["X-Request-ID"] == "from-the-edge-0123"
    for bad in ("short", "x" * 65, "a b c d e f g h", '"}{"level": 1'):
        made = visitor.request("GET", "/", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)
    told = [line for line in lines(server) if line["request_id"] == "from-the-edge-0123"]
    assert {line["logger"] for line in told} == {"access", "django.request"}
    (access,) = (line for line in told if line["logger"] == "access")
    assert access["path"] == "/nothing-here"
    assert access["status"] == 404
    assert access["client"] == "192.0.2.1"
    assert "secret" not in server.log.read_text()


def test_guessing_a_password_is_slowed_down_and_its_owner_is_not_locked_out(
    server: Server,
) -> None:
    owner, guesser = Visitor(server, "192.0.2.7"), Visitor(server, "198.51.100.1")
    assert owner.sign_in(EMAIL, PASSWORD) == 302
    statuses = [guesser.sign_in(EMAIL, f"guess-{number}") for number in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    refusal = guesser.request("POST", "/account/sign-in/", data={
        "username": EMAIL, "csrfmiddlewaretoken": guesser.cookies["csrftoken"],
    })  # fmt: skip
    assert "Wait a quarter of an hour" in refusal.text
    assert refusal.headers["Retry-After"] == "900"
    # The right password, other letters in the address, the administration: refused all the same.
    assert guesser.sign_in(EMAIL, PASSWORD) == 429
    assert guesser.sign_in(f" {EMAIL.upper()}", PASSWORD, "/admin/login/") == 429
    wide = chr(ord(EMAIL[0]) + 0xFEE0)  # Unicode's other letters, which mean the same account
    assert guesser.sign_in(wide + EMAIL[1:], PASSWORD) == 429
    # A header that only the web server may write is not believed from further away.
    assert Visitor(server, "198.51.100.2").sign_in(EMAIL, PASSWORD) == 302
    # Many addresses guess; the owner's own browser signs in even so, a new one does not.
    many = [Visitor(server, f"203.0.113.{number}") for number in range(5)]
    for other in many:
        for number in range(10):
            other.sign_in(EMAIL, f"guess-{number}")
    assert Visitor(server, "203.0.113.99").sign_in(EMAIL, PASSWORD) == 429
    owner.cookies.pop("sessionid")
    assert owner.sign_in(EMAIL, PASSWORD) == 302


def test_one_address_cannot_try_many_accounts_and_ipv6_counts_by_network(server: Server) -> None:
    statuses = []
    for number in range(102):
        visitor = Visitor(server, f"2001:db8:1:2::{number:x}")
        statuses.append(visitor.sign_in(f"user-{number}@example.com", "password"))
    assert statuses == [200] * 100 + [429] * 2
    assert Visitor(server, "2001:db8:1:3::1").sign_in(EMAIL, PASSWORD) == 302


def test_guesses_at_the_same_time_count_each(server: Server) -> None:
    visitor = Visitor(server, "192.0.2.50")
    visitor.request("GET", "/account/sign-in/")
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda n: visitor.sign_in(EMAIL, f"guess-{n}"), range(30)))
    assert statuses.count(200) <= 10
    assert statuses.count(200) + statuses.count(429) == 30


def test_a_success_gives_its_attempt_back_and_only_a_success(server: Server) -> None:
    visitor = Visitor(server, "192.0.2.60")
    for _ in range(12):
        visitor.cookies.pop("sessionid", None)
        assert visitor.sign_in(EMAIL, PASSWORD) == 302
    # Signed in, the form redirects without looking at the password: that must not give back.
    guesser = Visitor(server, "192.0.2.60")
    statuses = []
    for number in range(12):
        statuses.append(guesser.sign_in(EMAIL, f"guess-{number}"))
        visitor.sign_in(EMAIL, "whatever")
    assert 429 in statuses

"""A new release comes into production while the site is used: nobody notices.

Two app servers, one PostgreSQL, one web server and one S3 server, started as the production files
say; the app servers are replaced in turn, as deploy/deploy.sh does it. ROLLING_SECONDS is how long:
25 in `make test`, 300 once for each release (docs/operations.md).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from load import Load, Visitor
from postgres import Postgres
from projects import PRODUCTION, Project, wait_for
from s3_server import S3Server
from web_servers import HOST, answers, app_servers, end, start_app, web_server

SECONDS = float(os.environ.get("ROLLING_SECONDS", "25"))
VISITORS = 8
PAPERS = {f"papers/{number}.txt": bytes([65 + number]) * 50_000 for number in range(5)}
ACCESS = '''"""Who may read which private upload: here, whoever is signed in."""


def may_read(user, name):
    return user.is_authenticated
'''
SET_UP = """
import json, sys
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from {package}.files.private import private_storage
for name, letter in {papers}.items():
    private_storage().save(name, ContentFile(letter.encode() * 50_000))
sessions = []
for number in range({visitors}):
    user = get_user_model().objects.create_user(f"visitor{{number}}@example.com", "a long password")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    sessions.append(session.session_key)
print(json.dumps(sessions))
"""
STORED = """
import io, json
from django.contrib.auth import get_user_model
from PIL import Image
found = {}
for user in get_user_model().objects.exclude(avatar=""):
    with user.avatar.open() as file:
        found[user.email] = Image.open(file).convert("RGB").getpixel((10, 10))
print(json.dumps(found))
"""


@pytest.fixture(params=["nginx", "caddy"])
def site(
    request: pytest.FixtureRequest,
    make_project: Callable[..., Project],
    postgres: Postgres,
    s3: S3Server,
) -> Project:
    """A migrated and collected project; with nginx, uploads are in buckets, with Caddy in folders."""
    storage = {"nginx": "s3", "caddy": "filesystem"}[request.param]
    project = make_project(
        database="postgresql", static_serving="web-server", web_server=request.param,
        media_storage=storage, private_media=True,
    )  # fmt: skip
    project.variables |= {**PRODUCTION, "DATABASE_URL": postgres.new_database(),
                          "DJANGO_ALLOWED_HOSTS": HOST}  # fmt: skip
    if storage == "s3":
        s3.make_bucket("media", public_prefixes=["media/"])
        s3.make_bucket("private")
        project.variables |= {**s3.environment(), "MEDIA_BUCKET": "media",
                              "PRIVATE_BUCKET": "private"}  # fmt: skip
    (project.path / package(project) / "files" / "access.py").write_text(ACCESS)
    project.manage("collectstatic", "--noinput")
    project.manage("migrate")
    return project


def package(project: Project) -> str:
    return next(path.parent.parent.name for path in project.path.glob("*/files/private.py"))


def test_nobody_notices_a_rolling_restart(site: Project) -> None:
    code = SET_UP.format(
        package=package(site),
        papers={name: chr(content[0]) for name, content in PAPERS.items()},
        visitors=VISITORS,
    )
    sessions = json.loads(site.shell(code, **PRODUCTION))
    papers = {f"/private/{name}": content for name, content in PAPERS.items()}
    visitors = [Visitor(number, session, papers) for number, session in enumerate(sessions)]
    with app_servers(site, 2) as servers, web_server(site, list(servers)) as web:
        load = Load(web, visitors)
        with load.running():
            for _ in range(2):
                time.sleep(SECONDS / 3)
                restart_in_turn(site, servers)
            time.sleep(SECONDS / 3)
        report = (
            f"{sum(load.done.values())} {dict(load.done)}, slowest {load.slowest[1]} {load.slowest[0]:.2f} s; "
            f"{len(load.failures)} failed: {load.failures[:10]}"
        )
        print(report)
        assert not load.failures, f"{report}\n{web.log[-3000:]}"
        assert all(
            load.done[action] > SECONDS for action in ("page", "static", "upload", "download")
        )
    stored: dict[str, Any] = json.loads(site.shell(STORED, **PRODUCTION))
    sent = {f"visitor{n}@example.com": list(colour) for n, colour in load.portraits.items()}
    assert stored == sent, "an upload was lost"


def restart_in_turn(project: Project, servers: dict[str, Any]) -> None:
    """What `compose up --detach --no-deps --wait` does to app-1, and then to app-2."""
    for address, process in list(servers.items()):
        process.send_signal(signal.SIGTERM)
        assert process.wait(35) == 0, "gunicorn did not end by itself within its grace period"
        end(process)
        servers[address] = start_app(project, address)
        wait_for(lambda at=address: answers(at, "/readyz") == 200, f"{address} is ready")

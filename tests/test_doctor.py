"""`manage.py doctor` against real services: each planted fault is found, and how to repair it said.

A sound site is sound to it, behind the real nginx, the real Caddy and with real buckets; then things
are broken, several in one run, and these and no others must be named. No run may print a secret or
leave a file behind.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from projects import PRODUCTION, Project, free_port
from s3_server import S3Server
from web_servers import HOST, app_servers, web_server

PASSWORD = "correct-horse-battery"


@dataclass
class Report:
    """What the doctor said."""

    facts: dict[str, dict[str, Any]]
    output: str

    @property
    def wrong(self) -> dict[str, str]:
        """What is wrong, and all that is said of how to repair it."""
        return {
            label: f"{fact['advice']} {fact['command']}".strip()
            for label, fact in self.facts.items()
            if fact["ok"] is False
        }


def doctor(project: Project, *arguments: str, **variables: str) -> Report:
    variables = {**PRODUCTION, **variables}
    result = project.manage("doctor", "--json", *arguments, check=False, **variables)
    output = result.stdout + result.stderr
    assert result.stdout, output
    answer = json.loads(result.stdout)
    report = Report({fact["label"]: fact for fact in answer["facts"]}, output)
    assert result.returncode == (1 if report.wrong else 0)
    assert answer["ok"] is not bool(report.wrong)
    secrets = [value for name, value in variables.items() if "KEY" in name or "SECRET" in name]
    assert not [secret for secret in (*secrets, PASSWORD, "Signature=") if secret in output]
    assert not list(project.path.glob("*/doctor")), "Something was left behind."
    return report


def finds(report: Report, **expected: str) -> None:
    """These and no others are wrong, and of each it is said what to do, in these words."""
    wrong = {label.lower().replace(" ", "_"): advice for label, advice in report.wrong.items()}
    assert sorted(wrong) == sorted(expected), report.output
    for label, words in expected.items():
        assert all(word in wrong[label] for word in words.split()), wrong[label]


# --- What is near -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(make_project: Callable[..., Project]) -> Project:
    """A small site that serves its files itself, ready for production."""
    project = make_project(web_server="none", private_media=True)
    project.manage("migrate")
    project.manage("collectstatic", "--noinput", **PRODUCTION)
    return project


def test_a_sound_site_is_sound(site: Project) -> None:
    report = doctor(site)
    finds(report)
    assert report.facts["Static files"]["ok"]
    finds(doctor(site, DJANGO_SETTINGS_MODULE="config.settings.development"))


def test_a_table_for_people_and_the_exit_code(site: Project) -> None:
    result = site.manage("doctor", check=False, DATABASE_URL="sqlite:////nowhere/x", **PRODUCTION)
    assert result.returncode == 1
    assert "\x1b" not in result.stdout, "There are colour codes in what is piped."
    lines = result.stdout.splitlines()
    place = lines.index("WRONG  Database            OperationalError: unable to open database file")
    assert lines[place + 1] == "       Start the database, or correct DATABASE_URL."
    assert any(
        line.startswith("ok     Uploads             FileSystemStorage in /") for line in lines
    )


def test_stale_manifest_unwritable_media_pending_migration_and_dead_cache(site: Project) -> None:
    sheet = next((site.path / "static").rglob("*.css"))
    before = sheet.read_text()
    migration = site.path / "my_site" / "users" / "migrations" / "0999_later.py"
    last = max(path.stem for path in migration.parent.glob("0*.py"))
    sheet.write_text(before + "/* changed */")
    migration.write_text(
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f'    dependencies = [("users", "{last}")]\n    operations = []\n'
    )
    try:
        report = doctor(
            site,
            CACHE_URL=f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0",
            DJANGO_MEDIA_ROOT=str(site.path / "manage.py"),
        )
    finally:
        sheet.write_text(before)
        migration.unlink()
    finds(
        report,
        cache="CACHE_URL",
        migrations="manage.py migrate",
        static_files="collectstatic",
        uploads="user that runs the site write",
    )


def test_a_file_never_collected_and_a_cache_whose_address_is_no_address(site: Project) -> None:
    file = site.path / "static" / "new.txt"
    file.write_text("new")
    try:
        report = doctor(site, CACHE_URL=f"redis://:{PASSWORD}/9@127.0.0.1:6379/0")
    finally:
        file.unlink()
    finds(report, cache="CACHE_URL", static_files="collectstatic")


def test_dead_database(make_project: Callable[..., Project]) -> None:
    project = make_project(database="postgresql")
    project.manage("collectstatic", "--noinput")
    url = f"postgres://site:{PASSWORD}@127.0.0.1:{free_port()}/site"
    finds(doctor(project, DATABASE_URL=url), database="Start DATABASE_URL", cache="Start table")


# --- The web server ---------------------------------------------------------------------------


def test_only_http_and_a_server_that_is_not_there(site: Project) -> None:
    settings = site.path / "config" / "settings" / "plain.py"
    settings.write_text("from .production import *\n\nSECURE_SSL_REDIRECT = False\n")
    with site.serve(**{**PRODUCTION, "DJANGO_SETTINGS_MODULE": "config.settings.plain"}) as server:
        report = doctor(site, "--url", server.url)
    finds(report, https="Redirect http:// SECURE_SSL_REDIRECT")
    assert report.facts["Served uploads"]["ok"]
    assert report.facts["Static compression"]["ok"]
    finds(doctor(site, "--url", server.url), web_server="Start the web server")


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def edge(request: pytest.FixtureRequest, make_project: Callable[..., Project]) -> Any:
    """A site behind a web server that serves static files and uploads, and its app servers."""
    project = make_project(
        web_server=request.param, static_serving="web-server", private_media=True
    )
    project.manage("migrate")
    project.manage("collectstatic", "--noinput", **PRODUCTION)
    with app_servers(project) as apps:
        yield project, list(apps)


@contextlib.contextmanager
def running(edge: Any, *changes: tuple[str, str]) -> Iterator[Callable[..., Report]]:
    """The web server with changes to its configuration; a function that has it examined."""
    project, apps = edge
    nginx = project.path / "deploy" / "nginx" / "default.conf.template"
    file = nginx if nginx.exists() else project.path / "deploy" / "Caddyfile"
    before = after = file.read_text()
    for old, new in changes:
        assert old in after, f"{old} is not in {file.name} any more."
        after = after.replace(old, new)
    file.write_text(after)
    try:
        with web_server(project, apps) as server:
            [certificate, *_] = [
                *server.folder.glob("etc/tls/live/site/fullchain.pem"),
                *server.folder.rglob("root.crt"),
            ]

            def examine(trusted: bool = True) -> Report:
                variables = {"SSL_CERT_FILE": str(certificate)} if trusted else {}
                variables["DJANGO_ALLOWED_HOSTS"] = f"{HOST},localhost"
                return doctor(project, "--url", server.url, **variables)

            yield examine
    finally:
        file.write_text(before)


def test_a_sound_web_server_is_sound_but_for_a_certificate_of_nobody(edge: Any) -> None:
    with running(edge) as examine:
        report = examine()
        finds(examine(trusted=False), https="certificate")
    finds(report)
    for label in ("HSTS", "Static compression", "Static caching", "Served uploads"):
        assert report.facts[label]["ok"]
    assert report.facts["Private uploads"]["value"] == "strangers are refused"


# What is changed in the configuration of each web server.
SLOW_AND_UNSAFE = {
    "nginx": [
        ("add_header X-Content-Type-Options nosniff always;", ""),
        ("gzip_static on;", ""),
        ("try_files $uri$br $uri", "try_files $uri"),
        ("max-age=31536000, public, immutable", "max-age=60"),
    ],
    "caddy": [
        ("header X-Content-Type-Options nosniff", ""),
        ("precompressed br gzip", ""),
        ("max-age=31536000, public, immutable", "max-age=60"),
    ],
}
MISLED = {
    "nginx": [
        ("add_header Content-Security-Policy", "add_header X-Other-Policy"),
        ("add_header Content-Disposition $upload_disposition;", ""),
        ("alias /srv/static/;", "alias /tmp/static/;"),
        (
            "    location / {\n        proxy_pass",
            "    location /private/ {\n        root /srv;\n    }\n    location / {\n"
            "        proxy_pass",
        ),
    ],
    "caddy": [
        ("header Content-Security-Policy", "header X-Other-Policy"),
        ("Content-Disposition attachment", "X-Nothing nothing"),
        ("root * /srv/static", "root * /tmp/static"),
        (
            "\thandle {\n",
            "\thandle /private/* {\n\t\troot * /srv\n\t\tfile_server\n\t}\n\n\thandle {\n",
        ),
    ],
}


def test_no_nosniff_no_compression_and_a_short_cache(edge: Any) -> None:
    kind = "nginx" if (edge[0].path / "deploy" / "nginx").exists() else "caddy"
    with running(edge, *SLOW_AND_UNSAFE[kind]) as examine:
        report = examine()
    finds(
        report,
        served_uploads="/media/ headers",
        static_caching="max-age=31536000, public, immutable",
        static_compression="gzip_static" if kind == "nginx" else "precompressed",
        static_nosniff="X-Content-Type-Options: nosniff",
    )
    assert "X-Content-Type-Options" in report.facts["Served uploads"]["value"]


def test_uploads_that_run_private_files_for_all_and_the_wrong_folder(edge: Any) -> None:
    kind = "nginx" if (edge[0].path / "deploy" / "nginx").exists() else "caddy"
    with running(edge, *MISLED[kind]) as examine:
        report = examine()
    finds(
        report,
        private_uploads="X-Accel-Redirect",
        served_uploads="/media/ headers",
        static_file="/static/ /staticfiles",
    )
    missing = report.facts["Served uploads"]["value"]
    assert "Content-Security-Policy" in missing
    assert "Content-Disposition" in missing


# --- Buckets ----------------------------------------------------------------------------------


@dataclass
class Store:
    """A site with everything in buckets that are as deploy/s3/ wants them."""

    project: Project
    s3: S3Server
    variables: dict[str, str]

    def examine(self, **variables: str) -> Report:
        report = doctor(self.project, **{**self.variables, **variables})
        self.s3.clock_skew = 0
        self.s3.deny.clear()
        client = self.s3.client()
        for bucket in ("site-static", "site-media", "site-private"):
            found = client.list_objects_v2(Bucket=bucket).get("Contents", [])
            assert not [item["Key"] for item in found if "doctor" in item["Key"]]
        assert self.s3.secret_key not in report.output
        return report

    def open(self, bucket: str, action: str, resource: str) -> None:
        """Let everybody do something."""
        statement = {"Effect": "Allow", "Principal": "*", "Action": action,
                     "Resource": f"arn:aws:s3:::{resource}"}  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.s3.client().put_bucket_policy(Bucket=bucket, Policy=policy)


@pytest.fixture(scope="module")
def store(make_project: Callable[..., Project]) -> Iterator[Store]:
    project = make_project(
        static_serving="s3", media_storage="s3", private_media=True, object_store="other"
    )
    project.manage("migrate")
    cors = json.loads((project.path / "deploy" / "s3" / "cors.json").read_text())["CORSRules"]
    with S3Server() as s3:
        s3.make_bucket("site-static", public_prefixes=["static/"], cors=cors)
        s3.make_bucket("site-media", public_prefixes=["media/"])
        s3.make_bucket("site-private")
        variables = {
            **s3.environment(),
            "STATIC_BUCKET": "site-static",
            "MEDIA_BUCKET": "site-media",
            "PRIVATE_BUCKET": "site-private",
            "DJANGO_STATIC_URL": f"{s3.url}/site-static/static/",
        }
        project.manage("collectstatic", "--noinput", **PRODUCTION, **variables)
        project.manage("publish_static", **PRODUCTION, **variables)
        yield Store(project, s3, variables)


def test_sound_buckets_are_sound(store: Store) -> None:
    report = store.examine()
    finds(report)
    for label in ("Static CORS", "Served uploads", "Signed URL", "Expired URL", "Private uploads"):
        assert report.facts[label]["ok"]


def test_wrong_keys(store: Store) -> None:
    repair = "AWS_ACCESS_KEY_ID"
    report = store.examine(AWS_ACCESS_KEY_ID="AKIAUNKNOWNUNKNOWN12")
    finds(report, uploads_bucket=repair, private_bucket=repair)
    repair = "AWS_SECRET_ACCESS_KEY"
    report = store.examine(AWS_SECRET_ACCESS_KEY="of-another-key-altogether")
    finds(report, uploads_bucket=repair, private_bucket=repair)


def test_skewed_clock(store: Store) -> None:
    store.s3.clock_skew = 3600
    finds(store.examine(), uploads_bucket="clock NTP", private_bucket="clock NTP")


def test_wrong_region(store: Store) -> None:
    report = store.examine(S3_REGION="eu-north-1")
    assert {"Region", "Signed URL"} <= report.wrong.keys(), report.output
    assert all("S3_REGION" in advice for advice in report.wrong.values()), report.output


def test_nothing_at_the_endpoint(store: Store) -> None:
    report = store.examine(S3_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
    finds(report, uploads_bucket="S3_ENDPOINT_URL", private_bucket="S3_ENDPOINT_URL")


def test_missing_bucket_public_private_bucket_and_missing_cors(store: Store) -> None:
    client = store.s3.client()
    cors = client.get_bucket_cors(Bucket="site-static")["CORSRules"]
    client.delete_bucket_cors(Bucket="site-static")
    store.open("site-private", "s3:GetObject", "site-private/*")
    try:
        report = store.examine(MEDIA_BUCKET="not-there")
    finally:
        client.delete_bucket_policy(Bucket="site-private")
        client.put_bucket_cors(Bucket="site-static", CORSConfiguration={"CORSRules": cors})
    finds(
        report,
        private_uploads="site-private policy",
        static_cors="CORS GET https://",
        uploads_bucket="not-there MEDIA_BUCKET",
    )


def test_uploads_that_nobody_sees_names_that_everybody_lists_and_nothing_published(
    store: Store,
) -> None:
    client = store.s3.client()
    policy = client.get_bucket_policy(Bucket="site-media")["Policy"]
    client.delete_bucket_policy(Bucket="site-media")
    store.open("site-private", "s3:ListBucket", "site-private")
    try:
        url = f"{store.s3.url}/site-static/other/"
        report = store.examine(DJANGO_STATIC_URL=url)
    finally:
        client.put_bucket_policy(Bucket="site-media", Policy=policy)
        client.delete_bucket_policy(Bucket="site-private")
    assert report.wrong.keys() == {"Private bucket, list", "Served uploads", "Static file"}
    assert "s3:ListBucket" in report.wrong["Private bucket, list"]
    assert "s3:GetObject" in report.wrong["Served uploads"]
    assert "publish" in report.wrong["Static file"]


def test_a_key_that_may_not_read_and_a_bucket_without_a_name(store: Store) -> None:
    store.s3.deny[store.s3.access_key] = {"s3:GetObject site-media/*"}
    report = store.examine(PRIVATE_BUCKET="")
    assert report.wrong.keys() == {"files.E008", "Private uploads", "Uploads bucket"}
    assert "s3:GetObject" in report.wrong["Uploads bucket"]
    assert "PRIVATE_BUCKET" in report.wrong["Private uploads"]

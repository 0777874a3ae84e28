"""`publish_static` on a real project, against the S3 server that checks signatures and fails at will."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from projects import PRODUCTION, Project
from s3_server import S3Server
from sample_static import generate

BUCKET = "my-static"
FOREVER = "max-age=31536000, public, immutable"


@pytest.fixture(scope="module")
def made(make_project: Callable[..., Project]) -> Project:
    """A project with 1,000 static files, collected."""
    project = make_project(static_serving="s3", object_store="other")
    generate(project.path / "static", 870)
    project.manage("collectstatic", "--noinput")
    return project


@pytest.fixture
def bucket(s3: S3Server) -> S3Server:
    s3.make_bucket(BUCKET, public_prefixes=["static/"])
    return s3


@pytest.fixture
def site(made: Project, bucket: S3Server, tmp_path: Path) -> Project:
    """The same project with about a hundred files, to change at will."""
    path = tmp_path / "my-site"
    shutil.copytree(made.path, path, ignore=shutil.ignore_patterns("app*"))
    project = Project(path, made.environment, variables(bucket))
    generate(path / "static", 100, seed=2)
    shutil.rmtree(path / "staticfiles")
    collect(project)
    return project


def variables(s3: S3Server) -> dict[str, str]:
    return {**s3.environment(), "STATIC_BUCKET": BUCKET}


def collect(project: Project) -> None:
    # The admin's own files are a hundred more, and show nothing.
    project.manage("collectstatic", "--noinput", "--ignore", "admin")


def names(project: Project) -> set[str]:
    manifest = json.loads((project.path / "staticfiles" / "staticfiles.json").read_text())
    return set(manifest["paths"].values())


def objects(s3: S3Server) -> dict[str, dict[str, Any]]:
    """What is in the bucket, by names without their prefix; releases too."""
    pages = s3.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {
        item["Key"].removeprefix("static/"): item
        for page in pages
        for item in page.get("Contents", ())
    }


def files_in(s3: S3Server) -> set[str]:
    return {name for name in objects(s3) if not name.startswith("releases/")}


def get(s3: S3Server, name: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """What a browser gets, which signs nothing."""
    connection = http.client.HTTPConnection(s3.url.removeprefix("http://"), timeout=60)
    connection.request("GET", f"/{BUCKET}/static/{name}", headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def assert_right(s3: S3Server, project: Project) -> None:
    """Each file of the manifest is in the bucket with its content, and there is nothing else."""
    assert files_in(s3) == names(project)
    for name in names(project):
        status, headers, body = get(s3, name)
        assert status == 200
        if headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        assert body == (project.path / "staticfiles" / name).read_bytes(), name


def test_a_thousand_files_take_a_thousand_requests_and_none_the_second_time(
    made: Project, bucket: S3Server
) -> None:
    made.variables = variables(bucket)
    count = len(names(made))
    assert count >= 1000
    bucket.requests.clear()
    first = made.manage("publish_static")
    assert f"{count:,} files published to s3://{BUCKET}/static/, 0 were there." in first.stdout
    assert first.stderr == ""
    assert len(bucket.requests) <= count + 10
    bucket.requests.clear()
    output = made.manage("publish_static").stdout
    assert f"0 files published to s3://{BUCKET}/static/, {count:,} were there." in output
    assert len(bucket.requests) <= 3
    assert {request.method for request in bucket.requests} == {"GET"}
    assert files_in(bucket) == names(made)


def test_each_file_says_what_it_is_and_may_be_kept_for_ever(
    site: Project, bucket: S3Server
) -> None:
    static = site.path / "static"
    (static / "app.mjs").write_text("export const answer = 42;\n" * 20)
    (static / "font.woff2").write_bytes(random.Random(1).randbytes(500))
    (static / "no-suffix").write_text("text")
    (static / "ünïcode name+&.txt").write_text("öffnen " * 50)
    collect(site)
    site.manage("publish_static")
    for name in names(site):
        answer = bucket.client().get_object(Bucket=BUCKET, Key=f"static/{name}")
        assert answer["CacheControl"] == FOREVER
        body = answer["Body"].read()
        if answer.get("ContentEncoding") == "gzip":
            body = gzip.decompress(body)
        assert body == (site.path / "staticfiles" / name).read_bytes()
        kind = {
            ".css": "text/css; charset=utf-8",
            ".js": "text/javascript; charset=utf-8",
            ".mjs": "text/javascript; charset=utf-8",
            ".png": "image/png",
            ".svg": "image/svg+xml",
            ".txt": "text/plain; charset=utf-8",
            ".woff2": "font/woff2",
        }.get(Path(name).suffix, "application/octet-stream")
        assert answer["ContentType"] == kind, name
        packed = answer.get("ContentEncoding") == "gzip"
        assert packed == ((site.path / "staticfiles" / f"{name}.gz").exists()), name
    assert files_in(bucket) == names(site)


def test_what_is_live_is_never_missing_while_the_next_release_is_published(
    site: Project, bucket: S3Server
) -> None:
    site.manage("publish_static")
    live = sorted(names(site))
    before = objects(bucket)
    changed = sorted((site.path / "static").rglob("*.css"))[:3]
    for file in changed:
        file.write_text(file.read_text() + "\n/* changed */\n")
    collect(site)
    bucket.requests.clear()
    done, wrong = threading.Event(), []

    def poll() -> None:
        while not done.is_set():
            for name in live:
                status, _, _ = get(bucket, name)
                if status != 200:
                    wrong.append((name, status))

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        site.manage("publish_static")
    finally:
        done.set()
        poller.join()
    assert wrong == []
    puts = [request.key for request in bucket.requests if request.method == "PUT"]
    assert len(puts) == len(changed) + 1
    after = objects(bucket)
    # Nothing that was there was written again or deleted.
    assert {name: after[name] for name in before} == before


def test_files_come_before_what_refers_to_them_and_the_manifest_last(
    site: Project, bucket: S3Server
) -> None:
    static = site.path / "static"
    (static / "deep.css").write_text('@import "deeper.css";\n')
    (static / "deeper.css").write_text('@import "deepest.css";\n')
    (static / "deepest.css").write_text("a { background: url(dot.svg) }\n")
    (static / "dot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    collect(site)
    bucket.faults.latency = 0.02
    bucket.requests.clear()
    site.manage("publish_static")
    keys = [re.sub(r"\.[0-9a-f]{12}", "", r.key) for r in bucket.requests if r.method == "PUT"]
    order = [keys.index(f"static/{name}") for name in ("dot.svg", "deepest.css", "deeper.css")]
    assert order == sorted(order)
    assert keys.index("static/deep.css") > order[-1]
    assert keys[-1].startswith("static/releases/")


@pytest.mark.parametrize("kind", ["500", "503", "429", "drop", "drop-middle"])
def test_with_every_tenth_request_failing_it_completes(
    site: Project, bucket: S3Server, kind: str
) -> None:
    bucket.faults.every(10, [kind])
    site.manage("publish_static")
    bucket.faults.clear()
    assert_right(bucket, site)
    assert "0 files published" in site.manage("publish_static").stdout


def test_killed_at_ten_moments_the_next_run_completes(site: Project, bucket: S3Server) -> None:
    """A moment is a number of requests that have come in; one that comes too late is a run that ends."""
    chance = random.Random(3)
    bucket.faults.latency = 0.05
    for _ in range(10):
        earlier, moment = len(bucket.requests), chance.randint(1, 30)
        process = site.popen(
            "python", "manage.py", "publish_static",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and len(bucket.requests) - earlier < moment:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Whatever is there is whole, and so is what it refers to.
        there = files_in(bucket)
        assert there <= names(site)
        for name in there:
            if name.endswith(".css"):
                content = (site.path / "staticfiles" / name).read_text()
                for reference in re.findall(r"url\((?:\"|')?\.\./\.\./(.*?)[\"')]", content):
                    assert reference in there, f"{name} is there, {reference} is not"
    bucket.faults.clear()
    # Requests of the last process may still be on their way through the server.
    time.sleep(0.5)
    site.manage("publish_static")
    assert_right(bucket, site)
    releases = [name for name in objects(bucket) if name.startswith("releases/")]
    assert len(releases) == 1


def a_day_later(project: Project) -> None:
    """As if all that was published were older than what prune spares for its youth."""
    file = project.path / "my_site" / "files" / "publish.py"
    text = file.read_text()
    assert "YOUNG = timedelta(days=1)" in text
    file.write_text(text.replace("YOUNG = timedelta(days=1)", "YOUNG = timedelta(0)"))


def test_prune_spares_what_another_run_is_just_publishing(site: Project, bucket: S3Server) -> None:
    site.manage("publish_static")
    path = site.path.with_name("other-site")
    shutil.copytree(site.path, path)
    other = Project(path, site.environment, site.variables)
    generate(path / "static", 100, seed=8)
    collect(other)
    bucket.faults.latency = 0.05
    earlier = len(bucket.requests)
    process = other.popen("python", "manage.py", "publish_static", stdout=subprocess.DEVNULL)
    while process.poll() is None and len(bucket.requests) - earlier < 60:
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)  # Its requests may still be on their way through the server.
    bucket.faults.clear()
    underway = files_in(bucket) - names(site)
    try:
        assert underway
        site.manage("publish_static", "--prune", "--keep", "1")
        assert underway <= files_in(bucket)
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.wait() == 0
    assert names(other) <= files_in(bucket)


def test_prune_knows_a_release_that_was_published_after_its_own(
    site: Project, bucket: S3Server
) -> None:
    a_day_later(site)
    path = site.path.with_name("other-site")
    shutil.copytree(site.path, path)
    other = Project(path, site.environment, site.variables)
    (path / "static" / "css" / "site.css").write_text("a { order: 1 }\n")
    collect(other)
    code = f"""
import subprocess
from my_site.files.publish import Publisher
publisher = Publisher()
list(publisher.publish())
subprocess.run(["python", "manage.py", "publish_static"], cwd={str(path)!r}, check=True)
print(publisher.outdated(2))
"""
    assert site.shell(code).splitlines()[-1] == "[]"
    assert names(site) | names(other) == files_in(bucket)


def test_prune_deletes_only_what_no_recent_release_names(site: Project, bucket: S3Server) -> None:
    a_day_later(site)
    released = []
    for number in range(3):
        (site.path / "static" / "css" / "site.css").write_text(f"a {{ order: {number} }}\n")
        collect(site)
        site.manage("publish_static")
        released.append(names(site))
    bucket.client().put_object(Bucket=BUCKET, Key="static/of-somebody-else.txt", Body=b"mine")
    output = site.manage("publish_static", "--prune", "--dry-run", "--keep", "2").stdout
    assert "would delete css/site." in output
    assert files_in(bucket) >= released[0]
    site.manage("publish_static", "--prune", "--keep", "2")
    assert files_in(bucket) == released[1] | released[2] | {"of-somebody-else.txt"}
    releases = [name for name in objects(bucket) if name.startswith("releases/")]
    assert len(releases) == 2
    site.manage("publish_static", "--prune", "--keep", "1")
    assert files_in(bucket) == released[2] | {"of-somebody-else.txt"}


def test_a_release_that_came_back_is_the_newest(site: Project, bucket: S3Server) -> None:
    a_day_later(site)
    released = []
    for number in (1, 2, 1):
        (site.path / "static" / "css" / "site.css").write_text(f"a {{ order: {number} }}\n")
        collect(site)
        site.manage("publish_static")
        released.append(names(site))
    assert released[0] == released[2]
    site.manage("publish_static", "--prune", "--keep", "1")
    assert files_in(bucket) == released[2]
    assert "0 files deleted" in site.manage("publish_static", "--prune", "--keep", "1").stdout


def test_a_dry_run_says_what_it_would_do_and_does_nothing(site: Project, bucket: S3Server) -> None:
    bucket.requests.clear()
    output = site.manage("publish_static", "--dry-run").stdout
    assert all(f"would publish {name}\n" in output for name in names(site))
    assert {request.method for request in bucket.requests} == {"GET"}
    assert objects(bucket) == {}


def without(project: Project, *unset: str, **changed: str) -> Project:
    kept = {name: value for name, value in project.variables.items() if name not in unset}
    return Project(project.path, project.environment, {**kept, **changed})


def test_what_goes_wrong_is_one_sentence(site: Project, bucket: S3Server) -> None:
    def error(project: Project = site, **changed: str) -> str:
        result = without(project, **changed).manage("publish_static", check=False)
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        return next(line for line in result.stderr.splitlines() if "CommandError" in line)

    bucket.keys["AKIAOTHER"] = "another/secret"
    bucket.deny["AKIAOTHER"].add("s3:PutObject")
    other = {"AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": "another/secret"}
    assert "do not allow s3:PutObject in the bucket my-static" in error(**other)
    bucket.deny["AKIAOTHER"].add("s3:ListBucket")
    assert "do not allow s3:ListBucket" in error(**other)
    assert "does not know this AWS_ACCESS_KEY_ID" in error(AWS_ACCESS_KEY_ID="AKIANOBODY")
    wrong = error(AWS_SECRET_ACCESS_KEY="wrong")
    assert "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID" in wrong
    assert "There is no bucket missing at http://" in error(STATIC_BUCKET="missing")
    assert "STATIC_BUCKET is not set" in error(STATIC_BUCKET="")
    assert "cannot be reached" in error(S3_ENDPOINT_URL="http://127.0.0.1:9")
    nobody = without(site, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert "No credentials for the bucket my-static" in error(nobody)
    bucket.clock_skew = 3600
    assert "The clock of this machine is wrong" in error()
    bucket.clock_skew = 0
    (site.path / "staticfiles" / sorted(names(site))[0]).unlink()
    assert "is not there: collect again" in error()
    (site.path / "staticfiles" / "staticfiles.json").unlink()
    assert "run `python manage.py collectstatic`" in error()
    assert objects(bucket) == {}


def test_a_large_file_needs_little_memory(site: Project, bucket: S3Server) -> None:
    def peak() -> int:
        process = site.popen("python", "manage.py", "publish_static", stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss

    small = peak()
    with (site.path / "static" / "film.mp4").open("wb") as film:
        for _ in range(120):
            film.write(os.urandom(1_000_000))
    collect(site)
    assert peak() < small + 60_000


def test_a_terminal_sees_a_bar_and_a_file_plain_lines(site: Project, bucket: S3Server) -> None:
    bucket.faults.latency = 0.1
    plain = site.manage("publish_static").stdout
    assert "\r" not in plain
    assert "\x1b" not in plain
    (site.path / "static" / "css" / "site.css").write_text("a { order: 9 }\n")
    generate(site.path / "static", 100, seed=5)
    collect(site)
    ours, theirs = pty.openpty()
    process = site.popen("python", "manage.py", "publish_static", stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b"".join(read_all(ours))
    assert process.wait() == 0
    assert b"[" in seen
    assert "█".encode() in seen


def read_all(terminal: int) -> Iterator[bytes]:
    try:
        while block := os.read(terminal, 65536):
            yield block
    except OSError:  # Linux says so when the other end is closed.
        pass
    finally:
        os.close(terminal)


def test_pages_refer_to_what_was_published(site: Project, bucket: S3Server) -> None:
    site.manage("publish_static")
    production = {**PRODUCTION, "DJANGO_SETTINGS_MODULE": "config.settings.production"}
    code = (
        "from django.templatetags.static import static; from django.conf import settings\n"
        "print(static('css/site.css'), settings.SECURE_CSP['style-src'])"
    )
    url, policy = site.shell(code, **production).split(" ", 1)
    assert url.startswith(f"{bucket.url}/{BUCKET}/static/css/site.")
    assert f"{bucket.url}/{BUCKET}/static/" in policy
    status, headers, _ = get(bucket, url.partition("/static/")[2])
    assert (status, headers["Cache-Control"]) == (200, FOREVER)
    at_cdn = site.shell(code, **production, STATIC_CDN_DOMAIN="cdn.example.com")
    assert at_cdn.startswith("https://cdn.example.com/static/css/site.")


def test_the_policies_of_deploy_give_what_is_needed_and_no_more(
    made: Project, bucket: S3Server
) -> None:
    folder = made.path / "deploy" / "s3"
    bucket.client().delete_bucket_policy(Bucket=BUCKET)
    put = bucket.client().put_object
    put(Bucket=BUCKET, Key="static/css/a.0123456789ab.css", Body=b"a{}", ContentType="text/css")
    put(Bucket=BUCKET, Key="secret.txt", Body=b"secret")
    assert get(bucket, "css/a.0123456789ab.css")[0] == 403
    policy = (folder / "static-bucket-policy.json").read_text()
    bucket.client().put_bucket_policy(
        Bucket=BUCKET, Policy=policy.replace("${STATIC_BUCKET}", BUCKET)
    )
    cors = json.loads((folder / "cors.json").read_text())
    bucket.client().put_bucket_cors(Bucket=BUCKET, CORSConfiguration=cors)
    status, headers, _ = get(bucket, "css/a.0123456789ab.css", Origin="https://site.example.com")
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert get(bucket, "../secret.txt")[0] in (403, 404)
    assert get(bucket, "")[0] in (403, 404)

"""`manage.py copy_media` takes every file from one storage to another, whatever happens."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from s3_server import Request, S3Server

SETTINGS = """
from .development import *
from .media import production_storages

STORAGES = {
    **STORAGES,
    "bucket": production_storages["default"],
    "second": production_storages["private"],
}
"""
NAMES = [
    "plain.txt", "a b.txt", "a+b%20.txt", "50%", "é/日本/ü.png", "x?y#z&.txt", "empty.bin",
    "quote\"'<>.txt", "/".join([*["d" * 200] * 4, "e" * 190]),
]  # fmt: skip


@pytest.fixture(scope="module")
def project(make_project) -> Project:
    """A project with the storages `bucket` and `second`, both in buckets."""
    project = make_project(media_storage="s3", private_media=True, object_store="other")
    (project.path / "config/settings/copying.py").write_text(SETTINGS)
    return project


@pytest.fixture
def site(project: Project, s3: S3Server) -> Project:
    """The project, with two empty buckets and no journal of earlier copies."""
    project.variables = {
        **s3.environment(),
        "MEDIA_BUCKET": s3.make_bucket("media"),
        "PRIVATE_BUCKET": s3.make_bucket("private"),
        "DJANGO_SETTINGS_MODULE": "config.settings.copying",
    }
    shutil.rmtree(project.path / ".copy_media", ignore_errors=True)
    s3.requests.clear()
    return project


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """A folder of files with names of every kind, one of them larger than a part of an upload."""
    for name in NAMES:
        write(tmp_path / "uploads" / name, b"" if "empty" in name else os.urandom(1000))
    write(tmp_path / "uploads" / "large.bin", os.urandom(20_000_000))
    return tmp_path / "uploads"


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def copy(site: Project, source: object, target: object, *more: str, status: int = 0) -> str:
    """Run the command; what it says, on whichever stream. It never shows a traceback."""
    command = ("copy_media", "--from", str(source), "--to", str(target), *more)
    result = site.manage(*command, check=False)
    assert (result.returncode, "Traceback" in result.stderr) == (status, False), result.stderr
    return result.stdout + result.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def moved(s3: S3Server) -> list[Request]:
    """The requests that carried a file to the server, or let it copy one."""
    return [request for request in s3.requests if request.method == "PUT" and request.key]


def test_every_file_goes_from_disk_to_bucket_to_bucket_to_disk(site, s3, uploads, tmp_path):
    assert "10 files (19.1\xa0MB) copied, 0 were there already." in copy(site, uploads, "bucket")
    assert "10 files (19.1\xa0MB) copied" in copy(site, "bucket", "second")
    assert "10 files (19.1\xa0MB) copied" in copy(site, "second", f"{tmp_path}/back")
    assert contents(tmp_path / "back") == contents(uploads)
    picture = s3.client().head_object(Bucket="media", Key="media/é/日本/ü.png")
    assert (picture["ContentType"], "ContentDisposition" in picture) == ("image/png", False)
    text = s3.client().head_object(Bucket="private", Key="private/plain.txt")
    assert (text["ContentDisposition"], text["CacheControl"]) == ("attachment", "private, no-store")


def test_small_files_between_buckets_are_copied_by_the_store(site, s3, uploads):
    (uploads / "large.bin").unlink()
    copy(site, uploads, "bucket")
    s3.requests.clear()
    copy(site, "bucket", "second")
    assert all("x-amz-copy-source" in request.headers for request in moved(s3))
    assert len(moved(s3)) == len(NAMES)


@pytest.mark.parametrize("journal", [True, False])
def test_what_is_right_is_not_sent_again(site, s3, uploads, tmp_path, journal):
    for source, target in [
        (uploads, "bucket"),
        ("bucket", "second"),
        ("second", tmp_path / "back"),
    ]:
        copy(site, source, f"{target}")
        if not journal:
            shutil.rmtree(site.path / ".copy_media")
        s3.requests.clear()
        assert "0 files (0\xa0bytes) copied, 10 were there already." in copy(site, source, target)
        assert moved(s3) == []
        if journal:
            assert [request.action for request in s3.requests if request.key] == []


def test_what_changed_since_is_noticed_in_spite_of_the_journal(site, s3, uploads):
    copy(site, uploads, "bucket")
    (uploads / "plain.txt").write_bytes(b"n" * 1000)
    s3.client().put_object(Bucket="media", Key="media/a b.txt", Body=b"o" * 1000)
    s3.client().delete_object(Bucket="media", Key="media/50%")
    said = copy(site, uploads, "bucket", status=1)
    assert "1 files (1000\xa0bytes) copied, 7 were there already." in said
    assert "2 of 10 files are missing or different in s3://media/media:" in said
    assert "'a b.txt': A different file of this name is there" in said
    assert (
        s3.client().get_object(Bucket="media", Key="media/plain.txt")["Body"].read() != b"n" * 1000
    )
    assert "2 files" in copy(site, uploads, "bucket", "--overwrite")
    assert (
        s3.client().get_object(Bucket="media", Key="media/plain.txt")["Body"].read() == b"n" * 1000
    )


def test_a_file_that_may_not_be_written_is_named_and_the_rest_is_copied(site, s3, uploads):
    s3.deny[s3.access_key] = {"s3:PutObject media/media/plain.txt"}
    said = copy(site, uploads, "bucket", status=1)
    assert "9 files" in said
    assert "'plain.txt': Writing: The credentials do not allow it (AccessDenied)." in said


def test_mistakes_are_answered_by_a_sentence(site, uploads):
    assert (
        "'buckett' is neither a folder nor a storage. The storages are: default, private"
        in copy(site, uploads, "buckett", status=1)
    )
    assert "does not exist" in copy(site, f"{uploads}/none", "bucket", status=1)
    assert "are the same, or one is inside the other" in copy(
        site, uploads, uploads / "é", status=1
    )
    assert "This bucket does not exist." in _with(site, uploads, MEDIA_BUCKET="nowhere")
    assert "AWS_SECRET_ACCESS_KEY does not belong to" in _with(
        site, uploads, AWS_SECRET_ACCESS_KEY="x"
    )
    assert "does not know this AWS_ACCESS_KEY_ID" in _with(site, uploads, AWS_ACCESS_KEY_ID="x")


def _with(site: Project, uploads: Path, **variables: str) -> str:
    command = ("copy_media", "--from", str(uploads), "--to", "bucket")
    result = site.manage(*command, check=False, **variables)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False), result.stderr
    return result.stderr


def test_names_that_no_file_can_have_are_refused(site, s3, tmp_path):
    for key in ("../out", "a//b", "ok.txt", "folder/"):
        s3.client().put_object(Bucket="media", Key=f"media/{key}", Body=b"")
    said = copy(site, "bucket", f"{tmp_path}/in/side", status=1)
    assert "1 files (0\xa0bytes) copied" in said
    assert "'../out': No file can have this name." in said
    assert [path.name for path in (tmp_path / "in").rglob("*") if path.is_file()] == ["ok.txt"]


def test_faults_of_every_kind_lose_nothing(site, s3, uploads, tmp_path):
    s3.faults.every(3, ["500", "503", "429", "drop", "drop-middle"])
    copy(site, uploads, "bucket")
    copy(site, "bucket", "second")
    copy(site, "second", f"{tmp_path}/back")
    assert contents(tmp_path / "back") == contents(uploads)


def test_a_large_upload_goes_on_where_it_was_interrupted(site, s3, uploads):
    client, part = s3.client(), 8 << 20
    key = {"Bucket": "media", "Key": "media/large.bin"}
    upload = client.create_multipart_upload(**key)["UploadId"]
    first = (uploads / "large.bin").read_bytes()[:part]
    client.upload_part(**key, UploadId=upload, PartNumber=1, Body=first)
    s3.requests.clear()
    copy(site, uploads, "bucket")
    parts = [r.query["partNumber"] for r in moved(s3) if r.key == "media/large.bin"]
    assert sorted(parts) == ["2", "3"]
    assert client.get_object(**key)["Body"].read() == (uploads / "large.bin").read_bytes()


class Killer:
    """Kills a run at its n-th request. Requests of earlier runs, which may come late, do not count:
    each run has a name of its own in its User-Agent."""

    def __init__(self) -> None:
        self.lock, self.known = threading.Lock(), threading.Event()
        self.chance = random.Random(4)
        self.run, self.left, self.process = "", 0, None

    def start(self, site: Project, run: str, left: int, *command: str) -> int:
        self.known.clear()
        self.run, self.left = run, left
        self.process = site.popen(
            *command, variables={"AWS_SDK_UA_APP_ID": run},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.known.set()
        return self.process.wait(300)

    def match(self, request: Request) -> str | None:
        with self.lock:
            if f"app/{self.run}" in request.headers.get("user-agent", ""):
                self.left -= 1
                if self.left == 0:
                    self.known.wait(60)
                    self.process.kill()
            lot = self.chance.random()
            return self.chance.choice(["500", "503", "drop", "drop-middle"]) if lot < 0.05 else None


def test_two_thousand_files_arrive_in_spite_of_ten_kills_and_many_faults(site, s3, tmp_path):
    """Ten times at most 150 requests are less than the 2,000 that are needed: each kill strikes."""
    files = {f"{n % 7}/file {n} é+.bin": random.Random(n).randbytes(n % 3000) for n in range(2000)}
    for name, content in files.items():
        write(tmp_path / "uploads" / name, content)
    killer, moments = Killer(), random.Random()
    s3.faults.match = killer.match
    command = (
        "python",
        "manage.py",
        "copy_media",
        "--from",
        f"{tmp_path}/uploads",
        "--to",
        "bucket",
    )
    verified: set[str] = set()
    for number in range(11):
        left = moments.randint(1, 150) if number < 10 else -1
        status = killer.start(site, f"run-{number}-", left, *command)
        assert status == (-9 if number < 10 else 0), f"run {number}, to be killed at {left}"
        sent = {r.key for r in moved(s3) if f"app/run-{number}-" in r.headers["user-agent"]}
        assert not sent & verified
        verified |= {f"media/{name}" for name in journalled(site)}
    s3.faults.clear()
    pages = s3.client().get_paginator("list_objects_v2").paginate(Bucket="media")
    there = {o["Key"]: o["ETag"].strip('"') for page in pages for o in page["Contents"]}
    assert there == {f"media/{n}": hashlib.md5(c).hexdigest() for n, c in files.items()}


def journalled(site: Project) -> set[str]:
    names = set()
    for line in "".join(f.read_text() for f in site.path.glob(".copy_media/*.jsonl")).splitlines():
        try:
            names.add(json.loads(line)[0])
        except ValueError:
            assert not line.endswith("]")
    return names


def test_folders_are_copied_and_nothing_is_deleted(make_project, uploads, tmp_path):
    site = make_project(media_storage="s3")
    write(site.path / "media" / "mine.txt", b"mine")
    write(site.path / "media" / ".copy_media" / "left", b"by a run that was killed")
    (uploads / "é" / "circle").symlink_to(uploads)
    (uploads / "linked.txt").symlink_to(uploads / "plain.txt")
    assert "11 files" in copy(site, uploads, "default")
    (uploads / "é" / "circle").unlink()
    assert contents(site.path / "media") == {**contents(uploads), "mine.txt": b"mine"}
    assert "0 files (0\xa0bytes) copied, 11 were there already." in copy(site, uploads, "default")
    (uploads / "plain.txt").write_bytes(b"other")
    assert "2 of 11 files are missing or different" in copy(site, uploads, "default", status=1)


@pytest.mark.nightly
def test_a_gigabyte_needs_little_memory(site, s3, tmp_path):
    """Up, by another bucket, and down again; the command's own peak stays under 400 MB."""
    (tmp_path / "uploads").mkdir()
    block = os.urandom(1 << 20)
    with (tmp_path / "uploads" / "film.bin").open("wb") as file:
        for number in range(1024):
            file.write(number.to_bytes(8, "big") + block[8:])
    peaks: list[Any] = []
    for source, target in [
        (tmp_path / "uploads", "bucket"), ("bucket", "second"), ("second", f"{tmp_path}/back"),
    ]:  # fmt: skip
        process = site.popen(
            "python", "manage.py", "copy_media", "--from", str(source), "--to", target
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        peaks.append(usage.ru_maxrss // 1024)
        assert status == 0
    assert max(peaks) < 400, peaks
    for path in ("uploads", "back"):
        with (tmp_path / path / "film.bin").open("rb") as file:
            peaks.append(hashlib.file_digest(file, "sha256").hexdigest())
    assert peaks[-1] == peaks[-2]

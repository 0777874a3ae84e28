"""Large files pass through without staying in memory: 200 MB, less than 32 MB more."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import papers
import pytest
import yaml
from papers import Site
from projects import Project
from s3_server import S3Server
from web_servers import unverified

MB = 1_000_000
SIZE = 200 * MB
MOST = 32 * MB
HEAD = b"%PDF-1.7\n"
STORES = {
    "app": {"web_server": "none"},
    "nginx": {"web_server": "nginx"},
    "caddy": {"web_server": "caddy"},
    "bucket": {"media_storage": "s3", "object_store": "other"},
}


def content() -> Iterator[bytes]:
    block = bytes(range(250)) * 4000
    yield HEAD + block[len(HEAD) :]
    for _ in range(SIZE // len(block) - 1):
        yield block


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context: ssl.SSLContext = unverified()
        return http.client.HTTPSConnection(parts.netloc, timeout=300, context=context)
    return http.client.HTTPConnection(parts.netloc, timeout=300)


def servers(port_or_pid: int) -> set[int]:
    """A process and all that it started."""
    found = {port_or_pid}
    while True:
        more = set(found)
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[1]) in found:
                    more.add(int(stat.parent.name))
        if more == found:
            return found
        found = more


def own(pid: int, peak: bool) -> int:
    """Bytes of memory that a process has (had at most): files that it reads are not its memory."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(lines["VmHWM" if peak else "VmRSS"].split()[0]) * 1024


@contextlib.contextmanager
def little_memory(pids: set[int]) -> Iterator[None]:
    """No process's peak inside the block is more than MOST above where it was."""
    before = {}
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # Begin the peak anew.
        before[pid] = own(pid, peak=False)
    yield
    grown = {pid: own(pid, peak=True) - size for pid, size in before.items()}
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids}
    for pid, more in grown.items():
        assert more < MOST, f"{names[pid]} grew by {more / MB:.0f} MB"


def upload(site: Site) -> str:
    """Send the file piece by piece; its URL."""
    before = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.pdf"\r\n'
        b"Content-Type: application/pdf\r\n\r\n"
    )
    after = b"\r\n--x--\r\n"
    connection = connect(site.url)
    connection.putrequest("POST", "/papers/")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(len(before) + SIZE + len(after)))
    connection.putheader("Cookie", "; ".join(f"{k}={v}" for k, v in site.cookies.items()))
    connection.endheaders(before)
    for block in content():
        connection.send(block)
    connection.send(after)
    answer = papers.Answer(*(lambda r: (r.status, r.headers, r.read()))(connection.getresponse()))
    connection.close()
    assert answer.status == 201, answer.body[:500]
    return answer.json["url"]


def download(site: Site, url: str) -> str:
    """Read the file piece by piece; its SHA-256."""
    answer = site.get(url, "HEAD")
    if answer.status == 302:
        url = site.get(url).headers["Location"]
    elif url.startswith("/"):
        url = site.url + url
    connection = connect(url)
    headers = {}
    if site.cookies and url.startswith(site.url):
        headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in site.cookies.items())
    connection.request("GET", url.partition(urlsplit(url).netloc)[2], headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    digest = hashlib.sha256()
    while block := response.read(MB):
        digest.update(block)
    connection.close()
    return digest.hexdigest()


@pytest.mark.parametrize("name", list(STORES))
def test_a_large_upload_and_download_take_little_memory(
    name: str, make_project: Callable[..., Project], s3: S3Server
) -> None:
    project = make_project(private_media=True, **STORES[name])
    if name == "bucket":
        s3.make_bucket("uploads")
        project.variables |= s3.environment()
        project.variables |= {"MEDIA_BUCKET": "uploads", "PRIVATE_BUCKET": "uploads"}
    project.variables["DJANGO_MAX_UPLOAD_MB"] = "220"
    papers.add(project, private=True)
    before = {int(path.name) for path in Path("/proc").glob("[0-9]*")}
    with papers.serve(project) as site:
        ada = site.as_user("ada@example.com")
        small = papers.File("warm.pdf", HEAD)
        for _ in range(16):  # Each worker has done it once, on a small scale.
            assert ada.upload(small).status == 201
        ours = {pid for pid in servers(os.getpid()) - before if running(pid)}
        assert any("gunicorn" in running(pid) for pid in ours)
        with little_memory(ours):
            url = upload(ada)
        with little_memory(ours):
            assert download(ada, url) == expected()
    if name != "bucket":
        for path in (project.path / "private").rglob("*.pdf"):
            path.unlink()


def running(pid: int) -> str:
    """The command of a server among the processes that the test started; "" for others."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if "moto" not in command and any(n in command for n in ("gunicorn", "nginx", "caddy")):
            return command
    return ""


def expected() -> str:
    digest = hashlib.sha256()
    for block in content():
        digest.update(block)
    return digest.hexdigest()


PICTURE = """
import io
from pathlib import Path
from django.conf import settings
from django.core.files.base import ContentFile
from PIL import Image
from {package}.files.validators import check_image

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))

side = int((settings.MAX_IMAGE_PIXELS // {share}) ** 0.5)
written = io.BytesIO()
exif = Image.Exif()
exif[0x112] = 6  # on its side: a second copy turns it
Image.new("{mode}", (side, side)).save(written, "{kind}", exif=exif)
file = ContentFile(written.getvalue(), name="a.{kind}")
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
check_image(file)
print(memory("VmHWM") - before)
"""


@pytest.mark.parametrize(
    ("kind", "mode", "share"), [("PNG", "RGBA", 1), ("JPEG", "RGB", 1), ("WEBP", "RGBA", 3)]
)
def test_each_process_of_an_app_server_may_have_the_largest_picture_open(
    kind: str, mode: str, share: int, make_project: Callable[..., Project]
) -> None:
    project = make_project()
    code = PICTURE.format(package="my_site", kind=kind, mode=mode, share=share)
    picture = int(project.shell(code))
    compose = yaml.safe_load((project.path / "deploy/compose.yaml").read_text())
    limit = compose["services"]["app-1"]["deploy"]["resources"]["limits"]["memory"]
    at_rest = 300 * MB
    assert at_rest + 2 * picture < int(limit.removesuffix("M")) * 2**20

"""Uploads from strangers: refused with a sentence, or stored so that they run nowhere."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import papers
import pytest
from hostile_uploads import LIMIT, PDF, Case, corpus, html, picture
from papers import Answer, File, Site
from PIL import Image
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright
from projects import Project
from s3_server import S3Server

STORES = {
    "app": {"web_server": "none"},
    "nginx": {"web_server": "nginx"},
    "caddy": {"web_server": "caddy"},
    "bucket": {"media_storage": "s3", "object_store": "other"},
}
KEY = re.compile(r"paper/\d{4}/\d\d/[0-9a-f]{32}\.(csv|docx|odt|pdf|txt|xlsx|jpg|png|webp)")


@dataclass
class Store:
    """A site that keeps its uploads somewhere, and what became of the corpus on it."""

    name: str
    site: Site
    s3: S3Server
    results: list[tuple[Case, Answer]] = field(default_factory=list)

    def names(self) -> set[str]:
        """All files that are stored."""
        if self.name == "bucket":
            pages = self.s3.client().get_paginator("list_objects_v2").paginate(Bucket="uploads")
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
            return {key.removeprefix("media/") for key in keys}
        root = self.site.project.path / "media"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def read(self, name: str) -> bytes:
        if self.name == "bucket":
            answer = self.s3.client().get_object(Bucket="uploads", Key=f"media/{name}")
            return answer["Body"].read()
        return (self.site.project.path / "media" / name).read_bytes()


@pytest.fixture(scope="module")
def stores(make_project: Callable[..., Project]) -> Iterator[dict[str, Store]]:
    """A running site for each store, to which the corpus was sent."""
    cases = corpus()
    with contextlib.ExitStack() as stack:
        s3 = stack.enter_context(S3Server())
        s3.make_bucket("uploads", public_prefixes=["media/"])
        sites = {}
        for name, answers in STORES.items():
            project = make_project(**answers)
            if name == "bucket":
                project.variables |= {**s3.environment(), "MEDIA_BUCKET": "uploads"}
            project.variables["DJANGO_MAX_UPLOAD_MB"] = str(LIMIT // 1_000_000)
            if name == "caddy":  # Another web server before the same app.
                site = stack.enter_context(papers.serve_another_way(sites["nginx"].site, project))
            else:
                site = stack.enter_context(papers.serve(papers.add(project)))
            sites[name] = Store(name, site, s3)
        for store in sites.values():
            with ThreadPoolExecutor(4) as pool:
                answers_ = pool.map(lambda case: store.site.upload(case.file), cases)  # noqa: B023
                store.results = list(zip(cases, answers_, strict=True))
        yield sites


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest, stores: dict[str, Store]) -> Store:
    return stores[request.param]


def test_the_corpus_is_large() -> None:
    assert len(corpus()) >= 40
    assert len({case.title for case in corpus()}) == len(corpus())


def test_each_hostile_upload_is_refused_with_a_sentence_or_stored(store: Store) -> None:
    for case, answer in store.results:
        where = f"{case.title} on {store.name}: {answer.status} {answer.body[:300]!r}"
        if case.stored:
            assert answer.status == 201, where
            assert KEY.fullmatch(answer.json["name"]), where
        elif answer.status == 422:
            (sentences,) = answer.json["errors"].values()
            assert re.fullmatch(r"[A-Z].{10,}[.]", sentences[0]), where
        elif answer.status == 413:  # The web server, from the same maximum.
            assert case.title == "four times too large", where
            assert "At most 1 MB can be sent" in answer.body.decode(), where
        else:  # Django itself takes no such names: the form sees no file, or is not asked.
            assert case.title in ("half a character", "name longer than a header", "long extension")
            assert answer.status == 400 or answer.json == {"nothing": True}, where


def test_what_was_refused_left_nothing_behind(store: Store) -> None:
    kept = {answer.json["name"] for _, answer in store.results if answer.status == 201}
    others = {name for name in store.names() if not name.startswith("paper/")}
    assert kept <= store.names()
    assert len(kept) == sum(case.stored for case, _ in store.results)
    assert not others
    assert not list(store.site.project.path.glob("*.pdf"))


def test_what_was_stored_is_served_so_that_it_runs_nowhere(store: Store) -> None:
    for case, answer in store.results:
        if answer.status != 201:
            continue
        served = store.site.get(answer.json["url"])
        kind = served.headers["Content-Type"]
        where = f"{case.title} on {store.name}: {served.status} {dict(served.headers)}"
        assert served.status == 200, where
        if case.file.field == "picture":
            assert kind in ("image/jpeg", "image/png", "image/webp"), where
            assert b"script" not in served.body, where
            assert b"/ran/" not in served.body, where
            assert b"Main.class" not in served.body, where
            Image.open(io.BytesIO(served.body)).load()
        else:
            assert kind == "application/octet-stream", where
            assert served.headers["Content-Disposition"].startswith("attachment"), where
            assert served.body == case.file.content, where
        assert "max-age=86400" in served.headers["Cache-Control"], where
        if store.name != "bucket":  # A bucket cannot send these; it is on a host of its own.
            assert served.headers["X-Content-Type-Options"] == "nosniff", where
            policy = served.headers["Content-Security-Policy"]
            assert "sandbox" in policy, where
            assert "default-src 'none'" in policy, where
            assert "script" not in policy, where


class Careless(BaseHTTPRequestHandler):
    """Serves an upload as a careless server would, to prove that a script would be seen."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(html("careless"))

    def log_message(self, *_: Any) -> None:
        pass


def test_in_a_browser_no_stored_upload_runs_a_script(stores: dict[str, Store]) -> None:
    careless = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    threading.Thread(target=careless.serve_forever, daemon=True).start()
    options = [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update",
    ]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        context = browser.new_context(ignore_https_errors=True)
        ran: list[str] = []
        context.on(
            "request", lambda request: ran.append(request.url) if "/ran/" in request.url else None
        )
        page = context.new_page()

        page.goto(f"http://127.0.0.1:{careless.server_port}/")
        page.wait_for_timeout(200)
        assert ran, "A script that runs would not be seen: the test proves nothing."
        ran.clear()

        opened = shown = 0
        for store in stores.values():
            urls = [
                answer.json["url"]
                if "//" in answer.json["url"]
                else store.site.url + answer.json["url"]
                for _, answer in store.results
                if answer.status == 201
            ]
            for url in urls:
                try:
                    page.goto(url)
                    shown += 1
                except BrowserError as error:
                    if not re.search("Download is starting|ERR_ABORTED", error.message):
                        raise
                opened += 1
            # As a part of one of the site's own pages, whose policy trusts its own host.
            page.goto(f"{store.site.url}/account/sign-in/")
            page.evaluate(
                """urls => {
                    for (const url of urls) {
                        for (const [tag, name] of [
                            ["script", "src"], ["iframe", "src"], ["embed", "src"], ["object", "data"],
                            ["img", "src"],
                        ]) {
                            const element = document.createElement(tag);
                            element[name] = url;
                            document.body.append(element);
                        }
                    }
                }""",
                urls,
            )
            page.wait_for_timeout(500)
            assert page.title() != "ran"
        assert ran == []
        assert opened == sum(case.stored for case in corpus()) * len(stores)
        assert shown >= 10 * len(stores), "Pictures are shown."
        browser.close()
    careless.shutdown()


@pytest.mark.parametrize(("name", "rounds"), [("app", 200), ("bucket", 25)])
def test_two_users_upload_photo_jpg_at_the_same_moment(
    name: str, rounds: int, stores: dict[str, Store]
) -> None:
    store = stores[name]
    users = [store.site.as_user(f"{user}@example.com") for user in ("ada", "bob")]
    barrier = threading.Barrier(2)

    def upload(user: int) -> dict[str, tuple[int, int, int]]:
        kept = {}
        for number in range(rounds):
            colour = (number % 20 * 12, number // 20 * 24, user * 255)
            photo = io.BytesIO()
            Image.new("RGB", (16, 16), colour).save(photo, "JPEG", quality=95)
            barrier.wait(60)
            answer = users[user].upload(File("photo.jpg", photo.getvalue(), field="picture"))
            assert answer.status == 201, answer.body
            kept[answer.json["name"]] = colour
        return kept

    before = store.names()
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(upload, [0, 1])
    assert len(one.keys() | other.keys()) == 2 * rounds
    assert store.names() - before == one.keys() | other.keys()
    for stored, colour in {**one, **other}.items():
        pixel = Image.open(io.BytesIO(store.read(stored))).getpixel((8, 8))
        assert all(abs(a - b) <= 6 for a, b in zip(pixel, colour, strict=True)), stored


def test_a_name_that_is_taken_is_not_overwritten(store: Store) -> None:
    code = """
from django.core.files.base import ContentFile
from django.core.files.storage import storages
names = [storages["default"].save("same.txt", ContentFile(text)) for text in (b"one", b"two")]
print(names[0] != names[1], [storages["default"].open(name).read() for name in names])
for name in names: storages["default"].delete(name)
"""
    said = store.site.project.shell(code, **store.site.project.variables)
    assert said == "True [b'one', b'two']\n"


# --- Fields ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app(stores: dict[str, Store]) -> Site:
    return stores["app"].site


def shell(site: Site, code: str) -> Any:
    """Run code in the project; what it printed as JSON."""
    header = """
import io, json
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from papers.models import Paper
def count():
    import os
    from django.conf import settings
    return sum(len(files) for _, _, files in os.walk(settings.MEDIA_ROOT))
"""
    return json.loads(site.project.shell(header + code, **site.project.variables))


def test_a_model_checks_with_full_clean_and_when_it_is_saved(app: Site) -> None:
    said = shell(app, """
before, errors = count(), []
for use in (
    lambda: Paper(picture=SimpleUploadedFile("a.png", b"<svg>")).full_clean(),
    lambda: Paper.objects.create(picture=SimpleUploadedFile("a.png", b"<svg>")),
    lambda: Paper.objects.create(file=ContentFile(b"MZ", "a.pdf")),
    lambda: Paper().file.save("a.html", ContentFile(b"<script>")),
):
    try:
        use()
    except ValidationError as error:
        errors.append(error.messages)
paper = Paper(file=ContentFile(b"%PDF-1.7", "Bill.PDF"))
paper.full_clean()
paper.save()
again = Paper.objects.get(pk=paper.pk)
again.full_clean()
again.save()
paper.file.save("bill.pdf", ContentFile(b"%PDF-1.7"))
print(json.dumps([errors, count() - before, again.file.name, again.file.read().decode()]))
""")  # fmt: skip
    errors, added, name, content = said
    assert [len(error) for error in errors] == [1, 1, 1, 1]
    assert (added, content) == (2, "%PDF-1.7")
    assert KEY.fullmatch(name)


def test_one_bad_field_and_nothing_of_the_form_is_stored(app: Site) -> None:
    before = shell(app, "print(json.dumps(count()))")
    answer = app.upload(File("good.pdf", PDF), File("bad.png", b"<svg>", field="picture"))
    assert answer.status == 422
    assert list(answer.json["errors"]) == ["picture"]
    assert shell(app, "print(json.dumps(count()))") == before


def test_the_admin_checks_too_and_offers_the_right_files(app: Site) -> None:
    said = shell(app, """
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
client = Client(headers={"host": "localhost"})
client.force_login(get_user_model().objects.create_superuser("root@example.com", "x"))
add, before = reverse("admin:papers_paper_add"), count()
form = client.get(add).content.decode()
bad = client.post(add, {"picture": SimpleUploadedFile("a.png", b"<svg>")})
same = count()
photo = io.BytesIO()
Image.new("RGB", (9, 9)).save(photo, "PNG")
good = client.post(add, {"picture": SimpleUploadedFile("a.png", photo.getvalue())})
print(json.dumps([form, bad.status_code, bad.content.decode(), same - before, good.status_code, count() - before]))
""")  # fmt: skip
    form, bad, page, stored, good, total = said
    assert 'accept=".jpg,.jpeg,.png,.webp"' in form
    assert (bad, stored, good, total) == (200, 0, 302, 1)
    assert "This picture cannot be read" in page


def test_a_picture_is_upright_and_says_nothing_of_where_it_was_taken(app: Site) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0)})
    photo = Image.new("RGB", (80, 40), "blue")
    photo.paste("red", (0, 0, 40, 40))
    for kind, name in (("JPEG", "a.jpeg"), ("PNG", "a.png"), ("WEBP", "a.webp")):
        data = io.BytesIO()
        photo.save(data, kind, exif=exif, icc_profile=b"a profile", comment=b"from home")
        answer = app.upload(File(name, data.getvalue(), field="picture"))
        assert answer.status == 201, answer.body
        stored = Image.open(io.BytesIO(app.get(answer.json["url"]).body))
        assert stored.format == kind
        assert stored.size == (40, 80)
        assert stored.convert("RGB").getpixel((20, 10))[0] > 200, "The red half is on top."
        assert not stored.getexif()
        assert not {"icc_profile", "comment", "exif"} & stored.info.keys()


def test_colours_survive(app: Site) -> None:
    grey = Image.new("I;16", (8, 8), 32768)
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 40))
    for image, kind, expected in (
        (grey, "PNG", (128, 128, 128, 255)),
        (palette, "PNG", (200, 100, 50, 255)),
        (clear, "PNG", (10, 20, 30, 40)),
        (clear, "WEBP", (10, 20, 30, 40)),
        (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", (255, 0, 0, 255)),
        (Image.new("1", (8, 8), 1), "PNG", (255, 255, 255, 255)),
        (Image.new("LA", (8, 8), (100, 50)), "PNG", (100, 100, 100, 50)),
    ):
        data = io.BytesIO()
        image.save(data, kind, **({"lossless": True} if kind == "WEBP" else {}))
        extension = {"JPEG": "jpg"}.get(kind, kind.lower())
        answer = app.upload(File(f"a.{extension}", data.getvalue(), field="picture"))
        stored = Image.open(io.BytesIO(app.get(answer.json["url"]).body)).convert("RGBA")
        pixel = stored.getpixel((4, 4))
        assert all(abs(a - b) <= 8 for a, b in zip(pixel, expected, strict=True)), (kind, pixel)


def test_migrations_name_no_storage(stores: dict[str, Store]) -> None:
    for store in stores.values():
        migration = store.site.project.path / "papers/migrations/0001_initial.py"
        assert "my_site.files.fields.ImageField(blank=True)" in migration.read_text()
        assert "storage" not in migration.read_text()
        store.site.project.manage("makemigrations", "--check")


def test_upload_to_may_be_all_that_django_lets_it_be(app: Site) -> None:
    names = shell(app, """
field, names = Paper._meta.get_field("picture"), []
for field.upload_to in ("", "a", "a/%Y/", lambda paper, name: "a/b/" + name, lambda paper, name: name):
    names.append(field.generate_filename(Paper(), "upload.png"))
print(json.dumps(names))
""")  # fmt: skip
    folders = ("paper", "a", r"a/\d{4}", "a/b", "")
    for name, folder in zip(names, folders, strict=True):
        pattern = rf"{folder}/\d{{4}}/\d\d/[0-9a-f]{{32}}\.png".lstrip("/")
        assert re.fullmatch(pattern, name), name


# --- The app's own view ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text(app: Site) -> str:
    """The URL of an upload with the content 0123456789."""
    return app.upload(File("a.txt", b"0123456789")).json["url"]


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-999999999", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
        ("bytes=a-b", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=" + "9" * 5000 + "-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_a_part_of_a_file(
    app: Site, text: str, wanted: str, status: int, body: bytes, content_range: str | None
) -> None:
    answer = app.get(text, Range=wanted)
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers["Content-Range"] == content_range
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if status != 416:
        assert answer.headers["Content-Disposition"].startswith("attachment")
        head = app.get(text, "HEAD", Range=wanted)
        assert head.body == b""
        assert head.headers["Content-Length"] == str(len(body))


def test_a_file_that_did_not_change_is_not_sent_again(app: Site, text: str) -> None:
    first = app.get(text)
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    for condition in ({"If-None-Match": etag}, {"If-Modified-Since": modified}):
        answer = app.get(text, **condition)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == etag
    assert app.get(text, **{"If-None-Match": '"other"'}).status == 200
    assert app.get(text, **{"If-Match": '"other"'}).status == 412
    for condition, status in ((etag, 206), (modified, 206), ('"other"', 200)):
        answer = app.get(text, Range="bytes=0-0", **{"If-Range": condition})
        assert answer.status == status


def test_nothing_outside_the_folder_is_served_however_the_path_is_written(app: Site) -> None:
    project = app.project.path
    media = project / "media"
    (project / "secret.txt").write_text("secret")
    (media / "link.txt").symlink_to(project / "secret.txt")
    (media / "links").symlink_to(project)
    os.mkfifo(media / "pipe")
    (media / "empty").mkdir()
    for path in (
        "../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "a/../../secret.txt",
        "/" + str(project / "secret.txt"), "%2f" + str(project / "secret.txt"), "..%5csecret.txt",
        "link.txt", "links/secret.txt", "pipe", "empty", "empty/", "", "/", ".", "..", "a%00.txt",
        "%00", "paper", "x" * 2000, "a/" * 1500, "%ff%fe", "secret.txt%00.txt", "~/x", "%252e%252e/secret.txt",
    ):  # fmt: skip
        answer = app.get(f"/media/{path}")
        assert answer.status == 404, path
        assert b"secret" not in answer.body.replace(b"secret.txt", b""), path


def test_uploads_are_read_and_nothing_else(app: Site, text: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert app.get(text, method).status in (403, 405), method
    assert app.get(text).body == b"0123456789"


def test_in_development_uploads_are_served_as_in_production(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(private_media=True)
    project.manage("migrate")
    page = project.path / "media" / "page.html"
    page.parent.mkdir()
    page.write_bytes(html("development"))
    with project.serve("python", "manage.py", "runserver", "--noreload", "{port}") as server:
        answer = papers.request(f"{server.url}/media/page.html")
        assert answer.status == 200
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert papers.request(f"{server.url}/private/page.html").status == 404


def test_a_client_that_goes_on_and_on_is_cut_off(app: Site) -> None:
    """Nothing beyond the limit reaches the disk, and after ten times the limit we hang up."""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        for _ in range(2000):
            sent += 100_000
            yield b"x" * 100_000

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(10**12)}
    with contextlib.suppress(OSError):
        papers.request(f"{app.url}/papers/", "POST", endless(), **headers)
    assert sent < 30 * LIMIT


def test_random_bytes_never_break_a_check(app: Site) -> None:
    """Each file of the corpus, with bytes changed at random: a sentence or a file, no 500."""
    said = shell(app, f"""
import random, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from my_site.files.validators import check_document, check_image
chance, seen = random.Random(4), set()
files = json.loads(open({str(samples(app))!r}).read())
for name, content in files:
    for _ in range(30):
        data = bytearray(content.encode("latin-1"))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        check = check_image if name.endswith(("png", "jpg", "webp")) else check_document
        try:
            check(SimpleUploadedFile(name, bytes(data[: chance.randint(1, len(data))])))
            seen.add("stored")
        except ValidationError:
            seen.add("refused")
print(json.dumps(sorted(seen)))
""")  # fmt: skip
    assert said == ["refused", "stored"]


def samples(app: Site) -> Path:
    """Small files of the corpus, in a file that the project can read."""
    path = app.project.path.parent / "samples.json"
    cases = itertools.chain(
        (
            (c.file.name, c.file.content)
            for c in corpus()
            if c.stored and len(c.file.content) < 9000
        ),
        [("a.jpg", picture(size=(64, 64), mode="RGB"))],
    )
    known = (".png", ".jpg", ".webp", ".pdf", ".txt", ".csv", ".docx")
    path.write_text(json.dumps([(n, c.decode("latin-1")) for n, c in cases if n.endswith(known)]))
    return path

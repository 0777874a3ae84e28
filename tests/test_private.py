"""Private uploads: read by whom the project says, and by nobody else on any path that exists."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import papers
import pytest
from hostile_uploads import PDF, html, picture
from papers import Answer, File, Site
from projects import Project
from s3_server import S3Server

STORES = {
    "app": {"web_server": "none"},
    "nginx": {"web_server": "nginx"},
    "caddy": {"web_server": "caddy"},
    "bucket": {"media_storage": "s3", "object_store": "other"},
}
SECRET = PDF + b"% nobody else may read this\n"
ODD_NAMES = [
    "letters/two words.pdf", "letters/50% off.pdf", "letters/what?.pdf", "letters/a#b.pdf",
    "letters/grüße/日本.pdf", "letters/%41.pdf", "letters/a+b&c=d;e.pdf", "letters/'\".pdf",
]  # fmt: skip


@dataclass
class Store:
    name: str
    nobody: Site
    ada: Site
    bob: Site
    s3: S3Server
    file: str
    """The name of a file of Ada's."""

    @property
    def url(self) -> str:
        return f"/private/{self.file}"

    def fetch(self, site: Site, url: str, method: str = "GET") -> Answer:
        """What a browser gets in the end."""
        answer = site.get(url, method)
        if answer.status == 302:
            assert answer.headers["Cache-Control"] == "private, no-store"
            return papers.request(answer.headers["Location"], method)
        return answer


@pytest.fixture(scope="module")
def stores(make_project: Callable[..., Project]) -> Iterator[dict[str, Store]]:
    with contextlib.ExitStack() as stack:
        s3 = stack.enter_context(S3Server())
        s3.make_bucket("public", public_prefixes=["media/"])
        s3.make_bucket("secret")
        found: dict[str, Store] = {}
        for name, answers in STORES.items():
            project = make_project(private_media=True, **answers)
            if name == "bucket":
                project.variables |= s3.environment()
                project.variables |= {"MEDIA_BUCKET": "public", "PRIVATE_BUCKET": "secret"}
            if name == "caddy":
                site = stack.enter_context(papers.serve_another_way(found["nginx"].nobody, project))
            else:
                site = stack.enter_context(papers.serve(papers.add(project, private=True)))
            ada, bob = site.as_user("ada@example.com"), site.as_user("bob@example.com")
            answer = ada.upload(File("letter.pdf", SECRET))
            assert answer.status == 201, answer.body
            assert answer.json["url"] == f"/private/{answer.json['name']}"
            found[name] = Store(name, site, ada, bob, s3, answer.json["name"])
        yield found


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest, stores: dict[str, Store]) -> Store:
    return stores[request.param]


def test_the_owner_reads_it(store: Store) -> None:
    answer = store.fetch(store.ada, store.url)
    assert (answer.status, answer.body) == (200, SECRET)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    if store.name != "bucket":
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "X-Accel-Redirect" not in answer.headers


def test_the_owner_may_ask_for_its_headers_alone(store: Store) -> None:
    whole, head = (store.fetch(store.ada, store.url, method) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    for header in ("Content-Type", "Content-Disposition", "Cache-Control"):
        assert head.headers[header] == whole.headers[header]


def test_only_the_owner_reads_it(store: Store) -> None:
    for reader in (store.nobody, store.bob):
        for method in ("GET", "HEAD"):
            answer = reader.get(store.url, method)
            assert answer.status == 404
            assert SECRET not in answer.body
            assert "Location" not in answer.headers
    assert store.ada.get(store.url, "POST").status in (403, 405)


def test_whoever_may_not_read_it_does_not_learn_that_it_exists(store: Store) -> None:
    missing = f"/private/paper/2026/01/{'0' * 32}.pdf"
    here, nowhere = (store.bob.get(url) for url in (store.url, missing))
    assert here.status == nowhere.status == 404
    assert here.body.replace(store.url.encode(), b"") == nowhere.body.replace(missing.encode(), b"")
    changing = {"date", "x-request-id", "set-cookie", "content-length"}
    told, other = (
        {k.lower(): v for k, v in answer.headers.items() if k.lower() not in changing}
        for answer in (here, nowhere)
    )
    assert told == other


def test_after_signing_out_the_owner_is_a_stranger(store: Store) -> None:
    ada = store.nobody.as_user("ada@example.com")
    assert ada.get(store.url).status in (200, 302)
    ada.get("/papers/as/nobody/")
    assert ada.get(store.url).status == 404


def test_no_other_path_leads_to_it(store: Store) -> None:
    file = store.file
    for path in (
        f"/media/{file}", f"/_private/{file}", f"/private//{file}", f"/private/./{file}",
        f"/private/paper/../{file}", f"/private/%2e/{file}", f"/media/../private/{file}",
        f"/media/..%2fprivate/{file}", f"/media%2f..%2fprivate/{file}", f"/static/../private/{file}",
        f"/_private%2f{file}", f"/%5fprivate/{file}", f"/private/{quote(file, safe='')}%00",
        f"/private/{file}/", f"//private/{file}", f"/private/{file.upper()}", f"/srv/private/{file}",
        f"/private/..%5cprivate/{file}", f"/private/..;/{file}", f"/PRIVATE/{file}",
        "/private/", "/private", "/private/.", "/private/..", "/private/paper", "/_private/",
    ):  # fmt: skip
        for site in (store.nobody, store.bob):
            answer = site.get(path)
            where = f"{path} on {store.name}: {answer.status}"
            assert answer.status in (301, 302, 308, 400, 403, 404), where
            assert SECRET not in answer.body, where
            assert "secret" not in answer.headers.get("Location", ""), where


def test_no_request_header_leads_to_it(store: Store) -> None:
    """X-Accel-Redirect is believed from the app, not from a visitor."""
    headers = {"X-Accel-Redirect": f"/_private/{store.file}", "X-Original-URL": store.url}
    for path in ("/", store.url):
        answer = store.nobody.get(path, **headers)
        assert SECRET not in answer.body


def test_the_owner_reads_a_part_of_it(store: Store) -> None:
    if store.name == "bucket":
        location = store.ada.get(store.url).headers["Location"]
        answer = papers.request(location, Range="bytes=0-3")
    else:
        answer = store.ada.get(store.url, Range="bytes=0-3")
    assert (answer.status, answer.body) == (206, SECRET[:4])


def test_a_file_that_is_gone_is_not_found(store: Store) -> None:
    shell(
        store,
        "Paper.objects.create(owner=User.objects.get(email='ada@example.com'), file='gone.pdf')",
    )
    assert store.fetch(store.ada, "/private/gone.pdf").status == 404


def shell(store: Store, code: str) -> str:
    header = """
import json
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from papers.models import Paper
User = get_user_model()
storage = Paper._meta.get_field("file").storage
"""
    project = store.nobody.project
    return project.shell(header + code, **project.variables)


def test_odd_names_reach_the_right_file(store: Store) -> None:
    """Of files that came another way than through a field."""
    urls = json.loads(shell(store, f"""
ada, urls = User.objects.get(email="ada@example.com"), []
for name in {ODD_NAMES!r}:
    if not storage.exists(name):
        storage.save(name, ContentFile(name.encode()))
        Paper.objects.create(owner=ada, file=name)
    urls.append(storage.url(name))
print(json.dumps(urls))
"""))  # fmt: skip
    for name, url in zip(ODD_NAMES, urls, strict=True):
        answer = store.fetch(store.ada, url)
        assert (answer.status, answer.body.decode()) == (200, name), name
        assert store.bob.get(url).status == 404


def test_a_private_picture_is_shown_and_a_private_page_is_not(store: Store) -> None:
    photo = store.ada.upload(File("a.png", picture("PNG"), field="picture"))
    answer = store.fetch(store.ada, photo.json["url"])
    assert answer.headers["Content-Type"] == "image/png"
    assert not answer.headers.get("Content-Disposition", "").startswith("attachment")
    page = store.ada.upload(File("page.txt", html("private page")))
    answer = store.fetch(store.ada, page.json["url"])
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_nobody_may_read_anything_until_the_project_says_who(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(private_media=True)
    code = "from my_site.files.access import may_read; print(may_read(None, 'a.pdf'))"
    assert project.shell(code) == "False\n"


def test_migrations_name_the_function_and_no_storage(stores: dict[str, Store]) -> None:
    for store in stores.values():
        migration = store.nobody.project.path / "papers/migrations/0001_initial.py"
        assert "storage=my_site.files.storages.private_storage" in migration.read_text()
        store.nobody.project.manage("makemigrations", "--check")


# --- In a bucket ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket(stores: dict[str, Store]) -> Store:
    return stores["bucket"]


@pytest.fixture
def signed(bucket: Store) -> str:
    """Where the view sends the owner."""
    location = bucket.ada.get(bucket.url).headers["Location"]
    assert papers.request(location).body == SECRET
    return location


def changed(url: str, **query: str) -> str:
    parts = urlsplit(url)
    pairs = {**dict(parse_qsl(parts.query)), **query}
    return urlunsplit(parts._replace(query=urlencode(pairs)))


def test_the_bucket_tells_a_stranger_nothing(bucket: Store, signed: str) -> None:
    address = signed.partition("?")[0]
    assert address.endswith(f"/secret/private/{bucket.file}")
    for url in (address, address.rpartition("/")[0], f"{bucket.s3.url}/secret", address + "x"):
        for method in ("GET", "HEAD"):
            answer = papers.request(url, method)
            assert answer.status == 403
            assert SECRET not in answer.body


def test_a_signature_lives_ten_minutes(bucket: Store, signed: str) -> None:
    assert dict(parse_qsl(urlsplit(signed).query))["X-Amz-Expires"] == "600"
    try:
        bucket.s3.clock_skew = 595
        assert papers.request(signed).status == 200
        bucket.s3.clock_skew = 605
        answer = papers.request(signed)
    finally:
        bucket.s3.clock_skew = 0
    assert answer.status == 403
    assert SECRET not in answer.body


def test_a_signature_is_good_for_that_file_and_those_headers_alone(
    bucket: Store, signed: str
) -> None:
    other = bucket.bob.upload(File("other.pdf", PDF)).json["name"]
    signature = dict(parse_qsl(urlsplit(signed).query))["X-Amz-Signature"]
    for url in (
        signed.replace(bucket.file, other),
        changed(signed, **{"X-Amz-Expires": "604800"}),
        changed(signed, **{"X-Amz-Signature": signature[::-1]}),
        changed(signed, **{"X-Amz-Signature": ""}),
        changed(signed, **{"response-content-type": "text/html"}),
        changed(signed, **{"response-content-disposition": "inline"}),
        changed(signed, **{"X-Amz-Date": "20300101T000000Z"}),
        signed.partition("&X-Amz-Signature")[0],
    ):
        answer = papers.request(url)
        assert answer.status in (400, 403), url
        assert SECRET not in answer.body
    assert papers.request(signed, "PUT", b"mine").status == 403
    assert papers.request(signed, "DELETE").status == 403


def test_private_files_are_not_in_the_public_bucket(bucket: Store) -> None:
    listed = bucket.s3.client().list_objects_v2(Bucket="public").get("Contents", [])
    assert not listed
    kept = bucket.s3.client().head_object(Bucket="secret", Key=f"private/{bucket.file}")
    assert kept["CacheControl"] == "private, no-store"
    assert kept["ContentDisposition"] == "attachment"

"""Static files of real projects: collected, compressed, served, and allowed by the page's policy."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import random
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import chromium
from PIL import ImageFont
from playwright.sync_api import Browser
from projects import PRODUCTION, Project, Server
from s3_server import S3Server
from sample_static import generate
from web_servers import HOST, app_servers, web_server

FOREVER = "max-age=31536000, public, immutable"
HASH = re.compile(r"\.[0-9a-f]{12}(?=\.|$)")
OLDER = "css/site.fedcba987654.css"


@pytest.fixture(scope="module", params=["6.1", "5.2"])
def made(request: pytest.FixtureRequest, make_project: Callable[..., Project]) -> Project:
    return make_project(django_version=request.param)


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Project:
    """A project to change at will."""
    path = tmp_path / "my-site"
    shutil.copytree(made.path, path, ignore=shutil.ignore_patterns("staticfiles"))
    return Project(path, made.environment)


def add(project: Project, **files: str) -> None:
    """Write files under static/; a name's `__` is a slash, its last `_` a dot."""
    for name, content in files.items():
        *folders, last = name.split("__")
        path = project.path / "static" / Path(*folders) / ".".join(last.rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def collect(project: Project, *options: str, check: bool = True) -> Any:
    # The admin's own files are a hundred more, and show nothing.
    return project.manage("collectstatic", "--noinput", "--ignore", "admin", *options, check=check)


def manifest(project: Project) -> dict[str, str]:
    return json.loads((project.path / "staticfiles" / "staticfiles.json").read_text())["paths"]


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Each file's content and time."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- Collecting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("static_serving", ["whitenoise", "web-server", "s3"])
def test_collecting_needs_nothing_from_outside(
    make_project: Callable[..., Project], static_serving: str
) -> None:
    project = make_project(static_serving=static_serving)
    command = [project.python, "manage.py", "collectstatic", "--noinput"]
    subprocess.run(command, cwd=project.path, env={}, check=True, capture_output=True)
    made = project.path / "staticfiles"
    hashed = made / manifest(project)["css/site.css"]
    packed = {path.suffix for path in hashed.parent.glob(f"{hashed.name}.*")}
    assert packed == ({".gz"} if static_serving == "s3" else {".br", ".gz"})
    assert (made / "css" / "site.css").exists()
    assert not list((made / "css").glob("site.css.*"))
    assert all(HASH.search(name) for name in manifest(project).values())


def test_names_and_content_are_those_of_djangos_own_storage(project: Project) -> None:
    add(
        project,
        a__all_css="@import 'base.css';\n@import url(\"../b/late.css\") print;\n"
        "x { background: url(#id), url('dot.svg?v=1#frag'), url(/static/b/dot.svg), "
        "url(data:image/png;base64,AA==), url(//example.com/x.png) }\n",
        a__base_css="/* nothing refers out of it */",
        a__dot_svg="<svg xmlns='http://www.w3.org/2000/svg'/>",
        b__late_css="y { src: url(font.eot?#iefix) }",
        b__dot_svg="<svg xmlns='http://www.w3.org/2000/svg'>b</svg>",
        b__font_eot="font",
        js__app_js="let a = 1;\n//# sourceMappingURL=app.js.map",
        **{"js__app.js_map": "{}"},
    )
    generate(project.path / "static", 60)
    collect(project)
    ours = manifest(project)
    settings = project.path / "config" / "settings" / "plain.py"
    settings.write_text(
        "from .development import *\nSTATIC_ROOT = BASE_DIR / 'plain'\n"
        "STORAGES['staticfiles'] = {'BACKEND': "
        "'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}\n"
    )
    collect(project, "--settings", "config.settings.plain")
    theirs = json.loads((project.path / "plain" / "staticfiles.json").read_text())["paths"]
    one, other = project.path / "staticfiles", project.path / "plain"
    for name in ours:
        assert (one / ours[name]).read_bytes() == (other / theirs[name]).read_bytes(), name
    assert ours == theirs


def test_a_reference_with_a_query_is_to_the_file_that_is_there(project: Project) -> None:
    """Django's own storage refers to a name that it never writes."""
    add(project, a_css='@import url("b.css?v=1");', b_css="a { background: url(c.svg) }", c_svg="")
    collect(project)
    content = (project.path / "staticfiles" / manifest(project)["a.css"]).read_text()
    assert content == f'@import url("{manifest(project)["b.css"]}?v=1");'


def test_compressed_copies_are_right_smaller_and_of_hashed_names_only(project: Project) -> None:
    add(project, tiny_css="a{}", long_txt="long " * 500, big_json='{"a": 1}' * 900)
    (project.path / "static" / "noise.txt").write_bytes(random.Random(1).randbytes(5000))
    collect(project)
    made = project.path / "staticfiles"
    code = "import brotli, sys; sys.stdout.buffer.write(brotli.decompress(open(sys.argv[1], 'rb').read()))"
    for name in manifest(project).values():
        content = (made / name).read_bytes()
        for suffix in (".br", ".gz"):
            copy = made / f"{name}{suffix}"
            if copy.exists():
                assert copy.stat().st_size < len(content)
        if name.startswith(("long", "big", "css/")):
            assert gzip.decompress((made / f"{name}.gz").read_bytes()) == content
            assert project.run("python", "-c", code, str(made / f"{name}.br")).stdout == (
                content.decode()
            )
        if name.startswith(("tiny", "noise")):
            assert not (made / f"{name}.br").exists()
    compressed = [name for name in tree(made) if name.endswith((".br", ".gz"))]
    assert all(HASH.search(name) for name in compressed)


def test_nothing_that_is_there_is_written_again_and_nothing_old_is_deleted(
    project: Project,
) -> None:
    add(project, img__dot_svg="<svg xmlns='http://www.w3.org/2000/svg'/>")
    add(project, css__dots_css=".dot { background: url(../img/dot.svg); }" * 20)
    made = project.path / "staticfiles"
    collect(project)
    first = tree(made)
    collect(project)
    again = tree(made)
    del first["staticfiles.json"], again["staticfiles.json"]
    assert again == first
    # A stylesheet's name changes with what it refers to; what a running release uses stays.
    add(project, img__dot_svg="<svg xmlns='http://www.w3.org/2000/svg'><!-- new --></svg>")
    older = manifest(project)
    collect(project)
    newer = manifest(project)
    assert newer["css/dots.css"] != older["css/dots.css"]
    later = tree(made)
    hashed = {name: entry for name, entry in first.items() if HASH.search(name)}
    assert {name: later[name] for name in hashed} == hashed
    assert Path(newer["img/dot.svg"]).name in (made / newer["css/dots.css"]).read_text()


def test_what_is_missing_is_named_with_who_refers_to_it(project: Project) -> None:
    add(project, css__a_css="a { background: url(../img/gone.png) }\nb { src: url(no.woff2) }")
    add(project, js__b_js="let b;\n//# sourceMappingURL=b.js.map\n")
    failed = collect(project, check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    for sentence in (
        "css/a.css refers to img/gone.png, which is not there: add that file, or correct",
        "css/a.css refers to css/no.woff2, which is not there",
        "js/b.js refers to js/b.js.map, which is not there",
    ):
        assert sentence in failed.stderr
    assert not (project.path / "staticfiles" / "staticfiles.json").exists()


def test_source_maps_of_vendors_may_be_missing(project: Project) -> None:
    add(project, vendor__lib_js="let b;\n//# sourceMappingURL=lib.js.map\n")
    assert "refers to vendor/lib.js.map" in collect(project, check=False).stderr
    settings = project.path / "config" / "settings" / "static.py"
    text = settings.read_text()
    assert '{"vendor_source_maps": []}' in text
    settings.write_text(text.replace("[]}", '["vendor/*"]}'))
    collect(project)
    content = (project.path / "staticfiles" / manifest(project)["vendor/lib.js"]).read_text()
    assert content == "let b;\n//# sourceMappingURL=lib.js.map\n"
    add(project, vendor__lib_css="a { background: url(gone.png) }")
    assert "vendor/lib.css refers to vendor/gone.png" in collect(project, check=False).stderr


def test_a_circle_and_another_encoding_are_said(project: Project) -> None:
    add(project, a_css='@import "b.css";', b_css='@import "a.css";')
    (project.path / "static" / "latin.css").write_bytes("/* é */".encode("latin-1"))
    failed = collect(project, check=False)
    assert re.search(
        r"(\w)\.css refers to \w\.css refers to \1\.css: no file of a circle", failed.stderr
    )
    assert "latin.css is not in UTF-8" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_options_of_collectstatic_do_as_they_say(project: Project) -> None:
    made = project.path / "staticfiles"
    collect(project, "--dry-run")
    assert not made.exists() or not tree(made)
    collect(project, "--link")
    assert (made / "css" / "site.css").is_symlink()
    hashed = made / manifest(project)["css/site.css"]
    assert hashed.is_file()
    assert not hashed.is_symlink()
    add(project, extra_txt="extra")
    collect(project)
    (project.path / "static" / "extra.txt").unlink()
    collect(project, "--clear")
    assert not list(made.glob("extra*"))
    collect(project, "--clear", "--no-post-process")
    assert not (made / "staticfiles.json").exists()


def test_killed_at_any_moment_the_next_run_makes_the_same(project: Project) -> None:
    generate(project.path / "static", 60)
    collect(project)
    made, right = project.path / "staticfiles", project.path / "right"
    made.rename(right)
    chance = random.Random(4)
    for _ in range(8):
        process = project.popen(
            "python", "manage.py", "collectstatic", "--noinput", "--ignore", "admin",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and not made.exists():
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Whatever has its final name is whole.
        for name, (content, _) in tree(made).items() if made.exists() else ():
            if HASH.search(name) and not name.endswith(".part"):
                assert content == (right / name).read_bytes(), name
        if chance.random() < 0.5:
            shutil.rmtree(made, ignore_errors=True)
    collect(project)
    for name, (content, _) in tree(right).items():
        assert (made / name).read_bytes() == content, name
    assert not [name for name in tree(made) if name.endswith(".part")]


def test_a_page_that_names_a_missing_file_fails_by_its_name(project: Project) -> None:
    collect(project)
    code = "from django.templatetags.static import static; print(static('css/gone.css'))"
    production = {**PRODUCTION, "DJANGO_SETTINGS_MODULE": "config.settings.production"}
    with pytest.raises(AssertionError, match="Missing staticfiles manifest entry for 'css/gone"):
        project.shell(code, **production)


def test_collecting_takes_a_fraction_of_what_whitenoises_storage_takes(
    make_project: Callable[..., Project],
) -> None:
    """In seconds of processor: those of the clock depend on what else the machine does."""
    project = make_project()
    generate(project.path / "static", 1000)
    (project.path / "config" / "settings" / "peer.py").write_text(
        "from .development import *\nSTATIC_ROOT = BASE_DIR / 'peer'\n"
        "STORAGES['staticfiles'] = {'BACKEND': "
        "'whitenoise.storage.CompressedManifestStaticFilesStorage'}\n"
    )

    def cost(*options: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        collect(project, *options)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    ours, theirs = (
        (cost(*options), cost(*options)) for options in ([], ["--settings", "config.settings.peer"])
    )
    assert theirs[0] >= 2 * ours[0], (ours, theirs)
    assert theirs[1] >= 12 * ours[1], (ours, theirs)


# --- WhiteNoise, over HTTP ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whitenoise(make_project: Callable[..., Project]) -> Iterator[tuple[Server, Project]]:
    project = make_project()
    static = project.path / "static"
    (static / "hashed-by-a-bundler.0123456789ab.js").write_text("let a;" * 100)
    (static / "img" / "dot.png").write_bytes(b"\x89PNG")
    project.manage("collectstatic", "--noinput")
    (project.path / "staticfiles" / OLDER).write_text("a {}")
    with project.serve(path="/healthz", **PRODUCTION) as server:
        yield server, project


def ask(
    server: Server, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Ask as a proxy that speaks HTTPS would, the path as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": HOST, "X_Forwarded_Proto": "https", **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def test_whitenoise_serves_hashed_names_for_ever_and_others_briefly(
    whitenoise: tuple[Server, Project],
) -> None:
    server, project = whitenoise
    for name, hashed in manifest(project).items():
        if name.startswith("admin/"):
            continue
        status, headers, body = ask(server, f"/static/{hashed}")
        assert (status, headers["Cache-Control"]) == (200, FOREVER), name
        assert body == (project.path / "staticfiles" / hashed).read_bytes()
        assert headers["X-Content-Type-Options"] == "nosniff"
        status, headers, body = ask(server, f"/static/{name}")
        lasts = FOREVER if HASH.search(name) else "max-age=60, public"
        assert (status, headers["Cache-Control"]) == (200, lasts), name


def test_whitenoise_serves_hashed_names_of_older_releases_for_ever_too(
    whitenoise: tuple[Server, Project],
) -> None:
    server, project = whitenoise
    assert OLDER not in manifest(project).values()
    status, headers, _ = ask(server, f"/static/{OLDER}")
    assert (status, headers["Cache-Control"]) == (200, FOREVER)


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [("gzip, deflate, br", "br"), ("br", "br"), ("gzip", "gzip"), ("identity", None), ("", None)],
)
def test_whitenoise_serves_what_is_accepted(
    whitenoise: tuple[Server, Project], accepts: str, encoding: str | None
) -> None:
    server, project = whitenoise
    hashed = manifest(project)["css/site.css"]
    status, headers, body = ask(server, f"/static/{hashed}", Accept_Encoding=accepts)
    assert (status, headers["Content-Encoding"]) == (200, encoding)
    assert headers["Content-Type"] == 'text/css; charset="utf-8"'
    assert headers["Vary"] == "Accept-Encoding"
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[encoding]
    assert body == (project.path / "staticfiles" / f"{hashed}{suffix}").read_bytes()


def test_whitenoise_revalidates_and_answers_head(whitenoise: tuple[Server, Project]) -> None:
    server, project = whitenoise
    path = f"/static/{manifest(project)['css/site.css']}"
    _, headers, _ = ask(server, path)
    for condition in (
        {"If_None_Match": headers["ETag"]},
        {"If_Modified_Since": headers["Last-Modified"]},
    ):
        status, _, body = ask(server, path, **condition)
        assert (status, body) == (304, b"")
    status, headers, body = ask(server, path, "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 100


@pytest.mark.parametrize(
    "path",
    [
        "css/unknown.css", "css/site.000000000000.css", "css/", "css", "../manage.py",
        "%2e%2e/manage.py", "..%2fmanage.py", "css/../../manage.py", "css/%2e%2e/%2e%2e/manage.py",
        "..\\manage.py", "%5c..%5cmanage.py", "%00", "/etc/passwd", "%2fetc%2fpasswd",
        "css/..;/..;/manage.py", "%252e%252e/manage.py", ".%2e/config/settings/base.py",
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["/static/", "/static../", "/static", "//static/"])
def test_nothing_outside_the_folder_is_served(
    whitenoise: tuple[Server, Project], prefix: str, path: str
) -> None:
    status, _, body = ask(whitenoise[0], prefix + path)
    assert status in (400, 404)
    assert b"django" not in body.lower()
    assert b"root:" not in body


def test_the_app_serves_pages_while_whitenoise_is_second(
    whitenoise: tuple[Server, Project],
) -> None:
    server, project = whitenoise
    status, headers, body = ask(server, "/")
    assert status == 200
    assert f"/static/{manifest(project)['css/site.css']}".encode() in body
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    status, headers, _ = ask(server, "/static/css/site.css", X_Forwarded_Proto="http")
    assert (status, headers["Location"]) == (301, f"https://{HOST}/static/css/site.css")


# --- What pages may load --------------------------------------------------------------------------

COMBINATIONS = [
    pytest.param(
        {"static_serving": static, "media_storage": media, "private_media": private,
         "object_store": store, "django_version": django},
        id="-".join([static, media, "private" if private else "public", store, django]),
    )
    for static, media, private, (store, django) in itertools.product(
        ("whitenoise", "web-server", "s3"),
        ("filesystem", "s3"),
        (False, True),
        (("aws", "6.1"), ("other", "5.2"), ("cloudflare-r2", "6.1")),
    )
    if "s3" in (static, media) or store == "aws"
]  # fmt: skip
ADDRESS = {
    "aws": "https://{}.s3.eu-north-1.amazonaws.com",
    "other": "https://s3.example.net/{}",
    "cloudflare-r2": "https://acc.r2.cloudflarestorage.com/{}",
}


@pytest.mark.parametrize("answers", COMBINATIONS)
def test_the_policy_allows_exactly_the_hosts_of_the_storages(
    make_project: Callable[..., Project], answers: dict[str, Any]
) -> None:
    project, store = make_project(**answers), answers["object_store"]
    variables = {
        **PRODUCTION,
        "STATIC_BUCKET": "sss", "MEDIA_BUCKET": "mmm", "PRIVATE_BUCKET": "ppp",
    }  # fmt: skip
    if store == "aws":
        variables["S3_REGION"] = "eu-north-1"
    elif store == "other":
        variables["S3_ENDPOINT_URL"] = "https://s3.example.net"
    else:
        variables["S3_ENDPOINT_URL"] = "https://acc.r2.cloudflarestorage.com"
        variables["STATIC_CDN_DOMAIN"] = "static.example.org"
        variables["MEDIA_CDN_DOMAIN"] = "media.example.org"
    name = "CONTENT_SECURITY_POLICY" if answers["django_version"] == "5.2" else "SECURE_CSP"
    printed = project.shell(
        "import json; from django.conf import settings; from django.test import Client\n"
        f"print(json.dumps(settings.{name}))",
        **variables,
    )
    policy = json.loads(printed)
    policy = policy.get("DIRECTIVES", policy)
    static, images = {"'self'"}, {"'self'"}
    r2 = store == "cloudflare-r2"
    if answers["static_serving"] == "s3":
        address = "https://static.example.org" if r2 else ADDRESS[store].format("sss")
        static.add(f"{address}/static/")
    if answers["media_storage"] == "s3":
        address = "https://media.example.org" if r2 else ADDRESS[store].format("mmm")
        images.add(f"{address}/media/")
        if answers["private_media"]:
            images.add(f"{ADDRESS[store].format('ppp')}/private/")
    for kind in ("script-src", "style-src", "font-src"):
        assert set(policy[kind]) == static
    assert set(policy["img-src"]) == static | images
    assert set(policy["default-src"]) == {"'self'"}
    assert not re.search(r"unsafe|\*|data:|https:[\"' ]", json.dumps(policy))


def test_a_variable_that_production_needs_is_named(make_project: Callable[..., Project]) -> None:
    for store, name in (
        ("aws", "STATIC_BUCKET"), ("other", "S3_ENDPOINT_URL"), ("cloudflare-r2", "STATIC_CDN_DOMAIN"),
    ):  # fmt: skip
        project = make_project(static_serving="s3", object_store=store)
        bucket = {} if store == "aws" else {"STATIC_BUCKET": "static"}
        if store == "cloudflare-r2":
            bucket["S3_ENDPOINT_URL"] = "https://account.r2.cloudflarestorage.com"
        failed = project.manage("check", check=False, **PRODUCTION, **bucket)
        assert failed.returncode == 1
        assert failed.stderr.startswith(f"{name} is not set: production needs it")


@pytest.mark.parametrize("media_storage", ["filesystem", "s3"])
def test_another_address_of_files_is_allowed_too(
    make_project: Callable[..., Project], media_storage: str
) -> None:
    project = make_project(media_storage=media_storage)
    code = "from django.conf import settings; print(settings.SECURE_CSP)"
    printed = project.shell(
        code, DJANGO_STATIC_URL="https://cdn.example.com/s/", DJANGO_MEDIA_URL="//m.example.com/m/"
    )
    assert "'script-src': [\"'self'\", 'https://cdn.example.com/s/']" in printed
    assert "//m.example.com/m/" in printed


# --- In a browser ---------------------------------------------------------------------------------

STYLE = """
@font-face { font-family: Ours; src: url("../font/ours.ttf"); }
body { font-family: Ours; background-image: url("../img/dot.svg"); }
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize(
    ("static_serving", "server", "django_version"),
    [
        ("whitenoise", "nginx", "6.1"),
        ("web-server", "nginx", "6.1"),
        ("web-server", "caddy", "6.1"),
        ("s3", "nginx", "5.2"),
    ],
)
def test_pages_and_the_admin_load_everything_and_complain_of_nothing(
    make_project: Callable[..., Project],
    browser: Browser,
    s3: S3Server,
    static_serving: str,
    server: str,
    django_version: str,
) -> None:
    project = make_project(
        static_serving=static_serving, web_server=server, object_store="other",
        django_version=django_version,
    )  # fmt: skip
    static = project.path / "static"
    (static / "font").mkdir()
    (static / "font" / "ours.ttf").write_bytes(ImageFont.load_default(10).font_bytes)
    (static / "img" / "dot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (static / "css" / "site.css").open("a").write(STYLE)
    if static_serving == "s3":
        s3.make_bucket("static", public_prefixes=["static/"])
        cors = json.loads((project.path / "deploy" / "s3" / "cors.json").read_text())
        s3.client().put_bucket_cors(Bucket="static", CORSConfiguration=cors)
        project.variables = {**s3.environment(), "STATIC_BUCKET": "static"}
    project.manage("migrate")
    project.manage("collectstatic", "--noinput")
    if static_serving == "s3":
        project.manage("publish_static")
    user = {"DJANGO_SUPERUSER_EMAIL": "ada@example.com", "DJANGO_SUPERUSER_PASSWORD": "difference"}
    project.manage("createsuperuser", "--noinput", **user)
    with ExitStack() as stack:
        apps = stack.enter_context(app_servers(project))
        front = stack.enter_context(web_server(project, list(apps)))
        context = stack.enter_context(browser.new_context(ignore_https_errors=True))
        page, said, errors, loaded = context.new_page(), [], [], {}
        page.on("console", lambda message: said.append(message))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda response: loaded.update({response.url: response}))
        page.goto(front.url)
        page.evaluate("document.fonts.ready")
        assert page.evaluate("document.fonts.check('16px Ours')")
        assert page.evaluate("[...document.fonts].map(font => font.status)") == ["loaded"]
        for part in ("css/site.", "img/dot.", "font/ours.", "img/favicon."):
            (response,) = (r for url, r in loaded.items() if f"/static/{part}" in url)
            assert response.status == 200
            assert response.headers["cache-control"] == FOREVER
            bucket = urlsplit(response.url).port == urlsplit(s3.url).port
            assert bucket == (static_serving == "s3")
        # The tests' bucket speaks no HTTPS.
        assert [m.text for m in said if not m.text.startswith("Mixed Content: ")] == []
        page.goto(f"{front.url}/admin/")
        page.fill("[name=username]", user["DJANGO_SUPERUSER_EMAIL"])
        page.fill("[name=password]", user["DJANGO_SUPERUSER_PASSWORD"])
        page.click("[type=submit]")
        page.wait_for_url("**/admin/")
        for path in ("users/user/", "users/user/add/", "users/user/1/change/", "auth/group/add/"):
            page.goto(f"{front.url}/admin/{path}", wait_until="networkidle")
        # The admin's own script made this of a plain list.
        assert page.locator(".selector-chosen").count() == 1
        # It names no icon, so that the browser asks for one; what else it is told is no error.
        errors += [
            message.text
            for message in said
            if message.type == "error" and "/favicon.ico" not in message.location["url"]
        ]
        assert errors == []

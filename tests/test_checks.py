"""The checks of a generated project (design 1.6): each breaks as people break it, and is found.

`BREAKS` are edits and circumstances; each must be found by its id, and by no other of ours.
`FINE` are circumstances that look odd and are right: nothing may be said of them.
"""

from __future__ import annotations

import functools
import itertools
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from projects import DJANGO_VERSIONS, PRODUCTION, Project

RUNNER = Path(__file__).with_name("check_runner.py")
BUCKETS = {
    "STATIC_BUCKET": "my-site-static",
    "STATIC_CDN_DOMAIN": "static.example.net",
    "MEDIA_BUCKET": "my-site-media",
    "PRIVATE_BUCKET": "my-site-private",
    "S3_ENDPOINT_URL": "https://s3.example.net",
    "S3_REGION": "eu-central-1",
}


@dataclass(frozen=True)
class Variant:
    """A project with something about it changed; `expected` is the id that must be found."""

    story: str
    expected: str = ""
    settings: str = ""
    answers: str = "default"
    base: str = "production"
    deploy: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


ANSWERS: dict[str, dict[str, Any]] = {
    "default": {},
    "private": {"private_media": True},
    "s3": {"static_serving": "s3", "media_storage": "s3", "private_media": True},
}

E001 = functools.partial(Variant, expected="files.E001")
E002 = functools.partial(Variant, expected="files.E002")
E003 = functools.partial(Variant, expected="files.E003")
E004 = functools.partial(Variant, expected="files.E004")
E005 = functools.partial(Variant, expected="files.E005", answers="s3")
E006 = functools.partial(Variant, expected="files.E006", answers="private")
E008 = functools.partial(Variant, expected="files.E008", answers="s3")
E009 = functools.partial(Variant, expected="files.E009")
E010 = functools.partial(Variant, expected="files.E010", answers="s3")
W001 = functools.partial(Variant, expected="files.W001")
W003 = functools.partial(Variant, expected="files.W003")
W004 = functools.partial(Variant, expected="files.W004")

ONE = {"STATIC_BUCKET": "my-site", "MEDIA_BUCKET": "my-site"}


def options(alias: str, **changed: Any) -> str:
    """The line with which somebody changes options of a storage."""
    return f"STORAGES['{alias}']['OPTIONS'] |= {changed!r}"


REMOVE_WHITENOISE = """
MIDDLEWARE = [name for name in MIDDLEWARE if "whitenoise" not in name]
"""
MOVE_WHITENOISE = """
MIDDLEWARE = [name for name in MIDDLEWARE if "whitenoise" not in name]
place = {}
MIDDLEWARE.insert(place, "whitenoise.middleware.WhiteNoiseMiddleware")
"""
SERVE_MEDIA = """
from django.urls import include, re_path
from django.views.static import serve
from django.conf import settings
urlpatterns = [
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    *__import__("config.urls").urls.urlpatterns,
]
"""

# The tests may run as root, who may write everywhere; access() asks for the real user.
WRITE_NOTHING = """
import os
if os.getuid() == 0:
    os.setreuid(65534, 0)
MEDIA_ROOT = Path("/proc/media")
"""

BREAKS = [
    E001("uploads in STATIC_ROOT", settings='MEDIA_ROOT = STATIC_ROOT / "uploads"'),
    E001("one folder for both", settings="MEDIA_ROOT = STATIC_ROOT"),
    E001("static in uploads", settings='STATIC_ROOT = MEDIA_ROOT / "static"', deploy=False),
    E001("both in the project's folder itself", settings="MEDIA_ROOT = BASE_DIR"),
    E001("MEDIA_ROOT forgotten, which is the current folder", settings='MEDIA_ROOT = ""'),
    E001("as text, through ..", settings='MEDIA_ROOT = f"{BASE_DIR}/config/../staticfiles/media/"'),
    E001("through a link", settings='MEDIA_ROOT = BASE_DIR / "link-to-staticfiles"'),
    E001(
        "by the option of the storage",
        settings='STORAGES["default"] = {**STORAGES["default"], "OPTIONS": '
        '{**STORAGES["default"].get("OPTIONS", {}), "location": STATIC_ROOT}}',
    ),
    E001("by the environment", environment={"DJANGO_MEDIA_ROOT": "staticfiles"}),
    E001(
        "among the sources, for the admin's logo", settings='MEDIA_ROOT = BASE_DIR / "static/media"'
    ),
    E002("STATIC_ROOT among STATICFILES_DIRS", settings="STATICFILES_DIRS += [STATIC_ROOT]"),
    E002(
        "the source folder as STATIC_ROOT",
        settings='STATIC_ROOT = BASE_DIR / "static"',
        deploy=False,
    ),
    E002(
        "STATIC_ROOT in the source folder",
        settings='STATIC_ROOT = BASE_DIR / "static" / "dist"',
        deploy=False,
    ),
    E002("sources in STATIC_ROOT", settings='STATICFILES_DIRS = [STATIC_ROOT / "src"]'),
    E002("with a prefix", settings='STATICFILES_DIRS = [("lib", str(STATIC_ROOT))]'),
    E003("one URL for both", settings="MEDIA_URL = STATIC_URL"),
    E003("uploads below static files", settings='MEDIA_URL = "/static/uploads/"'),
    E003("static files below uploads", settings='STATIC_URL = "/media/static/"'),
    E003("one CDN for both", settings='STATIC_URL = MEDIA_URL = "https://cdn.example.net/"'),
    E003(
        "one CDN, one below the other, host in capitals",
        environment={
            "DJANGO_STATIC_URL": "https://cdn.example.net/",
            "DJANGO_MEDIA_URL": "https://CDN.example.net/media/",
        },
    ),
    E003("relative, below static files", settings='MEDIA_URL, STATIC_URL = "s/m/", "s/"'),
    E004("WhiteNoise deleted", settings=REMOVE_WHITENOISE),
    E004("WhiteNoise first", settings=MOVE_WHITENOISE.format("0")),
    E004(
        "WhiteNoise after sessions",
        settings=MOVE_WHITENOISE.format(
            'MIDDLEWARE.index("django.contrib.sessions.middleware.SessionMiddleware") + 1'
        ),
    ),
    E004("WhiteNoise last", settings=MOVE_WHITENOISE.format("99")),
    E006("private files among public ones", settings='PRIVATE_ROOT = MEDIA_ROOT / "private"'),
    E006("one folder for public and private", environment={"DJANGO_PRIVATE_ROOT": "media"}),
    E006("private files in STATIC_ROOT", settings='PRIVATE_ROOT = STATIC_ROOT / "private"'),
    E006(
        "Django's storage, whose URLs are MEDIA_URL's",
        settings="STORAGES['private'] = {'BACKEND': 'django.core.files.storage.FileSystemStorage',"
        "'OPTIONS': {'location': PRIVATE_ROOT}}",
    ),
    E006("a private URL under the public one", settings='PRIVATE_URL = "/media/private/"'),
    Variant("never collected", "files.E007", settings='STATIC_ROOT = BASE_DIR / "nothing"'),
    E009("STATICFILES_STORAGE", settings='STATICFILES_STORAGE = "whitenoise.storage.Compressed"'),
    E009(
        "DEFAULT_FILE_STORAGE", settings='DEFAULT_FILE_STORAGE = "storages.backends.s3.S3Storage"'
    ),
    W001("a disk that cannot be written", settings=WRITE_NOTHING),
    W001("a file where the folder should be", settings='MEDIA_ROOT = BASE_DIR / "manage.py"'),
    W003("Heroku", environment={"DYNO": "web.1"}),
    W003("Render without a disk", environment={"RENDER": "true"}),
    W003("Fly without a volume", environment={"FLY_APP_NAME": "my-site"}),
    W003("Cloud Run", environment={"K_SERVICE": "my-site"}),
    W003("Lambda", environment={"AWS_LAMBDA_FUNCTION_NAME": "my-site"}),
    E005(
        "one prefix of one bucket", settings=options("default", location="static"), environment=ONE
    ),
    E005("uploads beside all of static", settings=options("default", location=""), environment=ONE),
    E005(
        "one CDN domain for both",
        settings=options("default", location=""),
        environment={"MEDIA_CDN_DOMAIN": "static.example.net"},
    ),
    E006(
        "private files in the public prefix",
        answers="s3",
        settings=options("private", location="media/private"),
        environment={"PRIVATE_BUCKET": "my-site-media"},
    ),
    E006(
        "private files in the public bucket, without a prefix",
        answers="s3",
        settings=options("private", location=""),
        environment={"PRIVATE_BUCKET": "my-site-media"},
    ),
    E008("no bucket for uploads", environment={"MEDIA_BUCKET": ""}),
    E008("no bucket for private files", environment={"PRIVATE_BUCKET": ""}),
    E008("no bucket for static files", settings='STATIC_BUCKET = ""'),
    E010("overwriting", settings=options("default", file_overwrite=True)),
    E010("overwriting, private", settings=options("private", file_overwrite=True)),
    E010("an ACL", settings=options("default", default_acl="public-read")),
    E010(
        "an ACL by a parameter", settings=options("default", object_parameters={"ACL": "private"})
    ),
    E010("unsigned", settings=options("private", querystring_auth=False)),
    E010("a CDN without a signer", settings=options("private", custom_domain="cdn.example.net")),
    E010(
        "django-storages' own class, which overwrites unless told otherwise",
        settings="STORAGES['default'] = {**STORAGES['default'], "
        "'BACKEND': 'storages.backends.s3.S3Storage'}",
    ),
    W004(
        "uploads routed to Django's view for development",
        settings='ROOT_URLCONF = "config.urls_media"',
        files={"config/urls_media.py": SERVE_MEDIA},
    ),
    W004("WhiteNoise over the uploads", settings="WHITENOISE_ROOT = MEDIA_ROOT"),
]

FINE = [
    Variant("as it comes"),
    Variant("development", base="development", deploy=False),
    Variant("tests", base="test", deploy=False),
    Variant("private", answers="private"),
    Variant("private, development", answers="private", base="development", deploy=False),
    Variant("private, tests", answers="private", base="test", deploy=False),
    Variant("uploads on a volume elsewhere", environment={"DJANGO_MEDIA_ROOT": "/srv-of-tests/x"}),
    Variant("a name that begins alike", settings='MEDIA_ROOT = BASE_DIR / "staticfiles-media"'),
    Variant("URLs that begin alike", settings='STATIC_URL, MEDIA_URL = "/s/", "/s-media/"'),
    Variant("a CDN", environment={"DJANGO_STATIC_URL": "https://cdn.example.net/static/"}),
    Variant(
        "a CDN for both, apart",
        environment={
            "DJANGO_STATIC_URL": "https://cdn.example.net/static/",
            "DJANGO_MEDIA_URL": "https://cdn.example.net/media/",
        },
    ),
    Variant("uploads on a host of their own", settings='MEDIA_URL = "https://media.example.net/"'),
    Variant("a subdirectory", settings='FORCE_SCRIPT_NAME = "/app"'),
    Variant(
        "a subdirectory, relative URLs",
        settings='FORCE_SCRIPT_NAME, STATIC_URL, MEDIA_URL = "/app", "static/", "media/"',
    ),
    Variant(
        "django-cors-headers before WhiteNoise, as its documentation asks",
        settings="SECURITY = 'django.middleware.security.SecurityMiddleware'\n"
        'MIDDLEWARE.insert(MIDDLEWARE.index(SECURITY) + 1, "corsheaders.middleware.CorsMiddleware")',
        deploy=False,
    ),
    Variant("no SecurityMiddleware", settings="MIDDLEWARE = [name for name in MIDDLEWARE if 'Security' not in name]", deploy=False),
    Variant(
        "a volume on Fly",
        environment={"FLY_APP_NAME": "my-site", "DJANGO_MEDIA_ROOT": "/dev/shm/media"},
    ),
    Variant("storage in memory", settings='STORAGES["default"] = {"BACKEND": '
            '"django.core.files.storage.InMemoryStorage"}'),
]  # fmt: skip


def git(path: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", path, *arguments], check=True)


class Lab:
    """Rendered, collected projects of one Django version, and what `check` says of variants."""

    def __init__(self, make_project: Callable[..., Project], django: str) -> None:
        self.make_project, self.django = make_project, django

    @functools.cache  # noqa: B019
    def project(self, answers: str) -> Project:
        project = self.make_project(self.django, **ANSWERS[answers])
        (project.path / "static").mkdir(exist_ok=True)
        (project.path / "link-to-staticfiles").symlink_to("staticfiles")
        project.manage("collectstatic", "--noinput", **PRODUCTION, **BUCKETS)
        return project

    def repository(self, name: str) -> Project:
        """A copy of the default project, in a git repository of its own with all of it in it."""
        project = self.project("default")
        path = project.path.parent / name
        shutil.copytree(
            project.path, path / "my-site", ignore=shutil.ignore_patterns("staticfiles")
        )
        git(path, "init", "--quiet")
        return Project(path / "my-site", project.environment)

    def check(self, project: Project, variants: list[Variant]) -> list[dict[str, Any]]:
        request = [
            {
                "settings": f"from pathlib import Path\nfrom config.settings.env import BASE_DIR\n"
                f"{variant.settings}",
                "base": variant.base,
                "deploy": variant.deploy,
                "files": variant.files,
                "environment": {**PRODUCTION, **BUCKETS, **variant.environment},
            }
            for variant in variants
        ]
        answer = subprocess.run(
            [project.python, RUNNER], cwd=project.path, env=project.variables_with(),
            input=json.dumps(request), text=True, stdout=subprocess.PIPE, check=True, timeout=120,
        )  # fmt: skip
        return json.loads(answer.stdout)

    def found(self, variants: list[Variant]) -> Iterator[tuple[Variant, dict[str, Any]]]:
        by_answers = sorted(variants, key=lambda variant: variant.answers)
        for answers, group in itertools.groupby(by_answers, key=lambda variant: variant.answers):
            group = list(group)
            yield from zip(group, self.check(self.project(answers), group), strict=True)


@pytest.fixture(scope="module", params=DJANGO_VERSIONS)
def lab(request: pytest.FixtureRequest, make_project: Callable[..., Project]) -> Lab:
    return Lab(make_project, request.param)


def ours(found: dict[str, Any]) -> list[str]:
    return [id for id in found["ids"] if id.startswith("files.") or id == "crash"]


def test_each_mistake_is_found_by_its_id_and_by_no_other(lab: Lab) -> None:
    wrong = [
        f"{variant.expected} was to find: {variant.story}. Found: {found['messages']}"
        for variant, found in lab.found(BREAKS)
        if ours(found) != [variant.expected] or not all(found["hints"])
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("expected", ["files.W001", "files.W003"])
def test_a_hint_names_the_variable_of_the_very_folder(lab: Lab, expected: str) -> None:
    no_folders = {"DJANGO_MEDIA_ROOT": "manage.py", "DJANGO_PRIVATE_ROOT": "README.md"}
    where = no_folders if expected == "files.W001" else {"DYNO": "web.1"}
    [found] = lab.check(lab.project("private"), [Variant("", environment=where)])
    hints = [hint for hint in found["hints"] if "ROOT" in hint]
    assert found["ids"] == [expected]
    assert ["MEDIA_ROOT" in hint for hint in hints] == [True, False]
    assert ["PRIVATE_ROOT" in hint for hint in hints] == [False, True]


def test_nothing_is_said_of_what_is_right(lab: Lab) -> None:
    wrong = [
        f"{variant.story}: {found['messages']}"
        for variant, found in lab.found(FINE)
        if ours(found) or (found["ids"] and not variant.settings)
    ]
    assert not wrong, "\n".join(wrong)


DEVELOPMENT = Variant("development", base="development", deploy=False)


def test_git_is_asked_what_it_tracks_and_would_not_ignore(lab: Lab) -> None:
    """Also where the project is a folder of a larger repository."""
    project = lab.repository("repository")

    def w002(variant: Variant = DEVELOPMENT) -> list[str]:
        [found] = lab.check(project, [variant])
        assert set(ours(found)) <= {"files.W002"}, found["messages"]
        return [message for message in found["messages"] if "files.W002" in message]

    git(project.path, "add", ".")
    assert w002() == []
    assert w002(Variant("production", deploy=False)) == [], (
        "Who runs the site cannot change .gitignore."
    )

    (project.path / "media").mkdir()
    (project.path / "media" / ".gitkeep").touch()
    git(project.path, "add", "--force", "media/.gitkeep")
    assert w002() == [], "An empty folder is kept in git so."

    (project.path / "media" / "me.jpg").touch()
    git(project.path, "add", "--force", "media/me.jpg")
    [message] = w002()
    assert "git tracks my-site/media/me.jpg" in message
    assert "git rm -r --cached my-site/media" in message
    git(project.path, "rm", "-r", "--quiet", "--cached", "media")

    (project.path / ".gitignore").write_text(".env\n")
    assert len(w002()) == 2, "It would take in both media/ and staticfiles/."
    (project.path / ".gitignore").write_text("media/*\n!media/.gitkeep\n/staticfiles\n")
    assert w002() == []
    elsewhere = Variant(
        "", base="development", deploy=False, environment={"DJANGO_MEDIA_ROOT": "/dev/shm/x"}
    )
    assert w002(elsewhere) == []
    elsewhere = Variant(
        "", base="development", settings='MEDIA_ROOT = BASE_DIR / "uploads"', deploy=False
    )
    [message] = w002(elsewhere)
    assert "/my-site/uploads/" in message


COMBINATIONS = [
    {"static_serving": static, "media_storage": media, "private_media": private, **server}
    for static in ("whitenoise", "web-server", "s3")
    for media in ("filesystem", "s3")
    for private in (False, True)
    for server in ({"web_server": "nginx"}, {"web_server": "caddy"}, {"web_server": "none"})
    if (static, server["web_server"]) != ("web-server", "none")
    and (static == "web-server" or media == "filesystem" or server["web_server"] == "none")
]  # fmt: skip


@pytest.mark.parametrize(
    "answers", COMBINATIONS, ids=lambda answers: "-".join(str(value) for value in answers.values())
)
def test_every_combination_is_silent(
    make_project: Callable[..., Project], answers: dict[str, Any]
) -> None:
    django = DJANGO_VERSIONS[COMBINATIONS.index(answers) % 2]
    lab = Lab(make_project, django)
    project = make_project(django, **answers)
    # What collectstatic makes, as far as a check asks.
    (project.path / "staticfiles").mkdir()
    manifest = {"version": "1.1", "hash": "", "paths": {"a.css": "a.0123456789ab.css"}}
    (project.path / "staticfiles" / "staticfiles.json").write_text(json.dumps(manifest))
    variants = [
        Variant("production"),
        DEVELOPMENT,
        Variant("tests", base="test", deploy=False),
        Variant("a volume", environment={"DJANGO_MEDIA_ROOT": "/dev/shm/not-there"}),
        Variant("development with buckets", base="development", deploy=False,
                environment={"DJANGO_USE_S3": "1"}),
    ]  # fmt: skip
    for variant, found in zip(variants, lab.check(project, variants), strict=True):
        assert not found["messages"], (variant.story, found["messages"])


def test_checks_cost_little(lab: Lab) -> None:
    """In development, in a git repository: all of `check`, and the part of it that is ours."""
    project = lab.repository("speed")
    code = """
import time
from django.core import checks
checks.run_checks()
ours = [check for check in checks.registry.registry.get_checks() if "files" in check.tags]
times = []
for _ in range(5):
    start = time.perf_counter()
    for check in ours:
        list(check(app_configs=None, databases=None))
    times.append(time.perf_counter() - start)
print(len(ours), min(times))
"""
    count, seconds = project.shell(code).split()
    assert int(count) >= 6
    assert float(seconds) < 0.05

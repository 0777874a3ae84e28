"""The image of a project, really built and run: without root, without a writable disk."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import images
import pytest
from images import tool
from postgres import Postgres
from projects import PRODUCTION, Project, find_python, free_port, uv, wait_for

TAG = "localhost/groundwork-test"
USER = 10001
OVER_HTTPS = {"X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.7"}
SLOW_VIEW = """

def slow(request):
    import time

    from django.http import HttpResponse

    time.sleep(3)
    return HttpResponse("done")


urlpatterns += [path("slow/", slow)]
"""


@dataclass
class Image:
    """A built image, and the folders that stand for its volumes."""

    tag: str
    volumes: Path
    build_log: str

    def options(self, **variables: str) -> list[str]:
        options = [*images.RUN]
        for name in ("data", "media"):
            folder = self.volumes / name
            folder.mkdir(exist_ok=True)
            os.chown(folder, USER, USER)
            options.append(f"--volume={folder}:/srv/{name}")
        return options + [f"--env={name}={value}" for name, value in variables.items()]

    def run(self, *command: str, check: bool = True, **variables: str):
        """Run a command in a new container, to its end."""
        options = self.options(**variables)
        return tool("podman", "run", "--rm", *options, self.tag, *command, check=check)

    @contextlib.contextmanager
    def serve(self, **variables: str) -> Iterator[tuple[str, str]]:
        """Run the image as it comes; its container and its address."""
        port = free_port()
        container = tool(
            "podman", "run", "--detach", *self.options(**variables, PORT=str(port)), self.tag
        ).stdout.strip()
        try:
            url = f"http://127.0.0.1:{port}"

            def answers() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return httpx.get(f"{url}/healthz").status_code == 200
                return False

            wait_for(answers, "an answer of the container")
            yield container, url
        finally:
            tool("podman", "rm", "--force", "--time", "0", container)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    for place in (folder, *folder.parents[:3]):
        # A container's user must pass, and pytest's folders are root's alone.
        place.chmod(place.stat().st_mode | 0o055)
    return folder


@pytest.fixture(scope="module")
def image(make_project: Callable[..., Project], volumes: Path) -> Iterator[Image]:
    """The default project's image, built without a lock file, with things that must stay out."""
    project = make_project().path
    urls = project / "config" / "urls.py"
    urls.write_text(urls.read_text() + SLOW_VIEW)
    for name in (".env", ".git/config", "db.sqlite3", "media/a.png", "staticfiles/old.css"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("SECRET=1")
    yield Image(TAG, volumes, images.build(project, TAG))
    tool("buildah", "rmi", "--force", TAG)


@pytest.fixture(scope="module")
def migrated(image: Image) -> Image:
    image.run("python", "manage.py", "migrate", "--verbosity", "0", **PRODUCTION)
    return image


def test_image_holds_what_runs_and_nothing_else(image: Image) -> None:
    with images.mounted(TAG) as (_, root):
        app = root / "app"
        assert not {path.name for path in app.iterdir()} & {
            ".env", ".git", "db.sqlite3", "media", "tests", "Dockerfile", ".github",
        }  # fmt: skip
        assert not (app / "staticfiles" / "old.css").exists()
        assert json.loads((app / "staticfiles" / "staticfiles.json").read_text())["paths"]
        assert list(app.glob("config/__pycache__/urls.*.pyc")), "the code is not compiled"
        programs = {path.name for path in root.glob("*/bin/*")}
        programs |= {path.name for path in root.glob("usr/*/bin/*")}
        assert not programs & {"uv", "gcc", "cc", "make", "git"}
        writable = [
            path for path in app.rglob("*")
            if path.lstat().st_uid == USER or path.lstat().st_mode & 0o022 and not path.is_symlink()
        ]  # fmt: skip
        assert not writable, "the site could change its own code"
    facts = json.loads(tool("podman", "inspect", TAG).stdout)[0]
    assert facts["User"] == f"{USER}:{USER}"
    assert facts["Config"]["Cmd"] == ["gunicorn", "config.wsgi"]
    assert "SECRET" not in json.dumps(facts["Config"]["Env"])


def test_without_a_secret_it_says_so_in_one_sentence(image: Image) -> None:
    result = image.run("python", "manage.py", "migrate", check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("DJANGO_SECRET_KEY is not set: ")
    assert len(result.stderr.splitlines()) == 1


def test_it_serves_as_an_ordinary_user_from_a_read_only_disk(migrated: Image) -> None:
    with migrated.serve(**PRODUCTION) as (container, url):
        page = httpx.get(url, headers=OVER_HTTPS)
        assert page.status_code == 200
        style = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
        answer = httpx.get(url + style, headers=OVER_HTTPS)
        assert answer.headers["Cache-Control"].endswith("immutable")
        assert httpx.get(f"{url}/readyz").text == "ready\n"
        who = "import os; print(os.getuid(), os.access('/app', os.W_OK), os.access('/', os.W_OK))"
        assert (
            tool("podman", "exec", container, "python", "-c", who).stdout == "10001 False False\n"
        )
        save = "from django.core.files.base import ContentFile as C; from django.core.files.storage"
        save += " import default_storage as s; print(s.path(s.save('a.txt', C(b'kept'))))"
        tool("podman", "exec", container, "python", "manage.py", "shell", "-v0", "-c", save)
    assert (migrated.volumes / "media" / "a.txt").read_bytes() == b"kept"
    assert (migrated.volumes / "data" / "db.sqlite3").exists()


def test_its_health_check_tells_a_site_that_answers_from_one_that_does_not(migrated: Image) -> None:
    with migrated.serve(**PRODUCTION) as (container, _):
        assert tool("podman", "healthcheck", "run", container, check=False).returncode == 0
        # The processes are still there, but answer nothing.
        stopped = "import os, signal\nfor p in os.listdir('/proc'):\n"
        stopped += " if p.isdigit() and int(p) not in (1, os.getpid()): os.kill(int(p), 19)"
        tool("podman", "exec", container, "python", "-c", stopped)
        assert tool("podman", "healthcheck", "run", container, check=False).returncode != 0


def test_it_ends_after_the_request_in_flight_got_its_answer(migrated: Image) -> None:
    with migrated.serve(**PRODUCTION) as (container, url):
        answers: list[httpx.Response] = []
        request = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{url}/slow/", headers=OVER_HTTPS, timeout=30))
        )
        request.start()
        time.sleep(1)
        start = time.monotonic()
        tool("podman", "stop", "--time", "30", container)
        took = time.monotonic() - start
        request.join()
        assert answers
        assert answers[0].text == "done"
        assert 1 < took < 10
        state = json.loads(tool("podman", "inspect", container).stdout)[0]["State"]
        assert state["ExitCode"] == 0
        log = tool("podman", "logs", container)
        lines = [json.loads(line) for line in (log.stdout + log.stderr).splitlines()]
        assert any(line.get("path") == "/slow/" for line in lines)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/healthz")


def test_with_a_lock_file_it_installs_what_is_locked_and_uses_postgresql(
    make_project: Callable[..., Project], postgres: Postgres, volumes: Path
) -> None:
    project = make_project(database="postgresql", media_storage="s3", static_serving="s3").path
    lock = [uv(), "lock", "--quiet", "--python", find_python("3.13")]
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(lock, cwd=project, check=True, env=variables)
    tag = f"{TAG}-locked"
    image = Image(tag, volumes, images.build(project, tag))
    try:
        # The locked versions are those that run.
        locked = (project / "uv.lock").read_text().split('name = "django"\nversion = "')[1]
        version = image.run("python", "-c", "import django; print(django.__version__)").stdout
        assert version.strip() == locked.split('"')[0]
        buckets = {"STATIC_BUCKET": "static", "MEDIA_BUCKET": "media", "S3_REGION": "eu-west-1"}
        variables = {**PRODUCTION, **buckets, "DATABASE_URL": postgres.new_database()}
        image.run("python", "manage.py", "migrate", "--verbosity", "0", **variables)
        with image.serve(**variables) as (_, url):
            assert httpx.get(f"{url}/readyz").text == "ready\n"
    finally:
        tool("buildah", "rmi", "--force", tag)

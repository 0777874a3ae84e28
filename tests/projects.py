"""Render projects from the working tree, and run them with real programs."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from copier import run_copy

REPOSITORY = Path(__file__).resolve().parents[1]
CACHE = REPOSITORY / ".cache"
DJANGO_VERSIONS = ("6.1", "5.2")

# Answers that together need every dependency a generated project can have.
EVERY_DEPENDENCY = (
    {"static_serving": "whitenoise", "media_storage": "s3", "private_media": True},
    {"static_serving": "s3", "database": "postgresql", "media_storage": "s3"},
    {"static_serving": "web-server", "web_server": "caddy"},
    {"static_serving": "whitenoise", "deployment": "kubernetes", "database": "postgresql",
     "media_storage": "s3"},
)  # fmt: skip

# Copier would read the settings.yml of whoever runs the tests.
os.environ["COPIER_SETTINGS_PATH"] = str(REPOSITORY / "tests" / "no-settings.yml")


def export(destination: Path) -> Path:
    """Copy the working tree as git would see it (new files too), without its history."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True,
    )  # fmt: skip
    for name in filter(None, listing.stdout.decode().split("\0")):
        if name.startswith(("template/", "questions/", "copier.yml")):
            source, target = REPOSITORY / name, destination / name
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
    return destination


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """Let Jinja compile each template source once in this process: most of a render's time."""
    compile_, codes = jinja2.Environment.compile, _compiled

    def remember(self: Any, source: Any, name: Any = None, filename: Any = None, **options: Any):
        key = (source, name, filename)
        if options or not isinstance(source, str):
            return compile_(self, source, name, filename, **options)
        if key not in codes:
            codes[key] = compile_(self, source, name, filename)
        return codes[key]

    jinja2.Environment.compile = remember  # type: ignore[method-assign]
    try:
        yield
    finally:
        jinja2.Environment.compile = compile_  # type: ignore[method-assign]


_compiled: dict[Any, Any] = {}


def render(template: Path, destination: Path, **answers: Any) -> Path:
    """Make a project at `destination`, untrusted, with the defaults for other answers."""
    with compiled_once():
        run_copy(
            str(template), destination, data=answers, defaults=True, quiet=True,
            overwrite=True, unsafe=False,
        )  # fmt: skip
    return destination


def find_python(version: str) -> Path:
    """The interpreter of a version such as 3.13: the first candidate that runs and says so."""
    candidates = [
        shutil.which(f"python{version}"),
        *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")),
        *sorted(Path("/opt").glob(f"python*/bin/python{version}")),
        f"/usr/local/bin/python{version}",
        f"/usr/bin/python{version}",
    ]
    question = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    for candidate in filter(None, candidates):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            answer = subprocess.run(
                [str(candidate), "-c", question], check=True, capture_output=True, text=True
            ).stdout.split()
            if answer and answer[0] == version:
                return Path(answer[1])
    answer = subprocess.run([uv(), "python", "find", version], capture_output=True, text=True)
    if answer.returncode == 0:
        return Path(answer.stdout.strip())
    raise RuntimeError(f"No Python {version} was found: install it, or put it on PATH.")


def uv() -> str:
    """The uv of this repository's own virtual environment."""
    return str(REPOSITORY / ".venv" / "bin" / "uv")


@functools.cache
def environment(django: str = "6.1", python: str = "3.13") -> Path:
    """A virtual environment with every dependency of any project for that Django; its folder."""
    place = CACHE / "environments" / f"django-{django}-python-{python}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        scratch = place.parent / f"{place.name}.projects"
        shutil.rmtree(scratch, ignore_errors=True)
        template = export(scratch / "template")
        projects = [
            render(template, scratch / f"{number}", django_version=django, **answers)
            for number, answers in enumerate(EVERY_DEPENDENCY)
        ]
        files = [project / "pyproject.toml" for project in projects]
        constraints = REPOSITORY / "tests" / f"constraints-{django}.txt"
        stamp = hashlib.sha256(
            b"".join(file.read_bytes() for file in [*files, constraints])
        ).hexdigest()
        mark = place / "made-from"
        if not (mark.exists() and mark.read_text() == stamp):
            quiet = {"check": True, "capture_output": True}
            if not (place / "bin" / "python").exists():
                subprocess.run([uv(), "venv", "--python", find_python(python), place], **quiet)
            install = [uv(), "pip", "install", "--python", place / "bin" / "python",
                       "--compile-bytecode", "--constraints", constraints]  # fmt: skip
            for file in files:
                install += ["-r", file, "--group", f"{file}:dev"]
            try:
                subprocess.run(install, **quiet)
            except subprocess.CalledProcessError as error:
                raise RuntimeError(error.stderr.decode()) from error
            mark.write_text(stamp)
        shutil.rmtree(scratch, ignore_errors=True)
    return place


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, below the range of outgoing connections."""
    for _ in range(200):
        port = 20_000 + int.from_bytes(os.urandom(2)) % 12_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("No free port was found on 127.0.0.1 between 20000 and 32000.")


def wait_for(condition: Any, what: str, seconds: float = 60) -> Any:
    """Poll until `condition()` is true, and return its value; an AssertionError names `what`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"Not within {seconds:g} seconds: {what}")


def stop(process: subprocess.Popen[Any], seconds: float = 30) -> int:
    """End a process by SIGTERM, by SIGKILL if it does not end in time; its return code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


@dataclass
class Server:
    """A running HTTP server on 127.0.0.1."""

    port: int
    process: subprocess.Popen[Any]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Project:
    """A rendered project, and the virtual environment that it is run with."""

    path: Path
    environment: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    def variables_with(self, **more: str) -> dict[str, str]:
        """The whole environment of a command: only what is named here, none of the caller's."""
        return {
            "PATH": f"{self.environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.path.parent),
            "LANG": "C.UTF-8",
            # Projects tested at the same time would clear each other's temporary folders away.
            "PYTEST_ADDOPTS": f"--basetemp={self.path.parent / 'pytest'}",
            **self.variables,
            **more,
        }

    def run(
        self, *command: str, check: bool = True, timeout: float = 300, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the project's folder, e.g. run("ruff", "check")."""
        result = subprocess.run(
            command, cwd=self.path, env=self.variables_with(**variables), text=True,
            capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check and result.returncode:
            raise AssertionError(
                f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}"
                f"\n{result.stderr}"
            )
        return result

    def manage(
        self, *command: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run manage.py, e.g. manage("check", "--deploy", DJANGO_SECRET_KEY="…")."""
        return self.run("python", "manage.py", *command, check=check, **variables)

    def shell(self, code: str, **variables: str) -> str:
        """Run Python code with Django set up; what it printed."""
        setup = "import django; django.setup()\n"
        variables.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
        return self.run("python", "-c", setup + code, **variables).stdout

    def popen(self, *command: str, variables: dict[str, str] | None = None, **options: Any):
        """Start a program of the environment in the project's folder."""
        return subprocess.Popen(
            command, cwd=self.path, env=self.variables_with(**(variables or {})),
            stdin=subprocess.DEVNULL, **options,
        )  # fmt: skip

    @contextlib.contextmanager
    def serve(
        self, *command: str, port: int | None = None, path: str = "/", **variables: str
    ) -> Iterator[Server]:
        """Run a server until the block ends; `{port}` in the command is its port.

        Without a command: gunicorn with the production application, as a deployment runs it.
        """
        port = port or free_port()
        command = command or (
            "gunicorn", "config.wsgi", "--bind", "127.0.0.1:{port}", "--workers", "2",
            "--threads", "4", "--no-control-socket",
        )  # fmt: skip
        log = self.path.parent / f"server-{port}.log"
        with log.open("w") as output:
            process = self.popen(
                *(part.replace("{port}", str(port)) for part in command),
                variables=variables, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:

            def answers() -> bool:
                if process.poll() is not None:
                    raise AssertionError(f"The server ended:\n{log.read_text()}")
                with contextlib.suppress(OSError, http.client.HTTPException):
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                    connection.request("GET", path)
                    return bool(connection.getresponse().status)
                return False

            wait_for(answers, f"an answer of {' '.join(command)}")
            yield Server(port, process, log)
        finally:
            stop(process)


# What production needs to start, for commands and servers in tests.
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "DJANGO_SECRET_KEY": "a-secret-key-of-the-tests-with-more-than-fifty-characters-0123456789",
    "DJANGO_ALLOWED_HOSTS": "127.0.0.1,localhost,site.example.com",
    "DJANGO_CSRF_TRUSTED_ORIGINS": "https://site.example.com",
}

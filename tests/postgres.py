"""A real PostgreSQL of the tests: Debian's programs, on 127.0.0.1, with TLS, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
from projects import free_port, wait_for

USER = "postgres"
PASSWORD = "a:password/with@marks"
OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "ssl": "on",
    "synchronous_commit": "off",
    "unix_socket_directories": "",
}


@dataclass
class Postgres:
    """A running server, whose `url` is a DATABASE_URL of its first, empty database."""

    port: int
    folder: Path

    def __post_init__(self) -> None:
        self._numbers = count(1)

    @property
    def certificate(self) -> Path:
        """Its own certificate, for `sslrootcert`: it is signed by itself, for "localhost"."""
        return self.folder / "server.crt"

    def url_of(self, database: str) -> str:
        password = PASSWORD.replace(":", "%3A").replace("/", "%2F").replace("@", "%40")
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def new_database(self) -> str:
        """The DATABASE_URL of a fresh database."""
        name = f"site_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url_of(name)

    def execute(self, statement: str, url: str = "") -> list[tuple]:
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    programs = max(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data, password_file = folder / "data", folder / "password"
    # It refuses to run as root, and ends with whoever started it.
    run_as = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        run_as += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    quiet = {"check": True, "capture_output": True, "cwd": folder}
    server = None
    try:
        password_file.write_text(PASSWORD)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost",
             "-keyout", "server.key", "-out", "server.crt"],
            **quiet,
        )  # fmt: skip
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, "postgres", "postgres")
        folder.chmod(0o755)
        subprocess.run(
            [*run_as, programs / "initdb", "-D", data, "-U", USER, "-E", "UTF8", "--no-sync",
             "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}"],
            **quiet,
        )  # fmt: skip
        port = free_port()
        options = OPTIONS | {
            "port": str(port),
            "ssl_cert_file": str(folder / "server.crt"),
            "ssl_key_file": str(folder / "server.key"),
        }
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [*run_as, programs / "postgres", "-D", data,
                 *(f"--{name}={value}" for name, value in options.items())],
                cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        postgres = Postgres(port, folder)

        def answers() -> bool:
            if server.poll() is not None:
                raise AssertionError(f"PostgreSQL ended:\n{(folder / 'log').read_text()}")
            with contextlib.suppress(psycopg.OperationalError):
                return bool(postgres.execute("SELECT 1"))
            return False

        wait_for(answers, "an answer of PostgreSQL")
        yield postgres
    finally:
        if server and server.poll() is None:
            server.send_signal(signal.SIGINT)
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server

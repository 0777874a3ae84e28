"""The databases, as production needs them: SQLite in many processes, and a real PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from postgres import Postgres
from projects import PRODUCTION, Project, stop, wait_for

# Each writes as a view does: it reads, then writes what it read and one more.
COUNT = """
import sys
from django.contrib.auth.models import Group
from django.db import transaction
for _ in range({times}):
    with transaction.atomic():
        group = Group.objects.get(pk=1)
        group.name = str(int(group.name) + 1)
        group.save()
"""
SHOW = (
    "import json; from django.db import connection as c; cursor = c.cursor()\n"
    "def show(name): return cursor.execute(name).fetchone()[0]\n"
)


@pytest.fixture(scope="module")
def sqlite_site(make_project: Callable[..., Project]) -> Project:
    project = make_project()
    project.manage("migrate")
    return project


def test_sqlite_is_set_up_for_several_processes(sqlite_site: Project) -> None:
    pragmas = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
    code = SHOW + f"print(json.dumps([show('PRAGMA ' + name) for name in {pragmas}]))"
    assert json.loads(sqlite_site.shell(code)) == ["wal", 1, 20_000, 1]


def test_sqlite_writers_at_the_same_time_wait_for_each_other(sqlite_site: Project) -> None:
    sqlite_site.shell("from django.contrib.auth.models import Group; Group(pk=1, name='0').save()")
    code = "import django; django.setup()\n" + COUNT.format(times=50)
    variables = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
    writers = [
        sqlite_site.popen("python", "-c", code, variables=variables, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [(b"", 0)] * 4
    counted = sqlite_site.shell(
        "from django.contrib.auth.models import Group; print(Group.objects.get(pk=1).name)"
    )
    assert counted == "200\n"


def test_sqlite_is_backed_up_while_it_is_written_to(sqlite_site: Project, tmp_path: Path) -> None:
    # Two groups that always change together: a copy in which they differ is torn.
    sqlite_site.shell(
        "from django.contrib.auth.models import Group as G\n"
        "G(pk=2, name='2: 0').save(); G(pk=3, name='3: 0').save()"
    )
    writing = (
        "import django; django.setup()\n"
        "from itertools import count\n"
        "from django.contrib.auth.models import Group\n"
        "from django.db import transaction\n"
        "for number in count(1):\n"
        "    with transaction.atomic():\n"
        "        Group.objects.filter(pk=2).update(name=f'2: {number}')\n"
        "        Group.objects.filter(pk=3).update(name=f'3: {number}')\n"
        "    print(number, flush=True)\n"
    )
    variables = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
    log = tmp_path / "numbers"
    with log.open("w") as output:
        writer = sqlite_site.popen("python", "-c", writing, variables=variables, stdout=output)
    try:
        wait_for(lambda: log.read_text(), "the first number")
        for number in range(3):
            before = len(log.read_text().splitlines())
            copy = tmp_path / f"{number}.sqlite3"
            told = sqlite_site.manage("backup_database", str(copy)).stdout
            assert told == f"{copy}: {copy.stat().st_size:,} bytes\n"
            assert copy.stat().st_mode & 0o077 == 0
            with closing(sqlite3.connect(copy)) as connection:
                names = connection.execute(
                    "SELECT substr(name, 4) FROM auth_group WHERE id IN (2, 3)"
                ).fetchall()
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert names[0] == names[1]
            assert int(names[0][0]) >= before
        wait_for(lambda: len(log.read_text().splitlines()) > before, "more numbers")
    finally:
        stop(writer)
    again = sqlite_site.manage("backup_database", str(copy), check=False)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    # The copy is a database that the site runs on.
    sqlite_site.manage("migrate", "--check", DATABASE_URL=f"sqlite:///{copy}")


@pytest.fixture(scope="module")
def postgres_site(make_project: Callable[..., Project]) -> Project:
    return make_project(database="postgresql")


def test_without_a_variable_a_fresh_project_begins_with_sqlite(postgres_site: Project) -> None:
    postgres_site.manage("migrate")
    assert (postgres_site.path / "db.sqlite3").exists()


@pytest.mark.parametrize("django_version", ["6.1", "5.2"])
def test_the_projects_own_tests_pass_on_postgresql(
    make_project: Callable[..., Project], postgres: Postgres, django_version: str
) -> None:
    project = make_project(database="postgresql", django_version=django_version)
    used = project.path / "tests" / "test_database_in_use.py"
    used.write_text(
        "import pytest\nfrom django.db import connection\n\n\n@pytest.mark.django_db\n"
        "def test_vendor():\n    assert connection.vendor == 'postgresql'\n"
        "    with connection.cursor() as cursor:\n        cursor.execute('SELECT 1')\n"
    )
    project.run("pytest", "-q", DATABASE_URL=postgres.new_database())


def test_postgresql_url_says_how_it_is_used(postgres_site: Project, postgres: Postgres) -> None:
    code = SHOW + (
        "ssl = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'\n"
        "pool = c.pool; path = show('SHOW search_path')\n"
        "print(json.dumps([show('SHOW statement_timeout'), show(ssl), pool.max_size, path]))"
    )

    def settings(url: str, **variables: str) -> list:
        return json.loads(postgres_site.shell(code, DATABASE_URL=url, **variables))

    url = postgres.new_database()
    assert settings(url)[::2] == ["30s", 4]
    assert settings(f"{url}?sslmode=disable")[1] is False
    assert settings(f"{url}?sslmode=require&pool_size=7&statement_timeout=1500&options=-c%20"
                    "search_path%3Dsite") == ["1500ms", True, 7, "site"]  # fmt: skip
    assert settings(url, DATABASE_STATEMENT_TIMEOUT="0")[0] == "0"


def test_postgresql_is_verified_by_certificate(postgres_site: Project, postgres: Postgres) -> None:
    url = postgres.new_database().replace("127.0.0.1", "localhost") + "?sslmode=verify-full"
    trusted = f"{url}&sslrootcert={postgres.certificate}"
    assert postgres_site.manage("migrate", "--plan", DATABASE_URL=trusted)
    unknown = postgres_site.manage(
        "migrate", "--plan", check=False, DATABASE_URL=url + "&sslrootcert=system"
    )
    assert unknown.returncode
    assert "certificate verify failed" in unknown.stderr


def test_a_query_without_end_is_ended(postgres_site: Project, postgres: Postgres) -> None:
    url = f"{postgres.new_database()}?statement_timeout=300"
    code = SHOW + "show('SELECT pg_sleep(30)')"
    with pytest.raises(AssertionError, match="canceling statement due to statement timeout"):
        postgres_site.shell(code, DATABASE_URL=url)


def test_many_requests_share_few_connections_and_survive_a_lost_one(
    postgres_site: Project, postgres: Postgres
) -> None:
    url = postgres.new_database()
    variables = {**PRODUCTION, "DATABASE_URL": url}
    postgres_site.manage("migrate", **variables)
    postgres_site.manage("collectstatic", "--noinput")
    database = url.rpartition("/")[2]
    mine = f"FROM pg_stat_activity WHERE datname = '{database}'"
    with postgres_site.serve(path="/healthz", **variables) as server:
        for _ in range(40):
            assert httpx.get(f"{server.url}/readyz").status_code == 200
        ((connections,),) = postgres.execute(f"SELECT count(*) {mine}")
        assert 1 <= connections <= 8  # two processes, four threads each
        # A restart of the database ends all connections; the next request opens others.
        postgres.execute(f"SELECT pg_terminate_backend(pid) {mine}")
        for _ in range(10):
            assert httpx.get(f"{server.url}/readyz", timeout=30).status_code == 200


def test_a_database_that_is_away_makes_the_site_unready_within_seconds(
    postgres_site: Project,
) -> None:
    # Nothing listens on this port.
    variables = {**PRODUCTION, "DATABASE_URL": "postgresql://site:hidden@127.0.0.1:9/site"}
    with postgres_site.serve(path="/healthz", **variables) as server:
        answer = httpx.get(f"{server.url}/readyz", timeout=30)
        assert answer.status_code == 503
        assert answer.text == "not ready: Database, Cache\n"
        assert answer.elapsed.total_seconds() < 15
        assert "hidden" not in server.log.read_text()


def test_the_cache_is_shared_by_redis_if_it_is_named(sqlite_site: Project) -> None:
    code = "from django.conf import settings; print(settings.CACHES['default'])"
    told = sqlite_site.shell(code, CACHE_URL="redis://127.0.0.1:6379/0")
    assert "RedisCache" in told
    assert "redis://127.0.0.1:6379/0" in told

"""Compose, in development and in production: valid in every combination, and its jobs really run."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import projects
import pytest
import yaml
from leftovers import unused_anchors
from postgres import PASSWORD, USER, Postgres
from projects import PRODUCTION, REPOSITORY, Project
from web_servers import lay_out

COMBINATIONS = [
    {"static_serving": static, "media_storage": media, "private_media": private,
     "database": database, **({"web_server": server} if media == "filesystem" else {})}
    for static, media, private, database, server in itertools.product(
        ("whitenoise", "web-server", "s3"), ("filesystem", "s3"), (False, True),
        ("sqlite", "postgresql"), ("nginx", "caddy", "none"),
    )
    if not (static == "web-server" and server == "none" and media == "filesystem")
    and not (media == "s3" and server != "nginx")
] + [{"static_serving": "web-server", "media_storage": "s3", "web_server": "caddy"}]  # fmt: skip


@pytest.fixture(scope="module")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Project]:
    folder = tmp_path_factory.mktemp("compose")
    return [
        Project(projects.render(template, folder / str(number), **answers), Path("/usr"))
        for number, answers in enumerate(COMBINATIONS)
    ]


def services(project: Project, name: str = "deploy/compose.yaml") -> dict[str, Any]:
    return yaml.safe_load((project.path / name).read_text())["services"]


def script_of(service: dict[str, Any], **replaced: str) -> list[str]:
    """The command of a service as Compose runs it, with other folders."""
    command = [part.replace("$$", "$") for part in service["command"]]
    for place, other in replaced.items():
        command = [part.replace("/srv/" + place, other) for part in command]
    return command


def test_every_compose_file_is_valid(rendered: list[Project]) -> None:
    files = [
        str(project.path / name)
        for project in rendered
        for name in ("compose.yaml", "deploy/compose.yaml")
    ]
    assert all(Path(file).exists() for file in files)
    schema = Path(sys.executable).with_name("check-jsonschema")
    checked = subprocess.run(
        [schema, "--builtin-schema", "vendor.compose-spec", *files],
        capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_everything_that_a_compose_file_names_is_in_it(rendered: list[Project]) -> None:
    for project in rendered:
        for name in ("compose.yaml", "deploy/compose.yaml"):
            text = (project.path / name).read_text()
            content = yaml.safe_load(text)
            volumes = set(content.get("volumes") or {})
            used = set()
            for service in content["services"].values():
                assert set(service.get("depends_on") or {}) <= set(content["services"]), name
                for volume in service.get("volumes", []):
                    source = re.sub(r"\$\{\w+:-(.*)\}", r"\1", volume.rpartition("}:")[0] + "}")
                    source = source if volume.startswith("${") else volume.split(":")[0]
                    if source.startswith("."):
                        place = (project.path / name).parent / source
                        assert place.resolve().exists(), volume
                    else:
                        used.add(source)
            assert used == volumes, name
            # No blanks at the ends of lines, and no empty lines in a row.
            assert not re.search(r"[ \t]\n|\n\n\n", text), (name, project.path)


def test_no_anchor_is_left_without_an_alias(rendered: list[Project]) -> None:
    for project in rendered:
        for name in ("compose.yaml", "deploy/compose.yaml"):
            assert not unused_anchors(project.path / name), (name, project.path)


def test_every_service_of_production_is_kept_within_bounds(rendered: list[Project]) -> None:
    for project in rendered:
        for name, service in services(project).items():
            assert re.search(r":[\w.${}-]+$", service["image"]), name
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert service["logging"]["options"]["max-size"], name
            job = name in ("migrate", "static", "publish")
            assert service["restart"] == ("no" if job else "unless-stopped"), name
            if not job:
                assert service["deploy"]["resources"]["limits"]["memory"], name
            if not job and name not in ("certbot", "clearsessions"):
                assert service["healthcheck"]["test"], name
            command = " ".join(service.get("entrypoint") or service.get("command") or [])
            if not job and "while " in command:
                # As the first process of a container, sh would not heed SIGTERM.
                assert service.get("init") or "& exec " in command, name
            if service["image"].startswith("${IMAGE"):
                assert service["user"] == "10001:10001", name
                assert service["environment"]["PORT"] == "8000", name
        assert not any(port for name, s in services(project).items() for port in s.get("ports", [])
                       if name not in ("nginx", "caddy")), "only the web server is reached"  # fmt: skip


def test_the_app_waits_for_its_jobs_and_the_web_server_for_the_app(rendered: list[Project]) -> None:
    for project, answers in zip(rendered, COMBINATIONS, strict=True):
        found = services(project)
        jobs = {"migrate"} | {
            "web-server": {"static"}, "s3": {"publish"}, "whitenoise": set()
        }[str(answers["static_serving"])]  # fmt: skip
        for app in ("app-1", "app-2"):
            conditions = {n: d["condition"] for n, d in found[app]["depends_on"].items()}
            assert conditions == dict.fromkeys(jobs, "service_completed_successfully")
            # Docker ends it only after gunicorn had its time, and gunicorn has all that it wants.
            gunicorn = (project.path / "gunicorn.conf.py").read_text()
            grace = re.search(r"graceful_timeout = (\d+)", gunicorn)
            assert grace
            assert int(found[app]["stop_grace_period"].rstrip("s")) >= int(grace[1]) + 5
        (server,) = {"nginx", "caddy"} & set(found)
        assert set(found[server]["depends_on"]) == {"app-1", "app-2"}


def test_the_web_server_reads_the_folders_that_it_serves_and_no_more(
    rendered: list[Project],
) -> None:
    for project, answers in zip(rendered, COMBINATIONS, strict=True):
        found = services(project)
        server = found.get("nginx") or found["caddy"]
        mounts = {v.split(":")[1] for v in server["volumes"] if ":/srv/" in v} - {"/srv/acme"}
        serves = "nginx" in found or answers.get("web_server") == "caddy"
        uploads = answers["media_storage"] == "filesystem" and serves
        expected = {"/srv/static"} if answers["static_serving"] == "web-server" else set()
        expected |= {"/srv/media"} if uploads else set()
        expected |= {"/srv/private"} if uploads and answers.get("private_media") else set()
        assert mounts == expected, answers
        assert all(v.endswith(":ro") for v in server["volumes"] if ":/srv/" in v)


def test_without_a_web_server_of_its_own_a_site_gets_https_by_caddy(
    rendered: list[Project], tmp_path: Path
) -> None:
    count = 0
    for project, answers in zip(rendered, COMBINATIONS, strict=True):
        if (project.path / "deploy" / "nginx").exists() or "caddy" in answers.values():
            continue
        content = yaml.safe_load((project.path / "deploy" / "compose.yaml").read_text())
        text = content["configs"]["Caddyfile"]["content"].replace("$$", "$")
        assert "$$" not in text
        for app in ("app-1", "app-2"):
            environment = content["services"][app]["environment"]
            assert environment["DJANGO_CLIENT_IP_HEADER"] == "X-Real-IP"
        if count < 2:
            (project.path / "deploy" / "Caddyfile").write_text(text)
            checked = lay_out(project, tmp_path / str(count)).check()
            assert checked.returncode == 0, checked.stdout
            assert "Valid configuration" in checked.stdout
        assert "file_server" not in text
        count += 1
    assert count


def test_static_files_are_added_to_those_of_the_running_release(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    service = services(make_project(static_serving="web-server"))["static"]
    volume = tmp_path / "volume"
    (volume / "css").mkdir(parents=True)
    (volume / "css" / "old.0123456789ab.css").write_text("of the running release")
    (volume / "css" / "same.0123456789ab.css").write_text("the same")
    (volume / "robots.txt").write_text("old")
    image = tmp_path / "staticfiles"
    (image / "css" / "two words").mkdir(parents=True)
    (image / "css" / "new.ffffffffffff.css").write_text("new")
    (image / "css" / "same.0123456789ab.css").write_text("the same")
    (image / "css" / "two words" / "ü 'x' $y.txt").write_text("odd")
    (image / "robots.txt").write_text("new")
    before = (volume / "css" / "same.0123456789ab.css").stat()
    for _ in range(2):
        subprocess.run(script_of(service, static=str(volume)), cwd=image, check=True)
    files = {p.relative_to(volume).as_posix(): p for p in volume.rglob("*") if p.is_file()}
    assert {name: path.read_text() for name, path in files.items()} == {
        "css/old.0123456789ab.css": "of the running release",
        "css/same.0123456789ab.css": "the same",
        "css/new.ffffffffffff.css": "new",
        "css/two words/ü 'x' $y.txt": "odd",
        "robots.txt": "new",
    }
    after = (volume / "css" / "same.0123456789ab.css").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_deploy_can_clear_what_earlier_releases_left_behind(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    """The command in docs/operations.md, with a container's folders in other places."""
    document = (REPOSITORY / "docs" / "operations.md").read_text()
    (script,) = re.findall(r"static sh -c '\n(.*?)'\n", document, re.DOTALL)
    assert "static" in services(make_project(static_serving="web-server"))
    volume, image = tmp_path / "volume", tmp_path / "image"
    for name, days in (("old.css", 100), ("kept in this release.css", 100), ("last week.css", 7)):
        path = volume / "css" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        moment = path.stat().st_mtime - days * 86400
        os.utime(path, (moment, moment))
    (image / "css").mkdir(parents=True)
    (image / "css" / "kept in this release.css").write_text("")
    script = script.replace("/srv/static", str(volume))
    subprocess.run(["sh", "-c", script], check=True, cwd=image)
    assert {path.name for path in (volume / "css").iterdir()} == {
        "kept in this release.css", "last week.css",
    }  # fmt: skip


def run_once(
    service: dict[str, Any], folder: Path, cwd: Path | None = None, **variables: str
) -> None:
    """Run the loop of a daily service until it sleeps."""
    stub = folder / "bin"
    stub.mkdir(exist_ok=True)
    (stub / "sleep").write_text('#!/bin/sh\necho "slept $1" >&2\nkill "$PPID"\n')
    (stub / "sleep").chmod(0o755)
    places = {"backups": str(folder / "backups"), "data": str(folder / "data")}
    (folder / "backups").mkdir(exist_ok=True)
    variables = {"PATH": f"{stub}:{os.environ['PATH']}", "BACKUP_DAYS": "14", **variables}
    ran = subprocess.run(
        script_of(service, **places), env=variables, cwd=cwd, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert "slept 86400" in ran.stderr, ran


def test_a_backup_of_postgresql_is_made_and_restored_and_old_ones_go(
    make_project: Callable[..., Project], postgres: Postgres, tmp_path: Path
) -> None:
    service = services(make_project(database="postgresql"))["backup"]
    url, other = postgres.new_database(), postgres.new_database()
    postgres.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number", url)
    (tmp_path / "backups").mkdir()
    old, new, foreign = (
        tmp_path / "backups" / f"{name}.dump"
        for name in ("2020-01-01T00-00-00Z", "2020-01-18T00-00-00Z", "somebody-elses")
    )
    for path, days in ((old, 20), (new, 3), (foreign, 20)):
        path.write_text("an earlier one")
        moment = path.stat().st_mtime - days * 86400
        os.utime(path, (moment, moment))
    variables = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": USER,
                 "PGPASSWORD": PASSWORD, "PGDATABASE": url.rpartition("/")[2]}  # fmt: skip
    run_once(service, tmp_path, **variables)
    assert new.exists()
    assert not old.exists()
    (backup,) = set((tmp_path / "backups").iterdir()) - {new, foreign}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.dump", backup.name)
    subprocess.run(
        ["pg_restore", "--exit-on-error", "--no-owner", "--dbname", other.rpartition("/")[2],
         str(backup)],
        env={**os.environ, **variables}, check=True,
    )  # fmt: skip
    assert postgres.execute("SELECT sum(number) FROM kept", other) == [(500500,)]
    healthy = service["healthcheck"]["test"][1].replace("/srv/backups", str(tmp_path / "backups"))
    assert subprocess.run(["sh", "-c", healthy]).returncode == 0
    backup.unlink()
    assert subprocess.run(["sh", "-c", healthy]).returncode != 0


def test_a_backup_of_sqlite_is_made_while_somebody_writes(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    import sqlite3

    project = make_project()
    service = services(project)["backup"]
    assert service["environment"]["DATABASE_URL"] == "sqlite:////srv/data/db.sqlite3"
    (tmp_path / "data").mkdir()
    writer = sqlite3.connect(tmp_path / "data" / "db.sqlite3")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE kept (number)")
    writer.executemany("INSERT INTO kept VALUES (?)", [(number,) for number in range(1000)])
    writer.commit()
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO kept VALUES ('not yet')")
    url = f"sqlite:///{tmp_path / 'data' / 'db.sqlite3'}"
    path = f"{tmp_path / 'bin'}:{project.environment / 'bin'}:/bin:/usr/bin"
    variables = {**PRODUCTION, "DATABASE_URL": url, "PATH": path}
    run_once(service, tmp_path, project.path, **variables)
    writer.rollback()
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.suffix == ".sqlite3"
    copy = sqlite3.connect(backup)
    assert copy.execute("SELECT count(*), sum(number) FROM kept").fetchone() == (1000, 499500)
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_sessions_that_are_over_leave_the_database(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project()
    path = f"{tmp_path / 'bin'}:{project.environment / 'bin'}:/bin:/usr/bin"
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    variables = {**PRODUCTION, "DATABASE_URL": url, "PATH": path}
    project.manage("migrate", "--verbosity", "0", **variables)
    add = (
        "from django.contrib.sessions.backends.db import SessionStore as S\n"
        "for age in (-5, 500):\n s = S(); s['a'] = 1; s.set_expiry(age); s.save()"
    )
    project.shell(add, **variables)
    run_once(services(project)["clearsessions"], tmp_path, project.path, **variables)
    count = "from django.contrib.sessions.models import Session as S; print(S.objects.count())"
    assert project.shell(count, **variables) == "1\n"


@pytest.mark.parametrize("static", ["whitenoise", "web-server", "s3"])
def test_a_deploy_replaces_one_app_server_after_the_other_and_stops_at_a_failure(
    make_project: Callable[..., Project], tmp_path: Path, static: str
) -> None:
    project = make_project(static_serving=static, database="postgresql")
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@" >> "$LOG"\ncase "$*" in *"$FAIL"*) exit 1 ;; esac\n')
    docker.chmod(0o755)

    def deploy(fail: str, *arguments: str) -> list[str]:
        log = tmp_path / "log"
        log.write_text("")
        variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log), "FAIL": fail}
        ran = subprocess.run(
            ["sh", project.path / "deploy" / "deploy.sh", *arguments], env=variables, cwd=tmp_path
        )
        assert (ran.returncode == 0) == (fail == "nothing fails")
        prefix = "compose --env-file .env --file deploy/compose.yaml "
        assert all(line.startswith(prefix) for line in log.read_text().splitlines())
        return [line.removeprefix(prefix) for line in log.read_text().splitlines()]

    job = {"whitenoise": [], "web-server": ["static"], "s3": ["publish"]}[static]
    steps = [
        "build migrate",
        "up --detach --wait postgres",
        "run --rm --no-deps migrate",
        *(f"run --rm --no-deps {name}" for name in job),
        "up --detach --no-deps --wait app-1",
        "up --detach --no-deps --wait app-2",
        "up --detach --remove-orphans",
    ]
    assert deploy("nothing fails") == steps
    assert deploy("nothing fails", "pull") == ["pull migrate", *steps[1:]]
    assert deploy("run --rm --no-deps migrate") == steps[:3]
    assert deploy("app-1") == steps[: steps.index("up --detach --no-deps --wait app-1") + 1]


def test_development_starts_only_what_the_project_needs(rendered: list[Project]) -> None:
    for project, answers in zip(rendered, COMBINATIONS, strict=True):
        found = services(project, "compose.yaml")
        uses_s3 = "s3" in (answers["static_serving"], answers["media_storage"])
        expected = {"postgres"} if answers.get("database") == "postgresql" else set()
        expected |= {"store", "buckets"} if uses_s3 else set()
        assert set(found) == (expected or {"app"}), answers
        for service in found.values():
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))

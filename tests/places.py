"""The places in which the commands of the documents are run, one after the other.

Each is made anew for a document. What a machine of the tests lacks is imitated by a program of the
same name in stand_ins/, first on PATH. The template's address leads to a local clone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from existing import PROJECTS, write
from hostile_uploads import picture
from postgres import PASSWORD, Postgres
from projects import PRODUCTION, REPOSITORY, Project, environment, find_python
from releases import NOW, git, history, tagged
from s3_server import S3Server
from updating import copy

URL = "https://github.com/groundwork-django/groundwork"
NEWS = "v99.1.0"
BIN = Path(sys.executable).parent
STAND_INS = REPOSITORY / "tests" / "stand_ins"
COMPOSE = "docker compose --env-file .env --file deploy/compose.yaml"


@dataclass
class Place:
    """A folder in which a document's commands are run, and their environment."""

    folder: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    told: str = ""  # what was seen before the commands were run

    def project(self, **variables: str) -> Project:
        return Project(self.folder, environment(), {**self.variables, **variables})

    def run(self, script: str, **variables: str) -> str:
        """Run the commands until one fails; what they printed."""
        result = self.project().run(
            "bash", "-euxo", "pipefail", "-c", script, check=False, **variables
        )
        assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]
        return result.stdout + result.stderr


class Places:
    """Makes a place by its name."""

    def __init__(self, folder: Path) -> None:
        self.root, self.number = folder, 0
        self.template = history(folder / "groundwork")
        if not git(self.template, "tag", "--list", "v1.1.0"):
            git(self.template, "tag", "--annotate", "v1.1.0", "--message", "x", NOW)
        # The news of which docs/updating.md tells.
        base = self.template / "template" / "config" / "settings" / "base.py.jinja"
        text = base.read_text(encoding="utf-8")
        self.old = 'TIME_ZONE = "UTC"'
        assert text.count(self.old) == 1
        news = text.replace(self.old, 'TIME_ZONE = env.str("DJANGO_TIME_ZONE", "UTC")')
        base.write_text(news, encoding="utf-8")
        tagged(self.template, NEWS)
        (folder / "groundwork.git").symlink_to(self.template)

    def home(self) -> Place:
        """An empty folder, and programs that are imitated, for one person."""
        self.number += 1
        home = self.root / f"{self.number}"
        tools, folder = home / "tools", home / "work"
        tools.mkdir(parents=True)
        folder.mkdir()
        for program in STAND_INS.iterdir():
            (tools / program.name).symlink_to(program)
        (tools / "python3.13").symlink_to(find_python("3.13"))
        config = home / "gitconfig"
        config.write_text(
            "[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n"
            f'[url "{self.root}/groundwork"]\n\tinsteadOf = {URL}\n'
            f'[url "{home}/remotes/"]\n\tinsteadOf = https://git.example.com/\n'
        )
        for remote in ("my-site", "team-template", "my-project", "shop", "blog"):
            git(home, "init", "--quiet", "--bare", f"remotes/{remote}.git")
        variables = {
            "PATH": f"{tools}:{environment() / 'bin'}:/usr/bin:/bin",
            "HOME": f"{home}",
            "COPIER": f"{BIN / 'copier'}",
            "TESTS_PYTHON": sys.executable,
            "COPIER_SETTINGS_PATH": f"{REPOSITORY / 'tests' / 'no-settings.yml'}",
            "ENVIRONMENT": f"{environment()}",
            "GIT_CONFIG_GLOBAL": f"{config}",
            "GIT_EDITOR": "true",
            "VOLUMES": f"{home / 'volumes'}",
            "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
            "DJANGO_SUPERUSER_PASSWORD": "correct horse battery staple",
            "PIP_CONSTRAINT": f"{REPOSITORY / 'tests' / 'constraints-6.1.txt'}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return Place(folder, home, variables)

    def with_project(self, version: str = NEWS, **answers: Any) -> Place:
        """A project in git, as the documents make it, pushed to a remote."""
        place = self.home()
        place.folder = copy(self.template, place.folder / "my-site", version, **answers)
        file = place.folder / ".copier-answers.yml"
        file.write_text(file.read_text().replace(f"{self.template}", URL))
        place.run("git add -A; git commit -q --amend -m Begin; git branch -M main")
        place.run("git remote add origin https://git.example.com/my-site.git")
        place.run("git push -qu origin main")
        return place

    def make(
        self,
        name: str,
        s3: Callable[[], S3Server] | None = None,
        postgres: Callable[[], Postgres] | None = None,
    ) -> Place:
        match name:
            case "on a machine":
                return self.home()
            case "without uv":
                place = self.with_project()
                (place.home / "tools" / "uv").unlink()
                return place
            case "in a project" | "in a project, served":
                place = self.with_project()
                place.run("python manage.py migrate")
                upload(place.folder / "media")
                return place
            case "in a project with a bucket":
                place = self.with_project(
                    static_serving="s3", media_storage="s3", object_store="other"
                )
                place.variables |= PRODUCTION | {"DATABASE_URL": "sqlite:///db.sqlite3"}
                store = s3()
                place.variables |= store.environment()
                for bucket in ("MEDIA_BUCKET", "STATIC_BUCKET"):
                    place.variables[bucket] = store.make_bucket(bucket.lower().replace("_", "-"))
                upload(place.folder.parent / "backup" / "media")
                place.run("python manage.py collectstatic --noinput; python manage.py migrate")
                return place
            case "in a project with PostgreSQL":
                place = self.with_project(database="postgresql")
                (place.folder.parent / "backup").mkdir()
                place.variables["DATABASE_URL"] = postgres().new_database()
                return place
            case "in a project to update":
                return self.with_project(NOW)
            case "in a project with a conflict" | "in a project with a settled conflict":
                place = self.with_project(NOW)
                base = place.folder / "config" / "settings" / "base.py"
                text = base.read_text(encoding="utf-8")
                base.write_text(text.replace(self.old, 'TIME_ZONE = "Europe/Berlin"'), "utf-8")
                place.run(
                    "git commit -qam 'Our time'; git switch -qc update-template;"
                    "uvx copier update --defaults"
                )
                place.told = base.read_text(encoding="utf-8")
                place.told += place.run("git diff --check HEAD || test $? = 2")
                if "settled" in name:
                    base.write_text(text, encoding="utf-8")
                return place
            case "in a project to move":
                place = self.with_project(private_media=True, web_server="none")
                to_move(place, s3())
                place.run("python manage.py migrate; python manage.py createcachetable")
                for folder in ("media", "private"):
                    upload(place.folder / folder)
                return place
            case "in production" | "in production, served":
                place = self.with_project(web_server="none")
                place.variables |= PRODUCTION
                place.run(
                    "uv sync; python manage.py migrate; python manage.py createcachetable;"
                    "python manage.py collectstatic --noinput"
                )
                return place
            case "beside a project" | "after an adoption":
                place = self.home()
                project = place.folder / "my-project"
                write(project, PROJECTS["untouched-6.1"].make())
                place.folder = project
                place.run("git branch -M main; git remote add origin "
                          "https://git.example.com/my-project.git")  # fmt: skip
                place.folder = project.parent
                if name == "after an adoption":
                    place.run(f"git clone -q {URL}; python3 groundwork/hooks/adopt.py my-project")
                    place.folder = project
                return place
            case "beside projects":
                place = self.home()
                for project in ("shop", "blog"):
                    at = copy(self.template, place.folder / project, NOW)
                    git(at, "remote", "add", "origin", f"https://git.example.com/{project}.git")
                place.variables["PYTEST_ADDOPTS"] = ""  # Two at once: each a folder of its own.
                return place
            case "needs docker":
                place = self.with_project(static_serving="web-server")
                production(place)
                place.run(
                    "python manage.py collectstatic --noinput;"
                    f"{COMPOSE} run --rm --no-deps migrate;"
                    f"{COMPOSE} run --rm --no-deps backup"
                    " python manage.py backup_database /srv/backups/2026-11-28T03-00-00Z.sqlite3"
                )
                upload(place.home / "volumes" / "media")
                return place
            case "needs docker and PostgreSQL":
                place = self.with_project(database="postgresql", static_serving="web-server")
                production(place, "POSTGRES_PASSWORD=x\n")
                server = postgres()
                server.execute("DROP DATABASE IF EXISTS site")
                server.execute("DROP ROLE IF EXISTS site")
                server.execute(f"CREATE ROLE site SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
                server.execute("CREATE DATABASE site OWNER site")
                place.variables |= {
                    "PGHOST": "127.0.0.1", "PGPORT": f"{server.port}", "PGPASSWORD": PASSWORD,
                    "DATABASE_URL": server.url_of("site"),
                }  # fmt: skip
                backup = place.folder.parent / "backup" / "backups"
                backup.mkdir(parents=True)
                place.run(
                    "python manage.py migrate;"
                    f"pg_dump -U site -Fc -f {backup}/2026-11-28T03-00-00Z.dump site"
                )
                return place
            case "needs docker and a bucket":
                place = self.with_project(
                    private_media=True, media_storage="s3", object_store="other"
                )
                to_move(place, s3())
                production(place)
                for volume in ("media", "private"):
                    upload(place.home / "volumes" / volume)
                return place
            case "needs kubectl":
                return self.with_project(
                    deployment="kubernetes", database="postgresql", media_storage="s3"
                )
        raise AssertionError(f"{name!r} is no place for commands")


def production(place: Place, more: str = "") -> None:
    """What production needs, in .env and as in a container."""
    lines = [f"{name}={value}" for name, value in PRODUCTION.items() if "SETTINGS" not in name]
    place.variables |= PRODUCTION
    (place.folder / ".env").write_text("\n".join(lines) + f"\n{more}")


def upload(folder: Path) -> None:
    """A picture, as a user left it."""
    folder /= "avatars"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(picture("PNG"))


def to_move(place: Place, s3: S3Server) -> None:
    """The buckets to which a site moves, and their variables."""
    place.variables |= s3.environment()
    for bucket, public in (("media", ["media/"]), ("private", [])):
        s3.make_bucket(bucket, public_prefixes=public)
        place.variables[f"{bucket.upper()}_BUCKET"] = bucket

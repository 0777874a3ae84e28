"""The places in which the commands of the documents are run, one after the other.

Each is made anew for a document. What a machine of the tests lacks is imitated by a program of the
same name, first on PATH: `uv run` runs in the tests' shared environment, `uvx copier` is this
environment's Copier, which finds the template's address in a local clone; `docker compose` looks
up what is named in the Compose file, and runs here what would run in a container.
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
COMPOSE = "docker compose --env-file .env --file deploy/compose.yaml"

UV = """#!/bin/sh
case "$1" in
run)
    shift
    case "$*" in
    *createsuperuser*) exec python "$@" --noinput ;;
    manage.py*) exec python "$@" ;;
    *) exec "$@" ;;
    esac ;;
sync)
    for option in "$@"; do
        case "$option" in sync|--no-dev|--locked) ;; *) echo "uv sync $option?" >&2; exit 2 ;; esac
    done
    [ -f pyproject.toml ] && ln -sfn "$ENVIRONMENT" .venv ;;
*) echo "uv $1 is not imitated" >&2; exit 2 ;;
esac
"""
# Enter at each question takes the default: so does --defaults.
UVX = """#!/bin/sh
[ "$1" = copier ] || { echo "uvx $1 is not imitated" >&2; exit 2; }
case "$*" in *--defaults*) defaults= ;; "copier copy"*) defaults=--defaults ;; *) defaults= ;; esac
exec "$COPIER" "$2" $defaults "${@:3}"
""".replace("#!/bin/sh", "#!/bin/bash")
PIPX = """#!/bin/sh
[ "$1" = run ] || { echo "pipx $1 is not imitated" >&2; exit 2; }
shift
exec uvx "$@"
"""
DOCKER = '''"""docker compose, imitated."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

TAKEN = {
    "build": [], "pull": [], "stop": [],
    "up": ["--detach", "--no-deps", "--wait", "--remove-orphans"],
    "exec": ["-T"],
    "run": ["-T", "--rm", "--no-deps", "--volume=", "--publish=", "--entrypoint="],
}


def take(words, known):
    """The options in front, which are taken away."""
    options = {}
    while words and words[0].startswith("-"):
        name = words.pop(0)
        assert name in known or f"{name}=" in known, f"docker compose has no {name} there"
        options.setdefault(name, []).append(words.pop(0) if f"{name}=" in known else "")
    return options


words = sys.argv[1:]
assert words.pop(0) == "compose", "only docker compose is imitated"
files = take(words, ["--env-file=", "--file="])
assert Path(files["--env-file"][0]).is_file(), "there is no .env"
compose = yaml.safe_load(Path(files["--file"][0]).read_text())
what = words.pop(0)
options = take(words, TAKEN[what])
if what not in ("exec", "run"):
    unknown = [word for word in words if word not in compose["services"]]
    assert not unknown, f"no such service: {unknown}"
    sys.exit()

name = words.pop(0)
service = compose["services"][name]
command = words or [word.replace("$$", "$") for word in service["command"]]
mounts = {}
for volume in [*service.get("volumes", []), *options.get("--volume", [])]:
    source, target, *_ = volume.rsplit(":ro", 1)[0].rsplit(":", 1)
    source = source.removeprefix(f"{compose['name']}_")
    mounts[target] = f"{os.environ['VOLUMES']}/{re.sub('[^a-z]', '', source.lower())}"
for folder in mounts.values():
    Path(folder).mkdir(parents=True, exist_ok=True)
root = Path(os.environ["VOLUMES"]).parent / "root"
for part in ("srv", "tmp"):
    (root / part).mkdir(parents=True, exist_ok=True)
for target, folder in mounts.items():
    if target.startswith("/srv/"):
        (root / target[1:]).unlink(missing_ok=True)
        (root / target[1:]).symlink_to(folder)
command = [re.sub(r"/(srv|tmp)\\b", rf"{root}/\\1", word) for word in command]
if "createsuperuser" in command:
    command.append("--noinput")
# A mounted folder is a link here, and there is one file system for all services.
if command[0] == "tar":
    command.insert(1, "--dereference" if "-xf" not in command else "--keep-directory-symlink")
values = {k: re.sub(r"/srv\\b", f"{root}/srv", f"{v}") for k, v in
          (service.get("environment") or {}).items() if "${" not in f"{v}"}
folder = service.get("working_dir", "").replace("/app", os.getcwd()) or os.getcwd()
sys.exit(subprocess.run(command, cwd=folder, env={**os.environ, **values}).returncode)
'''
KUBECTL = """#!/bin/sh
set -eu
case "$1 $2" in
"apply --kustomize") [ -f "$3/kustomization.yaml" ]; ls $(sed -n "s|^ *- *\\(kubernetes/.*\\)|$3/\\1|p" "$3/kustomization.yaml") >&2 ;;
"get job") echo job.batch/migrate ;;
"get job.batch/migrate") echo Complete ;;
"get secret") echo 1 ;;
"delete job"|"patch deployment"|"rollout status") ;;
*) echo "kubectl $* is not imitated" >&2; exit 2 ;;
esac
"""


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
        for name, text in {"uv": UV, "uvx": UVX, "pipx": PIPX, "kubectl": KUBECTL,
                           "docker": f"#!{sys.executable}\n{DOCKER}",
                           "sleep": "#!/bin/sh\n"}.items():  # fmt: skip
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
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
                self.to_move(place, s3())
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
                self.to_move(place, s3())
                production(place)
                for volume in ("media", "private"):
                    upload(place.home / "volumes" / volume)
                return place
            case "needs kubectl":
                return self.with_project(
                    deployment="kubernetes", database="postgresql", media_storage="s3"
                )
        raise AssertionError(f"{name!r} is no place for commands")

    def to_move(self, place: Place, s3: S3Server) -> None:
        place.variables |= s3.environment()
        for bucket, public in (("media", ["media/"]), ("private", [])):
            s3.make_bucket(bucket, public_prefixes=public)
            place.variables[f"{bucket.upper()}_BUCKET"] = bucket


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

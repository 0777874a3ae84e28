"""What to do with a project: the answers to the questions, and where its files go."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .detect import Facts, apps
from .git import Refusal, git

PYTHONS = ("3.12", "3.13", "3.14")
NOT_PACKAGES = (
    "config", "deploy", "docs", "locale", "media", "private", "static", "staticfiles",
    "templates", "tests", "files", "pages", "users", "django", "test", "site", "code",
)  # fmt: skip


@dataclass
class Plan:
    answers: dict[str, str | bool] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)  # path in the project → in the result
    names: dict[str, str] = field(default_factory=dict)  # dotted module → its new name
    warnings: list[str] = field(default_factory=list)

    def answer(self, question: str, value: str | bool, reason: str) -> None:
        self.answers[question], self.reasons[question] = value, reason

    @property
    def left_out(self) -> tuple[str, ...]:
        """Paths of the template's sample site, which a site that exists does not need."""
        package = self.answers["package_name"]
        return (
            f"{package}/pages/", f"{package}/users/", "templates/", "tests/", "LICENSE",
            "README.md",
        )  # fmt: skip

    @property
    def left_out_modules(self) -> tuple[str, ...]:
        package = self.answers["package_name"]
        return (f"{package}.pages", f"{package}.users", "django.contrib.auth.views")


def plan(facts: Facts, given: dict[str, str]) -> Plan:
    """Answers found in the project, unless they are given, and the moves."""
    made = Plan()
    names(facts, made)
    versions(facts, made)
    storage(facts, made)
    delivery(facts, made)
    for question, value in given.items():
        made.answer(question, value, "as you said")
    moves(facts, made)
    clashes(facts, made)
    return made


def names(facts: Facts, made: Plan) -> None:
    title = facts.root.resolve().name
    if facts.has("pyproject.toml"):
        found = re.search(r"(?m)^name\s*=\s*[\"']([^\"']+)", facts.read("pyproject.toml"))
        title = found[1] if found else title
        if found := re.search(
            r"(?m)^description\s*=\s*\"([^\"\\\n]+)\"", facts.read("pyproject.toml")
        ):
            made.answer("description", found[1], "pyproject.toml")
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    slug = re.sub(r"^[0-9-]+", "", slug)[:60] or "my-site"
    made.answer("project_slug", slug, "the project's name")
    made.answer("project_name", slug.replace("-", " ").title(), "the project's name")
    made.answer("package_name", *package(facts, slug))
    license_text = next(
        (facts.read(name)[:600] for name in facts.files if re.match(r"LICEN[CS]E", name)), ""
    )
    for words, answer in (
        ("MIT License", "MIT"), ("Apache License", "Apache-2.0"),
        ("AFFERO GENERAL", "AGPL-3.0-or-later"), ("GNU GENERAL", "GPL-3.0-or-later"),
        ("BSD 3-Clause", "BSD-3-Clause"),
    ):  # fmt: skip
        if words in license_text:
            made.answer("license", answer, "the licence file")
            break


def package(facts: Facts, slug: str) -> tuple[str, str]:
    """The package that gets the template's `files` app: the project's own, where it can."""
    tops = {name.split("/")[0] for name in facts.files if name.endswith("/__init__.py")}
    holders = [app.split("/")[0] for app in apps(facts) if "/" in app]
    candidates = [
        (facts.package, "the package of the settings"),
        *((holder, "the package of the apps") for holder in holders),
        (slug.replace("-", "_"), "the project's name"),
        (slug.replace("-", "_") + "_site", "the project's name, which was taken"),
    ]
    for name, reason in candidates:
        taken = any(path.startswith(f"{name}/files") for path in facts.files)
        app = f"{name}/models.py" in facts.files and name != facts.package
        known = name in tops or f"{name}.py" not in facts.files
        possible = re.fullmatch(r"[a-z][a-z0-9_]*", name) and name not in NOT_PACKAGES
        if possible and known and not taken and not app:
            return name, reason
    return slug.replace("-", "_") + "_site", "every other name is taken"


def versions(facts: Facts, made: Plan) -> None:
    numbers = tuple(int(n) for n in facts.django.split(".")) if facts.django else (6, 1)
    django = "6.1" if numbers >= (6, 0) else "5.2"
    made.answer("django_version", django, f"it is on Django {facts.django or '(not said)'}")
    if facts.django and facts.django != django:
        made.warnings.append(
            f"The project is on Django {facts.django}, and Groundwork keeps it on {django}: read "
            f"the release notes up to {django} at https://docs.djangoproject.com/en/{django}/"
            "releases/ and run the tests with `python -W error`."
        )
    python = facts.python or "3.13"
    minor = min(max(int(python.split(".")[1]), 12), 14)
    made.answer("python_version", f"3.{minor}", f"it is on Python {facts.python or '(not said)'}")


def storage(facts: Facts, made: Plan) -> None:
    text, needs = facts.text, facts.requirements
    engine = re.search(r"django\.db\.backends\.(\w+)", text)
    postgres = (engine and engine[1] == "postgresql") or re.search(r"postgres(ql)?://", text)
    if postgres or {"psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary"} & set(needs):
        made.answer("database", "postgresql", "the settings and requirements name PostgreSQL")
    else:
        made.answer("database", "sqlite", "no PostgreSQL was found")
        if engine and engine[1] in ("mysql", "oracle"):
            made.warnings.append(
                f"The project's database is {engine[1]}, which Groundwork does not set up: keep "
                "your DATABASES where the conflict asks."
            )
    static_s3 = re.search(
        r"(STATICFILES_STORAGE\s*=\s*|[\"']staticfiles[\"']\s*:\s*\{\s*[\"']BACKEND[\"']\s*:\s*)"
        r"[\"'](storages\.backends\.s3|[\w.]*[sS]3)", text,
    )  # fmt: skip
    s3 = "storages.backends.s3" in text or "AWS_STORAGE_BUCKET_NAME" in text
    web = [name for name in facts.files if re.search(r"nginx.*\.(conf|template)|Caddyfile$", name)]
    if "whitenoise" in text or "whitenoise" in needs:
        made.answer("static_serving", "whitenoise", "WhiteNoise is in the settings")
    elif static_s3:
        made.answer("static_serving", "s3", "the settings keep static files in a bucket")
    elif web:
        made.answer("static_serving", "web-server", f"{web[0]} is in the repository")
    else:
        made.answer("static_serving", "whitenoise", "nothing else was found")
    only_static = static_s3 and len(re.findall(r"storages\.backends\.s3", text)) == 1
    if s3 and not only_static:
        made.answer("media_storage", "s3", "the settings keep uploads in a bucket")
    else:
        made.answer("media_storage", "filesystem", "no bucket was found in the settings")
    if web:
        server = "caddy" if web[0].endswith("Caddyfile") else "nginx"
        made.answer("web_server", server, f"{web[0]} is in the repository")
    elif facts.has("Procfile") and made.answers["static_serving"] != "web-server":
        made.answer("web_server", "none", "a Procfile, and no web server was found")
    if s3:
        for words, store in (
            ("r2.cloudflarestorage", "cloudflare-r2"), ("digitaloceanspaces", "digitalocean-spaces"),
            ("backblazeb2", "backblaze-b2"), ("AWS_S3_ENDPOINT_URL", "other"),
            ("endpoint_url", "other"), ("", "aws"),
        ):  # fmt: skip
            if words in text:
                made.answer("object_store", store, "the settings")
                break


def delivery(facts: Facts, made: Plan) -> None:
    docker = [n for n in facts.files if n.startswith(("Dockerfile", "docker-compose", "compose."))]
    made.answer("use_docker", bool(docker), docker[0] if docker else "no Dockerfile was found")
    remote = git(facts.root, "remote", "get-url", "origin", check=False)
    if facts.has(".gitlab-ci.yml"):
        made.answer("ci", "gitlab", ".gitlab-ci.yml")
    elif any(name.startswith(".github/workflows/") for name in facts.files):
        made.answer("ci", "github", ".github/workflows")
    elif "github" in remote or "gitlab" in remote:
        made.answer("ci", "github" if "github" in remote else "gitlab", "the remote `origin`")
    else:
        made.answer("ci", "none", "no CI and no remote was found")


def dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def moves(facts: Facts, made: Plan) -> None:
    for name, path in facts.settings.items():
        made.moves[path] = f"config/settings/{name}"
    for kind, path in facts.modules.items():
        made.moves[path] = f"config/{kind}.py"
    made.names = {
        dotted(old): dotted(new) for old, new in made.moves.items() if dotted(old) != dotted(new)
    }


def clashes(facts: Facts, made: Plan) -> None:
    labels = {app.rpartition("/")[2] for app in apps(facts)}
    if "files" in labels:
        raise Refusal(
            "An app of this project is called files, as the one that the template brings, and "
            'Django allows one of a name. Give yours a label of its own (label = "…" in its '
            "AppConfig) in a folder of another name, and adopt again."
        )
    outside = [
        path for path in made.moves.values() if path in facts.files and path not in made.moves
    ]
    if outside:
        raise Refusal(f"{outside[0]} is there already and is not what it is in the template.")

"""What stands in a project and serves none of its choices."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from projects import environment

WORD = re.compile(r"\w+")

# Words that belong to a choice; in a project without it they are leftovers.
BELONGS = {
    "S3": (r"\bS3|\bs3\b|boto|bucket", lambda a: "s3" in (a["static_serving"], a["media_storage"])),
    "a bucket of static files": (r"STATIC_BUCKET|publish_static",
                                 lambda a: a["static_serving"] == "s3"),
    "buckets of uploads": (r"MEDIA_BUCKET|PRIVATE_BUCKET|USE_S3|copy_media|buckets\.py",
                           lambda a: a["media_storage"] == "s3"),
    "nginx": (r"nginx", lambda a: edge(a) == "nginx"),
    "Caddy": (r"caddy", lambda a: True if a["use_docker"] else edge(a) == "caddy"),
    "WhiteNoise": (r"whitenoise", lambda a: a["static_serving"] == "whitenoise"),
    "PostgreSQL": (r"postgres|psycopg|pg_dump", lambda a: a["database"] == "postgresql"),
    "private files": (r"private_(file|media|storage|root|url|bucket)", lambda a: a["private_media"]),
    "Docker": (r"docker|compose\.yaml|podman", lambda a: a["use_docker"]),
    "Kubernetes": (r"kubernetes|kubectl|kustom", lambda a: a.get("deployment") == "kubernetes"),
    "GitHub": (r"\.github|github actions", lambda a: a["ci"] == "github"),
    "GitLab": (r"gitlab", lambda a: a["ci"] == "gitlab"),
}  # fmt: skip
# The import, or the command, of a distribution that is not called like it.
IMPORTED_AS = {
    "brotli": "brotli", "django-csp": "csp", "django-storages": "storages", "pillow": "PIL",
    "psycopg": "postgres", "python-json-logger": "pythonjsonlogger",
}  # fmt: skip
FOUND_BY_NAME = {"apps", "admin", "models", "urls", "wsgi", "asgi", "manage", "conftest", "test",
                 "development", "production", "__init__", "gunicorn.conf"}  # fmt: skip
PAGES_FOUND_BY_NAME = {"403.html", "404.html", "500.html", "registration/login.html"}
NOT_TEXT = {".png", ".ico", ".woff2", ".jpg", ".webp", ".sqlite3"}


def edge(answers: dict[str, Any]) -> str:
    """The web server in front, as the template derives it."""
    if answers["static_serving"] == "web-server" or answers["media_storage"] == "filesystem":
        return answers["web_server"]
    return "none"


def leftovers(project: Path, answers: dict[str, Any]) -> list[str]:
    """A sentence for each thing in the rendered project that nothing in it uses."""
    texts = {
        path.relative_to(project).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(project.rglob("*"))
        if path.is_file() and path.suffix not in NOT_TEXT
        and path.name not in ("LICENSE", ".copier-answers.yml")
    }  # fmt: skip
    code = {name: text for name, text in texts.items() if name.endswith(".py")}
    return [
        *words_of_other_choices(texts, answers),
        *layout(texts),
        *files_that_are_named(texts, project),
        *dependencies(texts),
        *variables(texts),
        *templates_and_static_files(texts, project),
        *modules_and_names(code, texts),
        *settings(code, known_settings()),
    ]


@functools.cache
def known_settings() -> set[str]:
    """The names of Django's own settings and of those libraries that a project may use."""
    names = subprocess.run(
        [environment() / "bin" / "python", "-c",
         "import django.conf.global_settings as g; print(*dir(g))"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    return {*names, "ROOT_URLCONF", "CONTENT_SECURITY_POLICY", "LOGGING"}


def unused_anchors(path: Path) -> set[str]:
    """The anchors of a YAML file that no alias of it names."""
    tokens = list(yaml.scan(path.read_text(encoding="utf-8")))
    anchors = {token.value for token in tokens if isinstance(token, yaml.AnchorToken)}
    return anchors - {token.value for token in tokens if isinstance(token, yaml.AliasToken)}


def words_of_other_choices(texts: dict[str, str], answers: dict[str, Any]) -> Iterator[str]:
    for choice, (pattern, chosen) in BELONGS.items():
        if not chosen(answers):
            for name, text in texts.items():
                if name.startswith("tests/"):
                    continue  # seeded, for whatever the answers become
                for number, line in enumerate(text.splitlines(), 1):
                    if "copier update" in line:
                        continue  # advice to choose otherwise
                    if re.search(pattern, line, re.IGNORECASE if choice != "S3" else 0):
                        yield f"{name}:{number} speaks of {choice}: {line.strip()}"


def files_that_are_named(texts: dict[str, str], project: Path) -> Iterator[str]:
    """By a path from the project's folder, such as deploy/s3/README.md."""
    package = next(project.glob("*/users")).parent.name
    named = rf"(?<![\w./$-])(?:deploy|config|templates|{package})/[\w./-]*\w"
    for name, text in texts.items():
        if name.startswith("tests/"):
            continue  # which make files of their own
        for path in re.findall(named, text):
            if not (project / path).exists():
                yield f"{name} names {path}, which is not there"


def layout(texts: dict[str, str]) -> Iterator[str]:
    for name, text in texts.items():
        if text and not text.endswith("\n"):
            yield f"{name} has no newline at its end"
        if text.endswith("\n\n") or text.startswith("\n"):
            yield f"{name} begins or ends with a blank line"
        if re.search(r"[ \t]\n", text):
            yield f"{name} has white space at a line's end"
        if re.search(r"\n\n\n", text) and not name.endswith(".py"):
            yield f"{name} has two blank lines together"


def dependencies(texts: dict[str, str]) -> Iterator[str]:
    table = tomllib.loads(texts["pyproject.toml"])
    everything = "\n".join(text for name, text in texts.items() if name != "pyproject.toml")
    for requirement in table["project"]["dependencies"]:
        name = re.match(r"[A-Za-z0-9-]+", requirement)[0]  # type: ignore[index]
        word = IMPORTED_AS.get(name, name.replace("-", "_"))
        if word not in everything:
            yield f"pyproject.toml needs {name}, which nothing imports or runs"


def variables(texts: dict[str, str]) -> Iterator[str]:
    listed = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", texts[".env.example"], re.MULTILINE))
    read: set[str] = set()
    for name, text in texts.items():
        if name.endswith(".py"):
            read |= set(re.findall(r"(?:env\.\w+|required)\(\s*\"([A-Z0-9_]+)\"", text))
    elsewhere = "\n".join(t for n, t in texts.items() if n not in (".env.example", "README.md"))
    for name in read - listed:
        yield f".env.example does not list {name}, which the settings read"
    for name in listed - read:
        if not re.search(rf"\b{name}\b", elsewhere) and not name.startswith("AWS_"):
            yield f".env.example lists {name}, which nothing reads"


def templates_and_static_files(texts: dict[str, str], project: Path) -> Iterator[str]:
    everything = "\n".join(texts.values())
    for name in texts:
        if name.startswith("templates/"):
            short = name.removeprefix("templates/")
            if short not in PAGES_FOUND_BY_NAME and short not in everything:
                yield f"{name} is rendered by nothing"
    for path in (project / "static").rglob("*"):
        short = path.relative_to(project / "static").as_posix()
        if path.is_file() and short not in everything and path.name not in everything:
            yield f"static/{short} is referred to by nothing"


def modules_and_names(code: dict[str, str], texts: dict[str, str]) -> Iterator[str]:
    words: dict[str, int] = {}
    for text in texts.values():
        for word in WORD.findall(text):
            words[word] = words.get(word, 0) + 1
    for name, text in code.items():
        module = Path(name).stem
        if "migrations/" in name or name.startswith("tests/"):
            continue
        if "commands/" not in name and module not in FOUND_BY_NAME and words.get(module, 0) < 1:
            yield f"{name} is imported by nothing"
        if name.startswith("config/settings/") or module in ("apps", "gunicorn.conf"):
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                if words[node.name] < 2 and not node.decorator_list and node.name != "Command":
                    yield f"{name} defines {node.name}, which nothing uses"
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name) and words[target.id] < 2:
                        known = target.id in ("application", "urlpatterns", "app_name")
                        if not known and not target.id.startswith("handler"):
                            yield f"{name} binds {target.id}, which nothing uses"


def settings(code: dict[str, str], known: set[str]) -> Iterator[str]:
    """Settings that neither Django nor a library nor the project's own code reads."""
    everything = "\n".join(code.values())
    for name, text in code.items():
        if name.startswith("config/settings/"):
            for node in ast.parse(text).body:
                targets = node.targets if isinstance(node, ast.Assign) else []
                for target in targets:
                    if (
                        isinstance(target, ast.Name) and target.id not in known
                        and not target.id.startswith("WHITENOISE_")
                        and len(re.findall(rf"\b{target.id}\b", everything)) < 2
                    ):  # fmt: skip
                        yield f"{name} sets {target.id}, which nothing reads"

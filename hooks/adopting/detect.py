"""What a project is: found in its files, none of which is run."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

from .git import Refusal, git
from .settings import ROLES

TEXT = (".py", ".toml", ".cfg", ".ini", ".txt", ".md", ".rst", ".yml", ".yaml", ".json", ".sh",
        ".env", ".conf", ".service", ".html")  # fmt: skip
TEXT_NAMES = ("Dockerfile", "Procfile", "Makefile", "justfile", ".env.example", "Caddyfile")


@dataclass
class Facts:
    root: Path
    files: list[str]
    package: str  # that has settings, urls, wsgi: `mysite`
    born: str  # the version of Django that startproject said, or ""
    django: str  # the version that the project asks for, or ""
    python: str
    settings: dict[str, str] = field(default_factory=dict)  # where a module goes → its path
    modules: dict[str, str] = field(default_factory=dict)  # urls, wsgi, asgi → path
    requirements: dict[str, str] = field(default_factory=dict)  # name → the whole line
    text: str = ""  # of all settings modules

    def read(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8", errors="surrogateescape")

    def has(self, *names: str) -> bool:
        return any(name in self.files for name in names)


def refuse_unfit(root: Path) -> None:
    """Say why a folder cannot be adopted now, and what to type."""
    if not root.is_dir():
        raise Refusal(f"{root} is not a folder.")
    top = git(root, "rev-parse", "--show-toplevel", check=False).strip()
    if not top:
        raise Refusal(
            f"{root} is not in git, which does the merge and lets you undo it. Type:\n"
            f'  git -C "{root}" init\n  git -C "{root}" add --all\n'
            f'  git -C "{root}" commit --message "Before Groundwork"'
        )
    if Path(top).resolve() != root.resolve():
        raise Refusal(
            f"{root} is a folder of the repository {top}. Groundwork adopts a whole repository, "
            "with manage.py at its top: move the project there, or into a repository of its own."
        )
    if (root / ".copier-answers.yml").exists():
        raise Refusal(
            f"{root} has a .copier-answers.yml: it is under a template already. To bring it up "
            f'to date, type:\n  cd "{root}"\n  uvx copier update'
        )
    if git(root, "status", "--porcelain").strip():
        raise Refusal(
            f"{root} has changes that are not committed, which a merge could mix up. Commit or "
            f'stash them first; to see them, type:\n  git -C "{root}" status'
        )
    if not git(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False).strip():
        raise Refusal(f"{root} has no commit yet: commit the project first.")
    if not (root / "manage.py").exists():
        raise Refusal(
            f"{root} has no manage.py at its top, by which a Django project is known. A project "
            "in a folder below is not adopted: move it to the top first."
        )


def detect(root: Path) -> Facts:
    files = [name for name in git(root, "ls-files", "-z").split("\0") if name]
    manage = (root / "manage.py").read_text(encoding="utf-8")
    named = re.search(r"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([\w.]+)", manage)
    if not named:
        raise Refusal("manage.py names no settings module (DJANGO_SETTINGS_MODULE).")
    module = named[1]
    facts = Facts(root, files, module.split(".")[0], "", "", "")
    path = module.replace(".", "/")
    if f"{path}.py" in files and not is_package(files, path.rpartition("/")[0], module):
        facts.settings["base.py"] = f"{path}.py"
    else:
        folder = path if f"{path}/__init__.py" in files else path.rpartition("/")[0]
        find_split(facts, folder)
    if "base.py" not in facts.settings:
        raise Refusal(f"The settings module {module} was not found among the files in git.")
    facts.text = "\n".join(facts.read(name) for name in facts.settings.values())
    find_modules(facts)
    read_requirements(facts)
    born = re.search(r"startproject' using Django (\d+(?:\.\d+)+)", facts.text) or re.search(
        r"docs\.djangoproject\.com/en/(\d+\.\d+)/", facts.text
    )
    facts.born = born[1] if born else ""
    wanted = re.search(r"(?:==|~=|>=|\^)\s*(\d+\.\d+)", facts.requirements.get("django", ""))
    facts.django = wanted[1] if wanted else ".".join(facts.born.split(".")[:2])
    facts.python = find_python(facts)
    return facts


def is_package(files: list[str], folder: str, module: str) -> bool:
    """Is the folder of a settings module a package of several settings modules?"""
    return folder.rpartition("/")[2] == "settings" and module.count(".") > 1


def find_split(facts: Facts, folder: str) -> None:
    """The modules of a settings package, and where each goes."""
    names = {
        name[len(folder) + 1 :]: name
        for name in facts.files
        if name.startswith(folder + "/") and name.endswith(".py") and name.count("/") ==
        folder.count("/") + 1
    }  # fmt: skip
    taken = set()
    for role, words in ROLES.items():
        for word in words:
            if f"{word}.py" in names and role not in facts.settings:
                facts.settings[role] = names[f"{word}.py"]
                taken.add(f"{word}.py")
    for name, path in names.items():
        if name not in taken:
            facts.settings[name] = path
    if "base.py" not in facts.settings and "INSTALLED_APPS" in facts.read(
        names.get("__init__.py", "manage.py")
    ):
        facts.settings["base.py"] = facts.settings.pop("__init__.py")


def find_modules(facts: Facts) -> None:
    """Where the URL configuration and the server's entry points are."""
    text = facts.read(facts.settings["base.py"])
    named = {
        "urls": r"^ROOT_URLCONF\s*=\s*['\"]([\w.]+)",
        "wsgi": r"^WSGI_APPLICATION\s*=\s*['\"]([\w.]+)\.\w+['\"]",
        "asgi": r"^ASGI_APPLICATION\s*=\s*['\"]([\w.]+)\.\w+['\"]",
    }
    for kind, pattern in named.items():
        found = re.search(pattern, text, re.MULTILINE)
        module = found[1] if found else f"{facts.package}.{kind}"
        path = module.replace(".", "/") + ".py"
        if path in facts.files:
            facts.modules[kind] = path


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(facts: Facts) -> None:
    """What the project depends on, from requirements files and pyproject.toml."""
    for name in facts.files:
        if re.fullmatch(r"requirements(-prod\w*)?\.txt|requirements/(base|prod\w*)\.txt", name):
            for line in facts.read(name).splitlines():
                line = line.split(" #")[0].strip()
                found = re.match(r"([A-Za-z0-9][\w.-]*)(\[[\w,. -]+\])?\s*([=~<>!;@]|$)", line)
                if found and normal(found[1]) not in facts.requirements:
                    facts.requirements[normal(found[1])] = line
    if "pyproject.toml" in facts.files:
        for found in re.finditer(
            r"""^\s*["']([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*([=~<>!][^"']*)?["'],?""",
            facts.read("pyproject.toml"), re.MULTILINE,
        ):  # fmt: skip
            facts.requirements.setdefault(normal(found[1]), found[1] + (found[2] or ""))
        for found in re.finditer(
            r"""^(django)\s*=\s*["']([^"']+)["']""", facts.read("pyproject.toml"), re.M | re.I
        ):
            facts.requirements.setdefault(normal(found[1]), f"{found[1]}{found[2]}")


def find_python(facts: Facts) -> str:
    """The version of Python that the project says it runs on, or ""."""
    for name, pattern in (
        (".python-version", r"(3\.\d+)"),
        ("runtime.txt", r"python-(3\.\d+)"),
        ("pyproject.toml", r"requires-python\s*=\s*[\"'][^\"'\d]*(3\.\d+)"),
        ("pyproject.toml", r"(?m)^python\s*=\s*[\"'][^\"'\d]*(3\.\d+)"),
        ("Dockerfile", r"FROM\s+\S*python:(3\.\d+)"),
    ):
        if name in facts.files and (found := re.search(pattern, facts.read(name))):
            return found[1]
    return ""


def is_text(name: str) -> bool:
    return name.endswith(TEXT) or name.rpartition("/")[2].startswith(TEXT_NAMES)


def apps(facts: Facts) -> list[str]:
    """The apps of the project itself: folders with apps.py or models.py."""
    return sorted(
        {
            name.rpartition("/")[0]
            for name in facts.files
            if name.rpartition("/")[2] in ("apps.py", "models.py") and "/" in name
        }
    )


def names_used(source: str) -> set[str]:
    try:
        return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    except SyntaxError:
        return set()

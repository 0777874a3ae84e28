"""Every file of the result: from the project, from the template, or from both."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

from . import python, settings, toml
from .detect import Facts, is_text
from .git import OURS, merge_texts
from .modules import statements
from .plan import Plan, dotted
from .startproject import startproject

SETTINGS = "config/settings/"
UNITED = (".gitignore", ".dockerignore", ".env.example")


@dataclass
class Result:
    """What to write in the project, and what to tell about it."""

    files: dict[str, bytes] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    conflicts: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # → source, theirs
    renamed_names: list[str] = field(default_factory=list)
    replaced: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        self.files[name] = text.encode("utf-8", "surrogateescape")


def merge(facts: Facts, made: Plan, rendered: Path) -> Result:
    """The result of the three-way merge."""
    result = Result()
    theirs = {
        path.relative_to(rendered).as_posix(): path.read_bytes()
        for path in sorted(rendered.rglob("*"))
        if path.is_file()
    }
    if any(name.startswith("static/") for name in facts.files):
        theirs = {name: data for name, data in theirs.items() if not name.startswith("static/")}
    secret = re.search(r"django-insecure-[^'\"]+", facts.text)
    base = startproject(
        facts.package, facts.born or facts.django or "6.1", secret[0] if secret else "-"
    )
    done = merge_settings(facts, made, theirs, base, result)
    for source in sorted({*made.moves, "manage.py"} - done):
        target = made.moves.get(source, source)
        ours = relocated(facts, made, source, result)
        old = base.get(f"{facts.package}/{Path(source).name}", base.get(source, ""))
        new = theirs.get(target, b"").decode()
        old = renamed(as_named(old, facts.read(source)), made, source)[0]
        merged = python.merge(old, ours, new) if new else ours
        put(result, source, target, merged, theirs.get(target, b""))
        done.add(source)
    targets = {made.moves.get(source, source) for source in done}
    for name, data in theirs.items():
        if name in targets:
            continue
        if name not in facts.files:
            if not (facts.root / name).exists():
                result.files[name] = data
                result.added.append(name)
        else:
            merge_file(facts, made, name, data, result)
    for name in facts.files:
        if name not in done and name not in result.files and is_text(name):
            text, changes = renamed(facts.read(name), made, name)
            if changes:
                result.write(name, text)
                result.replaced += changed_lines(facts.read(name), text)
                result.renamed_names += [f"{name}:{change}" for change in changes]
    add_requirements(facts, theirs, result)
    result.deleted = [source for source in done if made.moves.get(source, source) != source]
    return result


NAMED = re.compile(r"(DJANGO_SETTINGS_MODULE['\"],\s*)(['\"][\w.]+['\"])")


def as_named(base: str, ours: str) -> str:
    """The base with the settings module that the project's file names."""
    if found := NAMED.search(ours):
        return NAMED.sub(lambda match: match[1] + found[2], base)
    return base


def put(result: Result, source: str, target: str, text: str, theirs: bytes) -> None:
    result.write(target, text)
    if f"<<<<<<< {OURS}" in text:
        result.conflicts[target] = (source, theirs)
    else:
        result.merged.append(target if source == target else f"{source} → {target}")


def merge_settings(
    facts: Facts, made: Plan, theirs: dict[str, bytes], base: dict[str, str], result: Result
) -> set[str]:
    """The project's settings, in one module or in several."""
    modules = {
        name.removeprefix(SETTINGS): data.decode()
        for name, data in theirs.items()
        if name.startswith(SETTINGS) and name.count("/") == 2
    }
    done: set[str] = set()
    source = facts.settings["base.py"]
    ours = relocated(facts, made, source, result)
    old = renamed(base[f"{facts.package}/settings.py"], made, source)[0]
    merged = settings.merge_base(old, ours, modules)
    result.notes += merged.notes
    result.replaced += merged.replaced
    for name, text in merged.files.items():
        target = SETTINGS + name
        if name == "base.py":
            put(result, source, target, text, theirs[target])
            done.add(source)
        elif name in facts.settings:
            source_of = facts.settings[name]
            own = relocated(facts, made, source_of, result)
            both = settings.merge_role(own, text) if statements(own)[0] else text
            put(result, source_of, target, both, theirs[target])
            done.add(source_of)
            result.notes.append(f"{target} is the template's, and then your {source_of}.")
        else:
            result.write(target, text)
            if target in facts.files and target not in made.moves:
                put(result, target, target, merge_texts(facts.read(target), "", text)[0], b"")
            else:
                result.added.append(target)
        theirs.pop(target, None)
    return done


def relocated(facts: Facts, made: Plan, source: str, result: Result) -> str:
    """A module's text for its new place: with names that lead to the modules that moved."""
    before = facts.read(source)
    target = made.moves.get(source, source)
    text = absolute_imports(before, source, target, made) if target != source else before
    text, changes = renamed(text, made, source)
    result.replaced += changed_lines(before, text)
    result.renamed_names += [f"{target}:{change}" for change in changes if source != "manage.py"]
    return text


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    both = zip(before.splitlines(), after.splitlines(), strict=True)
    return [(old, new) for old, new in both if old != new]


def absolute_imports(text: str, source: str, target: str, made: Plan) -> str:
    """`from . import x` as `from package import x`, where x has not moved as well."""
    lines = text.splitlines(keepends=True)
    here = dotted(source).split(".")
    there = dotted(target).rpartition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        package = ".".join(here[: -node.level])
        module = ".".join(filter(None, [package, node.module]))
        moved = made.names.get(module, module if module.startswith("config.settings") else "")
        if moved.rpartition(".")[0] == there and node.module:
            new = "." + moved.rpartition(".")[2]
        elif dotted(source).rpartition(".")[0] == there:
            continue
        else:
            new = moved or module
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = re.sub(
            r"from\s+[.\w]+\s+import", f"from {new} import", line, count=1
        )
    return "".join(lines)


def renamed(text: str, made: Plan, name: str) -> tuple[str, list[str]]:
    """A text in which the modules that moved have their new names; the lines that changed."""
    if not made.names:
        return text, []
    single = len([new for new in made.names.values() if new.startswith("config.settings.")]) == 1
    pattern = "|".join(re.escape(old) for old in sorted(made.names, key=len, reverse=True))
    test = re.search(r"(^|/)(conftest\.py|pytest\.ini|tox\.ini|setup\.cfg|pyproject\.toml)$", name)
    changes = []
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):

        def new_name(found: re.Match[str], line: str = line) -> str:
            new = made.names[found[0]]
            if single and new == "config.settings.base" and re.search(
                r"DJANGO_SETTINGS_MODULE|--settings|--ds|django_settings_module", line
            ):  # fmt: skip
                if name == "manage.py":
                    return "config.settings.development"
                return "config.settings.test" if test else "config.settings.production"
            return new

        lines[number] = re.sub(rf"(?<![\w.]){f'(?:{pattern})'}(?!\w)", new_name, line)
        if lines[number] != line:
            changes.append(f"{number + 1}: {lines[number].strip()}")
    return "".join(lines), changes


def merge_file(facts: Facts, made: Plan, name: str, data: bytes, result: Result) -> None:
    """A file that the project and the template both have."""
    ours = (facts.root / name).read_bytes()
    if ours == data:
        return
    if b"\0" in ours or b"\0" in data:
        result.notes.append(f"{name}: yours is kept.")
        return
    text = renamed(facts.read(name), made, name)[0]
    new = data.decode()
    if name.rpartition("/")[2] in UNITED:
        merged = united(text, new)
    elif name == "pyproject.toml":
        merged = toml.merge(text, new)
    elif name.endswith(".py"):
        merged = python.merge("", text, new)
    else:
        merged = merge_texts(text, "", new)[0]
    put(result, name, name, merged, data)


def united(ours: str, theirs: str) -> str:
    """The project's lines, then those of the template that it lacks."""
    known = {line.strip() for line in ours.splitlines()}
    more = [line for line in theirs.splitlines() if line.strip() not in known or not line.strip()]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(more)).strip("\n")
    return ours.rstrip("\n") + "\n\n" + text + "\n" if text else ours


def add_requirements(facts: Facts, theirs: dict[str, bytes], result: Result) -> None:
    """requirements.txt, for uv: its lines join the dependencies in pyproject.toml."""
    name = "pyproject.toml"
    if facts.requirements and name in result.files and name not in result.conflicts:
        text = result.files[name].decode()
        result.write(name, toml.add_requirements(text, list(facts.requirements.values())))

"""pyproject.toml: the project's, with the tables and keys of the template that it lacks."""

from __future__ import annotations

import re

from .detect import normal


def tables(text: str) -> list[tuple[str, str]]:
    """Each table's header and its whole text; the first has none."""
    parts = re.split(r"(?m)^(?=\[)", text)
    return [
        (part.split("\n", 1)[0].strip() if part.startswith("[") else "", part) for part in parts
    ]


def entries(table: str) -> list[tuple[str, str]]:
    """Each key of a table and the lines that set it."""
    found: list[list[str]] = []
    depth = 0
    for line in table.splitlines(keepends=True):
        if depth == 0 and (match := re.match(r"([\w.\"*/-]+)\s*=", line)):
            found.append([match[1], line])
        elif found and depth:
            found[-1][1] += line
        plain = re.sub(r"\"[^\"]*\"|'[^']*'|#.*", "", line)
        depth += plain.count("[") + plain.count("{") - plain.count("]") - plain.count("}")
        if line.startswith("["):
            depth = 0
    return [(key, text) for key, text in found]


def requirements(array: str) -> list[str]:
    return re.findall(r"[\"']([A-Za-z0-9][\w.-]*[^\"'\n]*)[\"']", array.split("=", 1)[1])


def name_of(requirement: str) -> str:
    return normal(re.match(r"[\w.-]+", requirement)[0])


def with_requirements(array: str, more: list[str]) -> str:
    """An array of requirements with those of `more` whose package it does not name."""
    known = {name_of(line) for line in requirements(array)}
    lines = [f'  "{line}",\n' for line in more if name_of(line) not in known]
    if not lines:
        return array
    head, _, tail = array.rstrip("\n").rpartition("]")
    head = head.rstrip()
    comma = "" if head.endswith(("[", ",")) else ","
    return f"{head}{comma}\n{''.join(lines)}]{tail}\n"


NEEDED = ("name", "version", "requires-python", "dependencies")


def merge(ours: str, theirs: str) -> str:
    """The project's tables stand; requirements are united, and tables that it lacks are added."""
    mine = tables(ours if ours.endswith("\n") else ours + "\n")
    headers = {header for header, _ in mine}
    new = dict(tables(theirs))
    out = []
    for header, text in mine:
        known = dict(entries(text))
        extra = ""
        for key, lines in entries(new.get(header, "")):
            if header == "[dependency-groups]" or (header == "[project]" and key in NEEDED):
                if key not in known:
                    extra += lines
                elif "[" in lines:
                    merged = with_requirements(known[key], requirements(lines))
                    text = text.replace(known[key], merged)
        if extra:
            body = text.rstrip("\n")
            text = body + "\n" + extra + text[len(body) + 1 :]
        out.append(text)
    for header, text in tables(theirs):
        if header not in headers and header:
            out[-1] = out[-1].rstrip("\n") + "\n\n"
            out.append(text)
    return "".join(out).rstrip("\n") + "\n"


def add_requirements(text: str, more: list[str]) -> str:
    """The template's pyproject.toml with what requirements.txt asks for."""
    match = re.search(r"(?ms)^dependencies = \[\n.*?^\]\n", text)
    if not match:
        return text
    lines = [line.replace('"', "'") for line in more if "://" not in line and "@" not in line]
    return text.replace(match[0], with_requirements(match[0], lines))

"""Write docs/reference.md from the source: questions, variables, check ids, commands."""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from projects import REPOSITORY, Project, environment, export, render

# Answers that together render every variable, check and command.
SAMPLES: tuple[dict[str, Any], ...] = (
    {"private_media": True, "static_serving": "web-server", "database": "postgresql"},
    {"private_media": True, "static_serving": "whitenoise", "database": "postgresql",
     "media_storage": "s3", "object_store": "other", "deployment": "kubernetes"},
    {"private_media": True, "static_serving": "s3", "web_server": "none"},
)  # fmt: skip


def samples(folder: Path) -> list[Path]:
    template = export(folder / "template")
    return [
        render(template, folder / f"{number}", **answers) for number, answers in enumerate(SAMPLES)
    ]


def cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|") or " "


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell(value) for value in line)} |" for line in lines)


def questions() -> str:
    rows = []
    for name, question in yaml.safe_load((REPOSITORY / "copier.yml").read_text("utf-8")).items():
        if name.startswith("_") or question.get("when") is False:
            continue
        choices = question.get("choices", [])
        if isinstance(choices, dict):
            choices = [v["value"] if isinstance(v, dict) else v for v in choices.values()]
        offered = ", ".join(f"`{choice}`" for choice in choices)
        default = question["default"]
        shown = "derived" if "{%" in str(default) else f"`{str(default).lower()}`"
        if question["type"] == "str" and not choices and "{%" not in default:
            shown = f"`{default}`" if default else "empty"
        kind = offered or {"bool": "`true`, `false`", "str": "text"}[question["type"]]
        when = str(question.get("when", "")).strip("{} ")
        rows.append(
            (f"`{name}`", question["help"], kind, shown, f"if `{when}`" if when else "always")
        )
    return table(("Question", "Help", "Choices", "Default", "Asked"), rows)


def variables(projects: list[Path]) -> str:
    """Each variable of .env.example, with the comment that stands above it."""
    found: dict[str, tuple[str, ...]] = {}
    for project in projects:
        comment, fresh, needed = [], True, " "
        for line in (project / ".env.example").read_text("utf-8").splitlines():
            if heading := re.fullmatch("# --- (.+) ---", line):
                needed = "yes" if heading[1] == "Production needs these" else " "
            elif match := re.match(r"#? ?([A-Z][A-Z0-9_]+)=(.*)", line):
                default = f"`{match[2]}`" if match[2] else " "
                found.setdefault(match[1], (f"`{match[1]}`", " ".join(comment), needed, default))
                fresh = True  # what follows at once shares the comment
            elif line.startswith("# "):
                comment = [line[2:]] if fresh else [*comment, line[2:]]
                fresh = False
            else:
                comment, fresh = [], True
    return table(
        ("Variable", "What it is", "Needed in production", "Default or example"), [*found.values()]
    )


def checks(projects: list[Path]) -> str:
    """Each id, the message that has it, and the docstring of the check that reports it."""
    found: dict[str, tuple[str, ...]] = {}
    for project in projects:
        for path in sorted(project.glob("*/files/checks*.py")):
            for check in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(check, ast.FunctionDef) and ast.get_docstring(check):
                    for call in ast.walk(check):
                        for name in identifiers(call):
                            row = (f"`{name}`", message(call), ast.get_docstring(check) or "")
                            found.setdefault(name, row)
    return table(("Id", "Its message", "Why it matters"), [found[name] for name in sorted(found)])


def identifiers(call: ast.AST) -> list[str]:
    """The ids of a call that makes the message of a check."""
    if not isinstance(call, ast.Call):
        return []
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [value.value for value in values if isinstance(value, ast.Constant)]
    return [text for text in texts if re.fullmatch(r"files\.[EW]\d{3}", str(text))]


def message(call: ast.Call) -> str:
    """Its first text; an ellipsis stands for what only a project can say."""
    parts = call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else call.args[:1]
    return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in parts)


def commands(projects: list[Path]) -> str:
    """What each command of a project says of itself."""
    found: dict[str, str] = {}
    for project in projects:
        for path in sorted(project.glob("*/*/management/commands/*.py")):
            if path.stem not in found:
                run = Project(project, environment()).manage
                usage = run(path.stem, "--help", COLUMNS="88").stdout.partition("\n  --version")[0]
                usage = re.sub(r"\s*\[--(version|traceback|skip-checks|no-color|force-color)\]", "",
                               usage)  # fmt: skip
                found[path.stem] = usage.strip()
    return "\n\n".join(f"### {name}\n\n```text\n{found[name]}\n```" for name in sorted(found))


def reference() -> str:
    with tempfile.TemporaryDirectory() as folder:
        projects = samples(Path(folder))
        return f"""# Reference

Generated from the source by `docs/reference.py`.

## Questions

{questions()}

## Variables

The variables of a project are those of its own `.env.example`: only what its choices read.

{variables(projects)}

## System checks

`manage.py check` runs them; those on the way to production, `manage.py check --deploy`.

{checks(projects)}

## Commands

{commands(projects)}
"""


if __name__ == "__main__":
    (REPOSITORY / "docs" / "reference.md").write_text(reference(), encoding="utf-8")

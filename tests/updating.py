"""Copy and update projects as a user does: plain Copier, through git, untrusted."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import yaml
from copier import VcsRef, run_copy, run_update
from pathspec import GitIgnoreSpec
from projects import REPOSITORY, compiled_once
from releases import NOW, commit_all, git

ANSWERS = ".copier-answers.yml"


@functools.cache
def seeded_files(package: str) -> GitIgnoreSpec:
    """Matches the paths that copier.yml lists as seeded."""
    patterns = yaml.safe_load((REPOSITORY / "copier.yml").read_text(encoding="utf-8"))["_exclude"]
    condition = r"\{% if _copier_operation == 'update' %\}(/\S+|/\{\{ package_name \}\}\S*)"
    lines = []
    for pattern in patterns:
        match = re.fullmatch(
            condition + r"\{% endif %\}", pattern.replace("{{ package_name }}", package)
        )
        assert match, f"_exclude lists seeded files, each guarded in the same way: {pattern}"
        lines.append(match[1])
    return GitIgnoreSpec.from_lines(lines)


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file of a project and its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def recorded(project: Path) -> dict[str, Any]:
    """The answers in a project's answers file."""
    answers = yaml.safe_load((project / ANSWERS).read_text(encoding="utf-8"))
    return {name: value for name, value in answers.items() if not name.startswith("_")}


def owned(project: Path) -> dict[str, bytes]:
    """The files that the template keeps up to date."""
    seeded = seeded_files(recorded(project)["package_name"])
    return {name: data for name, data in files_in(project).items() if not seeded.match_file(name)}


def copy(template: Path, project: Path, version: str = NOW, **answers: Any) -> Path:
    """A project of a version, in a git repository of its own."""
    with compiled_once():
        run_copy(
            f"{template}", project, data=answers, vcs_ref=version, defaults=True, quiet=True,
            unsafe=False,
        )  # fmt: skip
    git(project, "init", "--quiet")
    commit_all(project, "Made from the template")
    return project


def update(project: Path, version: str | VcsRef | None = None, **options: Any) -> Path:
    """Update to a version, by default the newest; what is not committed is seen by git diff."""
    data = options.pop("data", {})
    with compiled_once():
        run_update(
            project, data=data, vcs_ref=version, defaults=True, overwrite=True, quiet=True,
            unsafe=False, **options,
        )  # fmt: skip
    return project


def flip(project: Path, **answers: Any) -> Path:
    """Change answers, within the version that the project has."""
    return update(project, VcsRef.CURRENT, data=answers)


def commit(project: Path, message: str = "Work") -> None:
    commit_all(project, message)


def text_files(project: Path) -> list[str]:
    """The owned files that a person edits."""
    return [
        name
        for name, data in owned(project).items()
        if name != ANSWERS and data and b"\0" not in data
    ]

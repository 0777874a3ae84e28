"""The hooks of .pre-commit-config.yaml leave a fresh project as it is."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from combinations import Answers, name
from projects import DJANGO_VERSIONS, render
from releases import git

BIN = Path(sys.executable).parent
# Of a repository of hooks: the distribution that has its programs.
DISTRIBUTIONS = {
    "django-upgrade": "django-upgrade", "djade-pre-commit": "djade",
    "pre-commit-hooks": "pre-commit-hooks", "ruff-pre-commit": "ruff",
}  # fmt: skip
# Of a hook: its program, and which files pre-commit gives it (all texts, where none is named).
PROGRAMS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "check-toml": (["check-toml"], (".toml",)),
    "check-yaml": (["check-yaml"], (".yaml", ".yml")),
    "django-upgrade": (["django-upgrade"], (".py",)),
    "djade": (["djade"], (".html",)),
    "end-of-file-fixer": (["end-of-file-fixer"], ()),
    "ruff-check": (["ruff", "check", "--force-exclude"], (".py",)),
    "ruff-format": (["ruff", "format", "--force-exclude"], (".py",)),
    "trailing-whitespace": (["trailing-whitespace-fixer"], ()),
}
CHOICES: list[Answers] = [
    {"description": "What it is for", "license": "MIT"},
    {"static_serving": "s3", "media_storage": "s3", "private_media": True, "use_docker": False},
    {"static_serving": "web-server", "web_server": "caddy", "private_media": True, "ci": "gitlab"},
    {"database": "postgresql", "media_storage": "s3", "deployment": "kubernetes"},
    {"web_server": "none", "private_media": True, "object_store": "other"},
]


def hooks(project: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Of each hook: the name of its repository, the version, and what the file says of it."""
    config = yaml.safe_load((project / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    return [
        (repository["repo"].rpartition("/")[2], repository["rev"].removeprefix("v"), hook)
        for repository in config["repos"]
        for hook in repository["hooks"]
    ]


@pytest.mark.parametrize("answers", CHOICES, ids=map(name, CHOICES))
@pytest.mark.parametrize("django", DJANGO_VERSIONS)
def test_every_hook_passes_on_a_fresh_project_and_changes_nothing(
    template: Path, tmp_path: Path, django: str, answers: Answers
) -> None:
    project = render(template, tmp_path / "my-site", django_version=django, **answers)
    git(project, "init", "--quiet")
    git(project, "add", ".")
    files = git(project, "ls-files").splitlines()
    for repository, pinned, hook in hooks(project):
        assert version(DISTRIBUTIONS[repository]) == pinned, "constraints.txt pins another"
        program, endings = PROGRAMS.get(hook["id"], ([hook["id"]], ()))
        theirs = [file for file in files if not endings or file.endswith(endings)]
        command = [BIN / program[0], *program[1:], *hook.get("args", []), *theirs]
        result = subprocess.run(command, cwd=project, capture_output=True, text=True)
        changed = git(project, "diff")
        assert not changed, hook["id"]
        assert result.returncode == 0, f"{hook['id']}: {result.stdout}{result.stderr}"

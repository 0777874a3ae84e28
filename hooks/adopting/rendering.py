"""The template's side of the merge: Copier makes a project with the answers that were found."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .git import Refusal, git
from .modules import without
from .plan import Plan

TEMPLATE = Path(__file__).resolve().parents[2]
HOME = "https://github.com/groundwork-django/groundwork"
ANSWERS = ".copier-answers.yml"


def copier() -> list[str]:
    """How Copier is called here."""
    if importlib.util.find_spec("copier"):
        return [sys.executable, "-m", "copier"]
    if found := shutil.which("copier"):
        return [found]
    if found := shutil.which("uvx"):
        return [found, "copier"]
    raise Refusal(
        "Copier was not found, which makes the template's files. Install it, or run this with uv:\n"
        "  uv tool install copier"
    )


def version(template: Path) -> str:
    """The newest release that a clone of the template has; its commit if there is none."""
    return git(template, "describe", "--tags", "--abbrev=0", "--match", "v*", check=False).strip()


def render(made: Plan, folder: Path, template: str, ref: str) -> None:
    """Make the project at `folder`, without what the sample site alone needs."""
    data = folder.parent / "answers.yml"
    data.write_text(json.dumps(made.answers), encoding="utf-8")
    command = [*copier(), "copy", "--defaults", "--quiet", "--data-file", f"{data}"]
    command += ["--vcs-ref", ref] if ref else []
    result = subprocess.run(
        [*command, template, f"{folder}"], capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    if result.returncode:
        raise Refusal("Copier could not use these answers:\n" + last_line(result.stderr))


def last_line(text: str) -> str:
    """What an error says, without where in Copier it arose."""
    return (text.strip().splitlines() or ["It gave no reason."])[-1]


def sample_site_removed(folder: Path, made: Plan) -> None:
    """Take the sample pages and the user model out of the template's render."""
    for name in made.left_out:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    for name in ("config/urls.py", "config/settings/base.py"):
        path = folder / name
        text = without(path.read_text(encoding="utf-8"), made.left_out_modules)
        if name.endswith("base.py"):
            text = re.sub(r"(?m)^(AUTH_USER_MODEL|LOGIN_URL|\w+_REDIRECT_URL) = .*\n", "", text)
        path.write_text(text, encoding="utf-8", newline="\n")

    path = (
        folder / "pyproject.toml"
    )  # the project's own tests decide where and how strictly they run
    text = re.sub(r"(?m)^(testpaths|filterwarnings) = .*\n", "", path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8", newline="\n")


def source_recorded(folder: Path, source: str) -> None:
    """Write in the answers file where updates come from."""
    path = folder / ANSWERS
    plain = re.fullmatch(r"[\w/.:@~+-]+", source)
    value = source if plain else json.dumps(source, ensure_ascii=False)
    text = re.sub(
        r"(?m)^_src_path: .*$",
        lambda _: f"_src_path: {value}",
        path.read_text(encoding="utf-8"),
    )
    path.write_text(text, encoding="utf-8", newline="\n")

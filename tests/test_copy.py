"""copier copy: untrusted, offline, with Copier alone; and what it says."""

from __future__ import annotations

import ast
import io
import os
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
import yaml
from projects import REPOSITORY, export, uv

OFFLINE = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


def copier(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "copier", *arguments],
        env={**os.environ, **OFFLINE, **variables}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def files_in(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def copied(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("copied") / "shop"
    result = copier("copy", "--defaults", "--data", "project_name=Shop", f"{template}", f"{place}")
    assert result.returncode == 0, result.stderr
    assert "Shop is ready" in result.stderr
    assert "uv run manage.py migrate" in result.stderr
    return place


def test_a_project_is_made_from_the_defaults_without_trust_network_or_git(
    template: Path, tmp_path: Path
) -> None:
    result = copier(
        "copy",
        "--defaults",
        f"{template}",
        f"{tmp_path / 'site'}",
        PATH=os.path.dirname(shutil.which("git") or "") + "-not-here",
    )
    # Copier itself calls git; without it on PATH a plain folder is still a template.
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "manage.py").exists()


def test_the_message_at_the_end_is_short(copied: Path, template: Path, tmp_path: Path) -> None:
    said = copier("copy", "--quiet", "--defaults", f"{template}", f"{tmp_path / 'x'}").stderr
    assert said == "" or len(said.splitlines()) <= 6


def test_the_default_project_is_small(copied: Path) -> None:
    names = files_in(copied)
    assert len(names) < 70, sorted(names)
    sources = [n for n in names if n.endswith(".py") and not n.startswith("tests/")]
    lines = {name: lines_of_code((copied / name).read_text("utf-8")) for name in sources}
    assert sum(lines.values()) < 1650, lines


def lines_of_code(source: str) -> int:
    """Lines that hold code: not blank, no comment, not of a docstring."""
    found: set[int] = set()
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
              tokenize.ENDMARKER}  # fmt: skip
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            found.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(found)


def test_a_second_copy_with_the_recorded_answers_changes_nothing(
    copied: Path, template: Path
) -> None:
    before = {name: (copied / name).read_bytes() for name in files_in(copied)}
    answers = copied / ".copier-answers.yml"
    data = {k: v for k, v in yaml.safe_load(answers.read_text()).items() if k[0] != "_"}
    result = copier(
        "copy", "--defaults", "--overwrite",
        *(f"--data={key}={value}" for key, value in data.items() if isinstance(value, str)),
        f"{template}", f"{copied}",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert {name: (copied / name).read_bytes() for name in files_in(copied)} == before


def test_derived_values_are_not_stored_in_the_answers(copied: Path) -> None:
    answers = yaml.safe_load((copied / ".copier-answers.yml").read_text())
    assert not {"edge", "uses_s3", "app_serves_media", "on_kubernetes"} & set(answers)
    assert answers["project_name"] == "Shop"


def test_the_oldest_copier_that_copier_yml_accepts_makes_the_same_project(
    copied: Path, tmp_path: Path
) -> None:
    """The floor is honest: that release is installed and used."""
    template = export(tmp_path / "template")
    floor = yaml.safe_load((REPOSITORY / "copier.yml").read_text())["_min_copier_version"]
    subprocess.run(
        [uv(), "tool", "run", "--python", sys.executable, "--from", f"copier=={floor}", "copier",
         "copy", "--defaults", "--quiet", "--data", "project_name=Shop", f"{template}",
         f"{tmp_path / 'shop'}"],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert files_in(tmp_path / "shop") == files_in(copied)
    for name in files_in(copied) - {".copier-answers.yml"}:
        assert (tmp_path / "shop" / name).read_bytes() == (copied / name).read_bytes(), name

"""Hypothesis answers the questions: every outcome is a sentence, or a project that holds the text."""

from __future__ import annotations

import ast
import os
import shutil
import tempfile
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import combinations
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from projects import render
from test_answers import constants, markdown_text

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
fuzz = settings(
    max_examples=EXAMPLES, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip

SHARP = st.sampled_from([*"'\"\\{}%#:$`<>&|*_[]()!~-+=@/,; \t\n\u200f\u202e\u2028\x00\x85🎉é", "{{",
                         "}}", "{%", "%}", "{#", "'''", '"""', "\\N{BEL}", "${{", "---"])  # fmt: skip
TEXT = st.one_of(st.text(max_size=90), st.lists(SHARP, max_size=30).map("".join))


def outcome(template: Path, **answers: Any) -> tuple[Path | None, str]:
    """The project, or the sentence of refusal."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        return render(template, folder / "site", **answers), ""
    except ValueError as error:
        shutil.rmtree(folder)
        return None, str(error)


def check_sentence(sentence: str) -> None:
    assert sentence.startswith(("Validation error for question", "Invalid choice for"))
    assert sentence.rstrip().endswith("."), sentence
    assert len(sentence) > 60


def check_files(project: Path) -> None:
    for path in project.rglob("*"):
        if path.suffix == ".py":
            ast.parse(path.read_text(encoding="utf-8"), path)
        elif path.suffix in (".yml", ".yaml"):
            list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        elif path.suffix == ".toml":
            tomllib.loads(path.read_text(encoding="utf-8"))


@fuzz
@given(name=TEXT, description=TEXT, author=TEXT)
def test_free_text_is_refused_or_shown_unchanged(
    template: Path, name: str, description: str, author: str
) -> None:
    project, sentence = outcome(
        template, project_name=name, description=description, user_name=author,
        project_slug="site", package_name="site_app",
    )  # fmt: skip
    if project is None:
        check_sentence(sentence)
        return
    check_files(project)
    texts = constants(project / "config/settings/base.py")
    assert {("SITE_NAME", name), ("SITE_DESCRIPTION", description)} <= texts
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert table.get("description", "") == description
    if author:
        assert table["authors"][0]["name"] == author
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers["project_name"] == name
    heading = (project / "README.md").read_text(encoding="utf-8").split("\n")[0]
    assert "".join(markdown_text(heading).split()) == "".join(name.split())
    shutil.rmtree(project.parent)


@fuzz
@given(name=TEXT)
def test_any_title_that_is_taken_gives_names_that_are_taken(template: Path, name: str) -> None:
    project, sentence = outcome(template, project_name=name)
    if project is None:
        assert "question 'project_name'" in sentence
        check_sentence(sentence)
        return
    check_files(project)
    shutil.rmtree(project.parent)


NAMES = st.one_of(
    TEXT, st.from_regex(r"[a-zA-Z_][a-z0-9_/.-]{0,20}"),
    st.sampled_from(["class", "django", "config", "tests", "email", "Café", "a/b", "..", "1a"]),
)  # fmt: skip


@fuzz
@given(slug=NAMES, package=NAMES)
def test_names_are_refused_or_importable(template: Path, slug: str, package: str) -> None:
    project, sentence = outcome(template, project_slug=slug, package_name=package)
    if project is None:
        check_sentence(sentence)
        return
    assert package.isidentifier()
    assert unicodedata.is_normalized("NFKC", package)
    assert (project / package / "__init__.py").exists()
    check_files(project)
    shutil.rmtree(project.parent)


@fuzz
@given(
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(v) for name, v in combinations.choices().items()}
    )
)
def test_any_data_file_is_refused_or_gives_a_project(
    template: Path, answers: dict[str, Any]
) -> None:
    project, sentence = outcome(template, **answers)
    if project is None:
        check_sentence(sentence)
        return
    check_files(project)
    shutil.rmtree(project.parent)

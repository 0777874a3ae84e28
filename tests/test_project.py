"""The matrix: projects of many answers, parsed, linted, checked, collected, tested."""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import combinations
import httpx
import pytest
import yaml
from leftovers import leftovers
from projects import PRODUCTION, Project, environment, render

RUFF = Path(sys.executable).with_name("ruff")
ALL = {combinations.name(a): a for a in [*combinations.pairwise(), *combinations.of_files()]}
CHOSEN = (
    ALL if os.environ.get("NIGHTLY") else {combinations.name(a): a for a in combinations.pairwise()}
)
DEFAULTS = {name: values[0] for name, values in combinations.choices().items()}

VARIABLES = {
    **PRODUCTION,
    "STATIC_BUCKET": "static-of-the-site",
    "MEDIA_BUCKET": "uploads-of-the-site",
    "PRIVATE_BUCKET": "private-of-the-site",
    "S3_ENDPOINT_URL": "https://s3.example.com",
    "S3_REGION": "eu-central-1",
    "STATIC_CDN_DOMAIN": "static.example.com",
    "MEDIA_CDN_DOMAIN": "media.example.com",
    "DJANGO_CLIENT_IP_HEADER": "X-Forwarded-For",
}


def test_every_two_answers_that_can_be_given_together_are_given_together() -> None:
    offered = combinations.choices()
    met = {pair for answers in combinations.pairwise() for pair in two_and_two(answers)}
    for values in itertools.product(*(offered[name] for name in combinations.BOUND)):
        answers = combinations.asked(dict(zip(combinations.BOUND, values, strict=True)))
        if combinations.possible(answers):
            assert two_and_two(answers) <= met
    for one in offered.keys() - set(combinations.BOUND):
        for other in offered.keys() - {one}:
            for pair in itertools.product(offered[one], offered[other]):
                assert frozenset(zip((one, other), pair, strict=True)) in met


def two_and_two(answers: dict[str, Any]) -> set[frozenset[tuple[str, Any]]]:
    return {frozenset(two) for two in itertools.combinations(answers.items(), 2)}


@pytest.fixture(scope="module", params=list(ALL), ids=list(ALL))
def rendered(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    answers = ALL[request.param]
    place = tmp_path_factory.mktemp("matrix") / "my-site"
    render(template, place, **answers)
    return place, {**DEFAULTS, **answers}


def test_every_combination_parses_is_lint_free_and_has_no_leftovers(
    rendered: tuple[Path, dict[str, Any]],
) -> None:
    project, answers = rendered
    for path in project.rglob("*"):
        if path.is_file():
            parse(path)
    assert leftovers(project, answers) == []
    short = ["check", "--quiet", "--select", "E501", "--exclude", "migrations"]
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"], short):
        result = subprocess.run(
            [RUFF, *command, "--no-cache", "."], cwd=project, capture_output=True, text=True
        )
        assert not result.returncode, result.stdout + result.stderr


def parse(path: Path) -> None:
    match path.suffix:
        case ".py":
            ast.parse(path.read_text(encoding="utf-8"), path)
        case ".toml":
            tomllib.loads(path.read_text(encoding="utf-8"))
        case ".json":
            json.loads(path.read_text(encoding="utf-8"))
        case ".yml" | ".yaml":
            list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        case ".html" | ".css":
            text = path.read_text(encoding="utf-8")
            assert text.count("{%") == text.count("%}")
            assert text.count("{") == text.count("}")


@pytest.fixture(scope="module", params=list(CHOSEN), ids=list(CHOSEN))
def chosen(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    answers = CHOSEN[request.param]
    place = tmp_path_factory.mktemp("chosen") / "my-site"
    render(template, place, **answers)
    return Project(place, environment(answers["django_version"]))


def test_a_chosen_combination_checks_collects_types_and_passes_its_own_tests(
    chosen: Project, database_url: Callable[[Project], str], worker_id: str
) -> None:
    url = database_url(chosen)
    variables = {**VARIABLES, "DATABASE_URL": url}
    assert chosen.run("env", "-i", f"{chosen.python}", "manage.py", "collectstatic", "--noinput")
    assert "no issues" in chosen.manage("check", DATABASE_URL=url).stdout
    deploy = chosen.manage("check", "--deploy", "--fail-level", "WARNING", **variables)
    assert "no issues" in deploy.stdout
    chosen.manage("makemigrations", "--check", DATABASE_URL=url)
    chosen.run("mypy", ".", "--cache-dir", f"{chosen.environment / f'.mypy_cache-{worker_id}'}")
    chosen.run("pytest", "-q", "-p", "no:cacheprovider", DATABASE_URL=url)


@pytest.fixture(scope="module")
def database_url(request: pytest.FixtureRequest) -> Callable[[Project], str]:
    """The DATABASE_URL for a project: its own SQLite file, or a database of the real server."""

    def url(project: Project) -> str:
        if "psycopg" in (project.path / "pyproject.toml").read_text(encoding="utf-8"):
            return request.getfixturevalue("postgres").new_database()
        return f"sqlite:///{project.path / 'db.sqlite3'}"

    return url


def test_two_projects_in_development_do_not_sign_each_other_out(
    make_project: Callable[..., Project],
) -> None:
    """A browser keeps the cookies of 127.0.0.1 together, whatever the port."""
    runserver = ("python", "manage.py", "runserver", "127.0.0.1:{port}", "--noreload")
    email, password = "ada@example.com", "a-good-password-of-ada"
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(httpx.Client(timeout=60))
        urls = []
        for name in ("first_site", "second_site"):
            project = make_project(package_name=name)
            project.manage("migrate")
            project.shell(
                "from django.contrib.auth import get_user_model as model\n"
                f"model().objects.create_user({email!r}, {password!r})"
            )
            urls.append(stack.enter_context(project.serve(*runserver)).url)
        for url in urls:
            browser.get(f"{url}/account/sign-in/")
            data = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
            data |= {"username": email, "password": password}
            answer = browser.post(f"{url}/account/sign-in/", data=data)
            assert answer.status_code == 302
        assert [browser.get(f"{url}/account/").status_code for url in urls] == [200, 200]

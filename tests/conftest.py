"""Fixtures of every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import projects
import pytest
from postgres import postgres  # noqa: F401
from projects import Project
from s3_server import s3, s3_server  # noqa: F401


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree's template, exported once."""
    return projects.export(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def make_project(
    template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Project]:
    """Render a project into a folder of its own, e.g. make_project(static_serving="s3")."""

    def make(django_version: str = "6.1", **answers: Any) -> Project:
        path = tmp_path_factory.mktemp("project") / "my-site"
        projects.render(template, path, django_version=django_version, **answers)
        return Project(path, projects.environment(django_version))

    return make


@pytest.fixture(scope="session")
def default_project(make_project: Callable[..., Project]) -> Project:
    """A project with every default, migrated; tests read it and write only uploads."""
    project = make_project()
    project.manage("migrate")
    return project

"""Teams: presets, a person's settings.yml, many projects at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from combinations import asked, choices, possible
from projects import REPOSITORY, Project, environment
from releases import commit_all, git, history, tagged
from updating import copy, recorded

PRESETS = sorted((REPOSITORY / "presets").glob("*.yml"))


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template with two releases; the second changes the first line of config/wsgi.py."""
    place = history(tmp_path_factory.mktemp("teams") / "groundwork")
    file = place / "template" / "config" / "wsgi.py"
    rest = file.read_text(encoding="utf-8").split("\n", 1)[1]
    file.write_text('"""Changed by the template."""\n' + rest, encoding="utf-8")
    return tagged(place, "v99.1.0")


# --- Presets --------------------------------------------------------------------------------------


def test_the_presets_are_those_that_the_documents_promise() -> None:
    assert [path.stem for path in PRESETS] == ["cluster", "paas", "single-server", "small-site"]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_makes_a_project_that_is_as_it_says(
    template: Path, tmp_path: Path, preset: Path
) -> None:
    answers = yaml.safe_load(preset.read_text(encoding="utf-8"))
    offered = choices()
    assert all(value in offered[name] for name, value in answers.items())
    every = {name: values[0] for name, values in offered.items()} | answers
    assert possible(every)
    assert asked(every).items() >= answers.items(), "it answers a question that is not asked"
    result = subprocess.run(
        [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", "--data-file", preset,
         template, tmp_path / "site"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert recorded(tmp_path / "site").items() >= answers.items()
    site = Project(tmp_path / "site", environment())
    variables = {"DATABASE_URL": "sqlite:///:memory:"} if every["database"] != "sqlite" else {}
    assert "no issues" in site.manage("check", **variables).stdout


def test_a_teams_own_file_overrides_a_preset(template: Path, tmp_path: Path) -> None:
    own = yaml.safe_load(PRESETS[0].read_text()) | {"user_name": "Example Ltd", "ci": "gitlab"}
    (tmp_path / "team.yml").write_text(yaml.safe_dump(own))
    subprocess.run(
        [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", "--data-file",
         tmp_path / "team.yml", "--data", "ci=none", template, tmp_path / "site"],
        check=True, capture_output=True,
    )  # fmt: skip
    answers = recorded(tmp_path / "site")
    assert (answers["user_name"], answers["ci"]) == ("Example Ltd", "none")


def test_a_persons_settings_fill_what_they_can(template: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text(
        "defaults:\n  user_name: Ada Lovelace\n  user_email: ada@example.com\n  ci: gitlab\n"
    )
    subprocess.run(
        [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", template,
         tmp_path / "site"],
        check=True, capture_output=True,
        env={**os.environ, "COPIER_SETTINGS_PATH": f"{tmp_path / 'settings.yml'}"},
    )  # fmt: skip
    answers = recorded(tmp_path / "site")
    assert (answers["user_name"], answers["ci"]) == ("Ada Lovelace", "gitlab")
    assert "ada@example.com" in (tmp_path / "site" / "pyproject.toml").read_text(encoding="utf-8")


# --- Many projects --------------------------------------------------------------------------------


def update_many(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, REPOSITORY / "hooks" / "update_many.py", *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", timeout=300,
    )  # fmt: skip


@pytest.fixture
def fleet(releases: Path, tmp_path: Path) -> dict[str, Path]:
    """Projects in all the states that a team's are in."""
    first = copy(releases, tmp_path / "old", "v99.0.0")
    fleet = {"old": first}
    for name in ("conflict", "dirty", "new"):
        fleet[name] = tmp_path / name
        git(tmp_path, "clone", "--quiet", "old", name)
    for project in fleet.values():
        git(project, "config", "user.name", "Tests")
        git(project, "config", "user.email", "tests@example.com")
    wsgi = fleet["conflict"] / "config" / "wsgi.py"
    wsgi.write_text('"""Changed by us."""\n' + wsgi.read_text().split("\n", 1)[1])
    commit_all(fleet["conflict"], "Ours")
    (fleet["dirty"] / "manage.py").write_text("# unfinished\n")
    answers = fleet["new"] / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("v99.0.0", "v99.1.0"))
    wsgi = fleet["new"] / "config" / "wsgi.py"
    wsgi.write_text('"""Changed by the template."""\n' + wsgi.read_text().split("\n", 1)[1])
    commit_all(fleet["new"], "As new")
    fleet["foreign"] = tmp_path / "foreign"
    fleet["foreign"].mkdir()
    return fleet


def test_a_dry_run_says_what_would_be_done_and_does_nothing(fleet: dict[str, Path]) -> None:
    result = update_many("--dry-run", *fleet.values())
    text = result.stdout
    assert "would update" in next(line for line in text.splitlines() if "/old" in line)
    assert "v99.0.0 → v99.1.0" in text
    assert "up to date" in next(line for line in text.splitlines() if "/new" in line)
    assert result.returncode == 1
    assert git(fleet["old"], "branch", "--list", "update-template") == ""


def test_many_projects_are_updated_and_a_report_says_how_each_fared(
    fleet: dict[str, Path], tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(fleet["old"], "remote", "add", "origin", f"{tmp_path / 'remote.git'}")
    (tmp_path / "list.txt").write_text("# ours\n" + "".join(f"{p}\n" for p in fleet.values()))
    result = update_many(
        "--list", tmp_path / "list.txt", "--jobs", "3", "--report", tmp_path / "report.json",
        "--push", "--test", f'"{sys.executable}" -c "import config"',
    )  # fmt: skip
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    report = {
        Path(entry["project"]).name: entry
        for entry in json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    }
    outcomes = {name: entry["outcome"] for name, entry in report.items()}
    assert outcomes == {
        "old": "updated", "conflict": "conflicts", "dirty": "failed", "new": "up to date",
        "foreign": "failed",
    }  # fmt: skip
    assert report["conflict"]["conflicts"] == ["config/wsgi.py"]
    assert "not committed" in report["dirty"]["detail"]
    assert ".copier-answers.yml" in report["foreign"]["detail"]
    assert (fleet["dirty"] / "manage.py").read_text() == "# unfinished\n"

    old = fleet["old"]
    assert git(old, "branch", "--show-current").strip() == "update-template"
    assert git(old, "status", "--porcelain") == ""
    pushed = git(tmp_path / "remote.git", "rev-parse", "update-template")
    assert pushed == git(old, "rev-parse", "HEAD")
    assert report["old"]["detail"] == "pushed"
    assert "template to v99.1.0" in git(old, "log", "-1", "--format=%s")
    assert "Changed by the template" in (old / "config/wsgi.py").read_text()
    assert git(fleet["conflict"], "branch", "--show-current").strip() == "update-template"
    assert "<<<<<<<" in (fleet["conflict"] / "config/wsgi.py").read_text()
    assert git(fleet["new"], "branch", "--list", "update-template") == ""


def test_a_project_whose_update_fails_is_left_as_it_was(fleet: dict[str, Path]) -> None:
    project = fleet["old"]
    before = git(project, "rev-parse", "HEAD")
    result = update_many(project, "--data", "deployment=kubernetes")
    assert result.returncode == 1
    assert "failed" in result.stdout
    assert git(project, "rev-parse", "HEAD") == before
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "branch", "--list", "update-template") == ""


# --- A fork ---------------------------------------------------------------------------------------


def test_a_fork_follows_upstream(releases: Path, tmp_path: Path) -> None:
    """As docs/teams.md says it: merge a release, tag it, and the projects follow."""
    fork = tmp_path / "fork"
    git(tmp_path, "clone", "--quiet", f"{releases}", "fork")
    git(fork, "switch", "--quiet", "--create", "ours", "v99.0.0")
    (fork / "template" / "TEAM.md").write_text("How we work.\n")
    tagged(fork, "v99.0.1")
    project = copy(fork, tmp_path / "project", "v99.0.1")
    assert (project / "TEAM.md").exists()
    git(fork, "merge", "--quiet", "--no-edit", "v99.1.0")
    tagged(fork, "v99.1.1")
    result = update_many(project)
    assert "updated" in result.stdout, result.stdout + result.stderr
    assert (project / "TEAM.md").exists()
    assert "Changed by the template" in (project / "config/wsgi.py").read_text()

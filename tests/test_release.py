"""The list of releases, the changelog, and the tool that makes a release."""

from __future__ import annotations

import datetime
import re
import subprocess
from pathlib import Path

import pytest
import release
from projects import REPOSITORY
from releases import NOW, commit_all, git, history, released

TODAY = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
CHANGELOG = f"""# Changelog

## [1.1.0] - {TODAY}

### Added

- Something.

### What a project must do

Nothing: `copier update`.

## [1.0.0] - 2026-01-01

### What a project must do

Nothing.

[1.1.0]: https://example.com/
"""


# --- This repository ------------------------------------------------------------------------------


def test_every_release_is_a_commit_of_this_history() -> None:
    for entry in released():
        assert git(REPOSITORY, "cat-file", "-t", entry.commit).strip() == "commit"
        result = subprocess.run(
            ["git", "merge-base", "--is-ancestor", entry.commit, "HEAD"], cwd=REPOSITORY
        )
        assert result.returncode == 0, f"{entry.version} is not in the history of HEAD"


def test_releases_are_listed_once_and_in_order() -> None:
    versions = [release.numbers(entry.version) for entry in released()]
    assert versions == sorted(set(versions))
    assert versions


def test_the_tags_are_made_again_in_a_clone_that_has_none(tmp_path: Path) -> None:
    place = history(tmp_path / "groundwork")
    tags = git(place, "for-each-ref", "refs/tags", "--format=%(refname:short) %(objecttype)")
    assert set(tags.splitlines()) == {
        f"{name} tag" for name in [NOW, *(entry.version for entry in released())]
    }


def test_the_changelog_has_every_release_and_says_what_a_project_must_do() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?ms)^## \[(\d\S*)\] - \d{4}-\d\d-\d\d\n(.*?)(?=^## |\Z)", text))
    for entry in released():
        assert release.NOTES in sections[entry.version.removeprefix("v")]
    assert text.startswith("# Changelog\n")
    assert "keepachangelog.com" in text


# --- The tool -------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet")
    git(root, "config", "user.name", "Tests")
    git(root, "config", "user.email", "tests@example.com")
    (root / "CHANGELOG.md").write_text(CHANGELOG)
    (root / "copier.yml").write_text("name: {type: str, default: x}\n")
    (root / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.0.0"\n')
    commit_all(root, "Begin")
    (root / "releases.txt").write_text(f"v1.0.0 {git(root, 'rev-parse', 'HEAD').strip()}\n")
    commit_all(root, "Record the commit of 1.0.0")
    return root


def test_a_release_is_a_tag_and_its_commit_is_recorded(repository: Path) -> None:
    assert release.main(["1.1.0", "--tests", "true"], repository) == 0
    assert git(repository, "cat-file", "-t", "v1.1.0").strip() == "tag"
    tagged = git(repository, "rev-parse", "v1.1.0^{commit}").strip()
    assert released(repository / "releases.txt")[-1] == release.Release("v1.1.0", tagged)
    assert 'version = "1.1.0"' in git(repository, "show", "v1.1.0:pyproject.toml")
    subjects = git(repository, "log", "-2", "--format=%s").splitlines()
    assert subjects == ["Record the commit of 1.1.0", "1.1.0 is released"]
    assert git(repository, "status", "--porcelain") == ""
    assert release.main(["1.1.0", "--tests", "true"], repository) == 1


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))
    commit_all(root, "Edit")


@pytest.mark.parametrize(
    ("version", "edits", "reason"),
    [
        ("1.1", [], "not a version"),
        ("1.0.0", [], "not higher than v1.0.0"),
        ("1.2.0", [], "no section"),
        ("1.1.0", [("CHANGELOG.md", TODAY, "2020-01-01")], "dates 1.1.0 2020-01-01"),
        ("1.1.0", [("CHANGELOG.md", "### What a project must do\n\nNothing: `copier update`.",
                    "")], "What a project must do"),
        ("1.1.0", [("CHANGELOG.md", "Nothing: `copier update`.", "")], "with a text"),
        ("1.1.0", [("copier.yml", "name:", "_migrations:\n  - version: v1.1.0\n    command: x\n"
                    "name:")], "new major version"),
        ("2.0.0", [("CHANGELOG.md", "1.1.0", "2.0.0"),
                   ("copier.yml", "name:", "_migrations:\n  - version: v2.0.0\n    command: x\n"
                    "name:")], "has to name --trust"),
    ],
)  # fmt: skip
def test_what_is_not_ready_is_not_released(
    repository: Path, version: str, edits: list[tuple[str, str, str]], reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for entry in edits:
        edit(repository, *entry)
    assert release.main([version, "--tests", "true"], repository) == 1
    assert reason in capsys.readouterr().err
    assert git(repository, "tag", "--list") == ""


def test_failing_tests_and_a_dirty_tree_stop_a_release(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main(["1.1.0", "--tests", "false"], repository) == 1
    assert "tests fail" in capsys.readouterr().err
    (repository / "new.txt").write_text("x")
    assert release.main(["1.1.0", "--tests", "true"], repository) == 1
    assert "not committed" in capsys.readouterr().err
    assert git(repository, "tag", "--list") == ""

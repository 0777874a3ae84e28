"""hooks/migrations.py: edits follow a file that a release moves or splits.

No release has needed it yet: a move and a split are rehearsed, in a copy of the template.
"""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest
from copier import run_update
from copier.errors import UnsafeTemplateError
from projects import compiled_once
from releases import NOW, git, history, tagged
from updating import commit, copy

from hooks import migrations

REHEARSAL = '''

@migration("100.0.0")
def rehearsed(project: Project) -> None:
    """The log settings move, and the caches are split."""
    project.moved("config/logs.txt", "config/logging/logs.txt")
    project.split("config/parts.txt", ["config/first.txt", "config/second.txt"])
'''
COMMAND = """
_migrations:
  - version: v100.0.0
    command: ["{{ _copier_python }}", "{{ _copier_conf.src_path }}/hooks/migrations.py",
              "{{ _stage }}", "{{ _version_from }}", "{{ _version_to }}"]
    when: "{{ _stage in ['before', 'after'] }}"
"""
LOGS = "".join(f"log line {number}\n" for number in range(12))
FIRST = "\n\n".join(f"first {n} a\nfirst {n} b\nfirst {n} c" for n in range(4)) + "\n"
SECOND = "\n\n".join(f"second {n} a\nsecond {n} b\nsecond {n} c" for n in range(4)) + "\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NOW has two files more; v100.0.0 moves the one and splits the other."""
    place = history(tmp_path_factory.mktemp("rehearsal") / "groundwork")
    config = place / "template" / "config"
    (config / "logs.txt").write_text(LOGS)
    (config / "parts.txt").write_text(FIRST + "\n" + SECOND)
    tagged(place, "v99.1.0")
    (config / "logging").mkdir()
    (config / "logs.txt").unlink()
    (config / "parts.txt").unlink()
    (config / "logging" / "logs.txt").write_text(
        LOGS.replace("line 2\n", "line 2, as the template now has it\n")
    )
    (config / "first.txt").write_text(FIRST)
    (config / "second.txt").write_text(SECOND)
    hook = place / "hooks" / "migrations.py"
    hook.parent.mkdir(exist_ok=True)
    text = Path(migrations.__file__).read_text(encoding="utf-8")
    hook.write_text(text.replace("\n\ndef run(", REHEARSAL + "\n\ndef run("), encoding="utf-8")
    copier_yml = place / "copier.yml"
    copier_yml.write_text(copier_yml.read_text(encoding="utf-8") + COMMAND, encoding="utf-8")
    return tagged(place, "v100.0.0")


def edited(template: Path, project: Path, **edits: tuple[str, str]) -> Path:
    copy(template, project, "v99.1.0")
    for name, (old, new) in edits.items():
        path = project / "config" / f"{name}.txt"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    commit(project)
    return project


def migrate(project: Path) -> None:
    with compiled_once():
        run_update(project, defaults=True, overwrite=True, quiet=True, unsafe=True)


def test_edits_follow_a_file_that_moved(template: Path, tmp_path: Path) -> None:
    project = edited(template, tmp_path / "project", logs=("log line 8\n", "log line 8\nMINE\n"))
    migrate(project)
    text = (project / "config/logging/logs.txt").read_text()
    assert "log line 8\nMINE\n" in text
    assert "line 2, as the template now has it" in text
    assert "<<<<<<<" not in text
    assert not (project / "config/logs.txt").exists()
    assert not list((project / ".git" / "groundwork-update").rglob("*.txt*"))


def test_a_file_that_moved_and_was_edited_in_the_same_place_has_markers(
    template: Path, tmp_path: Path
) -> None:
    project = edited(template, tmp_path / "project", logs=("log line 2\n", "MY LINE 2\n"))
    migrate(project)
    text = (project / "config/logging/logs.txt").read_text()
    assert text.count("<<<<<<< before updating") == 1
    assert "MY LINE 2" in text
    assert "line 2, as the template now has it" in text


def test_edits_go_into_the_part_that_has_their_surroundings(template: Path, tmp_path: Path) -> None:
    project = edited(
        template, tmp_path / "project",
        parts=("first 1 b\n", "first 1 b\nMINE IN THE FIRST\n"),
    )  # fmt: skip
    path = project / "config" / "parts.txt"
    path.write_text(path.read_text().replace("second 2 b", "SECOND CHANGED BY ME"))
    commit(project)
    migrate(project)
    first = (project / "config/first.txt").read_text()
    second = (project / "config/second.txt").read_text()
    assert first == FIRST.replace("first 1 b\n", "first 1 b\nMINE IN THE FIRST\n")
    assert second == SECOND.replace("second 2 b", "SECOND CHANGED BY ME")
    assert not list(project.rglob("*.before-update"))


def test_an_edit_that_fits_nowhere_is_kept_in_a_file_of_its_own(
    template: Path, tmp_path: Path
) -> None:
    project = edited(
        template, tmp_path / "project", parts=("first 0 a", "A PARAGRAPH OF MINE\n\nfirst 0 a")
    )
    migrate(project)
    everything = "".join(
        path.read_text() for path in (project / "config").glob("*.txt*")
    ) + "".join(path.read_text() for path in project.rglob("*.before-update"))
    assert "A PARAGRAPH OF MINE" in everything


def test_edits_committed_together_with_the_copy_are_the_users_too(
    template: Path, tmp_path: Path
) -> None:
    project = edited(template, tmp_path / "project", logs=("log line 8\n", "log line 8\nMINE\n"))
    git(project, "reset", "--soft", "HEAD~1")
    git(project, "commit", "--quiet", "--amend", "--message", "All in one")
    migrate(project)
    assert "MINE" in (project / "config/logging/logs.txt").read_text()


def test_without_trust_copier_says_so_and_changes_nothing(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path / "project", "v99.1.0")
    with pytest.raises(UnsafeTemplateError, match="trust"):
        run_update(project, defaults=True, overwrite=True, quiet=True, unsafe=False)
    assert git(project, "status", "--porcelain") == ""


def test_a_project_of_a_release_before_needs_no_trust_up_to_the_migration(
    template: Path, tmp_path: Path
) -> None:
    project = copy(template, tmp_path / "project", NOW)
    run_update(project, vcs_ref="v99.1.0", defaults=True, overwrite=True, quiet=True, unsafe=False)
    assert (project / "config/logs.txt").exists()


def test_only_the_migrations_between_two_versions_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    entries = [((2, 0, 0), "b"), ((1, 1, 0), "a"), ((3, 0, 0), "c")]
    monkeypatch.setattr(
        migrations,
        "MIGRATIONS",
        [(version, lambda _, name=name: ran.append(name)) for version, name in entries],
    )
    migrations.run("before", "v1.0.0", "v2.0.0", Path())
    assert ran == ["a", "b"]
    with pytest.raises(SystemExit, match="not a version"):
        migrations.run("before", "main", "v2.0.0", Path())


def test_every_migration_is_documented() -> None:
    tree = ast.parse(Path(migrations.__file__).read_text(encoding="utf-8"))
    assert dedent(ast.get_docstring(tree) or "").startswith("Migrations of releases")
    assert all(function.__doc__ for _, function in migrations.MIGRATIONS)

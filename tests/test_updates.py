"""copier update: from every release, it keeps what the user did and brings what is new."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from combinations import choices
from copier import VcsRef
from releases import NOW, Release, git, history, released, tagged
from updating import (
    ANSWERS,
    commit,
    copy,
    files_in,
    flip,
    owned,
    recorded,
    seeded_files,
    text_files,
    update,
)

SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "buckets": {
        "project_name": 'Été "{{ 7 * 7 }}" {% if %}',
        "project_slug": "shop",
        "package_name": "shop",
        "description": "50 % off: {# no comment #} \\ 'quoted' 日本語",
        "static_serving": "s3",
        "media_storage": "s3",
        "private_media": True,
        "database": "postgresql",
        "object_store": "cloudflare-r2",
        "deployment": "kubernetes",
        "license": "MIT",
    },
    "servers": {
        "django_version": "5.2",
        "python_version": "3.12",
        "static_serving": "web-server",
        "web_server": "caddy",
        "private_media": True,
        "use_docker": False,
        "ci": "gitlab",
    },
}
RELEASES = [pytest.param(release, id=release.version) for release in released()]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return history(tmp_path_factory.mktemp("history") / "groundwork")


@pytest.fixture(scope="module")
def fresh(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """A fresh copy of the working tree, with the answers that a project has recorded."""
    copies: dict[str, Path] = {}

    def fresh_copy(project: Path) -> Path:
        answers = recorded(project)
        key = repr(sorted(answers.items()))
        if key not in copies:
            place = tmp_path_factory.mktemp("fresh") / "project"
            copies[key] = copy(template, place, **answers)
        return copies[key]

    return fresh_copy


# --- Nothing was edited ---------------------------------------------------------------------------


@pytest.mark.parametrize("answers", SETS.values(), ids=SETS)
@pytest.mark.parametrize("release", RELEASES)
def test_an_untouched_project_becomes_what_a_fresh_copy_is(
    template: Path, fresh: Any, tmp_path: Path, release: Release, answers: dict[str, Any]
) -> None:
    project = copy(template, tmp_path / "project", release.version, **answers)
    before = files_in(project)
    update(project)
    assert owned(project) == owned(fresh(project))
    assert f"_commit: {NOW}" in (project / ANSWERS).read_text(encoding="utf-8")
    seeded = seeded_files(recorded(project)["package_name"]).match_file
    assert {name: data for name, data in files_in(project).items() if seeded(name)} == {
        name: data for name, data in before.items() if seeded(name)
    }
    for name, value in answers.items():
        assert recorded(project)[name] == value


@pytest.mark.parametrize("answers", SETS.values(), ids=SETS)
def test_an_update_to_the_same_version_changes_nothing(
    template: Path, tmp_path: Path, answers: dict[str, Any]
) -> None:
    project = copy(template, tmp_path / "project", **answers)
    update(project)
    assert git(project, "status", "--porcelain") == ""


# --- The user edited ------------------------------------------------------------------------------


def mark(project: Path, name: str, line: str, number: int, how: str) -> None:
    """Append, insert or change a line, so that it contains `line`."""
    lines = (project / name).read_text(encoding="utf-8").splitlines()
    number %= len(lines)
    if how == "append":
        lines.append(line)
    elif how == "insert":
        lines.insert(number, line)
    else:
        lines[number] = f"{lines[number]}  # {line}"
    (project / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def marked(project: Path, name: str) -> bool:
    return "\n<<<<<<< " in "\n" + (project / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "answers", [SETS["defaults"], SETS["buckets"]], ids=["defaults", "buckets"]
)
def test_edits_in_every_owned_file_survive(
    template: Path, tmp_path: Path, release: Release, answers: dict[str, Any]
) -> None:
    project = copy(template, tmp_path / "project", release.version, **answers)
    names = text_files(project)
    assert len(names) > 30
    for name in names:
        mark(project, name, f"appended to {name}", 0, "append")
        mark(project, name, f"inserted in {name}", len(name), "insert")
        mark(project, name, f"changed in {name}", len(name) * 7, "change")
    commit(project)
    update(project)
    for name in names:
        assert (project / name).exists(), f"{name} went: its edits need a migration"
        text = (project / name).read_text(encoding="utf-8")
        for edit in ("appended to", "inserted in", "changed in"):
            assert f"{edit} {name}" in text
    unmerged = set(git(project, "diff", "--name-only", "--diff-filter=U").splitlines())
    assert unmerged == {name for name in names if marked(project, name)}
    assert not list(project.rglob("*.rej"))


@pytest.mark.parametrize("release", RELEASES)
def test_a_hundred_random_edits_survive(template: Path, tmp_path: Path, release: Release) -> None:
    project = copy(template, tmp_path / "project", release.version)
    names, chance = text_files(project), random.Random(20_261_124)
    edits = []
    for number in range(100):
        name, how = chance.choice(names), chance.choice(["append", "insert", "change"])
        mark(project, name, f"edit {number:03}", chance.randrange(10_000), how)
        edits.append((name, f"edit {number:03}"))
    commit(project)
    update(project)
    gone = {name for name, _ in edits if not (project / name).exists()}
    assert not gone, "they went: their edits need a migration"
    assert not [
        (name, edit)
        for name, edit in edits
        if edit not in (project / name).read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_deleted_renamed_and_own_files_stay_as_the_user_left_them(
    template: Path, tmp_path: Path, release: Release
) -> None:
    project = copy(template, tmp_path / "project", release.version)
    package = recorded(project)["package_name"]
    seeded = next(name for name in files_in(project) if name.startswith("templates/"))
    deleted = [".editorconfig", f"{package}/pages/views.py", seeded]
    for name in deleted:
        (project / name).unlink()
    git(project, "mv", "config/wsgi.py", "config/server.py")
    mark(project, "config/server.py", "SERVER = 1", 0, "append")
    own = {"config/settings/own.py": b"OWN = True\n", f"{package}/shop/models.py": b"# mine\n"}
    for name, data in own.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(data)
    renamed = (project / "config" / "server.py").read_bytes()
    commit(project)
    update(project)
    after = files_in(project)
    assert not set(after) & {*deleted, "config/wsgi.py"}
    assert after["config/server.py"] == renamed
    assert {name: after[name] for name in own} == own


@pytest.fixture(scope="module")
def newer(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template with one more release, which changes the first line of config/wsgi.py."""
    place = tmp_path_factory.mktemp("newer") / "groundwork"
    git(template, "clone", "--quiet", f"{template}", f"{place}")
    file = place / "template" / "config" / "wsgi.py"
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(['"""The template\'s new first line."""', *lines[1:]]) + "\n")
    return tagged(place, "v99.1.0")


def edited_where_the_template_changes(newer: Path, project: Path) -> Path:
    copy(newer, project, NOW)
    text = (project / "config/wsgi.py").read_text(encoding="utf-8").split("\n", 1)
    (project / "config/wsgi.py").write_text('"""My own first line."""\n' + text[1])
    commit(project)
    return project


def test_a_conflict_is_marked_in_the_file_and_known_to_git(newer: Path, tmp_path: Path) -> None:
    project = edited_where_the_template_changes(newer, tmp_path / "project")
    update(project)
    text = (project / "config/wsgi.py").read_text(encoding="utf-8")
    assert text.startswith("<<<<<<< before updating\n")
    assert "My own first line" in text
    assert "The template's new first line" in text
    assert text.count("<<<<<<<") == 1
    status = git(project, "status", "--porcelain")
    assert [line for line in status.splitlines() if line[:2] == "UU"] == ["UU config/wsgi.py"]


def test_a_conflict_can_be_left_beside_the_file(newer: Path, tmp_path: Path) -> None:
    project = edited_where_the_template_changes(newer, tmp_path / "project")
    update(project, conflict="rej")
    assert "The template's new first line" in (project / "config/wsgi.py").read_text()
    assert "My own first line" in (project / "config/wsgi.py.rej").read_text()


def test_an_update_of_a_tree_with_uncommitted_work_is_refused(newer: Path, tmp_path: Path) -> None:
    from copier.errors import UserMessageError

    project = edited_where_the_template_changes(newer, tmp_path / "project")
    (project / "manage.py").write_text("# not committed\n")
    with pytest.raises(UserMessageError, match="dirty"):
        update(project)
    assert (project / "manage.py").read_text() == "# not committed\n"


# --- Answers change -------------------------------------------------------------------------------

OTHER_TEXTS = {
    "project_name": ["Other {{ name }}"],
    "project_slug": ["other"],
    "description": ["{% raw %} of 'another' \"kind\""],
    "user_name": ["Ada O'Hara"],
    "user_email": ["ada@example.com"],
}
FLIPS = {name: values[1:] for name, values in choices().items()} | OTHER_TEXTS
NEEDED = {
    "deployment": {"database": "postgresql", "media_storage": "s3"},
    "object_store": {"media_storage": "s3"},
}


@pytest.mark.parametrize("question", FLIPS)
def test_every_answer_is_flipped_both_ways(
    template: Path, fresh: Any, tmp_path: Path, question: str
) -> None:
    project = copy(template, tmp_path / "project", **NEEDED.get(question, {}))
    before, first = files_in(project), recorded(project)[question]
    for value in FLIPS[question]:
        flip(project, **{question: value})
        assert recorded(project)[question] == value
        assert owned(project) == owned(fresh(project))
        commit(project)
    flip(project, **{question: first})
    assert files_in(project) == before


def test_a_flip_keeps_edits_elsewhere(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path / "project")
    mark(project, "config/urls.py", "MINE = 1", 0, "append")
    mark(project, "config/settings/base.py", "MINE = 2", 0, "append")
    commit(project)
    flip(project, media_storage="s3", private_media=True)
    assert (project / "config/urls.py").read_text(encoding="utf-8").endswith("MINE = 1\n")
    assert "MINE = 2\n" in (project / "config/settings/base.py").read_text(encoding="utf-8")


def test_an_answer_that_cannot_be_is_refused_and_changes_nothing(
    template: Path, tmp_path: Path
) -> None:
    project = copy(template, tmp_path / "project")
    with pytest.raises(ValueError, match="SQLite is a file on one"):
        update(project, VcsRef.CURRENT, data={"deployment": "kubernetes"})
    assert git(project, "status", "--porcelain") == ""

"""The repository itself: copier.yml, and paths that every system can hold."""

from __future__ import annotations

import keyword
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from projects import REPOSITORY

# https://copier.readthedocs.io: what a question and what the settings may say (Copier 9.19)
SETTINGS = {
    "_answers_file", "_envops", "_exclude", "_message_after_copy", "_message_after_update",
    "_message_before_copy", "_message_before_update", "_migrations", "_min_copier_version",
    "_skip_if_exists", "_subdirectory", "_templates_suffix",
}  # fmt: skip
QUESTION = {
    "choices", "default", "help", "multiline", "multiselect", "placeholder", "secret", "type",
    "validator", "when",
}  # fmt: skip
NEED_TRUST = {"_tasks", "_jinja_extensions", "_external_data"}


def copier_yml() -> dict:
    return yaml.safe_load((REPOSITORY / "copier.yml").read_text(encoding="utf-8"))


def test_copier_yml_has_only_keys_that_copier_knows_and_none_that_needs_trust() -> None:
    for key, value in copier_yml().items():
        if key.startswith("_"):
            assert key not in NEED_TRUST
            assert key in SETTINGS, key
        else:
            assert set(value) <= QUESTION, key


def test_every_question_has_a_default_and_a_one_line_help() -> None:
    for name, question in copier_yml().items():
        if not name.startswith("_"):
            assert "default" in question, name
            if question.get("when") is not False:
                assert "\n" not in question["help"].strip(), name
                assert len(question["help"]) <= 110, name


def test_derived_values_stand_behind_all_questions() -> None:
    derived = [
        question.get("when") is False
        for name, question in copier_yml().items()
        if not name.startswith("_")
    ]
    assert derived == sorted(derived)


def test_paths_can_be_written_on_windows_and_are_not_long() -> None:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in names:
        assert len(name) <= 140, name
        assert not set(name) & set('<>:"|?*\\'), name


@pytest.mark.parametrize("kind", ["keywords", "standard_library"])
def test_names_that_python_itself_uses_are_all_refused_for_a_package(kind: str) -> None:
    import jinja2

    source = (REPOSITORY / "questions" / "names.jinja").read_text(encoding="utf-8")
    listed = set(
        getattr(jinja2.Environment().from_string(source.split("{#- Lower")[0]).module, kind)
    )
    own = keyword.kwlist if kind == "keywords" else sys.stdlib_module_names
    assert {name for name in own if name.islower() and name[0].isalpha()} <= listed


def test_make_clean_unmounts_what_the_tests_of_images_left_behind(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    mounted = tmp_path / ".cache/containers/root/overlay"
    (mounted / "inner").mkdir(parents=True)
    script = (
        f"mount --bind {mounted} {mounted} && mount -t tmpfs none {mounted}/inner && make clean"
    )
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]
    subprocess.run([*namespace, "sh", "-ec", script], cwd=tmp_path, check=True)
    assert not (tmp_path / ".cache").exists()
    again = subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")

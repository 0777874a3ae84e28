"""The documents: built strictly, every link there, every block run or checked."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import documents
import pytest
import yaml
from documents import PLACES, Block
from projects import REPOSITORY, Project, free_port, stop, wait_for

BLOCKS = documents.blocks()

# `uv run X` runs X in the tests' shared environment; nothing else of uv is imitated.
STAND_IN = """#!/bin/sh
[ "$1" = run ] || { echo "only 'uv run' is imitated" >&2; exit 2; }
shift
case "$1" in manage.py) exec python "$@" ;; *) exec "$@" ;; esac
"""


@pytest.fixture(scope="module")
def site(make_project: Callable[..., Project]) -> Project:
    """A default project in git, with `uv` standing for the shared environment."""
    project = make_project()
    tools = project.path.parent / "tools"
    tools.mkdir()
    (tools / "uv").write_text(STAND_IN)
    (tools / "uv").chmod(0o755)
    project.variables["PATH"] = f"{tools}:{project.environment / 'bin'}:/usr/bin:/bin"
    for command in (
        ["init", "-q"], ["config", "user.email", "a@example.com"], ["config", "user.name", "A"],
        ["add", "-A"], ["commit", "-qm", "Begin"],
    ):  # fmt: skip
        project.run("git", *command)
    return project


def of(language: str, place: str) -> list[Block]:
    return [block for block in BLOCKS if (block.language, block.place) == (language, place)]


def test_every_block_says_where_it_is_to_be_run() -> None:
    for block in BLOCKS:
        assert block.place in PLACES, f"{block.name}: {block.place!r}"
        if block.language in documents.RUN:
            assert block.place, f"{block.name} says nowhere to run"


@pytest.mark.parametrize("document", sorted({block.document for block in of("sh", "in a project")}))
def test_the_commands_of_a_document_work_one_after_the_other(site: Project, document: str) -> None:
    script = "\n".join(b.text for b in of("sh", "in a project") if b.document == document)
    result = site.run("sh", "-eux", "-c", script, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    site.run("git", "reset", "--hard", "-q")
    site.run("git", "clean", "-fdq")


@pytest.mark.parametrize("block", of("sh", "in a project, served"), ids=lambda b: b.name)
def test_a_server_of_the_documents_answers(site: Project, block: Block) -> None:
    port = free_port()
    site.manage("migrate")
    command = shlex.split(block.text)
    process = site.popen(*command, f"127.0.0.1:{port}", "--noreload", start_new_session=True)
    try:

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/").status == 200
            return False

        wait_for(answers, f"an answer to {block.text}")
    finally:
        stop(process)


@pytest.mark.parametrize("block", of("sh", "in this repository"), ids=lambda b: b.name)
def test_a_command_for_this_repository_is_a_target_of_the_makefile_or_a_program(
    block: Block, tmp_path: Path
) -> None:
    """Run as they stand, but for `make test`, which runs this very test."""
    for line in block.text.splitlines():
        command = shlex.split(line, comments=True)
        if command[:1] == ["make"]:
            dry = subprocess.run(
                ["make", "--dry-run", *command[1:]], cwd=REPOSITORY, capture_output=True, text=True
            )
            assert dry.returncode == 0, dry.stderr
        elif command:
            assert (REPOSITORY / command[1]).exists(), line
            subprocess.run(
                [sys.executable, REPOSITORY / command[1], "--help"], cwd=tmp_path, check=True,
                capture_output=True,
            )  # fmt: skip


@pytest.mark.parametrize("block", of("sh", "elsewhere"), ids=lambda b: b.name)
def test_a_command_that_needs_more_is_at_least_written_right(
    block: Block, helps: Callable[[str], str]
) -> None:
    subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)
    for command, rest in re.findall(r"manage\.py ([a-z_]+)((?: [^\n|&;]*)?)", block.text):
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in helps(command), f"{block.name}: {command} has no {option}"


@pytest.fixture(scope="module")
def helps(make_project: Callable[..., Project]) -> Callable[[str], str]:
    """What `manage.py COMMAND --help` says, in the first of some projects that has the command."""
    some = [
        make_project(static_serving="s3", media_storage="s3", private_media=True),
        make_project(),
    ]
    said: dict[str, str] = {}

    def help_of(command: str) -> str:
        if command not in said:
            answers = (project.manage(command, "--help", check=False) for project in some)
            said[command] = next(answer.stdout for answer in answers if not answer.returncode)
        return said[command]

    return help_of


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "python"], ids=lambda b: b.name
)
def test_a_python_block_parses_and_what_it_imports_is_there(
    block: Block, private_site: Project
) -> None:
    tree = ast.parse(block.text)
    imports = [
        f"from {node.module} import {', '.join(name.name for name in node.names)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and ".invoices" not in f"{node.module}"
    ]
    private_site.shell("\n".join(imports))


@pytest.fixture(scope="module")
def private_site(make_project: Callable[..., Project]) -> Project:
    return make_project(private_media=True)


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language in ("yaml", "json", "toml")], ids=lambda b: b.name
)
def test_a_data_block_parses(block: Block) -> None:
    {"yaml": yaml.safe_load, "json": json.loads}.get(block.language, lambda text: text)(block.text)


def test_the_reference_says_what_the_source_says() -> None:
    sys.path.insert(0, str(REPOSITORY / "docs"))
    import reference

    written = (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == reference.reference(), "run `make docs`"


def test_the_reference_tells_addresses_folders_and_buckets_apart() -> None:
    written = (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")
    said = {}
    for name in ("MEDIA_URL", "MEDIA_ROOT", "PRIVATE_ROOT", "STATIC_BUCKET", "MEDIA_BUCKET"):
        [(variable, text)] = re.findall(rf"^\| `((?:DJANGO_)?{name})` \| ([^|]+) \|", written, re.M)
        said[variable] = text
    assert len(set(said.values())) == len(said), said


def test_the_table_of_questions_in_the_readme_is_that_of_copier_yml() -> None:
    questions = yaml.safe_load((REPOSITORY / "copier.yml").read_text(encoding="utf-8"))
    names = [n for n, q in questions.items() if n[0] != "_" and q.get("when") is not False]
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## The questions")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])] == names
    for row in rows:
        name, offered = re.findall(r"`(\w+)`", row.split("|")[1])[0], row.split("|")[2]
        choices = questions[name].get("choices")
        if choices:
            values = choices if isinstance(choices, list) else choices.values()
            values = [v["value"] if isinstance(v, dict) else v for v in values]
            assert sorted(re.findall(r"[\w.-]+", offered)) == sorted(values)
            assert re.findall(r"[\w.-]+", offered)[0] == questions[name]["default"]


def test_the_site_is_built_without_a_warning_and_can_be_searched(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going",
         REPOSITORY / "docs", tmp_path / "site"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "search.html").exists()
    for page in (REPOSITORY / "docs").glob("*.md"):
        html = (tmp_path / "site" / f"{page.stem}.html").read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?://', html), page


def test_every_link_to_a_file_leads_to_one() -> None:
    for page in [*documents.pages(), REPOSITORY / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:", "mailto:")) and "javascript" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_gallery_has_every_example_and_each_can_be_rendered(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "gallery.py", tmp_path], check=True,
        capture_output=True,
    )  # fmt: skip
    listed = re.findall(r"`examples/([\w-]+)`", (REPOSITORY / "docs" / "gallery.md").read_text())
    assert sorted(listed) == sorted(path.name for path in tmp_path.iterdir())
    for name in listed:
        assert (tmp_path / name / "manage.py").exists()

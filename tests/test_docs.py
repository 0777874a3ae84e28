"""The documents: built strictly, every link there, every block run."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path

import documents
import performance
import pytest
import reference
import yaml
from documents import BLOCKS, PLACES, Block, of
from places import Place, Places
from projects import REPOSITORY, Project, free_port, stop, wait_for
from releases import git

COMMANDS = sorted({(block.document, block.place) for block in BLOCKS if block.language == "sh"})
APART = ("in this repository", "needs granian")  # and those that are served


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("places"))


def test_every_block_says_where_it_is_run() -> None:
    for block in BLOCKS:
        assert block.place in PLACES, f"{block.name}: {block.place!r}"
        if block.language in documents.RUN:
            assert block.place, f"{block.name} says nowhere to run"


@pytest.mark.parametrize(
    ("document", "name"),
    [c for c in COMMANDS if c[1] not in APART and "served" not in c[1]],
    ids=lambda value: value.removeprefix("docs/").replace(" ", "-"),
)
def test_the_commands_of_a_document_work_one_after_the_other(
    request: pytest.FixtureRequest, places: Places, document: str, name: str
) -> None:
    place = places.make(
        name,
        lambda: request.getfixturevalue("s3"),
        lambda: request.getfixturevalue("postgres"),
    )
    for block in BLOCKS:  # A file that the text shows is there.
        if (block.document, block.place) == (document, "") and (
            file := re.search(r"named `(.+?)`", block.before)
        ):
            (place.folder / file[1]).write_text(block.text, encoding="utf-8")
    said = place.run("\n".join(block.text for block in of("sh", name, document)))
    check = EFFECTS.get((document, name))
    if check:
        check(place, said)


def start_ends_with_a_commit(place: Place, said: str) -> None:
    site = place.folder / "my-site"
    assert (site / "my_site" / "blog").is_dir()
    assert git(site, "status", "--porcelain") == ""
    assert "Superuser created" in said


def an_update_is_pushed(place: Place, said: str) -> None:
    assert "DJANGO_TIME_ZONE" in git(place.home / "remotes/my-site.git", "show", "update-template")


def a_conflict_is_undone(place: Place, said: str) -> None:
    (shown,) = (block for block in of("", "", "docs/updating.md") if "<<<<" in block.text)
    assert shown.text in place.told
    assert git(place.folder, "status", "--porcelain") == ""
    assert git(place.folder, "branch", "--show-current").strip() == "main"


def a_conflict_is_settled(place: Place, said: str) -> None:
    assert "leftover conflict marker" in place.told
    assert git(place.folder, "diff", "--name-only", "--diff-filter=U") == ""


def an_adoption_is_committed(place: Place, said: str) -> None:
    project = place.folder / "my-project"
    assert (project / ".copier-answers.yml").exists()
    pushed = git(place.home / "remotes/my-project.git", "rev-parse", "adopt-groundwork")
    assert pushed == git(project, "rev-parse", "HEAD")


def an_adoption_is_undone(place: Place, said: str) -> None:
    assert not (place.folder / ".copier-answers.yml").exists()
    assert git(place.folder, "branch", "--list").split() == ["*", "main"]


def every_upload_is_in_the_bucket(place: Place, said: str) -> None:
    site = place.project(DJANGO_USE_S3="1")
    code = "from django.core.files.storage import storages as s\n" + "".join(
        f"print(s[{alias!r}].exists('avatars/a.png'))\n" for alias in ("default", "private")
    )
    assert site.shell(code) == "True\nTrue\n"


EFFECTS: dict[tuple[str, str], Callable[[Place, str], None]] = {
    ("docs/start.md", "on a machine"): start_ends_with_a_commit,
    ("docs/updating.md", "in a project to update"): an_update_is_pushed,
    ("docs/updating.md", "in a project with a conflict"): a_conflict_is_undone,
    ("docs/updating.md", "in a project with a settled conflict"): a_conflict_is_settled,
    ("docs/adopting.md", "beside a project"): an_adoption_is_committed,
    ("docs/adopting.md", "after an adoption"): an_adoption_is_undone,
    ("docs/moving.md", "in a project to move"): every_upload_is_in_the_bucket,
}


def test_every_effect_that_is_checked_is_of_a_document() -> None:
    assert set(EFFECTS) <= set(COMMANDS)


@pytest.mark.parametrize(
    "block",
    [*of("sh", "in a project, served"), *of("sh", "in production, served")],
    ids=lambda b: b.name,
)
def test_a_server_of_the_documents_answers(places: Places, block: Block) -> None:
    place = places.make(block.place)
    site, port = place.project(), free_port()
    command, headers = shlex.split(block.text), {}
    if "runserver" in command:
        site.manage("migrate")
        command += [f"127.0.0.1:{port}", "--noreload"]
    else:
        command += ["--bind", f"127.0.0.1:{port}", "--no-control-socket"]
        headers = {"X-Forwarded-Proto": "https"}
    process = site.popen(
        *command, start_new_session=True,
        variables={"DJANGO_CLIENT_IP_HEADER": "X-Real-IP"} if headers else {},
    )  # fmt: skip
    try:

        def answers() -> bool:
            with contextlib.suppress(OSError):
                asked = urllib.request.Request(f"http://127.0.0.1:{port}/", headers=headers)
                return urllib.request.urlopen(asked).status == 200
            return False

        wait_for(answers, f"an answer to {block.text}")
    finally:
        stop(process)


@pytest.mark.parametrize("block", of("sh", "in this repository"), ids=lambda b: b.name)
def test_a_command_for_this_repository_is_a_target_of_the_makefile(block: Block) -> None:
    """Not run: one is `make test` itself. What the others do is run by tests of their own."""
    for line in block.text.splitlines():
        make, *targets = shlex.split(line, comments=True)
        assert make == "make"
        dry = subprocess.run(
            ["make", "--dry-run", *targets], cwd=REPOSITORY, capture_output=True, text=True
        )
        assert dry.returncode == 0, dry.stderr


@pytest.mark.parametrize("block", of("sh", "needs granian"), ids=lambda b: b.name)
def test_another_application_server_is_given_the_application(
    block: Block, default_project: Project
) -> None:
    """Granian is no dependency: benchmarks/app_server.py runs it with these options."""
    command = shlex.split(block.text)
    benchmark = (REPOSITORY / "benchmarks" / "app_server.py").read_text(encoding="utf-8")
    assert all(f'"{word}"' in benchmark for word in command if word.startswith("--"))
    module, name = command[-1].split(":")
    default_project.shell(f"from {module} import {name}")


@pytest.mark.parametrize("block", of("html+django", "in a template"), ids=lambda b: b.name)
def test_a_template_of_the_documents_is_rendered(block: Block, private_site: Project) -> None:
    code = (
        "import sys\nfrom django.template import engines\n"
        f"template = engines['django'].from_string({block.text!r})\n"
        "class user:\n avatar = type('F', (), {'url': '/media/a.png'})\n"
        "print(template.render({'user': user, 'dish': type('D', (), {'photo': user.avatar})}))"
    )
    said = private_site.shell(code)
    assert "{" not in said
    for path in re.findall(r"{% static '(.+?)' %}", block.text):
        assert f"/static/{path}" in said
        assert (private_site.path / "static" / path).exists()


@pytest.mark.parametrize("document", sorted({b.document for b in BLOCKS if b.language == "python"}))
def test_the_python_of_a_document_is_an_app_that_is_typed_and_works(
    make_project: Callable[..., Project], document: str
) -> None:
    """Each block goes to the file that its first line names, and the whole is looked over."""
    site = make_project(private_media=True)
    apps = set()
    for block in of("python", "in a project with private media", document):
        (file,) = re.findall(r"\A# (\S+\.py)\n", block.text)
        path = site.path / file
        app = path.parent.name
        if app not in ("files", "config"):
            if not path.parent.exists():
                site.manage("startapp", app)
                base = site.path / "config" / "settings" / "base.py"
                text = base.read_text(encoding="utf-8")
                line = "INSTALLED_APPS = [\n"
                assert line in text
                base.write_text(text.replace(line, f'{line}    "my_site.{app}",\n'), "utf-8")
            apps.add(app)
        path.write_text(block.text.partition("\n")[2].lstrip("\n"), encoding="utf-8")
    for app in apps:
        site.manage("makemigrations", app)
    site.run("ruff", "check", "--fix", "--select", "I", ".")
    site.run("ruff", "format", ".")
    site.run("ruff", "check")
    site.run("mypy", ".")
    site.manage("migrate")
    site.manage("check")
    if document == "docs/private-files.md":
        said = site.shell(
            "from django.contrib.auth import get_user_model\n"
            "from django.contrib.auth.models import AnonymousUser\n"
            "from my_site.files.access import may_read\n"
            "from my_site.invoices.models import Invoice\n"
            "make = get_user_model().objects.create_user\n"
            "one, two = (make(f'{n}@example.com', 'x') for n in 'ab')\n"
            "Invoice.objects.create(customer=one, document='invoice/1.pdf')\n"
            "print([may_read(u, 'invoice/1.pdf') for u in (one, two, AnonymousUser())])\n"
            "print(may_read(one, 'invoice/2.pdf'))\n"
        )
        assert said == "[True, False, False]\nFalse\n"


@pytest.fixture(scope="module")
def private_site(make_project: Callable[..., Project]) -> Project:
    return make_project(private_media=True)


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language in ("yaml", "json", "toml")], ids=lambda b: b.name
)
def test_a_data_block_parses(block: Block) -> None:
    {"yaml": yaml.safe_load, "json": json.loads, "toml": tomllib.loads}[block.language](block.text)


def test_the_page_of_figures_and_its_charts_are_those_of_the_last_measurement(
    tmp_path: Path,
) -> None:
    performance.main(tmp_path)
    for path in [tmp_path / "performance.md", *(tmp_path / "images").iterdir()]:
        kept = REPOSITORY / "docs" / path.relative_to(tmp_path)
        assert kept.read_text() == path.read_text(), f"{kept}: run `make docs`"


def test_the_reference_says_what_the_source_says() -> None:
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

"""Free-text answers are hostile: shown unchanged, or refused with a sentence."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from projects import Project, render

RUFF = Path(sys.executable).with_name("ruff")

HOSTILE = [
    """It's "quoted" and 'single'""",
    '''"""triple""" and \\ backslash \\n \\" end\\''',
    "{{ braces }} {% percent %} {# comment #}",
    "${{ secrets.TOKEN }} $HOME `id` $(id)",
    "# hash: colon, - dash & ampersand; <b>bold</b> </title><script>alert(1)</script>",
    "%s %(name)s %% 100 % \\u0041 \\x41",
    "emoji 🎉 👩‍👩‍👧 and ünï and 日本語",
    "right to left \u200f\u202e ABC \u202c שלום",
    "[link](javascript:alert(1)) ![x](y) *bold* _it_ ~~no~~ | a | b |",
    "!important ~tilde @at ?query =equals *star",
    "yes",
    "null",
    "1.0",
    "-",
    "'",
    '"',
    "\\",
    " a \"b\" 'c' ",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_file_parses_and_holds_the_text_unchanged(
    template: Path, tmp_path: Path, text: str
) -> None:
    project = render(
        template, tmp_path / "site", project_name=text, description=text, user_name=text,
        project_slug="site", package_name="site_app", license="MIT",
    )  # fmt: skip
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert table["description"] == text
    assert table["authors"][0]["name"] == text
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers["project_name"] == answers["description"] == answers["user_name"] == text
    assert constants(project / "config/settings/base.py") >= {
        "SITE_NAME": text, "SITE_DESCRIPTION": text,
    }.items()  # fmt: skip
    for path in project.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), path)
    for path in [*project.rglob("*.yml"), *project.rglob("*.yaml")]:
        list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    heading = (project / "README.md").read_text(encoding="utf-8").splitlines()[0]
    assert markdown_text(heading) == text.strip()
    assert text in (project / "LICENSE").read_text(encoding="utf-8")
    subprocess.run([RUFF, "format", "--check", "config"], cwd=project, check=True)
    subprocess.run([RUFF, "check", "--quiet", "config"], cwd=project, check=True)


def constants(path: Path) -> set[tuple[str, object]]:
    """The names that a module binds to plain text, and that text."""
    return {
        (target.id, node.value.value)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }  # fmt: skip


def markdown_text(heading: str) -> str:
    """What a Markdown reader shows of a heading, by a real parser."""
    from markdown_it import MarkdownIt

    shown: list[str] = []

    class Text(HTMLParser):
        def handle_data(self, data: str) -> None:
            shown.append(data)

    html = MarkdownIt("gfm-like", {"linkify": False}).render(heading)
    assert html.startswith("<h1>")
    Text().feed(html)
    return "".join(shown).strip()


def test_the_page_shows_the_texts_as_text(make_project: Callable[..., Project]) -> None:
    name, description = HOSTILE[4][:78], HOSTILE[2]
    project = make_project(
        project_name=name, description=description, project_slug="site", package_name="site_app"
    )
    page = project.shell(
        "from django.conf import settings; settings.ALLOWED_HOSTS = ['*']\n"
        "from django.test import Client\n"
        "print(Client().get('/account/sign-in/').content.decode())"
    )
    shown: list[str] = []

    class Text(HTMLParser):
        tags: set[str] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.add(tag)
            shown.extend(value or "" for _, value in attrs)

        def handle_data(self, data: str) -> None:
            shown.append(data)

    parser = Text()
    parser.feed(page)
    assert "script" not in parser.tags
    assert name in " ".join(" ".join(shown).split())


REFUSED = [
    ("project_name", "", "empty"),
    ("project_name", "   ", "empty"),
    ("project_name", "a\tb", "a tab"),
    ("project_name", "a\nb", "a newline"),
    ("project_name", "a\rb", "a carriage return"),
    ("project_name", "a\x00b", "a null character"),
    ("project_name", "a\x1bb", "an escape character"),
    ("project_name", "a\x85b", "a control character"),
    ("project_name", "x" * 81, "81 characters"),
    ("description", "a\tb", "a tab"),
    ("description", "a\u2028b", "a control character"),
    ("user_name", "a\x07b", "a control character"),
    ("user_email", "ada", "not an e-mail address"),
    ("user_email", 'a"b@example.com', "not an e-mail address"),
    ("user_email", "ada@example.com\n", "not an e-mail address"),
    ("project_slug", "My Site", "not a slug"),
    ("project_slug", "-a", "not a slug"),
    ("project_slug", "a--b", "not a slug"),
    ("project_slug", "..", "not a slug"),
    ("project_slug", "a\n", "not a slug"),
    ("project_slug", "con", "device on Windows"),
    ("package_name", "class", "keyword"),
    ("package_name", "match", "keyword"),
    ("package_name", "django", "depends on"),
    ("package_name", "whitenoise", "depends on"),
    ("package_name", "email", "standard library"),
    ("package_name", "config", "folder of the project"),
    ("package_name", "tests", "folder of the project"),
    ("package_name", "static", "folder of the project"),
    ("package_name", "media", "folder of the project"),
    ("package_name", "Café", "not a package name"),
    ("package_name", "a/b", "not a package name"),
    ("package_name", "..", "not a package name"),
    ("package_name", "1a", "not a package name"),
    ("package_name", "_a", "not a package name"),
    ("package_name", "a\n", "not a package name"),
    ("package_name", "", "empty"),
    ("package_name", "aux", "device on Windows"),
    ("web_server", "none", "choose nginx or Caddy"),
    ("deployment", "kubernetes", "choose database postgresql"),
]


@pytest.mark.parametrize(("question", "answer", "reason"), REFUSED)
def test_an_answer_that_cannot_work_is_refused_with_its_reason(
    template: Path, tmp_path: Path, question: str, answer: str, reason: str
) -> None:
    data = {question: answer}
    if question == "web_server":
        data["static_serving"] = "web-server"
    with pytest.raises(ValueError, match=f"'{question}': .*{reason}"):
        render(template, tmp_path / "site", **data)
    assert not (tmp_path / "site" / "manage.py").exists()


@pytest.mark.parametrize(
    ("name", "slug", "package"),
    [
        ("My Site", "my-site", "my_site"),
        ("Café Ünï & Co.", "cafe-ueni-co", "cafe_ueni_co"),
        ("Łódź's Straße", "lodzs-strasse", "lodzs_strasse"),
        ("Привет мир", "privet-mir", "privet_mir"),
        ("Ελλάδα", "ellada", "ellada"),
        ("日本", "my-site", "my_site"),
        ("123 Go!", "go", "go"),
        ("Django", "django", "django_site"),
        ("Email", "email", "email_site"),
        ("Con", "con-site", "con_site"),
        ("🎉", "my-site", "my_site"),
        ("A" * 80, "a" * 60, "a" * 60),
    ],
)
def test_the_names_are_made_from_the_title(
    template: Path, tmp_path: Path, name: str, slug: str, package: str
) -> None:
    project = render(template, tmp_path / "site", project_name=name)
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert (answers["project_slug"], answers["package_name"]) == (slug, package)
    assert (project / package / "files" / "apps.py").exists()


@pytest.mark.parametrize("package", ["a", "config_of_ours", "zoo"])
def test_imports_are_in_order_whatever_the_package_is_called(
    template: Path, tmp_path: Path, package: str
) -> None:
    project = render(template, tmp_path / "site", package_name=package, private_media=True)
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        subprocess.run([RUFF, *command, "--no-cache", "."], cwd=project, check=True)

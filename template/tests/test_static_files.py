"""What pages and stylesheets name is there; git takes what you write, and nothing that is made."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.core.management import call_command
from django.template import engines
from django.test import override_settings

from config.settings.static import staticfiles_storage

LITERAL = re.compile(r"""{%\s*static\s+["']([^"']+)["']""")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The names of static files, and those under which production serves them.

    Collecting fails if a stylesheet has a `url()` that leads to no file.
    """
    root = tmp_path_factory.mktemp("staticfiles")
    production = {**settings.STORAGES, "staticfiles": staticfiles_storage}
    with override_settings(STATIC_ROOT=root, STORAGES=production):
        call_command("collectstatic", interactive=False, verbosity=0)
        names: dict[str, str] = storages["staticfiles"].hashed_files  # type: ignore[attr-defined]
        assert all((root / name).exists() for name in names.values())
    return names


def templates() -> Iterator[Path]:
    [engine] = engines.all()
    for folder in engine.template_dirs:
        if "site-packages" not in str(folder):
            yield from (path for path in Path(folder).rglob("*") if path.is_file())


def test_every_file_that_a_template_names_is_there(manifest: dict[str, str]) -> None:
    named = [(path, name) for path in templates() for name in LITERAL.findall(path.read_text())]
    assert named
    assert [f"{path}: {name}" for path, name in named if name not in manifest] == []


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("staticfiles/css/site.css", True),
        ("media/user/photo.jpg", True),
        (".env", True),
        ("db.sqlite3", True),
        (".env.example", False),
        ("static/css/site.css", False),
        ("shop/static/shop/shop.js", False),
        ("shop/media/models.py", False),
        ("shop/staticfiles/finders.py", False),
        ("templates/media/list.html", False),
    ],
)
def test_git_ignores_what_is_made(path: str, ignored: bool, tmp_path: Path) -> None:
    shutil.copy(settings.BASE_DIR / ".gitignore", tmp_path)
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)  # noqa: S603
    answer = subprocess.run([*git, "check-ignore", "--quiet", path])  # noqa: S603
    assert (answer.returncode == 0) is ignored


def test_the_system_checks_are_silent() -> None:
    call_command("check", fail_level="WARNING")

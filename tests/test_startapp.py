"""`manage.py startapp`: where a new app lands, and what it refuses."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def project(make_project):
    return make_project(package_name="shop_floor")


@pytest.mark.parametrize("django_version", ["6.1", "5.2"])
def test_a_new_app_works_and_is_clean(make_project, django_version):
    project = make_project(django_version, package_name="shop_floor")
    said = project.manage("startapp", "blog").stdout
    assert '"shop_floor.blog" to INSTALLED_APPS' in said
    assert 'name = "shop_floor.blog"' in (project.path / "shop_floor/blog/apps.py").read_text()
    assert not (project.path / "blog").exists()

    base = project.path / "config" / "settings" / "base.py"
    base.write_text(base.read_text().replace("_APPS = [", '_APPS = [\n    "shop_floor.blog",'))
    models = project.path / "shop_floor" / "blog" / "models.py"
    models.write_text(
        "from django.db import models\n\n\n"
        "class Post(models.Model):\n    title = models.CharField(max_length=100)\n\n"
        "    def __str__(self) -> str:\n        return self.title\n"
    )
    (project.path / "shop_floor" / "blog" / "tests.py").write_text(
        'from .models import Post\n\n\ndef test_post():\n    assert str(Post(title="A")) == "A"\n'
    )
    project.manage("makemigrations", "blog")
    project.manage("migrate")
    project.run("ruff", "format", "shop_floor/blog/migrations")
    project.run("ruff", "check", "shop_floor/blog")
    project.run("ruff", "format", "--check", "shop_floor/blog")
    project.run("mypy", "shop_floor/blog")
    assert "1 passed" in project.run("pytest", "-q", "shop_floor").stdout


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("users", "shop_floor/users exists already"),
        ("auth", "django.contrib.auth is an installed app"),
        ("class", "not a valid app name"),
        ("email", "conflicts with the name of an existing Python module"),
        ("a/b", "not a valid app name"),
        ("../up", "not a valid app name"),
        ("", "not a valid app name"),
    ],
)
def test_names_that_clash_are_refused(project, name, reason):
    before = sorted(project.path.rglob("*.py"))
    result = project.manage("startapp", name, check=False)
    assert result.returncode == 1
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(project.path.rglob("*.py")) == before


def test_a_directory_is_left_to_django(project, tmp_path):
    project.manage("startapp", "elsewhere", str(tmp_path / "elsewhere"))
    assert "name = 'elsewhere'" in (tmp_path / "elsewhere" / "apps.py").read_text()
    assert not (project.path / "shop_floor" / "elsewhere").exists()

"""What docs/backups.md says, done once with a folder and once with a bucket."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

import papers
import pytest
from hostile_uploads import PDF, picture
from papers import File
from projects import REPOSITORY, Project
from s3_server import S3Server

DOCUMENT = (REPOSITORY / "docs/backups.md").read_text()


def commands(title: str, kind: str) -> list[list[str]]:
    """The commands under a heading, without `uv run`; for a bucket with the line that it says."""
    section = DOCUMENT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    blocks = dict(re.findall(r"```sh (in a project[\w ]*)\n(.*?)```", section, re.DOTALL))
    lines = blocks["in a project"].replace("uv run manage.py", "python manage.py").splitlines()
    if kind == "bucket":
        other = blocks["in a project with a bucket"].replace("uv run manage.py", "python manage.py")
        lines = [other if line.startswith("cp -a") else line for line in lines]
    return [["sh", "-euc", line] for line in lines]


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_what_was_backed_up_is_restored(
    kind: str, make_project: Callable[..., Project], s3: S3Server
) -> None:
    answers = {"web_server": "none"}
    if kind == "bucket":
        answers = {"media_storage": "s3", "object_store": "other"}
        s3.make_bucket("uploads", public_prefixes=["media/"])
    project = make_project(**answers)
    if kind == "bucket":
        project.variables |= {**s3.environment(), "MEDIA_BUCKET": "uploads"}
    papers.add(project)

    with papers.serve(project) as site:
        photo = site.upload(File("a.png", picture("PNG"), field="picture")).json["url"]
        paper = site.upload(File("b.pdf", PDF)).json["url"]
        before = {url: site.get(url) for url in (photo, paper)}
        assert {answer.status for answer in before.values()} == {200}
        for command in commands("Back up", kind):
            project.run(*command)
        site.upload(File("c.pdf", PDF))  # After the backup: it is not in it.

    for path in project.path.glob("db.sqlite3*"):
        path.unlink()
    shutil.rmtree(project.path / "media", ignore_errors=kind == "bucket")
    if kind == "bucket":
        s3.reset()
        s3.make_bucket("uploads", public_prefixes=["media/"])

    for command in commands("Restore", kind):
        project.run(*command)
    with papers.serve(project) as site:
        for url, answer in before.items():
            again = site.get(url)
            assert (again.status, again.body) == (200, answer.body)
            for header in ("Content-Type", "Content-Disposition", "Cache-Control"):
                assert again.headers[header] == answer.headers[header]
    code = "from papers.models import Paper; print(Paper.objects.count())"
    assert project.shell(code, **project.variables) == "2\n"

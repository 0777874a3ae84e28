#!/usr/bin/env python3
"""Update many projects that were made from a template, a few at a time.

    python hooks/update_many.py PROJECT … [--list FILE] [--dry-run] [--jobs 4]

A project is a folder with a clone of its repository. Each is updated on a branch of its own,
update-template, and committed there if no file conflicts; a conflict is left in the working tree, on
that branch, for somebody to settle. A project with changes that are not committed is left alone.
One that fails does not stop the others. In the end a report says what became of each.

It needs Python 3.10 or later, git and Copier.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from adopting.git import Refusal, git
from adopting.rendering import ANSWERS, copier, last_line

BRANCH = "update-template"
GOOD = ("updated", "up to date", "would update")


@dataclass
class Report:
    """What became of one project."""

    project: str
    outcome: str = "failed"
    version_from: str = ""
    version_to: str = ""
    detail: str = ""
    conflicts: list[str] = field(default_factory=list)

    def line(self, width: int) -> str:
        change = f"{self.version_from} → {self.version_to}" if self.version_to else ""
        parts = [f"{self.outcome:13}", f"{self.project:{width}}", change, self.detail,
                 " ".join(self.conflicts)]  # fmt: skip
        return "  ".join(part for part in parts if part).rstrip()


@dataclass
class Options:
    dry_run: bool = False
    trust: bool = False
    push: bool = False
    test: str = ""
    timeout: float = 900
    data: tuple[str, ...] = ()


def recorded(folder: Path, name: str) -> str:
    """A value of the answers file, such as _commit."""
    text = (folder / ANSWERS).read_text(encoding="utf-8")
    found = re.search(rf"(?m)^{name}: ['\"]?(.*?)['\"]?$", text)
    return found[1] if found else ""


def newest(source: str) -> str:
    """The newest release of a template, without a clone of it."""
    listing = git(Path.cwd(), "ls-remote", "--tags", "--refs", source)
    tags = re.findall(r"refs/tags/(v?\d+\.\d+\.\d+)$", listing, re.MULTILINE)
    return max(tags, key=lambda tag: [int(n) for n in re.findall(r"\d+", tag)], default="")


def update(folder: Path, options: Options) -> Report:
    """Update one project, and say what happened; an error is told, not raised."""
    report = Report(f"{folder}")
    try:
        update_or_raise(folder.resolve(), options, report)
    except Refusal as refusal:
        report.detail = f"{refusal}"
    except subprocess.TimeoutExpired as error:
        report.detail = f"not done within {error.timeout:g} seconds"
    except OSError as error:
        report.detail = f"{error}"
    return report


def update_or_raise(folder: Path, options: Options, report: Report) -> None:
    if not (folder / ANSWERS).is_file():
        raise Refusal(f"no {ANSWERS}: it was not made from a template")
    if git(folder, "status", "--porcelain").strip():
        raise Refusal("it has changes that are not committed")
    report.version_from = recorded(folder, "_commit")
    if options.dry_run:
        report.version_to = newest(recorded(folder, "_src_path"))
        same = report.version_to in ("", report.version_from)
        report.outcome = "up to date" if same and not options.data else "would update"
        return
    before = git(folder, "branch", "--show-current").strip()
    git(folder, "switch", "--quiet", "--create", BRANCH)
    try:
        command = [*copier(), "update", "--defaults", "--quiet", "--conflict", "inline"]
        command += ["--trust"] if options.trust else []
        command += [f"--data={entry}" for entry in options.data]
        result = run(command, folder, options.timeout)
        if result.returncode:
            raise Refusal(last_line(result.stderr))
        report.version_to = recorded(folder, "_commit")
        if not git(folder, "status", "--porcelain").strip():
            report.outcome = "up to date"
            return
        unmerged = git(folder, "diff", "--name-only", "--diff-filter=U").splitlines()
        report.conflicts = sorted(set(unmerged))
        if report.conflicts:
            report.outcome = "conflicts"
            return
        finish(folder, options, report)
    finally:
        if report.outcome in ("failed", "up to date"):
            git(folder, "reset", "--hard", "--quiet", check=False)
            git(folder, "clean", "-d", "--force", "--quiet", check=False)
            git(folder, "switch", "--quiet", before, check=False)
            git(folder, "branch", "--delete", "--force", BRANCH, check=False)


def finish(folder: Path, options: Options, report: Report) -> None:
    """Test, commit and push an update without conflicts."""
    failed = ""
    if options.test:
        result = run(shlex.split(options.test), folder, options.timeout)
        failed = last_line(result.stdout + result.stderr) if result.returncode else ""
    git(folder, "add", "--all")
    git(
        folder, "commit", "--quiet", "--message", f"Update from the template to {report.version_to}"
    )
    report.outcome = "tests fail" if failed else "updated"
    report.detail = failed
    if options.push and not failed:
        try:
            git(folder, "push", "--quiet", "--force-with-lease", "origin", BRANCH)
            report.detail = "pushed"
        except Refusal as refusal:
            report.outcome, report.detail = "not pushed", f"{refusal}"


def run(command: list[str], folder: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", errors="replace",
        timeout=timeout, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def update_all(folders: list[Path], options: Options, jobs: int) -> list[Report]:
    """Update the projects, at most `jobs` at a time, and tell of each as it ends."""
    width = max((len(f"{folder}") for folder in folders), default=0)
    reports = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for report in pool.map(lambda folder: update(folder, options), folders):
            print(report.line(width), flush=True)
            reports.append(report)
    return reports


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="update_many.py", description="Update many projects that were made from a template."
    )
    parser.add_argument("projects", nargs="*", type=Path, metavar="PROJECT", help="a folder")
    parser.add_argument("--list", type=Path, metavar="FILE", help="a file of folders, one a line")
    parser.add_argument("--dry-run", action="store_true", help="say which would be updated")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="at a time; 4")
    parser.add_argument("--test", default="", metavar="COMMAND", help="run it in each, after")
    parser.add_argument("--push", action="store_true", help=f"push the branch {BRANCH}")
    parser.add_argument("--data", nargs="+", action="extend", default=[], metavar="QUESTION=ANSWER")
    parser.add_argument("--trust", action="store_true", help="for a release with a migration")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="for each")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write it as JSON too")
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")
    folders = list(given.projects)
    if given.list:
        lines = given.list.read_text(encoding="utf-8").splitlines()
        folders += [Path(line.strip()) for line in lines if line.strip() and line[0] != "#"]
    if not folders:
        parser.error("name a project, or a --list of them")
    if given.jobs < 1:
        parser.error("--jobs wants 1 or more")
    options = Options(given.dry_run, given.trust, given.push, given.test, given.timeout,
                      tuple(given.data))  # fmt: skip
    reports = update_all(folders, options, given.jobs)
    counts = Counter(report.outcome for report in reports)
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    if given.report:
        text = json.dumps([asdict(report) for report in reports], indent=2, ensure_ascii=False)
        given.report.write_text(text + "\n", encoding="utf-8")
    return 0 if all(report.outcome in GOOD for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())

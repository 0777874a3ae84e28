#!/usr/bin/env python3
"""Bring a Django project that was not made from Groundwork under it.

    python hooks/adopt.py PATH [--data question=answer …] [--dry-run]

A three-way merge: between what `startproject` wrote, what you made of it, and what the template
makes for the same answers. It works on a branch of its own, adopt-groundwork, and commits
nothing. It needs Python 3.10 or later, git and Copier.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from adopting import merging, rendering, report
from adopting.detect import detect, refuse_unfit
from adopting.git import Refusal, git
from adopting.plan import Plan, plan


@dataclass
class Adoption:
    plan: Plan
    result: merging.Result


def adopt(
    root: Path,
    data: dict[str, str] | None = None,
    template: str = "",
    ref: str = "",
    dry_run: bool = False,
    tell: object = print,
) -> Adoption:
    """Merge the template into the project at `root`, on a new branch."""
    root = root.resolve()
    refuse_unfit(root)
    if git(root, "branch", "--list", report.BRANCH).strip():
        raise Refusal(
            f"{root} has a branch {report.BRANCH} already, from an adoption before. To try again, "
            f'delete it:\n  git -C "{root}" branch --delete --force {report.BRANCH}'
        )
    facts = detect(root)
    made = plan(facts, data or {})
    tell(report.before(made))
    with tempfile.TemporaryDirectory(prefix="adopt-") as scratch:
        rendered = Path(scratch) / "rendered"
        local = f"{rendering.TEMPLATE}"
        ref = ref or rendering.version(rendering.TEMPLATE) if not template else ref
        rendering.render(made, rendered, template or local, ref)
        rendering.source_recorded(rendered, template or origin(rendering.TEMPLATE))
        rendering.sample_site_removed(rendered, made)
        result = merging.merge(facts, made, rendered)
    if not dry_run:
        written(root, result)
    tell(report.after(made, result, dry_run))
    return Adoption(made, result)


def origin(template: Path) -> str:
    """Where this clone of the template came from, as an https URL."""
    url = git(template, "remote", "get-url", "origin", check=False).strip()
    if url.startswith("git@"):
        url = "https://" + url.removeprefix("git@").replace(":", "/", 1)
    return url.removesuffix(".git") if url.startswith("https://") else f"{template}"


def written(root: Path, result: merging.Result) -> None:
    """Write the result on a new branch, with each conflict known to git."""
    staged = {}
    for name, (source, theirs) in result.conflicts.items():
        ours = git(root, "rev-parse", f"HEAD:{source}").strip()
        new = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"], cwd=root, input=theirs, check=True,
            capture_output=True,
        ).stdout.decode().strip()  # fmt: skip
        staged[name] = (ours, new)
    git(root, "switch", "--quiet", "--create", report.BRANCH)
    for name in result.deleted:
        (root / name).unlink()
    for name, data in result.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name in result.deleted:
        for folder in (root / name).parents:
            if folder == root or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()
    git(root, "add", "--all")
    git(root, "add", "--force", "--", *(name for name in result.files))
    if staged:
        lines = []
        for name, (ours, theirs) in staged.items():
            lines += [f"0 {'0' * 40}\t{name}", f"100644 {ours} 2\t{name}"]
            lines += [f"100644 {theirs} 3\t{name}"]
        git(root, "update-index", "--index-info", text="\n".join(lines) + "\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="adopt.py", description="Bring an existing Django project under Groundwork."
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the project, a git repository")
    parser.add_argument(
        "--data", nargs="+", action="extend", default=[], metavar="QUESTION=ANSWER",
        help="answers that are not to be looked for in the project",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="tell the plan and change nothing")
    parser.add_argument(
        "--template", default="", metavar="URL", help="another template than this repository"
    )
    parser.add_argument("--vcs-ref", default="", metavar="REF", help="another version of it")
    given = parser.parse_args(arguments)
    if wrong := [entry for entry in given.data if "=" not in entry]:
        parser.error(f"--data wants question=answer, not {wrong[0]}")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        adopt(
            given.path, dict(entry.split("=", 1) for entry in given.data), given.template,
            given.vcs_ref, given.dry_run,
        )  # fmt: skip
    except SyntaxError as error:
        print(f"A module cannot be read as Python: {error}", file=sys.stderr)
        return 1
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

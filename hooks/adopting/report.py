"""What is told before and after."""

from __future__ import annotations

from .merging import Result
from .plan import Plan

BRANCH = "adopt-groundwork"


def before(made: Plan) -> str:
    """The plan, for people."""
    lines = ["The questions, and the answers that were found:"]
    lines += [
        f"  {question}: {value}  ({made.reasons[question]})"
        for question, value in made.answers.items()
    ]
    moved = {old: new for old, new in made.moves.items() if old != new}
    if moved:
        lines += ["", "Files that move:"]
        lines += [f"  {old} → {new}" for old, new in moved.items()]
    lines += [
        "",
        "Of the template, the sample pages and the user model are left out: you have yours.",
    ]
    return "\n".join([*lines, *("! " + warning for warning in made.warnings)])


def after(made: Plan, result: Result, dry_run: bool) -> str:
    """What was done, what conflicts, and what to do next, in order."""
    lines = [""]
    same_as = [f"{old.strip()}: {new}" for old, new in result.replaced if "has the same" in new]
    lines += section("Added", result.added)
    lines += section("Merged", result.merged)
    lines += section("Where moved modules are named, their new names", result.renamed_names)
    lines += section("To know", [*result.notes, *same_as])
    lines += section("Conflicts, marked in the files", list(result.conflicts))
    if dry_run:
        return "\n".join([*lines, "This was a dry run: nothing was changed."])
    steps = []
    if result.conflicts:
        steps.append(
            "Settle each conflict: keep a side or both, delete the markers, then\n"
            + "".join(f"     git add {name}\n" for name in result.conflicts).rstrip("\n")
        )
    steps += [
        "uv run manage.py check        and then your own tests, as you ran them before",
        "uv run ruff check --fix config; uv run ruff format config        sorts the imports there",
        "Look at what changed:  git diff HEAD",
        "See that no conflict marker is left, which git would commit:  git diff --check HEAD",
        'git commit --all --message "Adopt Groundwork"',
        "Set the variables of .env.example where the site runs: DJANGO_SECRET_KEY, "
        "DJANGO_ALLOWED_HOSTS, …",
        "From now on:  uvx copier update",
    ]
    lines += ["What to do next:"]
    lines += [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    lines += [f"To undo all of it:  git reset --hard && git switch - && git branch -D {BRANCH}"]
    return "\n".join(lines)


def section(title: str, entries: list[str]) -> list[str]:
    unique = list(dict.fromkeys(entries))
    return [f"{title}:", *(f"  {entry}" for entry in unique), ""] if unique else []

"""Settings of one module, merged into the template's, which are a package."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from . import displays
from .git import OURS, THEIRS
from .modules import Statement, double_quoted, joined, statements
from .python import merge_statement, own_comments, own_docstring, pristine_lines

SET_LATER = ("development.py", "production.py", "test.py")
ROLES = {
    "base.py": ("base", "common", "default", "defaults", "settings"),
    "development.py": ("development", "dev", "develop", "local"),
    "production.py": ("production", "prod", "live"),
    "test.py": ("test", "tests", "testing"),
}


@dataclass
class Merged:
    files: dict[str, str]  # by name within config/settings/
    notes: list[str] = field(default_factory=list)
    replaced: list[tuple[str, str]] = field(default_factory=list)  # a line, and what says it now
    contested: list[str] = field(default_factory=list)  # names that stand between the markers


def same_as_default(ours: ast.expr | None, theirs: ast.expr | None) -> bool:
    """Is a value what the template has when no variable is set?"""
    if ours is None or theirs is None:
        return False
    if isinstance(theirs, ast.Call) and len(theirs.args) == 2:
        theirs = theirs.args[1]
    texts = [getattr(value, "value", None) for value in (ours, theirs)]
    if all(isinstance(text, str) for text in texts):
        return texts[0].strip("/") == texts[1].strip("/")
    return ast.dump(ours) == ast.dump(theirs)


def precedence(name: str) -> tuple[bool, bool]:
    """Which of several modules is named for a setting that all of them set: the greatest."""
    return name not in SET_LATER, name == "production.py"


def finds_the_root(part: Statement) -> bool:
    return part.key == ("set", "BASE_DIR") and "__file__" in part.loads


def merge_base(base: str, ours: str, theirs: dict[str, str]) -> Merged:
    """The project's (base) settings, merged into base.py and its neighbours of the template."""
    base, ours = double_quoted(base), double_quoted(ours)
    merged = Merged(dict(theirs))
    old = {part.key: part for part in statements(base)[0]}
    pristine = pristine_lines(base)
    new, new_tail = statements(theirs["base.py"])
    at = {part.key: number for number, part in enumerate(new)}
    elsewhere = {
        part.key: (name, part)
        for name, text in sorted(theirs.items(), key=lambda file: precedence(file[0]))
        if name != "base.py"
        for part in statements(text)[0]
        if part.key[0] == "set"
    }
    imports: list[Statement] = []
    own: list[Statement] = []
    contested: list[Statement] = []
    mine, tail = statements(ours)
    present = {part.key for part in mine}
    for key, was in old.items():  # what the user deleted, and the template left as it was
        if key not in present and key in at and new[at[key]].meaning == was.meaning:
            new[at[key]].text = new[at[key]].lead = ""
    for part in mine:
        was = old.get(part.key)
        comments = own_comments(part, pristine, theirs["base.py"])
        if part.key[0] == "docstring":
            comments = own_docstring(part, pristine)
        unchanged = (
            was is not None and was.meaning == part.meaning and not set(part.notes) - set(was.notes)
        )
        if part.key == ("set", "SECRET_KEY") and "django-insecure-" in part.text and was:
            unchanged = True
        if part.key[0] == "docstring":
            unchanged = True
        if part.is_import and part.nodes:
            if part.key in at:
                new[at[part.key]].text = merge_statement(was, part, new[at[part.key]])
                new[at[part.key]].lead += comments
            else:
                part.lead = comments
                imports.append(part)
            continue
        if part.key in at:
            there = new[at[part.key]]
            if part.key[0] == "docstring":
                there.text += comments
                continue
            if needs_both(part, there):
                contested.append(part)
                merged.contested.append(part.key[1])
                merged.notes.append(
                    f"{part.key[1]}: if you keep yours, add what config/settings/base.py has above."
                )
                continue
            there.lead += comments
            if not unchanged and part.meaning != there.meaning:
                there.text = settled(was, part, there, merged)
                there.nodes = nodes_of(there.text) or [*there.nodes, *part.nodes]
            elif part.meaning == there.meaning:
                there.text = part.text
            continue
        if unchanged:
            if comments:
                own.append(Statement(("comment", comments), "\n", comments))
            continue
        part.lead = ("\n" if part.lead.startswith("\n") else "") + comments
        if part.key not in elsewhere:
            own.append(part)
            continue
        name, there = elsewhere[part.key]
        if finds_the_root(part) or same_as_default(part.value, there.value):
            merged.replaced += [
                (line, f"config/settings/{name} has the same") for line in part.text.splitlines()
            ]
            if comments:
                own.append(Statement(("comment", comments), "\n", comments))
            continue
        contested.append(part)
        merged.contested.append(part.key[1])
        merged.notes.append(
            f"{part.key[1]}: config/settings/{name} sets it"
            + (" after base.py, so that yours has no effect there." if name in SET_LATER else ".")
        )
    own, late = those_for_development(own, contested, new, imports, theirs)
    for name, parts in (
        ("development.py", [part for part in late if not unless_debug(part)]),
        ("production.py", [part for part in late if unless_debug(part)]),
    ):
        if parts:
            text = theirs[name].rstrip("\n") + "\n\n# This project's own settings\n"
            merged.files[name] = text + joined(parts)
            merged.notes.append(
                f"config/settings/{name} has those of your settings that ask DEBUG: look whether "
                "the other modules there need them too."
            )
    merged.files["base.py"] = assembled(new, new_tail, imports, own, contested, mine, tail)
    return merged


def settled(was: Statement | None, ours: Statement, theirs: Statement, merged: Merged) -> str:
    """A setting that base.py has and both changed: lists are merged, else the project's stands."""
    values = [part.value for part in (ours, theirs)]
    if displays.mergeable(*values) or (was and was.meaning == theirs.meaning):
        return merge_statement(was, ours, theirs)
    merged.notes.append(f"{ours.key[1]}: your value is kept in config/settings/base.py.")
    return ours.text


def needs_both(ours: Statement, theirs: Statement) -> bool:
    """Is a list or dictionary made by an expression on either side, so that nobody can merge it?"""
    if not isinstance(theirs.value, displays.Display):
        return False
    return not isinstance(ours.value, displays.Display) or any(
        isinstance(value, ast.Dict) and None in value.keys for value in (ours.value, theirs.value)
    )


def unless_debug(part: Statement) -> bool:
    """Is this `if not DEBUG:`, which is meant for production?"""
    node = part.nodes[0] if part.nodes else None
    return isinstance(node, ast.If) and ast.unparse(node.test) == "not DEBUG"


def nodes_of(text: str) -> list[ast.stmt]:
    """The statements of a text; none if it is between markers."""
    try:
        return ast.parse(text).body
    except SyntaxError:
        return []


def those_for_development(
    own: list[Statement], contested: list[Statement], new: list[Statement],
    imports: list[Statement], theirs: dict[str, str],
) -> tuple[list[Statement], list[Statement]]:  # fmt: skip
    """Parts the own settings from those that need a name which development.py alone sets."""
    available = set().union(*(part.binds for part in [*new, *imports, *own]))
    later = set().union(*(part.binds for part in statements(theirs["development.py"])[0]))
    missing = later - available
    early: list[Statement] = []
    late: list[Statement] = []
    for part in own:
        if part.loads & missing:
            late.append(part)
            missing |= part.binds - {name for other in early for name in other.binds}
        else:
            early.append(part)
    return early, late


def assembled(
    new: list[Statement], new_tail: str, imports: list[Statement], own: list[Statement],
    contested: list[Statement], mine: list[Statement], tail: str,
) -> str:  # fmt: skip
    """The text of base.py: imports, the template's settings, then the project's."""
    used = set().union(*(part.loads for part in [*own, *contested, *new]))
    wanted = [part for part in imports if wants(part, used)]
    hoisted = needed_by([part for part in new if not part.is_import], own, new)
    own = [part for part in own if part not in hoisted]
    order = {id(part): number for number, part in enumerate(mine)}
    last = max((order.get(id(part), -1) for part in contested), default=-1)
    earlier = [part for part in own if order.get(id(part), 10**9) < last]
    calls = [part for part in earlier if part.key[0] == "call"]
    needed = needed_by([*contested, *calls], earlier, new)
    first = [part for part in earlier if part in needed or part in calls]
    rest = [part for part in own if part not in first]
    split = 1 + max((n for n, part in enumerate(new) if part.is_import), default=0)
    if wanted:
        wanted[0].lead = "\n" + wanted[0].lead.lstrip("\n")
        new[1].lead = "\n" + new[1].lead.lstrip("\n")
    if hoisted:
        hoisted[0].lead = "\n" + hoisted[0].lead.lstrip("\n")
    parts = [*new[:1], *wanted, *new[1:split], *hoisted, *new[split:]]
    text = joined(parts, new_tail).rstrip("\n") + "\n"
    if first or rest or contested:
        text += "\n# This project's own settings\n"
    text += joined(first)
    if contested:
        names = ", ".join(part.key[1] for part in contested)
        text += (
            "# The template sets these elsewhere: keep yours, or take its.\n"
            f"<<<<<<< {OURS}\n{joined(contested)}=======\n>>>>>>> {THEIRS} (without {names})\n"
        )
    return text + joined(rest, tail if tail.strip() else "")


def wants(part: Statement, used: set[str]) -> bool:
    """Is an import of the project still of use? What startproject wrote may not be."""
    star = any(alias.name == "*" for node in part.nodes for alias in node.names)
    return star or bool(part.binds & used) or part.key[1] not in ("pathlib", "os")


def needed_by(
    parts: list[Statement], own: list[Statement], new: list[Statement]
) -> list[Statement]:
    """The own settings that those parts read, directly or through others, in their order."""
    names = set().union(*(part.loads for part in parts)) if parts else set()
    names -= set().union(*(part.binds for part in new)) if new else set()
    found: list[Statement] = []
    for part in reversed(own):
        if part.binds & names:
            found.insert(0, part)
            names |= part.loads
    return found


def merge_role(ours: str, theirs: str) -> str:
    """A module such as production.py that the project has too: its own settings stand last."""
    ours = double_quoted(ours)
    new, new_tail = statements(theirs)
    mine, tail = statements(ours)
    by_key = {part.key: part for part in mine}
    kept: list[Statement] = []
    for number, part in enumerate(new):
        own = by_key.get(part.key)
        read = any(part.binds & other.loads for other in new[number + 1 :])
        if own and part.key[0] == "set" and own.meaning != part.meaning and not read:
            if number + 1 < len(new) and part.lead.startswith("\n"):
                new[number + 1].lead = "\n" + new[number + 1].lead.lstrip("\n")
            continue
        kept.append(part)
    there = {part.meaning for part in new}
    split = 1 + max((n for n, part in enumerate(kept) if part.is_import), default=0)
    imports, rest = [], []
    pristine = pristine_lines(theirs)
    for part in mine:
        if part.key == ("docstring",):
            part.text = own_docstring(part, pristine)
        elif part.meaning in there:
            part.text, part.lead = "", own_comments(part, pristine)
        (imports if part.is_import and part.text else rest).append(part)
    for part in imports:
        part.lead = part.lead.lstrip("\n")
    text = joined([*kept[:split], *imports, *kept[split:]], new_tail).rstrip("\n") + "\n"
    own = joined(rest, tail)
    return text + ("\n# This project's own settings\n" + own if own.strip() else "")

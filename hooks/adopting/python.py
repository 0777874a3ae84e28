"""A three-way merge of Python modules, statement by statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from . import displays
from .git import marked, merge_texts
from .modules import Statement, double_quoted, joined, statements

VERSION = re.compile(r"\d+\.\d+(\.\d+)?")


def merge_statement(base: Statement | None, ours: Statement, theirs: Statement) -> str:
    """One statement that the project and the template both have, and that differs."""
    if base and theirs.meaning == base.meaning:
        return ours.text
    if base and ours.meaning == base.meaning and not set(ours.notes) - set(base.notes):
        return theirs.text
    if ours.key[0] == "from":
        return imported(base, ours, theirs)
    values = tuple(part.value if part else None for part in (base, ours, theirs))
    if displays.mergeable(*values[1:]):
        if values[0] is None or not displays.mergeable(*values[:2]):
            values = (None, *values[1:])
        sources = tuple(part.text if part else "" for part in (base, ours, theirs))
        trees = tuple(
            ast.parse(source).body[0].value if value is not None else None
            for source, value in zip(sources, values, strict=False)
        )
        begin = theirs.text[: theirs.text.index("=") + 1]
        return f"{begin} {displays.merge(sources, trees)}\n"
    if base and len(theirs.text.splitlines()) > 1:
        return merge_texts(ours.text, base.text, theirs.text)[0]
    return marked(ours.text, theirs.text)


def imported(base: Statement | None, ours: Statement, theirs: Statement) -> str:
    """`from module import …` with the names of both."""
    names = {alias.name + (f" as {alias.asname}" if alias.asname else "") for part in
             (ours, theirs) for node in part.nodes for alias in node.names}  # fmt: skip
    if base:
        old = {alias.name for node in base.nodes for alias in node.names}
        new = {alias.name for node in theirs.nodes for alias in node.names}
        mine = {alias.name for node in ours.nodes for alias in node.names}
        names -= {name for name in old if name not in new and name not in mine}
    names = sorted(names, key=str.lower)
    line = f"from {ours.key[1]} import {', '.join(names)}\n"
    if len(line) <= 100:
        return line
    return f"from {ours.key[1]} import (\n" + "".join(f"    {name},\n" for name in names) + ")\n"


def pristine_lines(base: str) -> set[str]:
    """The lines of a text, without the version numbers in them."""
    return {VERSION.sub("N", line.replace('"""', "").strip()) for line in base.splitlines()}


def own_comments(part: Statement, pristine: set[str], elsewhere: str = "") -> str:
    """The comments above a statement that are the project's."""
    return "".join(
        line + "\n"
        for line in part.lead.splitlines()
        if line.strip().startswith("#")
        and VERSION.sub("N", line.strip()) not in pristine
        and line.strip() not in elsewhere
    )


def own_docstring(part: Statement, pristine: set[str]) -> str:
    """As comments, the lines of a docstring that are the project's."""
    return "".join(
        f"# {line.strip()}\n"
        for line in part.text.replace('"""', "").splitlines()
        if line.strip() and VERSION.sub("N", line.strip()) not in pristine
    )


def place_of(own: Statement, before: list[Statement], result: list[Statement]) -> int:
    """Where to insert a statement: behind what stood before it, imports among imports."""
    keys = {part.key: number for number, part in enumerate(result)}
    for part in reversed(before):
        if part.key in keys and (part.is_import or not own.is_import):
            return keys[part.key] + 1
    if own.is_import or not result:
        for number, part in enumerate(result):
            if part.key[0] != "docstring":
                return number
    return len(result)


def merge(
    base: str,
    ours: str,
    theirs: str,
    settle: Callable[[Statement | None, Statement, Statement], str | None] = lambda *_: None,
) -> str:
    """A module with what the project and the template each did to the base.

    `settle` may decide on a statement that both changed, by returning its text.
    """
    base, ours = double_quoted(base), double_quoted(ours)
    old = {part.key: part for part in statements(base)[0]}
    mine, mine_tail = statements(ours)
    new, new_tail = statements(theirs)
    mine_by_key = {part.key: part for part in mine}
    pristine = pristine_lines(base)
    result: list[Statement] = []
    for part in new:
        own, was = mine_by_key.get(part.key), old.get(part.key)
        if own is None:
            if was is None or was.meaning != part.meaning:
                result.append(part)
            continue
        lead = part.lead + own_comments(own, pristine, part.lead)
        if part.key[0] == "docstring":
            comments = own_docstring(own, pristine) if own.meaning != part.meaning else ""
            result.append(Statement(part.key, part.lead, part.text + comments, part.nodes))
            continue
        same = own.meaning == part.meaning
        text = own.text if same else settle(was, own, part) or merge_statement(was, own, part)
        result.append(Statement(part.key, lead, text, part.nodes))
    kept = {part.key for part in new}
    waiting: list[Statement] = []
    for number, part in enumerate(mine):
        was = old.get(part.key)
        if part.key in kept:
            continue
        if was is not None and was.meaning == part.meaning:
            comments = own_comments(part, pristine)
            if comments:
                waiting.append(Statement(("comment", comments), "\n", comments))
            continue
        if part.key[0] == "docstring":
            comments = own_docstring(part, pristine)
            if comments:
                waiting.append(Statement(("comment", comments), "", comments))
            continue
        part.lead = ("\n" if part.lead.startswith("\n") else "") + own_comments(part, pristine)
        result.insert(place_of(part, mine[:number], result), part)
    result += waiting
    tail = new_tail + (mine_tail if mine_tail.strip() else "")
    return joined(result, tail)

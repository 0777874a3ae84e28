"""A three-way merge of lists and dictionaries, item by item."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass, field

from .git import marked

Display = (ast.List, ast.Tuple, ast.Set, ast.Dict)


@dataclass
class Item:
    meaning: str
    text: str  # without its comma and its indentation
    lead: list[str] = field(default_factory=list)  # comment lines above it
    note: str = ""  # the comment on its last line
    key: str = ""
    value: ast.expr | None = None


def mergeable(*values: ast.expr | None) -> bool:
    """Are these lists or dictionaries of one kind, in which items can be merged?"""
    kinds = {type(value) for value in values}
    return len(kinds) == 1 and kinds <= set(Display) and not any(map(empty_tuple, values))


def empty_tuple(value: ast.expr) -> bool:
    return isinstance(value, ast.Tuple) and not value.elts


def items_of(source: str, value: ast.expr) -> list[Item]:
    """The items of a display in a module's source, with their comments."""
    lines = source.splitlines()
    pairs = (
        list(zip(value.keys, value.values, strict=False))
        if isinstance(value, ast.Dict)
        else [(None, item) for item in value.elts]
    )
    found, place = [], value.lineno
    for key, item in pairs:
        first = key if key is not None else item
        text = ast.get_source_segment(source, item) or ast.unparse(item)
        if key is not None:
            text = f"{ast.get_source_segment(source, key)}: {text}"
        elif isinstance(value, ast.Dict):
            text = f"**{text}"
        lead = [
            line.strip() for line in lines[place : first.lineno - 1] if line.strip().startswith("#")
        ]
        rest = lines[item.end_lineno - 1].encode()[item.end_col_offset :].decode()
        note = rest[rest.index("#") :] if rest.lstrip(" ,").startswith("#") else ""
        meaning = (ast.dump(key) + ": " if key else "") + ast.dump(item)
        found.append(Item(meaning, text, lead, note, ast.dump(key) if key else "", item))
        place = item.end_lineno
    below = [line.strip() for line in lines[place : value.end_lineno] if line.strip()[:1] == "#"]
    if below:
        found.append(Item("comment:" + "\n".join(below), "", below))
    return found


def written(items: list[Item], indent: str, kind: type) -> str:
    """The display again, an item a line."""
    opening, closing = {ast.List: "[]", ast.Tuple: "()", ast.Set: "{}", ast.Dict: "{}"}[kind]
    lines = []
    for item in items:
        if item.meaning == "conflict":
            lines += item.text.rstrip("\n").split("\n")
            continue
        lines += [f"{indent}    {line}" for line in item.lead]
        if item.text:
            note = f"  {item.note}" if item.note else ""
            lines.append(f"{indent}    {item.text},{note}")
    return "\n".join([opening, *lines, indent + closing])


def merge(sources: tuple[str, str, str], values: tuple, indent: str = "") -> str:
    """The text of a display with what the project and the template did to it.

    `sources` and `values` are those of base, project and template; an item that both changed is
    written between conflict markers.
    """
    base_value, ours_value, theirs_value = values
    kind = type(ours_value)
    base, ours, theirs = (
        items_of(source, value) if value is not None else []
        for source, value in zip(sources, values, strict=False)
    )
    ours_gaps, ours_kept = alignment(base, ours)
    theirs_gaps, theirs_kept = alignment(base, theirs)
    out: list[Item] = []
    for place in range(len(base) + 1):
        mine, new = ours_gaps[place], theirs_gaps[place]
        known = {item.meaning for item in new}
        mine_only = [item for item in mine if item.meaning not in known]
        both_gone = place < len(base) and not (ours_kept[place] or theirs_kept[place])
        nested = [
            (i, a, b)
            for i, a in enumerate(new)
            for b in mine_only
            if a.value is not None
            and b.value is not None
            and mergeable(a.value, b.value)
            and (a.key == b.key if a.key else both_gone)
        ]
        if nested:
            for i, a, b in nested:
                old = base[place].value if place < len(base) else None
                old = old if old is not None and mergeable(old, a.value) else None
                text = merge(sources, (old, b.value, a.value), indent + "    ")
                key = a.text.split(":", 1)[0] + ": " if a.key else ""
                new[i] = Item(a.meaning, key + text, a.lead + b.lead, a.note or b.note)
                mine_only.remove(b)
            out += with_marks(new, mine_only, indent, kind)
        elif any(b.key and a.key == b.key for a in new for b in mine_only):
            out += with_marks(new, mine_only, indent, kind)
        elif both_gone and replaced(new, mine_only):
            out += mine_only
        elif both_gone and new and mine_only:
            out.append(conflict(mine_only, new, indent, kind))
        else:
            out += new + mine_only
        if place < len(base) and ours_kept[place] and theirs_kept[place]:
            out.append(ours_kept[place])
    present: set[str] = set()
    unique = []
    for item in out:
        if item.meaning == "conflict" or item.meaning not in present:
            unique.append(item)
            present.add(item.meaning)
    return written(unique, indent, kind)


def conflict(mine: list[Item], new: list[Item], indent: str, kind: type) -> Item:
    """Both sides' items, between markers."""
    sides = (written(side, indent, kind).split("\n", 1)[1] for side in (mine, new))
    return Item("conflict", marked(*(side.rsplit("\n", 1)[0] for side in sides)))


def with_marks(new: list[Item], mine: list[Item], indent: str, kind: type) -> list[Item]:
    """The items of both; where both have a key, each is between markers."""
    keys = {item.key for item in mine if item.key}
    out = []
    for item in new:
        same = [other for other in mine if item.key and other.key == item.key]
        out.append(conflict(same, [item], indent, kind) if same else item)
    taken = keys & {item.key for item in new}
    return out + [item for item in mine if item.key not in taken or not item.key]


def replaced(new: list[Item], mine: list[Item]) -> bool:
    """Is each new call of the template one of the project's, with another first argument?"""
    return bool(new) and {rest_of_call(item) for item in new} <= {
        rest_of_call(item) for item in mine
    } - {""}


def rest_of_call(item: Item) -> str:
    call = item.value
    if not isinstance(call, ast.Call) or len(call.args) < 2:
        return ""
    return "".join(ast.dump(node) for node in [call.func, *call.args[1:], *call.keywords])


def alignment(base: list[Item], other: list[Item]) -> tuple[list[list[Item]], list[Item | None]]:
    """What `other` has before each item of the base and at the end; which items it kept."""
    gaps: list[list[Item]] = [[] for _ in range(len(base) + 1)]
    kept: list[Item | None] = [None] * len(base)
    matcher = difflib.SequenceMatcher(
        None, [item.meaning for item in base], [item.meaning for item in other], autojunk=False
    )
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            kept[i:j] = other[k:m]
        else:
            gaps[i] += other[k:m]
    return gaps, kept

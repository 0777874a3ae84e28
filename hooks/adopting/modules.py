"""Python modules as sequences of statements, each with the comments that stand above it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Statement:
    """One statement of a module (or several on one line), as text and as what it means."""

    key: tuple
    lead: str  # comments and empty lines above it
    text: str
    nodes: list = field(default_factory=list, repr=False)

    @property
    def meaning(self) -> str:
        """The same for two statements that differ in formatting and comments alone."""
        return "\n".join(ast.dump(node) for node in self.nodes)

    @property
    def binds(self) -> set[str]:
        return set().union(*(bound(node) for node in self.nodes))

    @property
    def loads(self) -> set[str]:
        return {
            name.id
            for node in self.nodes
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)
        }

    @property
    def value(self) -> ast.expr | None:
        """The right-hand side, of a plain assignment to one name."""
        node = self.nodes[0] if len(self.nodes) == 1 else None
        return node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None

    @property
    def is_import(self) -> bool:
        return bool(self.nodes) and all(
            isinstance(node, (ast.Import, ast.ImportFrom)) for node in self.nodes
        )

    @property
    def notes(self) -> list[str]:
        """The lines of the statement itself that have a comment."""
        return [line.strip() for line in self.text.splitlines() if "#" in line]


def bound(node: ast.AST) -> set[str]:
    """The names that a statement binds in its module."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    return {
        name.id
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }


def key_of(node: ast.stmt, number: int) -> tuple:
    """By what a statement is found again in another version of its module."""
    if number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return ("docstring",)
    if isinstance(node, ast.ImportFrom):
        return ("from", "." * node.level + (node.module or ""))
    if isinstance(node, ast.Import):
        return ("import", *(alias.name for alias in node.names))
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return ("set", ast.unparse(node.targets[0]))
    if isinstance(node, ast.AnnAssign):
        return ("set", ast.unparse(node.target))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return ("define", node.name)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.args:
        return ("call", ast.unparse(node.value.func), ast.unparse(node.value.args[0]))
    return ("other", ast.dump(node))


def statements(source: str) -> tuple[list[Statement], str]:
    """The statements of a module, and what stands below the last one."""
    lines = source.splitlines(keepends=True)
    found: list[Statement] = []
    place, used = 0, {}
    for number, node in enumerate(ast.parse(source).body):
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        if start < place:  # a second statement on the line of the one before
            found[-1].nodes.append(node)
            continue
        key = key_of(node, number)
        used[key] = used.get(key, 0) + 1
        if used[key] > 1:
            key = (*key, used[key])
        end = node.end_lineno
        found.append(Statement(key, "".join(lines[place:start]), "".join(lines[start:end]), [node]))
        place = end
    if found and not found[-1].text.endswith("\n"):
        found[-1].text += "\n"
    return found, "".join(lines[place:])


def double_quoted(source: str) -> str:
    """The source with 'this' written as "this" where that changes nothing."""
    offsets, place = [0], 0
    for line in source.splitlines(keepends=True):
        place += len(line)
        offsets.append(place)
    out, done = [], 0
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return source
    for token in tokens:
        text = token.string
        if token.type != tokenize.STRING or not re.fullmatch(r"[rbuRBU]*'[^'\"\\\n]*'", text):
            continue
        begin = offsets[token.start[0] - 1] + token.start[1]
        out += [source[done:begin], text.replace("'", '"')]
        done = begin + len(text)
    return "".join(out) + source[done:]


def joined(parts: Iterable[Statement], tail: str = "") -> str:
    """The module that consists of those statements."""
    text = "".join(part.lead + part.text for part in parts) + tail
    return re.sub(r"\A\n+", "", re.sub(r"\n{4,}", "\n\n\n", text))


def without(source: str, modules: Iterable[str]) -> str:
    """A module without what it has from those modules: imports, list items, what names them."""
    modules = tuple(modules)

    def from_them(name: str) -> bool:
        return any(name == module or name.startswith(module + ".") for module in modules)

    gone: set[str] = set()
    spans: list[tuple[int, int]] = []
    tree = ast.parse(source)
    before = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and from_them(node.module or ""):
            gone |= bound(node)
            spans.append((node.lineno, node.end_lineno))

    def names_them(node: ast.AST) -> bool:
        return any(
            (isinstance(part, ast.Name) and part.id in gone)
            or (
                isinstance(part, ast.Constant)
                and isinstance(part.value, str)
                and from_them(part.value)
            )
            for part in ast.walk(node)
        )

    for node in ast.walk(tree):
        if isinstance(node, (ast.List, ast.Tuple)):
            spans += [
                (item.lineno, item.end_lineno)
                for item in node.elts
                if names_them(item)
                and not isinstance(item, (ast.List, ast.Tuple, ast.Dict))
                and item.lineno != node.lineno
            ]
    lines = source.splitlines(keepends=True)
    for begin, end in spans:
        lines[begin - 1 : end] = [""] * (end - begin + 1)
    source = "".join(lines)
    parts, tail = statements(source)
    after = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    unused = before - after
    kept = []
    for part in parts:
        node = part.nodes[0]
        if isinstance(node, ast.ImportFrom) and part.binds & unused:
            node.names = [n for n in node.names if (n.asname or n.name) not in unused]
            if not node.names:
                continue
            part.text = ast.unparse(node) + "\n"
        kept.append(part)
    return joined(kept, tail)

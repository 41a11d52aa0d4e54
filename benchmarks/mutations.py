"""Which small faults (mutants) can be planted in a source file, and which of them are drawn.

A mutant replaces one expression or statement of a file by a nearby wrong one: `<` by `<=`, `and`
by `or`, `True` by `False`, a number by the next one, a key by another, a returned value by None, a
call whose value nobody reads by `pass`. Everything here is a function of texts and a seed.

Not mutated, since a mutant there says nothing of the tests: annotations, decorators, docstrings,
`__all__`, imports for types only, and the words of an error that is raised.
"""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import PurePosixPath

# Of each operator: how it is written, and what is written in its place.
_SWAPPED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted fault: in `path`, the bytes from `start` to `end` become `text`."""

    path: str
    line: int
    last_line: int
    start: int
    end: int
    text: str
    name: str  # file, line and change as texts: it stays when lines above it move
    is_in_function: bool = True  # else the import of the module runs it

    def planted_in(self, source: bytes) -> bytes:
        """The file with this fault."""
        return source[: self.start] + self.text.encode() + source[self.end :]


class _File:
    """Positions in one source, as offsets of bytes."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path = path
        self.source = source
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.bodies = [
            range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        return self.starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def text(self, node: ast.expr | ast.stmt) -> str:
        return self.source[self.start(node) : self.end(node)].decode()

    def replace(self, node: ast.expr | ast.stmt, text: str) -> Mutant:
        return self.between(self.start(node), self.end(node), text, node)

    def between(self, start: int, end: int, text: str, node: ast.expr | ast.stmt) -> Mutant:
        """The mutant of the bytes from `start` to `end`, named by the lines of `node`."""
        first, last = node.lineno - 1, node.end_lineno or node.lineno
        lines = self.source[self.starts[first] : self.starts[last]].decode()
        before = self.source[self.starts[first] : start].decode()
        after = self.source[end : self.starts[last]].decode()
        was, becomes = (" ".join(one.split()) for one in (lines, before + text + after))
        return Mutant(
            path=self.path,
            line=node.lineno,
            last_line=node.end_lineno or node.lineno,
            start=start,
            end=end,
            text=text,
            name=f"{self.path}: `{was}` -> `{becomes}`",
            is_in_function=any(node.lineno in body for body in self.bodies),
        )


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """Every mutant of one Python file; `path` only names it."""
    file = _File(path, source)
    return [mutant for node in _walked(ast.parse(source)) for mutant in _mutants_at(file, node)]


def _walked(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes whose mutants say something; see the head of this file."""
    for child in _children(node):
        yield child
        yield from _walked(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    skipped = {"annotation", "returns", "decorator_list", "type_comment"}
    if isinstance(node, ast.ClassDef):
        skipped |= {"bases", "keywords"}
    if isinstance(node, ast.Raise):
        skipped |= {"exc", "cause"}
    for field, value in ast.iter_fields(node):
        if field not in skipped:
            values = value if isinstance(value, list) else [value]
            yield from (one for one in values if isinstance(one, ast.AST) and not _declares(one))


def _declares(node: ast.AST) -> bool:
    """Whether a statement only declares: a docstring, `__all__`, what types alone read."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec" | "NewType"))):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case _:
            return False


def _mutants_at(file: _File, node: ast.AST) -> Iterator[Mutant]:
    yield from _of_operators(file, node)
    yield from _of_statements(file, node)
    yield from _of_constants(file, node)


def _of_operators(file: _File, node: ast.AST) -> Iterator[Mutant]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield from _swapped(file, node, left, op, right)
        case ast.BoolOp(op=op, values=[first, second, *_]):
            yield from _swapped(file, node, first, op, second)
        case ast.BinOp(left=left, op=op, right=right) if not _are_texts(left, right):
            yield from _swapped(file, node, left, op, right)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield file.replace(node, f"({file.text(operand)})")
        case _:
            pass


def _of_statements(file: _File, node: ast.AST) -> Iterator[Mutant]:
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if isinstance(test, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
                yield file.replace(test, f"(not {file.text(test)})")
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield file.replace(node, "return None")
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign():
            yield file.replace(node, "pass")
        case ast.Continue():
            yield file.replace(node, "break")
        case ast.Break():
            yield file.replace(node, "continue")
        case _:
            pass


def _of_constants(file: _File, node: ast.AST) -> Iterator[Mutant]:
    match node:
        case ast.Constant(value=bool() as value):
            yield file.replace(node, str(not value))
        case ast.Constant(value=int() as value):
            yield file.replace(node, str(value + 1))
        case ast.Constant(value=str() as value) if value.isidentifier():
            yield file.replace(node, repr(f"{value}_"))
        case _:
            pass


def _swapped(
    file: _File, node: ast.expr, left: ast.expr, op: ast.AST, right: ast.expr
) -> Iterator[Mutant]:
    """The mutant with another operator; brackets that stand around it stay."""
    written, instead = _SWAPPED.get(type(op), ("", ""))
    start, end = file.end(left), file.start(right)
    between = file.source[start:end].decode()
    if written and between.count(written) == 1:
        yield file.between(start, end, between.replace(written, instead), node)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _are_texts(*nodes: ast.expr) -> bool:
    """Whether one side is plainly a text: `-` would fail at once, whatever the tests ask."""
    return any(
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
        for node in nodes
    )


def draw(mutants: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """`count` of the mutants, by chance from `seed`: a layer in turn, then any of that layer."""
    dice = random.Random(seed)
    layers: Mapping[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        layers[_layer(mutant.path)].append(mutant)
    for found in layers.values():
        dice.shuffle(found)
    # Every other draw is from all layers by their size, so that large ones are not left behind.
    pool = [mutant for found in layers.values() for mutant in found[len(found) // 2 :]]
    dice.shuffle(pool)
    in_turn = _in_turn({name: found[: len(found) // 2] for name, found in layers.items()})
    mixed = (one for pair in zip(in_turn, pool, strict=False) for one in pair)
    return list(islice(mixed, count))


def _in_turn(layers: Mapping[str, list[Mutant]]) -> Iterator[Mutant]:
    queues = {name: iter(found) for name, found in sorted(layers.items())}
    for name in cycle(list(queues)):
        if not queues:
            return
        if name in queues:
            one = next(queues[name], None)
            if one is None:
                del queues[name]
            else:
                yield one


def _layer(path: str) -> str:
    parts = PurePosixPath(path).parts
    return parts[2] if len(parts) > 3 else PurePosixPath(path).stem  # noqa: PLR2004 - src/puna/x/…

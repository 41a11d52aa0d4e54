"""Sources are counted by layer, functions by their length."""

from __future__ import annotations

from pathlib import Path

from benchmarks.size import Module, as_table, as_trend, modules_of, read_module

TEXT = """class One:
    def first(self) -> int:
        def inner() -> int:
            return 1

        return inner()


async def second() -> None:
    pass
"""


def test_functions_have_their_full_name_place_and_length() -> None:
    module = read_module("wire", "src/x.py", TEXT)
    assert (module.layer, module.lines) == ("wire", 10)
    found = [(one.lines, one.name, one.at) for one in module.functions]
    assert found == [(5, "One.first", 2), (2, "One.first.inner", 3), (2, "second", 9)]
    assert str(module.functions[0]) == "   5  One.first  src/x.py:2"


def test_a_layer_is_the_first_folder(tmp_path: Path) -> None:
    for name in ("top.py", "wire/a.py", "wire/deep/b.py"):
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXT)
    modules = modules_of(tmp_path, tmp_path / "src", "own/")
    assert [(one.layer, one.path) for one in modules] == [
        ("own/(modules)", "src/top.py"),
        ("own/wire", "src/wire/a.py"),
        ("own/wire", "src/wire/deep/b.py"),
    ]
    rows = as_table(modules, 1).splitlines()
    assert rows[2].split() == ["own/wire", "2", "20", "10", "5"]
    assert rows[3].split() == ["all", "3", "30"]
    assert rows[5:] == ["longest functions", "   5  One.first  src/top.py:2"]


def test_a_trend_tells_the_layers_that_differ_and_their_sum() -> None:
    def module(layer: str, lines: int) -> Module:
        return Module(layer, "x.py", lines, ())

    then = [module("wire", 10), module("wire", 5), module("gone", 7), module("same", 3)]
    now = [module("wire", 12), module("same", 3), module("new", 4)]
    head, *rows = as_trend(now, then, "v1").splitlines()
    assert head.split() == ["since", "v1", "files", "lines"]
    assert sorted(row.split() for row in rows[:-1]) == [
        ["gone", "-1", "-7"],
        ["new", "+1", "+4"],
        ["wire", "-1", "-3"],
    ]
    assert rows[-1].split() == ["all", "-1", "-6"]

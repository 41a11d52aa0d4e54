"""Calls as Python: their values become JSON."""

from __future__ import annotations

import json

import pytest
from tests.support.rescued import TOOLS

from puna.rescue.stream import find_calls


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("[f(x=true, y=false, z=null)]", {"x": True, "y": False, "z": None}),
        ("[f(x=True, y=False, z=None)]", {"x": True, "y": False, "z": None}),
        ("[f(x=-1, y=-2.5, z=(1, 2))]", {"x": -1, "y": -2.5, "z": [1, 2]}),
        ("[f(x='a\nb', y='\\d+\\n')]", {"x": "a\nb", "y": "\\d+\n"}),
        ("[f(from='NYC', class='b', x={'if': 1})]", {"from": "NYC", "class": "b", "x": {"if": 1}}),
        ("[f(x='é' 'ü',)]", {"x": "éü"}),
        ("[\n  f(\n    x=1\n  ),\n]", {"x": 1}),
        ("[f(x={'a': [1, {'b': ')'}]})]", {"x": {"a": [1, {"b": ")"}]}}),
    ],
)
def test_python_values_become_json(text: str, arguments: object) -> None:
    (call,) = find_calls(text, TOOLS).calls
    assert json.loads(call.arguments) == arguments

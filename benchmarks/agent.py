"""A turn of a coding agent: 40 KB of conversation with 15 tools, and the answer to it.

Of 20 messages, 8 are tool calls and 8 their results. The answer is a text and a tool call: streamed
40 events of text and 20 of the call's arguments. The same turn is told in each of the three shapes
that agents speak: chat (opencode, Cline), Anthropic's Messages (Claude Code), OpenAI's Responses
(Codex). Nothing here is drawn: all runs send the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from benchmarks import vllm

_TEXT = (
    "The test fails because `parse_window` reads the suffix before it strips the spaces, so "
    "“5 min” is taken for a number of seconds. I will strip first, keep the old behaviour for bare "
    "numbers — they are seconds, as the docs say — and add a case for each unit to the test."
)
_ARGUMENTS = json.dumps(
    {
        "path": "src/limits/window.py",
        "old_text": "unit = text[-1]\n    return float(text[:-1]) * UNITS[unit]\n",
        "new_text": "text = text.strip()\n    number, unit = split_unit(text)\n    "
        'return float(number) * UNITS[unit or "s"]\n',
        "is_whole_line": True,
    }
)
ANSWER = vllm.Answer(
    _TEXT,
    vllm.Call("edit_file", _ARGUMENTS),
    text_events=40,
    call_events=20,
    usage={"prompt_tokens": 10_212, "total_tokens": 10_301, "completion_tokens": 89},
)

_SYSTEM = (
    "You are a coding agent that works in the user's repository. Read before you edit; keep the "
    "style of the file; run the tests that concern a change; say what you did in two sentences.\n"
    "- Paths are relative to the root of the repository.\n- Never touch what you were not asked "
    "for.\n- A command that fails is read, not repeated.\n"
)
_CODE = '''\
def parse_window(text: str) -> float:
    """Seconds of a window such as "30s", "5 min" or "1h"."""
    unit = text[-1]
    if unit.isdigit():  # a bare number is seconds
        return float(text)
    return float(text[:-1]) * UNITS[unit]


'''
_LOG = (
    "tests/limits/test_window.py::test_units[5 min-300.0] FAILED\n"
    "E       AssertionError: assert 5.0 == 300.0\n"
    "E        +  where 5.0 = parse_window('5 min')\n"
)
_TURNS = (
    ("list_files", {"path": "src/limits", "is_recursive": True}, "src/limits/window.py\n", 60),
    ("read_file", {"path": "src/limits/window.py", "offset": 0, "limit": 200}, _CODE, 14),
    ("search_text", {"pattern": "parse_window", "glob": "**/*.py"}, "window.py:12: parse\n", 70),
    ("read_file", {"path": "tests/limits/test_window.py", "offset": 0}, _CODE, 13),
    ("run_command", {"command": "pytest -q tests/limits", "timeout_s": 60}, _LOG, 14),
    ("read_file", {"path": "docs/limits.md", "offset": 0, "limit": 80}, _CODE, 14),
    ("git_diff", {"path": "src/limits", "is_staged": False}, _CODE, 13),
    ("run_command", {"command": "pytest -q tests/limits -k 5", "timeout_s": 60}, _LOG, 14),
)
_TOOLS = (
    ("read_file", ("path", "offset", "limit")),
    ("write_file", ("path", "content", "is_new")),
    ("edit_file", ("path", "old_text", "new_text", "is_whole_line")),
    ("list_files", ("path", "is_recursive")),
    ("search_text", ("pattern", "glob", "limit")),
    ("run_command", ("command", "timeout_s", "folder")),
    ("read_output", ("session", "limit")),
    ("git_diff", ("path", "is_staged")),
    ("git_log", ("path", "limit")),
    ("fetch_page", ("url", "prompt")),
    ("search_web", ("query", "limit")),
    ("write_plan", ("steps", "is_done")),
    ("ask_user", ("question", "choices")),
    ("start_task", ("prompt", "is_isolated")),
    ("read_notebook", ("path", "cell")),
)
_DESCRIPTION = (
    "Use {} when it is the shortest way to what you need to know or do. It works in the repository "
    "only, gives at most 50,000 letters, and says where it stopped. Do not use it twice with the "
    "same arguments; its result does not change."
)
_LAST = "The test still fails on “5 min”. Find out why, mend it, and keep bare numbers as they are."
_TYPES = {"offset": "integer", "limit": "integer", "timeout_s": "number", "cell": "integer"}


@lru_cache
def chat_body() -> Mapping[str, Any]:
    """The turn as a chat request of the OpenAI SDK, without model and stream."""
    messages: list[Any] = [{"role": "system", "content": _SYSTEM * 17}, *_opening()]
    for number, (name, arguments, said, times) in enumerate(_TURNS):
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"id": _call_id(number), "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        result = {"role": "tool", "tool_call_id": _call_id(number), "content": said * times}
        messages.append(result)
    messages.append({"role": "user", "content": _LAST})
    functions = [
        {"name": name, "description": described, "parameters": schema}
        for name, described, schema in _tools()
    ]
    return {
        "messages": messages,
        "model": "",
        "max_tokens": 8192,
        "parallel_tool_calls": True,
        "temperature": 0.2,
        "tool_choice": "auto",
        "tools": [{"type": "function", "function": one} for one in functions],
    }


@lru_cache
def messages_body() -> Mapping[str, Any]:
    """The same turn as a request of Anthropic's Messages API."""
    messages: list[Any] = _opening()
    for number, (name, arguments, said, times) in enumerate(_TURNS):
        call = {"type": "tool_use", "id": _call_id(number), "name": name, "input": arguments}
        messages.append({"role": "assistant", "content": [call]})
        result = {
            "type": "tool_result",
            "tool_use_id": _call_id(number),
            "content": said * times,
        }
        messages.append({"role": "user", "content": [result]})
    messages[-1]["content"].append({"type": "text", "text": _LAST})
    return {
        "max_tokens": 8192,
        "messages": messages,
        "model": "",
        "system": [{"type": "text", "text": _SYSTEM * 17}],
        "temperature": 0.2,
        "tool_choice": {"type": "auto"},
        "tools": [
            {"name": name, "description": described, "input_schema": schema}
            for name, described, schema in _tools()
        ],
    }


@lru_cache
def responses_body() -> Mapping[str, Any]:
    """The same turn as a request of OpenAI's Responses API, not to be stored, as Codex asks."""
    items: list[Any] = [_said(one["role"], one["content"]) for one in _opening()]
    for number, (name, arguments, said, times) in enumerate(_TURNS):
        call_id = _call_id(number)
        call = {"call_id": call_id, "name": name, "arguments": json.dumps(arguments)}
        items.append({"type": "function_call", **call})
        output = {"call_id": call_id, "output": said * times}
        items.append({"type": "function_call_output", **output})
    items.append(_said("user", _LAST))
    return {
        "model": "",
        "instructions": _SYSTEM * 17,
        "input": items,
        "tools": [
            {
                "type": "function",
                "name": name,
                "description": described,
                "strict": False,
                "parameters": schema,
            }
            for name, described, schema in _tools()
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "max_output_tokens": 8192,
        "temperature": 0.2,
        "store": False,
    }


def _opening() -> list[Any]:
    """The first question, and what was said to it."""
    asked = "Windows like “5 min” are read wrong in src/limits. Have a look, please."
    return [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": "I will look at the code first, then at its tests."},
    ]


def _said(role: str, text: str) -> Mapping[str, Any]:
    """A message of the Responses API."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _call_id(number: int) -> str:
    return f"call_{number:024d}"


def _tools() -> Sequence[tuple[str, str, Mapping[str, Any]]]:
    """Name, description and schema of each tool."""
    return [
        (
            name,
            _DESCRIPTION.format(name.replace("_", " ")),
            {
                "type": "object",
                "properties": {one: _property(one, name) for one in properties},
                "required": [properties[0]],
                "additionalProperties": False,
            },
        )
        for name, properties in _TOOLS
    ]


def _property(name: str, tool: str) -> Mapping[str, Any]:
    kind = "boolean" if name.startswith("is_") else _TYPES.get(name, "string")
    described = f"The {name.removeprefix('is_').replace('_', ' ')} that {tool} works with; "
    return {"type": kind, "description": described + "left out, it is chosen as usual."}

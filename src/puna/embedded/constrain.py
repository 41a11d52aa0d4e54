"""Chat requests turned into what the embedded engine can do.

The engine ignores `tools` with this model's template, so a tool call is a constrained answer: the
functions stand in the system prompt, and a grammar lets the model write nothing but
`{"name": …, "arguments": {…}}`. The same kind of grammar holds `response_format`. Rules:

- `tool_choice` `required` or a named function: always a call. `none`: no tools. `auto`: decided
  by `puna.embedded.tool_choice`; an answer to a `tool` message is always text.
- One call an answer: `parallel_tool_calls` has no effect. `stop` has none on tool calls.
- Special tokens in messages (`<|im_end|>` and all of the form `<|name|>`) would act as such: a
  word joiner (U+2060) is put after their `<`.
- Answers are at most `DEFAULT_LIMIT` tokens long unless the request says more: a small model seldom
  ends by itself, and a longer answer of it is no better.
- `n` is at most the engine's slots. The engine counts the tokens of `n` answers right only when
  it streams, so it then streams, and the answer is put together (`Constrained.is_folded`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from puna.embedded.bounds import bound_schema
from puna.embedded.checks import check_schema
from puna.embedded.tool_choice import pick_tools
from puna.embedded.weights import SLOTS
from puna.errors import BadRequestError, UnsupportedParamsError

Shape = Literal["text", "json", "tool_call"]

DEFAULT_LIMIT = 400
"""Tokens of an answer where the request sets no limit."""

_FORWARDED = frozenset((
    "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "min_p", "model", "n",
    "presence_penalty", "repeat_penalty", "seed", "stop", "stream", "temperature", "top_k",
    "top_logprobs", "top_p", "typical_p",
))  # fmt: skip
_TRANSLATED = frozenset((
    "max_completion_tokens", "messages", "parallel_tool_calls", "repetition_penalty",
    "response_format", "stream_options", "tool_choice", "tools",
))  # fmt: skip
_LEGACY = frozenset(("functions", "function_call"))

_SPECIAL_TOKEN = re.compile(r"<(?=\|[^<>|\s]{1,64}\|>)")
_BROKEN = "<\N{WORD JOINER}"

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

_MAX_TEMPERATURE = 2

_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Constrained:
    """A request for the engine, and what is needed to read its reply.

    Attributes:
        body: what to send.
        shape: what the answer holds: free text, JSON under `schema`, or one tool call.
        schema: the caller's own schema of a JSON answer.
        tools: the callers' parameter schemas of the functions that may be called, by name.
        param: what an error about the schema names.
        is_folded: the engine streams although a whole answer was asked for.
        dropped_params: fields of the request that the engine does not get.
    """

    body: Mapping[str, Any]
    shape: Shape = "text"
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    param: str = "response_format"
    is_folded: bool = False
    dropped_params: tuple[str, ...] = ()


def constrain(body: Mapping[str, Any]) -> Constrained:
    """An OpenAI chat request body, as the engine is to get it.

    Raises:
        BadRequestError: what the engine would crash on or silently get wrong; `param` names it.
        UnsupportedParamsError: the legacy `functions`.
    """
    _check_numbers(body)
    messages = _read_messages(body.get("messages"))
    made = {key: value for key, value in body.items() if key in _FORWARDED and value is not None}
    _translate_params(made, body)
    is_folded = made.get("n", 1) > 1 and not made.get("stream")
    if is_folded:
        made["stream"] = True
    if made.get("stream"):
        made["stream_options"] = {"include_usage": True}
    dropped = tuple(sorted(key for key in body if key not in _FORWARDED and key not in _TRANSLATED))
    tools = _choose_tools(body, messages)
    if tools:
        return _constrain_tools(made, messages, tools, is_folded=is_folded, dropped=dropped)
    made["messages"] = messages
    schema = _read_format(body.get("response_format"))
    if schema is None:
        return Constrained(made, is_folded=is_folded, dropped_params=dropped)
    made["grammar"] = _grammar(bound_schema(schema, param="response_format"))
    return Constrained(
        made, shape="json", schema=schema, is_folded=is_folded, dropped_params=dropped
    )


def neutralise(text: str) -> str:
    """Text whose special tokens are only text to the model."""
    return _SPECIAL_TOKEN.sub(_BROKEN, text)


# ---- parameters


def _check_numbers(body: Mapping[str, Any]) -> None:
    _check_range(body, "temperature", 0, _MAX_TEMPERATURE)
    _check_range(body, "top_p", 0, 1)
    _check_range(body, "n", 1, SLOTS)
    _check_range(body, "max_tokens", 1, None)
    _check_range(body, "max_completion_tokens", 1, None)
    for name in _LEGACY:
        if body.get(name) is not None:
            raise UnsupportedParamsError(
                f"The embedded model does not know the legacy `{name}`; use `tools` and "
                "`tool_choice`.",
                param=name,
                provider="embedded",
            )


def _check_range(body: Mapping[str, Any], name: str, low: int, high: int | None) -> None:
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(f"`{name}` must be a number.", name)
    if value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise _wrong(f"`{name}` must be {limits}, not `{value}`.", name)


def _translate_params(made: dict[str, Any], body: Mapping[str, Any]) -> None:
    if body.get("max_completion_tokens") is not None:
        made["max_tokens"] = body["max_completion_tokens"]
    made.setdefault("max_tokens", DEFAULT_LIMIT)
    if body.get("repetition_penalty") is not None:
        made["repeat_penalty"] = body["repetition_penalty"]


def _read_format(wanted: Any) -> Mapping[str, Any] | None:
    """The caller's schema; None for free text."""
    if wanted is None:
        return None
    if not isinstance(wanted, Mapping):
        raise _wrong("`response_format` must be an object.", "response_format")
    given = cast("Mapping[str, Any]", wanted)
    kind = given.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    named = given.get("json_schema")
    schema = cast("Mapping[str, Any]", named).get("schema") if isinstance(named, Mapping) else None
    if kind != "json_schema" or not isinstance(schema, Mapping):
        raise _wrong(
            "`response_format` must be of type text, json_object, or json_schema with an object "
            "as `json_schema.schema`.",
            "response_format",
        )
    schema = cast("Mapping[str, Any]", schema)
    check_schema(schema, param="response_format")
    return schema


def _grammar(schema: Mapping[str, Any]) -> str:
    """The engine's grammar of a bounded schema, without spaces between tokens."""
    options = {"whitespace_flexible": False, "lenient": True}
    text = json.dumps({**schema, "x-guidance": options}, ensure_ascii=False)
    return "%llguidance {}\nstart: %json " + text


# ---- tools


def _choose_tools(
    body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The functions of which one is to be called; none means an answer in text."""
    functions = _read_functions(body.get("tools"))
    choice = body.get("tool_choice") or "auto"
    if choice == "none" or (not functions and choice == "auto"):
        return []
    if not functions:
        raise _wrong("`tool_choice` needs `tools`.", "tool_choice")
    if choice == "required":
        return functions
    if choice == "auto":
        last = cast("Sequence[Mapping[str, Any]]", body["messages"])[-1]
        if last.get("role") != "user":
            return []
        return pick_tools(str(messages[-1]["content"]), functions)
    name = _chosen_name(choice)
    chosen = [function for function in functions if function["name"] == name]
    if not chosen:
        raise _wrong(f"`tool_choice` names `{name}`, which is not in `tools`.", "tool_choice")
    return chosen


def _chosen_name(choice: Any) -> str:
    function = (
        cast("Mapping[str, Any]", choice).get("function") if isinstance(choice, Mapping) else None
    )
    name = (
        cast("Mapping[str, Any]", function).get("name") if isinstance(function, Mapping) else None
    )
    if not isinstance(name, str):
        raise _wrong(
            "`tool_choice` must be none, auto, required, or "
            '{"type": "function", "function": {"name": …}}.',
            "tool_choice",
        )
    return name


def _read_functions(tools: Any) -> list[Mapping[str, Any]]:
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        return []
    functions: list[Mapping[str, Any]] = []
    for i, tool in enumerate(cast("Sequence[Any]", tools)):
        given = cast("Mapping[str, Any]", tool) if isinstance(tool, Mapping) else {}
        function = given.get("function")
        if given.get("type", "function") != "function" or not isinstance(function, Mapping):
            raise _wrong(f"`tools[{i}]` must be a function.", f"tools[{i}]")
        named = cast("Mapping[str, Any]", function)
        if not isinstance(named.get("name"), str):
            raise _wrong(f"`tools[{i}].function.name` must be a string.", f"tools[{i}]")
        param = f"tools[{i}].function.parameters"
        parameters = named.get("parameters") or _NO_PARAMETERS
        if not isinstance(parameters, Mapping):
            raise _wrong(f"`{param}` must be a JSON schema object.", param)
        check_schema(cast("Mapping[str, Any]", parameters), param=param)
        functions.append({**named, "parameters": parameters, "param": param})
    return functions


def _constrain_tools(
    made: dict[str, Any],
    messages: Sequence[Mapping[str, Any]],
    functions: Sequence[Mapping[str, Any]],
    *,
    is_folded: bool,
    dropped: tuple[str, ...],
) -> Constrained:
    made["messages"] = _with_instructions(messages, functions)
    made["grammar"] = _grammar(_call_schema(functions))
    for name in ("stop", "logprobs", "top_logprobs"):
        if made.pop(name, None) is not None:
            dropped = (*dropped, name)
    return Constrained(
        made,
        shape="tool_call",
        tools={function["name"]: function["parameters"] for function in functions},
        param=functions[0]["param"] if len(functions) == 1 else "tools",
        is_folded=is_folded,
        dropped_params=dropped,
    )


def _call_schema(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Any one call."""
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "name": {"const": function["name"]},
                    "arguments": bound_schema(function["parameters"], param=function["param"]),
                },
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for function in functions
        ]
    }


def _with_instructions(
    messages: Sequence[Mapping[str, Any]], functions: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    lines = [
        json.dumps(
            {
                key: function[key]
                for key in ("name", "description", "parameters")
                if key in function
            },
            ensure_ascii=False,
        )
        for function in functions
    ]
    text = neutralise(
        "You call functions. Functions:\n"
        + "\n".join(lines)
        + '\nReply with {"name": ..., "arguments": ...} only.'
    )
    if messages[0]["role"] == "system":
        # Some chat templates allow one system message, as the first.
        joined = f"{text}\n\n{messages[0]['content']}"
        return [{"role": "system", "content": joined}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


# ---- messages


def _read_messages(messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise _wrong("`messages` must be a list with at least one message.", "messages")
    names: dict[str, str] = {}
    return [
        _read_message(cast("Mapping[str, Any]", message), f"messages[{i}]", names)
        for i, message in enumerate(cast("Sequence[Any]", messages))
    ]


def _read_message(message: Mapping[str, Any], path: str, names: dict[str, str]) -> dict[str, Any]:
    """One message as role and text. `names` collects the functions of calls, by call id."""
    if not isinstance(message, Mapping):
        raise _wrong(f"`{path}` must be an object.", path)
    role = message.get("role")
    text = neutralise(_read_content(message.get("content"), f"{path}.content"))
    if role in ("tool", "function"):
        name = names.get(str(message.get("tool_call_id")), message.get("name") or "the function")
        return {"role": "user", "content": neutralise(f"Result of {name}: ") + text}
    if role not in _ROLES:
        raise _wrong(f"`{path}.role` must be one of {', '.join(_ROLES)} or tool.", f"{path}.role")
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        name = str(function.get("name"))
        names[str(call.get("id"))] = name
        written = (
            f'{{"name": {json.dumps(name)}, "arguments": {function.get("arguments") or "{}"}}}'
        )
        text = f"{text}\n{neutralise(written)}".strip()
    return {"role": _ROLES[role], "content": text}


def _read_content(content: Any, path: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        raise _wrong(f"`{path}` must be a string or a list of text parts.", path)
    texts: list[str] = []
    for i, part in enumerate(cast("Sequence[Any]", content)):
        kind = cast("Mapping[str, Any]", part).get("type") if isinstance(part, Mapping) else None
        text = cast("Mapping[str, Any]", part).get("text") if isinstance(part, Mapping) else None
        if kind != "text" or not isinstance(text, str):
            raise _wrong(
                f"The embedded model reads text only; `{path}[{i}]` is "
                f"`{str(kind)[:40]}`. Remove it or choose a model with vision.",
                f"{path}[{i}]",
            )
        texts.append(text)
    return "\n".join(texts)


def _wrong(message: str, param: str) -> BadRequestError:
    return BadRequestError(message, param=param, provider="embedded")


__all__ = ["DEFAULT_LIMIT", "Constrained", "Shape", "constrain", "neutralise"]

"""Converts chat requests to what llama.cpp's server can do.

The server ignores `tools` with this model's template, so a tool call is a constrained answer: the
functions are described in the system prompt, and a grammar lets the model write nothing but
`{"name": …, "arguments": {…}}`. The same kind of grammar enforces `response_format`. Rules:

- `tool_choice` `required` or a named function: always a call. `none`: no tools. `auto`: decided by
  `puna.embedded.tool_choice`; an answer to a `tool` message is always text.
- One call in an answer.
- `stop`, `logprobs` and `top_logprobs` are left out of a tool call, and reported: a call ends by
its
  grammar, where `stop` could only break it, and has no content whose tokens could be given.
- Answers are at most `DEFAULT_LIMIT` tokens long unless the request says more: a small model seldom
  ends by itself, and its longer answers are no better.
- `n` is at most the server's slots. The server counts the tokens of `n` answers correctly only when
  it streams, so then it streams, and the answer is folded (`Constrained.is_folded`).

What else a request may hold is decided before, by the provider's row; roles, names and types of
values were checked when the request was made (`puna.types.requests`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from puna.embedded.bounds import bound_schema
from puna.embedded.checks import check_schema
from puna.embedded.prompt import Message, plain_messages, with_functions
from puna.embedded.tool_choice import pick_tools
from puna.embedded.weights import SLOTS
from puna.errors import BadRequestError

Shape = Literal["text", "json", "tool_call"]

DEFAULT_LIMIT = 400
"""Tokens of an answer where the request sets no limit."""

_RENAMED = {"max_completion_tokens": "max_tokens", "repetition_penalty": "repeat_penalty"}

_TRANSLATED = frozenset(("messages", "response_format", "stream_options", "tool_choice", "tools"))
"""What the server gets in another form; all else goes to it as it is."""

_RANGES = {"temperature": (0, 2), "top_p": (0, 1), "n": (1, SLOTS)}
_MOST_TOKENS = 1_000_000
"""More than any context holds; the server counts in 32 bits and would wrap around."""

_NOT_FOR_CALLS = ("stop", "logprobs", "top_logprobs")

_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Constrained:
    """A request for the server, and what is needed to parse its reply.

    Attributes:
        body: the JSON body to send.
        shape: what the answer holds: free text, JSON under `schema`, or one tool call.
        schema: the caller's own schema of a JSON answer.
        tools: the callers' parameter schemas of the functions that may be called, by name.
        param: what an error about the schema names.
        is_folded: the server streams although a whole answer was requested.
        dropped_params: parameters without effect on a tool call.
    """

    body: Mapping[str, Any]
    shape: Shape = "text"
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    param: str = "response_format"
    is_folded: bool = False
    dropped_params: tuple[str, ...] = ()


def constrain(body: Mapping[str, Any]) -> Constrained:
    """Convert the body of a checked chat request (plain JSON values) to one for the server.

    Raises:
        BadRequestError: the server would crash on it or silently do something else; `param` names
            it.
    """
    _check_ranges(body)
    messages = plain_messages(body["messages"])
    made = {_RENAMED.get(key, key): body[key] for key in body if key not in _TRANSLATED}
    made["max_tokens"] = min(made.get("max_tokens", DEFAULT_LIMIT), _MOST_TOKENS)
    stops = [made["stop"]] if isinstance(made.get("stop"), str) else made.get("stop", ())
    made["stop"] = [stop for stop in stops if stop]  # an empty one would stop at once
    is_folded = made.get("n", 1) > 1 and not made.get("stream")
    if is_folded:
        made["stream"] = True
    if made.get("stream"):
        made["stream_options"] = {"include_usage": True}
    tools = _choose_tools(body, messages)
    if tools:
        return _constrain_call(made, messages, tools, is_folded=is_folded)
    made["messages"] = messages
    schema = _read_format(body.get("response_format"))
    if schema is None:
        return Constrained(made, is_folded=is_folded)
    made["grammar"] = _grammar(bound_schema(schema, param="response_format"))
    return Constrained(made, shape="json", schema=schema, is_folded=is_folded)


def _check_ranges(body: Mapping[str, Any]) -> None:
    """Refuse numbers that the server would crash on or ignore."""
    for name, (low, high) in _RANGES.items():
        value = body.get(name)
        if value is not None and not low <= value <= high:
            raise BadRequestError(
                f"`{name}` must be from {low} to {high}, not `{value}`.", param=name
            )


def _read_format(wanted: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The caller's schema from `response_format`; None for free text."""
    if wanted is None or wanted["type"] == "text":
        return None
    if wanted["type"] == "json_object":
        return {"type": "object"}
    schema: Mapping[str, Any] = wanted["json_schema"]["schema"]
    check_schema(schema, param="response_format")
    return schema


def _grammar(schema: Mapping[str, Any]) -> str:
    """The server's grammar for a bounded schema, without white space between tokens."""
    options = {"whitespace_flexible": False, "lenient": True}
    text = json.dumps({**schema, "x-guidance": options}, ensure_ascii=False)
    return "%llguidance {}\nstart: %json " + text


def _choose_tools(
    body: Mapping[str, Any], messages: Sequence[Message]
) -> Sequence[Mapping[str, Any]]:
    """The functions of which one must be called; empty for an answer in text."""
    functions = [_read_function(tool, i) for i, tool in enumerate(body.get("tools", ()))]
    choice = body.get("tool_choice", "auto")
    if choice == "none":
        return ()
    if choice == "auto":
        is_question = body["messages"][-1]["role"] == "user"
        return pick_tools(messages[-1]["content"], functions) if is_question else ()
    if choice != "required":
        is_function = choice.get("type", "function") == "function"
        name = choice["function"]["name"] if is_function else None
        functions = [function for function in functions if function["name"] == name]
    if not functions:
        raise BadRequestError(
            "For the embedded model `tool_choice` must be none, auto, required or one function, "
            "and `tools` must hold what it asks for.",
            param="tool_choice",
        )
    return functions


def _read_function(tool: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    """The function of a tool with its `parameters`, and their path in the request as `param`."""
    if tool["type"] != "function":
        raise BadRequestError(
            f"The embedded model calls functions only; `tools[{index}]` is of type "
            f"`{str(tool['type'])[:40]}`.",
            param=f"tools[{index}]",
        )
    function = tool["function"]
    param = f"tools[{index}].function.parameters"
    parameters = function.get("parameters") or _NO_PARAMETERS
    check_schema(parameters, param=param)
    if parameters.get("type", "object") != "object":
        raise BadRequestError(
            f"`{param}` must describe an object: arguments have names.", param=param
        )
    return {**function, "parameters": parameters, "param": param}


def _constrain_call(
    made: dict[str, Any],
    messages: Sequence[Message],
    functions: Sequence[Mapping[str, Any]],
    *,
    is_folded: bool,
) -> Constrained:
    """Constrain the answer to one call of these functions."""
    made["messages"] = with_functions(messages, functions)
    made["grammar"] = _grammar(_call_schema(functions))
    return Constrained(
        {key: value for key, value in made.items() if key not in _NOT_FOR_CALLS},
        shape="tool_call",
        tools={function["name"]: function["parameters"] for function in functions},
        param=functions[0]["param"] if len(functions) == 1 else "tools",
        is_folded=is_folded,
        dropped_params=tuple(name for name in _NOT_FOR_CALLS if made.get(name)),
    )


def _call_schema(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The schema of a call of any one of these functions."""
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


__all__ = ["DEFAULT_LIMIT", "Constrained", "Shape", "constrain"]

"""A request of the Responses API as chat messages and parameters.

Every field has a rule: it becomes a chat field, is kept here, is refused, or is left out and told.
Fields that this API does not know go on untouched, as in chat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from puna.bridges.omissions import Omissions
from puna.bridges.responses.items import messages_of, read_input
from puna.bridges.responses.rules import leave_out_what_chat_lacks, refuse_what_is_not_here
from puna.bridges.responses.tools import CalledTool, Tools, read_tool_choice, read_tools
from puna.errors import BadRequestError
from puna.types.schema import strict_json_schema
from puna.types.shown import shown

_INCLUDABLE = (
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
)
"""Only log probabilities can be there to include; the others are of things that do not occur."""

_LOGPROBS = "message.output_text.logprobs"
_ECHOED = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "temperature",
    "top_logprobs",
    "top_p",
)
_ECHOED_IF_GIVEN = ("prompt_cache_key", "safety_identifier", "user")
"""Texts, of which OpenAI's schema allows no null."""


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A request, ready to become one chat call.

    Attributes:
        model: the name asked for.
        messages: for the host: instructions, earlier turns, the new input.
        talk: what a following request goes on from: the same without instructions.
        items: the new input.
        fields: the chat parameters, and what steers the call.
        echo: what each response repeats of the request.
        special_tools: what is behind the names of tools that are no plain functions.
        is_stored: whether the response may be gone on from.
        left_out: what was left out.
    """

    model: str
    messages: tuple[dict[str, Any], ...]
    talk: tuple[dict[str, Any], ...]
    items: tuple[dict[str, Any], ...]
    fields: Mapping[str, Any]
    echo: Mapping[str, Any]
    special_tools: Mapping[str, CalledTool] = field(default_factory=dict[str, CalledTool])
    is_stored: bool = True
    left_out: tuple[str, ...] = ()

    def called(self, name: str) -> CalledTool:
        """The tool that a host calls by this name."""
        return self.special_tools.get(name) or CalledTool(name)


def read_response_request(
    model: Any,
    body: Mapping[str, Any],
    *,
    earlier: Sequence[Mapping[str, Any]] = (),
    drop_params: bool = False,
) -> ResponseRequest:
    """Check a request.

    `body` has all its fields but `model`; `earlier` are the messages that `previous_response_id`
    stands for.

    Raises:
        BadRequestError: a field is wrong; `param` is its path.
        UnsupportedParamsError: one cannot be had over chat, without `drop_params`.
    """
    given = {name: value for name, value in body.items() if value is not None}
    omissions = Omissions(may_drop=drop_params)
    reading = _Reading(given, omissions)
    refuse_what_is_not_here(given)
    leave_out_what_chat_lacks(given, omissions)
    items = read_input(given.pop("input", ""))
    new = messages_of(items, omissions, earlier)
    instructions = _typed(given, "instructions", str, "a string")
    head = [{"role": "system", "content": instructions}] if instructions else []
    tools = reading.read_tools()
    reading.read_text()
    reading.read_reasoning()
    reading.read_include()
    reading.read_limits()
    is_stored = _typed(given, "store", bool, "true or false") is not False
    return ResponseRequest(
        model=model if isinstance(model, str) else "",
        messages=(*head, *map(dict, earlier), *new),
        talk=(*map(dict, earlier), *new),
        items=tuple(items),
        fields=reading.chat_fields(),
        echo={**reading.echo(), "store": is_stored},
        special_tools=tools.special,
        is_stored=is_stored,
        left_out=omissions.names,
    )


class _Reading:
    """One request being read: `given` loses each field that has been understood."""

    def __init__(self, given: dict[str, Any], omissions: Omissions) -> None:
        self._given = given
        self._omissions = omissions
        self._fields: dict[str, Any] = {}
        self._echo: dict[str, Any] = {
            "background": False,
            "metadata": _typed(given, "metadata", Mapping, "an object") or {},
            "parallel_tool_calls": True,
            "previous_response_id": given.get("previous_response_id"),
            "reasoning": {"effort": None, "summary": None},
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "truncation": "disabled",
            **{name: given.get(name) for name in _ECHOED},
            **{name: given[name] for name in _ECHOED_IF_GIVEN if name in given},
        }

    def read_tools(self) -> Tools:
        """`tools`, `tool_choice`, `parallel_tool_calls`."""
        given = self._given
        tools = read_tools(given.pop("tools", None), self._omissions)
        choice = given.pop("tool_choice", None)
        fields = read_tool_choice(choice, tools, self._omissions)
        self._echo["tools"] = list(tools.given)
        if "tool_choice" in fields:
            self._echo["tool_choice"] = choice
        parallel = _typed(given, "parallel_tool_calls", bool, "true or false")
        given.pop("parallel_tool_calls", None)
        if parallel is not None:
            self._echo["parallel_tool_calls"] = parallel
            if tools.chat:  # without tools some hosts refuse it, and it says nothing
                fields["parallel_tool_calls"] = parallel
        self._fields.update(fields)
        return tools

    def read_text(self) -> None:
        """`text.format` and `text.verbosity`, and a pydantic class as `text_format`."""
        text: Mapping[str, Any] = _typed(self._given, "text", Mapping, "an object") or {}
        self._given.pop("text", None)
        self._omissions.note_unread(text, ("format", "verbosity"), "text")
        wanted = _typed(text, "format", Mapping, "an object", path="text.format")
        cls = self._given.pop("text_format", None)
        if cls is not None:
            if not isinstance(cls, type):
                raise BadRequestError(
                    "`text_format` must be a pydantic class; a schema is `text.format`.",
                    param="text_format",
                )
            self._fields["response_format"] = form = strict_json_schema(cls)
            self._echo["text"] = {"format": {"type": "json_schema", **form["json_schema"]}}
        if wanted is not None:
            self._fields.update(_response_format(wanted, self._omissions))
            self._echo["text"] = {"format": dict(wanted)}
        verbosity = _typed(text, "verbosity", str, "a string", path="text.verbosity")
        if verbosity is not None:
            self._fields["verbosity"] = verbosity
            self._echo["text"] = {**self._echo["text"], "verbosity": verbosity}

    def read_reasoning(self) -> None:
        """`reasoning.effort` follows chat's rule for `reasoning_effort`; nobody makes a summary."""
        given: Mapping[str, Any] = _typed(self._given, "reasoning", Mapping, "an object") or {}
        self._given.pop("reasoning", None)
        effort = _typed(given, "effort", str, "a string", path="reasoning.effort")
        if effort is not None:
            self._fields["reasoning_effort"] = effort
        self._omissions.note_unread(given, ("effort",), "reasoning")
        self._echo["reasoning"] = {"effort": effort, "summary": None}

    def read_include(self) -> None:
        """`include` and `top_logprobs`."""
        include = self._given.pop("include", ())
        if not isinstance(include, Sequence) or isinstance(include, str | bytes):
            raise BadRequestError("`include` must be a list of strings.", param="include")
        for i, one in enumerate(include):
            if one not in _INCLUDABLE:
                known = ", ".join(_INCLUDABLE)
                self._omissions.refuse(
                    f"include[{i}]", f"`include[{i}]` is `{shown(one)}`, which is none of {known}."
                )
        if _LOGPROBS in include or "top_logprobs" in self._given:
            self._fields["logprobs"] = True

    def read_limits(self) -> None:
        """`max_output_tokens`, `truncation`, `stream`."""
        given = self._given
        limit = given.pop("max_output_tokens", None)
        if limit is not None:
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
                raise BadRequestError(
                    f"`max_output_tokens` must be a whole number above 0, not `{shown(limit)}`.",
                    param="max_output_tokens",
                )
            self._fields["max_tokens"] = limit
        truncation = given.pop("truncation", "disabled")
        if truncation not in ("auto", "disabled"):
            raise BadRequestError(
                f"`truncation` must be auto or disabled, not `{shown(truncation)}`.",
                param="truncation",
            )
        self._echo["truncation"] = truncation
        if truncation == "auto":
            self._omissions.note("truncation")
        options: Mapping[str, Any] = _typed(given, "stream_options", Mapping, "an object") or {}
        given.pop("stream_options", None)
        self._omissions.note_unread(options, (), "stream_options")  # nothing is ever padded here
        if given.get("stream") is True:
            # The last event of a stream holds the usage.
            self._fields["stream_options"] = {"include_usage": True}

    def chat_fields(self) -> dict[str, Any]:
        """Everything for the chat call."""
        own = ("instructions", "previous_response_id", "store")
        rest = {name: value for name, value in self._given.items() if name not in own}
        return {**rest, **self._fields}

    def echo(self) -> dict[str, Any]:
        """What a response repeats."""
        return self._echo


def _response_format(wanted: Mapping[str, Any], omissions: Omissions) -> dict[str, Any]:
    """`text.format` as `response_format`; plain text needs none."""
    kind = wanted.get("type")
    if kind in ("text", "json_object"):
        omissions.note_unread(wanted, ("type",), "text.format")
        return {} if kind == "text" else {"response_format": {"type": "json_object"}}
    if kind != "json_schema":
        raise BadRequestError(
            f"`text.format.type` must be text, json_object or json_schema, not `{shown(kind)}`.",
            param="text.format.type",
        )
    if not isinstance(wanted.get("schema"), Mapping):
        raise BadRequestError(
            "`text.format.schema` must be a JSON schema object.", param="text.format.schema"
        )
    schema = {k: v for k, v in wanted.items() if k != "type" and v is not None}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _typed(
    given: Mapping[str, Any], name: str, kind: type, what: str, *, path: str | None = None
) -> Any:
    """A field of a known type, None where it is absent."""
    value = given.get(name)
    if value is not None and not isinstance(value, kind):
        where = path or name
        raise BadRequestError(f"`{where}` must be {what}, not `{shown(value)}`.", param=where)
    return value

"""Converts a request of the Responses API to chat messages and parameters.

Each field is mapped to chat, kept here, refused, or left out and reported. Fields that this API
does not know are passed through, as in chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from puna.bridges.omissions import Omissions
from puna.bridges.responses.items import messages_of
from puna.bridges.responses.rules import drop_unsupported_fields
from puna.bridges.responses.tools import CalledTool, Tools, read_tool_choice, read_tools
from puna.errors import BadRequestError
from puna.types.display import display
from puna.types.request_source import RequestSource
from puna.types.requests import ChatRequest, make_chat_request
from puna.types.response_request import ResponsesRequest

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
    "frequency_penalty",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "safety_identifier",
    "temperature",
    "top_logprobs",
    "top_p",
    "user",
)
"""Repeated as they were given, whether a host gets them or not."""
_NAMES = {"messages.thinking": "input.reasoning"}
"""What is told as left out, by its name in chat: its name here."""


@dataclass(frozen=True, slots=True)
class BridgedRequest:
    """A request of the Responses API, converted to what one chat call needs.

    Attributes:
        model: the requested model name.
        messages: instructions, earlier turns and the new input, as chat messages.
        fields: the chat parameters.
        echo: the request's fields that each response repeats.
        special_tools: tools that are no plain functions, by the function name that hosts get.
        left_out: the names of what was left out.
        source: the client's paths for parts of the messages.
    """

    model: str
    messages: tuple[dict[str, Any], ...]
    fields: Mapping[str, Any]
    echo: Mapping[str, Any]
    special_tools: Mapping[str, CalledTool] = field(default_factory=dict[str, CalledTool])
    left_out: tuple[str, ...] = ()
    source: RequestSource = RequestSource()

    def tool_of(self, name: str) -> CalledTool:
        """The caller's tool behind a function name that a host has called."""
        return self.special_tools.get(name) or CalledTool(name)


def bridge_request(request: ResponsesRequest) -> BridgedRequest:
    """Convert a checked request to a chat call.

    Raises:
        BadRequestError: a field is malformed; `param` is its path.
        UnsupportedParamsError: chat does not support a field, and `drop_params` is not set.
    """
    given = {**request.params, **request.extra}
    omissions = Omissions(may_drop=request.drop_params)
    reading = _Reading(request, given, omissions)
    drop_unsupported_fields(given, request.allowed_params, omissions)
    new, image_paths = messages_of(request.items, omissions, request.earlier)
    instructions = given.pop("instructions", None)
    head = [{"role": "system", "content": instructions}] if instructions else []
    tools = reading.read_tools()
    reading.read_text()
    reading.read_reasoning()
    reading.read_include()
    reading.read_limits()
    return BridgedRequest(
        model=request.model,
        messages=(*head, *new),
        fields=reading.chat_fields(),
        echo=reading.echo,
        special_tools=tools.special,
        left_out=omissions.names,
        source=RequestSource(image_paths, _NAMES),
    )


def to_chat(request: ResponsesRequest, bridged: BridgedRequest) -> ChatRequest:
    """Build the chat request of a bridged request.

    Raises:
        BadRequestError: chat refuses a field; `param` is its name in chat.
    """
    asked = make_chat_request(
        request.model,
        bridged.messages,
        bridged.fields,
        stream=request.is_stream,
        headers=request.headers,
        drop_params=request.drop_params,
        allowed_params=request.allowed_params,
        unwanted_params=request.unwanted_params,
        **request.chat_options,
    )
    return replace(asked, source=bridged.source)


class _Reading:
    """The conversion of one request. Each step removes the fields that it has read from `given`."""

    def __init__(
        self, request: ResponsesRequest, given: dict[str, Any], omissions: Omissions
    ) -> None:
        self._is_stream = request.is_stream
        self._has_strict_tools = request.has_strict_tools
        self._given = given
        self._omissions = omissions
        self._fields: dict[str, Any] = {}
        self.echo: dict[str, Any] = {
            "metadata": request.metadata,
            "previous_response_id": request.previous_response_id,
            "store": request.is_stored,
            "reasoning": {"effort": None, "summary": None},
            "text": {"format": {"type": "text"}},
            **{name: given[name] for name in _ECHOED if name in given},
        }

    def read_tools(self) -> Tools:
        """Convert `tools`, `tool_choice` and `parallel_tool_calls`."""
        given = self._given
        tools = read_tools(
            given.pop("tools", None), self._omissions, is_strict=self._has_strict_tools
        )
        choice = given.pop("tool_choice", None)
        fields = read_tool_choice(choice, tools, self._omissions)
        self.echo["tools"] = list(tools.given)
        if "tool_choice" in fields:
            self.echo["tool_choice"] = choice
        parallel = given.pop("parallel_tool_calls", None)
        if parallel is not None:
            self.echo["parallel_tool_calls"] = parallel
            if tools.chat:  # without tools some hosts refuse it, and it says nothing
                fields["parallel_tool_calls"] = parallel
        self._fields.update(fields)
        return tools

    def read_text(self) -> None:
        """Convert `text.format` and `text.verbosity`."""
        text: Mapping[str, Any] = self._given.pop("text", {})
        self._omissions.note_unread(text, ("format", "verbosity"), "text")
        wanted = _typed(text, "format", Mapping, "an object", "text.format")
        if wanted is not None:
            self._fields.update(_response_format(wanted, self._omissions))
            self.echo["text"] = {"format": dict(wanted)}
        verbosity = _typed(text, "verbosity", str, "a string", "text.verbosity")
        if verbosity is not None:
            self._fields["verbosity"] = verbosity
            self.echo["text"] = {**self.echo["text"], "verbosity": verbosity}

    def read_reasoning(self) -> None:
        """Convert `reasoning.effort` to `reasoning_effort`.

        Summaries are left out, as no chat host makes them.
        """
        given: Mapping[str, Any] = self._given.pop("reasoning", {})
        effort = _typed(given, "effort", str, "a string", "reasoning.effort")
        if effort is not None:
            self._fields["reasoning_effort"] = effort
        self._omissions.note_unread(given, ("effort",), "reasoning")
        self.echo["reasoning"] = {"effort": effort, "summary": None}

    def read_include(self) -> None:
        """Convert `include` and `top_logprobs`."""
        include = self._given.pop("include", ())
        for i, one in enumerate(include):
            if one not in _INCLUDABLE:
                known = ", ".join(_INCLUDABLE)
                self._omissions.refuse(
                    f"include[{i}]",
                    f"`include[{i}]` is `{display(one)}`, which is none of {known}.",
                )
        if _LOGPROBS in include or "top_logprobs" in self._given:
            self._fields["logprobs"] = True

    def read_limits(self) -> None:
        """Convert `max_output_tokens` to `max_tokens`; report `truncation` and `stream_options`.

        The last two have no counterpart in chat.
        """
        given = self._given
        if "max_output_tokens" in given:
            self._fields["max_tokens"] = given.pop("max_output_tokens")
        truncation = given.pop("truncation", "disabled")
        if truncation not in ("auto", "disabled"):
            raise BadRequestError(
                f"`truncation` must be auto or disabled, not `{display(truncation)}`.",
                param="truncation",
            )
        self.echo["truncation"] = truncation
        if truncation == "auto":
            self._omissions.note("truncation")
        options: Mapping[str, Any] = given.pop("stream_options", {})
        self._omissions.note_unread(options, (), "stream_options")  # nothing is ever padded here
        if self._is_stream:
            # The last event of a stream holds the usage.
            self._fields["stream_options"] = {"include_usage": True}

    def chat_fields(self) -> dict[str, Any]:
        """All fields for the chat call, after the other steps."""
        return {**self._given, **self._fields}


def _response_format(wanted: Mapping[str, Any], omissions: Omissions) -> dict[str, Any]:
    """Convert `text.format` to `response_format`; plain text needs none."""
    kind = wanted.get("type")
    if kind in ("text", "json_object"):
        omissions.note_unread(wanted, ("type",), "text.format")
        return {} if kind == "text" else {"response_format": {"type": "json_object"}}
    if kind != "json_schema":
        raise BadRequestError(
            f"`text.format.type` must be text, json_object or json_schema, not `{display(kind)}`.",
            param="text.format.type",
        )
    if not isinstance(wanted.get("schema"), Mapping):
        raise BadRequestError(
            "`text.format.schema` must be a JSON schema object.", param="text.format.schema"
        )
    schema = {k: v for k, v in wanted.items() if k != "type" and v is not None}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _typed(given: Mapping[str, Any], name: str, kind: type, what: str, path: str) -> Any:
    """Read a field that must have a type; None where it is absent. Raises BadRequestError."""
    value = given.get(name)
    if value is not None and not isinstance(value, kind):
        raise BadRequestError(f"`{path}` must be {what}, not `{display(value)}`.", param=path)
    return value

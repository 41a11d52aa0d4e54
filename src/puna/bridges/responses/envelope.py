"""A usual Responses request as a chat request, in one step from its bytes.

`read_responses_envelope` parses a request body to typed values and converts them to the chat
request that `request.py` would make of it. Schemas of tools and texts that stand alone stay bytes,
as in `wire/envelope.py`. A request with anything else (a stored conversation, thoughts in clear
text, a format, a field that is not known here, an error) gives None: then `request.py` reads it. A
property test holds that both ways give the same chat request and the same response.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, MsgspecError, Raw
from msgspec.json import Decoder, Encoder

from puna.bridges.omissions import Omissions
from puna.bridges.responses.request import BridgedRequest
from puna.bridges.responses.tools import CalledTool, read_tools
from puna.bridges.responses.usual_items import read_usual_input
from puna.bridges.responses.usual_request import (
    FunctionTool,
    NamedTool,
    ResponsesBody,
)
from puna.errors import BadRequestError
from puna.wire.envelope import (
    EMPTY_TEXT,
    ChatEnvelope,
    FunctionName,
    Message,
    NamedChoice,
    StreamOptions,
    SystemMessage,
    Tool,
    ToolFunction,
    UnusualRequestError,
    has_valid_values,
    is_given,
    is_text,
    null_to_unset,
)
from puna.wire.raw_values import is_parseable
from puna.wire.surrogates import parse_json

_HINTS = ("client_metadata", "prompt_cache_key", "safety_identifier", "service_tier")
"""Left out and reported, in this order."""
_ECHOED = (
    "instructions",
    "max_output_tokens",
    "prompt_cache_key",
    "safety_identifier",
    "temperature",
    "top_p",
    "user",
)
_INCLUDABLE = frozenset(("reasoning.encrypted_content",))
"""What `include` may name here: it changes nothing over chat."""
_USAGE = StreamOptions(include_usage=True)


_body_decoder = Decoder(ResponsesBody)
_functions_decoder = Decoder(list[FunctionTool])
_tools_decoder = Decoder(list[Tool])
_encoder = Encoder()


@dataclass(frozen=True, slots=True)
class BridgedResponse:
    """A Responses request of the fast lane, converted to a chat request.

    Attributes:
        envelope: the chat request, which `PassingRules.fit` may be asked about.
        request: what the response repeats, and what is behind the names of its tools. Its messages
            and fields are empty: they stand in `envelope`.
        is_stored: whether the response may be read and gone on from.
        given_input: the client's input, for the store.
    """

    envelope: ChatEnvelope
    request: BridgedRequest
    is_stored: bool
    given_input: Raw


def read_responses_envelope(body: bytes, *, is_strict: bool) -> BridgedResponse | None:
    """Parse and convert the body of a usual Responses request, for the fast lane.

    None for any other body, valid or not: the full lane must read it. `is_strict`: tools that no
    host runs over chat are refused, not left out.
    """
    try:
        if not body.isascii():
            body.decode()  # the decoder does not check the UTF-8 of raw values
        return _Reading(_body_decoder.decode(body), is_strict=is_strict).bridge()
    except (
        UnusualRequestError,
        BadRequestError,
        MsgspecError,
        UnicodeDecodeError,
        RecursionError,
        ValueError,
    ):
        return None


class _Reading:
    """The conversion of one request."""

    def __init__(self, given: ResponsesBody, *, is_strict: bool) -> None:
        self._given = given
        self._is_strict = is_strict
        self._omissions = Omissions()
        self._special: dict[str, CalledTool] = {}
        self._echo: dict[str, Any] = {}

    def bridge(self) -> BridgedResponse:
        """Convert the request to a chat request.

        Raises:
            UnusualRequestError: it cannot be read here.
            MsgspecError, BadRequestError: likewise.
        """
        given, note = self._given, self._omissions.note
        if given.background:
            raise UnusualRequestError
        for name in _HINTS:
            if _has_value(getattr(given, name)):
                note(name)
        messages: list[Message] = []
        if is_given(given.instructions):
            if not is_text(given.instructions):
                raise UnusualRequestError
            if bytes(given.instructions) != EMPTY_TEXT:
                messages.append(SystemMessage(content=given.instructions))
        messages += read_usual_input(given.input, self._omissions)
        is_stream = bool(given.stream)
        envelope = ChatEnvelope(
            model=given.model,
            messages=messages,
            stream=is_stream,
            max_tokens=null_to_unset(given.max_output_tokens),
            stream_options=_USAGE if is_stream else UNSET,
            temperature=null_to_unset(given.temperature),
            top_p=null_to_unset(given.top_p),
            user=null_to_unset(given.user),
        )
        is_stored = given.store is not False
        self._note_echo(is_stored=is_stored)
        self._add_tools(envelope)
        self._add_options(envelope)
        if not has_valid_values(envelope):
            raise UnusualRequestError
        request = BridgedRequest(
            model=given.model,
            messages=(),
            fields={},
            echo=self._echo,
            special_tools=self._special,
            left_out=self._omissions.names,
        )
        return BridgedResponse(envelope, request, is_stored, given.input)

    def _note_echo(self, *, is_stored: bool) -> None:
        """Note the fields of the request that the response repeats unchanged."""
        given = self._given
        self._echo |= {
            "metadata": {},
            "previous_response_id": None,
            "store": is_stored,
            "reasoning": {"effort": None, "summary": None},
            "text": {"format": {"type": "text"}},
            "tools": [],
            "truncation": given.truncation or "disabled",
        }
        for name in _ECHOED:
            value = getattr(given, name)
            if _has_value(value):
                self._echo[name] = value

    def _add_options(self, envelope: ChatEnvelope) -> None:
        """Convert the fields that few requests have."""
        given, note = self._given, self._omissions.note
        if given.text and given.text.verbosity:
            envelope.verbosity = given.text.verbosity
            self._echo["text"] = {**self._echo["text"], "verbosity": given.text.verbosity}
        if given.reasoning:
            effort = null_to_unset(given.reasoning.effort)
            envelope.reasoning_effort = effort
            if effort is not UNSET:
                self._echo["reasoning"] = {"effort": effort, "summary": None}
            if isinstance(given.reasoning.summary, str):
                note("reasoning.summary")
        if given.include and not _INCLUDABLE.issuperset(given.include):
            raise UnusualRequestError
        if given.truncation == "auto":
            note("truncation")
        if is_given(given.metadata):
            envelope.metadata = self._echo["metadata"] = given.metadata

    def _add_tools(self, envelope: ChatEnvelope) -> None:
        """Convert the tools and `tool_choice`."""
        given, raw = self._given, self._given.tools
        tools: list[Tool] = []
        if is_given(raw):
            try:
                functions = _functions_decoder.decode(raw)
            except MsgspecError:
                tools = self._other_tools(raw)
            else:
                tools = [_convert_tool(one) for one in functions]
                self._echo["tools"] = [_echoed_tool(one) for one in functions]
        if tools:
            envelope.tools = tools
        choice = given.tool_choice
        if choice:
            if isinstance(choice, NamedTool):
                if all(tool.function.name != choice.name for tool in tools):
                    raise UnusualRequestError
                envelope.tool_choice = NamedChoice("function", FunctionName(choice.name))
            else:
                envelope.tool_choice = choice
            self._echo["tool_choice"] = choice
        if given.parallel_tool_calls not in (None, UNSET):
            self._echo["parallel_tool_calls"] = given.parallel_tool_calls
            if tools:
                envelope.parallel_tool_calls = given.parallel_tool_calls

    def _other_tools(self, raw: Raw) -> list[Tool]:
        """Read tools that are not all functions, with the rules of `tools.py`."""
        if not is_parseable(raw, b"["):
            raise UnusualRequestError
        read = read_tools(parse_json(bytes(raw)), self._omissions, is_strict=self._is_strict)
        self._special.update(read.special)
        self._echo["tools"] = list(read.given)
        return _tools_decoder.decode(_encoder.encode(read.chat))


def _convert_tool(given: FunctionTool) -> Tool:
    """Convert a function to a chat tool."""
    parameters = given.parameters if is_given(given.parameters) else UNSET
    description, strict = null_to_unset(given.description), null_to_unset(given.strict)
    function = ToolFunction(given.name, description, parameters, strict)
    return Tool("function", function)


def _has_value(value: Any) -> bool:
    """Whether a field, of any type, is given and not null."""
    return value is not None and value is not UNSET and (type(value) is not Raw or is_given(value))


def _echoed_tool(given: FunctionTool) -> dict[str, Any]:
    """A tool in the form in which the response repeats it."""
    fields = ("name", "description", "parameters", "strict")
    values = {name: getattr(given, name) for name in fields}
    return {"type": "function", **{n: v for n, v in values.items() if v is not UNSET}}

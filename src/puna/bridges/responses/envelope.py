"""A usual Responses request as a chat request, in one step from its bytes.

`read_responses_envelope` parses a request body to typed values and converts them to the chat
request that `request.py` would make of it. Schemas of tools and texts that stand alone stay bytes,
as in `wire/envelope.py`. A request with anything else (a stored conversation, thoughts in clear
text, a format, a field that is not known here, an error) gives None: then `request.py` reads it. A
property test holds that both ways give the same chat request and the same response.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import UNSET, Meta, MsgspecError, Raw, UnsetType
from msgspec.json import Decoder, Encoder

from puna.bridges.omissions import Omissions
from puna.bridges.responses.request import BridgedRequest
from puna.bridges.responses.tools import CalledTool, read_tools
from puna.bridges.responses.usual_request import (
    FunctionTool,
    InputImage,
    Item,
    NamedTool,
    OutputText,
    Part,
    ResponsesBody,
)
from puna.errors import BadRequestError
from puna.wire.envelope import (
    EMPTY_TEXT,
    AssistantMessage,
    CalledFunction,
    ChatEnvelope,
    FunctionName,
    ImagePart,
    ImageURL,
    Message,
    NamedChoice,
    StreamOptions,
    SystemMessage,
    TextPart,
    Tool,
    ToolCall,
    ToolFunction,
    ToolMessage,
    UserMessage,
    has_valid_values,
    is_given,
    is_text,
    text_content,
    value_or_unset,
)
from puna.wire.raw_values import is_parseable
from puna.wire.surrogates import parse_json

_Absent = UnsetType | None
_Text = str | UnsetType | None
_Unread = Raw | UnsetType

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
_items_decoder = Decoder(Annotated[list[Item], Meta(min_length=1)])
_parts_decoder = Decoder(Annotated[list[Part], Meta(min_length=1)])
_functions_decoder = Decoder(list[FunctionTool])
_tools_decoder = Decoder(list[Tool])
_encoder = Encoder()


@dataclass(frozen=True, slots=True)
class BridgedResponse:
    """A Responses request as a chat request.

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


class _UnusualError(Exception):
    """Something that only the modules of the whole API read."""


def read_responses_envelope(body: bytes, *, is_strict: bool) -> BridgedResponse | None:
    """Parse the body of a usual Responses request; None for any other, valid or not.

    `is_strict`: tools that no host runs over chat are refused, not left out.
    """
    try:
        if not body.isascii():
            body.decode()  # the decoder does not check the UTF-8 of raw values
        return _Reading(_body_decoder.decode(body), is_strict=is_strict).bridge()
    except (
        _UnusualError,
        BadRequestError,
        MsgspecError,
        UnicodeDecodeError,
        RecursionError,
        ValueError,
    ):
        return None


class _Reading:
    """One request being read."""

    def __init__(self, given: ResponsesBody, *, is_strict: bool) -> None:
        self._given = given
        self._is_strict = is_strict
        self._omissions = Omissions()
        self._special: dict[str, CalledTool] = {}
        self._echo: dict[str, Any] = {}

    def bridge(self) -> BridgedResponse:
        """The request as a chat request.

        Raises:
            _UnusualError: it cannot be read here.
            MsgspecError, BadRequestError: likewise.
        """
        given, note = self._given, self._omissions.note
        if given.background:
            raise _UnusualError
        for name in _HINTS:
            if _has_value(getattr(given, name)):
                note(name)
        messages: list[Message] = []
        if is_given(given.instructions):
            if not is_text(given.instructions):
                raise _UnusualError
            if bytes(given.instructions) != EMPTY_TEXT:
                messages.append(SystemMessage(content=given.instructions))
        self._add_input(messages)
        is_stream = bool(given.stream)
        envelope = ChatEnvelope(
            model=given.model,
            messages=messages,
            stream=is_stream,
            max_tokens=value_or_unset(given.max_output_tokens),
            stream_options=_USAGE if is_stream else UNSET,
            temperature=value_or_unset(given.temperature),
            top_p=value_or_unset(given.top_p),
            user=value_or_unset(given.user),
        )
        is_stored = given.store is not False
        self._repeat(is_stored=is_stored)
        self._add_tools(envelope)
        self._add_others(envelope)
        if not has_valid_values(envelope):
            raise _UnusualError
        request = BridgedRequest(
            model=given.model,
            messages=(),
            fields={},
            echo=self._echo,
            special_tools=self._special,
            left_out=self._omissions.names,
        )
        return BridgedResponse(envelope, request, is_stored, given.input)

    def _repeat(self, *, is_stored: bool) -> None:
        """Note what the response repeats of the request as it was given."""
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

    def _add_others(self, envelope: ChatEnvelope) -> None:
        """Add to the chat request and the echo what few requests hold."""
        given, note = self._given, self._omissions.note
        if given.text and given.text.verbosity:
            envelope.verbosity = given.text.verbosity
            self._echo["text"] = {**self._echo["text"], "verbosity": given.text.verbosity}
        if given.reasoning:
            effort = value_or_unset(given.reasoning.effort)
            envelope.reasoning_effort = effort
            if effort is not UNSET:
                self._echo["reasoning"] = {"effort": effort, "summary": None}
            if isinstance(given.reasoning.summary, str):
                note("reasoning.summary")
        if given.include and not _INCLUDABLE.issuperset(given.include):
            raise _UnusualError
        if given.truncation == "auto":
            note("truncation")
        if is_given(given.metadata):
            envelope.metadata = self._echo["metadata"] = given.metadata

    def _add_tools(self, envelope: ChatEnvelope) -> None:
        """Add the tools, and the choice among them."""
        given, raw = self._given, self._given.tools
        tools: list[Tool] = []
        if is_given(raw):
            try:
                functions = _functions_decoder.decode(raw)
            except MsgspecError:
                tools = self._other_tools(raw)
            else:
                tools = [_tool(one) for one in functions]
                self._echo["tools"] = [_shown(one) for one in functions]
        if tools:
            envelope.tools = tools
        choice = given.tool_choice
        if choice:
            if isinstance(choice, NamedTool):
                if all(tool.function.name != choice.name for tool in tools):
                    raise _UnusualError
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
            raise _UnusualError
        read = read_tools(parse_json(bytes(raw)), self._omissions, is_strict=self._is_strict)
        self._special.update(read.special)
        self._echo["tools"] = list(read.given)
        return _tools_decoder.decode(_encoder.encode(read.chat))

    def _add_input(self, messages: list[Message]) -> None:
        """Add the messages of the input."""
        given = self._given.input
        if is_text(given):
            if bytes(given) == EMPTY_TEXT:
                raise _UnusualError
            messages.append(UserMessage(content=given))
            return
        items = _items_decoder.decode(given)
        call_ids = {item.call_id for item in items if item.type == "function_call"}
        speaking: AssistantMessage | None = None
        for item in items:
            kind = item.type or ("message" if item.role else None)
            if kind == "function_call":
                speaking = self._add_call(messages, item, speaking)
            elif kind == "function_call_output":
                if not item.call_id or item.call_id not in call_ids or not is_given(item.output):
                    raise _UnusualError
                _check_only(item, "call_id", "output")
                content = _joined(item.output)
                messages.append(ToolMessage(content=content, tool_call_id=item.call_id))
                speaking = None
            elif kind == "message":
                _check_only(item, "role", "content")
                messages.append(_message(item))
                last = messages[-1]
                speaking = last if type(last) is AssistantMessage else None
            elif kind == "reasoning":
                if not (_is_empty(item.content) and _is_empty(item.summary)):
                    raise _UnusualError
                self._omissions.note("input.reasoning")
            else:
                raise _UnusualError

    def _add_call(
        self, messages: list[Message], item: Item, speaking: AssistantMessage | None
    ) -> AssistantMessage:
        """Add a call to the message before it, or to a new one; gives the message."""
        _check_only(item, "call_id", "name", "arguments")
        if not (item.call_id and item.name) or not isinstance(item.arguments, str):
            raise _UnusualError
        if speaking is None:
            speaking = AssistantMessage()
            messages.append(speaking)
        function = CalledFunction(item.name, item.arguments)
        call = ToolCall(id=item.call_id, type="function", function=function)
        if speaking.tool_calls:
            speaking.tool_calls.append(call)
        else:
            speaking.tool_calls = [call]
        return speaking


_KINDS = ("role", "content", "call_id", "name", "arguments", "output", "summary")


def _check_only(item: Item, *names: str) -> None:
    """Raise where an item has a field of another kind's: it would have to be reported."""
    if any(name not in names and getattr(item, name) not in (None, UNSET) for name in _KINDS):
        raise _UnusualError
    if item.encrypted_content:
        raise _UnusualError


def _message(item: Item) -> Message:
    """A message item as a chat message."""
    content = item.content
    if not is_given(content):
        raise _UnusualError
    if item.role == "user":
        return UserMessage(content=_user_content(content))
    text = _joined(content)
    if bytes(text) == EMPTY_TEXT:
        raise _UnusualError
    if item.role == "assistant":
        return AssistantMessage(content=text)
    if item.role in ("system", "developer"):
        return SystemMessage(content=text)
    raise _UnusualError


def _user_content(content: Raw) -> Raw:
    """The content of a message of the user: a text, or parts where there are several."""
    if is_text(content):
        if bytes(content) == EMPTY_TEXT:
            raise _UnusualError
        return content
    parts = _parts(content)
    first = parts[0]
    if len(parts) == 1 and type(first) is not InputImage:
        return text_content(first.text)  # type: ignore[union-attr]  # a text
    return Raw(_encoder.encode([*map(_chat_part, parts)]))


def _joined(content: Raw) -> Raw:
    """The content of any other message: its texts as one."""
    if is_text(content):
        return content
    parts = _parts(content)
    if any(type(part) is InputImage for part in parts):
        raise _UnusualError
    return text_content("".join([part.text for part in parts]))  # type: ignore[union-attr]


def _parts(content: Raw) -> list[Part]:
    """The parts of a content that is a list."""
    parts: list[Part] = _parts_decoder.decode(content)
    for part in parts:
        if type(part) is OutputText and not (
            _is_empty(part.annotations) and _is_empty(part.logprobs)
        ):
            raise _UnusualError
    return parts


def _chat_part(part: Part) -> TextPart | ImagePart:
    """A part as chat has it."""
    if type(part) is not InputImage:
        return TextPart(part.text)  # type: ignore[union-attr]  # a text
    detail = part.detail or UNSET
    return ImagePart(ImageURL(Raw(_encoder.encode(part.image_url)), detail))


def _tool(given: FunctionTool) -> Tool:
    """A tool as chat has it."""
    parameters = given.parameters if is_given(given.parameters) else UNSET
    description, strict = value_or_unset(given.description), value_or_unset(given.strict)
    function = ToolFunction(given.name, description, parameters, strict)
    return Tool("function", function)


def _has_value(value: Any) -> bool:
    """Whether a field of any type is there, and not null."""
    return value is not None and value is not UNSET and (type(value) is not Raw or is_given(value))


def _shown(given: FunctionTool) -> dict[str, Any]:
    """A tool as the response repeats it."""
    fields = ("name", "description", "parameters", "strict")
    values = {name: getattr(given, name) for name in fields}
    return {"type": "function", **{n: v for n, v in values.items() if v is not UNSET}}


def _is_empty(value: Raw | UnsetType) -> bool:
    """Whether a raw list is absent, null or empty."""
    return value is UNSET or bytes(value).strip() in (b"null", b"[]")

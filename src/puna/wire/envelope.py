"""A chat request as far as it must be read to be passed on.

What decides how a request is served is typed; schemas, metadata and other values that nobody here
looks into stay the bytes that came (`msgspec.Raw`), checked as JSON. A request that these types do
not fit, right or wrong, reads as None: the dialect's reader mends it, or explains what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType
from msgspec.json import Decoder, Encoder, decode
from msgspec.structs import replace

_MOST = 2**63 - 1
_MOST_BRACKETS = 180
"""A value that is not read and holds so many may be nested more deeply than any reader goes."""

_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")
"""Two names of one parameter."""

_Text = str | UnsetType | None
_Flag = bool | UnsetType | None
_Number = Annotated[int, Meta(gt=-_MOST, le=_MOST)] | float | UnsetType | None
_Count = Annotated[int, Meta(ge=1, le=_MOST)] | UnsetType | None
_Unread = Raw | UnsetType


class _Strict(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A value whose every field is known here."""


class StreamOptions(_Strict):
    """What a stream shall tell beside the answer."""

    include_usage: bool


class TextPart(_Strict, tag_field="type", tag="text"):
    """A text in a list of parts."""

    text: str


class ImageURL(_Strict):
    """Where an image is, or the image itself as a data URL."""

    url: str
    detail: str | UnsetType = UNSET


class ImagePart(_Strict, tag_field="type", tag="image_url"):
    """An image in a list of parts."""

    image_url: ImageURL


_Texts = Annotated[list[TextPart], Meta(min_length=1)]


class SystemMessage(_Strict, tag_field="role", tag="system"):
    """Instructions."""

    content: str | _Texts
    name: _Text = UNSET


class UserMessage(_Strict, tag_field="role", tag="user"):
    """What the user says and shows."""

    content: str | Annotated[list[TextPart | ImagePart], Meta(min_length=1)]
    name: _Text = UNSET


class CalledFunction(_Strict):
    """The function of a call; `arguments` is JSON text as the model wrote it."""

    name: str
    arguments: str


class ToolCall(Struct, omit_defaults=True):
    """A call of an earlier answer. Fields beside these are left out, as hosts do not know them."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(_Strict, tag_field="role", tag="assistant"):
    """An earlier answer; `annotations`, which no host takes back, are left out."""

    content: str | _Texts | UnsetType | None = UNSET
    name: _Text = UNSET
    tool_calls: list[ToolCall] | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET
    annotations: list[Any] | UnsetType | None = UNSET
    audio: UnsetType | None = UNSET
    function_call: UnsetType | None = UNSET


class ToolMessage(_Strict, tag_field="role", tag="tool"):
    """The result of a call."""

    content: str | _Texts
    tool_call_id: str
    name: _Text = UNSET


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


class ToolFunction(_Strict):
    """A function that the model may call; `parameters` is its JSON schema."""

    name: Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9_-]{1,64}\Z")]
    description: _Unread = UNSET
    parameters: _Unread = UNSET
    strict: _Unread = UNSET


class Tool(_Strict):
    """A tool of a request."""

    type: Literal["function"]
    function: ToolFunction


class FunctionName(_Strict):
    """A function by its name."""

    name: str


class NamedChoice(_Strict):
    """The wish that one function be called."""

    type: Literal["function"]
    function: FunctionName


class TextFormat(_Strict, tag_field="type", tag="text"):
    """Answers in any form."""


class JSONFormat(_Strict, tag_field="type", tag="json_object"):
    """Answers that are JSON objects."""


class NamedSchema(_Strict):
    """A JSON schema for answers."""

    name: str
    schema: Raw
    description: _Unread = UNSET
    strict: _Unread = UNSET


class SchemaFormat(_Strict, tag_field="type", tag="json_schema"):
    """Answers that fit a JSON schema."""

    json_schema: NamedSchema


class ChatEnvelope(_Strict):
    """A chat request that a host may take as it is. A field that is null says nothing."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = False
    frequency_penalty: _Number = UNSET
    max_completion_tokens: _Count = UNSET
    max_tokens: _Count = UNSET
    n: _Count = UNSET
    presence_penalty: _Number = UNSET
    seed: Annotated[int, Meta(gt=-_MOST, le=_MOST)] | UnsetType | None = UNSET
    stop: str | list[str] | UnsetType | None = UNSET
    stream_options: StreamOptions | UnsetType | None = UNSET
    temperature: _Number = UNSET
    top_p: _Number = UNSET
    user: _Text = UNSET
    tools: Annotated[list[Tool], Meta(min_length=1)] | UnsetType | None = UNSET
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | UnsetType | None = UNSET
    parallel_tool_calls: _Flag = UNSET
    response_format: TextFormat | JSONFormat | SchemaFormat | UnsetType | None = UNSET
    metadata: _Unread = UNSET
    logit_bias: _Unread = UNSET
    logprobs: _Flag = UNSET
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | UnsetType | None = UNSET
    prompt_cache_key: _Text = UNSET
    prompt_cache_retention: _Text = UNSET
    reasoning_effort: _Text = UNSET
    safety_identifier: _Text = UNSET
    service_tier: _Text = UNSET
    store: _Flag = UNSET
    verbosity: _Text = UNSET

    @property
    def wants_stream(self) -> bool:
        """Whether the answer is wanted as events."""
        return self.stream is True

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall end with its usage."""
        options = self.stream_options
        return isinstance(options, StreamOptions) and options.include_usage

    @property
    def format_type(self) -> str | None:
        """The `response_format` by its type; None where there is none."""
        wanted = self.response_format
        if isinstance(wanted, Struct):
            return str(wanted.__struct_config__.tag)
        return None

    def is_led(self, body: bytes) -> bool:
        """Whether instructions stand in the first message only. `body` is what was decoded."""
        is_first = type(self.messages[0]) is SystemMessage
        # The bytes tell it at once, unless letters are escaped.
        if body.count(b'"system"') == is_first and body.find(b"\\u") < 0:
            return True
        return not any(type(message) is SystemMessage for message in self.messages[1:])

    def given(self) -> set[str]:
        """The names of the parameters that the caller gave."""
        return {name for name in _PARAMS if getattr(self, name) is not UNSET}

    def to_fields(self) -> dict[str, Any]:
        """The request as plain values, without what was left out on reading."""
        fields: dict[str, Any] = decode(_encoder.encode(self))
        return fields


_PARAMS = tuple(
    name
    for name in ChatEnvelope.__struct_fields__
    if name not in ("model", "messages", "stream", "metadata")
)
_OPTIONAL: Mapping[type[Message], tuple[str, ...]] = {
    SystemMessage: ("name",),
    UserMessage: ("name",),
    AssistantMessage: ("name", "tool_calls", "refusal", "audio", "function_call"),
    ToolMessage: ("name",),
}

_decoder = Decoder(ChatEnvelope)
_encoder = Encoder()


def read_envelope(body: bytes) -> ChatEnvelope | None:
    """A request's body, where its fields are those that a host may take as they are.

    Whether the hosts of its model do is asked of their rows: `dialects/passing.py`.
    """
    try:
        if not body.isascii():
            body.decode()  # of values that are not read only the syntax is checked
        envelope = _decoder.decode(body)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if body.find(b"null") >= 0 or body.find(b'"annotations"') >= 0:
        _drop_unsaid(envelope)
    if envelope.max_tokens is not UNSET and envelope.max_completion_tokens is not UNSET:
        return None
    if envelope.stream_options is not UNSET and not envelope.stream:
        return None
    return envelope if _is_sound(envelope) else None


def _drop_unsaid(envelope: ChatEnvelope) -> None:
    """Take away what is null, which says nothing in a request, and what only answers have."""
    envelope.stream = bool(envelope.stream)
    for name in _PARAMS:
        if getattr(envelope, name) is None:
            setattr(envelope, name, UNSET)
    metadata = envelope.metadata
    if metadata is not UNSET and bytes(metadata) == b"null":
        envelope.metadata = UNSET
    for message in envelope.messages:
        for name in _OPTIONAL[type(message)]:
            if not getattr(message, name):
                setattr(message, name, UNSET)
        if type(message) is AssistantMessage:
            message.annotations = UNSET
            if message.content is None:
                message.content = UNSET


def _is_sound(envelope: ChatEnvelope) -> bool:
    """Whether the values that are not read are what a host expects, and not nested too deeply."""
    tools, choice, wanted = envelope.tools, envelope.tool_choice, envelope.response_format
    if tools and not all(map(_is_sound_tool, tools)):
        return False
    if choice is not UNSET and not _is_possible(choice, tools):
        return False
    if isinstance(wanted, SchemaFormat) and not _is_sound_schema(wanted.json_schema):
        return False
    return all(
        value is UNSET or _is_object(value) for value in (envelope.metadata, envelope.logit_bias)
    )


def _is_sound_tool(tool: Tool) -> bool:
    function = tool.function
    parameters = function.parameters
    return (
        (parameters is UNSET or _is_object(parameters) or bytes(parameters) == b"null")
        and (function.description is UNSET or _is_shallow(function.description))
        and (function.strict is UNSET or _is_shallow(function.strict))
    )


def _is_sound_schema(schema: NamedSchema) -> bool:
    return (
        _is_object(schema.schema)
        and (schema.description is UNSET or _is_shallow(schema.description))
        and (schema.strict is UNSET or _is_shallow(schema.strict))
    )


def _is_object(value: Raw) -> bool:
    return bytes(value).startswith(b"{") and _is_shallow(value)


def _is_shallow(value: Raw) -> bool:
    data = bytes(value)
    return len(data) < _MOST_BRACKETS or data.count(b"{") + data.count(b"[") < _MOST_BRACKETS


def _is_possible(choice: Any, tools: Any) -> bool:
    """Whether a `tool_choice` fits the tools; without tools it means other things to each host."""
    if not tools:
        return False
    if not isinstance(choice, NamedChoice):
        return True
    return any(tool.function.name == choice.function.name for tool in tools)


@dataclass(frozen=True, slots=True)
class BodyChanges:
    """What a host gets otherwise than the caller sent it.

    Attributes:
        model: the name that the host knows the model by.
        asks_usage: whether a stream's usage is asked for, whether the caller did or not.
        dropped: parameters that the host does not know and that change no answer.
        defaults: parameters with the values that hold where the caller gave none.
        added: further members of the object, each with a comma before it.
    """

    model: str
    asks_usage: bool = False
    dropped: Sequence[str] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    added: bytes = b""

    def encode(self, envelope: ChatEnvelope) -> bytes:
        """The body for the host."""
        changes: dict[str, Any] = {}
        if self.asks_usage and envelope.stream:
            changes["stream_options"] = _USAGE
        if envelope.metadata is not UNSET:
            changes["metadata"] = UNSET  # it is for hooks
        for name in self.dropped:
            if getattr(envelope, name) is not UNSET:
                changes[name] = UNSET
        if self.defaults:
            changes.update(self._missing(envelope))
        if changes or envelope.model != self.model:
            envelope = replace(envelope, model=self.model, **changes)
        body = _encoder.encode(envelope)
        return b"%b%b}" % (body[:-1], self.added) if self.added else body

    def dropped_from(self, envelope: ChatEnvelope) -> tuple[str, ...]:
        """The names of the parameters that the host does not get."""
        return tuple(name for name in self.dropped if getattr(envelope, name) is not UNSET)

    def _missing(self, envelope: ChatEnvelope) -> dict[str, Any]:
        has_limit = any(getattr(envelope, name) is not UNSET for name in _OUTPUT_LIMITS)
        return {
            name: value
            for name, value in self.defaults.items()
            if getattr(envelope, name) is UNSET and not (has_limit and name in _OUTPUT_LIMITS)
        }


_USAGE = StreamOptions(include_usage=True)


def default_changes(
    model: str, params: Mapping[str, Any], *, asks_usage: bool, dropped: Sequence[str]
) -> BodyChanges | None:
    """The changes with a deployment's own parameters; None where one of them needs a reader."""
    known = {name: value for name, value in params.items() if name in SIMPLE_PARAMS}
    others = {name: value for name, value in params.items() if name not in known}
    if any(
        name in _PARAMS or name in ("model", "messages", "stream", "metadata") for name in others
    ):
        return None
    probe = {"model": model, "messages": [{"role": "user", "content": ""}], **known}
    try:
        read = read_envelope(_encoder.encode(probe))
        added = b"".join(
            b",%b:%b" % (_encoder.encode(name), _encoder.encode(value))
            for name, value in others.items()
            if value is not None
        )
    except (TypeError, MsgspecError):
        return None
    if read is None:
        return None
    defaults = {name: value for name in known if (value := getattr(read, name)) is not UNSET}
    return BodyChanges(model, asks_usage, tuple(dropped), defaults, added)


SIMPLE_PARAMS = frozenset(
    (
        *("frequency_penalty", "max_completion_tokens", "max_tokens", "n", "presence_penalty"),
        *("reasoning_effort", "seed", "service_tier", "stop", "temperature", "top_p", "user"),
    )
)
"""Parameters that a deployment may have a default of."""

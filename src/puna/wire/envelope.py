"""A chat request as far as it must be read to be passed on.

What decides how a request is served is typed; schemas, metadata and other values that nobody here
looks into stay the bytes that came (`msgspec.Raw`), checked as JSON. A request that these types do
not fit, right or wrong, reads as None: the dialect's reader mends it, or explains what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType
from msgspec.json import Decoder, Encoder
from msgspec.structs import astuple, replace

from puna.wire.octets import QUOTE, brackets_in, first_octet
from puna.wire.surrogates import parse_json

_MOST = 2**63 - 1
_MOST_BRACKETS = 180
"""A value that is not read and holds so many may be nested more deeply than any reader goes."""

EMPTY_TEXT = b'""'

_DEEP_BYTES = 2 * _MOST_BRACKETS

_DIGITS = bytes.maketrans(
    bytes(octet for octet in range(256) if octet not in b"Ee"),
    bytes(0x30 if octet in b"0123456789" else 0x20 for octet in range(256) if octet not in b"Ee"),
)
"""Makes 0 of each digit and a space of what stands in no number, but for `E` and `e`."""
_EXPONENTS = (b"0e000", b"0E000")
_LONG_NUMBER = b"0" * 300
"""So, or with such an exponent, are all numbers written that are too large for a float: `1e999` is
infinite in Python."""

_NAMES = re.compile(r"[a-zA-Z0-9_-]{1,64}(?:,[a-zA-Z0-9_-]{1,64})*+")
"""Of functions, with a comma between: to ask once is quicker than to ask of each."""

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
    """Where an image is, or the image itself as a data URL: a text."""

    url: Raw
    detail: str | UnsetType = UNSET


class ImagePart(_Strict, tag_field="type", tag="image_url"):
    """An image in a list of parts."""

    image_url: ImageURL


class SystemMessage(_Strict, tag_field="role", tag="system"):
    """Instructions. The content of every message is a text or a list of parts, and not decoded."""

    is_text: ClassVar[bool] = True

    content: Raw
    name: _Text = UNSET


class UserMessage(_Strict, tag_field="role", tag="user"):
    """What the user says and shows."""

    is_text: ClassVar[bool] = True

    content: Raw
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

    content: _Unread = UNSET
    name: _Text = UNSET
    tool_calls: list[ToolCall] | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET
    annotations: _Unread = UNSET
    audio: UnsetType | None = UNSET
    function_call: UnsetType | None = UNSET

    @property
    def is_text(self) -> bool:
        """Whether it is a text and nothing else."""
        content = self.content
        if content is UNSET or self.tool_calls is not UNSET or self.annotations is not UNSET:
            return False
        return first_octet(content)[0] == QUOTE and bytes(content) != EMPTY_TEXT


class ToolMessage(_Strict, tag_field="role", tag="tool"):
    """The result of a call."""

    is_text: ClassVar[bool] = False
    """Where it may stand depends on the messages before it."""

    content: Raw
    tool_call_id: str
    name: _Text = UNSET


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


class ToolFunction(_Strict):
    """A function that the model may call; `parameters` is its JSON schema."""

    name: str
    description: _Text = UNSET
    parameters: _Unread = UNSET
    strict: _Flag = UNSET


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
    description: _Text = UNSET
    strict: _Flag = UNSET


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

    def given(self) -> set[str]:
        """The names of the parameters that the caller gave."""
        return {name for name in _PARAMS if getattr(self, name) is not UNSET}

    def to_messages(self) -> list[dict[str, Any]]:
        """The messages as plain values, without what only answers have and what says nothing."""
        messages: list[dict[str, Any]] = parse_json(_encoder.encode(self.messages))
        for message in messages:
            message.pop("annotations", None)
            if message.get("tool_calls") == []:
                del message["tool_calls"]
        return messages

    def to_fields(self) -> dict[str, Any]:
        """The request as plain values, without its nulls."""
        fields: dict[str, Any] = parse_json(_encoder.encode(self))
        return fields


_PARAMS = tuple(
    name
    for name in ChatEnvelope.__struct_fields__
    if name not in ("model", "messages", "stream", "metadata")
)
NO_ENVELOPE = ChatEnvelope("-", [UserMessage(Raw(b'""'))])
"""Of a request that was read whole."""

_decoder = Decoder(ChatEnvelope)
_parts_decoder = Decoder(Annotated[list[TextPart | ImagePart], Meta(min_length=1)])
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
    if body.find(b"null") >= 0:
        _drop_nulls(envelope)
    if envelope.max_tokens is not UNSET and envelope.max_completion_tokens is not UNSET:
        return None
    if envelope.stream_options is not UNSET and not envelope.stream:
        return None
    if (
        envelope.tools is UNSET
        and envelope.response_format is UNSET
        and envelope.tool_choice is UNSET
        and envelope.metadata is UNSET
        and envelope.logit_bias is UNSET
    ):
        return envelope
    return envelope if _is_sound(envelope) else None


def read_parts(content: Raw | UnsetType) -> list[TextPart | ImagePart] | None:
    """A list of texts and images; None for one that holds anything else."""
    if content is UNSET:
        return None
    try:
        parts = _parts_decoder.decode(content)
    except MsgspecError:
        return None
    images = [part.image_url.url for part in parts if type(part) is ImagePart]
    return parts if all(first_octet(url)[0] == QUOTE for url in images) else None


def text_content(text: str) -> Raw:
    """A text as the content of a message."""
    return Raw(_encoder.encode(text))


def _drop_nulls(envelope: ChatEnvelope) -> None:
    """Take away what is null: in a request it says nothing."""
    if None in astuple(envelope):
        envelope.stream = bool(envelope.stream)
        for name in _PARAMS:
            if getattr(envelope, name) is None:
                setattr(envelope, name, UNSET)
    metadata = envelope.metadata
    if metadata is not UNSET and bytes(metadata) == b"null":
        envelope.metadata = UNSET
    for message in envelope.messages:
        if message.name is None:
            message.name = UNSET
        if type(message) is AssistantMessage:
            _drop_nulls_of(message)


def _drop_nulls_of(message: AssistantMessage) -> None:
    message.refusal = message.audio = message.function_call = UNSET
    annotations = message.annotations
    if annotations is not UNSET and bytes(annotations) == b"null":
        message.annotations = UNSET
    if not message.tool_calls:
        message.tool_calls = UNSET
    content = message.content
    if content is not UNSET and bytes(content) == b"null":
        message.content = UNSET


def _is_sound(envelope: ChatEnvelope) -> bool:
    """Whether the values that are not read are what a host expects, and not nested too deeply."""
    tools, choice, wanted = envelope.tools, envelope.tool_choice, envelope.response_format
    if tools:
        names = ",".join([tool.function.name for tool in tools])
        if not _NAMES.fullmatch(names) or names.count(",") >= len(tools):
            return False
        for tool in tools:
            parameters = tool.function.parameters
            if parameters is not UNSET and not _is_object(parameters):
                return False
    if choice is not UNSET and not _is_possible(choice, tools):
        return False
    if type(wanted) is SchemaFormat and not _is_object(wanted.json_schema.schema):
        return False
    metadata, bias = envelope.metadata, envelope.logit_bias
    return (metadata is UNSET or _is_object(metadata)) and (bias is UNSET or _is_object(bias))


def is_sound(value: Raw, opener: bytes) -> bool:
    """Whether a value begins with this bracket, and can be read when somebody asks for it."""
    data = bytes(value)
    if data[:1] != opener:
        return False
    if len(data) >= _DEEP_BYTES and brackets_in(data) >= _MOST_BRACKETS:
        return False
    numbers = data.translate(_DIGITS, b".+")
    return (
        all(numbers.find(exponent) < 0 for exponent in _EXPONENTS)
        and numbers.find(_LONG_NUMBER) < 0
    )


def _is_object(value: Raw) -> bool:
    return is_sound(value, b"{")


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

    def encode(self, envelope: ChatEnvelope) -> tuple[bytes, tuple[str, ...]]:
        """The body for the host, and the parameters of the caller's that are not in it."""
        dropped: tuple[str, ...] = ()
        if self.dropped and not (  # as in most requests: none of the hints
            envelope.store is UNSET
            and envelope.prompt_cache_key is UNSET
            and envelope.prompt_cache_retention is UNSET
            and envelope.safety_identifier is UNSET
        ):
            dropped = tuple(n for n in self.dropped if getattr(envelope, n) is not UNSET)
        if dropped or self.asks_usage or self.defaults or envelope.metadata is not UNSET:
            changes: dict[str, Any] = dict.fromkeys(dropped, UNSET)
            changes["metadata"] = UNSET  # it is for hooks
            if self.asks_usage and envelope.stream:
                changes["stream_options"] = _USAGE
            envelope = replace(envelope, **changes, **self._missing(envelope))
        # Written with the host's name for the model: to copy a request takes longer.
        name, envelope.model = envelope.model, self.model
        try:
            body = _encoder.encode(envelope)
        finally:
            envelope.model = name
        if self.added:
            body = b"%b%b}" % (body[:-1], self.added)
        return body, dropped

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

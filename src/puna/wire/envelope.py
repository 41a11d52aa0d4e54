"""Parses a chat request just far enough to pass it on to a host, and writes the host's body.

`read_envelope` parses a request body. Fields that decide how the request is served have types.
Message contents, schemas, metadata and other values that the gateway does not look into stay bytes
(`msgspec.Raw`), of which only the JSON syntax is checked. A body that does not fit these types,
valid or not, gives None: then the dialect's reader corrects the request, or explains the error.
`body_changes.py` writes the body for one host.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, TypeGuard

from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType
from msgspec.json import Decoder, Encoder
from msgspec.structs import astuple

from puna.wire.octets import QUOTE, first_octet
from puna.wire.raw_values import are_objects, is_parseable
from puna.wire.surrogates import parse_json

_MOST = 2**63 - 1

EMPTY_TEXT = b'""'

_NAMES = re.compile(r"[a-zA-Z0-9_-]{1,64}(?:,[a-zA-Z0-9_-]{1,64})*+")
"""Matches function names joined by commas: one match is faster than one for each name."""

_Text = str | UnsetType | None
_Flag = bool | UnsetType | None
Number = Annotated[int, Meta(gt=-_MOST, le=_MOST)] | float | UnsetType | None
Count = Annotated[int, Meta(ge=1, le=_MOST)] | UnsetType | None
_Unread = Raw | UnsetType


class Strict(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An object whose every field has a type here; any other field makes the request unfit."""


class StreamOptions(Strict):
    """`stream_options`: whether the stream ends with a usage chunk."""

    include_usage: bool


class TextPart(Strict, tag_field="type", tag="text"):
    """A content part that is a text."""

    text: str


class ImageURL(Strict):
    """The `image_url` of a part. `url` stays bytes: a data URL may hold a whole image."""

    url: Raw
    detail: str | UnsetType = UNSET


class ImagePart(Strict, tag_field="type", tag="image_url"):
    """A content part that is an image."""

    image_url: ImageURL


class SystemMessage(Strict, tag_field="role", tag="system"):
    """Instructions. `content`, as in every message, is an undecoded text or list of parts."""

    is_text: ClassVar[bool] = True
    """Whether the message is nothing but its content, and need not be looked into further."""

    content: Raw
    name: _Text = UNSET


class UserMessage(Strict, tag_field="role", tag="user"):
    """A message of the user."""

    is_text: ClassVar[bool] = True

    content: Raw
    name: _Text = UNSET


class CalledFunction(Strict):
    """The function that a call names; `arguments` is JSON text as the model wrote it."""

    name: str
    arguments: str


class ToolCall(Struct, omit_defaults=True, gc=False):
    """A tool call in an earlier answer. Other fields are dropped: hosts do not know them."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(Strict, tag_field="role", tag="assistant"):
    """An earlier answer. `annotations` are dropped before sending: no host accepts them."""

    content: _Unread = UNSET
    name: _Text = UNSET
    tool_calls: list[ToolCall] | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET
    annotations: _Unread = UNSET
    audio: UnsetType | None = UNSET
    function_call: UnsetType | None = UNSET

    @property
    def is_text(self) -> bool:
        """Whether the message is nothing but a text that is not empty."""
        content = self.content
        if content is UNSET or self.tool_calls is not UNSET or self.annotations is not UNSET:
            return False
        return first_octet(content)[0] == QUOTE and bytes(content) != EMPTY_TEXT


class ToolMessage(Strict, tag_field="role", tag="tool"):
    """The result of a tool call."""

    is_text: ClassVar[bool] = False
    """The message also names its call, so its place depends on the messages before it."""

    content: Raw
    tool_call_id: str
    name: _Text = UNSET


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


class ToolFunction(Strict):
    """A function that the model may call; `parameters` is its JSON schema."""

    name: str
    description: _Text = UNSET
    parameters: _Unread = UNSET
    strict: _Flag = UNSET


class Tool(Strict):
    """A tool of a request."""

    type: Literal["function"]
    function: ToolFunction


class FunctionName(Strict):
    """The name of a function."""

    name: str


class NamedChoice(Strict):
    """A `tool_choice` that demands a call of one function."""

    type: Literal["function"]
    function: FunctionName


class TextFormat(Strict, tag_field="type", tag="text"):
    """A `response_format` that allows any text."""


class JSONFormat(Strict, tag_field="type", tag="json_object"):
    """A `response_format` that demands a JSON object."""


class NamedSchema(Strict):
    """The JSON schema of a `response_format`, with its name."""

    name: str
    schema: Raw
    description: _Text = UNSET
    strict: _Flag = UNSET


class SchemaFormat(Strict, tag_field="type", tag="json_schema"):
    """A `response_format` that demands JSON that fits a schema."""

    json_schema: NamedSchema


class ChatEnvelope(Strict):
    """A chat request as the fast lane parses it: fields that nobody reads stay bytes.

    Null means absent.
    """

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = False
    frequency_penalty: Number = UNSET
    max_completion_tokens: Count = UNSET
    max_tokens: Count = UNSET
    n: Count = UNSET
    presence_penalty: Number = UNSET
    seed: Annotated[int, Meta(gt=-_MOST, le=_MOST)] | UnsetType | None = UNSET
    stop: str | list[str] | UnsetType | None = UNSET
    stream_options: StreamOptions | UnsetType | None = UNSET
    temperature: Number = UNSET
    top_p: Number = UNSET
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
        """Whether the caller asks for a usage chunk at the end of the stream."""
        options = self.stream_options
        return isinstance(options, StreamOptions) and options.include_usage

    @property
    def format_type(self) -> str | None:
        """The `type` of the `response_format`; None where there is no format."""
        wanted = self.response_format
        if isinstance(wanted, Struct):
            return str(wanted.__struct_config__.tag)
        return None

    def given_params(self) -> set[str]:
        """The names of the parameters that the caller gave."""
        return {name for name in PARAMS if getattr(self, name) is not UNSET}

    def to_messages(self) -> list[dict[str, Any]]:
        """The messages as dicts, without annotations and empty lists of tool calls."""
        messages: list[dict[str, Any]] = parse_json(_encoder.encode(self.messages))
        for message in messages:
            message.pop("annotations", None)
            if message.get("tool_calls") == []:
                del message["tool_calls"]
        return messages

    def to_fields(self) -> dict[str, Any]:
        """The request as a dict, without its null fields."""
        fields: dict[str, Any] = parse_json(_encoder.encode(self))
        return fields


PARAMS = tuple(
    name
    for name in ChatEnvelope.__struct_fields__
    if name not in ("model", "messages", "stream", "metadata")
)
"""The names of a request's parameters."""
_decoder = Decoder(ChatEnvelope)
_parts_decoder = Decoder(Annotated[list[TextPart | ImagePart], Meta(min_length=1)])
_encoder = Encoder()


def read_envelope(body: bytes) -> ChatEnvelope | None:
    """Parse a request body; None where a host might not accept the request unchanged.

    Called once for each chat request that is offered to the fast lane. Raises nothing: a body that
    is not JSON gives None, too. Whether the hosts of the request's own model accept it is decided
    next, by `PassingRules.fit` in `dialects/passing.py`.
    """
    try:
        if not body.isascii():
            body.decode()  # the decoder does not check the UTF-8 of raw values
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
    return envelope if has_valid_values(envelope) else None


def read_parts(content: Raw | UnsetType) -> list[TextPart | ImagePart] | None:
    """Parse a content that is a list of texts and images; None for anything else."""
    if content is UNSET:
        return None
    try:
        parts = _parts_decoder.decode(content)
    except MsgspecError:
        return None
    images = [part.image_url.url for part in parts if type(part) is ImagePart]
    return parts if all(first_octet(url)[0] == QUOTE for url in images) else None


def may_have_image(message: Message) -> bool:
    """Whether a content may have an image, without decoding it; never False where it has one."""
    content = message.content
    if content is UNSET or first_octet(content)[0] == QUOTE:
        return False
    text = bytes(content)
    return b"image_url" in text or b"\\u" in text  # the name may be written with escapes


class UnusualRequestError(Exception):
    """A bridge's typed reader met something that only the reader of the whole API understands."""


def is_given(value: Raw | UnsetType) -> TypeGuard[Raw]:
    """Whether a field that stays bytes is present and not null."""
    return value is not UNSET and bytes(value) != b"null"


def is_text(content: Raw) -> bool:
    """Whether a message's content is a string, not a list of parts."""
    return bool(first_octet(content)[0] == QUOTE)


def null_to_unset(value: Any) -> Any:
    """The value, or UNSET for None: `msgspec` leaves unset fields out of its JSON."""
    return UNSET if value is None else value


def text_content(text: str) -> Raw:
    """Encode a text as the content of a message."""
    return Raw(_encoder.encode(text))


def _drop_nulls(envelope: ChatEnvelope) -> None:
    """Unset the null fields, in place: a null in a request means the same as no field."""
    if None in astuple(envelope):
        envelope.stream = bool(envelope.stream)
        for name in PARAMS:
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
    """Unset the null fields of an earlier answer, which clients send back as they got them."""
    message.refusal = message.audio = message.function_call = UNSET
    annotations = message.annotations
    if annotations is not UNSET and bytes(annotations) == b"null":
        message.annotations = UNSET
    if not message.tool_calls:
        message.tool_calls = UNSET
    content = message.content
    if content is not UNSET and bytes(content) == b"null":
        message.content = UNSET


def has_valid_values(envelope: ChatEnvelope) -> bool:
    """Whether tool names and `tool_choice` are valid, and values that stay bytes are parseable."""
    tools, choice, wanted = envelope.tools, envelope.tool_choice, envelope.response_format
    if tools:
        names = ",".join([tool.function.name for tool in tools])
        if not _NAMES.fullmatch(names) or names.count(",") >= len(tools):
            return False
        schemas = [one for tool in tools if (one := tool.function.parameters) is not UNSET]
        if not are_objects(schemas):
            return False
    if choice is not UNSET and not _fits_tools(choice, tools):
        return False
    if type(wanted) is SchemaFormat and not _is_object(wanted.json_schema.schema):
        return False
    metadata, bias = envelope.metadata, envelope.logit_bias
    return (metadata is UNSET or _is_object(metadata)) and (bias is UNSET or _is_object(bias))


def _is_object(value: Raw) -> bool:
    """Whether a value that stays bytes is an object that can be parsed later."""
    return is_parseable(value, b"{")


def _fits_tools(choice: Any, tools: Any) -> bool:
    """Whether a `tool_choice` fits the tools.

    Without tools none does, because hosts differ there.
    """
    if not tools:
        return False
    if not isinstance(choice, NamedChoice):
        return True
    return any(tool.function.name == choice.function.name for tool in tools)

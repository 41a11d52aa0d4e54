"""A usual Messages request as a chat request, in one step from its bytes.

`read_messages_envelope` parses a request body to typed values and converts them to the chat request
that `request.py` and `plain_chat.py` would make of it for a host of chat. Schemas of tools, and
texts that are the whole content, stay bytes, as in `wire/envelope.py`. A request with anything else
(documents, thoughts, a server's tools, a field that is not known here, an error) gives None: then
those two modules read it. A property test holds that both ways give the same chat request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, MsgspecError, Raw
from msgspec.json import Decoder, Encoder, decode
from msgspec.structs import astuple

from puna.bridges.messages.blocks import join_texts
from puna.bridges.messages.plain_chat import BILLING, BILLING_NAME, CACHE_CONTROL, ERROR
from puna.bridges.messages.tools import CHOICES
from puna.bridges.messages.usual_request import (
    AssistantTurn,
    Base64Source,
    ImageBlock,
    MessagesBody,
    MessagesTool,
    Metadata,
    TextBlock,
    ToolChoice,
    ToolResultBlock,
    ToolUseBlock,
    Typed,
    URLSource,
    UserTurn,
)
from puna.bridges.tool_names import alias_of
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
    SystemMessage,
    TextPart,
    Tool,
    ToolCall,
    ToolFunction,
    ToolMessage,
    UnusualRequestError,
    UserMessage,
    has_valid_values,
    is_given,
    is_text,
    null_to_unset,
    text_content,
)
from puna.wire.raw_values import is_parseable
from puna.wire.surrogates import parse_json

_BILLING_MARK = b"x-anthropic-billing-header"
_LONGEST_MARK = 8 * len(_BILLING_MARK)
"""The mark is within so many bytes of a text that begins with it, even if all of it is escaped."""

_body_decoder = Decoder(MessagesBody)
_system_decoder = Decoder(list[TextBlock])
_user_decoder = Decoder(list[TextBlock | ImageBlock | ToolResultBlock])
_result_decoder = Decoder(list[TextBlock])
_assistant_decoder = Decoder(list[TextBlock | ToolUseBlock])
_encoder = Encoder()
_write_arguments = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class BridgedMessages:
    """A Messages request of the fast lane, converted to a chat request.

    Attributes:
        envelope: the chat request, which `PassingRules.fit` may be asked about.
        stop_sequences: as the caller gave them.
        left_out: the names of what a host of chat does not get.
        deferred_tools: the tools that are not offered to the host.
    """

    envelope: ChatEnvelope
    stop_sequences: tuple[str, ...]
    left_out: tuple[str, ...]
    deferred_tools: Sequence[Tool] = ()


def read_messages_envelope(body: bytes) -> BridgedMessages | None:
    """Parse and convert the body of a usual Messages request, for the fast lane.

    None for any other body, valid or not: the full lane must read it.
    """
    try:
        if not body.isascii():
            body.decode()  # the decoder does not check the UTF-8 of raw values
        return _Reading(_body_decoder.decode(body)).bridge(body)
    except (UnusualRequestError, MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None


class _Reading:
    """The conversion of one request. `found` has the names of what is left out, in order."""

    def __init__(self, given: MessagesBody) -> None:
        self._given = given
        self._found: dict[str, None] = {}
        self._deferred: Sequence[Tool] = ()

    def bridge(self, body: bytes) -> BridgedMessages:
        """Convert the request to a chat request.

        Raises:
            UnusualRequestError: it cannot be read here.
            MsgspecError: likewise.
        """
        given = self._given
        messages: list[Message] = []
        if is_given(given.system):
            self._add_system(messages, given.system)
        for turn in given.messages:
            if type(turn) is UserTurn:
                self._add_user(messages, turn.content)
            elif type(turn) is AssistantTurn:
                self._add_answer(messages, turn.content)
            else:
                self._add_system(messages, turn.content)
        if all(type(message) is SystemMessage for message in messages):
            raise UnusualRequestError
        envelope = ChatEnvelope(
            model=given.model,
            messages=messages,
            stream=bool(given.stream),
            max_tokens=given.max_tokens,
            temperature=null_to_unset(given.temperature),
            top_p=null_to_unset(given.top_p),
        )
        if astuple(given)[7:] != _NOTHING_MORE:
            self._add_options(envelope, body)
        stops = tuple(given.stop_sequences or ())
        return BridgedMessages(envelope, stops, tuple(self._found), self._deferred)

    def _add_options(self, envelope: ChatEnvelope, body: bytes) -> None:
        """Convert the fields that only requests of agents have, such as tools and metadata."""
        given = self._given
        if given.stop_sequences:
            envelope.stop = given.stop_sequences
        if given.tools:
            envelope.tools = [_chat_tool(one) for one in given.tools]
        if given.tool_choice:
            self._add_choice(envelope, given.tool_choice)
        if given.metadata is not UNSET and bytes(given.metadata) != b"null":
            envelope.metadata = given.metadata
            user = decode(given.metadata, type=Metadata).user_id
            envelope.user = user or UNSET
        if not has_valid_values(envelope):
            raise UnusualRequestError
        if given.tools:
            self._leave_out_deferred(envelope, given.tools)
        self._note_native_fields(body)

    def _note_native_fields(self, body: bytes) -> None:
        """Note the fields that only a host of the same API gets."""
        given = self._given
        config = given.output_config
        if is_given(config):
            names: dict[str, Any] = decode(config, type=dict[str, Any])
            if names.get("format") is not None:
                raise UnusualRequestError
            for name, value in names.items():
                if value is not None:
                    self._found[f"output_config.{name}"] = None
        extras: list[str] = []
        if is_given(given.thinking) and decode(given.thinking, type=Typed).type != "disabled":
            extras.append("thinking")
        if is_given(given.context_management):
            extras.append("context_management")
        if len(extras) > 1:  # in the client's order
            order = [*decode(body, type=dict[str, Raw])]
            extras.sort(key=order.index)
        self._found.update(dict.fromkeys(extras))

    def _add_system(self, messages: list[Message], content: Raw) -> None:
        """Convert instructions to a message, without the line that `BILLING` matches."""
        if bytes(content) == EMPTY_TEXT:
            return
        if not is_text(content):
            blocks = _system_decoder.decode(content)
        elif _may_have_billing(bytes(content)):
            blocks = [TextBlock(decode(content, type=str))]
        else:
            messages.append(SystemMessage(content=content))
            return
        rests = [BILLING.sub("", block.text) for block in blocks]
        if any(rest != block.text for rest, block in zip(rests, blocks, strict=True)):
            self._found[BILLING_NAME] = None
        # A block of nothing but that line is left out, with its marks.
        self._note_cache_marks([block for block, rest in zip(blocks, rests, strict=True) if rest])
        text = join_texts(rests)
        if text:
            messages.append(SystemMessage(content=text_content(text)))

    def _add_user(self, messages: list[Message], content: Raw) -> None:
        """Convert a user turn to messages: results first, because they must follow their calls."""
        if is_text(content):
            if bytes(content) != EMPTY_TEXT:
                messages.append(UserMessage(content=content))
            return
        parts: list[TextBlock | ImageBlock] = []
        for block in _user_decoder.decode(content):
            if type(block) is ToolResultBlock:
                messages.append(self._convert_result(block))
            elif type(block) is not TextBlock or block.text:
                parts.append(block)  # type: ignore[arg-type]  # the other two of the union
        if not parts:
            return
        self._note_cache_marks(parts)
        if all(type(part) is TextBlock for part in parts):
            text = join_texts([part.text for part in parts])  # type: ignore[union-attr]
            messages.append(UserMessage(content=text_content(text)))
        else:
            messages.append(UserMessage(content=Raw(_encoder.encode([*map(_convert_part, parts)]))))

    def _convert_result(self, block: ToolResultBlock) -> ToolMessage:
        """Convert a tool result to a tool message."""
        content = block.content if is_given(block.content) else Raw(EMPTY_TEXT)
        if not is_text(content):
            inner = [one for one in _result_decoder.decode(content) if one.text]
            self._note_cache_marks(inner)
            content = text_content(join_texts([one.text for one in inner]))
        if block.cache_control is not UNSET:
            self._note_cache_marks([block])
        if block.is_error:
            content = text_content(ERROR + decode(content, type=str))
        return ToolMessage(content=content, tool_call_id=block.tool_use_id)

    def _add_answer(self, messages: list[Message], content: Raw) -> None:
        """Convert an assistant turn to a message: texts, then calls."""
        if is_text(content):
            if bytes(content) != EMPTY_TEXT:
                messages.append(AssistantMessage(content=content))
            return
        texts: list[TextBlock] = []
        calls: list[ToolCall] = []
        for block in _assistant_decoder.decode(content):
            if type(block) is ToolUseBlock:
                calls.append(self._convert_call(block))
            elif type(block) is TextBlock and block.text:
                if calls:
                    raise UnusualRequestError
                texts.append(block)
        if not texts and not calls:
            return
        self._note_cache_marks(texts)
        text = text_content(join_texts([one.text for one in texts])) if texts else UNSET
        messages.append(AssistantMessage(content=text, tool_calls=calls or UNSET))

    def _convert_call(self, block: ToolUseBlock) -> ToolCall:
        """Convert a `tool_use` block to a tool call."""
        if block.cache_control is not UNSET or not is_parseable(block.input, b"{"):
            raise UnusualRequestError
        arguments = _write_arguments(parse_json(bytes(block.input)))
        function = CalledFunction(name=alias_of(block.name), arguments=arguments)
        return ToolCall(id=block.id, type="function", function=function)

    def _leave_out_deferred(self, envelope: ChatEnvelope, given: list[MessagesTool]) -> None:
        """Leave out deferred tools that the conversation does not name (see `deferred.py`)."""
        self._note_cache_marks(given)
        if all(one.defer_loading is None or one.defer_loading is UNSET for one in given):
            return
        self._found["tools.defer_loading"] = None
        named = {
            call.function.name
            for message in envelope.messages
            if type(message) is AssistantMessage
            for call in message.tool_calls or ()
        }
        if self._given.tool_choice:
            named.add(self._given.tool_choice.name or "")
        deferred = {one.name for one in given if one.defer_loading and one.name not in named}
        envelope.tools = [_chat_tool(one) for one in given if one.name not in deferred]
        if not envelope.tools:
            raise UnusualRequestError
        self._deferred = [_chat_tool(one) for one in given if one.name in deferred]

    def _add_choice(self, envelope: ChatEnvelope, choice: ToolChoice) -> None:
        """Convert `tool_choice` and add it to the chat request."""
        if choice.type == "tool":
            if not choice.name:
                raise UnusualRequestError
            envelope.tool_choice = NamedChoice("function", FunctionName(choice.name))
        elif choice.name is not UNSET:
            raise UnusualRequestError
        else:
            envelope.tool_choice = CHOICES[choice.type]
        if choice.disable_parallel_tool_use:
            envelope.parallel_tool_calls = False

    def _note_cache_marks(self, blocks: Any) -> None:
        """Note the `cache_control` marks of blocks, which chat does not have."""
        if CACHE_CONTROL not in self._found and any(
            is_given(block.cache_control) for block in blocks
        ):
            self._found[CACHE_CONTROL] = None


_NOTHING_MORE = astuple(MessagesBody("m", 1, []))[7:]


def _may_have_billing(content: bytes) -> bool:
    """Whether a JSON text may begin with the line that `BILLING` matches, escaped or not."""
    return _BILLING_MARK in content or b"\\u00" in content[:_LONGEST_MARK]


def _chat_tool(given: MessagesTool) -> Tool:
    """Convert a tool to a chat function."""
    description = null_to_unset(given.description)
    function = ToolFunction(given.name, description, given.input_schema)
    return Tool(type="function", function=function)


def _convert_part(given: TextBlock | ImageBlock) -> TextPart | ImagePart:
    """Convert a block of the user to a content part."""
    if type(given) is TextBlock:
        return TextPart(given.text)
    source: Base64Source | URLSource = given.source  # type: ignore[union-attr]  # not the text
    if isinstance(source, URLSource):
        url = source.url
    else:
        url = f"data:{source.media_type};base64,{source.data}"
    return ImagePart(ImageURL(Raw(_encoder.encode(url))))

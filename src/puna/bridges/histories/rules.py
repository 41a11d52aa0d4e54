"""What a host accepts in the messages of a conversation, as data for its provider's row."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Systems = Literal["anywhere", "first"]


@dataclass(frozen=True, slots=True)
class IdRule:
    """Which ids of tool calls a host accepts.

    Attributes:
        pattern: what the whole id must match.
        length: the length of an id that replaces one that does not match.
        has_marks: whether `_` and `-` are allowed in it.
    """

    pattern: str
    length: int
    has_marks: bool = True

    def accepts(self, call_id: str) -> bool:
        """Whether the host accepts an id unchanged; others are replaced."""
        return re.fullmatch(self.pattern, call_id) is not None


@dataclass(frozen=True, slots=True)
class ThoughtRule:
    """What a host accepts of the reasoning in earlier answers.

    Attributes:
        kept: the fields of a message that are sent as the caller gave them.
        field: the field for reasoning that came under another name, as text; None leaves it out.
        is_needed: whether the host refuses a message with tool calls that has no `field`; then such
            a message gets an empty one.
    """

    kept: frozenset[str] = frozenset()
    field: str | None = None
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class MessageRules:
    """What a host accepts in messages; set in its provider's row.

    Every chat host accepts the defaults.

    Attributes:
        call_ids: which ids of tool calls it accepts.
        systems: where system messages may stand. `first`: leading ones are joined to one, and later
            ones become user messages with a label.
        accepts_developer: whether it knows the role `developer`; else `system` is sent.
        accepts_text_parts: whether a list of texts is sent as a list; else as one string.
        refuses_blanks: whether it refuses texts that are empty or only white space.
        accepts_any_arguments: whether a call's arguments may be any text; else a JSON object.
        calls_need_tools: whether it refuses calls in the messages of a request without `tools`;
            then they are rewritten as texts.
        reads_result_images: whether a tool result may hold images; else they move to the next user
            message.
        thoughts: what it accepts of earlier reasoning.
    """

    call_ids: IdRule
    thoughts: ThoughtRule
    systems: Systems = "first"
    accepts_developer: bool = False
    accepts_text_parts: bool = False
    refuses_blanks: bool = False
    accepts_any_arguments: bool = False
    calls_need_tools: bool = False
    reads_result_images: bool = False


THOUGHT_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
"""The fields in which hosts tell thoughts beside a message: text, and the third a list."""

NO_THOUGHTS = ThoughtRule()
REASONING_CONTENT = ThoughtRule(
    kept=frozenset(("reasoning_content", "reasoning_details")), field="reasoning_content"
)

ANY_64 = IdRule(r"[\x21-\x7e]{1,64}", 64)
"""No host is known to take more than 64 characters, or others than visible ones of ASCII."""
ANY_40 = IdRule(r"[\x21-\x7e]{1,40}", 40)
WORD_64 = IdRule(r"[a-zA-Z0-9_-]{1,64}", 64)
ALNUM_9 = IdRule(r"[a-zA-Z0-9]{9}", 9, has_marks=False)

CHAT = MessageRules(call_ids=ANY_64, thoughts=NO_THOUGHTS)
"""Of a server that speaks OpenAI's chat protocol, and of which no more is known."""

MESSAGES = MessageRules(
    call_ids=WORD_64,
    thoughts=NO_THOUGHTS,
    systems="anywhere",
    accepts_developer=True,
    accepts_text_parts=True,
    refuses_blanks=True,
    reads_result_images=True,
)
"""Of Anthropic's Messages API. Its thoughts are signed blocks, which its dialect sends as they are.
Sources: its reference, "Messages" (the pattern of `tool_use.id`, no blank texts); the 64 characters
are Bedrock's, for the same models."""

CONVERSE = replace(MESSAGES, calls_need_tools=True)
"""Of Bedrock's Converse. Source: Amazon Bedrock API reference, "ToolUseBlock", "ContentBlock"; the
words of the host in BerriAI/litellm 34239."""

OLLAMA = MessageRules(
    call_ids=ANY_64,
    thoughts=ThoughtRule(kept=frozenset(("thinking",)), field="thinking"),
    accepts_text_parts=True,
)
"""Of Ollama's own protocol, whose templates are those of any model. Source: Ollama's OpenAPI
description, read 2026-11-26."""

OPENAI = MessageRules(
    call_ids=ANY_40,
    thoughts=NO_THOUGHTS,
    systems="anywhere",
    accepts_developer=True,
    accepts_text_parts=True,
    accepts_any_arguments=True,
)
"""Of OpenAI's own chat. Sources: OpenAI API reference, "Chat"; the 40 characters are in the words
of its errors ("string too long. Expected a string with maximum length 40")."""

SELF_HOSTED = replace(CHAT, thoughts=REASONING_CONTENT)
"""Of vLLM, SGLang and llama.cpp's server: they read thoughts in messages, and hand them to the
model's template. Sources: their pages "Reasoning outputs", "Reasoning parser" and the README of
`tools/server`, read 2026-11-30."""

STRICT = CHAT
"""Of hosts whose row says that they refuse fields beyond OpenAI's in messages, thoughts too."""

OPEN_ROUTER = replace(
    CHAT,
    thoughts=ThoughtRule(
        kept=frozenset(("reasoning", "reasoning_content", "reasoning_details")), field="reasoning"
    ),
    accepts_text_parts=True,
)
"""Of a router to hosts of all kinds, which fits messages to each by itself."""

MISTRAL = replace(CHAT, call_ids=ALNUM_9)
"""Of Mistral's API: "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9", in its own
words in anomalyco/opencode 3080. It refuses fields that it does not know, thoughts among them."""

CONVERSE_MISTRAL = replace(CONVERSE, call_ids=ALNUM_9)
"""Of Mistral's models on Bedrock, which check ids as Mistral does: vercel/ai 11802."""

"""How hosts deviate from their dialects: the part of a provider's row that dialects read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from puna.bridges.histories.rules import MessageRules
from puna.rescue.failed_generation import FailedGeneration

HINTS = frozenset(
    (
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
    )
)
"""About OpenAI's own caches, queues and records: no answer is another without them. Source: OpenAI
API reference, "Chat"."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a host deviates from its dialect, as data.

    Attributes:
        unsupported_params: refused, or left out under `drop_params`.
        ignored_params: left out and reported: the host does not know them, and the answer would be
            the same if it did.
        extra_params: the fields beyond OpenAI's that the host accepts; None means all of them. With
            a list nothing else is ever sent, not under `allowed_params` either.
        response_formats: the `response_format` types that the host knows; None means all.
        rename_roles: message roles that the host knows by another name.
        messages: what it accepts in messages; None means what its protocol says.
        known_hints: those of OpenAI's hints about its own caches, queues and records (`HINTS`) that
            the host knows. It gets no other: they change no answer, and strict hosts refuse them.
        max_images: the most images in one request; None means no limit is known.
        documents_stream_usage: its own host documents `stream_options.include_usage`: true brings a
            chunk with the usage at the end of a stream.
        omits_usage_at_cap: a stream that reached its `max_tokens` ends with `stop`, and without the
            usage that every other stream tells: it is read as `length`, and counted as the cap.
        tool_choices: the kinds of `tool_choice` that the host knows, of `auto`, `none`, `required`
            and `function` (a named one); None means all.
        max_choices: the most answers to one request (`n`); None means no limit is known.
        rename_params: parameters that the host knows by another name.
        unsupported_message_fields: fields of a message, refused, or left out under `drop_params`.
        rename_finish_reasons: finish reasons that the host has another name for.
        usage_parent: the field of a reply or chunk whose `usage` counts where the reply has none.
        path_prefix: stands between the address and the path, unless the address ends with it;
            `{model}` in it is the model's name.
        key_header: the header that carries the bare key, in place of `Authorization: Bearer`.
        lacks_embeddings: its own host has no endpoint for embeddings.
        has_moderations: the host has an endpoint for moderations.
        failed_generation: the error in which the host hands over calls that it could not read.
        lacks_tool_streaming: the host streams no answer to a request with tools; it is asked for
            the whole answer, which comes as chunks.
        has_responses: the host speaks the Responses API.
        has_completions: the host has an endpoint for text completions, and all of its models take
            part in it.
        prefers_chat_for_tools: its models may write tool calls as text, which are rescued over chat
            only, and free-form tools are known there only: a response with such tools goes over
            chat.
    """

    unsupported_params: frozenset[str] = frozenset()
    ignored_params: frozenset[str] = frozenset()
    extra_params: frozenset[str] | None = None
    response_formats: frozenset[str] | None = None
    rename_roles: Mapping[str, str] = field(default_factory=dict[str, str])
    messages: MessageRules | None = None
    known_hints: frozenset[str] = frozenset()
    max_images: int | None = None
    documents_stream_usage: bool = False
    omits_usage_at_cap: bool = False
    tool_choices: frozenset[str] | None = None
    max_choices: int | None = None
    rename_params: Mapping[str, str] = field(default_factory=dict[str, str])
    unsupported_message_fields: frozenset[str] = frozenset()
    rename_finish_reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    usage_parent: str | None = None
    path_prefix: str = ""
    key_header: str | None = None
    lacks_embeddings: bool = False
    has_moderations: bool = False
    failed_generation: FailedGeneration | None = None
    lacks_tool_streaming: bool = False
    has_responses: bool = False
    has_completions: bool = False
    prefers_chat_for_tools: bool = False

    def accepts(self, param: str) -> bool:
        """Whether the host accepts one of OpenAI's parameters, as far as its row says."""
        return param not in self.unsupported_params and param not in self.ignored_params

    @property
    def watched_params(self) -> frozenset[str]:
        """The parameters that are not always sent unchanged."""
        ruled = {"tool_choice": self.tool_choices, "n": self.max_choices}
        return (
            self.unsupported_params
            | self.ignored_params
            | self.rename_params.keys()
            | {name for name, rule in ruled.items() if rule is not None}
        )

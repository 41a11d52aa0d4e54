"""The dialects by name. They have no state, so one instance of each serves all calls."""

from __future__ import annotations

from collections.abc import Mapping

from puna.dialects.anthropic_messages import AnthropicMessages
from puna.dialects.bedrock_converse import BedrockConverse
from puna.dialects.embedded_chat import EmbeddedChat
from puna.dialects.embedded_embeddings import EmbeddedEmbeddings
from puna.dialects.llama_native import LlamaNativeChat
from puna.dialects.ollama_chat import OllamaChat
from puna.dialects.ollama_embeddings import OllamaEmbeddings
from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.openai_completions import OpenAICompletions
from puna.dialects.openai_embeddings import OpenAIEmbeddings
from puna.dialects.openai_moderations import OpenAIModerations
from puna.dialects.openai_responses import OpenAIResponses
from puna.dialects.protocols import (
    CompletionDialect,
    Dialect,
    EmbeddingDialect,
    ModerationDialect,
    ResponsesDialect,
)

CANNED_DIALECT = "openai_chat"
"""What prepared answers are written in."""

DIALECTS: Mapping[str, Dialect] = {
    "anthropic_messages": AnthropicMessages(),
    "bedrock_converse": BedrockConverse(),
    "embedded_chat": EmbeddedChat(),
    "llama_native": LlamaNativeChat(),
    "ollama_native": OllamaChat(),
    "openai_chat": OpenAIChat(),
}

EMBEDDING_DIALECTS: Mapping[str, EmbeddingDialect] = {
    "embedded_chat": EmbeddedEmbeddings(),
    "ollama_native": OllamaEmbeddings(),
    "openai_chat": OpenAIEmbeddings(),
}
"""How a host that chats in a dialect embeds. One that is not here embeds nothing."""

MODERATION_DIALECTS: Mapping[str, ModerationDialect] = {"openai_chat": OpenAIModerations()}
"""How a host that chats in a dialect moderates, where its row says that it does."""

COMPLETION_DIALECTS: Mapping[str, CompletionDialect] = {"openai_chat": OpenAICompletions()}
"""How a host that chats in a dialect completes texts, where its row says that it does."""

RESPONSES_DIALECTS: Mapping[str, ResponsesDialect] = {"openai_chat": OpenAIResponses()}
"""How a host that chats in a dialect speaks the Responses API, where its row says that it does."""

"""The dialects by name. They hold no state, so one of each serves everything."""

from __future__ import annotations

from collections.abc import Mapping

from puna.dialects.base import Dialect
from puna.dialects.embedded_chat import EmbeddedChat
from puna.dialects.openai_chat import OpenAIChat

CANNED_DIALECT = "openai_chat"
"""What prepared answers are written in."""

DIALECTS: Mapping[str, Dialect] = {
    "embedded_chat": EmbeddedChat(),
    "openai_chat": OpenAIChat(),
}

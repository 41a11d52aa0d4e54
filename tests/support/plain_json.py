"""Plain requests and replies, with odd values now and then, and the long way of reading them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from puna.dialects.base import Target
from puna.dialects.openai_chat import OpenAIChat
from puna.types.requests import make_chat_request
from puna.wire.http import Timeouts

TARGET = Target(provider="openai", model="up/model", base_url="http://up/v1")

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, -1, 0.5, 2**63, 1e300, "", "x", [], ["a"], [1], {}, {"a": 1}]
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    ['"model":"up/model"', '\\"model\\":', ',"usage":null']
)


def mostly(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual values, and now and then an odd one."""
    return st.one_of(strategy, strategy, strategy, strategy, ODD)


def long_way(body: dict[str, Any]) -> bytes:
    """The body that the dialect would send."""
    fields = {k: v for k, v in body.items() if k not in ("model", "messages", "stream")}
    request = make_chat_request(
        body["model"], body["messages"], fields, stream=body.get("stream", False)
    )
    return OpenAIChat().build_request(request, TARGET, Timeouts()).http.body

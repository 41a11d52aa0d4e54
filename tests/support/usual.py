"""A usual request for each endpoint of the gateway, and a host that answers all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.upstream import completion_body, event, text_chunks

from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

SAID: Any = [{"role": "user", "content": "hi"}]
USUAL: Mapping[str, dict[str, Any]] = {
    "chat": {"messages": SAID},
    "text": {"prompt": "hi"},
    "embedding": {"input": ["a", "b"]},
    "moderation": {"input": "a"},
    "messages": {"messages": SAID, "max_tokens": 9},
    "count_tokens": {"messages": SAID},
    "respond": {"input": "hi"},
    "count_input": {"input": "hi"},
    "compact": {"input": "hi"},
}
"""The body of a usual request, without the model, by the name of the endpoint's row."""


def play(request: HTTPRequest) -> Recorded:
    """A host that answers everything."""
    body: dict[str, Any] = json.loads(request.body)
    given = body.get("input")
    if request.url.endswith("/embeddings"):
        count = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
        vectors = [{"embedding": [0.5] * (body.get("dimensions") or 1)}] * count
        return answered({"data": vectors, "model": "m"})
    if request.url.endswith("/moderations"):
        verdict = {"flagged": False, "categories": {}, "category_scores": {}}
        # Parts are one input.
        count = len(given) if isinstance(given, list) and isinstance(given[0], str) else 1
        return answered({"id": "modr-1", "model": "m", "results": [verdict] * count})
    if not body.get("stream"):
        return answered(completion_body())
    events = [event(one) for one in text_chunks()]
    return Recorded(200, {"content-type": "text/event-stream"}, [*events, b"data: [DONE]\n\n"])


def answered(value: Any) -> Recorded:
    return Recorded(200, {"content-type": "application/json"}, [json.dumps(value).encode()])

"""`POST /embeddings` through the gateway: the way of a chat call, with an answer that is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.gateway.pipeline import Caller, Pipeline, send_reply, until_disconnect, whole_reply
from puna.types.embeddings import make_embedding_request
from puna.types.report import CallReport


async def serve_embedding(
    pipeline: Pipeline, body: Mapping[str, Any], caller: Caller
) -> CallReport:
    """Answer with vectors.

    Raises:
        APIError: nothing was sent to the client yet.
    """
    request = make_embedding_request(
        body.get("model"),
        body.get("input"),
        pipeline.sent_fields(body, but=("model", "input")),
        **pipeline.request_options(body),
    )
    call = pipeline.make_call(request, body, caller)
    answer = await until_disconnect(pipeline.engine.embed(call), caller.receive)
    report = answer.report
    assert report is not None, "the engine sets it"  # noqa: S101 - narrows the type
    await send_reply(caller.send, whole_reply(answer.to_json().encode(), report))
    return report

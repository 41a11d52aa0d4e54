"""`POST /moderations` through the gateway: only to hosts whose row says that they give verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.gateway.pipeline import Caller, Pipeline, send_reply, until_disconnect, whole_reply
from puna.types.moderations import make_moderation_request
from puna.types.report import CallReport


async def serve_moderation(
    pipeline: Pipeline, body: Mapping[str, Any], caller: Caller
) -> CallReport:
    """Answer with verdicts.

    Raises:
        APIError: nothing was sent to the client yet.
    """
    request = make_moderation_request(
        body.get("model"),
        body.get("input"),
        pipeline.sent_fields(body, but=("model", "input")),
        **pipeline.request_options(body),
    )
    call = pipeline.make_call(request, body, caller)
    answer = await until_disconnect(pipeline.engine.moderate(call), caller.receive)
    report = answer.report
    assert report is not None, "the engine sets it"  # noqa: S101 - narrows the type
    await send_reply(caller.send, whole_reply(answer.to_json().encode(), report))
    return report

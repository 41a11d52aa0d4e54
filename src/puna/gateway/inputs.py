"""`POST /embeddings` and `/moderations`: calls with an `input`, whose answer is whole.

The way of both is that of a chat call.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from puna.engine.call import Call, RequestT
from puna.gateway.pipeline import Pipeline
from puna.gateway.sending import AnswerT, Caller, send_answer
from puna.types.embeddings import make_embedding_request
from puna.types.moderations import make_moderation_request
from puna.types.report import CallReport


async def serve_embedding(
    pipeline: Pipeline, body: Mapping[str, Any], caller: Caller
) -> CallReport:
    """Answer with vectors.

    Raises:
        APIError: nothing was sent to the client yet.
    """
    return await _serve(pipeline, body, caller, make_embedding_request, pipeline.engine.embed)


async def serve_moderation(
    pipeline: Pipeline, body: Mapping[str, Any], caller: Caller
) -> CallReport:
    """Answer with verdicts.

    Raises:
        APIError: nothing was sent to the client yet.
    """
    return await _serve(pipeline, body, caller, make_moderation_request, pipeline.engine.moderate)


async def _serve(
    pipeline: Pipeline,
    body: Mapping[str, Any],
    caller: Caller,
    make_request: Callable[..., RequestT],
    ask: Callable[[Call[RequestT]], Coroutine[Any, Any, AnswerT]],
) -> CallReport:
    def read() -> Call[RequestT]:
        sent = pipeline.sent_fields(body, but=("model", "input"))
        options = pipeline.request_options(body)
        request = make_request(body.get("model"), body.get("input"), sent, **options)
        return pipeline.make_call(request, body, caller)

    return await send_answer(ask(await caller.read(read)), caller)

"""`POST /embeddings` and `/moderations`: calls with an `input`, whose answer is whole.

The way of both is that of a chat call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from puna.engine.call import Call, RequestT
from puna.engine.moderations import calls_of
from puna.gateway.answers.sending import Caller, Work, send_answer
from puna.gateway.endpoints.chat import Pipeline
from puna.types.embeddings import make_embedding_request
from puna.types.moderations import make_moderation_request


async def serve_embedding(pipeline: Pipeline, body: Mapping[str, Any], caller: Caller) -> Work:
    """Handle `POST /embeddings`: read the body, and return the call to make.

    Raises:
        APIError: the request is wrong, or nobody serves the model.
    """
    call = await caller.read(_read_input_call, pipeline, body, caller, make_embedding_request)
    return Work((call,), lambda: send_answer(pipeline.engine.embed(call), caller))


async def serve_moderation(pipeline: Pipeline, body: Mapping[str, Any], caller: Caller) -> Work:
    """Handle `POST /moderations`: read the body, and return the call to make.

    Raises:
        APIError: the request is wrong, or nobody serves the model.
    """
    call = await caller.read(_read_input_call, pipeline, body, caller, make_moderation_request)
    return Work(calls_of(call), lambda: send_answer(pipeline.engine.moderate(call), caller))


def _read_input_call(
    pipeline: Pipeline,
    body: Mapping[str, Any],
    caller: Caller,
    make_request: Callable[..., RequestT],
) -> Call[RequestT]:
    """Read a body with `model` and `input` as a call.

    `make_request` checks and builds the request.
    """
    sent = pipeline.sent_fields(body, but=("model", "input"))
    options = pipeline.request_options(body)
    request = make_request(body.get("model"), body.get("input"), sent, **options)
    return pipeline.make_call(request, body, caller.visit)

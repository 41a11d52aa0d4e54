"""One embeddings call from its first attempt to its settlement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from puna.catalog.estimates import estimate_tokens
from puna.dialects.protocols import EmbeddingDialect
from puna.dialects.table import CANNED_DIALECT, EMBEDDING_DIALECTS
from puna.engine.call import Attempt, Canned
from puna.engine.run import CallRun
from puna.errors import BadRequestError, NotFoundError
from puna.routing.deployment import Deployment
from puna.types.common import Usage
from puna.types.counts import is_finite_number
from puna.types.embeddings import EmbeddingRequest, EmbeddingResponse
from puna.wire.http import HTTPReply

EmbeddingAttempt = Attempt[EmbeddingDialect, EmbeddingRequest]

_CANNED_TOKENS = 10


class EmbeddingRun(CallRun[EmbeddingRequest, EmbeddingDialect, EmbeddingResponse]):
    """The state of one embeddings call: requests, answers, token counts."""

    @override
    def read_answer(self, attempt: EmbeddingAttempt, reply: HTTPReply) -> EmbeddingResponse:
        response = attempt.dialect.read_reply(reply, attempt.context)
        if response.usage is None:
            response.usage = _estimate_usage(attempt.context.request)
        self._note_tokens(response.usage, attempt)
        return response.with_report(self.report)

    @override
    def request_content(self) -> Mapping[str, Any]:
        return {"input": self.call.request.input}

    @override
    def count_prompt(self) -> int:
        return _estimate_usage(self.call.request).prompt_tokens

    @override
    def dialect_for(self, deployment: Deployment) -> EmbeddingDialect:
        canned, target = self.canned_for(deployment), deployment.target
        dialect = EMBEDDING_DIALECTS.get(target.dialect if canned is None else CANNED_DIALECT)
        if canned is not None and isinstance(canned.answer, str):
            reason = "its prepared answer (`mock_response`) is a text, and no vector"
        elif canned is None and target.lacks_embeddings:
            reason = f"{target.provider} has no endpoint for embeddings at its own address"
        elif dialect is None:
            reason = f"Puna knows no embeddings in the protocol of {target.provider}"
        else:
            return dialect
        raise NotFoundError(
            f"`{deployment.public_name}` cannot embed: {reason}. Use a model of a host that "
            "can, or give `api_base`. Nothing was sent.",
            code="no_such_endpoint",
            param="model",
            provider=target.provider,
            model=self.call.request.model,
        )


def read_canned_vector(answer: Any, request: EmbeddingRequest, delay_s: float) -> Canned:
    """`mock_response` of an embeddings call: a vector for every input, or an exception.

    Usage is 10 tokens, as in LiteLLM's mock.

    Raises:
        BadRequestError: it is neither.
    """
    if isinstance(answer, Exception):
        return Canned(answer, delay_s)
    if not isinstance(answer, list | tuple) or not answer or not all(map(is_finite_number, answer)):
        raise BadRequestError(
            "`mock_response` of an embeddings call must be a list of finite numbers, the vector "
            "of every input, or an exception.",
            param="mock_response",
        )
    data = [{"index": i, "embedding": list(answer)} for i in range(len(request.inputs))]
    usage = {"prompt_tokens": _CANNED_TOKENS, "total_tokens": _CANNED_TOKENS}
    return Canned({"data": data, "usage": usage}, delay_s)


def _estimate_usage(request: EmbeddingRequest) -> Usage:
    """The tokens of all inputs; given as ids they are counted, not estimated."""
    tokens = sum(
        estimate_tokens(one) if isinstance(one, str) else len(one) for one in request.inputs
    )
    is_guess = any(isinstance(one, str) for one in request.inputs)
    return Usage.model_validate(
        {
            "prompt_tokens": tokens,
            "total_tokens": tokens,
            **({"estimated": True} if is_guess else {}),
        }
    )

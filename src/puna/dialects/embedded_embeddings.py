"""The dialect of the embedded model's embeddings: OpenAI's protocol, to the process that chats.

The server averages the model's last states over the input's tokens and normalizes to length 1. It
is a chat model: docs/decisions/0017-embeddings.md says how well its vectors distinguish texts.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic_core import from_json
from typing_extensions import override

from puna.dialects.base import BuiltRequest, ReadContext, Target
from puna.dialects.openai_embeddings import OpenAIEmbeddings
from puna.embedded.server_errors import read_server_error
from puna.embedded.weights import EMBEDDING_TOKENS
from puna.errors import APIError, BadRequestError, ContextWindowExceededError
from puna.types.embeddings import EmbeddingRequest, EmbeddingResponse
from puna.wire.http import HTTPReply, Timeouts

_TOO_LARGE = "too large to process"
_KEPT = ("data", "usage")
_KEPT_OF_ITEM = ("embedding", "index")


class EmbeddedEmbeddings(OpenAIEmbeddings):
    """Sends embedding requests to the embedded model and parses its replies."""

    @override
    def build_request(
        self, request: EmbeddingRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST embedded://<percent-encoded model>/v1/embeddings`."""
        if not all(isinstance(one, str) for one in request.inputs):
            raise BadRequestError(
                "The embedded model takes texts: token ids are of one vocabulary, and others "
                "would give a vector that means nothing. Send the text itself (in LangChain: "
                "`check_embedding_ctx_length=False`).",
                param="input",
                provider=target.provider,
                model=request.model,
            )
        return super().build_request(request, target, timeouts)

    @override
    def url(self, target: Target) -> str:
        return f"embedded://{quote(target.model, safe='')}/v1{self.path}"

    @override
    def read_body(
        self, data: dict[str, Any], context: ReadContext[EmbeddingRequest]
    ) -> EmbeddingResponse:
        kept = {name: data[name] for name in _KEPT if name in data}
        kept["data"] = [
            {name: item[name] for name in _KEPT_OF_ITEM if name in item}
            for item in kept.get("data") or ()
        ]
        return super().read_body(kept, context)

    @override
    def read_error(self, reply: HTTPReply, context: ReadContext[EmbeddingRequest]) -> APIError:
        try:
            body: Any = from_json(reply.body)
        except ValueError:
            body = None
        error = read_server_error(reply.status, body)
        if isinstance(error, ContextWindowExceededError) or _TOO_LARGE in error.message:
            error = ContextWindowExceededError(
                f"An input has more than the `{EMBEDDING_TOKENS}` tokens that the embedded model "
                "turns into a vector; send shorter texts.",
                param="input",
            )
        error.provider = context.target.provider
        error.model = context.model
        return error

"""The dialect of Ollama's own embeddings, `POST /api/embed`.

Source: Ollama's OpenAPI description and its Python client 0.6.3, read 2026-11-26.
"""

from __future__ import annotations

from typing import Any, cast

from typing_extensions import override

from puna.catalog.estimates import MOST_READ, estimate_tokens
from puna.dialects.base import BuiltRequest, ReadContext, Target
from puna.dialects.json_http import build_post, encode_body
from puna.dialects.ollama_chat import ollama_url, sort_options
from puna.dialects.ollama_context import SIZE, context_for
from puna.dialects.openai_embeddings import OpenAIEmbeddings
from puna.dialects.request_rules import choose_params
from puna.errors import BadRequestError
from puna.types.embeddings import EmbeddingRequest, EmbeddingResponse
from puna.wire.http import Timeouts


class OllamaEmbeddings(OpenAIEmbeddings):
    """Sends embedding requests to Ollama's own API and parses its replies.

    Beside the caller's fields it sends `truncate: false`, so that an input that is too long is an
    error, and the `num_ctx` that the longest input needs. Ollama limits that to the model's window.
    """

    path = "/api/embed"

    @override
    def build_request(
        self, request: EmbeddingRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST <base>/api/embed`."""
        texts = [one for one in request.inputs if isinstance(one, str)]
        if len(texts) != len(request.inputs):
            raise BadRequestError(
                f"{target.provider} embeds texts, not token ids: send the text itself (in "
                "LangChain: `check_embedding_ctx_length=False`).",
                param="input",
                provider=target.provider,
                model=request.model,
            )
        params, dropped = choose_params(request, target)
        params.pop("encoding_format", None)  # the vectors are put in that form here
        fields, options, doubled = sort_options(params, request, target)
        if SIZE not in request.unwanted_params:
            options.setdefault(SIZE, context_for(_most_tokens(texts), 1))
        if "truncate" not in request.unwanted_params:
            fields.setdefault("truncate", False)
        body = {"model": target.model, "input": texts, **fields, "options": options}
        http = build_post(self.url(target), encode_body(body), request, target, timeouts)
        return BuiltRequest(http, (*dropped, *doubled), reading=params.get("dimensions"))

    @override
    def url(self, target: Target) -> str:
        return ollama_url(target, self.path)

    @override
    def read_body(
        self, data: dict[str, Any], context: ReadContext[EmbeddingRequest]
    ) -> EmbeddingResponse:
        vectors = data.pop("embeddings", None)
        if isinstance(vectors, list):
            data["data"] = [{"embedding": vector} for vector in cast("list[Any]", vectors)]
        data["usage"] = {"prompt_tokens": data.pop("prompt_eval_count", None)}
        return super().read_body(data, context)


def _most_tokens(texts: list[str]) -> int:
    """The estimated tokens of the input that has the most.

    Only the largest inputs are estimated: of many, an estimate of each would take seconds.
    """
    most = read = 0
    for text in sorted(texts, key=_byte_count, reverse=True):
        most, read = max(most, estimate_tokens(text)), read + len(text)
        if read > MOST_READ:
            break
    return most


def _byte_count(text: str) -> int:
    """The size of a text in UTF-8 bytes."""
    return len(text.encode("utf-8", "surrogatepass"))

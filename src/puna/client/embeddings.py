"""Reads the keywords of `embedding()` into one frozen call. Pure, as for chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.client.keywords import make_call, read_delay, read_options, split_keywords
from puna.client.settings import ClientSettings
from puna.engine.call import Call
from puna.engine.embeddings import read_canned_vector
from puna.types.embeddings import EmbeddingRequest, make_embedding_request


def read_embedding_call(
    model: Any, given: Any, keywords: Mapping[str, Any], settings: ClientSettings
) -> Call[EmbeddingRequest]:
    """Make the call from the arguments of `embedding()`; `given` is the input.

    Raises as `read_call`.
    """
    own, body = split_keywords(keywords, settings)
    request = make_embedding_request(model, given, body, **read_options(own, settings))
    answer = own.get("mock_response")
    canned = read_canned_vector(answer, request, read_delay(own)) if answer is not None else None
    return make_call(request, own, settings, canned)

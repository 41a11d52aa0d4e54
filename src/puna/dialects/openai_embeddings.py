"""The dialect of OpenAI's embeddings, which most hosts with embeddings speak.

Source: OpenAI API reference, "Embeddings". Corrected here: a host that ignores `encoding_format`,
that gives vectors out of order, or that leaves out `index` or `object`.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError

from puna.dialects.base import BuiltRequest, ReadContext, Target
from puna.dialects.error_replies import is_error_body, read_error_frame, read_error_reply
from puna.dialects.json_http import (
    build_post,
    build_url,
    encode_body,
    first_problem,
    malformed,
    parse_object,
)
from puna.dialects.openai_replies import is_index
from puna.dialects.request_rules import choose_params
from puna.errors import APIError
from puna.types.counts import read_count
from puna.types.embeddings import EmbeddingRequest, EmbeddingResponse
from puna.wire.http import HTTPReply, Timeouts
from puna.wire.vectors import check_finite, decode_vector, encode_vector

Context = ReadContext[EmbeddingRequest]

_NO_ENDPOINT = frozenset((404, 405, 501))


class OpenAIEmbeddings:
    """Sends embedding requests and parses their replies. One instance serves all calls."""

    path = "/embeddings"

    def build_request(
        self, request: EmbeddingRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST <base>/embeddings`, with only what the caller gave in the body."""
        params, dropped = choose_params(request, target)
        body = {"model": target.model, "input": request.input, **params}
        url = self.url(target)
        http = build_post(url, encode_body(body), request, target, timeouts)
        return BuiltRequest(http, dropped, reading=params.get("dimensions"))

    def url(self, target: Target) -> str:
        """The URL of the endpoint."""
        return build_url(target, self.path)

    def read_reply(self, reply: HTTPReply, context: Context) -> EmbeddingResponse:
        """Parse a success to vectors.

        Raises:
            APIError: it holds an error, or not exactly one vector for each input.
        """
        data = parse_object(reply, context, has_vectors=True)
        if is_error_body(data):
            raise read_error_frame(data, context)
        return self.read_body(data, context)

    def read_body(self, data: dict[str, Any], context: Context) -> EmbeddingResponse:
        """Convert a decoded body, which is changed in place, to vectors.

        Raises:
            MalformedReplyError: it does not hold exactly one vector for each input.
        """
        data["object"] = "list"
        data["model"] = context.model
        data["data"] = _read_items(data.get("data"), context)
        _mend_usage(data)
        try:
            return EmbeddingResponse.model_validate(data)
        except ValidationError as error:
            raise malformed(f"fields of the wrong kind: {first_problem(error)}", context) from error

    def read_error(self, reply: HTTPReply, context: Context) -> APIError:
        """The typed error for a reply whose status is no success."""
        error = read_error_reply(reply, context)
        if reply.status in _NO_ENDPOINT:
            error.is_retryable = False
            error.message = (
                f"{error.message.rstrip('.')}. Does it serve embeddings, and this model's? Puna "
                f"asked `POST {self.path}`."
            )
            error.args = (error.message,)
        return error


def _read_items(given: Any, context: Context) -> list[dict[str, Any]]:
    """The vectors in the order of the inputs, in the requested form."""
    wanted = len(context.request.inputs)
    items = cast("list[Any]", given) if isinstance(given, list) else []
    if len(items) != wanted:
        what = f"`{len(items)}` vectors" if isinstance(given, list) else "no list of vectors"
        raise malformed(f"{what} for `{wanted}` inputs", context)
    placed: dict[int, dict[str, Any]] = {}
    sizes: set[int] = set()
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            raise malformed("a vector that is no object", context)
        fields = cast("dict[str, Any]", item)
        index = fields.get("index")
        index = position if index is None else index
        if not is_index(index) or not 0 <= index < wanted or index in placed:
            raise malformed("vectors that cannot be put in the order of the inputs", context)
        vector, size = _read_vector(fields.get("embedding"), context)
        sizes.add(size)
        placed[index] = {**fields, "object": "embedding", "index": index, "embedding": vector}
    _check_sizes(sizes, context)
    return [placed[index] for index in range(wanted)]


def _read_vector(given: Any, context: Context) -> tuple[list[float] | str, int]:
    """Convert a vector to the requested form. Returns it, and its number of dimensions."""
    try:
        if isinstance(given, str):
            numbers = decode_vector(given)
            return given if context.request.wants_base64 else numbers, len(numbers)
        if isinstance(given, list) and given:
            numbers = cast("list[float]", given)
            check_finite(numbers)
            return encode_vector(numbers) if context.request.wants_base64 else numbers, len(numbers)
    except ValueError as error:
        raise malformed(f"a vector that cannot be read ({error})", context) from error
    raise malformed("an input without its vector", context)


def _check_sizes(sizes: set[int], context: Context) -> None:
    """Check that all vectors have the same length, and the requested one if one was requested."""
    if len(sizes) != 1:
        raise malformed("vectors of different lengths", context)
    asked = context.reading  # as it was sent: it may have been left out
    if asked is not None and sizes != {asked}:
        error = malformed(
            f"vectors of `{sizes.pop()}` dimensions where `dimensions` asked for `{asked}`; the "
            "model has one length only: leave `dimensions` out",
            context,
        )
        error.is_retryable = False
        raise error


def _mend_usage(data: dict[str, Any]) -> None:
    """Convert the counts to ints. Invalid ones remove the usage, so that Puna estimates it."""
    given = data.pop("usage", None)
    usage = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    asked = read_count(usage.get("prompt_tokens"))
    total = read_count(usage.get("total_tokens"))
    if asked is None:
        asked = total
    if not asked:  # no input has no tokens: a host that says so has not counted
        return
    kept = {name: value for name, value in usage.items() if name in _KEPT_USAGE}
    data["usage"] = {**kept, "prompt_tokens": asked, "total_tokens": total or asked}


_KEPT_USAGE = ("prompt_tokens_details",)

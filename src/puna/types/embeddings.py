"""Embedding requests, frozen and checked, and their answers.

Source: OpenAI API reference, "Create embeddings" and "The embedding object".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import Field

from puna.errors import BadRequestError
from puna.types.common import Answer, Usage, WireModel
from puna.types.display import kind_of
from puna.types.listed_request import ListedRequest
from puna.types.model_request import ParamChecks, check_extra_body, check_model
from puna.types.requests import check_headers
from puna.types.token_ids import KINDS, TextInput, TokenIds, each_text, is_count, read_token_ids

MOST_INPUTS = 2_048
"""Inputs of one request. Source: OpenAI API reference, `input`."""

_FORMATS = ("float", "base64")
_OWN_FIELDS = ("model", "input")

EMBEDDING_PARAMS: ParamChecks = {
    "dimensions": (lambda v: is_count(v) and v > 0, "a whole number above 0"),
    "encoding_format": (lambda v: v in _FORMATS, "float or base64"),
    "user": (lambda v: isinstance(v, str), "a string"),
}
"""OpenAI's parameters of embeddings."""

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Embedding(WireModel):
    """The vector of one input.

    Numbers, or base64 of little-endian float32 if that was requested.
    """

    object: str = "embedding"
    index: int = 0
    embedding: list[_Number] | str


class EmbeddingResponse(Answer):
    """The vectors: one for each input, in the same order."""

    object: str = "list"
    data: list[Embedding]
    model: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingRequest(ListedRequest):
    """An embedding request in OpenAI's shape."""

    known_params = EMBEDDING_PARAMS

    input: TextInput

    @property
    def inputs(self) -> tuple[str | TokenIds, ...]:
        """The inputs: each a text or the token ids of one."""
        return each_text(self.input)

    @property
    def wants_base64(self) -> bool:
        """Whether vectors are requested as base64; else as numbers, which is OpenAI's default."""
        return self.params.get("encoding_format") == "base64"


def make_embedding_request(  # noqa: PLR0913 - a request's parts; all but two by keyword
    model: Any,
    given: Any,
    fields: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    drop_params: bool = False,
    allowed_params: Iterable[str] = (),
    unwanted_params: Iterable[str] = (),
) -> EmbeddingRequest:
    """Check an embedding request and freeze it; `given` is the input.

    `fields` are body parameters, known and unknown; None means "not given".

    Raises:
        BadRequestError: something is malformed; `param` names it. Nothing was sent.
    """
    if fields.get("stream"):
        raise BadRequestError("Embeddings are not streamed; leave `stream` out.", param="stream")
    body = {**fields, **check_extra_body(extra_body, _OWN_FIELDS)}
    body.pop("stream", None)
    params, extra = EmbeddingRequest.split(body)
    return EmbeddingRequest(
        model=check_model(model),
        input=read_input(given),
        params=params,
        extra=extra,
        headers=check_headers(headers or {}),
        drop_params=bool(drop_params),
        allowed_params=frozenset(allowed_params),
        unwanted_params=frozenset(unwanted_params),
    )


def read_input(given: Any) -> TextInput:
    """Check an input and freeze it.

    Raises:
        BadRequestError: `param` is the path of what is malformed, such as `input[3]`.
    """
    if isinstance(given, str):
        return _read_text(given, "input")
    if not isinstance(given, list | tuple):
        raise BadRequestError(f"`input` must be {KINDS}, not {kind_of(given)}.", param="input")
    items = cast("list[Any] | tuple[Any, ...]", given)
    if not items:
        raise BadRequestError(f"`input` is empty; give {KINDS}.", param="input")
    first = items[0]
    if isinstance(first, int) and not isinstance(first, bool):
        return read_token_ids(items, "input")
    if len(items) > MOST_INPUTS:
        raise BadRequestError(
            f"`input` holds `{len(items)}` inputs; send at most {MOST_INPUTS} in a request.",
            param="input",
        )
    if isinstance(first, list | tuple):
        return tuple(read_token_ids(item, f"input[{i}]") for i, item in enumerate(items))
    return tuple(_read_text(item, f"input[{i}]") for i, item in enumerate(items))


def _read_text(given: Any, path: str) -> str:
    """Check one text to embed. Raises BadRequestError for an empty or malformed one."""
    if not isinstance(given, str):
        raise BadRequestError(f"`{path}` must be a text, not {kind_of(given)}.", param=path)
    if not given:
        raise BadRequestError(f"`{path}` is an empty text, which has no vector.", param=path)
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise BadRequestError(
            f"`{path}` holds half of a surrogate pair, which is not text; remove or repair it.",
            param=path,
        ) from error
    return given


__all__ = [
    "EMBEDDING_PARAMS",
    "MOST_INPUTS",
    "Embedding",
    "EmbeddingRequest",
    "EmbeddingResponse",
    "make_embedding_request",
    "read_input",
]

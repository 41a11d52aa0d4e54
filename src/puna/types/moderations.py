"""Moderation requests, as frozen values, and their answers.

Source: OpenAI API reference, "Create moderation".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from puna.errors import BadRequestError
from puna.types.common import Answer, Usage, WireModel
from puna.types.display import kind_of
from puna.types.listed_request import ListedRequest
from puna.types.model_request import ParamChecks, check_extra_body, check_model
from puna.types.requests import check_headers

_OWN_FIELDS = ("model", "input")


class ModerationResult(WireModel):
    """The result for one input. The categories depend on the host."""

    flagged: bool
    categories: dict[str, Any] | None = None
    category_scores: dict[str, Any] | None = None


class ModerationResponse(Answer):
    """The results, one for each input."""

    id: str = ""
    model: str
    results: list[ModerationResult]
    usage: Usage | None = None
    """Where the verdicts came over chat."""


@dataclass(frozen=True, slots=True)
class ModerationRequest(ListedRequest):
    """A moderation request: a text, a list of texts, or parts with texts and images."""

    known_params: ClassVar[ParamChecks] = {}

    input: Any

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The inputs that get a result each: the texts of a list; else the input as a whole."""
        given = self.input
        if isinstance(given, list) and all(isinstance(one, str) for one in given):
            return tuple(given)
        return (given,)


def make_moderation_request(  # noqa: PLR0913 - a request's parts; all but two by keyword
    model: Any,
    given: Any,
    fields: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    drop_params: bool = False,
    allowed_params: Iterable[str] = (),
    unwanted_params: Iterable[str] = (),
) -> ModerationRequest:
    """Check a moderation request and freeze it; `given` is the input, whose parts the host checks.

    Raises:
        BadRequestError: something is malformed; `param` names it. Nothing was sent.
    """
    if not isinstance(given, str | list) or not given:
        raise BadRequestError(
            "`input` must be a text, or a list of texts or of parts, and not empty; not "
            f"{kind_of(given)}.",
            param="input",
        )
    if fields.get("stream"):
        raise BadRequestError("Moderations are not streamed; leave `stream` out.", param="stream")
    body = check_extra_body(extra_body, _OWN_FIELDS)
    params, extra = ModerationRequest.split({**fields, **body})
    return ModerationRequest(
        model=check_model(model),
        input=given,
        params=params,
        extra=extra,
        headers=check_headers(headers or {}),
        drop_params=drop_params,
        allowed_params=frozenset(allowed_params),
        unwanted_params=frozenset(unwanted_params),
    )


__all__ = [
    "ModerationRequest",
    "ModerationResponse",
    "ModerationResult",
    "make_moderation_request",
]

"""A text-completion request for a host that has the endpoint, as a frozen and checked value.

Source: OpenAI API reference, "Completions". Over chat, a text completion is `TextRequest`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from puna.errors import BadRequestError
from puna.types.display import display, kind_of
from puna.types.listed_request import ListedRequest
from puna.types.model_request import ParamChecks, check_extra_body, check_model
from puna.types.requests import PARAMS, check_headers
from puna.types.token_ids import KINDS, TextInput, TokenIds, each_text, is_count, read_token_ids

_OWN_FIELDS = ("model", "prompt", "stream")

COMPLETION_PARAMS: ParamChecks = {
    **{
        name: PARAMS[name]
        for name in (
            "frequency_penalty",
            "logit_bias",
            "max_tokens",
            "n",
            "presence_penalty",
            "seed",
            "stop",
            "stream_options",
            "temperature",
            "top_p",
            "user",
        )
    },
    "best_of": (is_count, "a whole number from 0"),
    "echo": (lambda v: isinstance(v, bool), "a boolean"),
    "logprobs": (lambda v: isinstance(v, bool) or is_count(v), "a whole number from 0"),
    "suffix": (lambda v: isinstance(v, str), "a string"),
}
"""OpenAI's parameters of text completions."""


@dataclass(frozen=True, slots=True)
class CompletionRequest(ListedRequest):
    """A text-completion request in OpenAI's shape."""

    known_params = COMPLETION_PARAMS

    prompt: TextInput

    @property
    def prompts(self) -> tuple[str | TokenIds, ...]:
        """The prompts: each a text or the token ids of one."""
        return each_text(self.prompt)

    @property
    def wants_usage(self) -> bool:
        """Whether the caller asks for a usage chunk at the end of the stream."""
        return bool((self.params.get("stream_options") or {}).get("include_usage"))


def make_completion_request(  # noqa: PLR0913 - a request's parts; all but two by keyword
    model: Any,
    prompt: Any,
    fields: Mapping[str, Any],
    *,
    stream: Any = False,
    headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    drop_params: bool = False,
    allowed_params: Iterable[str] = (),
    unwanted_params: Iterable[str] = (),
) -> CompletionRequest:
    """Check a text-completion request and freeze it.

    `fields` are body parameters, known and unknown; None means "not given".

    Raises:
        BadRequestError: something is malformed; `param` names it. Nothing was sent.
    """
    if stream is not None and not isinstance(stream, bool):
        raise BadRequestError(
            f"`stream` must be true or false, not `{display(stream)}`.", param="stream"
        )
    params, extra = CompletionRequest.split({**fields, **check_extra_body(extra_body, _OWN_FIELDS)})
    return CompletionRequest(
        model=check_model(model),
        prompt=read_prompt(prompt),
        params=params,
        extra=extra,
        headers=check_headers(headers or {}),
        is_stream=bool(stream),
        drop_params=drop_params,
        allowed_params=frozenset(allowed_params),
        unwanted_params=frozenset(unwanted_params),
    )


def read_prompt(given: Any) -> TextInput:
    """Check a prompt and freeze it.

    Raises:
        BadRequestError: `param` is the path of what is malformed, such as `prompt[3]`.
    """
    if isinstance(given, str):
        return given
    if not isinstance(given, list | tuple):
        raise BadRequestError(f"`prompt` must be {KINDS}, not {kind_of(given)}.", param="prompt")
    items = cast("list[Any] | tuple[Any, ...]", given)
    if not items:
        raise BadRequestError(f"`prompt` is empty; give {KINDS}.", param="prompt")
    if is_count(items[0]):
        return read_token_ids(items, "prompt")
    if isinstance(items[0], list | tuple):
        return tuple(read_token_ids(item, f"prompt[{i}]") for i, item in enumerate(items))
    for i, item in enumerate(items):
        if not isinstance(item, str):
            path = f"prompt[{i}]"
            raise BadRequestError(f"`{path}` must be a text, not {kind_of(item)}.", param=path)
    return tuple(items)


__all__ = [
    "COMPLETION_PARAMS",
    "CompletionRequest",
    "make_completion_request",
    "read_prompt",
]

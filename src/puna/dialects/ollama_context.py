"""Chooses the context size for Ollama, so that it does not silently cut the prompt.

Its own default is 4,096 tokens with less than 24 GiB of video memory, and a longer prompt loses its
beginning without an error. Source: Ollama's page "Context length"; for `truncate` and `shift` its
issues 4967, 14259 and 17889 and pull request 17944; all read 2026-11-26.
"""

from __future__ import annotations

from typing import Any

from puna.catalog.estimates import estimate_tokens
from puna.catalog.tokens import count_message_tokens
from puna.dialects.base import Target
from puna.dialects.json_http import encode_body
from puna.errors import BadRequestError, ContextWindowExceededError
from puna.types.display import display
from puna.types.messages import image_parts
from puna.types.requests import ChatRequest

SIZE = "num_ctx"
ANSWER = "num_predict"

_SMALLEST = 4_096
_DOUBLED_UP_TO = 32_768
_ROOM_FOR_ANSWER = 4_096
_ROOM_FOR_IMAGE = 2_048


def set_context(
    body: dict[str, Any], options: dict[str, Any], request: ChatRequest, target: Target
) -> None:
    """Set `num_ctx` in the options if the caller did not, and forbid silent cuts.

    The prompt is estimated and not counted with a vocabulary, which would have to be loaded during
    the call. The estimate may be too low, so a quarter is added, and `truncate: false` and `shift:
    false` make Ollama answer with an error, or end with `length`, if that is not enough. It may
    also be too high by 60 %, so only what is too large even then is refused here. A caller's own
    `truncate` or `shift` is sent instead, and with `truncate: true` nothing is refused; one in
    `additional_drop_params` is not sent.

    Raises:
        ContextWindowExceededError: the prompt cannot fit the caller's `num_ctx`, or the window.
        BadRequestError: `num_ctx` is invalid, or the tools hold a value that JSON does not have.
    """
    for name in ("truncate", "shift"):
        if name not in request.unwanted_params:
            body.setdefault(name, False)
    tokens = count_message_tokens("", request.messages).count + _count_tools(body.get("tools"))
    own, window = options.get(SIZE), target.context_tokens
    if own is not None and (not isinstance(own, int) or isinstance(own, bool) or own < 1):
        raise BadRequestError(
            f"`{SIZE}` must be a whole number above 0, not `{display(own)}`.",
            param=SIZE,
            provider=target.provider,
            model=request.model,
        )
    limit = own if own is not None else window
    if limit is not None and tokens * 5 // 8 > limit and not body.get("truncate"):
        raise _too_long(tokens, limit, request, target, is_own=own is not None)
    if own is None and SIZE not in request.unwanted_params:
        images = sum(1 for _ in image_parts(request.messages))
        size = context_for(tokens + images * _ROOM_FOR_IMAGE, options.get(ANSWER))
        options[SIZE] = size if window is None else min(size, window)


def context_for(tokens: int, answer: Any = None) -> int:
    """The context size for an estimated prompt and an answer of at most `answer` tokens.

    It grows in large steps (doubled up to 32,768, then multiples of that), because Ollama reloads
    the model whenever the size changes.
    """
    is_known = isinstance(answer, int) and answer > 0  # -1 and -2 mean: as long as it gets
    wanted = tokens + -(-tokens // 4) + (answer if is_known else _ROOM_FOR_ANSWER)
    if wanted > _DOUBLED_UP_TO:
        return -(-wanted // _DOUBLED_UP_TO) * _DOUBLED_UP_TO
    return max(_SMALLEST, 1 << (wanted - 1).bit_length())


def _count_tools(tools: Any) -> int:
    """The tokens of tools as the templates of Ollama's library write them: each as JSON."""
    if not tools:
        return 0
    return estimate_tokens(encode_body({"tools": tools}).decode())


def _too_long(
    tokens: int, limit: int, request: ChatRequest, target: Target, *, is_own: bool
) -> ContextWindowExceededError:
    """The error for a prompt that is longer than the context."""
    fix = f"raise `{SIZE}` or leave it out" if is_own else "choose a model with a larger context"
    whose = f"the `{SIZE}` of" if is_own else "the model's context of"
    return ContextWindowExceededError(
        f"The prompt has about `{tokens}` tokens, which do not fit {whose} `{limit}`: shorten the "
        f"prompt, or {fix}. Nothing was sent.",
        param="messages",
        provider=target.provider,
        model=request.model,
    )

"""Token counts, always offline.

Exact for Llama 3 and Llama 4 when their vocabularies are installed (see `puna.catalog.vocabularies`
and the guide "Token counting"), otherwise an estimate that says it is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from puna.catalog.estimates import MOST_READ, estimate_tokens
from puna.catalog.tool_tokens import count_tools
from puna.catalog.vocabularies import (
    VOCABULARY_PACKAGE,
    cut_text,
    family_of,
    is_openais,
    load_encoding,
)
from puna.errors import BadRequestError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tiktoken import Encoding

    # Text -> number of tokens, by a vocabulary or by the estimate.
    Counter = Callable[[str], int]

TOKENS_PER_IMAGE_TILE = 145
"""Of one 336x336 tile on Llama 4, as the Llama API documented it."""

TOKENS_PER_SMALL_IMAGE = 85
"""Of an image with `detail: low` on OpenAI's models. Source: OpenAI, "Images and vision"."""


@dataclass(frozen=True, slots=True)
class _ChatFormat:
    """The tokens that a prompt format adds to the texts of a chat.

    Attributes:
        around_chat: once; for Llama begin-of-text and the header of the answer to come.
        around_message: for each message, beside its role; for Llama header start, header end, the
            blank line as one token, and the end of turn.
        small_image: for an image with `detail: low`.
        has_llamas_tools: whether tools are written in Llama's format.
    """

    around_chat: int
    around_message: int
    small_image: int
    has_llamas_tools: bool


_LLAMA = _ChatFormat(5, 4, TOKENS_PER_IMAGE_TILE, has_llamas_tools=True)
_OTHER = _ChatFormat(5, 4, TOKENS_PER_SMALL_IMAGE, has_llamas_tools=False)
# Source: OpenAI's cookbook, "How to count tokens with tiktoken".
_OPENAI = _ChatFormat(3, 3, TOKENS_PER_SMALL_IMAGE, has_llamas_tools=False)
_HEADER_ROLES = {"tool": "ipython", "function": "ipython", "developer": "system"}
_IMAGE_PARTS = frozenset({"image_url", "input_image", "image"})
_TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
}


@dataclass(frozen=True, slots=True)
class TokenCount:
    """A number of tokens, and how exact it is.

    `tokenizer` names the vocabulary ("llama3", "llama4") or is "estimate". `is_estimate` is also
    True with a vocabulary when a part of the prompt can only be estimated, such as an image.
    """

    count: int
    is_estimate: bool
    tokenizer: str


def count_tokens(model: str, text: str) -> TokenCount:
    """The tokens of a plain text, without a chat template or begin-of-text token.

    Text that spells a special token (`<|eot_id|>`) is counted as ordinary text. Raises
    `ConfigError` when a vocabulary is installed and broken.
    """
    counter, tokenizer = _counter_for(model)
    return TokenCount(count=counter(text), is_estimate=tokenizer == "estimate", tokenizer=tokenizer)


def count_message_tokens(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> TokenCount:
    """Prompt tokens of a chat in OpenAI's message shape, by the chat format of Llama 3 and 4.

    That is: begin-of-text; for each message its header, content and end of turn; and the header of
    the answer to come. A host may put sentences of its own before that, which nobody can count from
    here. The same sum serves for other models; OpenAI's have one of their own, and are counted by
    the vocabulary of Llama 3 where it is installed, for it is near to theirs.

    Estimated, so that `is_estimate` is True: images (one tile of 145 tokens each, for their size is
    not known here, or 85 for one with `detail: low` on a model that is no Llama), tool calls and
    tool definitions (`puna.catalog.tool_tokens`), and parts of unknown kinds (counted as nothing).
    Raises `ConfigError` when a vocabulary is installed and broken.
    """
    counter, tokenizer = _counter_for(model)
    is_estimate = tokenizer == "estimate"
    texts = _Texts()
    if counter is estimate_tokens:
        counter = texts.add
    chat = _format_of(model)
    total = chat.around_chat
    for message in messages:
        count, is_guess = _count_message(message, counter, chat)
        total += count
        is_estimate = is_estimate or is_guess
    if tools:
        total += count_tools(tools, counter, is_llama=chat.has_llamas_tools)
        is_estimate = True
    return TokenCount(count=total + texts.estimate(), is_estimate=is_estimate, tokenizer=tokenizer)


class _Texts:
    """Collects a chat's texts and estimates them together: long ones as one, to bound the cost."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> int:
        """Collect a text; gives 0, because the tokens are added by `estimate`."""
        self._texts.append(text)
        return 0

    def estimate(self) -> int:
        """The estimated tokens of all collected texts."""
        if sum(map(len, self._texts)) > MOST_READ:
            return estimate_tokens("\n".join(self._texts))
        return sum(map(estimate_tokens, self._texts))


def encode(model: str, text: str) -> list[int]:
    """The token ids of a plain text in a Llama 3 or 4 vocabulary, no special token among them.

    Raises `BadRequestError` for a model of another family, `ConfigError` when the vocabulary is not
    installed or broken.
    """
    return _encode(_encoding_of(model), text)


def decode(model: str, ids: Sequence[int]) -> str:
    """The text of token ids; special tokens appear as written, such as `<|eot_id|>`.

    Bytes that are no valid UTF-8, as half a character makes, become U+FFFD. Raises as `encode`
    does, and `BadRequestError` for an id outside the vocabulary.
    """
    encoding = _encoding_of(model)
    for token in ids:
        if not 0 <= token <= encoding.max_token_value:
            raise BadRequestError(
                f"Token id `{token}` is not in the vocabulary of `{model}`. "
                f"Ids go from 0 to {encoding.max_token_value}.",
                param="ids",
                model=model,
            )
    return encoding.decode(ids)


def _counter_for(model: str) -> tuple[Counter, str]:
    """The function that counts tokens for a model, and the name of its tokenizer."""
    family = family_of(model) or ("llama3" if is_openais(model) else None)
    encoding = load_encoding(family) if family else None
    if encoding is None:
        return estimate_tokens, "estimate"
    name = encoding.name if family_of(model) else "estimate"
    return lambda text: len(_encode(encoding, text)), name


def _format_of(model: str) -> _ChatFormat:
    """The chat format of a model."""
    if family_of(model):
        return _LLAMA
    return _OPENAI if is_openais(model) else _OTHER


def _encoding_of(model: str, package: str = VOCABULARY_PACKAGE) -> Encoding:
    """The encoding of a model. Raises for a family or a package that is not there."""
    family = family_of(model)
    if family is None:
        raise BadRequestError(
            f"No vocabulary is known for `{model}`. "
            "Token ids can be given for Llama 3 and Llama 4 models only.",
            param="model",
            model=model,
        )
    encoding = load_encoding(family, package)
    if encoding is None:
        raise ConfigError(
            f"The vocabulary of `{model}` is not installed. Run "
            "`pip install tiktoken` and `pip install --no-deps llama-models`."
        )
    return encoding


def _encode(encoding: Encoding, text: str) -> list[int]:
    ids: list[int] = []
    for piece in cut_text(text):
        ids.extend(encoding.encode_ordinary(piece))
    return ids


def _count_message(
    message: Mapping[str, Any], counter: Counter, chat: _ChatFormat
) -> tuple[int, bool]:
    """The tokens of one message with its header, and whether they are an estimate."""
    role = str(message.get("role", "user"))
    count, is_guess = _count_content(message.get("content"), counter, chat.small_image)
    count += chat.around_message + counter(_HEADER_ROLES.get(role, role))
    for call in message.get("tool_calls") or ():
        count += counter(_tool_call_text(call))
        is_guess = True
    return count, is_guess


def _count_content(content: object, counter: Counter, small_image: int) -> tuple[int, bool]:
    """The tokens of a content, and whether they are an estimate.

    A content is a text, a list of parts, or None.
    """
    if content is None:
        return 0, False
    if isinstance(content, str):
        return counter(content), False
    if not isinstance(content, Sequence):
        return 0, True
    counted = [_count_part(part, counter, small_image) for part in content]
    return sum(count for count, _ in counted), any(is_guess for _, is_guess in counted)


def _count_part(part: object, counter: Counter, small_image: int) -> tuple[int, bool]:
    """The tokens of one content part, and whether they are an estimate.

    An unknown kind of part counts as 0, estimated.
    """
    if isinstance(part, str):
        return counter(part), False
    if not isinstance(part, Mapping):
        return 0, True
    kind = part.get("type")
    if kind in _IMAGE_PARTS:
        return (small_image if _is_small(part) else TOKENS_PER_IMAGE_TILE), True
    if kind == "tool_result":  # of the Messages API: a text or a list of parts
        return _count_content(part.get("content"), counter, small_image)
    if kind == "tool_use":
        function = {"name": part.get("name"), "arguments": part.get("input")}
        return counter(_tool_call_text({"function": function})), True
    text = part.get(_TEXT_PARTS.get(str(kind), ""))
    return (counter(text), False) if isinstance(text, str) else (0, True)


def _is_small(part: Mapping[str, Any]) -> bool:
    """Whether an image is sent with `detail: low`."""
    image = part.get("image_url")
    return (image if isinstance(image, Mapping) else part).get("detail") == "low"


def _tool_call_text(call: object) -> str:
    """A tool call as Llama writes it: one JSON object with the name and the arguments."""
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return _json(call)
    head = _json({"type": "function", "name": function.get("name")})
    arguments = function.get("arguments")
    written = arguments if isinstance(arguments, str) else _json(arguments)
    return f'{head[:-1]}, "parameters": {written}}}'


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


__all__ = [
    "TOKENS_PER_IMAGE_TILE",
    "TokenCount",
    "count_message_tokens",
    "count_tokens",
    "decode",
    "encode",
]

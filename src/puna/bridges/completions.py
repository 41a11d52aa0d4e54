"""Text completions over chat: hosts of Llama serve chat only.

Each prompt becomes one user message and one chat call; the message's text is the continuation.
What chat cannot do is refused (or left out under `drop_params`): `suffix`, `best_of` above 1,
`logprobs`, prompts of token ids. `echo` is done here. Source: OpenAI API reference, "Completions".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

from puna.bridges.omissions import Omissions
from puna.errors import BadRequestError
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.common import Usage
from puna.types.completions import TextChoice, TextCompletion
from puna.types.report import CallReport, add_reports
from puna.types.sums import sum_usages

_IMPOSSIBLE: Mapping[str, Callable[[Any], bool]] = {
    "suffix": lambda value: value not in (None, ""),
    "best_of": lambda value: value not in (None, 1),
    "logprobs": lambda value: value is not None and value is not False,
}


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A checked text-completion request that goes over chat: one chat call for each prompt.

    Attributes:
        prompts: at least one text.
        fields: the chat parameters.
        is_echoed: whether each answer's text begins with its prompt (`echo`).
        choices_each: choices for each prompt (`n`).
        dropped_params: the parameters that were left out under `drop_params`.
    """

    prompts: tuple[str, ...]
    fields: Mapping[str, Any]
    is_echoed: bool = False
    choices_each: int = 1
    dropped_params: tuple[str, ...] = ()


def read_text_request(
    prompt: Any, fields: Mapping[str, Any], *, drop_params: bool = False
) -> TextRequest:
    """Check the prompt and the parameters of a text-completion request.

    Raises:
        BadRequestError: the prompt is not a text or a list of texts.
        UnsupportedParamsError: chat does not support a parameter, and `drop_params` is not set.
    """
    kept = {name: value for name, value in fields.items() if value is not None}
    if prompt is None and "messages" in kept:
        raise BadRequestError(
            "`messages` is a field of chat completions; give `prompt`, or ask that endpoint.",
            param="messages",
        )
    echo = kept.pop("echo", False)
    if not isinstance(echo, bool):
        raise BadRequestError("`echo` must be true or false.", param="echo")
    omissions = Omissions(may_drop=drop_params)
    for name, is_asked in _IMPOSSIBLE.items():
        if is_asked(kept.pop(name, None)):
            omissions.refuse(
                name, f"`{name}` is not supported where text completions run over chat."
            )
    return TextRequest(
        prompts=_read_prompts(prompt),
        fields=kept,
        is_echoed=echo,
        choices_each=kept.get("n", 1) if isinstance(kept.get("n", 1), int) else 1,
        dropped_params=omissions.names,
    )


def prompt_messages(prompt: str) -> list[dict[str, Any]]:
    """The messages of the chat call for one prompt."""
    return [{"role": "user", "content": prompt}]


def completion_of(request: TextRequest, answers: Sequence[ChatCompletion]) -> TextCompletion:
    """Build the text completion from the chat answers, which are in the order of the prompts."""
    choices = [
        TextChoice(
            text=(prompt if request.is_echoed else "") + (choice.message.content or ""),
            index=position * request.choices_each + choice.index,
            logprobs=None,
            finish_reason=choice.finish_reason,
        )
        for position, (prompt, answer) in enumerate(zip(request.prompts, answers, strict=True))
        for choice in answer.choices
    ]
    first = answers[0]
    completion = TextCompletion(
        id=text_id(first.id),
        object="text_completion",
        created=first.created,
        model=first.model,
        choices=choices,
        **_without_unset(
            usage=_sum_all([answer.usage for answer in answers if answer.usage is not None]),
            system_fingerprint=first.system_fingerprint,
        ),
    )
    return completion.with_report(join_reports(request, [answer.report for answer in answers]))


class TextStream:
    """Converts the streams of the chat calls to one stream of text chunks, prompt after prompt.

    All chunks have the first call's id. Usage is summed: one usage chunk comes at the very end.
    """

    def __init__(self, request: TextRequest) -> None:
        self._request = request
        self._head: ChatCompletionChunk | None = None
        self._usages: list[Usage] = []

    def convert(self, position: int, chunk: ChatCompletionChunk) -> TextCompletion | None:
        """Convert a chunk of the call for the prompt at `position`; None for its usage chunk.

        An echoed prompt is put before the text of each choice's first chunk.
        """
        self._head = self._head or chunk
        if chunk.usage is not None:
            self._usages.append(chunk.usage)
        if not chunk.choices:
            return None
        prompt = self._request.prompts[position] if self._request.is_echoed else ""
        choices = [
            TextChoice(
                text=(prompt if choice.delta.role else "") + (choice.delta.content or ""),
                index=position * self._request.choices_each + choice.index,
                logprobs=None,
                finish_reason=choice.finish_reason,
            )
            for choice in chunk.choices
        ]
        return self._make(chunk, self._head, choices=choices)

    def last(self) -> TextCompletion | None:
        """The final usage chunk, after the last call.

        None where the caller did not ask for usage.
        """
        usage = _sum_all(self._usages)
        if self._head is None or usage is None:
            return None
        return self._make(self._head, self._head, choices=[], usage=usage)

    def _make(
        self, chunk: ChatCompletionChunk, head: ChatCompletionChunk, **fields: Any
    ) -> TextCompletion:
        """Build a text chunk with the id and time of `head`, the first chunk of all calls."""
        return TextCompletion(
            id=text_id(head.id),
            object="text_completion",
            created=head.created,
            model=head.model,
            **_without_unset(system_fingerprint=chunk.system_fingerprint),
            **fields,
        )


def text_id(chat_id: str) -> str:
    """The id of a text completion, derived from its chat call's id."""
    return "cmpl-" + chat_id.removeprefix("chatcmpl-").removeprefix("cmpl-")


def _without_unset(**fields: Any) -> dict[str, Any]:
    """The keyword arguments that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _read_prompts(prompt: Any) -> tuple[str, ...]:
    """Read `prompt`, a text or a list of texts. Raises BadRequestError, also for token ids."""
    if isinstance(prompt, str):
        return (prompt,)
    if not isinstance(prompt, Sequence) or isinstance(prompt, bytes) or not prompt:
        raise BadRequestError(
            "`prompt` must be a string or a non-empty list of strings.", param="prompt"
        )
    prompts = cast("Sequence[Any]", prompt)
    for position, item in enumerate(prompts):
        if isinstance(item, int) or (isinstance(item, Sequence) and not isinstance(item, str)):
            raise BadRequestError(
                f"`prompt[{position}]` holds token ids, which cannot be sent to a chat host; "
                "give the text.",
                param=f"prompt[{position}]",
            )
        if not isinstance(item, str):
            raise BadRequestError(
                f"`prompt[{position}]` must be a string.", param=f"prompt[{position}]"
            )
    return tuple(prompts)


def join_reports(request: TextRequest, reports: Sequence[CallReport | None]) -> CallReport | None:
    """Combine the reports of the chat calls: the first one's facts, with tokens and cost added up.

    The parameters that the bridge left out count as dropped. The cost is unknown if any is.
    """
    known = [report for report in reports if report is not None]
    if not known:
        return None
    joined = add_reports(known)
    joined.dropped_params = (*request.dropped_params, *joined.dropped_params)
    return joined


def _sum_all(usages: Sequence[Usage]) -> Usage | None:
    return reduce(sum_usages, usages) if usages else None

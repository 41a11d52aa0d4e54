"""Makes an answer fit a `response_format` that its host does not know.

Instruct, check, ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from puna.bridges.structured import (
    find_json,
    instruction_of,
    read_json,
    schema_of,
    with_correction,
    with_instruction,
)
from puna.dialects.base import Target
from puna.embedded.checks import check_schema, first_fault, has_jsonschema
from puna.errors import UNMET_FORMAT, BadRequestError, ConfigError, MalformedReplyError
from puna.types.chat import ChatCompletion
from puna.types.requests import ChatRequest

_FORMAT = "response_format"
_EMULATED = ("json_object", "json_schema")
_RETRIES = 2
_LONGEST_FAULT = 500
_STREAM_ONLY = ("stream_options",)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer does not fit: in a word for the caller, in full for the model.

    The full text may quote the answer, which has no place in an error or a log. `is_final`: asking
    again would change nothing.
    """

    brief: str
    full: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class HeldFormat:
    """A `response_format` that Puna checks answers against, and how often it asks again."""

    wanted: Mapping[str, Any]
    retries: int

    def instruct(self, request: ChatRequest) -> ChatRequest:
        """Add the format to the request in words, and ask for a whole answer.

        Only that can be checked.

        Raises:
            BadRequestError: the schema is none, or several answers are wanted.
            ConfigError: the package that checks schemas is not installed.
        """
        if request.params.get("n", 1) != 1:
            raise BadRequestError(
                f"`n` must be 1 where `{_FORMAT}` is emulated: one answer is checked.", param="n"
            )
        schema = schema_of(self.wanted)
        if schema is not None:
            _check_installed()
            check_schema(schema, param=_FORMAT)
        left_out = (_FORMAT, *_STREAM_ONLY)
        return replace(
            request,
            messages=with_instruction(request.messages, instruction_of(self.wanted)),
            params={name: value for name, value in request.params.items() if name not in left_out},
            is_stream=False,
        )

    def hold(self, answer: ChatCompletion) -> Fault | None:
        """Check an answer, and cut its content down to the JSON in place.

        Returns why it does not fit.

        Returns None where it fits. An answer that calls tools, or refuses, is not checked.
        """
        choice = answer.choices[0]
        message = choice.message
        if message.tool_calls or message.function_call is not None:
            return None
        if message.refusal and not message.content:
            return None
        found = find_json(message.content or "")
        fault = _no_json_fault(choice.finish_reason) if found is None else self._misfit(found)
        if fault is None:
            message.content = found
        return fault

    def _misfit(self, text: str) -> Fault | None:
        """Why a text that is JSON does not fit the schema; None where it does."""
        value, schema = read_json(text), schema_of(self.wanted)
        if schema is None:
            is_object = isinstance(value, dict)
            return None if is_object else _fault("it is JSON, but no object")
        found = first_fault(value, schema, param=_FORMAT)
        if found is None:
            return None
        where = f"the value at `{found.path}` breaks the rule `{found.rule}` of the JSON schema"
        return Fault(where, f"{where}: {found.message}"[:_LONGEST_FAULT])


def held_format(request: ChatRequest, target: Target) -> HeldFormat | None:
    """The format that answers must be checked against here.

    None where the host does it, or none is set.

    A parameter that is never to be sent (`additional_drop_params`) counts as unknown to the host.
    """
    wanted = request.params.get(_FORMAT)
    if not request.emulate_response_format or wanted is None:
        return None
    if wanted.get("type") not in _EMULATED or _is_sent(request, target, wanted["type"]):
        return None
    retries = request.format_retries
    return HeldFormat(wanted, _RETRIES if retries is None else retries)


def request_again(request: ChatRequest, answer: ChatCompletion, fault: Fault) -> ChatRequest:
    """The request to send next, after an answer that does not fit.

    With that answer and its fault.
    """
    content = answer.choices[0].message.content or ""
    return replace(request, messages=with_correction(request.messages, content, fault.full))


def format_error(fault: Fault, tries: int, target: Target, model: str) -> MalformedReplyError:
    """Make the error for a call whose answers did not fit in `tries` tries."""
    times = "time" if tries == 1 else "times"
    return MalformedReplyError(
        f"`{model}` was asked {tries} {times} and gave no answer that fits `{_FORMAT}`; of the "
        f"last one: {fault.brief}. Make the schema simpler, or ask a model whose host knows it.",
        code=UNMET_FORMAT,
        provider=target.provider,
        model=model,
        is_retryable=False,
    )


def _is_sent(request: ChatRequest, target: Target, kind: str) -> bool:
    """Whether the host gets the `response_format` itself, so that nothing is to be checked."""
    quirks = target.quirks
    if _FORMAT in request.unwanted_params:
        return False
    if _FORMAT in request.allowed_params and quirks.extra_params is None:
        return True
    formats = quirks.response_formats
    return quirks.accepts(_FORMAT) and (formats is None or kind in formats)


def _check_installed() -> None:
    """Raise ConfigError where the package that checks schemas is not installed."""
    if not has_jsonschema():
        raise ConfigError(
            "`emulate_response_format` checks answers with the package `jsonschema`, which is not "
            "installed: install it, or Puna's `embedded` extra.",
            key="emulate_response_format",
        )


def _no_json_fault(finish_reason: str | None) -> Fault:
    """The fault of an answer without JSON; final where the token limit cut it."""
    if finish_reason == "length":
        cut = "it was cut by the token limit before its JSON was complete; raise `max_tokens`"
        return Fault(cut, cut, is_final=True)
    return _fault("it holds no complete JSON")


def _fault(message: str) -> Fault:
    """A fault with the same text for the caller and the model."""
    return Fault(message, message)

"""Holds an answer to a `response_format` that its host does not know: ask, check, ask again.

Only where the caller or the operator wishes it, for every further try is billed. The texts:
`puna.bridges.structured`; the rules, in a table: docs/guides/structured-output.md.
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
    """What is wrong with an answer: in a word for the caller, in full for the model.

    The full one may quote the answer, which has no place in an error or a log. `is_final`: to ask
    again would change nothing.
    """

    brief: str
    full: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class HeldFormat:
    """A format that Puna holds the answers to, and how often it asks again."""

    wanted: Mapping[str, Any]
    retries: int

    def instruct(self, request: ChatRequest) -> ChatRequest:
        """The request with the format in words, for a whole answer: only that can be checked.

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
        """Cut the answer's content down to its JSON, in place; or tell what is wrong with it.

        An answer that calls tools, or declines in so many words, is none to hold to a format.
        """
        choice = answer.choices[0]
        message = choice.message
        if message.tool_calls or message.function_call is not None:
            return None
        if message.refusal and not message.content:
            return None
        found = find_json(message.content or "")
        fault = _no_json(choice.finish_reason) if found is None else self._misfit(found)
        if fault is None:
            message.content = found
        return fault

    def _misfit(self, text: str) -> Fault | None:
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
    """The format that a request's answers must be held to; None where the host does it, or nobody.

    A parameter that is never to be sent (`additional_drop_params`) is one the host does not know.
    """
    wanted = request.params.get(_FORMAT)
    if not request.emulate_response_format or wanted is None:
        return None
    if wanted.get("type") not in _EMULATED or _is_sent(request, target, wanted["type"]):
        return None
    retries = request.format_retries
    return HeldFormat(wanted, _RETRIES if retries is None else retries)


def asked_again(request: ChatRequest, answer: ChatCompletion, fault: Fault) -> ChatRequest:
    """The request after an answer that is no good."""
    content = answer.choices[0].message.content or ""
    return replace(request, messages=with_correction(request.messages, content, fault.full))


def unmet(fault: Fault, tries: int, target: Target, model: str) -> MalformedReplyError:
    """What is raised when no answer was good."""
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
    quirks = target.quirks
    if _FORMAT in request.unwanted_params:
        return False
    if _FORMAT in request.allowed_params and quirks.extra_params is None:
        return True
    formats = quirks.response_formats
    return quirks.accepts(_FORMAT) and (formats is None or kind in formats)


def _check_installed() -> None:
    if not has_jsonschema():
        raise ConfigError(
            "`emulate_response_format` checks answers with the package `jsonschema`, which is not "
            "installed: install it, or Puna's `embedded` extra.",
            key="emulate_response_format",
        )


def _no_json(finish_reason: str | None) -> Fault:
    if finish_reason == "length":
        cut = "it was cut by the token limit before its JSON was complete; raise `max_tokens`"
        return Fault(cut, cut, is_final=True)
    return _fault("it holds no complete JSON")


def _fault(message: str) -> Fault:
    return Fault(message, message)

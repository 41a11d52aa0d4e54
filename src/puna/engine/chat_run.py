"""One chat call from its first attempt to its settlement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import override

from puna.bridges.messages.deferred import plain_tools
from puna.catalog.tokens import count_message_tokens
from puna.dialects.base import BuiltRequest, ReadContext
from puna.dialects.protocols import Dialect
from puna.dialects.request_rules import cap_max_tokens
from puna.dialects.table import CANNED_DIALECT, DIALECTS
from puna.engine.aside import MANY
from puna.engine.call import Attempt, with_key_advice
from puna.engine.formats import format_error, held_format, request_again
from puna.engine.rescue import rescue_completion, rescue_failure
from puna.engine.run import CallRun
from puna.engine.spending import Spending
from puna.engine.thoughts import read_thoughts, reads_think_tags
from puna.engine.usage import estimate_answer
from puna.routing.deployment import Deployment
from puna.types.chat import ChatCompletion
from puna.types.common import Usage
from puna.types.requests import ChatRequest
from puna.types.sums import sum_usages
from puna.wire.http import HTTPReply, HTTPRequest

_SWITCHES: Mapping[str, Any] = {
    "rescue_tool_calls": True,
    "repair_tool_arguments": False,
    "emulate_response_format": False,
    "format_retries": None,
    "read_think_tags": None,
}
"""What a deployment says where the request says nothing, and what saying nothing means."""


class Run(CallRun[ChatRequest, Dialect, ChatCompletion]):
    """The state of one chat call: builds its requests, reads its answers, counts their tokens.

    `_misfits` has the public name of the deployment for every answer that fitted no format.
    """

    made_id_prefix = "chatcmpl-"

    _misfits: tuple[str, ...] = ()
    _spent: Spending | None = None

    @override
    def request_for(self, deployment: Deployment) -> ChatRequest:
        request = super().request_for(deployment)
        unsaid = {
            name: said
            for name, usual in _SWITCHES.items()
            if (said := getattr(deployment, name)) not in (None, usual)
            and getattr(request, name) is None
        }
        return replace(request, **unsaid) if unsaid else request

    @override
    def is_long(self, deployment: Deployment) -> bool:
        request = self.call.request
        params = request.params
        if len(request.messages) > MANY:
            return True
        has_format = "response_format" in params
        if not has_format and "tools" not in params:
            return False
        if getattr(self.dialect_for(deployment), "checks_schemas", False):
            return True
        if not (has_format or deployment.params or deployment.overrides):
            return False
        return held_format(self.request_for(deployment), deployment.target) is not None

    @override
    def prepare(self, deployment: Deployment) -> Attempt:
        request = self.request_for(deployment)
        held = held_format(request, deployment.target)
        if held is None:
            return self._build(deployment, request)
        return replace(self._build(deployment, held.instruct(request)), held=held)

    @override
    def _build(self, deployment: Deployment, request: ChatRequest) -> Attempt:
        request, lowered = cap_max_tokens(request, deployment.target)
        attempt = super()._build(deployment, request)
        if lowered:
            left_out = self.call.left_out
            self.report.dropped_params = (*left_out, *lowered, *attempt.built.dropped_params)
        return attempt

    @override
    def ask_again(self, attempt: Attempt, answer: ChatCompletion) -> Attempt | None:
        held, deployment = attempt.held, attempt.deployment
        if held is None:
            return None
        self.report.format_tries += 1
        fault = held.hold(answer)
        if fault is None:
            return None
        self._spent = Spending.of(self.report, answer.usage or Usage())
        self._misfits = (*self._misfits, deployment.public_name)
        misfits = self._misfits.count(deployment.public_name)
        if fault.is_final or misfits > held.retries:
            raise format_error(fault, misfits, deployment.target, self.call.request.model)
        request = request_again(attempt.context.request, answer, fault)
        return replace(self._build(deployment, request), held=held)

    @override
    def dialect_for(self, deployment: Deployment) -> Dialect:
        # A canned answer is written in OpenAI's shape, whatever the host speaks.
        is_canned = self.canned_for(deployment) is not None
        return DIALECTS[CANNED_DIALECT if is_canned else deployment.target.dialect]

    def built_attempt(self, deployment: Deployment, http: HTTPRequest) -> Attempt:
        """Make an attempt for a request that the fast lane built and sent, to read its reply."""
        target = deployment.target
        context = ReadContext(
            target=target,
            model=self.call.request.model,
            made_id=self.made_id_prefix + self.report.call_id,
            now=self.report.started_at,
            request=self.request_for(deployment),
        )
        return Attempt(deployment, DIALECTS[target.dialect], BuiltRequest(http), context)

    @override
    def read_answer(self, attempt: Attempt, reply: HTTPReply) -> ChatCompletion:
        completion = attempt.dialect.read_reply(reply, attempt.context)
        return self._note_answer(completion, attempt)

    @override
    def read_failure(self, attempt: Attempt, reply: HTTPReply) -> ChatCompletion:
        error = attempt.dialect.read_error(reply, attempt.context)
        rescued = rescue_failure(reply, attempt.context, self.report)
        if rescued is None:
            raise with_key_advice(error, attempt)
        return self._note_answer(rescued, attempt)

    def _note_answer(self, completion: ChatCompletion, attempt: Attempt) -> ChatCompletion:
        """Complete a whole answer.

        Usage, thoughts and rescued calls, and its figures in the report.
        """
        if completion.usage is None:
            tokens = estimate_answer(completion)
            completion.usage = self._estimate_usage(attempt.context.request, tokens)
        self._note_tokens(completion.usage, attempt)
        if self._spent is not None:
            completion.usage = sum_usages(self._spent.usage, completion.usage)
        if reads_think_tags(attempt.context.request):
            read_thoughts(completion)
        rescue_completion(completion, attempt.context, self.report)
        self.report.finish_reason = completion.choices[0].finish_reason
        return completion.with_report(self.report)

    def finish_stream(
        self,
        attempt: Attempt,
        usage: Usage | None,
        streamed_tokens: int,
        finish_reason: str | None,
        *,
        holds_whole_answer: bool,
    ) -> Usage:
        """Note what a stream used in the report. Returns the usage for the client.

        `streamed_tokens` are counted here, for a host that reports no usage. `holds_whole_answer`
        is whether the answer came to its end.
        """
        if usage is None:
            usage = self._estimate_usage(attempt.context.request, streamed_tokens)
        self._note_tokens(usage, attempt)
        if not holds_whole_answer:
            self.report.usage_certainty = "at_least"
        self.report.finish_reason = finish_reason
        return usage

    @override
    def request_content(self) -> Mapping[str, Any]:
        return {"messages": self.call.request.messages}

    @override
    def count_prompt(self) -> int:
        request = self.call.request
        messages, tools = request.messages, _offered_tools(request)
        # Of very many, some stand for all: this is asked on an event loop.
        some = messages[:: 1 + len(messages) // MANY]
        some_tools = tools[:: 1 + len(tools) // MANY]
        count = count_message_tokens("", some).count * len(messages) // max(1, len(some))
        if not some_tools:
            return count
        # Without what stands around a chat, which is counted above.
        of_tools = (
            count_message_tokens("", (), some_tools).count - count_message_tokens("", ()).count
        )
        return count + of_tools * len(tools) // len(some_tools)

    @override
    def _note_tokens(self, usage: Usage, attempt: Attempt) -> None:
        self.report.cost_picos = None
        super()._note_tokens(usage, attempt)
        if self._spent is not None:
            self._spent.add_to(self.report, self.report.cost_picos)

    @staticmethod
    def _estimate_usage(request: ChatRequest, completion_tokens: int) -> Usage:
        """The usage of a call whose host reports none."""
        # No model is named: an estimate must not load a vocabulary in the middle of a call.
        tools = _offered_tools(request) or None
        prompt_tokens = count_message_tokens("", request.messages, tools).count
        return Usage.estimated(prompt_tokens, completion_tokens)


def _offered_tools(request: ChatRequest) -> Sequence[Any]:
    """The tools that stand in the prompt: a deferred one that nothing has named does not."""
    tools: Sequence[Any] = request.params.get("tools") or ()
    if not tools or request.messages_extras is None:
        return tools
    return plain_tools(tools, request.messages, request.params.get("tool_choice"))[0]

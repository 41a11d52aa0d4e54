"""The base of calls under way: their attempts, their report, and the one settlement at the end."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from puna.catalog.prices import Price, cost_picos
from puna.dialects.base import ReadContext
from puna.dialects.request_rules import accepts_request
from puna.dialects.secrets import scrub_headers
from puna.engine.call import (
    Attempt,
    Call,
    Canned,
    DialectT,
    RequestT,
    for_deployment,
    price_of,
    timeouts_of,
    with_key_advice,
)
from puna.engine.clock import Clock
from puna.errors import APIConnectionError, APIError, MalformedReplyError
from puna.routing.attempts import Attempts
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.routing.suitable import suitable
from puna.telemetry.events import CallEvent, Hook, Outcome, Texts, notify
from puna.telemetry.meters import Meter
from puna.types.common import Usage
from puna.types.report import CallReport
from puna.wire.http import HTTPReply
from puna.wire.sigv4 import sign
from puna.wire.surrogates import count_replacements

AnswerT = TypeVar("AnswerT")

_log = logging.getLogger("puna")


class CallRun(ABC, Generic[RequestT, DialectT, AnswerT]):
    """The state of one call of any kind, from the first attempt to the settlement."""

    made_id_prefix = ""
    """How the id of an answer begins that the host sent without an id."""

    meter: Meter | None = None
    """Gets the report at the settlement."""

    active_deployment: Deployment | None = None
    """The deployment that has the request, or has answered it; None after a failed attempt."""

    def __init__(
        self, call: Call[RequestT], health: Health, clock: Clock, hooks: Sequence[Hook]
    ) -> None:
        self._call = call
        self.meter = call.meter
        plan = suitable(call.plan, self.accepts)
        self.attempts = Attempts(plan, call.policy, health, clock.dice)
        self._init_state(call.call_id or clock.make_id(), call.request.model, clock, hooks)

    def _init_state(self, call_id: str, model: str, clock: Clock, hooks: Sequence[Hook]) -> None:
        """Set the initial state: clock, hooks, an empty report. Called by the constructors."""
        self.clock = clock
        self._hooks = hooks
        # Set here, and not as the class's own values: these are read faster.
        self._is_settled = False
        self._has_lost = False
        """Whether a try broke off so that its host may have worked, and nobody knows how much."""
        monotonic, now = clock.monotonic, clock.now
        self.started_s = monotonic()
        self.report = CallReport.begin(call_id, model, now())

    def _join_call(self, head: CallRun[Any, Any, Any]) -> None:
        """Share the attempts, report and clock of another run, which settles the call."""
        self.attempts = head.attempts
        self.report = head.report
        self.clock = head.clock
        self.started_s = head.started_s
        self._hooks = ()

    @property
    def call(self) -> Call[RequestT]:
        """The call with its whole request."""
        return self._call

    def request_for(self, deployment: Deployment) -> RequestT:
        """The request for a deployment, with that deployment's own parameters."""
        return for_deployment(self.call, deployment)

    def accepts(self, deployment: Deployment) -> bool:
        """Whether a deployment's provider row accepts the whole request.

        Others are tried only after these.
        """
        return accepts_request(self.call.request, deployment.target)

    @abstractmethod
    def dialect_for(self, deployment: Deployment) -> DialectT:
        """The dialect for this kind of call at a deployment. Raises APIError where it has none."""

    @abstractmethod
    def read_answer(self, attempt: Attempt[DialectT, RequestT], reply: HTTPReply) -> AnswerT:
        """Read a successful reply as the answer, with its report.

        Raises APIError for a malformed one.
        """

    @abstractmethod
    def request_content(self) -> Mapping[str, Any]:
        """The request's content for hooks, as in `Texts.request_content`."""

    @property
    def is_stream(self) -> bool:
        """Whether the caller wants a stream."""
        return self.call.request.is_stream

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The caller's own `metadata`, as given."""
        return self.call.metadata

    def texts(self, answer: Any) -> Texts:
        """The content of request and answer for hooks, built only when a hook reads it."""
        return Texts(self.request_content, lambda: answer)

    def part_for(self, deployment: Deployment) -> CallRun[Any, Any, Any]:
        """The run that asks this deployment: this one, or a part in another shape of request.

        Raises BadRequestError as `prepare`.
        """
        del deployment  # only responses have two parts
        return self

    def is_long(self, deployment: Deployment) -> bool:
        """Whether building the request or reading its answer is slow, and belongs on a thread."""
        del deployment
        return False

    def prepare(self, deployment: Deployment) -> Attempt[DialectT, RequestT]:
        """Build the attempt for a deployment.

        Raises BadRequestError for what its host cannot do.
        """
        return self._build(deployment, self.request_for(deployment))

    def ask_again(
        self, attempt: Attempt[DialectT, RequestT], answer: AnswerT
    ) -> Attempt[DialectT, RequestT] | None:
        """The next attempt at the same deployment, where its answer does not fit.

        None where it does.

        Raises:
            APIError: it has been asked often enough.
        """
        del attempt, answer  # only chat has answers that may be too bad
        return None

    def _build(self, deployment: Deployment, request: RequestT) -> Attempt[DialectT, RequestT]:
        """Have the dialect build the HTTP request, sign it, and note the attempt in the report."""
        target = deployment.target
        dialect = self.dialect_for(deployment)
        self.note_attempt(deployment)
        if self.canned_for(deployment) is not None:
            self.active_deployment = None  # nobody works for it
        built = dialect.build_request(
            request, target, timeouts_of(deployment, self.call.timeouts, self.call.plan.steering)
        )
        if target.signing is not None:
            built = replace(built, http=sign(built.http, target.signing, self.clock.now()))
        self.report.dropped_params = self.call.left_out + built.dropped_params
        context = ReadContext(
            target=target,
            model=self.call.request.model,
            made_id=self.made_id_prefix + self.clock.make_id(),
            now=self.clock.now(),
            request=request,
            reading=built.reading,
        )
        return Attempt(deployment, dialect, built, context)

    def read_whole(self, attempt: Attempt[DialectT, RequestT], reply: HTTPReply) -> AnswerT:
        """Read a whole reply, successful or not, as the answer with its report.

        Raises:
            APIError: the reply is an error, or holds no answer.
        """
        self.note_head(attempt, reply.status, reply.headers)
        if reply.is_success:
            self.report.replaced_signs += count_replacements(reply.body)
            return self.read_answer(attempt, reply)
        return self.read_failure(attempt, reply)

    def read_failure(self, attempt: Attempt[DialectT, RequestT], reply: HTTPReply) -> AnswerT:
        """Read an unsuccessful reply: raise its error, unless it holds an answer all the same."""
        raise with_key_advice(attempt.dialect.read_error(reply, attempt.context), attempt)

    def canned_for(self, deployment: Deployment) -> Canned | None:
        """The canned answer of the call or the deployment; None where a host is asked."""
        if self.call.canned is not None:
            return self.call.canned
        answer = deployment.canned_answer
        return Canned(answer) if answer is not None else None

    def note_head(
        self, attempt: Attempt[DialectT, RequestT], status: int, headers: Mapping[str, str]
    ) -> None:
        """Note the status and the headers of a reply in the report; secrets are masked."""
        self.report.status_code = status
        self.report.headers = scrub_headers(headers, attempt.context)

    def succeeded(self) -> None:
        """Note that a deployment has answered, and the retries and fallbacks before it."""
        attempts, report = self.attempts, self.report
        attempts.succeeded()
        report.retries = attempts.retries
        report.fallbacks = attempts.fallbacks

    def failed(self, error: APIError) -> None:
        """Note that an attempt has failed. The attempt machine decides whether another follows."""
        if self.active_deployment is not None and _may_have_cost(error):
            self._has_lost = True
        self.active_deployment = None
        self.attempts.failed(error, self.clock.monotonic())

    def count_prompt(self) -> int:
        """Estimate the tokens of the prompt, for a call that was left early.

        Its time is bounded.
        """
        return 0

    def settle(
        self, outcome: Outcome, *, error: Exception | None = None, answer: Any = None
    ) -> list[Awaitable[None]]:
        """End the call: complete the report, call meter and hooks. Only the first call counts.

        Returns what hooks want awaited.
        """
        if self._is_settled:
            return []
        self._is_settled = True
        report = self.report
        monotonic = self.clock.monotonic
        report.duration_s = monotonic() - self.started_s
        if outcome != "success" or self._has_lost:
            report.retries = self.attempts.retries
            report.fallbacks = self.attempts.fallbacks
            self._note_certainty(outcome)
        meter, self.meter = self.meter, None  # it may refer to this run
        if meter is not None:
            meter.note(report, outcome)
        if not self._hooks:
            return []
        event = CallEvent(
            report=report,
            outcome=outcome,
            is_stream=self.is_stream,
            error=error,
            metadata=self.metadata,
            texts=self.texts(answer),
        )
        return notify(self._hooks, event)

    def _note_certainty(self, outcome: Outcome) -> None:
        """Note how certain the usage is of a call that failed, was left, or took several attempts.

        If it was left before its host sent anything, the prompt is counted.
        """
        report = self.report
        if report.prompt_tokens or report.completion_tokens:  # who noted them said how certain
            if self._has_lost or (outcome == "cancelled" and report.format_tries):
                report.usage_certainty = "at_least"
        elif outcome == "cancelled" and self.active_deployment is not None:
            self._count_left_prompt(self.active_deployment)
        elif self._has_lost or self.active_deployment is not None:
            report.usage_certainty = "unknown"

    def _count_left_prompt(self, deployment: Deployment) -> None:
        """Count the prompt as the usage of a call that was left before its host sent anything."""
        report = self.report
        report.usage_certainty = "unknown"
        try:
            tokens = self.count_prompt()
        except Exception:  # noqa: BLE001 - a request of any shape; the settlement must come
            _log.exception("The prompt of a call that was left could not be counted")
            return
        if tokens:
            report.is_usage_estimated = True
            report.usage_certainty = "at_least"
            self.note_usage(price_of(deployment), tokens, 0, 0)

    def note_attempt(self, deployment: Deployment) -> None:
        """Note the deployment that the next request is sent to."""
        self.active_deployment = deployment
        report = self.report
        report.attempts += 1
        report.provider = deployment.target.provider
        report.upstream_model = deployment.target.model
        report.deployment_id = deployment.deployment_id
        report.api_base = deployment.target.base_url

    def note_first_chunk(self) -> None:
        """Note the time of a stream's first chunk."""
        self.report.first_chunk_s = self.clock.monotonic() - self.started_s

    def _note_tokens(self, usage: Usage, attempt: Attempt[DialectT, RequestT]) -> None:
        """Note an answer's usage and its cost in the report."""
        details = usage.prompt_tokens_details
        cached = (details.cached_tokens or 0) if details is not None else 0
        written = details.written_tokens if details is not None else (0, 0)
        self.report.is_usage_estimated = usage.is_estimate
        self.report.usage_certainty = "unknown" if usage.is_estimate else "exact"
        deployment = attempt.deployment
        price = price_of(deployment)
        self.note_usage(price, usage.prompt_tokens, usage.completion_tokens, cached, written)

    def note_usage(
        self,
        price: Price | None,
        prompt_tokens: int,
        completion_tokens: int,
        cached_tokens: int,
        written_tokens: tuple[int, int] = (0, 0),
    ) -> None:
        """Note token counts in the report, and their cost where a price is known."""
        report = self.report
        report.prompt_tokens = prompt_tokens
        report.completion_tokens = completion_tokens
        report.cached_tokens = cached_tokens
        report.cache_creation_tokens = written_tokens[0] + written_tokens[1]
        if price is not None:
            report.cost_picos = cost_picos(
                price, prompt_tokens, completion_tokens, cached_tokens, written_tokens
            )


def _may_have_cost(error: APIError) -> bool:
    """Whether a host may charge for an attempt that failed with this error.

    It does not for an error that it answers with, nor where no connection to it was made.
    """
    if isinstance(error, APIConnectionError):
        return error.was_sent
    return isinstance(error, MalformedReplyError)

"""One call as a value, and what both engines do with it alike: everything but waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from typing_extensions import TypeVar as TypeVarWithDefault
from typing_extensions import override

from puna.catalog.facts import find_model
from puna.catalog.prices import Price, cost_picos
from puna.catalog.tokens import count_message_tokens
from puna.dialects.base import BuiltRequest, CallDialect, Dialect, ReadContext
from puna.dialects.secrets import scrub, scrub_headers, without_credentials
from puna.dialects.table import CANNED_DIALECT, DIALECTS
from puna.engine.clock import Clock
from puna.engine.formats import HeldFormat, asked_again, held_format, unmet
from puna.engine.rescue import rescue_completion, rescue_failure
from puna.engine.spending import Spending, sum_usages
from puna.engine.usage import estimate_answer
from puna.errors import APIError
from puna.routing.attempts import Attempts, Plan, RetryPolicy
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.telemetry.events import CallEvent, Hook, Outcome, notify
from puna.types.chat import ChatCompletion
from puna.types.common import Usage
from puna.types.model_request import ModelRequest
from puna.types.report import CallReport
from puna.types.requests import ChatRequest, RequestT_co
from puna.wire.http import HTTPReply, HTTPRequest, Timeouts

AnswerT = TypeVar("AnswerT")
RequestT = TypeVar("RequestT", bound=ModelRequest)
DialectT = TypeVar("DialectT", bound=CallDialect)
DialectT_co = TypeVarWithDefault("DialectT_co", default=Dialect, covariant=True)

_SWITCHES = (
    "rescue_tool_calls",
    "repair_tool_arguments",
    "emulate_response_format",
    "format_retries",
)
"""What a deployment says where the request says nothing."""


@dataclass(frozen=True, slots=True)
class Canned:
    """An answer that is given instead of asking anybody: `mock_response`.

    A text becomes a completion; an object is a reply's body; an exception is raised. `delay_s`
    passes before any of them.
    """

    answer: str | Mapping[str, Any] | Exception
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call(Generic[RequestT_co]):
    """Everything one call needs.

    Attributes:
        request: what is asked.
        plan: who may answer.
        policy: how often and how patiently.
        timeouts: unless a deployment has its own.
        metadata: the caller's own; goes to hooks only.
        canned: answer with this and send nothing.
        call_id: given by a gateway, else made.
        left_out: what a bridge from another shape left out already; reported with the rest.
    """

    request: RequestT_co
    plan: Plan
    policy: RetryPolicy = RetryPolicy()
    timeouts: Timeouts = Timeouts()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    canned: Canned | None = None
    call_id: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt(Generic[DialectT_co, RequestT_co]):
    """One try: who is asked, in which dialect, with which bytes.

    `held` is the `response_format` that its answer is held to here, because the host does not.
    """

    deployment: Deployment
    dialect: DialectT_co
    built: BuiltRequest
    context: ReadContext[RequestT_co]
    held: HeldFormat | None = None


class CallRun(Generic[RequestT, DialectT, AnswerT]):
    """A call of any kind under way, from the first try to the one settlement at its end."""

    _is_settled = False

    def __init__(
        self, call: Call[RequestT], health: Health, clock: Clock, hooks: Sequence[Hook]
    ) -> None:
        self._call = call
        self.attempts = Attempts(call.plan, call.policy, health, clock.dice)
        self._begin(call.call_id or clock.make_id(), call.request.model, clock, hooks)

    def _begin(self, call_id: str, model: str, clock: Clock, hooks: Sequence[Hook]) -> None:
        self.clock = clock
        self._hooks = hooks
        self.started_s = clock.monotonic()
        self.report = CallReport.begin(call_id, model, clock.now())

    @property
    def call(self) -> Call[RequestT]:
        """What was asked."""
        return self._call

    def request_for(self, deployment: Deployment) -> RequestT:
        """What a deployment is asked."""
        return for_deployment(self.call, deployment)

    def dialect_for(self, deployment: Deployment) -> DialectT:
        """How this kind of call is spoken there. Raises APIError where it cannot be."""
        raise NotImplementedError

    def read_answer(self, attempt: Attempt[DialectT, RequestT], reply: HTTPReply) -> AnswerT:
        """A success as the answer, with its report. Raises APIError for one that holds none."""
        raise NotImplementedError

    def asked(self) -> Mapping[str, Any]:
        """What was asked, as the fields of a `CallEvent`."""
        raise NotImplementedError

    def prepare(self, deployment: Deployment) -> Attempt[DialectT, RequestT]:
        """Build the request for a deployment. Raises BadRequestError for what it cannot do."""
        return self._build(deployment, self.request_for(deployment))

    def ask_again(
        self, attempt: Attempt[DialectT, RequestT], answer: AnswerT
    ) -> Attempt[DialectT, RequestT] | None:
        """What to ask the same deployment next, where its answer is not good enough.

        Raises:
            APIError: it has been asked often enough.
        """
        del attempt, answer  # only chat has answers that may be too bad
        return None

    def _build(self, deployment: Deployment, request: RequestT) -> Attempt[DialectT, RequestT]:
        target = deployment.target
        dialect = self.dialect_for(deployment)
        self.note_attempt(deployment)
        built = dialect.build_request(request, target, timeouts_of(deployment, self.call.timeouts))
        self.report.dropped_params = self.call.left_out + built.dropped_params
        context = ReadContext(
            target=target,
            model=self.call.request.model,
            made_id=f"chatcmpl-{self.clock.make_id()}",
            now=self.clock.now(),
            request=request,
            reading=built.reading,
        )
        return Attempt(deployment, dialect, built, context)

    def read_whole(self, attempt: Attempt[DialectT, RequestT], reply: HTTPReply) -> AnswerT:
        """A whole reply as the answer, with its report.

        Raises:
            APIError: the reply is an error, or holds no answer.
        """
        self.take_headers(attempt, reply.status, reply.headers)
        if reply.is_success:
            return self.read_answer(attempt, reply)
        return self.read_failure(attempt, reply)

    def read_failure(self, attempt: Attempt[DialectT, RequestT], reply: HTTPReply) -> AnswerT:
        """Raise what a reply that is no success says, unless it holds an answer all the same."""
        raise attempt.dialect.read_error(reply, attempt.context)

    def canned_for(self, deployment: Deployment) -> Canned | None:
        """What to answer with instead of asking anybody."""
        if self.call.canned is not None:
            return self.call.canned
        answer = deployment.canned_answer
        return Canned(answer) if answer is not None else None

    def take_headers(
        self, attempt: Attempt[DialectT, RequestT], status: int, headers: Mapping[str, str]
    ) -> None:
        """Note a reply's head."""
        self.report.status_code = status
        self.report.headers = scrub_headers(headers, attempt.context)

    def succeeded(self) -> None:
        """Note that a deployment answers, and what it took."""
        attempts, report = self.attempts, self.report
        attempts.succeeded()
        report.retries = attempts.retries
        report.fallbacks = attempts.fallbacks

    def settle(
        self, outcome: Outcome, *, error: Exception | None = None, answer: Any = None
    ) -> list[Awaitable[None]]:
        """End the call, once: the first outcome counts. Returns what hooks want awaited."""
        if self._is_settled:
            return []
        self._is_settled = True
        report = self.report
        report.duration_s = self.clock.monotonic() - self.started_s
        report.retries = self.attempts.retries
        report.fallbacks = self.attempts.fallbacks
        if not self._hooks:
            return []
        event = CallEvent(
            report=report,
            outcome=outcome,
            is_stream=self.call.request.is_stream,
            error=error,
            metadata=self.call.metadata,
            answer=answer,
            **self.asked(),
        )
        return notify(self._hooks, event)

    def note_attempt(self, deployment: Deployment) -> None:
        """Note whom the next request goes to."""
        report = self.report
        report.attempts += 1
        report.provider = deployment.target.provider
        report.upstream_model = deployment.target.model
        report.deployment_id = deployment.deployment_id
        report.api_base = deployment.target.base_url

    def _note_tokens(self, usage: Usage, attempt: Attempt[DialectT, RequestT]) -> None:
        details = usage.prompt_tokens_details
        cached = (details.cached_tokens or 0) if details is not None else 0
        self.report.is_usage_estimated = usage.is_estimate
        deployment = attempt.deployment
        price = price_of(deployment)
        self.note_usage(price, usage.prompt_tokens, usage.completion_tokens, cached)

    def note_usage(
        self,
        price: Price | None,
        prompt_tokens: int,
        completion_tokens: int,
        cached_tokens: int,
    ) -> None:
        """Note the tokens of the answer, and what they cost where a price is known."""
        report = self.report
        report.prompt_tokens = prompt_tokens
        report.completion_tokens = completion_tokens
        report.cached_tokens = cached_tokens
        if price is not None:
            report.cost_picos = cost_picos(price, prompt_tokens, completion_tokens, cached_tokens)


class Run(CallRun[ChatRequest, Dialect, ChatCompletion]):
    """A chat call under way.

    `_misfits` has the public name of the deployment for every answer that fitted no format.
    """

    _misfits: tuple[str, ...] = ()
    _spent: Spending | None = None

    @override
    def request_for(self, deployment: Deployment) -> ChatRequest:
        request = super().request_for(deployment)
        unsaid = {
            name: said
            for name in _SWITCHES
            if getattr(request, name) is None and (said := getattr(deployment, name)) is not None
        }
        return replace(request, **unsaid) if unsaid else request

    @override
    def prepare(self, deployment: Deployment) -> Attempt:
        request = self.request_for(deployment)
        held = held_format(request, deployment.target)
        if held is None:
            return self._build(deployment, request)
        return replace(self._build(deployment, held.instruct(request)), held=held)

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
            raise unmet(fault, misfits, deployment.target, self.call.request.model)
        request = asked_again(attempt.context.request, answer, fault)
        return replace(self._build(deployment, request), held=held)

    @override
    def dialect_for(self, deployment: Deployment) -> Dialect:
        # A canned answer is written in OpenAI's shape, whatever the host speaks.
        is_canned = self.canned_for(deployment) is not None
        return DIALECTS[CANNED_DIALECT if is_canned else deployment.target.dialect]

    def built_attempt(self, deployment: Deployment, http: HTTPRequest) -> Attempt:
        """An attempt that was noted, and whose request was built elsewhere from the same call."""
        target = deployment.target
        context = ReadContext(
            target=target,
            model=self.call.request.model,
            made_id=f"chatcmpl-{self.report.call_id}",
            now=self.report.started_at,
            request=self.call.request,
        )
        return Attempt(deployment, DIALECTS[target.dialect], BuiltRequest(http), context)

    @override
    def read_answer(self, attempt: Attempt, reply: HTTPReply) -> ChatCompletion:
        completion = attempt.dialect.read_reply(reply, attempt.context)
        return self._noted(completion, attempt)

    @override
    def read_failure(self, attempt: Attempt, reply: HTTPReply) -> ChatCompletion:
        error = attempt.dialect.read_error(reply, attempt.context)
        rescued = rescue_failure(reply, attempt.context, self.report)
        if rescued is None:
            raise error
        return self._noted(rescued, attempt)

    def _noted(self, completion: ChatCompletion, attempt: Attempt) -> ChatCompletion:
        if completion.usage is None:
            tokens = estimate_answer(completion)
            completion.usage = self._estimate_usage(attempt.context.request, tokens)
        self._note_tokens(completion.usage, attempt)
        if self._spent is not None:
            completion.usage = sum_usages(self._spent.usage, completion.usage)
        rescue_completion(completion, attempt.context.request, self.report)
        self.report.finish_reason = completion.choices[0].finish_reason
        return completion.with_report(self.report)

    def note_first_chunk(self) -> None:
        """Note when a stream began."""
        self.report.first_chunk_s = self.clock.monotonic() - self.started_s

    def finish_stream(
        self,
        attempt: Attempt,
        usage: Usage | None,
        streamed_tokens: int,
        finish_reason: str | None,
    ) -> Usage:
        """Note what a stream used; `streamed_tokens` were counted where the host does not say."""
        if usage is None:
            usage = self._estimate_usage(attempt.context.request, streamed_tokens)
        self._note_tokens(usage, attempt)
        self.report.finish_reason = finish_reason
        return usage

    @override
    def asked(self) -> Mapping[str, Any]:
        return {"messages": self.call.request.messages}

    @override
    def _note_tokens(self, usage: Usage, attempt: Attempt) -> None:
        self.report.cost_picos = None
        super()._note_tokens(usage, attempt)
        if self._spent is not None:
            self._spent.add_to(self.report, self.report.cost_picos)

    @staticmethod
    def _estimate_usage(request: ChatRequest, completion_tokens: int) -> Usage:
        # No model is named: an estimate must not load a vocabulary in the middle of a call.
        prompt_tokens = count_message_tokens(
            "", request.messages, request.params.get("tools")
        ).count
        return Usage.model_validate(
            {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
                "estimated": True,
            }
        )


def price_of(deployment: Deployment) -> Price | None:
    """What a deployment's tokens cost: its own price, else the catalogue's."""
    if deployment.price is not None:
        return deployment.price
    facts = find_model(deployment.target.provider, deployment.target.model)
    return facts.price if facts is not None else None


def attribute(error: APIError, attempt: Attempt[Any, ModelRequest]) -> APIError:
    """An error of the transport, with who was asked and without any key."""
    target = attempt.deployment.target
    error.provider = error.provider or target.provider
    error.model = error.model or attempt.context.model
    clean = scrub(error.message, attempt.context)
    if clean != error.message:
        error.message = clean
        error.args = (clean,)
    return error


def for_deployment(call: Call[RequestT], deployment: Deployment) -> RequestT:
    """The request with a deployment's defaults; what the caller gave wins.

    A header that is a credential is for the host that the call named: it never follows a fallback
    to another one.
    """
    request = call.request
    headers = request.headers
    if deployment.target.base_url != call.plan.group[0].target.base_url:
        headers = without_credentials(headers)
    if deployment.params:
        request = request.with_defaults(deployment.params)
    if deployment.overrides:
        request = request.with_overrides(deployment.overrides)
    if headers is request.headers and not (
        deployment.headers
        or deployment.drop_params
        or deployment.allowed_params
        or deployment.unwanted_params
    ):
        return request  # as most deployments have it: a copy takes longer than this question
    return replace(
        request,
        headers={**deployment.headers, **headers},
        drop_params=request.drop_params or bool(deployment.drop_params),
        allowed_params=request.allowed_params | deployment.allowed_params,
        unwanted_params=request.unwanted_params | deployment.unwanted_params,
    )


def timeouts_of(deployment: Deployment, timeouts: Timeouts) -> Timeouts:
    """A deployment's own limits, and `timeouts` where it has none."""
    if deployment.timeout_s is None and deployment.stream_timeout_s is None:
        return timeouts
    return replace(
        timeouts,
        total_s=deployment.timeout_s if deployment.timeout_s is not None else timeouts.total_s,
        idle_s=deployment.stream_timeout_s
        if deployment.stream_timeout_s is not None
        else timeouts.idle_s,
    )

"""One call as a value: what is asked, of whom, and what a deployment adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from typing_extensions import TypeVar as TypeVarWithDefault

from puna.catalog.facts import find_model
from puna.catalog.prices import Price
from puna.dialects.base import BuiltRequest, ReadContext
from puna.dialects.protocols import CallDialect, Dialect
from puna.dialects.secrets import scrub, without_credentials
from puna.engine.formats import HeldFormat
from puna.errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    PermissionDeniedError,
)
from puna.routing.attempts import Plan, RetryPolicy
from puna.routing.deployment import Deployment
from puna.routing.steering import Steering
from puna.telemetry.meters import Meter
from puna.transports.failures import origin_of
from puna.types.model_request import ModelRequest
from puna.types.requests import RequestT_co
from puna.wire.http import Timeouts

RequestT = TypeVar("RequestT", bound=ModelRequest)
DialectT = TypeVar("DialectT", bound=CallDialect[Any, Any])
DialectT_co = TypeVarWithDefault("DialectT_co", default=Dialect, covariant=True)


@dataclass(frozen=True, slots=True)
class Canned:
    """An answer that is given without asking any host: the option `mock_response`, for tests.

    A text becomes a completion; an object is a reply's body; an exception is raised. `delay_s`
    passes before any of them.
    """

    answer: str | Mapping[str, Any] | Exception
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call(Generic[RequestT_co]):
    """Everything that the engine needs to make one call.

    Attributes:
        request: what is asked.
        plan: the deployments to try, and the fallbacks.
        policy: how often, and after which pauses, a try is repeated.
        timeouts: unless a deployment has its own.
        metadata: the caller's own; goes to hooks only.
        canned: answer with this and send nothing.
        call_id: given by a gateway, else made.
        left_out: what a bridge from another shape left out already; reported with the rest.
        meter: gets the call's report when it ends.
    """

    request: RequestT_co
    plan: Plan
    policy: RetryPolicy = RetryPolicy()
    timeouts: Timeouts = Timeouts()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    canned: Canned | None = None
    call_id: str = ""
    left_out: tuple[str, ...] = ()
    meter: Meter | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Attempt(Generic[DialectT_co, RequestT_co]):
    """One request of a call to one deployment.

    Its dialect, the HTTP request, and how to read the reply.

    `held` is the `response_format` that its answer is checked against here, because the host does
    not.
    """

    deployment: Deployment
    dialect: DialectT_co
    built: BuiltRequest
    context: ReadContext[RequestT_co]
    held: HeldFormat | None = None


def price_of(deployment: Deployment) -> Price | None:
    """The price of a deployment's tokens: its own if set, else the catalogue's; None if neither."""
    if deployment.price is not None:
        return deployment.price
    facts = find_model(deployment.target.provider, deployment.target.model)
    return facts.price if facts is not None else None


def attribute(error: APIError, attempt: Attempt[Any, ModelRequest]) -> APIError:
    """Add provider, model and deployment to a transport's error, and mask keys in it.

    Idempotent.
    """
    target = attempt.deployment.target
    error.provider = error.provider or target.provider
    error.model = error.model or attempt.context.model
    message = scrub(error.message, attempt.context)
    where = f" (deployment `{attempt.deployment.deployment_id}`)"
    if type(error) is APIConnectionError and where not in message:
        message += where
    is_unreached = isinstance(error, APIConnectionError) and not error.was_sent
    if is_unreached and target.is_service:
        closed = target.retirement or ""
        message = message if closed in message else f"{message.rstrip('.')}. {closed}"
    _reword(error, message)
    return error


def with_key_advice(error: APIError, attempt: Attempt[Any, ModelRequest]) -> APIError:
    """For a host's refusal of a key.

    Add to the error which deployment's key it is, and for which host.
    """
    if not isinstance(error, AuthenticationError | PermissionDeniedError):
        return error
    deployment = attempt.deployment
    target = deployment.target
    is_keyless = (target.api_key or target.basic_auth or target.signing) is None
    sent = "no key was sent: give one" if is_keyless else "check the one that is configured"
    place = f"`{origin_of(target.base_url)}`"
    origin = f"This came from {place}, asked for the deployment `{deployment.deployment_id}`"
    _reword(error, f"{error.message.rstrip('.')}. {origin}; {sent} (`api_key`).")
    return error


def _reword(error: APIError, message: str) -> None:
    """Change an error's message."""
    if message != error.message:
        error.message = message
        error.args = (message,)


def for_deployment(call: Call[RequestT], deployment: Deployment) -> RequestT:
    """The request for one deployment: its default parameters are added, the caller's own win.

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


def timeouts_of(
    deployment: Deployment, timeouts: Timeouts, steering: Steering | None = None
) -> Timeouts:
    """The timeouts of a request to a deployment: its own, the deployment's, or `timeouts`."""
    total_s, idle_s = deployment.timeout_s, deployment.stream_timeout_s
    if steering is not None:
        total_s, idle_s = steering.time_limits(deployment)
    if total_s is None and idle_s is None:
        return timeouts
    return Timeouts(
        connect_s=timeouts.connect_s,
        idle_s=timeouts.idle_s if idle_s is None else idle_s,
        total_s=timeouts.total_s if total_s is None else total_s,
    )

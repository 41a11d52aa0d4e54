"""Where plain requests go: the deployments of each public name, made ready once.

A route is a pure question on its deployments: do all speak OpenAI's protocol, with nothing to add
or to take away? Then a plain request reaches them as it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from puna.bridges.histories.rules import CHAT
from puna.catalog.prices import Price
from puna.config.matching import find_deployments
from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.passing import PassingRules, dropped_hints
from puna.dialects.secrets import secrets_of
from puna.dialects.table import DIALECTS
from puna.engine.call import price_of, timeouts_of
from puna.engine.drive import Exchange
from puna.errors import APIError
from puna.gateway.deployments.directory import Directory
from puna.gateway.passing.heads import usual_stream_lines, usual_whole_lines
from puna.routing.attempts import Plan
from puna.routing.deployment import Deployment
from puna.routing.steering import Steering
from puna.transports.lean import ReplySink
from puna.types.requests import PARAMS, ChatRequest
from puna.wire.body_changes import BodyChanges, default_changes
from puna.wire.http import HTTPRequest, Timeouts
from puna.wire.masking import Masker
from puna.wire.splicing import Renaming

_ROLES: Final = frozenset(("system", "user", "assistant", "tool"))
"""Of messages that are passed on."""

_MOST_ROUTES: Final = 4096
"""A wildcard serves any name: when so many were asked for, they are found anew."""


class Prepared(Protocol):
    """A request that is complete but for its body; many bodies are sent with it."""

    def start(self, body: bytes, sink: ReplySink, /) -> Exchange:
        """Send it with a body; `sink` gets the reply, never before this returns."""
        ...


class CallbackTransport(Protocol):
    """A transport that reports replies to a sink by callbacks, without tasks."""

    def prepare(self, request: HTTPRequest, /) -> Prepared:
        """Check a request that is sent with many bodies. Raises ValueError if it is malformed."""
        ...

    def start(self, request: HTTPRequest, sink: ReplySink, /) -> Exchange:
        """Send a request; `sink` gets the reply, never before this returns."""
        ...

    def can_send(self, url: str, /) -> bool:
        """Whether it reaches a URL directly: no proxy is configured for it."""
        ...


@dataclass(frozen=True, slots=True)
class ReadyRequest:
    """A request to a deployment, complete but for its body, for a whole answer or for a stream."""

    request: HTTPRequest
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class ReadyDeployment:
    """A deployment with all that is the same for each call, prepared once.

    `changes` makes the body of a request from the caller's. `whole_lines` and `stream_lines` are
    the headers of a usual answer.
    """

    deployment: Deployment
    whole: ReadyRequest
    streamed: ReadyRequest
    changes: BodyChanges
    price: Price | None
    whole_lines: bytes
    stream_lines: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """How the calls of one public model name go, with whole answers and with streams.

    `ready` has all deployments of the plan by their ids, `priced` each with its price; `rules` says
    which requests all of them take as they are; `bridges_responses` says whether requests of the
    Responses API may be bridged: no host has that API itself, or parameters that its responses
    would repeat. `masker` knows their secrets, which no header of a reply may hold.
    """

    name: str
    plan: Plan
    ready: Mapping[str, ReadyDeployment]
    priced: Sequence[tuple[Deployment, Price | None]]
    rules: PassingRules
    renaming: Renaming
    transport: CallbackTransport
    bridges_responses: bool
    masker: Masker = field(repr=False)


class FastRoutes:
    """Finds the route of a model name, and caches it. One for each configuration of a worker."""

    def __init__(self, directory: Directory, transport: CallbackTransport) -> None:
        self._directory = directory
        self._transport = transport
        self._known: dict[str, Route | None] = {}

    def find(self, name: str) -> Route | None:
        """The route of a public name; None where the full lane must answer."""
        known = self._known
        try:
            return known[name]
        except KeyError:
            if len(known) >= _MOST_ROUTES:
                known.clear()
            route = known[name] = self._make_route_of(name)
            return route

    def _make_route_of(self, name: str) -> Route | None:
        """Make the route of a name that clients sent.

        None where it is not configured or not plain.
        """
        config = self._directory.config
        if not name.isprintable() or not name.strip():
            return None
        if not find_deployments(config.deployments, name, config.router.model_group_alias):
            return None  # lent by open mode, or unknown
        return make_route(self._directory, name, self._transport)


def make_route(directory: Directory, name: str, transport: CallbackTransport) -> Route | None:
    """The route of a configured name; None where a deployment needs the full lane."""
    try:
        plan = directory.plan(name)
    except APIError:
        return None  # the full lane says why
    deployments = plan.deployments
    if not all(_adds_nothing(one) for one in deployments):
        return None
    ready: dict[str, ReadyDeployment] = {}
    for one in deployments:
        made = _prepare_deployment(one, name, transport)
        if made is None:
            return None
        ready[one.deployment_id] = made
    return Route(
        name=name,
        plan=plan,
        ready=ready,
        priced=tuple((one.deployment, one.price) for one in ready.values()),
        rules=PassingRules.combine([one.target for one in deployments]),
        renaming=Renaming(name),
        transport=transport,
        bridges_responses=not any(one.params or one.target.has_responses for one in deployments),
        masker=Masker(secret for one in deployments for secret in secrets_of(one.target)),
    )


def _adds_nothing(one: Deployment) -> bool:
    """Whether a deployment's host gets plain requests unchanged, and its replies need no reader."""
    return (
        type(DIALECTS[one.target.dialect]) is OpenAIChat  # not one that builds upon it
        and one.target.signing is None  # a signature holds for one body and some minutes
        and one.canned_answer is None
        and not one.read_think_tags
        and not (one.overrides or one.unwanted_params)
        and not _watches_defaults(one)
        and _ROLES.isdisjoint(one.target.quirks.rename_roles)
        and not one.target.quirks.rename_finish_reasons
        and not (one.target.quirks.messages or CHAT).refuses_blanks
    )


def _watches_defaults(one: Deployment) -> bool:
    """Whether the host has a rule about a parameter that the deployment adds."""
    quirks = one.target.quirks
    names = one.params.keys()
    if not quirks.watched_params.isdisjoint(names):
        return True
    known = quirks.extra_params
    return known is not None and any(n not in PARAMS and n not in known for n in names)


def _prepare_deployment(
    one: Deployment, name: str, transport: CallbackTransport
) -> ReadyDeployment | None:
    """Prepare a deployment for a route; None where the full lane must serve it."""
    target = one.target
    changes = default_changes(
        target.model, one.params, asks_usage=target.asks_usage, dropped=dropped_hints(target)
    )
    whole = _prepare_request(one, transport, is_stream=False)
    streamed = _prepare_request(one, transport, is_stream=True)
    if changes is None or whole is None or streamed is None:
        return None
    return ReadyDeployment(
        deployment=one,
        whole=whole,
        streamed=streamed,
        changes=changes,
        price=price_of(one),
        whole_lines=usual_whole_lines(name, one.deployment_id),
        stream_lines=usual_stream_lines(name, one.deployment_id),
    )


def _prepare_request(
    one: Deployment, transport: CallbackTransport, *, is_stream: bool
) -> ReadyRequest | None:
    """Prepare what the dialect would send to a deployment; None where it cannot be sent so."""
    request = ChatRequest(
        one.public_name,
        ({"role": "user", "content": ""},),
        headers=one.headers,
        is_stream=is_stream,
    )
    dialect = DIALECTS[one.target.dialect]
    timeouts = timeouts_of(one, Timeouts(), Steering(is_stream))
    empty = replace(dialect.build_request(request, one.target, timeouts).http, body=b"")
    if not transport.can_send(empty.url):
        return None
    try:
        return ReadyRequest(empty, transport.prepare(empty))
    except ValueError:
        return None  # the full lane says why

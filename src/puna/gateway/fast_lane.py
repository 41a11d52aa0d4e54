"""Which requests the fast lane takes, and how it begins them.

The choice is a pure question on the request (`wire/envelope.py`: is it plain?) and on the route of
its model (do all deployments speak OpenAI's protocol, with nothing to add or to take away?). Both
lanes authenticate, admit and settle alike and give the same answers; a test drives both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Protocol

from puna.config.matching import find_deployments
from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.secrets import secret_forms
from puna.dialects.table import DIALECTS
from puna.engine.call import Call, timeouts_of
from puna.errors import APIError
from puna.gateway.directory import Directory
from puna.gateway.fast_call import Client, Exchange, FastCall, Road
from puna.gateway.pipeline import retry_policy
from puna.gateway.steering import read_steering
from puna.gateway.stream_call import StreamCall
from puna.gateway.whole_call import WholeCall
from puna.governance.keys import ANYONE, KEY_HEADERS, Principal, authenticate
from puna.routing.attempts import Plan
from puna.routing.deployment import Deployment
from puna.types.requests import ChatRequest
from puna.wire.envelope import (
    PLAIN_ROLES,
    ChatEnvelope,
    Renaming,
    encode_request,
    read_envelope,
)
from puna.wire.http import HTTPRequest, Timeouts

_MOST_ROUTES: Final = 4096
"""A wildcard serves any name: those asked for last are kept."""

_MOST_PRINCIPALS: Final = 1024


@dataclass(slots=True)
class PlainRoute:
    """How the calls of one public model name go, plain or streamed.

    `requests` are without their bodies, by deployment id; a call puts its own in.
    """

    plan: Plan
    requests: Mapping[str, HTTPRequest]
    refused_params: frozenset[str]
    renaming: Renaming
    secrets: frozenset[str]

    def build(self, envelope: ChatEnvelope, deployment: Deployment, /) -> HTTPRequest:
        """The request that asks a deployment."""
        empty = self.requests[deployment.deployment_id]
        return HTTPRequest(
            empty.method,
            empty.url,
            empty.headers,
            encode_request(envelope, deployment.target.model),
            empty.timeouts,
            empty.is_stream,
        )


class HotTransport(Protocol):
    """A transport with callbacks."""

    def start(self, request: HTTPRequest, sink: FastCall, /) -> Exchange:
        """Send a request; `sink` hears of its reply, never before this returns."""
        ...

    def can_carry(self, url: str, /) -> bool:
        """Whether it reaches a URL: no proxy stands before it."""
        ...


class FastLane:
    """Begins calls. One for each worker."""

    def __init__(self, directory: Directory, road: Road, can_carry: Callable[[str], bool]) -> None:
        self._directory = directory
        self._road = road
        self._can_carry = can_carry
        self._server = directory.config.server
        self._policy = retry_policy(directory)
        own = self._server.key_header_name
        names = (own.lower(), *KEY_HEADERS) if own else KEY_HEADERS
        self._key_headers = tuple(name.encode("latin-1") for name in names)
        self._principals: dict[tuple[bytes | None, ...], Principal] = {}
        self._route = lru_cache(_MOST_ROUTES)(self._find_route)

    def begin(
        self, headers: Mapping[bytes, bytes], body: bytes, call_id: str, client: Client
    ) -> FastCall | None:
        """The call of a request, ready to start; None where the long way must answer.

        `headers` have lower-case names.
        """
        principal = self._principal(headers)
        envelope = read_envelope(body) if principal is not None else None
        if principal is None or envelope is None:
            return None
        route = self._route(envelope.model, envelope.stream)
        if route is None:
            return None
        params = envelope.params()
        if not route.refused_params.isdisjoint(params):
            return None
        call = Call(
            request=ChatRequest(
                envelope.model, tuple(envelope.messages), params, is_stream=envelope.stream
            ),
            plan=route.plan,
            policy=self._policy,
            metadata={"key_id": principal.key_id},
            call_id=call_id,
        )
        kind = StreamCall if envelope.stream else WholeCall
        return kind(self._road, route, envelope, call, client)

    def admits(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request with these headers may take the lane, whatever its body."""
        return b"origin" not in headers and self._principal(headers) is not None

    async def wait_for_hooks(self) -> None:
        """Until the hooks of all calls that have ended are done."""
        await asyncio.gather(*self._road.waiting)

    def _principal(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        """Who asks; None for who may not, or who must be told why not."""
        if self._server.master_key is None:
            return ANYONE
        given = tuple(map(headers.get, self._key_headers))
        known = self._principals.get(given)
        if known is not None:
            return known
        named = {n.decode("latin-1"): v.decode("latin-1") for n, v in headers.items()}
        try:
            principal = authenticate(named, self._server.master_key, self._server.key_header_name)
        except APIError:
            return None
        if len(self._principals) < _MOST_PRINCIPALS:
            # Looked up by a keyed hash, so the time that takes tells nothing about the keys.
            self._principals[given] = principal
        return principal

    def _find_route(self, name: str, is_stream: bool) -> PlainRoute | None:  # noqa: FBT001 - cached by both
        config = self._directory.config
        if not find_deployments(config.deployments, name, config.router.model_group_alias):
            return None  # lent by open mode, or unknown
        return make_route(self._directory, name, self._can_carry, is_stream=is_stream)


def make_route(
    directory: Directory, name: str, can_carry: Callable[[str], bool], *, is_stream: bool
) -> PlainRoute | None:
    """The route of a configured name; None where a deployment needs the long way.

    `can_carry` says whether the lane's transport reaches a URL.
    """
    try:
        plan = read_steering({}, is_stream=is_stream).apply(directory.plan(name))
    except APIError:
        return None  # the long way says why
    deployments = [
        one
        for group in (
            plan.group,
            *plan.fallbacks,
            *plan.context_window_fallbacks,
            *plan.content_policy_fallbacks,
        )
        for one in group
    ]
    if not all(_adds_nothing(one) for one in deployments):
        return None
    requests = {one.deployment_id: _empty_request(one, is_stream=is_stream) for one in deployments}
    if not all(can_carry(request.url) for request in requests.values()):
        return None
    quirks = [one.target.quirks for one in deployments]
    return PlainRoute(
        plan=plan,
        requests=requests,
        refused_params=frozenset[str]().union(
            *(one.unsupported_params | one.ignored_params for one in quirks)
        ),
        renaming=Renaming(name),
        secrets=frozenset[str]().union(*(secret_forms(one.target) for one in deployments)),
    )


def _adds_nothing(one: Deployment) -> bool:
    """Whether a plain request reaches the host as it came, and a plain reply needs no reader."""
    return (
        type(DIALECTS[one.target.dialect]) is OpenAIChat  # not one that builds upon it
        and one.canned_answer is None
        and not (one.params or one.overrides or one.headers or one.unwanted_params)
        and PLAIN_ROLES.isdisjoint(one.target.quirks.rename_roles)
    )


def _empty_request(one: Deployment, *, is_stream: bool) -> HTTPRequest:
    """What the dialect would send, without the body."""
    asked = ChatRequest(one.public_name, ({"role": "user", "content": ""},), is_stream=is_stream)
    dialect = DIALECTS[one.target.dialect]
    built = dialect.build_request(asked, one.target, timeouts_of(one, Timeouts()))
    return replace(built.http, body=b"")

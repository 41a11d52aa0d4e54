"""The fast lane at the server's edge: heads and bodies in, calls out, one line in the log.

Which requests it takes is a pure question on the request (`wire/envelope.py`: is it plain?) and on
the route of its model (`routes.py`). Both lanes authenticate, admit and settle alike and give the
same answers; a test drives both.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from puna.engine.drive import DriveContext
from puna.errors import APIError
from puna.gateway.answers.recovery import reads_failures_in_streams
from puna.gateway.deployments.directory import Directory
from puna.gateway.endpoints.table import ENDPOINTS
from puna.gateway.passing.bridged import BridgedChat, BridgedRun
from puna.gateway.passing.cycle import FastCycle, ReplyWriter
from puna.gateway.passing.head_cache import LaneHead
from puna.gateway.passing.routes import FastRoutes
from puna.gateway.passing.runs import FastRun
from puna.gateway.passing.stream_call import StreamCall
from puna.gateway.passing.whole_call import WholeCall
from puna.gateway.requests.body import excess_in, is_heavy, json_limits, read_call_id
from puna.gateway.requests.free_memory import SMALL_BODY, FreeMemory
from puna.gateway.requests.web_pages import PageRules
from puna.gateway.visit import Visit, Visits
from puna.governance.keys import ANYONE, Keys, Principal
from puna.wire.envelope import AssistantMessage, ChatEnvelope, read_envelope

_MOST_PRINCIPALS: Final = 1024
_MOST_HOSTS: Final = 64
LANE_PATHS: Final[Mapping[bytes, str]] = {
    one.path.encode(): one.name
    for one in ENDPOINTS
    if one.name in ("chat", "messages", "respond") and "{" not in one.path
}
"""The paths that the lane takes, and the names of their rows."""

_SHORT_BYTES: Final = 65_536
"""A body that is no longer holds few values."""
_LONG_BYTES: Final = 1_000_000
_MOST_STRINGS: Final = 20_000
"""In a longer body that is read on the loop."""
_MOST_STEPS: Final = 10_000
_STEPS_A_CALL: Final = 8
"""To check a tool call of a history takes as long as so many messages. A thousand turns with calls
are 10,000 steps, and hold the loop for some 20 ms."""


Shape = Callable[[bytes, LaneHead], BridgedChat | None]
"""Converts the body of a request to chat; None where the full lane must read it."""


class FastLane:
    """Decides which requests are passed on unchanged, and starts their calls.

    One for each configuration.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a gateway that it needs
        self,
        directory: Directory,
        routes: FastRoutes,
        pages: PageRules,
        context: DriveContext,
        visits: Visits,
        keys: Keys,
        shapes: Mapping[str, Shape],
    ) -> None:
        """Make the lane of a configuration.

        `shapes` convert requests of other APIs to chat, by the names of their endpoints. Heads that
        were read under other `keys` are read anew.
        """
        self._server = directory.config.server
        self.most_bytes = self._server.max_request_bytes
        """How long a body may be."""
        self.most_known_bytes = min(self.most_bytes, SMALL_BODY)
        """How long one may be of which nobody reads the head."""
        self._short_bytes = min(_SHORT_BYTES, self._server.max_request_values)
        self._routes = routes
        self._pages = pages
        self._hosts: set[bytes] = set()
        self._context = context
        self._visits = visits
        self._shapes = shapes
        self.keys = keys
        self._key_headers = tuple(name.encode("latin-1") for name in keys.headers)
        self._principals: dict[tuple[bytes | None, ...], Principal] = {}
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._under_way: set[FastCycle] = set()
        self._memory = FreeMemory()

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._under_way)

    def read_head(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> LaneHead | None:
        """Read a request's head; None where the full lane must answer.

        `headers` have lower-case names. The head needs a body of known length within the limit, and
        a valid key: only then is the body waited for.
        """
        named = dict(headers)  # of a repeated header the last counts, as everywhere
        length = named.get(b"content-length", b"")
        if (
            not length.isdigit()
            or int(length) > self.most_bytes
            or (int(length) > SMALL_BODY and not self._memory.fits(int(length)))
            or b"transfer-encoding" in named
            or b"content-encoding" in named
            or b"origin" in named
            or b"sec-fetch-site" in named
            or not self._knows_host(named, headers)
        ):
            return None
        principal = self._principal(named)
        if principal is None:
            return None
        access = principal.access
        if access is not None and (access.networks or not access.allows_route(path.decode())):
            return None  # the client's address is checked, or the refusal told, in the full lane
        given = named.get(b"x-litellm-call-id")
        call_id = read_call_id(given.decode("latin-1")) if given is not None else None
        line = f"POST {path.decode('ascii')}"
        originator = named.get(b"originator", b"").decode("latin-1")
        return LaneHead(
            line,
            LANE_PATHS[path],
            principal,
            self.keys,
            call_id,
            reads_failures=reads_failures_in_streams({"originator": originator}),
        )

    def begin(
        self, protocol: Any, head: LaneHead, body: bytes, *, keeps_alive: bool
    ) -> FastCycle | None:
        """Make the cycle of a request, ready to start, when its body is whole.

        None for the full lane.
        """
        is_short = len(body) <= self._short_bytes
        if not is_short and self._holds_too_much(body):
            return None
        bridged: BridgedChat | None = None
        if head.endpoint == "chat":
            envelope = read_envelope(body)
            if envelope is None or not (is_short or _is_quickly_fitted(envelope)):
                return None
        else:
            bridged = self._shapes[head.endpoint](body, head) if not is_heavy(body) else None
            if bridged is None:
                return None
            envelope = bridged.envelope
        access = head.principal.access
        route = self._routes.find(envelope.model)
        if (
            route is None
            or (head.endpoint == "respond" and not route.bridges_responses)
            or (access is not None and not access.passes(envelope.model))
        ):
            return None
        fitted = route.rules.fit(envelope)
        if fitted is None:
            return None
        context = self._context
        call_id = head.call_id or f"{self._prefix}{next(self._numbers):016x}"
        run: FastRun
        if bridged is None:
            run = FastRun(context, route, envelope, fitted, head.principal, call_id)
        else:
            run = BridgedRun(context, route, envelope, fitted, head.principal, call_id)
            run.bridged, run.left_out = bridged, bridged.left_out
            run.other_tools = bridged.other_tools
        run.body_bytes = len(body)
        visit = run.meter = Visit(
            self._visits,
            head.line,
            call_id,
            run.started_s,
            run.report.started_at,
            head.principal,
            head.endpoint,
        )
        cycle = FastCycle(protocol, visit, run, self._under_way)
        cycle.keep_alive = keeps_alive
        writer: ReplyWriter = cycle if bridged is None else bridged.make_writer(cycle, run)
        kind = StreamCall if envelope.stream is True else WholeCall
        cycle.call = kind(context, run, writer)
        return cycle

    def _holds_too_much(self, body: bytes) -> bool:
        """Whether a body holds so many values that it is read in a thread, or refused.

        A parser in C passes over what is not read, a megabyte in a millisecond. Only to count the
        values exactly takes a step for each string, and a body of one megabyte has few enough.
        """
        most_values = self._server.max_request_values
        limits = json_limits(body, most_values)
        is_counted = limits.may_be_exceeded(body)
        is_long = len(body) > _LONG_BYTES
        if not is_counted and not is_long:
            return False
        strings = (body.count(b'"') - body.count(b'\\"')) // 2
        if strings > (_MOST_STRINGS if is_long else limits.strings + limits.members):
            return True
        return is_counted and excess_in(body, most_values) is not None

    def close(self) -> None:
        """End the requests that are still being answered. Called at shutdown."""
        for cycle in list(self._under_way):
            cycle.stop()

    def _knows_host(
        self, named: dict[bytes, bytes], headers: Sequence[tuple[bytes, bytes]]
    ) -> bool:
        """Whether there is exactly one `Host` header, and this gateway may answer to its name."""
        host = named.get(b"host")
        if host is None or len(named) != len(headers):
            return False
        if host in self._hosts:
            return True
        if not self._pages.knows_host(host.decode("latin-1")):
            return False
        if len(self._hosts) < _MOST_HOSTS:
            self._hosts.add(host)
        return True

    def _principal(self, headers: dict[bytes, bytes]) -> Principal | None:
        """Who sends the request, by its key; None where the full lane has to refuse it."""
        if self.keys.master_key is None:
            return ANYONE
        given = tuple(map(headers.get, self._key_headers))
        known = self._principals.get(given)
        if known is not None:
            return known
        named = {n.decode("latin-1"): v.decode("latin-1") for n, v in headers.items()}
        try:
            principal = self.keys.authenticate(named, self._context.clock.now())
        except APIError:
            return None
        if len(self._principals) < _MOST_PRINCIPALS:
            # Looked up by a keyed hash, so the time that takes tells nothing about the keys.
            self._principals[given] = principal
        return principal


def _is_quickly_fitted(envelope: ChatEnvelope) -> bool:
    """Whether a history is short enough to be checked on the loop; a thread reads others."""
    steps = len(envelope.messages)
    for message in envelope.messages:
        if type(message) is AssistantMessage and message.tool_calls:
            steps += _STEPS_A_CALL * len(message.tool_calls)
    return steps <= _MOST_STEPS

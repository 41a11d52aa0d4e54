"""Finds the endpoint of a request by its path; explains the error where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from puna.errors import APIError, BadRequestError, NotFoundError
from puna.gateway.endpoints.admin_table import ADMIN_ENDPOINTS
from puna.gateway.endpoints.rows import Endpoint, Match
from puna.gateway.endpoints.table import ENDPOINTS
from puna.gateway.requests.body import Incoming


@dataclass(frozen=True, slots=True)
class Missing:
    """A feature that clients ask such a gateway for and that this one does not have yet.

    Attributes:
        start: how the feature's paths begin, without a `/v1` before it.
        what: the name of the feature, for the error message.
        needs_store: whether the feature needs a store of keys and spend.
    """

    start: str
    what: str
    needs_store: bool = False


NOT_BUILT: tuple[Missing, ...] = (
    Missing("/messages/batches", "batches of messages"),
    Missing("/images", "images"),
    Missing("/audio", "audio"),
    Missing("/files", "files"),
    Missing("/batches", "batches"),
    Missing("/metrics", "metrics"),
    Missing("/rerank", "rerank"),
    *(
        Missing(f"/{what}/", what, needs_store=True)
        for what in ("key", "user", "team", "organization", "customer", "budget", "spend")
    ),
)

_REPEATED = re.compile(r"(/v1|/)\1+(?=/|[a-z])")
"""Matches `/v1/v1` and `//`: the base URL ends with what the client adds itself."""
_LONGEST_GUESSED = 100
_ALIKE = 0.9


def missing_feature(path: str) -> Missing | None:
    """The missing feature that an unserved path belongs to; None where that is not known."""
    clean = path.removeprefix("/v1")
    return next((one for one in NOT_BUILT if clean.startswith(one.start)), None)


class PathTable:
    """The endpoints of a gateway, by path.

    There are two, of a gateway with a database and of one without: `WITH_DATABASE` and
    `WITHOUT_DATABASE`.
    """

    def __init__(self, endpoints: Sequence[Endpoint], *, has_database: bool) -> None:
        """`has_database`: whether the rows of the admin API are among them."""
        self.endpoints = tuple(endpoints)
        self._has_database = has_database
        paths = dict.fromkeys(one.path for one in endpoints if "{" not in one.path)
        self._by_path: Mapping[str, Mapping[str, Endpoint]] = {
            path: {one.method: one for one in endpoints if one.path == path} for path in paths
        }
        self._patterns: Sequence[tuple[Endpoint, str, str, str]] = tuple(
            (one, before, name, after)
            for one in endpoints
            for before, place, rest in (one.path.partition("{"),)
            for name, _, after in (rest.partition("}"),)
            if place
        )

    def find(self, method: str, path: str) -> Match | tuple[str, ...]:
        """The endpoint of a request, or the methods that the path allows: none means no such path.

        HEAD is answered like GET.
        """
        wanted = "GET" if method == "HEAD" else method
        clean = path.rstrip("/") or "/"
        methods = self._by_path.get(clean)
        if methods is not None:
            found = methods.get(wanted)
            return Match(found) if found is not None else tuple(methods)
        allowed: list[str] = []
        for endpoint, name, value in self._matching(clean):
            if endpoint.method == wanted:
                is_model = name == "model"
                return Match(endpoint, value) if is_model else Match(endpoint, response_id=value)
            allowed.append(endpoint.method)
        return tuple(dict.fromkeys(allowed))

    def methods_at(self, path: str) -> tuple[str, ...]:
        """The methods of a path, for answers to OPTIONS. None means no such path."""
        clean = path.rstrip("/") or "/"
        methods = self._by_path.get(clean) or [one.method for one, _, _ in self._matching(clean)]
        return tuple(dict.fromkeys(methods))

    def _matching(self, path: str) -> Iterator[tuple[Endpoint, str, str]]:
        """The rows with a variable in their path that match: row, variable's name, its value."""
        for endpoint, before, name, after in self._patterns:
            if path.startswith(before) and path.endswith(after):
                value = path[len(before) : len(path) - len(after)].strip("/")
                if value and not (name == "response_id" and "/" in value):
                    yield endpoint, name, value

    def no_endpoint(self, head: Incoming, allowed: tuple[str, ...]) -> APIError:
        """Make the error for a request without a row; `allowed` are the methods of its path."""
        if allowed and head.wants_websocket:
            return BadRequestError(
                f"`{head.path}` speaks no WebSocket; send the request with POST.",
                status_code=426,
                code="websocket_not_supported",
                headers={"upgrade": "HTTP/1.1", "connection": "upgrade"},
            )
        if allowed:
            return BadRequestError(
                f"`{head.path}` takes {' or '.join(allowed)}, not {head.method}.",
                status_code=405,
                code="method_not_allowed",
                headers={"allow": ", ".join((*allowed, "OPTIONS"))},
            )
        missing = missing_feature(head.path)
        if missing is not None and missing.needs_store and not self._has_database:
            return NotFoundError(
                "Virtual keys, budgets and spend need a database; without one the gateway knows "
                "the master key only. Set `general_settings.database_url`.",
                status_code=501,
                code="not_configured",
            )
        near = self._similar(head.method, head.path)
        if missing is not None and not (near and missing.needs_store):
            hint = f" ({missing.what}: not built yet)."
        elif near is not None:
            hint = f": did you mean `{near}`?"
            if head.path.endswith(near):
                hint += " Leave what stands before it out of the client's base URL."
        else:
            hint = "."
        return NotFoundError(
            f"There is no endpoint `{head.method} {head.path}`{hint} `GET /routes` lists all.",
            code="unknown_endpoint",
        )

    def _similar(self, method: str, path: str) -> str | None:
        """The path of an endpoint with this method that an unknown `path` may have meant."""
        if len(path) > _LONGEST_GUESSED:
            return None
        plain = _REPEATED.sub(r"\1", path)
        for meant in (plain, plain.lower()):
            if meant.strip("/") and isinstance(self.find(method, meant), Match):
                return meant
        known = [one for one, methods in self._by_path.items() if method in methods and one != "/"]
        ends = [one for one in known if plain.endswith(one)]
        if ends:
            return max(ends, key=len)
        return next(iter(get_close_matches(plain.lower(), known, n=1, cutoff=_ALIKE)), None)


WITHOUT_DATABASE = PathTable(ENDPOINTS, has_database=False)
WITH_DATABASE = PathTable((*ENDPOINTS, *ADMIN_ENDPOINTS), has_database=True)

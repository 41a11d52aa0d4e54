"""The rows of the admin API, which a gateway with a database has beside the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from puna.gateway.admin import fields as of
from puna.gateway.admin import keys
from puna.gateway.admin.api import AdminAPI
from puna.gateway.answers.replies import Reply
from puna.gateway.endpoints.rows import (
    AnswerShape,
    BodyShape,
    Endpoint,
    EndpointRequest,
    GatewayParts,
)
from puna.gateway.requests.body import Incoming
from puna.governance.principal import Principal

_STATUSES = ("400", "401", "403", "404", "409", "413", "500", "503")

Writing = Callable[[AdminAPI, Principal, Mapping[str, Any]], Awaitable[Reply]]
Reading = Callable[[AdminAPI, Principal, Incoming], Awaitable[Reply]]

BODIES: Final[dict[str, Sequence[of.Field]]] = {}
"""The fields of each request's body, by the name of its schema."""


def _name(path: str) -> str:
    return path.strip("/").replace("/", "_")


def _schema_name(path: str) -> str:
    return "".join(word.capitalize() for word in _name(path).split("_")) + "Request"


def _post(
    path: str,
    work: Writing,
    known: Sequence[of.Field],
    summary: str,
    required: tuple[str, ...] = (),
    method: str = "POST",
) -> Endpoint:
    """A row with a body of these fields."""
    schema = _schema_name(path)
    BODIES[schema] = known

    async def handle(parts: GatewayParts, request: EndpointRequest) -> Reply:
        assert parts.admin is not None  # noqa: S101 - the rows are found only with a database
        return await work(parts.admin, request.caller.visit.principal, request.body)

    return Endpoint(
        method,
        path,
        _name(path),
        summary,
        handle,
        AnswerShape(("object",), _STATUSES),
        BodyShape(schema, required),
    )


def _get(path: str, work: Reading, query: Sequence[str], summary: str) -> Endpoint:
    """A row without a body, and with these parameters in its query."""

    async def handle(parts: GatewayParts, request: EndpointRequest) -> Reply:
        assert parts.admin is not None  # noqa: S101 - the rows are found only with a database
        return await work(parts.admin, request.caller.visit.principal, request.caller.head)

    parameters = tuple({"name": n, "in": "query", "schema": {"type": "string"}} for n in query)
    answer = AnswerShape(("object",), _STATUSES)
    return Endpoint("GET", path, _name(path), summary, handle, answer, parameters=parameters)


ADMIN_ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    _post("/key/generate", keys.generate_key, of.NEW_KEY_FIELDS, "a new key, shown once"),
    _post("/key/update", keys.update_key, of.OLD_KEY_FIELDS, "changes a key"),
    _post(
        "/key/regenerate",
        keys.regenerate_key,
        of.REGENERATE_FIELDS,
        "another key in the place of one",
    ),
    _post("/key/delete", keys.delete_keys, of.SEVERAL_KEYS_FIELDS, "withdraws keys for good"),
    _post(
        "/key/block",
        partial(keys.block_key, is_blocked=True),
        of.ONE_KEY_FIELDS,
        "refuses a key until it is unblocked",
        ("key",),
    ),
    _post(
        "/key/unblock",
        partial(keys.block_key, is_blocked=False),
        of.ONE_KEY_FIELDS,
        "accepts a key again",
        ("key",),
    ),
    _get("/key/info", keys.key_info, ("key",), "a key and its spend; without `key`, one's own"),
    _get("/key/list", keys.list_keys, keys.LIST_QUERY, "the keys, in pages"),
)

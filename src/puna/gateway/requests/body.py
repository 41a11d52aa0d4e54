"""Reads what a client sent: a body within its limit, JSON within reason, fields by rule."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, cast

from puna.errors import BadRequestError
from puna.gateway.requests.encodings import BodyReader, too_large
from puna.types.option_scopes import REFUSED_IN_REQUESTS, refuse_in_request
from puna.wire.json_size import CONTAINERS, JSONLimits
from puna.wire.surrogates import parse_json

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_BOM = b"\xef\xbb\xbf"
_LONGEST_NAME = 256
MOST_DEPTH = 201
"""How deeply a body may be nested: the parser's own limit."""

_MOST_FIELDS = 1_000
_VALUES_A_CONTAINER = 100
_BYTES_A_CONTAINER = 100
_VALUES_A_MEMBER = 12
_BYTES_A_MEMBER = 40
_VALUES_A_TYPE = 25
_VALUES_A_STRING = 5
_BYTES_A_STRING = 20
_ONLY_A_TYPE = re.compile(
    rb'\{\s*+"type"\s*+:\s*+"(?:string|null|integer|number|boolean|object|array)"\s*+\}'
)
_HEAVY = JSONLimits(values=10_000, containers=1_000)
_HEAVY_BYTES = 1_000_000
_CHECKED_BYTES = 1_000_000


_CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def read_call_id(given: str) -> str | None:
    """The id that a client gave its request in a header; None where it is not usable as one."""
    return given if _CALL_ID.fullmatch(given) else None


class ClientDisconnected(Exception):  # noqa: N818 - not an error of anybody
    """The client left before its request was read or answered."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """The head of one request.

    `headers` have lower-case names; the last of a repeated one counts. `client` is the address that
    the connection comes from; empty where it has none.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: str
    client: str = ""

    @property
    def body_bytes(self) -> int:
        """The length of the body by its `content-length`; 0 where the head has none."""
        told = self.headers.get("content-length", "")
        return int(told) if told.isascii() and told.isdigit() else 0

    @property
    def wants_websocket(self) -> bool:
        """Whether the client wants to upgrade to a WebSocket. Source: RFC 6455, section 4.1.

        The server's protocol takes the `upgrade` header out, and leaves the key.
        """
        return self.method == "GET" and "sec-websocket-key" in self.headers


def read_head(scope: Scope) -> Incoming:
    """The head of an ASGI request."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    return Incoming(
        method=scope["method"],
        path=scope["path"],
        headers=headers,
        query=scope.get("query_string", b"").decode("latin-1"),
        client=str((scope.get("client") or ("",))[0]),
    )


async def read_body(
    receive: Receive, head: Incoming, limit: int, check: Callable[[int], None] = lambda _: None
) -> bytes:
    """The whole body without its `content-encoding`, at most `limit` bytes.

    `check` is asked whether so many bytes are still welcome: of a body whose length the head does
    not tell, once for each megabyte.

    Raises:
        BadRequestError: with status 413, as soon as it is known to be larger; with 415 for an
            encoding that is not read; with 400 where the body is not in its encoding.
        ClientDisconnected: the client left.
    """
    if head.body_bytes > limit:
        raise too_large(limit)
    encoding = head.headers.get("content-encoding", "")
    reader: BodyReader | None = BodyReader(encoding, limit) if encoding else None
    checked = max(head.body_bytes, _CHECKED_BYTES)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        if reader is None:
            body: bytes = message.get("body", b"")
            if not message.get("more_body", False) and len(body) <= limit:
                return body  # in one piece, as it is
            reader = BodyReader(encoding, limit)
        await reader.add(message.get("body", b""))
        if reader.size > checked:
            check(reader.size)
            checked = reader.size + _CHECKED_BYTES
        if not message.get("more_body", False):
            return reader.finish()


def excess_in(body: bytes, most_values: int) -> str | None:
    """What a body has too much of, in words for an error; None where it is within `json_limits`.

    Objects that only name a type do not count at first: schemas of tools that are generated from
    code have many, `{"anyOf":[{"type":"string"},{"type":"null"}]}` for each optional parameter.
    """
    limits = json_limits(body, most_values)
    too_much = limits.exceeded_by(body)
    if too_much is None or not too_much.endswith(CONTAINERS):
        return too_much
    most = most_values // _VALUES_A_TYPE
    types = sum(1 for _ in islice(_ONLY_A_TYPE.finditer(body), most))
    if not types:
        return too_much
    return replace(limits, containers=limits.containers + types).exceeded_by(body)


def json_limits(body: bytes, most_values: int) -> JSONLimits:
    """What a body of this length may hold: values by the configuration, and fewer containers.

    A list or an object costs as much as 25 other values and is copied on its way, the name of a
    member as much as 12, a string as much as 5. In requests of real clients there is one list or
    object for each 100 bytes or more, one member for each 40, and one string besides the names of
    members for each 20, so a longer body may hold more of them.
    """
    size = len(body)
    return JSONLimits(
        values=most_values,
        containers=most_values // _VALUES_A_CONTAINER + size // _BYTES_A_CONTAINER,
        members=most_values // _VALUES_A_MEMBER + size // _BYTES_A_MEMBER,
        strings=most_values // _VALUES_A_STRING + size // _BYTES_A_STRING,
    )


def is_heavy(body: bytes) -> bool:
    """Whether a body is so large that it must be parsed on a thread, not on the event loop."""
    return len(body) > _HEAVY_BYTES or _HEAVY.may_be_exceeded(body)


def read_json(body: bytes, content_type: str, most_values: int) -> dict[str, Any]:
    """Parse a body as a JSON object. A missing content type is no fault when the body is JSON.

    Raises:
        BadRequestError: it is none, is nested too deeply, or (status 413) holds too many values.
    """
    if not body.strip():
        raise BadRequestError("The body is empty; send a JSON object.", code="invalid_json")
    too_much: str | None = None
    if len(body) > most_values // _VALUES_A_CONTAINER:
        too_much = excess_in(body, most_values)
    if too_much is not None:
        raise BadRequestError(
            f"The body holds more than {too_much}: send less, or raise "
            f"`general_settings.max_request_values` (now `{most_values}`), from which the limits "
            "on lists, objects, members and strings are derived.",
            status_code=413,
            code="request_too_large",
        )
    try:
        value = parse_json(body.removeprefix(_BOM), allow_inf_nan=False)
    except ValueError as error:
        if "recursion limit" in str(error):
            raise BadRequestError(
                f"The body is nested too deeply; at most {MOST_DEPTH} lists and objects may stand "
                "within each other.",
                code="invalid_json",
            ) from None
        kind = content_type.partition(";")[0] or "no content type"
        raise BadRequestError(
            f"The body is not valid JSON ({error}); it came as {kind}.", code="invalid_json"
        ) from None
    if not isinstance(value, dict):
        raise BadRequestError("The body must be a JSON object.", code="invalid_json")
    fields = len(cast("dict[str, Any]", value))
    if fields > _MOST_FIELDS:
        raise BadRequestError(
            f"The body has `{fields}` fields; send at most {_MOST_FIELDS}.",
            status_code=413,
            code="request_too_large",
        )
    return cast("dict[str, Any]", value)


def check_fields(body: Mapping[str, Any]) -> None:
    """Refuse fields that only the operator may set, such as an address. A null counts as absent.

    Raises:
        BadRequestError: `param` names the field.
    """
    for name, value in body.items():
        if name in REFUSED_IN_REQUESTS and value is not None:
            raise refuse_in_request(name)


def check_model_name(name: Any) -> None:
    """Refuse model names that could do harm in headers, logs and addresses.

    Raises:
        BadRequestError: it holds control characters, or is very long.
    """
    if isinstance(name, str) and (len(name) > _LONGEST_NAME or not name.isprintable()):
        raise BadRequestError(
            f"`model` must be at most {_LONGEST_NAME} characters without control characters.",
            param="model",
        )

"""Cassettes: exchanges with a host, as a JSON file that people can read and change.

    {"format": "puna-cassette", "version": 1, "exchanges": [
        {"request": {"method": "POST", "url": "https://…", "body": {…}},
         "head_ms": 210.4, "status": 200, "headers": {…},
         "pieces": [{"at_ms": 1.5, "text": "data: …"}], "end": "whole"}]}

`head_ms` is from the request to the reply's head, `at_ms` from there to a piece. A JSON body that
came in one piece is `body`, and a text in place of a piece came at once. Bytes that are no text
are in base64. `end` is `whole`, `left` (the reader went away) or an error.

A file with one reply (`status`, `headers`, and `body` or `pieces`) is a cassette too: it answers
any request.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from puna.errors import ConfigError
from puna.transports.cassette_text import parse_exact_json, render
from puna.transports.recorded import RecordedExchange, RecordedFailure, RecordedRequest

FORMAT = "puna-cassette"
VERSION = 1

_MARGIN = "\n    "


def serialize_exchange(exchange: RecordedExchange) -> str:
    """One exchange as the JSON text that stands in the file."""
    return render(_exchange_to_json(exchange), _MARGIN)


def write_cassette(path: Path, exchanges: Iterable[str]) -> None:
    """Write a file with these serialized exchanges. A failure leaves the old file as it was.

    Raises:
        ConfigError: the file cannot be written.
    """
    listed = f",{_MARGIN}".join(exchanges)
    text = (
        f'{{\n  "format": "{FORMAT}",\n  "version": {VERSION},\n'
        f'  "exchanges": [{_MARGIN + listed if listed else ""}\n  ]\n}}\n'
    )
    try:
        if path.exists() and not path.is_file():  # a file in its place would take a device away
            raise _unwritable_error(path, "it is there and is no file")
        # JSON has an escape for the halves of characters that UTF-8 cannot write.
        _replace_file(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise _unwritable_error(path, str(error.strerror)) from error


def _replace_file(path: Path, data: bytes) -> None:
    """Write a file beside the old one, and move it into its place."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write_private(aside, data)
        aside.replace(path)
    except OSError:
        with suppress(OSError):
            aside.unlink()
        raise


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner only may read: cassettes hold conversations."""
    opened = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(data)


def read_cassette(path: Path) -> list[RecordedExchange]:
    """Parse a file; gives its exchanges in order.

    Raises:
        ConfigError: there is no such file, or it is no cassette.
    """
    try:
        content: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise _unusable_error(path, f"cannot be read: {error.strerror}; record it first") from error
    except (ValueError, RecursionError) as error:
        raise _unusable_error(path, f"is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise _unusable_error(path, "is no cassette: it must be an object")
    if "exchanges" not in content:
        return [_read_exchange(path, 0, {**content, "request": None})]
    if content.get("version") != VERSION:
        raise _unusable_error(
            path, f"has version `{content.get('version')}`, this Puna reads {VERSION}: record again"
        )
    exchanges = content["exchanges"]
    if not isinstance(exchanges, list):
        raise _unusable_error(path, "is broken: `exchanges` must be a list")
    return [
        _read_exchange(path, place, given)
        for place, given in enumerate(cast("list[Any]", exchanges))
    ]


def _read_exchange(path: Path, place: int, given: Any) -> RecordedExchange:
    """Parse one exchange; an error names its position in the file."""
    try:
        return _exchange_from_json(given)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise _unusable_error(path, f"is broken in `exchanges[{place}]`: {error!r}") from error


def _exchange_to_json(exchange: RecordedExchange) -> dict[str, Any]:
    """An exchange as JSON fields."""
    sent, end = exchange.sent, exchange.end
    out: dict[str, Any] = {}
    if sent is not None:
        out["request"] = {"method": sent.method, "url": sent.url, **_body_to_json(sent.body)}
    out["head_ms"] = exchange.head_ms
    if exchange.status is not None:
        out |= {"status": exchange.status, "headers": dict(exchange.headers)}
        out |= _pieces_to_json(exchange.pieces)
    out["end"] = _failure_to_json(end) if isinstance(end, RecordedFailure) else end
    return out


def _exchange_from_json(given: Mapping[str, Any]) -> RecordedExchange:
    """An exchange from JSON fields."""
    request = given["request"]
    end = given.get("end", "whole")
    if end not in ("whole", "left") and not isinstance(end, Mapping):
        raise ValueError(f"`end` is `{end}`")
    status = given.get("status")
    if status is None and not isinstance(end, Mapping):
        raise ValueError("there is neither `status` nor an error as `end`")
    return RecordedExchange(
        sent=_request_from_json(request) if request is not None else None,
        status=int(status) if status is not None else None,
        headers={name.lower(): str(value) for name, value in given.get("headers", {}).items()},
        pieces=_pieces_from_json(given),
        head_ms=float(given.get("head_ms", 0.0)),
        end=_failure_from_json(end) if isinstance(end, Mapping) else end,
    )


def _request_from_json(request: Mapping[str, Any]) -> RecordedRequest:
    """A request from JSON fields."""
    body = b64decode(request["body_base64"]) if "body_base64" in request else request.get("body")
    return RecordedRequest(str(request["method"]), str(request["url"]), body)


def _body_to_json(body: Any) -> dict[str, Any]:
    """A request's body as JSON fields: JSON values as they are, bytes as base64."""
    if body is None:
        return {}
    if isinstance(body, bytes):
        return {"body_base64": b64encode(body).decode()}
    return {"body": body}


def _pieces_to_json(pieces: Sequence[tuple[float, bytes]]) -> dict[str, Any]:
    """The pieces of a reply's body as JSON fields: one that is JSON as its value, else as texts."""
    if len(pieces) == 1:
        at_ms, body = pieces[0]
        value = parse_exact_json(body)
        if value is not None:
            return {"at_ms": at_ms, "body": value}
    return {"pieces": [{"at_ms": at_ms, **_piece_to_json(piece)} for at_ms, piece in pieces]}


def _piece_to_json(piece: bytes) -> dict[str, str]:
    """A piece as JSON fields: as text, or as base64 where it is no UTF-8."""
    try:
        return {"text": piece.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(piece).decode()}


def _pieces_from_json(given: Mapping[str, Any]) -> list[tuple[float, bytes]]:
    """The pieces of a reply's body from JSON fields, each with its time in milliseconds."""
    if "body" in given:
        body = given["body"]
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        return [(float(given.get("at_ms", 0.0)), text.encode("utf-8", "backslashreplace"))]
    return [_piece_from_json(piece) for piece in given.get("pieces", ())]


def _piece_from_json(piece: Any) -> tuple[float, bytes]:
    """A piece and its time in milliseconds, from JSON fields."""
    if isinstance(piece, str):
        return 0.0, piece.encode()
    data = b64decode(piece["base64"]) if "base64" in piece else piece["text"].encode()
    return float(piece.get("at_ms", 0.0)), data


def _failure_to_json(failure: RecordedFailure) -> dict[str, Any]:
    """An error as JSON fields."""
    facts = asdict(failure)
    return {"error": facts.pop("name"), **facts}


def _failure_from_json(given: Mapping[str, Any]) -> RecordedFailure:
    """An error from JSON fields."""
    facts = {**given}
    return RecordedFailure(str(facts.pop("error")), str(facts.pop("message", "It broke.")), **facts)


def _unwritable_error(path: Path, why: str) -> ConfigError:
    """The error for a file that cannot be written."""
    return ConfigError(
        f"the cassette cannot be written: {why}; name a file in a folder that is there.",
        file=str(path),
        key="record",
    )


def _unusable_error(path: Path, what: str) -> ConfigError:
    """The error for a file that is no cassette."""
    return ConfigError(f"the cassette {what}.", file=str(path), key="replay")

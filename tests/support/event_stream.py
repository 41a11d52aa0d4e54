"""Writes `application/vnd.amazon.eventstream` frames, as an upstream that speaks it would."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32


def encode_message(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame; every header is a text."""
    lines = b"".join(
        bytes((len(name.encode()),))
        + name.encode()
        + b"\x07"
        + len(value.encode()).to_bytes(2)
        + value.encode()
        for name, value in headers.items()
    )
    prelude = (16 + len(lines) + len(payload)).to_bytes(4) + len(lines).to_bytes(4)
    begun = prelude + crc32(prelude).to_bytes(4) + lines + payload
    return begun + crc32(begun).to_bytes(4)


def encode_event(kind: str, fields: dict[str, Any]) -> bytes:
    """An event with a JSON payload."""
    return _encode("event", ":event-type", kind, fields)


def encode_exception(kind: str, message: str) -> bytes:
    """An exception that the service models."""
    return _encode("exception", ":exception-type", kind, {"message": message})


def _encode(message_type: str, name: str, kind: str, fields: dict[str, Any]) -> bytes:
    headers = {
        name: kind,
        ":content-type": "application/json",
        ":message-type": message_type,
    }
    return encode_message(headers, json.dumps(fields, ensure_ascii=False).encode())

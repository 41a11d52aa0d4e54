"""Texts that hold a secret in some code."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

ESCAPES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "a path": lambda text: quote(text, safe=""),
    "a query": quote_plus,
}

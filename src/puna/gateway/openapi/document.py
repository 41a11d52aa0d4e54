"""The rows of `gateway/endpoints.py` as an OpenAPI 3.1 document.

Source: OpenAPI Specification 3.1.1, https://spec.openapis.org/oas/v3.1.1.html, read 2026-11-26.
It says what a gateway like this takes and gives, not what one is configured with: no model, host
or key is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from puna.gateway.endpoints import ENDPOINTS, SUMMARIES, Action, Endpoint
from puna.gateway.openapi.replies import REPLIES, ReplyShape, reply_schemas
from puna.gateway.openapi.requests import REQUESTS, RequestShape, request_schemas
from puna.governance.keys import KEY_HEADERS
from puna.version import __version__

Fields = dict[str, Any]

_BEARER = "bearer"
_AUTHORIZATION = "authorization"
_ABOUT = """\
OpenAI's, Anthropic's and the Responses API over the models of this gateway.

A model's name may hold slashes, also in a path, where they may be written `%2F`. HEAD is answered
like GET, OPTIONS always. Fields of a request that are not described here are passed on to the
host, or left out and told in `x-puna-dropped-params`, as the guides say.
"""

_MESSAGES: frozenset[Action] = frozenset(("messages", "count_tokens"))
_EITHER: frozenset[Action] = frozenset(("models", "model"))
"""Clients of both APIs ask these, and the header `anthropic-version` tells which."""

_PATH_NAMES: dict[str, Fields] = {
    "model": {"type": "string", "minLength": 1, "maxLength": 256},
    "response_id": {"type": "string", "minLength": 1},
}
_STATUSES: dict[str, str] = {
    "400": "The request is wrong; `param` names the field.",
    "401": "There is no key, or it is not one of this gateway's.",
    "403": "A page of another site asks a gateway without a key.",
    "404": "There is no such model, or no such response.",
    "405": "The id is the name of another path, which takes another method.",
    "413": "The body is larger than this gateway's limit.",
    "429": "The host's limit is reached; `retry-after` says for how long.",
    "4XX": "The host refused: its own status.",
    "500": "The gateway failed; its log says why.",
    "5XX": "The host failed, cannot be reached, or did not answer in time.",
}


def make_document(*, is_open: bool = False, key_header: str | None = None) -> Fields:
    """The document of a gateway: `is_open` where it asks for no key.

    `key_header` is the header that its operator named for the key.
    """
    headers = (key_header.lower(), *KEY_HEADERS) if key_header else KEY_HEADERS
    schemes = {_BEARER: {"type": "http", "scheme": "bearer"}} | {
        name: {"type": "apiKey", "in": "header", "name": name}
        for name in headers
        if name != _AUTHORIZATION
    }
    security: list[dict[str, list[str]]] = [{}] if is_open else []
    security += [{name: []} for name in schemes]
    paths: dict[str, Fields] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, security)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Puna",
            "summary": "An OpenAI-compatible gateway.",
            "description": _ABOUT,
            "version": __version__,
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**request_schemas(), **reply_schemas()}.items())),
            "securitySchemes": schemes,
        },
    }


def _operation(one: Endpoint, security: list[dict[str, list[str]]]) -> Fields:
    request = REQUESTS.get(one.action)
    operation: Fields = {
        "operationId": _operation_id(one),
        "summary": SUMMARIES[one.action],
        "security": security if one.needs_key else [],
    }
    parameters = [*_path_parameters(one.path), *_more_parameters(one.action)]
    if parameters:
        operation["parameters"] = parameters
    if request is not None:
        operation["requestBody"] = _request_body(request, has_model="{model}" in one.path)
    operation["responses"] = _responses(one, REPLIES[one.action])
    return operation


def _operation_id(one: Endpoint) -> str:
    return f"{one.method.lower()}_{re.sub('[^a-z0-9]+', '_', one.path).strip('_') or 'home'}"


def _path_parameters(path: str) -> Iterable[Fields]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": _PATH_NAMES[name]}


def _more_parameters(action: Action) -> list[Fields]:
    if action == "input_items":
        known = {
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "order": {"enum": ["asc", "desc"], "default": "desc"},
            "after": {"type": "string"},
        }
        return [{"name": name, "in": "query", "schema": schema} for name, schema in known.items()]
    if action == "response":
        replayed = {
            "stream": {"type": "boolean", "default": False},
            "starting_after": {"type": "integer", "minimum": 0},
        }
        return [{"name": n, "in": "query", "schema": schema} for n, schema in replayed.items()]
    if action in _EITHER:
        about = "With this header the answer has Anthropic's form."
        version = {"name": "anthropic-version", "in": "header", "schema": {"type": "string"}}
        return [{**version, "description": about}]
    return []


def _request_body(shape: RequestShape, *, has_model: bool) -> Fields:
    """The body; where the path names the model, the body need not."""
    needed = [name for name in shape.required if name != "model" or not has_model]
    schema = {"allOf": [_ref(shape.schema)], "type": "object", "required": needed}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _responses(one: Endpoint, shape: ReplyShape) -> Fields:
    responses: Fields = {}
    if shape.content:
        responses["200"] = {"description": SUMMARIES[one.action], "content": shape.content}
    for status in shape.statuses:
        responses[status] = {"description": _STATUSES[status], "content": _error(one.action)}
    return responses


def _error(action: Action) -> Fields:
    names = ("Error", "MessagesError") if action in _EITHER else ("Error",)
    if action in _MESSAGES:
        names = ("MessagesError",)
    schemas = [_ref(name) for name in names]
    schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> Fields:
    return {"$ref": f"#/components/schemas/{name}"}

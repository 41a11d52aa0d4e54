"""The rows of `gateway/endpoints/table.py` as an OpenAPI 3.1 document.

Source: OpenAPI Specification 3.1.1, https://spec.openapis.org/oas/v3.1.1.html, read 2026-11-26.
It says what a gateway like this takes and gives, not what one is configured with: no model, host
or key is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from puna.gateway.admin.fields import schema_of
from puna.gateway.endpoints.admin_table import BODIES
from puna.gateway.endpoints.rows import BodyShape, Endpoint
from puna.gateway.endpoints.table import ENDPOINTS
from puna.gateway.openapi.replies import content_of, reply_schemas
from puna.gateway.openapi.requests import request_schemas
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
    "409": "There is one of this id already.",
    "413": "The body is larger than this gateway's limit.",
    "429": "The host's limit is reached; `retry-after` says for how long.",
    "4XX": "The host refused: its own status.",
    "500": "The gateway failed; its log says why.",
    "503": "The database cannot be used.",
    "5XX": "The host failed, cannot be reached, or did not answer in time.",
}


def make_document(
    endpoints: Sequence[Endpoint] = ENDPOINTS,
    *,
    is_open: bool = False,
    key_header: str | None = None,
) -> Fields:
    """The document of a gateway with these endpoints: `is_open` where it asks for no key.

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
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, security)
    bodies = {one.body.schema for one in endpoints if one.body is not None} & BODIES.keys()
    schemas = {
        **request_schemas(),
        **reply_schemas(),
        **{name: schema_of(BODIES[name]) for name in bodies},
    }
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
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": schemes,
        },
    }


def _operation(one: Endpoint, security: list[dict[str, list[str]]]) -> Fields:
    """One endpoint as an OpenAPI operation object."""
    operation: Fields = {
        "operationId": _operation_id(one),
        "summary": one.summary,
        "security": security if one.needs_key else [],
    }
    parameters = [*_path_parameters(one.path), *one.parameters]
    if parameters:
        operation["parameters"] = parameters
    if one.body is not None:
        operation["requestBody"] = _request_body(one.body, has_model="{model}" in one.path)
    operation["responses"] = _responses(one)
    return operation


def _operation_id(one: Endpoint) -> str:
    """The unique id of an operation, made from its method and path."""
    return f"{one.method.lower()}_{re.sub('[^a-z0-9]+', '_', one.path).strip('_') or 'home'}"


def _path_parameters(path: str) -> Iterable[Fields]:
    """Describe the variables in an endpoint's path."""
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": _PATH_NAMES[name]}


def _request_body(shape: BodyShape, *, has_model: bool) -> Fields:
    """Describe an endpoint's body. `has_model`: the path names the model, so the body need not."""
    needed = [name for name in shape.required if name != "model" or not has_model]
    schema = {"allOf": [_schema_ref(shape.schema)], "type": "object", "required": needed}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _responses(one: Endpoint) -> Fields:
    """Describe an endpoint's success and its error statuses."""
    responses: Fields = {}
    content = content_of(one.answer)
    if content:
        responses["200"] = {"description": one.summary, "content": content}
    schemas = [_schema_ref(name) for name in one.answer.errors]
    schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
    for status in one.answer.statuses:
        error = {"application/json": {"schema": schema}}
        responses[status] = {"description": _STATUSES[status], "content": error}
    return responses


def _schema_ref(name: str) -> Fields:
    """A reference to a named schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}

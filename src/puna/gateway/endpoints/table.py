"""The table of the gateway's endpoints: a row for each path, with handler and description.

A handler that returns `Work` asks hosts, which costs something: the router (`app.py`) has the work
admitted before it runs. `rows.py` has the types, `paths.py` finds the row of a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from puna.gateway.answers.replies import Reply, json_reply
from puna.gateway.answers.sending import Caller
from puna.gateway.deployments.directory import Directory
from puna.gateway.endpoints.codex_models import asks_catalog, codex_catalog
from puna.gateway.endpoints.inputs import serve_embedding, serve_moderation
from puna.gateway.endpoints.messages import count_tokens, create_message
from puna.gateway.endpoints.messages_replies import (
    get_messages_model,
    list_messages_models,
    speaks_messages,
)
from puna.gateway.endpoints.rows import (
    Access,
    AnswerShape,
    BodyShape,
    Endpoint,
    GatewayParts,
    Handler,
)
from puna.gateway.endpoints.status import (
    ask_health,
    get_model,
    known_health,
    list_models,
    model_info,
)
from puna.version import __version__

# The statuses of errors of endpoints that ask hosts; that count tokens; that read stored responses;
# that only need a key; that are open to anyone.
_CALL = ("400", "401", "403", "404", "413", "429", "4XX", "500", "5XX")
_COUNT = ("400", "401", "403", "404", "413", "500")
_STORED = ("400", "401", "403", "404", "405", "500")
_KEYED = ("401", "403", "500")
_PUBLIC = ("403", "500")

_OF_MESSAGES = ("MessagesError",)
_OF_BOTH = ("Error", "MessagesError")
"""Clients of both APIs list models; the header `anthropic-version` says which API it is."""
_VERSION: Mapping[str, Any] = {
    "name": "anthropic-version",
    "in": "header",
    "schema": {"type": "string"},
    "description": "With this header the answer has Anthropic's form.",
}


def _query(**schemas: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The OpenAPI description of query parameters, from their names and schemas."""
    return tuple({"name": n, "in": "query", "schema": schema} for n, schema in schemas.items())


def _rows(  # noqa: PLR0913 - the columns of the table; all but two by keyword
    method: str,
    paths: Iterable[str],
    *,
    name: str,
    summary: str,
    handler: Handler,
    answer: AnswerShape,
    body: BodyShape | None = None,
    access: Access = "key",
    parameters: tuple[Mapping[str, Any], ...] = (),
) -> tuple[Endpoint, ...]:
    """One row for each of several paths with the same endpoint."""
    return tuple(
        Endpoint(method, path, name, summary, handler, answer, body, access, parameters)
        for path in paths
    )


def _with_v1(path: str) -> tuple[str, str]:
    """A path without and with `/v1`: the base URL of a client may lack either."""
    return path, f"/v1{path}"


def _model_paths(path: str) -> tuple[str, str]:
    """The paths with the model's name, of older clients and of Azure's."""
    return f"/engines/{{model}}{path}", f"/openai/deployments/{{model}}{path}"


def _responses_paths(path: str) -> tuple[str, ...]:
    """A path below `/responses`, under the three prefixes that clients use."""
    return tuple(f"{place}/responses{path}" for place in ("", "/v1", "/openai/v1"))


def _messages_paths(path: str = "") -> tuple[str, ...]:
    """A path below `/messages`, under the three prefixes that clients use."""
    return tuple(f"{place}/messages{path}" for place in ("", "/v1", "/anthropic/v1"))


ENDPOINTS: tuple[Endpoint, ...] = (
    *_rows(
        "POST",
        (*_with_v1("/chat/completions"), *_model_paths("/chat/completions")),
        name="chat",
        summary="a chat completion, whole or as a stream of events",
        handler=lambda parts, request: parts.pipeline.chat(request.body, request.caller),
        body=BodyShape("ChatRequest", ("model", "messages")),
        answer=AnswerShape(("ChatCompletion",), _CALL, "ChatCompletionChunk", ends_with_done=True),
    ),
    *_rows(
        "POST",
        (*_with_v1("/completions"), *_model_paths("/completions")),
        name="text",
        summary="a text completion, at a host that has them, else over chat",
        handler=lambda parts, request: parts.pipeline.text(request.body, request.caller),
        body=BodyShape("TextRequest", ("model", "prompt")),
        answer=AnswerShape(("TextCompletion",), _CALL, "TextCompletion", ends_with_done=True),
    ),
    *_rows(
        "POST",
        (*_with_v1("/embeddings"), *_model_paths("/embeddings")),
        name="embedding",
        summary="a vector for each text, whole",
        handler=lambda parts, request: serve_embedding(
            parts.pipeline, request.body, request.caller
        ),
        body=BodyShape("EmbeddingRequest", ("model", "input")),
        answer=AnswerShape(("EmbeddingResponse",), _CALL),
    ),
    *_rows(
        "POST",
        _with_v1("/moderations"),
        name="moderation",
        summary="a verdict on each text, from a host that gives them",
        handler=lambda parts, request: serve_moderation(
            parts.pipeline, request.body, request.caller
        ),
        body=BodyShape("ModerationRequest", ("model", "input")),
        answer=AnswerShape(("ModerationResponse",), _CALL),
    ),
    *_rows(
        "POST",
        _responses_paths(""),
        name="respond",
        summary="a response, from hosts that speak the API, else over chat",
        handler=lambda parts, request: parts.responses.create(request.body, request.caller),
        body=BodyShape("ResponseRequest", ("model", "input")),
        answer=AnswerShape(("Response",), _CALL, "ResponseEvent"),
    ),
    *_rows(
        "POST",
        _responses_paths("/input_tokens"),
        name="count_input",
        summary="the tokens of a response's input",
        handler=lambda parts, request: parts.responses.count(request.body, request.caller),
        body=BodyShape("ResponseInput", ("model", "input")),
        answer=AnswerShape(("InputTokens",), _COUNT),
    ),
    *_rows(
        "POST",
        _responses_paths("/compact"),
        name="compact",
        summary="a conversation as one shorter item, by a summary of the model",
        handler=lambda parts, request: parts.responses.compact(request.body, request.caller),
        body=BodyShape("ResponseInput", ("model",)),
        answer=AnswerShape(("Compaction",), _CALL),
    ),
    *_rows(
        "GET",
        _responses_paths("/{response_id}/input_items"),
        name="input_items",
        summary="the input of a stored response",
        handler=lambda parts, request: parts.responses.input_items(
            request.response_id, request.caller
        ),
        answer=AnswerShape(("InputItems",), _STORED),
        parameters=_query(
            limit={"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            order={"enum": ["asc", "desc"], "default": "desc"},
            after={"type": "string"},
        ),
    ),
    *_rows(
        "POST",
        _responses_paths("/{response_id}/cancel"),
        name="cancel_response",
        summary="refused: nothing runs in the background",
        handler=lambda parts, request: parts.responses.cancel(request.response_id, request.caller),
        answer=AnswerShape((), _STORED),
    ),
    *_rows(
        "GET",
        _responses_paths("/{response_id}"),
        name="response",
        summary="a stored response",
        handler=lambda parts, request: parts.responses.get(request.response_id, request.caller),
        answer=AnswerShape(("Response",), _STORED, "ResponseEvent"),
        parameters=_query(
            stream={"type": "boolean", "default": False},
            starting_after={"type": "integer", "minimum": 0},
        ),
    ),
    *_rows(
        "DELETE",
        _responses_paths("/{response_id}"),
        name="forget_response",
        summary="deletes a stored response",
        handler=lambda parts, request: parts.responses.delete(request.response_id, request.caller),
        answer=AnswerShape(("DeletedResponse",), _STORED),
    ),
    *_rows(
        "GET",
        _with_v1("/models"),
        name="models",
        summary="the models by name",
        handler=lambda parts, request: _list_models(parts.directory, request.caller),
        answer=AnswerShape(("Models", "MessagesModels"), _KEYED, errors=_OF_BOTH),
        parameters=(_VERSION,),
    ),
    *_rows(
        "GET",
        _with_v1("/models/{model}"),
        name="model",
        summary="one model; its name may hold slashes",
        handler=lambda parts, request: _get_model(parts.directory, request.model, request.caller),
        answer=AnswerShape(
            ("Model", "MessagesModel"), ("400", "401", "403", "404", "500"), errors=_OF_BOTH
        ),
        parameters=(_VERSION,),
    ),
    *_rows(
        "GET",
        _with_v1("/model/info"),
        name="model_info",
        summary="what each deployment is, without key and address",
        handler=lambda parts, request: json_reply(
            model_info(parts.directory, request.caller.allows_model)
        ),
        answer=AnswerShape(("ModelInfo",), _KEYED),
    ),
    *_rows(
        "POST",
        _messages_paths(),
        name="messages",
        summary="a message in Anthropic's shape, over chat, whole or as a stream of events",
        handler=lambda parts, request: create_message(
            parts.pipeline,
            request.body,
            request.caller,
        ),
        body=BodyShape("MessagesRequest", ("model", "messages", "max_tokens")),
        answer=AnswerShape(("MessagesMessage",), _CALL, "MessagesEvent", errors=_OF_MESSAGES),
    ),
    *_rows(
        "POST",
        _messages_paths("/count_tokens"),
        name="count_tokens",
        summary="the tokens of a message's request",
        handler=lambda parts, request: count_tokens(parts.pipeline, request.body, request.caller),
        body=BodyShape("MessagesRequest", ("model", "messages")),
        answer=AnswerShape(("MessagesTokens",), _COUNT, errors=_OF_MESSAGES),
    ),
    *_rows(
        "GET",
        ("/health",),
        name="health",
        summary="what past calls showed of each deployment; asks nobody",
        handler=lambda parts, request: json_reply(
            known_health(
                parts.directory,
                parts.health,
                parts.clock.monotonic(),
                request.caller.allows_model,
            )
        ),
        answer=AnswerShape(("Health",), _KEYED),
    ),
    *_rows(
        "POST",
        ("/health",),
        name="ask_health",
        summary="asks every deployment for one token",
        handler=lambda parts, request: ask_health(parts.pipeline, request.caller),
        answer=AnswerShape(("Health",), _KEYED),
    ),
    *_rows(
        "GET",
        ("/health/liveliness", "/health/liveness"),
        name="alive",
        summary="the process answers",
        handler=lambda _, __: json_reply("I'm alive!"),
        answer=AnswerShape(("Alive",), _PUBLIC),
        access="anyone",
    ),
    *_rows(
        "GET",
        ("/health/readiness",),
        name="ready",
        summary="the gateway can take requests",
        handler=lambda parts, _: _reply_ready(parts),
        answer=AnswerShape(("Ready",), _PUBLIC),
        access="anyone",
    ),
    *_rows(
        "GET",
        ("/",),
        name="home",
        summary="the list of paths, as text",
        handler=lambda parts, _: _reply_home(parts),
        answer=AnswerShape(("text",), _PUBLIC),
        access="anyone",
    ),
    *_rows(
        "GET",
        ("/routes",),
        name="routes",
        summary="the list of paths, as JSON",
        handler=lambda parts, _: json_reply({"routes": _list_paths(parts)}),
        answer=AnswerShape(("Routes",), _PUBLIC),
        access="anyone",
    ),
    *_rows(
        "GET",
        ("/openapi.json",),
        name="openapi",
        summary="this gateway's OpenAPI document",
        handler=lambda parts, _: parts.describe(),
        answer=AnswerShape(("object",), _PUBLIC),
        access="anyone",
    ),
)


def _list_paths(parts: GatewayParts) -> list[str]:
    """`METHOD /path` of every row."""
    return [f"{one.method} {one.path}" for one in parts.endpoints]


def _list_models(directory: Directory, caller: Caller) -> Reply:
    """The list of models in the format of the client's API: Anthropic's, Codex's or OpenAI's."""
    if speaks_messages(caller.head):
        return json_reply(list_messages_models(directory, caller.allows_model))
    if asks_catalog(caller.head.query):
        return json_reply(codex_catalog(directory, caller.allows_model))
    return json_reply(list_models(directory, caller.allows_model))


def _get_model(directory: Directory, name: str, caller: Caller) -> Reply:
    """One model, in the format of the client's API. Raises NotFoundError for an unknown name."""
    get_one = get_messages_model if speaks_messages(caller.head) else get_model
    return json_reply(get_one(directory, name, caller.allows_model))


def _reply_ready(parts: GatewayParts) -> Reply:
    """The answer of the health checks for orchestrators.

    Always healthy: requests are served without the database, too.
    """
    database = "Not connected"
    if parts.admin is not None and parts.admin.is_connected:
        database = "connected"
    return json_reply({"status": "healthy", "db": database, "puna_version": __version__})


def _reply_home(parts: GatewayParts) -> Reply:
    """The page at `/`: the version and all paths, as text."""
    lines = [f"Puna {__version__}: an OpenAI-compatible gateway.", "", *_list_paths(parts)]
    return Reply(200, "\n".join(lines).encode() + b"\n", {}, b"text/plain; charset=utf-8")

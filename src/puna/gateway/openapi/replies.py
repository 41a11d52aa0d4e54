"""What each endpoint answers: the public types' own schemas, and the few that have no type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic.json_schema import models_json_schema

from puna.gateway.endpoints.rows import AnswerShape
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.completions import TextCompletion
from puna.types.embeddings import EmbeddingResponse
from puna.types.moderations import ModerationResponse
from puna.types.responses import Compaction, Response, ResponseEvent

Schema = dict[str, Any]

_REF = "#/components/schemas/{model}"
_TYPES = (
    ChatCompletion,
    ChatCompletionChunk,
    TextCompletion,
    EmbeddingResponse,
    ModerationResponse,
    Response,
    ResponseEvent,
    Compaction,
)
_ALWAYS: Mapping[str, tuple[str, ...]] = {
    "ChatCompletion": ("object",),
    "Choice": ("index", "finish_reason", "logprobs"),
    "Message": ("role", "content", "refusal", "annotations"),
    "TextCompletion": ("object",),
    "TextChoice": ("text", "index", "logprobs", "finish_reason"),
    "EmbeddingResponse": ("object", "usage"),
    "Embedding": ("object", "index"),
    "Response": ("object", "output", "error", "incomplete_details"),
}
"""Fields with a default that the gateway's answers have all the same."""


def _json_content(*names: str) -> Schema:
    """The content of a JSON reply: one of the named schemas."""
    schemas = [{"$ref": _REF.format(model=name)} for name in names]
    return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}


def _event_content(name: str, last: str | None = None) -> Schema:
    """The content of a stream, described by one event.

    OpenAPI 3.1 cannot describe the whole stream.
    """
    data: Schema = {"type": "string", "contentMediaType": "application/json"}
    data["contentSchema"] = {"$ref": _REF.format(model=name)}
    if last is not None:
        data = {"anyOf": [{"const": last}, data]}
    properties = {"event": {"type": "string"}, "data": data}
    event = {"type": "object", "properties": properties, "required": ["data"]}
    return {"text/event-stream": {"schema": {"description": "Each event.", **event}}}


_DONE = "[DONE]"
_PLAIN: Mapping[str, Schema] = {
    "text": {"text/plain": {"schema": {"type": "string"}}},
    "object": {"application/json": {"schema": {"type": "object"}}},
}


def content_of(answer: AnswerShape) -> Schema:
    """What a successful answer of an endpoint holds, by media type; empty where nothing does."""
    if not answer.whole:
        return {}
    content = _PLAIN.get(answer.whole[0]) or _json_content(*answer.whole)
    if not answer.event:
        return content
    return content | _event_content(answer.event, _DONE if answer.ends_with_done else None)


def reply_schemas() -> dict[str, Schema]:
    """The schema of every answer, by name."""
    # Validation's schemas: those of serialization ask for every field with a default.
    _, made = models_json_schema([(one, "validation") for one in _TYPES], ref_template=_REF)
    types = cast("dict[str, Schema]", made["$defs"])
    for name, always in _ALWAYS.items():
        types[name]["required"] = list(dict.fromkeys((*types[name].get("required", ()), *always)))
    return {**types, **_OTHERS}


_STRING: Schema = {"type": "string"}
_COUNTED: Schema = {"type": "integer", "minimum": 0}
_MAYBE_STRING: Schema = {"type": ["string", "null"]}
_MAYBE_COUNTED: Schema = {"type": ["integer", "null"]}


def _object_schema(
    needed: Mapping[str, Schema], beside: Mapping[str, Schema] | None = None, **more: Any
) -> Schema:
    """The schema of an object. The fields `needed` are required, those of `beside` are not."""
    properties = {**needed, **(beside or {})}
    return {"type": "object", "properties": properties, "required": list(needed), **more}


def _list_schema(name: str) -> Schema:
    """The schema of a list of a named schema's values."""
    return {"type": "array", "items": {"$ref": _REF.format(model=name)}}


_ANY_OBJECT: Schema = {"type": "object"}
_ANY_LIST: Schema = {"type": "array", "items": _ANY_OBJECT}

_OTHERS: Mapping[str, Schema] = {
    "Error": _object_schema(
        {
            "error": _object_schema(
                {"message": _STRING, "type": _STRING, "param": _MAYBE_STRING, "code": _STRING}
            )
        }
    ),
    "MessagesError": _object_schema(
        {
            "type": {"const": "error"},
            "error": _object_schema({"type": _STRING, "message": _STRING}),
            "request_id": _STRING,
        }
    ),
    "MessagesMessage": _object_schema(
        {
            "id": _STRING,
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "model": _STRING,
            "content": {
                "type": "array",
                "items": _object_schema({"type": {"enum": ["text", "thinking", "tool_use"]}}),
            },
            "stop_reason": _MAYBE_STRING,
            "stop_sequence": _MAYBE_STRING,
            "usage": _object_schema({"input_tokens": _COUNTED, "output_tokens": _COUNTED}),
        }
    ),
    "MessagesEvent": _object_schema({"type": _STRING}),
    "MessagesTokens": _object_schema({"input_tokens": _COUNTED}),
    "DeletedResponse": _object_schema(
        {"id": _STRING, "object": {"const": "response"}, "deleted": {"const": True}}
    ),
    "InputItems": _object_schema(
        {
            "object": {"const": "list"},
            "data": _ANY_LIST,
            "first_id": _MAYBE_STRING,
            "last_id": _MAYBE_STRING,
            "has_more": {"type": "boolean"},
        }
    ),
    "InputTokens": _object_schema(
        {"object": {"const": "response.input_tokens"}, "input_tokens": _COUNTED}
    ),
    "Model": _object_schema(
        {
            "id": _STRING,
            "object": {"const": "model"},
            "created": {"type": "integer"},
            "owned_by": _STRING,
        },
        {
            "mode": _STRING,
            "max_input_tokens": _MAYBE_COUNTED,
            "max_output_tokens": _MAYBE_COUNTED,
        },
    ),
    "Models": _object_schema({"object": {"const": "list"}, "data": _list_schema("Model")}),
    "MessagesModel": _object_schema(
        {
            "type": {"const": "model"},
            "id": _STRING,
            "display_name": _STRING,
            "created_at": _STRING,
            "max_input_tokens": _MAYBE_COUNTED,
            "max_tokens": _MAYBE_COUNTED,
        }
    ),
    "MessagesModels": _object_schema(
        {
            "data": _list_schema("MessagesModel"),
            "has_more": {"const": False},
            "first_id": _MAYBE_STRING,
            "last_id": _MAYBE_STRING,
        }
    ),
    "ModelInfo": _object_schema(
        {
            "data": {
                "type": "array",
                "items": _object_schema(
                    {
                        "model_name": _STRING,
                        "litellm_params": _object_schema({"model": _STRING}),
                        "model_info": _object_schema({"id": _STRING}),
                    }
                ),
            }
        }
    ),
    "Health": _object_schema(
        {
            "healthy_endpoints": _ANY_LIST,
            "unhealthy_endpoints": _ANY_LIST,
            "healthy_count": _COUNTED,
            "unhealthy_count": _COUNTED,
            "asked": {"type": "boolean"},
        }
    ),
    "Alive": _STRING,
    "Ready": _object_schema({"status": _STRING, "db": _STRING, "puna_version": _STRING}),
    "Routes": _object_schema({"routes": {"type": "array", "items": _STRING}}),
}

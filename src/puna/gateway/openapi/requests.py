"""What each endpoint takes: the fields that this gateway looks into."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from puna.types.embeddings import EMBEDDING_PARAMS, MOST_INPUTS
from puna.types.model_request import ParamChecks
from puna.types.option_kinds import Scope
from puna.types.option_scopes import CHAT_OPTIONS, REFUSED_IN_REQUESTS, options_in
from puna.types.requests import PARAMS

Schema = dict[str, Any]


_LARGEST = 2**63 - 1
_STRING: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_OBJECT: Schema = {"type": "object"}
_NUMBER: Schema = {"type": "number"}
_WHOLE: Schema = {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST}
_COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
_OBJECTS: Schema = {"type": "array", "items": _OBJECT}
_MODEL: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 256,
    "pattern": r"^[^\x00-\x1f\x7f-\xa0]+$",
}

_KINDS: Mapping[str, Schema] = {
    "a boolean": _BOOLEAN,
    "a list": {"type": "array"},
    "a number": _NUMBER,
    "a string": _STRING,
    "a string or a list of strings": {"anyOf": [_STRING, {"type": "array", "items": _STRING}]},
    "a string or an object": {"type": ["string", "object"]},
    "a whole number": _WHOLE,
    "a whole number above 0": _COUNT,
    "a whole number from 0": {"type": "integer", "minimum": 0},
    "a whole number from 0 to 20": {"type": "integer", "minimum": 0, "maximum": 20},
    "an object": _OBJECT,
    "an object or a pydantic class": _OBJECT,
    "float or base64": {"enum": ["float", "base64"]},
}
"""What the checks of parameters say of themselves, as schemas."""

_PART: Schema = {
    "type": "object",
    "properties": {"type": _STRING},
    "required": ["type"],
    "if": {"properties": {"type": {"const": "text"}}},
    "then": {"properties": {"text": _STRING}, "required": ["text"]},
    "else": {
        "if": {"properties": {"type": {"const": "image_url"}}},
        "then": {
            "properties": {
                "image_url": {
                    "anyOf": [
                        _STRING,
                        {"type": "object", "properties": {"url": _STRING}, "required": ["url"]},
                    ]
                }
            },
            "required": ["image_url"],
        },
    },
}
_CONTENT: Schema = {"anyOf": [_STRING, {"type": "array", "items": _PART}]}
_CALL: Schema = {"type": "object", "properties": {"function": _OBJECT}, "required": ["function"]}


def _message(roles: list[str], *needed: str, **fields: Schema) -> Schema:
    """The schema of a chat message with one of `roles`; `needed` are its required fields."""
    properties = {"role": {"enum": roles}, "content": _CONTENT, **fields}
    return {"type": "object", "properties": properties, "required": ["role", *needed]}


_MESSAGES: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {
        "anyOf": [
            _message(["system", "developer", "user", "function"], "content"),
            _message(["assistant"], "content"),
            _message(
                ["assistant"],
                "tool_calls",
                content={"anyOf": [_CONTENT, {"type": "null"}]},
                tool_calls={"type": "array", "items": _CALL, "minItems": 1},
            ),
            _message(["tool"], "content", "tool_call_id", tool_call_id=_STRING),
        ]
    },
}
_CHAT: Mapping[str, Schema] = {"messages": _MESSAGES, "stream": _BOOLEAN}
_PROMPT: Schema = {"anyOf": [_STRING, {"type": "array", "items": _STRING, "minItems": 1}]}
_TEXT: Mapping[str, Schema] = {"prompt": _PROMPT, "stream": _BOOLEAN, "echo": _BOOLEAN}
_CHAT_ONLY = ("logprobs", "functions", "function_call", "tools", "tool_choice")
_TOKEN_IDS: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_FULL_STRING: Schema = {"type": "string", "minLength": 1}
_EMBEDDED: Mapping[str, Schema] = {
    "input": {
        "anyOf": [
            _FULL_STRING,
            _TOKEN_IDS,
            *(
                {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_INPUTS}
                for one in (_FULL_STRING, _TOKEN_IDS)
            ),
        ]
    }
}
_JUDGED: Mapping[str, Schema] = {
    "input": {
        "anyOf": [
            _FULL_STRING,
            {"type": "array", "items": {"type": ["string", "object"]}, "minItems": 1},
        ]
    }
}
_BLOCK: Schema = {"type": "object", "properties": {"type": _STRING}, "required": ["type"]}
_TURNS: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "role": {"enum": ["user", "assistant", "system"]},
            "content": {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": _BLOCK, "minItems": 1},
                ]
            },
        },
        "required": ["role", "content"],
    },
}
_ANTHROPIC: Mapping[str, Schema] = {
    "fallbacks": {"type": ["array", "string"]},  # names here, or Anthropic's own
    "messages": _TURNS,
    "max_tokens": _COUNT,
    "metadata": _OBJECT,
    "stop_sequences": {"type": "array", "items": _STRING},
    "stream": _BOOLEAN,
    "system": {"anyOf": [_STRING, _OBJECTS]},
    "temperature": _NUMBER,
    "thinking": _OBJECT,
    "tool_choice": _OBJECT,
    "tools": _OBJECTS,
    "top_k": _WHOLE,
    "top_p": _NUMBER,
}
_RESPOND: Mapping[str, Schema] = {
    "input": {"anyOf": [_STRING, _OBJECTS]},
    "include": {"type": "array", "items": _STRING},
    "instructions": _STRING,
    "max_output_tokens": _COUNT,
    "metadata": _OBJECT,
    "parallel_tool_calls": _BOOLEAN,
    "previous_response_id": _STRING,
    "reasoning": _OBJECT,
    "store": _BOOLEAN,
    "stream": _BOOLEAN,
    "temperature": _NUMBER,
    "text": _OBJECT,
    "tool_choice": {"type": ["string", "object"]},
    "tools": _OBJECTS,
    "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
    "top_p": _NUMBER,
    "truncation": {"enum": ["auto", "disabled"]},
    "user": _STRING,
}


def request_schemas() -> dict[str, Schema]:
    """The schema of every request body, by name. A null stands for an absent optional field."""
    chat = _param_schemas(PARAMS)
    text = {name: schema for name, schema in chat.items() if name not in _CHAT_ONLY}
    kinds: Mapping[str, Mapping[str, Schema]] = {
        "ChatRequest": {**chat, **_CHAT},
        "TextRequest": {**text, **_TEXT},
        "EmbeddingRequest": {**_param_schemas(EMBEDDING_PARAMS), **_EMBEDDED},
        "ModerationRequest": _JUDGED,
        "MessagesRequest": _ANTHROPIC,
        "ResponseRequest": _RESPOND,
        "ResponseInput": {name: one for name, one in _RESPOND.items() if name != "stream"},
    }
    return {
        name: _body_schema(fields, but=CHAT_OPTIONS if name in _NOT_CHAT else ())
        for name, fields in kinds.items()
    }


def _param_schemas(checks: ParamChecks) -> dict[str, Schema]:
    """The schemas of the parameters that a table of checks knows."""
    return {name: _KINDS[kind] for name, (_, kind) in checks.items()}


_NOT_CHAT = frozenset(("EmbeddingRequest", "ModerationRequest"))
"""Nobody looks into options of chat in these."""
_NEVER_NULL = frozenset(("messages", "prompt", "input", "max_tokens"))


def _body_schema(fields: Mapping[str, Schema], *, but: Collection[str]) -> Schema:
    """The schema of a body: `fields`, the options of Puna but `but`, and the refused fields."""
    kept = {
        option.name: dict(option.kinds[Scope.REQUEST].schema)
        for option in sorted(options_in(Scope.REQUEST))
        if option.name not in but
    }
    given = {
        name: schema if name in _NEVER_NULL else {"anyOf": [schema, {"type": "null"}]}
        for name, schema in {**kept, **fields}.items()
    }
    refused = {name: {"type": "null"} for name in sorted(REFUSED_IN_REQUESTS)}
    return {"type": "object", "properties": {"model": _MODEL, **given, **refused}}

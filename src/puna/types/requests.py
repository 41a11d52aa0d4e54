"""A chat request as a frozen value, checked before anything is sent.

Unknown fields are allowed: an application may use what its host knows. A known field with a wrong
value is a `BadRequestError` that names the field by its path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from typing_extensions import TypeVar, override

from puna.errors import BadRequestError
from puna.types.counts import is_finite_number
from puna.types.display import display, kind_of
from puna.types.messages import read_messages
from puna.types.messages_extras import MessagesExtras
from puna.types.model_request import (
    ModelRequest,
    ParamChecks,
    check_extra_body,
    check_model,
    sort_params,
)
from puna.types.option_kinds import HEADER_NAME
from puna.types.request_source import RequestSource
from puna.types.schema import strict_json_schema

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TOOL_CHOICES = ("none", "auto", "required")
_FRAMING_HEADERS = frozenset(
    ("connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers that the transport writes: a caller's own would let one request look like two."""

_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class ChatRequest(ModelRequest):
    """A chat request in OpenAI's shape.

    Attributes:
        messages: plain dicts, as they are sent.
        rescue_tool_calls: whether calls that the model wrote as text become tool calls; None means
            yes.
        repair_tool_arguments: whether the arguments of such calls are made to fit their schema;
            None means no.
        emulate_response_format: whether answers are checked against a `response_format` that the
            host does not know; None means no.
        read_think_tags: whether `<think>` at the beginning of an answer's text becomes reasoning;
            None means yes in the shapes that have a place for it, which chat is not.
        format_retries: how often another answer is requested then; None means two.
        messages_extras: the parts of a request in the Messages shape that chat has no place for.
        source: the client's names for parts of a request that it made in another shape.
    """

    messages: tuple[dict[str, Any], ...]
    rescue_tool_calls: bool | None = field(default=None, kw_only=True)
    repair_tool_arguments: bool | None = field(default=None, kw_only=True)
    emulate_response_format: bool | None = field(default=None, kw_only=True)
    read_think_tags: bool | None = field(default=None, kw_only=True)
    format_retries: int | None = field(default=None, kw_only=True)
    messages_extras: MessagesExtras | None = field(default=None, kw_only=True)
    source: RequestSource | None = field(default=None, kw_only=True)

    @property
    def wants_usage(self) -> bool:
        """Whether the caller asks for a usage chunk at the end of the stream."""
        return bool((self.params.get("stream_options") or {}).get("include_usage"))

    @classmethod
    @override
    def split(cls, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        return split_params(fields)

    @staticmethod
    @override
    def without_aliases(params: Mapping[str, Any], winners: Mapping[str, Any]) -> Mapping[str, Any]:
        if not any(name in winners for name in _OUTPUT_LIMITS):
            return params
        return {name: value for name, value in params.items() if name not in _OUTPUT_LIMITS}


RequestT_co = TypeVar("RequestT_co", bound=ModelRequest, default=ChatRequest, covariant=True)
"""The kind of request that a value is about; chat unless it says otherwise."""

_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")
_OWN_FIELDS = ("model", "messages", "stream")


def _is_int64(value: Any) -> bool:
    """Whether a value is an int that any host's JSON reader accepts."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and abs(value) < 2**63  # what any host's JSON reader takes


def _is_stop(value: Any) -> bool:
    """Whether a value is a text or a list of texts, as `stop` must be."""
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    )


PARAMS: ParamChecks = {
    "audio": (lambda v: isinstance(v, Mapping), "an object"),
    "frequency_penalty": (is_finite_number, "a number"),
    "function_call": (lambda v: isinstance(v, str | Mapping), "a string or an object"),
    "functions": (lambda v: isinstance(v, list | tuple), "a list"),
    "logit_bias": (lambda v: isinstance(v, Mapping), "an object"),
    "logprobs": (lambda v: isinstance(v, bool), "a boolean"),
    "max_completion_tokens": (lambda v: _is_int64(v) and v >= 0, "a whole number from 0"),
    "max_tokens": (lambda v: _is_int64(v) and v >= 0, "a whole number from 0"),
    "modalities": (lambda v: isinstance(v, list | tuple), "a list"),
    "n": (lambda v: _is_int64(v) and v > 0, "a whole number above 0"),
    "parallel_tool_calls": (lambda v: isinstance(v, bool), "a boolean"),
    "prediction": (lambda v: isinstance(v, Mapping), "an object"),
    "presence_penalty": (is_finite_number, "a number"),
    "prompt_cache_key": (lambda v: isinstance(v, str), "a string"),
    "prompt_cache_retention": (lambda v: isinstance(v, str), "a string"),
    "reasoning_effort": (lambda v: isinstance(v, str), "a string"),
    "response_format": (lambda v: isinstance(v, Mapping | type), "an object or a pydantic class"),
    "safety_identifier": (lambda v: isinstance(v, str), "a string"),
    "seed": (_is_int64, "a whole number"),
    "service_tier": (lambda v: isinstance(v, str), "a string"),
    "stop": (_is_stop, "a string or a list of strings"),
    "store": (lambda v: isinstance(v, bool), "a boolean"),
    "stream_options": (lambda v: isinstance(v, Mapping), "an object"),
    "temperature": (is_finite_number, "a number"),
    "thinking": (lambda v: isinstance(v, Mapping), "an object"),
    "tool_choice": (lambda v: isinstance(v, str | Mapping), "a string or an object"),
    "tools": (lambda v: isinstance(v, list | tuple), "a list"),
    "top_logprobs": (lambda v: _is_int64(v) and 0 <= v <= 20, "a whole number from 0 to 20"),  # noqa: PLR2004 - OpenAI's limit
    "top_p": (is_finite_number, "a number"),
    "user": (lambda v: isinstance(v, str), "a string"),
    "verbosity": (lambda v: isinstance(v, str), "a string"),
    "web_search_options": (lambda v: isinstance(v, Mapping), "an object"),
}
"""OpenAI's chat parameters: what each must be, and how an error says so."""


_OTHER_APIS = {"input": "the Responses API", "prompt": "text completions"}


def _refuse_other_api(fields: Mapping[str, Any]) -> None:
    """Raise BadRequestError for a request of another API, which has no messages."""
    for name, where in _OTHER_APIS.items():
        if name in fields:
            raise BadRequestError(
                f"`{name}` is a field of {where}; give `messages`, or ask that endpoint.",
                param=name,
            )


def make_chat_request(  # noqa: PLR0913 - a request's parts; all but two by keyword
    model: Any,
    messages: Any,
    fields: Mapping[str, Any],
    *,
    stream: Any = False,
    headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    drop_params: bool = False,
    rescue_tool_calls: bool | None = None,
    repair_tool_arguments: bool | None = None,
    emulate_response_format: bool | None = None,
    read_think_tags: bool | None = None,
    format_retries: int | None = None,
    allowed_params: Iterable[str] = (),
    unwanted_params: Iterable[str] = (),
) -> ChatRequest:
    """Check a chat request and freeze it; nothing that was given is changed.

    `fields` are body parameters, known and unknown; None means "not given".

    Raises:
        BadRequestError: something is malformed; `param` names it. Nothing was sent.
    """
    name = check_model(model)
    if stream is not None and not isinstance(stream, bool):
        raise BadRequestError(
            f"`stream` must be true or false, not `{display(stream)}`.", param="stream"
        )
    body = check_extra_body(extra_body, _OWN_FIELDS)
    if messages is None:
        _refuse_other_api(fields)
    params, extra = split_params({**fields, **body})
    return ChatRequest(
        model=name,
        messages=tuple(read_messages(messages)),
        params=params,
        extra=extra,
        headers=check_headers(headers or {}),
        is_stream=bool(stream),
        drop_params=bool(drop_params),
        rescue_tool_calls=rescue_tool_calls,
        repair_tool_arguments=repair_tool_arguments,
        emulate_response_format=emulate_response_format,
        read_think_tags=read_think_tags,
        format_retries=format_retries,
        allowed_params=frozenset(allowed_params),
        unwanted_params=frozenset(unwanted_params),
    )


def split_params(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split fields into OpenAI's parameters, which are checked, and all others.

    Nulls are left out.
    """
    params, extra = sort_params(fields, PARAMS)
    _check_output_limit(params)
    _read_tools(params)
    _read_response_format(params)
    return params, extra


def check_headers(headers: Mapping[Any, Any]) -> dict[str, str]:
    """Check extra request headers against header injection; gives them with lower-case names.

    A None value means "not given".

    Raises:
        BadRequestError: a header cannot be sent, or only the transport may set it.
    """
    if not isinstance(headers, Mapping):
        raise BadRequestError("`extra_headers` must be an object.", param="extra_headers")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        path = f"extra_headers.{display(name)}"
        if not HEADER_NAME.is_right(name):
            raise BadRequestError(f"`{display(name)}` is not a header name.", param=path)
        if name.lower() in _FRAMING_HEADERS:
            raise BadRequestError(f"The header `{name}` is set by Puna; remove it.", param=path)
        if value is None:
            continue
        if not isinstance(value, str | int | float):
            raise BadRequestError(f"The header `{name}` must be a string.", param=path)
        text = str(value).strip(" \t")
        if not _HEADER_VALUE.fullmatch(text):
            raise BadRequestError(
                f"The header `{name}` must be one line of plain ASCII; remove line breaks, "
                "control characters and other letters.",
                param=path,
            )
        checked[name.lower()] = text
    return checked


def _check_output_limit(params: dict[str, Any]) -> None:
    """Keep one of `max_tokens` and `max_completion_tokens`, where both are given and equal."""
    if all(name in params for name in _OUTPUT_LIMITS):
        if params["max_tokens"] != params["max_completion_tokens"]:
            raise BadRequestError(
                "`max_tokens` and `max_completion_tokens` differ; give one of them.",
                param="max_tokens",
            )
        del params["max_tokens"]


def _read_tools(params: dict[str, Any]) -> None:
    """Check `tools` and `tool_choice`, in place."""
    tools = params.get("tools")
    if tools is not None:
        if not tools:
            del params["tools"]
        else:
            params["tools"] = [_read_tool(tool, i) for i, tool in enumerate(tools)]
    choice = params.get("tool_choice")
    if choice is None:
        return
    names = [_function_name(tool) for tool in params.get("tools", ())]
    if isinstance(choice, str):
        if choice not in _TOOL_CHOICES:
            raise BadRequestError(
                f"`tool_choice` must be none, auto, required or a named function, "
                f"not `{display(choice)}`.",
                param="tool_choice",
            )
    else:
        name = _function_name(choice)
        if choice.get("type", "function") == "function" and not isinstance(name, str):
            raise BadRequestError(
                "`tool_choice.function.name` must be a string.", param="tool_choice"
            )
        if isinstance(name, str) and name not in names:
            raise BadRequestError(
                f"`tool_choice` names `{display(name)}`, which is not in `tools`.",
                param="tool_choice",
            )
    if not names and choice in ("auto", "none"):
        del params["tool_choice"]
    elif not names:
        raise BadRequestError("`tool_choice` needs `tools`.", param="tool_choice")


def _function_name(value: Mapping[str, Any]) -> Any:
    """The function's name in a tool or a tool choice, None where there is none."""
    function = value.get("function")
    return function.get("name") if isinstance(function, Mapping) else None


def _read_tool(tool: Any, index: int) -> dict[str, Any]:
    """Check a tool and copy it. Raises BadRequestError."""
    path = f"tools[{index}]"
    if not isinstance(tool, Mapping):
        raise BadRequestError(
            f"`{path}` must be an object such as "
            '{"type": "function", "function": {"name": …, "parameters": …}}, '
            f"not {kind_of(tool)}: give the function's JSON schema.",
            param=path,
        )
    read = dict(cast("Mapping[str, Any]", tool))
    if read.get("type", "function") != "function":
        return read
    function = read.get("function")
    if not isinstance(function, Mapping):
        raise BadRequestError(f"`{path}.function` must be an object.", param=f"{path}.function")
    name = function.get("name")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise BadRequestError(
            f"`{path}.function.name` must be 1 to 64 letters, digits, `_` or `-`, "
            f"not `{display(name)}`.",
            param=f"{path}.function.name",
        )
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise BadRequestError(
            f"`{path}.function.parameters` must be a JSON schema object.",
            param=f"{path}.function.parameters",
        )
    return {**read, "type": "function"}


def _read_response_format(params: dict[str, Any]) -> None:
    """Check `response_format`, in place; a pydantic class becomes its JSON schema."""
    wanted = params.get("response_format")
    if wanted is None:
        return
    if isinstance(wanted, type):
        params["response_format"] = strict_json_schema(wanted)
        return
    kind = wanted.get("type")
    if not isinstance(kind, str):
        raise BadRequestError(
            "`response_format.type` must be text, json_object or json_schema.",
            param="response_format",
        )
    if kind == "json_schema":
        body = wanted.get("json_schema")
        schema = body.get("schema") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(schema, Mapping):
            raise BadRequestError(
                "`response_format.json_schema` needs `name` and `schema`.", param="response_format"
            )
        if not isinstance(body.get("name"), str):
            params["response_format"] = {**wanted, "json_schema": {"name": "response", **body}}


__all__ = [
    "PARAMS",
    "ChatRequest",
    "RequestT_co",
    "check_headers",
    "display",
    "make_chat_request",
    "split_params",
]

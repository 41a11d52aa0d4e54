"""The dialect of the Llama API's own chat protocol, beside its OpenAI-compatible one.

Requests are like OpenAI's with fewer fields; a reply holds one `completion_message`, and a stream
has events of the types start, progress, complete and metrics. Source: the types of Meta's Llama API
client 0.6.0, read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from typing_extensions import override

from puna.dialects.base import ReadContext, StreamReader, Target
from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.openai_replies import mend_text
from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.request_rules import fit_chat, pop_stream_options, unsupported_part
from puna.dialects.stream_faults import malformed_frame
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.requests import ChatRequest
from puna.wire.sse import SSEEvent

_MESSAGE_FIELDS: Mapping[str, frozenset[str]] = {
    "system": frozenset(("role", "content")),
    "user": frozenset(("role", "content")),
    "assistant": frozenset(("role", "content", "stop_reason", "tool_calls")),
    "tool": frozenset(("role", "content", "tool_call_id")),
}
_PART_FIELDS = {"text": ("type", "text"), "image_url": ("type", "image_url")}
_FORMAT = "response_format"
_METRICS = {
    "num_prompt_tokens": "prompt_tokens",
    "num_completion_tokens": "completion_tokens",
    "num_total_tokens": "total_tokens",
}
_READ_FIELDS = frozenset(("completion_message", "event", "metrics"))

_Fields = dict[str, Any]


class LlamaNativeChat(OpenAIChat):
    """Sends chat requests in the Llama API's protocol and parses its replies."""

    @override
    def build_body(
        self, request: ChatRequest, target: Target
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        request, params, left_out = fit_chat(request, target)
        dropped: dict[str, None] = dict.fromkeys(left_out)
        built = [
            _build_message(message, f"messages[{i}]", request, target, dropped)
            for i, message in enumerate(request.messages)
        ]
        # A stream always ends with its metrics.
        dropped.update(dict.fromkeys(pop_stream_options(params, request)))
        if _FORMAT in params:
            params[_FORMAT] = _build_format(params[_FORMAT], dropped)
        body: _Fields = {"model": target.model, "messages": built, **params}
        if request.is_stream:
            body["stream"] = True
        return body, tuple(dropped)

    @override
    def read_body(self, data: dict[str, Any], context: ReadContext) -> ChatCompletion:
        """Convert a decoded body to a completion."""
        given = data.get("completion_message")
        message = dict(cast("_Fields", given)) if isinstance(given, dict) else None
        reason = message.pop("stop_reason", None) if message is not None else None
        choice: _Fields = {"index": 0, "message": message, "finish_reason": reason}
        return super().read_body({**_other_fields(data, data), "choices": [choice]}, context)

    @override
    def stream_reader(self, context: ReadContext) -> StreamReader:
        """A new reader for one streamed reply."""
        return LlamaNativeStreamReader(context)


class LlamaNativeStreamReader(OpenAIStreamReader):
    """Parses one streamed reply. No event marks the end: the metrics come after `complete`."""

    @override
    def read_plain(self, event: SSEEvent) -> ChatCompletionChunk | None:
        return None  # every event is rewritten first

    @override
    def read_frame(self, data: dict[str, Any]) -> list[ChatCompletionChunk]:
        given = data.get("event")
        if not isinstance(given, dict):
            raise malformed_frame("a frame without an event", self._context)
        event = cast("_Fields", given)
        rest = _other_fields(data, event)
        if event.get("event_type") == "metrics":
            return super().read_frame({**rest, "choices": []})
        choice = {
            "index": 0,
            "delta": _delta_of(event.get("delta")),
            "finish_reason": event.get("stop_reason"),
        }
        return super().read_frame({**rest, "choices": [choice]})


def _build_message(
    given: Mapping[str, Any],
    path: str,
    request: ChatRequest,
    target: Target,
    dropped: dict[str, None],
) -> _Fields:
    """Convert a message to the fields that its role has in this protocol.

    Others go to `dropped`.
    """
    known = _MESSAGE_FIELDS.get(given["role"])
    if known is None:
        raise unsupported_part(
            f"{path}.role", f"knows the roles {', '.join(_MESSAGE_FIELDS)}", request, target
        )
    made = {name: value for name, value in given.items() if name in known}
    dropped.update((f"messages[].{name}", None) for name in sorted(given.keys() - known))
    content = made.get("content")
    if isinstance(content, list):
        parts = cast("list[Mapping[str, Any]]", content)
        built = [
            _build_part(part, f"{path}.content[{i}]", request, target, dropped)
            for i, part in enumerate(parts)
        ]
        # An assistant's content is one text here, never a list.
        made["content"] = mend_text(built) if given["role"] == "assistant" else built
    if "tool_calls" in made:
        made["tool_calls"] = [
            {name: value for name, value in call.items() if name != "type"}
            for call in made["tool_calls"]
        ]
    return made


def _build_part(
    part: Mapping[str, Any],
    path: str,
    request: ChatRequest,
    target: Target,
    dropped: dict[str, None],
) -> _Fields:
    """Convert a content part.

    Raises BadRequestError for a type that this protocol does not have.
    """
    known = _PART_FIELDS.get(part["type"])
    if known is None:
        raise unsupported_part(f"{path}.type", "reads text and images only", request, target)
    dropped.update(
        (f"messages[].content[].{name}", None) for name in sorted(part.keys() - {*known})
    )
    made = {name: part[name] for name in known}
    if part["type"] == "image_url":
        image: Mapping[str, Any] = part["image_url"]
        made["image_url"] = {"url": image["url"]}
        more = sorted(image.keys() - {"url"})
        dropped.update((f"messages[].content[].image_url.{name}", None) for name in more)
    return made


def _build_format(wanted: Mapping[str, Any], dropped: dict[str, None]) -> Any:
    """Convert a `response_format` to this protocol's: a name and a schema."""
    given = wanted.get("json_schema")
    if not isinstance(given, Mapping):
        return wanted
    schema = cast("Mapping[str, Any]", given)
    more = sorted(schema.keys() - {"name", "schema"})
    dropped.update((f"{_FORMAT}.json_schema.{name}", None) for name in more)
    kept = {name: schema[name] for name in ("name", "schema") if name in schema}
    return {"type": wanted["type"], "json_schema": kept}


def _delta_of(given: Any) -> _Fields:
    """Convert a piece of an answer to OpenAI's delta. Pieces of calls have no index in either."""
    delta = cast("_Fields", given) if isinstance(given, dict) else {}
    if delta.get("type") != "tool_call":
        return {"content": delta["text"]} if "text" in delta else {}
    return {"tool_calls": [{name: value for name, value in delta.items() if name != "type"}]}


def _other_fields(data: _Fields, holder: _Fields) -> _Fields:
    """The fields around the choice, with the metrics of `holder` as usage."""
    rest = {name: value for name, value in data.items() if name not in _READ_FIELDS}
    usage: _Fields = {}
    metrics = holder.get("metrics") or data.get("metrics")
    for metric in cast("list[Any]", metrics) if isinstance(metrics, list) else ():
        if isinstance(metric, dict):
            one = cast("_Fields", metric)
            name = _METRICS.get(str(one.get("metric")))
            if name is not None:
                usage[name] = one.get("value")
    return {**rest, "usage": usage} if usage else rest

"""Converts Ollama's replies and stream lines to OpenAI's shape.

Source: Ollama's OpenAPI description and its page "Errors", read 2026-11-26. Its calls have no ids
in older versions, and there all have index 0.
"""

from __future__ import annotations

from typing import Any, cast

from typing_extensions import override

from puna.dialects.base import ReadContext
from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.stream_faults import malformed_frame
from puna.types.chat import ChatCompletionChunk
from puna.wire.ndjson import LineDecoder
from puna.wire.sse import SSEEvent

_READ_FIELDS = frozenset((
    "created_at", "done", "done_reason", "eval_count", "logprobs", "message", "model",
    "prompt_eval_count",
))  # fmt: skip
_FINISHES = {"load": "stop", "unload": "stop"}
"""Reasons of a request that only loads a model, or lets it go."""

_Fields = dict[str, Any]


def as_completion(data: _Fields) -> _Fields:
    """Convert a whole reply to the body of a chat completion. Its timings keep their names."""
    message = data.get("message")
    choice: _Fields = {
        "index": 0,
        "message": _read_message(cast("_Fields", message)) if isinstance(message, dict) else None,
        "finish_reason": _finish_reason_of(data),
        **_logprobs_of(data),
    }
    return {**_other_fields(data), "choices": [choice]}


class OllamaStreamReader(OpenAIStreamReader):
    """Parses one streamed reply.

    Each line is a piece of the message, and the last one says `done`.
    """

    def __init__(self, context: ReadContext) -> None:
        super().__init__(context, LineDecoder())
        self._calls = 0

    @override
    def read_plain(self, event: SSEEvent) -> ChatCompletionChunk | None:
        return None  # every line is rewritten first

    @override
    def is_error(self, data: dict[str, Any]) -> bool:
        return bool(data.get("error"))

    @override
    def read_frame(self, data: dict[str, Any]) -> list[ChatCompletionChunk]:
        given = data.get("message")
        if not isinstance(given, dict) and not data.get("done"):
            raise malformed_frame("a line without a message", self._context)
        delta = _read_message(cast("_Fields", given)) if isinstance(given, dict) else {}
        for call in delta.get("tool_calls", ()):
            call["index"] = self._calls
            self._calls += 1
        choice: _Fields = {"index": 0, "delta": delta, **_logprobs_of(data)}
        if not data.get("done"):
            return super().read_frame({"choices": [choice]})
        choice["finish_reason"] = _finish_reason_of(data)
        chunks = super().read_frame({**_other_fields(data), "choices": [choice]})
        return chunks if self.error is not None else chunks + self._read_done()


def _read_message(message: _Fields) -> _Fields:
    """Convert a message, or the piece of one in a line, to OpenAI's fields."""
    rewritten = ("thinking", "tool_calls")
    made = {n: value for n, value in message.items() if n not in rewritten and value is not None}
    thinking, calls = message.get("thinking"), message.get("tool_calls")
    if thinking:
        made["reasoning_content"] = thinking
    if isinstance(calls, list):
        given = cast("list[Any]", calls)
        made["tool_calls"] = [_convert_call(call) for call in given if isinstance(call, dict)]
    return made


def _convert_call(call: _Fields) -> _Fields:
    """Convert a tool call to chat's form."""
    function = call.get("function")
    fields = cast("_Fields", function) if isinstance(function, dict) else {}
    kept = {name: value for name, value in fields.items() if name != "index"}
    return {**call, "type": "function", "function": kept}  # it has no others


def _finish_reason_of(data: _Fields) -> str | None:
    """OpenAI's finish reason for Ollama's; None while the answer goes on."""
    reason = data.get("done_reason")
    return _FINISHES.get(reason, reason) if isinstance(reason, str) and reason else None


def _logprobs_of(data: _Fields) -> _Fields:
    """The field `logprobs` in OpenAI's form; nothing where there are none."""
    given = data.get("logprobs")
    return {"logprobs": {"content": given}} if isinstance(given, list) and given else {}


def _other_fields(data: _Fields) -> _Fields:
    """The fields around the choice: the usage, if both counts are there, and the timings."""
    rest = {name: value for name, value in data.items() if name not in _READ_FIELDS}
    asked, made = data.get("prompt_eval_count"), data.get("eval_count")
    if asked is not None and made is not None:
        rest["usage"] = {"prompt_tokens": asked, "completion_tokens": made}
    return rest

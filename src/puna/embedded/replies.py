"""The engine's answers, whole and streamed, as OpenAI's chat completions.

Both ways give the same message: a tool call becomes `tool_calls`, an answer under a schema is
checked, and what only the engine knows (timings, file names, its build) is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from puna.embedded.checks import check_value, looks_like_json, read_json
from puna.embedded.constrain import Constrained
from puna.embedded.engine_errors import cannot_follow, read_engine_error
from puna.errors import MalformedReplyError, StreamInterruptedError

_KEPT = ("id", "object", "created")
_KEPT_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details")
_CALL_START = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"')


def read_completion(
    reply: Mapping[str, Any], constrained: Constrained, *, id_base: str
) -> dict[str, Any]:
    """An engine's whole reply as a `chat.completion`.

    Tool calls get ids made of `id_base` and the choice's index.

    Raises:
        BadRequestError: the engine could not follow the schema.
        MalformedReplyError: the answer is cut or does not fit the caller's schema.
    """
    choices = [_read_choice(choice, constrained, id_base) for choice in reply.get("choices") or ()]
    if not choices:
        raise MalformedReplyError(
            "The embedded model's process answered without a choice.", provider="embedded"
        )
    made = _envelope(reply, constrained)
    made["object"] = "chat.completion"
    made["choices"] = choices
    usage = reply.get("usage")
    if isinstance(usage, Mapping):
        made["usage"] = _clean_usage(cast("Mapping[str, Any]", usage))
    return made


def _read_choice(
    choice: Mapping[str, Any], constrained: Constrained, id_base: str
) -> dict[str, Any]:
    index = int(choice.get("index", 0))
    text = str((choice.get("message") or {}).get("content") or "")
    finish = choice.get("finish_reason")
    made: dict[str, Any] = {"index": index, "finish_reason": finish}
    if choice.get("logprobs") is not None:
        made["logprobs"] = choice["logprobs"]
    if constrained.shape == "tool_call":
        name, arguments = read_call(text, finish, constrained)
        call = _call(id_base, index, name, arguments)
        made["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
        made["finish_reason"] = "tool_calls"
        return made
    if constrained.shape == "json":
        _check_answer(text, finish, constrained)
    made["message"] = {"role": "assistant", "content": text}
    return made


def read_call(text: str, finish_reason: str | None, constrained: Constrained) -> tuple[str, str]:
    """The function's name and its arguments as JSON text, checked against its parameters."""
    value = read_json(text, finish_reason, param=constrained.param, what="tool call")
    name = cast("Mapping[str, Any]", value).get("name") if isinstance(value, Mapping) else None
    schema = constrained.tools.get(name) if isinstance(name, str) else None
    if schema is None:
        raise cannot_follow(constrained.param, "the engine wrote something that is no call")
    arguments = cast("Mapping[str, Any]", value).get("arguments")
    check_value(arguments, schema, what=f"call of `{name}`")
    return str(name), json.dumps(arguments, ensure_ascii=False)


def _check_answer(text: str, finish_reason: str | None, constrained: Constrained) -> None:
    value = read_json(text, finish_reason, param=constrained.param, what="answer")
    check_value(value, constrained.schema, what="answer")


def fold_stream(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """An engine's chunks as the whole reply that it would have given, with all tokens counted.

    Raises:
        StreamInterruptedError: a choice did not end.
        APIError: the engine sent an error among the chunks.
    """
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    usage = _UsageSum()
    for chunk in chunks:
        _raise_error(chunk)
        whole = whole or _only(chunk, _KEPT)
        usage.add(chunk.get("usage"))
        for piece in chunk.get("choices") or ():
            index = int(piece.get("index", 0))
            empty: dict[str, Any] = {"index": index, "message": {"content": ""}}
            choice = choices.setdefault(index, empty)
            choice["message"]["content"] += (piece.get("delta") or {}).get("content") or ""
            choice["finish_reason"] = piece.get("finish_reason") or choice.get("finish_reason")
            if piece.get("logprobs"):
                kept = choice.setdefault("logprobs", {"content": []})
                kept["content"] += piece["logprobs"].get("content") or []
    ordered = [choices[index] for index in sorted(choices)]
    if not ordered or any(choice["finish_reason"] is None for choice in ordered):
        raise StreamInterruptedError(
            "The embedded model's answer ended before it was complete.", provider="embedded"
        )
    return {**whole, "choices": ordered, "usage": usage.total}


class EngineStream:
    """One streamed reply: engine chunks in, OpenAI chunks out.

    Text passes straight. An answer under a schema passes as it comes and is checked at its end,
    before its `finish_reason`. Of a tool call, the id and the name come as soon as they are
    known, the arguments in one piece once they are checked. The usage of all choices comes in one
    last chunk, from `close`.
    """

    def __init__(self, constrained: Constrained, *, id_base: str) -> None:
        self._constrained = constrained
        self._id_base = id_base
        self._texts: dict[int, str] = {}
        self._named: set[int] = set()
        self._usage = _UsageSum()
        self._envelope: dict[str, Any] = {}

    def feed(self, chunk: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One chunk of the engine, decoded; the chunks that it completes.

        Raises:
            APIError: the engine sent an error.
            BadRequestError, MalformedReplyError: as `read_completion`.
        """
        _raise_error(chunk)
        self._usage.add(chunk.get("usage"))
        self._envelope = self._envelope or _envelope(chunk, self._constrained)
        return [
            {**self._envelope, "choices": [choice]}
            for piece in chunk.get("choices") or ()
            for choice in self._read(piece)
        ]

    def close(self) -> list[dict[str, Any]]:
        """The engine has said that it is done."""
        usage = self._usage.total
        return [{**self._envelope, "choices": [], "usage": usage}] if usage is not None else []

    def _read(self, piece: Mapping[str, Any]) -> list[dict[str, Any]]:
        index = int(piece.get("index", 0))
        delta = piece.get("delta") or {}
        finish = piece.get("finish_reason")
        if self._constrained.shape == "text":
            return [_choice(index, delta, finish, piece.get("logprobs"))]
        text = self._texts[index] = self._texts.get(index, "") + (delta.get("content") or "")
        if not looks_like_json(text):
            raise cannot_follow(self._constrained.param, "the engine found no grammar for it")
        if self._constrained.shape == "tool_call":
            return self._read_call(index, delta, finish)
        if finish is not None:
            _check_answer(text, finish, self._constrained)
        return [_choice(index, delta, finish, piece.get("logprobs"))]

    def _read_call(
        self, index: int, delta: Mapping[str, Any], finish: str | None
    ) -> list[dict[str, Any]]:
        text = self._texts[index]
        made: list[dict[str, Any]] = []
        if "role" in delta:
            made.append(_choice(index, {"role": delta["role"], "content": None}, None))
        if finish is not None:
            name, arguments = read_call(text, finish, self._constrained)
        else:
            found = _CALL_START.match(text)
            name, arguments = (str(json.loads(found.group(1))) if found else ""), ""
        if name and index not in self._named:
            self._named.add(index)
            start = {"index": 0, **_call(self._id_base, index, name, "")}
            made.append(_choice(index, {"tool_calls": [start]}, None))
        if finish is not None:
            rest = {"index": 0, "function": {"arguments": arguments}}
            made.append(_choice(index, {"tool_calls": [rest]}, None))
            made.append(_choice(index, {}, "tool_calls"))
        return made


class _UsageSum:
    """The tokens of all choices: the engine counts each by itself, the same prompt every time."""

    def __init__(self) -> None:
        self.total: dict[str, Any] | None = None

    def add(self, usage: Any) -> None:
        if not isinstance(usage, Mapping):
            return
        more = _clean_usage(cast("Mapping[str, Any]", usage))
        if self.total is None:
            self.total = more
            return
        self.total["completion_tokens"] += more["completion_tokens"]
        self.total["total_tokens"] = self.total["prompt_tokens"] + self.total["completion_tokens"]


def _choice(
    index: int, delta: Mapping[str, Any], finish: str | None, logprobs: Any = None
) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "delta": dict(delta), "finish_reason": finish}
    return choice if logprobs is None else {**choice, "logprobs": logprobs}


def _call(id_base: str, index: int, name: str, arguments: str) -> dict[str, Any]:
    base = id_base.removeprefix("chatcmpl-").replace("-", "")
    return {
        "id": f"call_{base}_{index}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _envelope(reply: Mapping[str, Any], constrained: Constrained) -> dict[str, Any]:
    model = constrained.body.get("model")
    return {**_only(reply, _KEPT), **({"model": model} if model is not None else {})}


def _only(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}


def _clean_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    return _only(usage, _KEPT_USAGE)


def _raise_error(chunk: Mapping[str, Any]) -> None:
    error = chunk.get("error")
    if error is not None:
        code = cast("Mapping[str, Any]", error).get("code") if isinstance(error, Mapping) else None
        raise read_engine_error(code if isinstance(code, int) else 500, chunk)


__all__ = ["EngineStream", "fold_stream", "read_call", "read_completion"]

"""Converts replies of llama.cpp's server, whole and streamed, to OpenAI's protocol.

Both ways give the same message: a tool call becomes `tool_calls`, an answer under a schema is
checked, and what only the server knows (timings, file names, its build) is left out. Ids, roles and
envelopes are set by the dialect, as for every host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from puna.embedded.checks import check_value, looks_like_json, read_json
from puna.embedded.constrain import Constrained
from puna.embedded.server_errors import cannot_follow

_KEPT = ("id", "created")
_KEPT_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details")
_CALL_START = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"')


def read_completion(reply: Mapping[str, Any], constrained: Constrained) -> dict[str, Any]:
    """Convert a server's whole reply to a `chat.completion`.

    Raises:
        BadRequestError: the server could not follow the schema.
        MalformedReplyError: the answer is cut or does not fit the caller's schema.
    """
    made = _only(reply, _KEPT)
    made["choices"] = [_read_choice(choice, constrained) for choice in reply.get("choices") or ()]
    usage = reply.get("usage")
    if usage is not None:
        made["usage"] = _only(usage, _KEPT_USAGE)
    return made


def _read_choice(choice: Mapping[str, Any], constrained: Constrained) -> dict[str, Any]:
    text = str((choice.get("message") or {}).get("content") or "")
    finish = choice.get("finish_reason")
    made = _only(choice, ("index", "finish_reason", "logprobs"))
    if constrained.shape == "tool_call":
        name, arguments = _read_call(text, finish, constrained)
        function = {"name": name, "arguments": arguments}
        call = {"type": "function", "function": function}
        made["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
        made["finish_reason"] = "tool_calls"
        return made
    if constrained.shape == "json":
        _check_answer(text, finish, constrained)
    made["message"] = {"role": "assistant", "content": text}
    return made


def _read_call(text: str, finish_reason: str | None, constrained: Constrained) -> tuple[str, str]:
    """The function's name and its arguments as JSON text, checked against its parameters."""
    value = read_json(text, finish_reason, param=constrained.param, what="tool call")
    name = cast("Mapping[str, Any]", value).get("name") if isinstance(value, Mapping) else None
    schema = constrained.tools.get(name) if isinstance(name, str) else None
    if schema is None:
        raise cannot_follow(constrained.param, "the server wrote something that is no call")
    arguments = cast("Mapping[str, Any]", value).get("arguments")
    check_value(arguments, schema, what=f"call of `{name}`")
    return str(name), json.dumps(arguments, ensure_ascii=False)


def _check_answer(text: str, finish_reason: str | None, constrained: Constrained) -> None:
    """Check a text answer against the caller's schema."""
    value = read_json(text, finish_reason, param=constrained.param, what="answer")
    check_value(value, constrained.schema, what="answer")


class ServerStream:
    """Converts one streamed reply: the server's chunks in, OpenAI chunks out.

    Text is passed on at once. An answer under a schema is passed on as it comes and checked at its
    end, before its `finish_reason`. Of a tool call, the name is given as soon as it is known, the
    arguments in one piece once they are checked. Each usage counts all choices so far.
    """

    def __init__(self, constrained: Constrained) -> None:
        self._constrained = constrained
        self._texts: dict[int, str] = {}
        self._named: set[int] = set()
        self._usage: dict[str, Any] = {}

    def feed(self, chunk: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Convert one decoded chunk of the server; gives the chunks that it completes.

        Raises:
            BadRequestError, MalformedReplyError: as `read_completion`.
        """
        head = _only(chunk, _KEPT)
        made: list[dict[str, Any]] = [
            {**head, "choices": [choice]}
            for piece in chunk.get("choices") or ()
            for choice in self._read(piece)
        ]
        usage = chunk.get("usage")
        if usage is not None:
            made.append({**head, "choices": [], "usage": self._add_usage(usage)})
        return made

    def _read(self, piece: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The chunks of one choice of a server's chunk."""
        index = int(piece.get("index", 0))
        delta = piece.get("delta") or {}
        finish = piece.get("finish_reason")
        if self._constrained.shape == "text":
            return [_choice(index, delta, finish, piece.get("logprobs"))]
        text = self._texts[index] = self._texts.get(index, "") + (delta.get("content") or "")
        if not looks_like_json(text):
            raise cannot_follow(self._constrained.param, "the server found no grammar for it")
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
            name, arguments = _read_call(text, finish, self._constrained)
        else:
            found = _CALL_START.match(text)
            name, arguments = (str(json.loads(found.group(1))) if found else ""), ""
        if name and index not in self._named:
            self._named.add(index)
            start = {"index": 0, "type": "function", "function": {"name": name, "arguments": ""}}
            made.append(_choice(index, {"tool_calls": [start]}, None))
        if finish is not None:
            rest = {"index": 0, "function": {"arguments": arguments}}
            made.append(_choice(index, {"tool_calls": [rest]}, None))
            made.append(_choice(index, {}, "tool_calls"))
        return made

    def _add_usage(self, usage: Mapping[str, Any]) -> dict[str, Any]:
        """The sum of the choices' usage: the server counts each by itself, with the same prompt."""
        total = _only(usage, _KEPT_USAGE)
        if self._usage:
            total["completion_tokens"] += self._usage["completion_tokens"]
            total["total_tokens"] = total["prompt_tokens"] + total["completion_tokens"]
        self._usage = total
        return dict(total)


def _choice(
    index: int, delta: Mapping[str, Any], finish: str | None, logprobs: Any = None
) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "delta": dict(delta), "finish_reason": finish}
    return choice if logprobs is None else {**choice, "logprobs": logprobs}


def _only(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of the fields that have these names."""
    return {name: fields[name] for name in names if name in fields}


__all__ = ["ServerStream", "read_completion"]

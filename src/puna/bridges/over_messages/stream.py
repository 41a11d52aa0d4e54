"""The events of a Messages stream as the deltas of a chat stream.

Texts, thoughts and arguments come as they are written; an opaque block of thinking comes whole when
it ends, and what chat has no place for at the very end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic_core import from_json

from puna.bridges.block_order import (
    BLOCK_ORDER,
    TEXT,
    THINKING,
    THOUGHTS,
    TOOL_USE,
    Entry,
    is_usual,
)
from puna.bridges.over_messages.reply import (
    Fields,
    choice_fields,
    order_fields,
    other_fields,
    unknown_fields,
)
from puna.types.messages import THINKING_BLOCKS
from puna.wire.json_size import check_text

Event = Mapping[str, Any]

_ADDED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
"""Deltas that lengthen a text of their block, and its name in both."""


class MessageEvents:
    """Takes decoded events one by one, gives deltas.

    Attributes:
        answer_id: the message's id, once it is known.
        stop: why the message ended, empty until that is known.
        usage: the tokens; empty until the end tells them, for what the start tells is no sum.
        is_over: whether the last event came.
    """

    def __init__(self) -> None:
        self.answer_id: str | None = None
        self.stop: Fields = {}
        self.usage: Fields = {}
        self.is_over = False
        self._began: Fields = {}
        self._open: dict[int, _Block] = {}
        self._others: list[Fields] = []
        self._unknown: Fields = {}
        self._order: list[Entry] = []
        self._mark: Fields = {}
        self._call_ids: dict[Any, int] = {}

    @property
    def has_begun(self) -> bool:
        """Whether the message began."""
        return self.answer_id is not None

    @property
    def finish_reason(self) -> str | None:
        """Why the message ended, in chat's word."""
        return choice_fields(self.stop)["finish_reason"] if self.stop else None

    def read(self, event: Event) -> list[Fields]:
        """The deltas of the next event. One of an unknown type says nothing, as the API asks.

        Raises:
            ValueError, TypeError, KeyError: it is not what its type says.
        """
        match event["type"]:
            case "message_start":
                message = event["message"]
                self.answer_id = str(message.get("id") or "")
                self._began = dict(message.get("usage") or {})
            case "content_block_start":
                return [*self._start(event["index"], dict(event["content_block"]))]
            case "content_block_delta":
                return [*self._add(self._block_of(event), event["delta"])]
            case "content_block_stop":
                return [*self._end(self._open.pop(event["index"]))]
            case "message_delta":
                self.stop = {**event["delta"]} if event["delta"].get("stop_reason") else self.stop
                self._unknown |= unknown_fields(event)
                told = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
                self.usage = {**self._began, **self.usage, **told}
            case "message_stop":
                self.is_over = True
            case _:
                pass
        return []

    def last(self) -> Fields:
        """What the last delta says beside the finish."""
        order = order_fields([entry for entry in self._order if entry != TEXT])
        return {**order, **other_fields(self._others, self._unknown)}

    def _start(self, index: int, fields: Fields) -> Iterator[Fields]:
        block = self._open[index] = _Block(fields)
        match block.kind:
            case "text":
                yield from self._say(block, fields.pop("text", "") or "")
            case "tool_use":
                block.call = self._call_ids.get(fields["id"])
                if block.call is None:
                    block.call = self._call_ids[fields["id"]] = len(self._call_ids)
                    self._place(TOOL_USE)
                head = {"name": fields["name"], "arguments": ""}
                yield self._marked(
                    {
                        "tool_calls": [
                            {
                                "index": block.call,
                                "id": fields["id"],
                                "type": "function",
                                "function": head,
                            }
                        ]
                    }
                )
            case kind if kind in THOUGHTS:
                self._place(THINKING)
                if fields.get("thinking"):
                    yield self._marked({"reasoning_content": fields["thinking"]})
            case _:
                pass

    def _block_of(self, event: Event) -> _Block:
        """The block of a delta: for a piece of a call under an unknown index, the open call."""
        block = self._open.get(event["index"])
        if block is None and event["delta"]["type"] == "input_json_delta":
            calls = [one for one in self._open.values() if one.call is not None]
            return calls[-1] if calls else self._open[event["index"]]
        return block if block is not None else self._open[event["index"]]

    def _add(self, block: _Block, delta: Event) -> Iterator[Fields]:
        kind = delta["type"]
        if kind == "text_delta" and block.kind == TEXT:
            yield from self._say(block, delta["text"])
        elif kind in _ADDED:
            name = _ADDED[kind]
            block.fields[name] = (block.fields.get(name) or "") + delta[name]
            if kind == "thinking_delta" and delta[name]:
                yield self._marked({"reasoning_content": delta[name]})
        elif kind == "input_json_delta":
            text = delta["partial_json"]
            block.json.append(text)
            if block.call is not None and text:
                yield _arguments(block.call, text)
        elif kind == "citations_delta":
            cited = cast("list[Any]", block.fields.get("citations") or [])
            block.fields["citations"] = [*cited, delta["citation"]]

    def _end(self, block: _Block) -> Iterator[Fields]:
        if block.kind in THOUGHTS:
            yield self._marked({THINKING_BLOCKS: [block.fields]})
        elif block.call is not None:
            if not any(block.json):
                given = block.fields.get("input") or {}
                yield _arguments(
                    block.call, json.dumps(given, ensure_ascii=False, separators=(",", ":"))
                )
        else:
            if any(block.json):
                text = "".join(block.json)
                check_text(text)
                block.fields["input"] = from_json(text)
            self._others.append(block.fields)

    def _say(self, block: _Block, text: str) -> Iterator[Fields]:
        if not text:
            return
        if block.place is None:
            block.place = len(self._order)
            self._place(TEXT)
        known = self._order[block.place]
        self._order[block.place] = len(text) + (known if isinstance(known, int) else 0)
        yield self._marked({"content": text})

    def _place(self, entry: Entry) -> None:
        """Note that a block began. Where the order is unusual, the next delta carries it."""
        self._order.append(entry)
        if not is_usual(self._order):
            self._mark = {BLOCK_ORDER: list(self._order)}

    def _marked(self, delta: Fields) -> Fields:
        mark, self._mark = self._mark, {}
        return {**delta, **mark}


class _Block:
    """One block under way. `call` is its number among the calls, `place` that among all blocks."""

    def __init__(self, fields: Fields) -> None:
        self.kind = str(fields["type"])
        self.fields = fields
        self.json: list[str] = []
        self.call: int | None = None
        self.place: int | None = None


def _arguments(call: int, text: str) -> Fields:
    return {"tool_calls": [{"index": call, "function": {"arguments": text}}]}

"""Converts the events of a Messages stream to the deltas of a chat stream.

Texts, reasoning and call arguments are given as they come. An opaque thinking block is given whole
when it ends, and blocks without a place in chat at the very end. State: the open blocks by their
index, the order of the blocks so far, and what the end has said (`stop`, `usage`, `is_over`).
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
    is_usual_order,
)
from puna.bridges.over_messages.reply import (
    Fields,
    choice_fields,
    order_fields,
    other_fields,
    unknown_fields,
)
from puna.types.messages import THINKING_BLOCKS
from puna.wire.json_size import check_nested_json

Event = Mapping[str, Any]

_ADDED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
"""Deltas that lengthen a text of their block, and its name in both."""


class MessageEvents:
    """Converts the decoded events of one stream: `read` each, then ask for `last`.

    Attributes:
        answer_id: the message's id, once it is known.
        stop: the fields that say why the message ended; empty until then.
        usage: the tokens; empty until the last event, since the first one's are no total.
        is_over: whether `message_stop` came.
    """

    def __init__(self) -> None:
        self.answer_id: str | None = None
        self.stop: Fields = {}
        self.usage: Fields = {}
        self.is_over = False
        self._began: Fields = {}
        self._open: dict[int, _Block] = {}
        self._unknown_blocks: list[Fields] = []
        self._unknown: Fields = {}
        self._order: list[Entry] = []
        self._mark: Fields = {}
        self._call_ids: dict[Any, int] = {}

    @property
    def has_begun(self) -> bool:
        """Whether `message_start` came."""
        return self.answer_id is not None

    @property
    def finish_reason(self) -> str | None:
        """Chat's finish reason; None until it is known."""
        return choice_fields(self.stop)["finish_reason"] if self.stop else None

    def read(self, event: Event) -> list[Fields]:
        """Convert the next event to deltas.

        Events of unknown types are ignored, as the API demands.

        Raises:
            ValueError, TypeError, KeyError: the event is malformed.
        """
        match event["type"]:
            case "message_start":
                message = event["message"]
                self.answer_id = str(message.get("id") or "")
                self._began = dict(message.get("usage") or {})
            case "content_block_start":
                return [*self._start(event["index"], dict(event["content_block"]))]
            case "content_block_delta":
                return [*self._add_delta(self._block_of(event), event["delta"])]
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
        """The fields of the last delta: block order, and what chat has no field for."""
        order = order_fields([entry for entry in self._order if entry != TEXT])
        return {**order, **other_fields(self._unknown_blocks, self._unknown)}

    def _start(self, index: int, fields: Fields) -> Iterator[Fields]:
        """The deltas when a block starts."""
        block = self._open[index] = _Block(fields)
        match block.kind:
            case "text":
                yield from self._add_text(block, fields.pop("text", "") or "")
            case "tool_use":
                block.call = self._call_ids.get(fields["id"])
                if block.call is None:
                    block.call = self._call_ids[fields["id"]] = len(self._call_ids)
                    self._note_order(TOOL_USE)
                head = {"name": fields["name"], "arguments": ""}
                yield self._with_order(
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
                self._note_order(THINKING)
                if fields.get("thinking"):
                    yield self._with_order({"reasoning_content": fields["thinking"]})
            case _:
                pass

    def _block_of(self, event: Event) -> _Block:
        """The block that a delta event belongs to.

        Call arguments under an unknown index belong to the last open call.
        """
        block = self._open.get(event["index"])
        if block is None and event["delta"]["type"] == "input_json_delta":
            calls = [one for one in self._open.values() if one.call is not None]
            return calls[-1] if calls else self._open[event["index"]]
        return block if block is not None else self._open[event["index"]]

    def _add_delta(self, block: _Block, delta: Event) -> Iterator[Fields]:
        """Convert a delta of a block to chat deltas."""
        kind = delta["type"]
        if kind == "text_delta" and block.kind == TEXT:
            yield from self._add_text(block, delta["text"])
        elif kind in _ADDED:
            name = _ADDED[kind]
            block.fields[name] = (block.fields.get(name) or "") + delta[name]
            if kind == "thinking_delta" and delta[name]:
                yield self._with_order({"reasoning_content": delta[name]})
        elif kind == "input_json_delta":
            text = delta["partial_json"]
            block.json.append(text)
            if block.call is not None and text:
                yield _arguments(block.call, text)
        elif kind == "citations_delta":
            cited = cast("list[Any]", block.fields.get("citations") or [])
            block.fields["citations"] = [*cited, delta["citation"]]

    def _end(self, block: _Block) -> Iterator[Fields]:
        """The deltas when a block ends."""
        if block.kind in THOUGHTS:
            yield self._with_order({THINKING_BLOCKS: [block.fields]})
        elif block.call is not None:
            if not any(block.json):
                given = block.fields.get("input") or {}
                yield _arguments(
                    block.call, json.dumps(given, ensure_ascii=False, separators=(",", ":"))
                )
        else:
            if any(block.json):
                text = "".join(block.json)
                check_nested_json(text)
                block.fields["input"] = from_json(text)
            self._unknown_blocks.append(block.fields)

    def _add_text(self, block: _Block, text: str) -> Iterator[Fields]:
        """The delta for more text; also counts its length in the block order."""
        if not text:
            return
        if block.place is None:
            block.place = len(self._order)
            self._note_order(TEXT)
        known = self._order[block.place]
        self._order[block.place] = len(text) + (known if isinstance(known, int) else 0)
        yield self._with_order({"content": text})

    def _note_order(self, entry: Entry) -> None:
        """Record that a block began. Where the order is unusual, the next delta carries it."""
        self._order.append(entry)
        if not is_usual_order(self._order):
            self._mark = {BLOCK_ORDER: list(self._order)}

    def _with_order(self, delta: Fields) -> Fields:
        """A delta with the block order, if that has changed since it was last sent."""
        mark, self._mark = self._mark, {}
        return {**delta, **mark}


class _Block:
    """An open block. `call` is its index among the calls, `place` its index among all blocks."""

    def __init__(self, fields: Fields) -> None:
        self.kind = str(fields["type"])
        self.fields = fields
        self.json: list[str] = []
        self.call: int | None = None
        self.place: int | None = None


def _arguments(call: int, text: str) -> Fields:
    """The delta for a piece of a call's arguments."""
    return {"tool_calls": [{"index": call, "function": {"arguments": text}}]}

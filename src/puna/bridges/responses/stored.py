"""Responses that later requests may go on from, and a bounded shelf for them in memory."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from puna.bridges.responses.items import messages_of
from puna.bridges.responses.output import item_id
from puna.bridges.responses.request import ResponseRequest
from puna.errors import NotFoundError
from puna.types.responses import Response

_CONTENT = {"assistant": "output_text"}


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response, and what a following request needs of it.

    Attributes:
        response_id: its id.
        owner: the id of the key that made it.
        created_at: Unix time in seconds.
        messages: the conversation so far as chat messages, the answer included, without
            instructions: these are not inherited.
        response: as it was sent.
        input_items: the new input of its request.
    """

    response_id: str
    owner: str
    created_at: int
    messages: tuple[Mapping[str, Any], ...]
    response: Mapping[str, Any]
    input_items: tuple[Mapping[str, Any], ...]

    def to_json(self) -> str:
        """All but id, owner and time as text."""
        whole = [list(self.messages), self.response, list(self.input_items)]
        return json.dumps(whole, default=str, separators=(",", ":"))

    @classmethod
    def from_json(cls, response_id: str, owner: str, created_at: int, text: str) -> StoredResponse:
        """What `to_json` wrote."""
        messages, response, items = json.loads(text)
        return cls(response_id, owner, created_at, tuple(messages), response, tuple(items))


def stored_of(request: ResponseRequest, response: Response, owner: str) -> StoredResponse:
    """A response as it is stored."""
    whole = response.to_dict()
    said = messages_of(whole["output"])
    return StoredResponse(
        response.id,
        owner,
        response.created_at,
        (*request.talk, *said),
        whole,
        tuple(_shown(item, response.id, i) for i, item in enumerate(request.items)),
    )


def unknown_response(
    response_id: Any, *, param: str | None = "previous_response_id"
) -> NotFoundError:
    """For an id that nobody knows, that was forgotten, or that another key made."""
    return NotFoundError(
        f"There is no response `{str(response_id)[:80]}`: it was never made here, not stored "
        "(`store: false`), forgotten, deleted, or made with another key.",
        code="previous_response_not_found" if param else "response_not_found",
        param=param,
    )


class ResponseShelf:
    """Keeps the responses used last, up to a number and a size. Not safe between threads."""

    def __init__(self, *, most: int = 2_000, most_bytes: int = 128 * 1024 * 1024) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._size = 0
        self._kept: OrderedDict[tuple[str, str], tuple[StoredResponse, int]] = OrderedDict()

    def put(self, stored: StoredResponse) -> None:
        """Keep one; those not used for the longest make room. A giant is not kept."""
        key = (stored.owner, stored.response_id)
        self.delete(*key)
        size = len(stored.to_json())
        if size > self._most_bytes:
            return
        self._kept[key] = (stored, size)
        self._size += size
        while len(self._kept) > self._most or self._size > self._most_bytes:
            _, (_, gone) = self._kept.popitem(last=False)
            self._size -= gone

    def get(self, owner: str, response_id: str) -> StoredResponse | None:
        """One that this owner made."""
        found = self._kept.get((owner, response_id))
        if found is None:
            return None
        self._kept.move_to_end((owner, response_id))
        return found[0]

    def delete(self, owner: str, response_id: str) -> bool:
        """Forget one; whether it was there."""
        found = self._kept.pop((owner, response_id), None)
        if found is not None:
            self._size -= found[1]
        return found is not None


def _shown(item: Mapping[str, Any], response_id: str, index: int) -> dict[str, Any]:
    """An input item as it is listed: with an id, a message's text as a part."""
    shown = {"id": item_id("in", response_id, index), "status": "completed", **item}
    content = shown.get("content")
    if item["type"] == "message" and isinstance(content, str):
        kind = _CONTENT.get(str(item.get("role")), "input_text")
        shown["content"] = [{"type": kind, "text": content}]
    return shown

"""Responses that later requests may go on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from puna.bridges.responses.output import item_id
from puna.bridges.responses.talk import made_by
from puna.errors import NotFoundError
from puna.types.response_request import Items, ResponsesRequest
from puna.types.responses import Response

_CONTENT = {"assistant": "output_text"}


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response, and what a following request needs of it.

    Attributes:
        response_id: its id.
        owner: the id of the key that made it.
        talk: all items of the conversation so far, the answer's included, without instructions:
            these are not inherited.
        response: as it was sent.
        input_items: the new input of its request.
        made_at: Unix time by the clock here: a host may tell any time of its own.
    """

    response_id: str
    owner: str
    talk: Items
    response: Mapping[str, Any]
    input_items: Items
    made_at: int = field(default=0, compare=False)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The ids of its new input and its output, which later requests may refer to."""
        told = (*self.input_items, *self.response.get("output", ()))
        ids = (item.get("id") for item in told)
        return tuple(dict.fromkeys(one for one in ids if isinstance(one, str)))

    def items_by_id(self) -> dict[str, Mapping[str, Any]]:
        """All items of the conversation that have an id, as they go on in another one."""
        told = (*self.input_items, *self.talk)
        return {item["id"]: item for item in told if isinstance(item.get("id"), str)}

    def to_json(self) -> str:
        """All but id, owner and time as text."""
        whole = [list(self.talk), self.response, list(self.input_items)]
        return json.dumps(whole, default=str, separators=(",", ":"))

    @classmethod
    def from_json(cls, response_id: str, owner: str, text: str) -> StoredResponse:
        """What `to_json` wrote.

        Raises:
            ValueError: it did not write this; so do TypeError and RecursionError tell.
        """
        talk, response, items = json.loads(text)
        if not (isinstance(response, dict) and _are_items(talk) and _are_items(items)):
            raise ValueError("no stored response")
        return cls(response_id, owner, tuple(talk), response, tuple(items))


def _are_items(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) for one in cast("list[Any]", value)
    )


def stored_of(request: ResponsesRequest, response: Response, owner: str) -> StoredResponse:
    """A response as it is stored."""
    whole = response.to_dict()
    report = response.report
    maker = report.deployment_id if report is not None else ""
    said = (made_by(item, maker) for item in whole["output"])
    return StoredResponse(
        response.id,
        owner,
        (*request.earlier, *request.items, *said),
        whole,
        tuple(_shown(item, response.id, i) for i, item in enumerate(request.items)),
        int(report.started_at) if report is not None else response.created_at,
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


def _shown(item: Mapping[str, Any], response_id: str, index: int) -> dict[str, Any]:
    """An input item as it is listed: with an id, a message's text as a part."""
    shown = {"id": item_id("in", response_id, index), "status": "completed", **item}
    content = shown.get("content")
    if item["type"] == "message" and isinstance(content, str):
        kind = _CONTENT.get(str(item.get("role")), "input_text")
        shown["content"] = [{"type": kind, "text": content}]
    return shown

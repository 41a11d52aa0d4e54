"""Stored responses, which later requests can refer to by `previous_response_id`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from puna.bridges.responses.output import item_id
from puna.bridges.responses.resending import with_maker
from puna.errors import NotFoundError
from puna.types.response_request import Items, ResponsesRequest
from puna.types.responses import Response

_CONTENT = {"assistant": "output_text"}


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response in the store, with what a request that continues it needs.

    Attributes:
        response_id: its id.
        owner: the id of the key that made it.
        conversation: all items so far with this answer's, without instructions, which are not
            inherited.
        response: the response as it was sent.
        input_items: the new input items of its request.
        made_at: Unix time in seconds by the clock here; a host's own time may be wrong.
    """

    response_id: str
    owner: str
    conversation: Items
    response: Mapping[str, Any]
    input_items: Items
    made_at: int = field(default=0, compare=False)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The ids of its new input and its output items, which later requests may refer to."""
        items = (*self.input_items, *self.response.get("output", ()))
        ids = (item.get("id") for item in items)
        return tuple(dict.fromkeys(one for one in ids if isinstance(one, str)))

    def items_by_id(self) -> dict[str, Mapping[str, Any]]:
        """All items of the conversation that have an id, by that id."""
        items = (*self.input_items, *self.conversation)
        return {item["id"]: item for item in items if isinstance(item.get("id"), str)}

    def to_json(self) -> str:
        """Serialize all but id, owner and time."""
        whole = [list(self.conversation), self.response, list(self.input_items)]
        return json.dumps(whole, default=str, separators=(",", ":"))

    @classmethod
    def from_json(cls, response_id: str, owner: str, text: str) -> StoredResponse:
        """Parse what `to_json` wrote.

        Raises:
            ValueError, TypeError, RecursionError: it is something else.
        """
        conversation, response, items = json.loads(text)
        if not (
            isinstance(response, dict) and _is_item_list(conversation) and _is_item_list(items)
        ):
            raise ValueError("no stored response")
        return cls(response_id, owner, tuple(conversation), response, tuple(items))


def _is_item_list(value: Any) -> bool:
    """Whether a value is a list of objects."""
    return isinstance(value, list) and all(
        isinstance(one, dict) for one in cast("list[Any]", value)
    )


def make_stored(request: ResponsesRequest, response: Response, owner: str) -> StoredResponse:
    """Make the stored form of a response and its request."""
    report = response.report
    return make_stored_fields(
        request.items,
        response.to_dict(),
        owner=owner,
        maker=report.deployment_id if report is not None else "",
        made_at=int(report.started_at) if report is not None else response.created_at,
        earlier=request.earlier,
    )


def make_stored_fields(
    items: Items,
    response: Mapping[str, Any],
    *,
    owner: str,
    maker: str,
    made_at: int,
    earlier: Items = (),
) -> StoredResponse:
    """As `make_stored`, for a response given by its fields.

    `items` are the new input, `earlier` those before it; `maker` is the deployment that answered,
    `made_at` Unix time in seconds.
    """
    response_id = response["id"]
    said = (with_maker(item, maker) for item in response["output"])
    return StoredResponse(
        response_id,
        owner,
        (*earlier, *items, *said),
        response,
        tuple(_listed_item(item, response_id, i) for i, item in enumerate(items)),
        made_at,
    )


def unknown_response_error(
    response_id: Any, *, param: str | None = "previous_response_id"
) -> NotFoundError:
    """Make the error for an id that is unknown, deleted, expired, or another key's."""
    return NotFoundError(
        f"There is no response `{str(response_id)[:80]}`: it was never made here, not stored "
        "(`store: false`), forgotten, deleted, or made with another key.",
        code="previous_response_not_found" if param else "response_not_found",
        param=param,
    )


def _listed_item(item: Mapping[str, Any], response_id: str, index: int) -> dict[str, Any]:
    """An input item in the form of `GET /responses/{id}/input_items`: with an id, and parts."""
    listed = {"id": item_id("in", response_id, index), "status": "completed", **item}
    content = listed.get("content")
    if item["type"] == "message" and isinstance(content, str):
        kind = _CONTENT.get(str(item.get("role")), "input_text")
        listed["content"] = [{"type": kind, "text": content}]
    return listed

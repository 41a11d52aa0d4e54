"""A request of the Responses API as a frozen value, checked before anything is sent.

These checks hold for hosts that speak this API and for those that are asked over chat. Source:
OpenAI API reference, "Create a model response".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from typing_extensions import override

from puna.errors import BadRequestError, NotFoundError
from puna.types.display import display, kind_of
from puna.types.messages import as_mapping
from puna.types.model_request import ModelRequest, check_extra_body, check_model, sort_params
from puna.types.requests import check_headers
from puna.types.response_params import RESPONSE_PARAMS, flat_format, from_chat
from puna.types.schema import strict_json_schema

Items = tuple[Mapping[str, Any], ...]

_REFUSED: Mapping[str, str] = {
    "background": "nothing runs in the background here; leave it out and stream the answer",
    "conversation": "none are kept here; use `previous_response_id`, or send the items",
}
"""Asking for these changes what a request is: leaving them out would answer something else. A
conversation that a host keeps is open to everybody who asks with the same key."""

_OF_CHAT = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "response_format": "text.format",
}
_OWN_FIELDS = ("model", "input", "stream")
_REFERENCE = "item_reference"


@dataclass(frozen=True, slots=True)
class ResponsesRequest(ModelRequest):
    """A request of the Responses API.

    Attributes:
        items: the new input.
        earlier: all items of the conversation that `previous_response_id` refers to.
        previous_response_id: as the caller gave it.
        metadata: repeated in the response, and not sent.
        is_stored: whether the response is stored for later requests.
        chat_options: arguments of `make_chat_request` for a call that goes over chat.
        has_strict_tools: whether tools that no host runs over chat are refused, not left out.
        referenced: the indexes in `items` of those that replaced an `item_reference`.
    """

    items: Items
    earlier: Items = field(default=(), kw_only=True)
    previous_response_id: str | None = field(default=None, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True)
    is_stored: bool = field(default=True, kw_only=True)
    chat_options: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True)
    has_strict_tools: bool = field(default=False, kw_only=True)
    referenced: frozenset[int] = field(default=frozenset(), kw_only=True)

    @property
    def tool_kinds(self) -> frozenset[str]:
        """The types of its tools."""
        tools = (as_mapping(one) or {} for one in self.params.get("tools", ()))
        return frozenset(str(tool.get("type")) for tool in tools)

    @classmethod
    @override
    def split(cls, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        return sort_params(from_chat(fields), RESPONSE_PARAMS)


def make_responses_request(  # noqa: PLR0913 - a request's parts; all but two by keyword
    model: Any,
    fields: Mapping[str, Any],
    *,
    stream: Any = False,
    earlier: Items = (),
    headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    drop_params: bool = False,
    allowed_params: Iterable[str] = (),
    unwanted_params: Iterable[str] = (),
    chat_options: Mapping[str, Any] | None = None,
    strict_tools: bool = False,
    stored_items: Mapping[str, Mapping[str, Any]] | None = None,
) -> ResponsesRequest:
    """Check a request and freeze it; nothing that was given is changed.

    `fields` are all of the body but the model. `stored_items` are the stored items that the input
    refers to, by their ids.

    Raises:
        BadRequestError: something is malformed; `param` names it. Nothing was sent.
        NotFoundError: the input refers to an item that is not in `stored_items`.
    """
    body = check_extra_body(extra_body, _OWN_FIELDS)
    given = {name: value for name, value in {**fields, **body}.items() if value is not None}
    if stream is not None and not isinstance(stream, bool):
        raise BadRequestError(
            f"`stream` must be true or false, not `{display(stream)}`.", param="stream"
        )
    _refuse_unsupported(given)
    asked = given.pop("input", "")
    items = () if asked == "" and "prompt" in given else read_input(asked)
    items, referenced = resolve_references(items, stored_items or {}, earlier)
    previous = _typed(given, "previous_response_id", str, "a string")
    metadata = _typed(given, "metadata", Mapping, "an object")
    is_stored = _typed(given, "store", bool, "true or false")
    _read_text_format(given)
    params, extra = sort_params(given, RESPONSE_PARAMS)
    return ResponsesRequest(
        model=check_model(model),
        items=items,
        earlier=earlier,
        previous_response_id=previous,
        metadata=metadata or {},
        is_stored=is_stored is not False,
        chat_options=chat_options or {},
        has_strict_tools=strict_tools,
        referenced=referenced,
        params=params,
        extra=extra,
        headers=check_headers(headers or {}),
        is_stream=bool(stream),
        drop_params=drop_params,
        allowed_params=frozenset(allowed_params),
        unwanted_params=frozenset(unwanted_params),
    )


def read_input(given: Any) -> Items:
    """Check `input`; gives it as items with a type. A string becomes one user message.

    Raises:
        BadRequestError: it is empty or malformed; `param` is the path.
    """
    if isinstance(given, str) and given:
        return ({"type": "message", "role": "user", "content": given},)
    is_list = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    if not given and (is_list or given == ""):
        raise BadRequestError("`input` is empty; give a text or items.", param="input")
    if not is_list:
        raise BadRequestError(
            f"`input` must be a string or a list of items, not {kind_of(given)}.", param="input"
        )
    items = cast("Sequence[Any]", given)
    return tuple(_read_item(item, f"input[{i}]") for i, item in enumerate(items))


def references_in(asked: Any) -> tuple[str, ...]:
    """The item ids that an `input` refers to, each once. Malformed parts are ignored."""
    if not isinstance(asked, Sequence) or isinstance(asked, str | bytes):
        return ()
    items = (as_mapping(one) or {} for one in cast("Sequence[Any]", asked))
    ids = (item.get("id") for item in items if _is_reference(item))
    return tuple(dict.fromkeys(one for one in ids if isinstance(one, str)))


def resolve_references(
    items: Items, stored: Mapping[str, Mapping[str, Any]], earlier: Items = ()
) -> tuple[Items, frozenset[int]]:
    """Replace the references in items by the stored items.

    Returns the items, and the indexes of these.

    A reference to an item in `earlier` is removed, because that item is sent anyway.

    Raises:
        NotFoundError: nothing is stored under an id; `param` is the reference's path.
    """
    if not any(item["type"] == _REFERENCE for item in items):
        return items, frozenset()
    sent_anyway = {item.get("id") for item in earlier} - {None}
    found: list[Mapping[str, Any]] = []
    places: set[int] = set()
    for i, item in enumerate(items):
        if item["type"] != _REFERENCE:
            found.append(item)
        elif item["id"] in sent_anyway:
            continue
        elif item["id"] in stored:
            places.add(len(found))
            found.append(stored[item["id"]])
        else:
            raise NotFoundError(
                f"`input[{i}]` refers to the item `{item['id'][:80]}`, which is not stored here "
                "for this key: send the item itself, or store the response that made it.",
                code="item_not_found",
                param=f"input[{i}].id",
            )
    return tuple(found), frozenset(places)


def _is_reference(item: Mapping[str, Any]) -> bool:
    """Whether an item only refers to another; its type may be absent.

    Source: `ItemReferenceParam`.
    """
    kind = item.get("type")
    return kind == _REFERENCE or (kind is None and "role" not in item and "id" in item)


def check_response_id(response_id: Any) -> str:
    """Check a `previous_response_id`. Raises BadRequestError for a value that is no text."""
    if not isinstance(response_id, str):
        raise BadRequestError(
            "`previous_response_id` must be a string.", param="previous_response_id"
        )
    return response_id


def _read_item(item: Any, path: str) -> Mapping[str, Any]:
    """Check an input item; one with a role and no type is a message. Raises BadRequestError."""
    given = as_mapping(item)
    if given is None:
        raise BadRequestError(
            f"`{path}` must be an object with a `type`, not {kind_of(item)}.", param=path
        )
    if _is_reference(given):
        if not isinstance(given.get("id"), str):
            raise BadRequestError(f"`{path}.id` must be the id of an item.", param=f"{path}.id")
        return {"type": _REFERENCE, "id": given["id"]}
    kind = given.get("type")
    if kind is None and "role" in given:
        kind = "message"
    if not isinstance(kind, str):
        raise BadRequestError(
            f"`{path}.type` must be the type of an item such as message, function_call or "
            f"function_call_output, not `{display(kind)}`.",
            param=f"{path}.type",
        )
    return {"type": kind, **{k: v for k, v in given.items() if v is not None}}


def _refuse_unsupported(given: dict[str, Any]) -> None:
    """Raise BadRequestError for fields of chat, and those that need a state Puna does not keep."""
    for name, fix in _REFUSED.items():
        if given.pop(name, False) is not False:
            raise BadRequestError(f"`{name}` is not supported: {fix}.", param=name)
    for name, instead in _OF_CHAT.items():
        if name in given:
            raise BadRequestError(
                f"`{name}` is a field of chat completions; give `{instead}`.", param=name
            )
    if given.pop("n", 1) != 1:
        raise BadRequestError("`n` must be 1: a response is one answer.", param="n")


def _read_text_format(given: dict[str, Any]) -> None:
    """Convert a pydantic class given as `text_format` to `text.format`, in place."""
    cls = given.pop("text_format", None)
    if cls is None:
        return
    if not isinstance(cls, type):
        raise BadRequestError(
            "`text_format` must be a pydantic class; a schema is `text.format`.",
            param="text_format",
        )
    text: Mapping[str, Any] = _typed(given, "text", Mapping, "an object") or {}
    given["text"] = {"format": flat_format(strict_json_schema(cls, param="text_format")), **text}


def _typed(given: dict[str, Any], name: str, kind: type, what: str) -> Any:
    """Remove a field and return it; None where it is absent.

    Raises BadRequestError for a wrong type.
    """
    value = given.pop(name, None)
    if value is not None and not isinstance(value, kind):
        raise BadRequestError(f"`{name}` must be {what}, not `{display(value)}`.", param=name)
    return value


__all__ = [
    "Items",
    "ResponsesRequest",
    "check_response_id",
    "make_responses_request",
    "read_input",
    "references_in",
]

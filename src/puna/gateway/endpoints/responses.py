"""The Responses API of the gateway: answers, and the stored ones.

Every frame of a stream names its event, and nothing follows the last one: no `[DONE]`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from puna.bridges.responses.compaction import ASK, compaction_of, expand
from puna.bridges.responses.native import NativeResponse
from puna.bridges.responses.request import bridge_request
from puna.bridges.responses.stored import StoredResponse, stored_of, unknown_response
from puna.bridges.responses.whole_events import events_of
from puna.catalog.tokens import count_message_tokens
from puna.engine.call import Call, for_deployment
from puna.engine.clock import Clock
from puna.errors import (
    APIError,
    BadRequestError,
    ContextWindowExceededError,
    RateLimitError,
    ServiceUnavailableError,
)
from puna.gateway.answers.recovery import reads_failures_in_streams
from puna.gateway.answers.replies import Reply, json_reply, last_error_body
from puna.gateway.answers.sending import (
    Caller,
    StreamEncoding,
    Work,
    send_answer,
    send_events,
    until_disconnect,
)
from puna.gateway.endpoints.chat import Pipeline, chat_options
from puna.gateway.logs.access_log import warn_of
from puna.governance.store.base import ResponseStore
from puna.types.option_kinds import Scope
from puna.types.option_scopes import read_option
from puna.types.report import CallReport
from puna.types.response_request import (
    Items,
    ResponsesRequest,
    check_response_id,
    make_responses_request,
    read_input,
    references_in,
)
from puna.types.responses import Compaction, Response, ResponseEvent
from puna.wire.sse import encode_event

_log = logging.getLogger("puna.gateway")

_DEFAULT_ITEMS = 20
_MOST_ITEMS = 100
_MOST_DIGITS = 4
_NOT_FOR_SUMMARIES = ("tools", "tool_choice", "parallel_tool_calls", "text", "include")
"""Fields of a request that would make a summary something else."""
_MOST_NUMBER_DIGITS = 18


@dataclass(frozen=True, slots=True)
class ResponsesAPI:
    """What the endpoints below `/responses` do."""

    pipeline: Pipeline
    store: ResponseStore
    clock: Clock

    async def create(self, body: Mapping[str, Any], caller: Caller) -> Work:
        """Answer a request.

        Raises:
            APIError: the request is wrong, or nobody serves the model.
        """
        call = await self._read(body, caller)
        engine = self.pipeline.engine
        if call.request.is_stream:
            return Work((call,), lambda: self._send_stream(call, caller))

        async def answer() -> Response:
            response = await engine.respond(call)
            await self._keep(call.request, response, caller)
            return response

        return Work((call,), lambda: send_answer(answer(), caller))

    async def count(self, body: Mapping[str, Any], caller: Caller) -> Reply:
        """Answer with the input tokens of a request that is not made.

        Raises:
            APIError: the request is wrong, chat cannot do it, or nobody serves the model.
        """
        call = await self._read({**body, "stream": None}, caller)
        model = call.plan.group[0].target.model
        bridged = bridge_request(for_deployment(call, call.plan.group[0]))
        told = await asyncio.to_thread(
            count_message_tokens, model, bridged.messages, bridged.fields.get("tools")
        )
        count = {"object": "response.input_tokens", "input_tokens": told.count}
        headers = {"x-puna-usage": "estimated"} if told.is_estimate else {}
        return json_reply(count, headers=headers)

    async def compact(self, body: Mapping[str, Any], caller: Caller) -> Work:
        """Answer with a conversation as one item, which a model's summary of it is in.

        Raises:
            APIError: the request is wrong, or nobody serves the model.
        """
        asked = body.get("input")
        if asked in (None, "") and body.get("previous_response_id") is None:
            raise BadRequestError(
                "There is nothing to compact: give `input` or `previous_response_id`.",
                param="input",
            )
        items = () if asked in (None, "") else read_input(asked)
        steered = {name: value for name, value in body.items() if name not in _NOT_FOR_SUMMARIES}
        summarized = {**steered, "input": [*items, ASK], "stream": None, "store": False}
        left_out = tuple(name for name in _NOT_FOR_SUMMARIES if body.get(name) is not None)
        call = replace(await self._read(summarized, caller), left_out=left_out)

        async def answer() -> Compaction:
            response = await self.pipeline.engine.respond(call)
            report = response.report
            assert report is not None, "the engine sets it"  # noqa: S101 - narrows the type
            return compaction_of(response, report)

        return Work((call,), lambda: send_answer(answer(), caller))

    async def get(self, response_id: str, caller: Caller) -> Reply:
        """A stored response: whole, or as the events of its stream (`stream=true`).

        Each text comes in one delta then. `starting_after` leaves out the events up to a number.

        Raises:
            BadRequestError: `stream` or `starting_after` is wrong.
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        after = _replay_after(caller.head.query)
        stored = await self._find(response_id, caller)
        if after is None:
            return json_reply(stored.response)
        events = events_of(Response.model_validate(stored.response))
        body = encode_response_events(event for event in events if event.sequence_number > after)
        return Reply(200, body, {"cache-control": "no-cache"}, b"text/event-stream")

    async def delete(self, response_id: str, caller: Caller) -> Reply:
        """Forget a stored response.

        Raises:
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        if not await self.store.delete(caller.key_id, response_id):
            raise unknown_response(response_id, param=None)
        return json_reply({"id": response_id, "object": "response", "deleted": True})

    async def input_items(self, response_id: str, caller: Caller) -> Reply:
        """The new input of a stored response, last item first unless `order` says otherwise.

        Raises:
            BadRequestError: `limit`, `order` or `after` is wrong.
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        stored = await self._find(response_id, caller)
        return json_reply(_page(list(stored.input_items), caller.head.query))

    async def cancel(self, response_id: str, caller: Caller) -> Reply:
        """Refuse: a response that has an id here has ended.

        Raises:
            BadRequestError: always, for a response that is stored.
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        await self._find(response_id, caller)
        raise BadRequestError(
            f"The response `{response_id}` has ended: nothing runs in the background here. Close "
            "the connection of a stream to end it.",
            code="not_cancellable",
        )

    async def _send_stream(self, call: Call[ResponsesRequest], caller: Caller) -> None:
        """A stream as clients of this API read it; one that breaks ends in `response.failed`."""
        opening = self.pipeline.engine.stream_response(call)
        try:
            pieces, converter = await until_disconnect(opening, caller.receive)
        except (ContextWindowExceededError, RateLimitError) as error:
            if not reads_failures_in_streams(caller.head.headers):
                raise
            warn_of("A response", error)
            await self._send_failure(error, call, caller)
            return

        async def finish(report: CallReport) -> bytes:
            last = converter.finish()
            if converter.response is not None:
                await self._keep(call.request, converter.response.with_report(report), caller)
            return encode_response_events(last)

        encoding: StreamEncoding[Any] = StreamEncoding(
            encode=lambda piece: encode_response_events(converter.change(piece)),
            finish=finish,
            fail=lambda error: encode_response_events(converter.fail(*describe_failure(error))),
        )
        await send_events(pieces, caller, encoding)

    async def _send_failure(
        self, error: APIError, call: Call[ResponsesRequest], caller: Caller
    ) -> None:
        """A stream that is nothing but its failure; see `reads_failures_in_streams`."""
        begun = {
            "id": f"resp_{self.clock.make_id()}",
            "object": "response",
            "created_at": int(self.clock.now()),
            "model": call.request.model,
        }
        failed = NativeResponse(begun, self.clock.now)
        events = encode_response_events(failed.fail(*describe_failure(error)))
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
        await caller.send({"type": "http.response.start", "status": 200, "headers": headers})
        await caller.send({"type": "http.response.body", "body": events})

    async def _keep(self, request: ResponsesRequest, response: Response, caller: Caller) -> None:
        """Store a response, unless it is not to be; one that cannot be was still answered."""
        if not request.is_stored:
            return
        await self.keep(stored_of(request, response, caller.key_id))

    async def keep(self, stored: StoredResponse) -> None:
        """Store a response; one that cannot be was still answered, so nothing is raised."""
        try:
            await self.store.put(stored)
        except ServiceUnavailableError as error:
            _log.warning("The response `%s` was not stored: %s", stored.response_id, error)
        except Exception:  # noqa: BLE001 - nothing of it is the answer's fault
            _log.exception("The response `%s` was not stored", stored.response_id)

    async def _find(self, response_id: str, caller: Caller) -> StoredResponse:
        stored = await self.store.get(caller.key_id, response_id)
        if stored is None:
            raise unknown_response(response_id, param=None)
        return stored

    async def _read(self, body: Mapping[str, Any], caller: Caller) -> Call[ResponsesRequest]:
        sent = self.pipeline.sent_fields(body, but=("model", "stream"))
        earlier = await self._earlier(body.get("previous_response_id"), caller)
        stored_items = await self._items(body.get("input"), caller)

        def read() -> Call[ResponsesRequest]:
            request = make_responses_request(
                body.get("model"),
                {**sent, "metadata": body.get("metadata")},
                stream=body.get("stream"),
                earlier=earlier,
                chat_options=chat_options(body),
                strict_tools=self._has_strict_tools(body),
                stored_items=stored_items,
                **self.pipeline.request_options(body),
            )
            request = replace(request, items=expand(request.items))
            return self.pipeline.make_call(request, body, caller.visit)

        return await caller.read(read)

    async def _items(self, asked: Any, caller: Caller) -> dict[str, Mapping[str, Any]]:
        """The stored items that an input refers to, and others of their conversations, by id."""
        found: dict[str, Mapping[str, Any]] = {}
        for item_id in reversed(references_in(asked)):
            if item_id in found:
                continue  # the conversation of a later one holds it
            stored = await self.store.find_item(caller.key_id, item_id)
            if stored is None:
                break  # the request fails for it
            found = {**stored.items_by_id(), **found}
        return found

    def _has_strict_tools(self, body: Mapping[str, Any]) -> bool:
        usual = self.pipeline.directory.config.settings.strict_tools
        return bool(read_option(body, "strict_tools", Scope.REQUEST, usual))

    async def _earlier(self, response_id: Any, caller: Caller) -> Items:
        """The items that `previous_response_id` stands for; none for None."""
        if response_id is None:
            return ()
        known = check_response_id(response_id)
        stored = await self.store.get(caller.key_id, known)
        if stored is None:
            raise unknown_response(known)
        return stored.conversation


def _replay_after(query: str) -> int | None:
    """The number after which the events of a stored response are wanted; None for no events.

    Raises:
        BadRequestError: `stream` is neither true nor false, or `starting_after` is no number.
    """
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    stream = given.get("stream", "false").lower()
    if stream not in ("true", "false"):
        raise BadRequestError("`stream` must be true or false.", param="stream")
    if stream == "false":
        return None
    after = given.get("starting_after")
    if after is None:
        return -1
    if not after.isdecimal() or len(after) > _MOST_NUMBER_DIGITS:
        raise BadRequestError(
            "`starting_after` must be the `sequence_number` of an event, a whole number from 0.",
            param="starting_after",
        )
    return int(after)


def _page(items: list[Mapping[str, Any]], query: str) -> dict[str, Any]:
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    limit = given.get("limit", str(_DEFAULT_ITEMS))
    if not limit.isdecimal() or len(limit) > _MOST_DIGITS or not 1 <= int(limit) <= _MOST_ITEMS:
        raise BadRequestError(
            f"`limit` must be a whole number from 1 to {_MOST_ITEMS}.", param="limit"
        )
    order = given.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequestError("`order` must be asc or desc.", param="order")
    if order == "desc":
        items.reverse()
    after = given.get("after")
    if after is not None:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise BadRequestError("`after` is the id of no item.", param="after")
        items = items[ids.index(after) + 1 :]
    page = items[: int(limit)]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > len(page),
    }


def describe_failure(error: APIError) -> tuple[str, str]:
    """The code and the message of an error that ends a stream."""
    told = last_error_body(error)["error"]
    return told["code"], told["message"]


def encode_response_events(events: Iterable[ResponseEvent]) -> bytes:
    """Events as they go on the wire."""
    return b"".join(encode_event(event.to_json_bytes(), event.type) for event in events)

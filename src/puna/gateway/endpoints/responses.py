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

from puna.bridges.responses.compaction import ASK, compaction_of, expand_compactions
from puna.bridges.responses.native import NativeResponse
from puna.bridges.responses.request import bridge_request
from puna.bridges.responses.stored import StoredResponse, make_stored, unknown_response_error
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
from puna.gateway.logs.access_log import log_refusal
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
    """The handlers of the endpoints below `/responses`. One for each configuration."""

    pipeline: Pipeline
    store: ResponseStore
    clock: Clock

    async def create(self, body: Mapping[str, Any], caller: Caller) -> Work:
        """Handle `POST /responses`, whole or as a stream.

        The response is stored unless `store` is false.

        Raises:
            APIError: the request is wrong, or nobody serves the model.
        """
        call = await self._read(body, caller)
        engine = self.pipeline.engine
        if call.request.is_stream:
            return Work((call,), lambda: self._send_stream(call, caller))

        async def answer() -> Response:
            """Have the engine answer, and store the response."""
            response = await engine.respond(call)
            await self._keep(call.request, response, caller)
            return response

        return Work((call,), lambda: send_answer(answer(), caller))

    async def count(self, body: Mapping[str, Any], caller: Caller) -> Reply:
        """Handle `POST /responses/input_tokens`.

        Count the input of a request without asking a host.

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
        """Handle `POST /responses/compact`.

        Replace a conversation by one item that holds a summary, which the model writes.

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
            """Have the model write the summary, and wrap it in an item."""
            response = await self.pipeline.engine.respond(call)
            report = response.report
            assert report is not None, "the engine sets it"  # noqa: S101 - narrows the type
            return compaction_of(response, report)

        return Work((call,), lambda: send_answer(answer(), caller))

    async def get(self, response_id: str, caller: Caller) -> Reply:
        """Handle `GET /responses/{id}`: a stored response, whole or, with `stream=true`, as events.

        Each text comes in one delta then. `starting_after` leaves out the events up to that number.

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
        """Handle `DELETE /responses/{id}`.

        Raises:
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        if not await self.store.delete(caller.key_id, response_id):
            raise unknown_response_error(response_id, param=None)
        return json_reply({"id": response_id, "object": "response", "deleted": True})

    async def input_items(self, response_id: str, caller: Caller) -> Reply:
        """Handle `GET /responses/{id}/input_items`.

        A stored response's own input, the last item first unless `order` is `asc`.

        Raises:
            BadRequestError: `limit`, `order` or `after` is wrong.
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        stored = await self._find(response_id, caller)
        return json_reply(_item_page(list(stored.input_items), caller.head.query))

    async def cancel(self, response_id: str, caller: Caller) -> Reply:
        """Handle `POST /responses/{id}/cancel`.

        Always an error: a response with an id here has ended.

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
        """Answer a streamed request. A stream that breaks ends in the event `response.failed`."""
        opening = self.pipeline.engine.stream_response(call)
        try:
            pieces, converter = await until_disconnect(opening, caller.receive)
        except (ContextWindowExceededError, RateLimitError) as error:
            if not reads_failures_in_streams(caller.head.headers):
                raise
            log_refusal("A response", error)
            await self._send_failure(error, call, caller)
            return

        async def finish(report: CallReport) -> bytes:
            """Store the response, then give the last events."""
            last = converter.finish()
            if converter.response is not None:
                await self._keep(call.request, converter.response.with_report(report), caller)
            return encode_response_events(last)

        encoding: StreamEncoding[Any] = StreamEncoding(
            encode=lambda piece: encode_response_events(converter.convert(piece)),
            finish=finish,
            fail=lambda error: encode_response_events(converter.fail(*describe_failure(error))),
        )
        await send_events(pieces, caller, encoding)

    async def _send_failure(
        self, error: APIError, call: Call[ResponsesRequest], caller: Caller
    ) -> None:
        """Answer with a stream that is only `response.failed`: see `reads_failures_in_streams`."""
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
        """Store the response to a request, unless the request says `store: false`.

        Raises nothing.
        """
        if not request.is_stored:
            return
        await self.keep(make_stored(request, response, caller.key_id))

    async def keep(self, stored: StoredResponse) -> None:
        """Store a response.

        A failure is logged and not raised, because the client has its answer anyway.
        """
        try:
            await self.store.put(stored)
        except ServiceUnavailableError as error:
            _log.warning("The response `%s` was not stored: %s", stored.response_id, error)
        except Exception:  # noqa: BLE001 - nothing of it is the answer's fault
            _log.exception("The response `%s` was not stored", stored.response_id)

    async def _find(self, response_id: str, caller: Caller) -> StoredResponse:
        """Get a stored response of the caller's key. Raises NotFoundError where there is none."""
        stored = await self.store.get(caller.key_id, response_id)
        if stored is None:
            raise unknown_response_error(response_id, param=None)
        return stored

    async def _read(self, body: Mapping[str, Any], caller: Caller) -> Call[ResponsesRequest]:
        """Read and check a request's body as a call.

        It gets the earlier conversation and the stored items that the body refers to.
        """
        sent = self.pipeline.sent_fields(body, but=("model", "stream"))
        earlier = await self._read_conversation(body.get("previous_response_id"), caller)
        stored_items = await self._find_items(body.get("input"), caller)

        def read() -> Call[ResponsesRequest]:
            """Build the call; a step without waiting, so that a thread can run it."""
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
            request = replace(request, items=expand_compactions(request.items))
            return self.pipeline.make_call(request, body, caller.visit)

        return await caller.read(read)

    async def _find_items(self, asked: Any, caller: Caller) -> dict[str, Mapping[str, Any]]:
        """The stored items that an input refers to, and the others of their responses, by id."""
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
        """Whether tools without `strict` are strict.

        The request's option, else the configuration's.
        """
        usual = self.pipeline.directory.config.settings.strict_tools
        return bool(read_option(body, "strict_tools", Scope.REQUEST, usual))

    async def _read_conversation(self, response_id: Any, caller: Caller) -> Items:
        """The items of the conversation that `previous_response_id` continues.

        None where it is None.
        """
        if response_id is None:
            return ()
        known = check_response_id(response_id)
        stored = await self.store.get(caller.key_id, known)
        if stored is None:
            raise unknown_response_error(known)
        return stored.conversation


def _replay_after(query: str) -> int | None:
    """The query of `GET /responses/{id}`.

    The number of the event to replay after, or None where the whole response is wanted, not its
    events.

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


def _item_page(items: list[Mapping[str, Any]], query: str) -> dict[str, Any]:
    """One page of a list of items by the query's `limit`, `order` and `after`.

    Raises BadRequestError.
    """
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
    """The code and message of an error for the event `response.failed`."""
    told = last_error_body(error)["error"]
    return told["code"], told["message"]


def encode_response_events(events: Iterable[ResponseEvent]) -> bytes:
    """Serialize events of the Responses API as server-sent events."""
    return b"".join(encode_event(event.to_json_bytes(), event.type) for event in events)

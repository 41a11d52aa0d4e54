"""The Responses API of the gateway: answers over chat, and the stored ones.

Every frame of a stream names its event, and nothing follows the last one: no `[DONE]`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from puna.bridges.responses.request import ResponseRequest, read_response_request
from puna.bridges.responses.stored import StoredResponse, stored_of, unknown_response
from puna.bridges.responses.stream import ResponseStream
from puna.catalog.tokens import count_message_tokens
from puna.engine.call import Call
from puna.engine.clock import Clock
from puna.engine.responses import check_response_id, respond_async
from puna.errors import APIError, BadRequestError
from puna.gateway.pipeline import Pipeline
from puna.gateway.replies import Reply, error_body, json_reply
from puna.gateway.requests import check_fields, check_model_name
from puna.gateway.sending import Caller, Telling, send_answer, send_reply, send_stream
from puna.governance.store.base import ResponseStore
from puna.types.chat import ChatCompletionChunk
from puna.types.report import CallReport
from puna.types.responses import Response, ResponseEvent
from puna.wire.sse import encode_event

_log = logging.getLogger("puna.gateway")

_DEFAULT_ITEMS = 20
_MOST_ITEMS = 100
_MOST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class ResponsesAPI:
    """What the endpoints below `/responses` do."""

    pipeline: Pipeline
    store: ResponseStore
    clock: Clock

    async def create(self, body: Mapping[str, Any], caller: Caller) -> CallReport:
        """Answer a request.

        Raises:
            APIError: nothing was sent to the client yet.
        """
        request, call = await self._read(body, caller)
        response_id = f"resp_{self.clock.make_id()}"
        engine = self.pipeline.engine
        if call.request.is_stream:
            bridge = ResponseStream(request, response_id, int(self.clock.now()))
            return await send_stream(
                engine.stream(call), caller, self._telling(request, bridge, caller)
            )

        async def answer() -> Response:
            response = await respond_async(engine, request, call, response_id)
            await self._keep(request, response, caller)
            return response

        return await send_answer(answer(), caller)

    async def count(self, body: Mapping[str, Any], caller: Caller) -> None:
        """Answer with the input tokens of a request that is not made.

        Raises:
            APIError: the request is wrong, or nobody serves the model.
        """
        _, call = await self._read({**body, "stream": None}, caller)
        model, asked = call.plan.group[0].target.model, call.request
        told = await asyncio.to_thread(
            count_message_tokens, model, asked.messages, asked.params.get("tools")
        )
        count = {"object": "response.input_tokens", "input_tokens": told.count}
        headers = {"x-puna-usage": "estimated"} if told.is_estimate else {}
        await send_reply(caller.send, json_reply(count, headers=headers))

    async def get(self, response_id: str, query: str, caller: Caller) -> Reply:
        """A stored response.

        Raises:
            BadRequestError: it is asked for as a stream.
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        if parse_qs(query).get("stream", [""])[-1].lower() == "true":
            raise BadRequestError(
                "A stored response is given whole here; leave out `stream`.", param="stream"
            )
        return json_reply((await self._find(response_id, caller)).response)

    async def delete(self, response_id: str, caller: Caller) -> Reply:
        """Forget a stored response.

        Raises:
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        if not await self.store.delete(caller.principal.key_id, response_id):
            raise unknown_response(response_id, param=None)
        return json_reply({"id": response_id, "object": "response", "deleted": True})

    async def input_items(self, response_id: str, query: str, caller: Caller) -> Reply:
        """The new input of a stored response, last item first unless `order` says otherwise.

        Raises:
            BadRequestError: `limit`, `order` or `after` is wrong.
            NotFoundError: this key has no such response.
            ServiceUnavailableError: the store cannot be used.
        """
        stored = await self._find(response_id, caller)
        return json_reply(_page(list(stored.input_items), query))

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

    def _telling(
        self, request: ResponseRequest, bridge: ResponseStream, caller: Caller
    ) -> Telling[ChatCompletionChunk]:
        """A stream as clients of this API read it; one that breaks ends in `response.failed`."""

        async def finish(_: CallReport) -> bytes:
            last = bridge.finish()
            if bridge.response is not None:
                await self._keep(request, bridge.response, caller)
            return _encode(last)

        return Telling(
            encode=lambda chunk: _encode(bridge.change(chunk)),
            finish=finish,
            fail=lambda error: _encode(bridge.fail(*_describe(error))),
        )

    async def _keep(self, request: ResponseRequest, response: Response, caller: Caller) -> None:
        """Store a response, unless it is not to be; one that cannot be was still answered."""
        if not request.is_stored:
            return
        try:
            await self.store.put(stored_of(request, response, caller.principal.key_id))
        except Exception:  # noqa: BLE001 - nothing of it is the answer's fault
            _log.exception("The response `%s` was not stored", response.id)

    async def _find(self, response_id: str, caller: Caller) -> StoredResponse:
        stored = await self.store.get(caller.principal.key_id, response_id)
        if stored is None:
            raise unknown_response(response_id, param=None)
        return stored

    async def _read(self, body: Mapping[str, Any], caller: Caller) -> tuple[ResponseRequest, Call]:
        request = await self._read_request(body, caller)
        fields = {**request.fields, "model": body.get("model")}
        call = self.pipeline.read_call(fields, request.messages, caller)
        return request, replace(call, left_out=request.left_out)

    async def _read_request(self, body: Mapping[str, Any], caller: Caller) -> ResponseRequest:
        check_fields(body)
        check_model_name(body.get("model"))
        earlier: tuple[Mapping[str, Any], ...] = ()
        previous = body.get("previous_response_id")
        if previous is not None:
            check_response_id(previous)
            stored = await self.store.get(caller.principal.key_id, previous)
            if stored is None:
                raise unknown_response(previous)
            earlier = stored.messages
        given = {name: value for name, value in body.items() if name != "model"}
        return read_response_request(
            body.get("model"),
            given,
            earlier=earlier,
            drop_params=self.pipeline.bridge_drops(body),
        )


def refuse_compaction() -> Reply:
    """Raise for `/responses/compact`."""
    raise BadRequestError(
        "Compaction is not done here: hosts of Llama have none. Shorten the input yourself, such "
        "as by asking a model for a summary.",
        code="not_supported",
    )


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


def _describe(error: APIError) -> tuple[str, str]:
    """An error as a client may see it."""
    told = error_body(error)["error"]
    return told["code"], told["message"]


def _encode(events: Iterable[ResponseEvent]) -> bytes:
    return b"".join(encode_event(event.to_json().encode(), event.type) for event in events)

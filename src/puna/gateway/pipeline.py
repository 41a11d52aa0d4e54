"""One request through the gateway: read, call, settle, reply.

A client that leaves ends its call: the upstream connection is closed and the call settled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from puna.bridges.completions import messages_of, read_text_request
from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call
from puna.engine.streams import AsyncStream
from puna.engine.texts import calls_of, complete_texts_async, stream_texts_async
from puna.errors import APIError, BadRequestError
from puna.gateway.directory import Directory
from puna.gateway.replies import (
    DONE,
    Reply,
    error_event,
    event_headers,
    internal_error,
    report_headers,
)
from puna.gateway.requests import (
    LOCAL_FIELDS,
    ClientDisconnected,
    Receive,
    Send,
    check_fields,
    check_model_name,
)
from puna.gateway.steering import read_mapping, read_names, read_steering
from puna.governance.keys import Principal
from puna.routing.attempts import Plan, RetryPolicy
from puna.types.chat import ChatCompletionChunk
from puna.types.completions import TextCompletion
from puna.types.report import CallReport
from puna.types.requests import ChatRequest, make_chat_request
from puna.wire.sse import encode_event

T = TypeVar("T")

_log = logging.getLogger("puna.gateway")

_MOST_PROMPTS = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, under which call id, and the two ends of the connection."""

    principal: Principal
    call_id: str
    receive: Receive
    send: Send


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What every call needs: the models, the engine, and the way of one call."""

    directory: Directory
    engine: AsyncEngine

    async def chat(self, body: Mapping[str, Any], caller: Caller) -> CallReport:
        """Answer a chat completion.

        Raises:
            APIError: nothing was sent to the client yet.
        """
        call = self.read_call(body, body.get("messages"), caller)
        if call.request.is_stream:
            stream = await until_disconnect(self.engine.stream(call), caller.receive)
            return await _send_stream(stream, caller)
        answer = await until_disconnect(self.engine.chat(call), caller.receive)
        report = answer.report
        assert report is not None, "the engine sets it"  # noqa: S101 - narrows the type
        await send_reply(caller.send, _whole(answer.to_json(), report))
        return report

    async def text(self, body: Mapping[str, Any], caller: Caller) -> CallReport:
        """Answer a text completion, over chat.

        Raises:
            APIError: nothing was sent to the client yet.
        """
        fields = {name: value for name, value in body.items() if name not in ("prompt", "messages")}
        drop_params = self.drops_params(body)
        request = read_text_request(body.get("prompt"), fields, drop_params=drop_params)
        if len(request.prompts) > _MOST_PROMPTS:
            raise BadRequestError(
                f"`prompt` holds `{len(request.prompts)}` texts; send at most {_MOST_PROMPTS}.",
                param="prompt",
            )
        first = self.read_call({**request.fields}, messages_of(request.prompts[0]), caller)
        calls = calls_of(request, first)
        if first.request.is_stream:
            opening = stream_texts_async(self.engine, request, calls)
            stream = await until_disconnect(opening, caller.receive)
            return await _send_stream(stream, caller)
        answer = await until_disconnect(
            complete_texts_async(self.engine, request, calls), caller.receive
        )
        report = answer.report
        assert report is not None, "the engine sets it"  # noqa: S101 - narrows the type
        await send_reply(caller.send, _whole(answer.to_json(), report))
        return report

    def read_call(self, body: Mapping[str, Any], messages: Any, caller: Caller) -> Call:
        """A call from a request's fields, by the rules of `requests`."""
        check_fields(body)
        check_model_name(body.get("model"))
        sent = {
            name: value
            for name, value in body.items()
            if name not in LOCAL_FIELDS and name not in ("model", "messages", "stream")
        }
        request = make_chat_request(
            body.get("model"),
            messages,
            sent,
            stream=body.get("stream", False),
            drop_params=self.drops_params(body),
            allowed_params=read_names(body, "allowed_openai_params"),
            unwanted_params=read_names(body, "additional_drop_params"),
        )
        return Call(
            request=request,
            plan=self._plan(request, body),
            policy=retry_policy(self.directory),
            metadata={
                **read_mapping(body, "metadata"),
                **read_mapping(body, "litellm_metadata"),
                "key_id": caller.principal.key_id,
            },
            call_id=caller.call_id,
        )

    def _plan(self, request: ChatRequest, body: Mapping[str, Any]) -> Plan:
        plan = self.directory.plan(request.model)
        own = read_names(body, "fallbacks")
        if own:
            plan = replace(plan, fallbacks=self.directory.fallbacks(own, request.model))
        return read_steering(body, is_stream=request.is_stream).apply(plan)

    def drops_params(self, body: Mapping[str, Any]) -> bool:
        """Whether a request leaves out what a host cannot do: its own wish, or the operator's."""
        wish = body.get("drop_params")
        if wish is None:
            return self.directory.config.settings.drop_params
        if not isinstance(wish, bool):
            raise BadRequestError("`drop_params` must be true or false.", param="drop_params")
        return wish


def retry_policy(directory: Directory) -> RetryPolicy:
    """How patiently the gateway's calls are tried again."""
    return RetryPolicy(shortest_pause_s=directory.config.router.retry_after_s)


async def send_reply(send: Send, reply: Reply, *, has_body: bool = True) -> None:
    """Send a whole reply; without its body for HEAD."""
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.head()})
    await send({"type": "http.response.body", "body": reply.body if has_body else b""})


async def until_disconnect(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Run `work` to its end, or cancel it when the client leaves.

    Raises:
        ClientDisconnected: it left; `work` was cancelled and has ended.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnected
        return task.result()
    finally:
        for one in (task, watch):
            one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_stream(
    stream: AsyncStream[ChatCompletionChunk] | AsyncStream[TextCompletion], caller: Caller
) -> CallReport:
    """Send all chunks as events. A failure after the first byte becomes a last error event."""
    async with stream:
        await caller.send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": event_headers(stream.report),
            }
        )
        await until_disconnect(_send_events(stream, caller.send), caller.receive)
    return stream.report


async def _send_events(
    stream: AsyncStream[ChatCompletionChunk] | AsyncStream[TextCompletion], send: Send
) -> None:
    last = DONE
    try:
        async for chunk in stream:
            await send(_part(encode_event(chunk.to_json().encode())))
    except APIError as error:
        last = error_event(error)  # the status has gone out
    except Exception:  # noqa: BLE001 - nothing raw may reach a client, and no stream may just stop
        _log.exception("A stream failed")
        last = error_event(internal_error())
    await send(_part(last, more=False))


def _part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


def _whole(text: str, report: CallReport) -> Reply:
    return Reply(200, text.encode(), report_headers(report))

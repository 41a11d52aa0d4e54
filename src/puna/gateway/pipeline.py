"""One request through the gateway: read, call, settle, reply.

A client that leaves ends its call: the upstream connection is closed and the call settled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, TypeVar

from puna.bridges.completions import messages_of, read_text_request
from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call, RequestT
from puna.engine.streams import AsyncStream
from puna.engine.texts import calls_of, complete_texts_async, stream_texts_async
from puna.errors import APIError, BadRequestError
from puna.gateway.directory import Directory
from puna.gateway.replies import (
    DONE,
    Reply,
    chat_body,
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
from puna.types.model_request import ModelRequest
from puna.types.report import CallReport
from puna.types.requests import make_chat_request
from puna.wire.sse import encode_event

T = TypeVar("T")

_log = logging.getLogger("puna.gateway")

_MOST_PROMPTS = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, under which call id, the two ends of the connection, and the request's headers."""

    principal: Principal
    call_id: str
    receive: Receive
    send: Send
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class RequestOptions(TypedDict):
    """What a request's fields say about it, whatever its kind."""

    drop_params: bool
    allowed_params: Sequence[str]
    unwanted_params: Sequence[str]


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
        await send_reply(caller.send, whole_reply(chat_body(answer), report))
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
        await send_reply(caller.send, whole_reply(answer.to_json().encode(), report))
        return report

    def read_call(self, body: Mapping[str, Any], messages: Any, caller: Caller) -> Call:
        """A chat call from a request's fields, by the rules of `requests`."""
        sent = self.sent_fields(body, but=("model", "messages", "stream"))
        request = make_chat_request(
            body.get("model"),
            messages,
            sent,
            stream=body.get("stream", False),
            rescue_tool_calls=_read_flag(body, "rescue_tool_calls"),
            repair_tool_arguments=_read_flag(body, "repair_tool_arguments"),
            emulate_response_format=_read_flag(body, "emulate_response_format"),
            format_retries=body.get("format_retries"),
            **self.request_options(body),
        )
        return self.make_call(request, body, caller)

    def sent_fields(self, body: Mapping[str, Any], *, but: Sequence[str]) -> Mapping[str, Any]:
        """The fields that may go upstream, but for those that are read by themselves.

        Raises:
            BadRequestError: a field that only the operator may set, or a name that no model has.
        """
        check_fields(body)
        check_model_name(body.get("model"))
        return {n: v for n, v in body.items() if n not in LOCAL_FIELDS and n not in but}

    def request_options(self, body: Mapping[str, Any]) -> RequestOptions:
        """What the fields say about a request of any kind."""
        return {
            "drop_params": self.drops_params(body),
            "allowed_params": read_names(body, "allowed_openai_params"),
            "unwanted_params": read_names(body, "additional_drop_params"),
        }

    def make_call(
        self, request: RequestT, body: Mapping[str, Any], caller: Caller
    ) -> Call[RequestT]:
        """A checked request with who may answer it, and what hooks are told."""
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

    def _plan(self, request: ModelRequest, body: Mapping[str, Any]) -> Plan:
        plan = self.directory.plan(request.model)
        own = read_names(body, "fallbacks")
        if own:
            plan = replace(plan, fallbacks=self.directory.fallbacks(own, request.model))
        return read_steering(body, is_stream=request.is_stream).apply(plan)

    def drops_params(self, body: Mapping[str, Any]) -> bool:
        """Whether what cannot be done is left out: the request's wish, else the configuration's.

        Raises:
            BadRequestError: the wish is neither true nor false.
        """
        wish = _read_flag(body, "drop_params")
        return self.directory.config.settings.drop_params if wish is None else wish


def _read_flag(body: Mapping[str, Any], name: str) -> bool | None:
    wish = body.get(name)
    if wish is not None and not isinstance(wish, bool):
        raise BadRequestError(f"`{name}` must be true or false.", param=name)
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


def whole_reply(body: bytes, report: CallReport) -> Reply:
    """A whole answer, with how the call went as headers."""
    return Reply(200, body, report_headers(report))

"""One request through the gateway: read, call, settle, reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from puna.bridges.completions import TextRequest, prompt_messages, read_text_request
from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call, RequestT
from puna.engine.completion_run import has_endpoint
from puna.engine.texts import calls_of, complete_texts_async, stream_texts_async
from puna.errors import BadRequestError
from puna.gateway.answers.replies import DONE, chat_body, error_event
from puna.gateway.answers.sending import Caller, StreamEncoding, Work, send_answer, send_stream
from puna.gateway.deployments.directory import Directory
from puna.gateway.requests.body import check_fields, check_model_name
from puna.gateway.requests.steering import read_steering
from puna.gateway.visit import Visit
from puna.routing.attempts import Plan, RetryPolicy
from puna.routing.steering import Steering
from puna.types.chat import ChatCompletionChunk
from puna.types.completion_request import CompletionRequest, make_completion_request
from puna.types.completions import TextCompletion
from puna.types.model_request import ModelRequest
from puna.types.option_kinds import Scope
from puna.types.option_scopes import CHAT_OPTIONS, REQUEST_OPTIONS, read_option
from puna.types.report import CallReport
from puna.types.requests import ChatRequest, make_chat_request
from puna.wire.sse import encode_event

_MOST_PROMPTS = 256
_UNSTEERED = Steering(is_stream=False)


def _encode_chunk(chunk: ChatCompletionChunk | TextCompletion) -> bytes:
    """Serialize a chunk as an event of a stream."""
    return encode_event(chunk.to_json_bytes())


async def _end_marker(_: CallReport) -> bytes:
    """`[DONE]`, the last event of a chat or text stream."""
    return DONE


_CHUNKS = StreamEncoding(_encode_chunk, _end_marker, error_event)
"""Chunks of chat and of text completions, as OpenAI's clients read them."""


class RequestOptions(TypedDict):
    """The options of Puna that a request's body sets, whatever the request's kind."""

    drop_params: bool
    allowed_params: Sequence[str]
    unwanted_params: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Makes calls from request bodies and has the engine run them.

    One for each configuration; every endpoint that asks a model uses it.
    """

    directory: Directory
    engine: AsyncEngine

    async def chat(self, body: Mapping[str, Any], caller: Caller) -> Work:
        """Handle `POST /chat/completions`: read the body and return the call to make.

        Raises:
            APIError: the request is wrong, or nobody serves the model.
        """
        call = await caller.read(self.read_call, body, body.get("messages"), caller.visit)
        if call.request.is_stream:
            return Work((call,), lambda: send_stream(self.engine.stream(call), caller, _CHUNKS))
        return Work((call,), lambda: send_answer(self.engine.chat(call), caller, chat_body))

    async def text(self, body: Mapping[str, Any], caller: Caller) -> Work:
        """Handle `POST /completions`: at hosts that have the endpoint, else over chat.

        Raises:
            APIError: the request is wrong, or nobody serves the model.
        """
        engine = self.engine
        if self._has_endpoint(body):
            return await self._complete(body, caller)
        request, calls = await caller.read(self._read_texts, body, caller)
        if calls[0].request.is_stream:
            return Work(
                calls,
                lambda: send_stream(stream_texts_async(engine, request, calls), caller, _CHUNKS),
            )
        return Work(
            calls, lambda: send_answer(complete_texts_async(engine, request, calls), caller)
        )

    def _read_texts(
        self, body: Mapping[str, Any], caller: Caller
    ) -> tuple[TextRequest, Sequence[Call]]:
        """Read a text completion that goes over chat.

        The request, and one chat call for each prompt.
        """
        others = ("prompt", "messages") if "prompt" in body else ("prompt",)
        fields = {name: value for name, value in body.items() if name not in others}
        may_drop = self.bridge_drops(body)
        request = read_text_request(body.get("prompt"), fields, drop_params=may_drop)
        if len(request.prompts) > _MOST_PROMPTS:
            raise BadRequestError(
                f"`prompt` holds `{len(request.prompts)}` texts; send at most {_MOST_PROMPTS}.",
                param="prompt",
            )
        first = self.read_call(
            {**request.fields}, prompt_messages(request.prompts[0]), caller.visit
        )
        return request, calls_of(request, first)

    def _has_endpoint(self, body: Mapping[str, Any]) -> bool:
        """Whether every deployment of the model and its fallbacks has the completions endpoint."""
        model = body.get("model")
        check_model_name(model)
        if not isinstance(model, str) or not model.strip():
            return False  # the chat's reader says so
        plan = self.directory.plan(model)
        own = read_option(body, "fallbacks", Scope.REQUEST, ())
        if own:
            plan = replace(plan, fallbacks=self.directory.fallbacks(own, model))
        return has_endpoint(plan)

    async def _complete(self, body: Mapping[str, Any], caller: Caller) -> Work:
        """Handle a text completion whose hosts have the endpoint."""
        call = await caller.read(self._read_completion, body, caller)
        if call.request.is_stream:
            return Work(
                (call,), lambda: send_stream(self.engine.stream_text(call), caller, _CHUNKS)
            )
        return Work((call,), lambda: send_answer(self.engine.complete(call), caller))

    def _read_completion(self, body: Mapping[str, Any], caller: Caller) -> Call[CompletionRequest]:
        """Read and check a text completion's body as a call for hosts that have the endpoint."""
        request = make_completion_request(
            body.get("model"),
            body.get("prompt"),
            self.sent_fields(body, but=("model", "prompt", "messages", "stream")),
            stream=body.get("stream", False),
            **self.request_options(body),
        )
        return self.make_call(request, body, caller.visit)

    def read_call(self, body: Mapping[str, Any], messages: Any, visit: Visit) -> Call:
        """Make a chat call from a body's fields and the given messages. Raises APIError."""
        return self.make_call(self.read_request(body, messages), body, visit)

    def read_request(self, body: Mapping[str, Any], messages: Any) -> ChatRequest:
        """Make a checked chat request from a body's fields and the given messages.

        Raises BadRequestError.
        """
        sent = self.sent_fields(body, but=("model", "messages", "stream"))
        return make_chat_request(
            body.get("model"),
            messages,
            sent,
            stream=body.get("stream", False),
            **chat_options(body),
            **self.request_options(body),
        )

    def sent_fields(self, body: Mapping[str, Any], *, but: Sequence[str]) -> Mapping[str, Any]:
        """The body's fields that may be sent to a host.

        Those in `but` are left out: the caller reads them.

        Raises:
            BadRequestError: a field that only the operator may set, a name that no model has, or
                an option that is not what it must be, also where this kind of call has no use for
                it.
        """
        check_fields(body)
        check_model_name(body.get("model"))
        for name in body.keys() & REQUEST_OPTIONS:
            read_option(body, name, Scope.REQUEST)
        return {n: v for n, v in body.items() if n not in REQUEST_OPTIONS and n not in but}

    def request_options(self, body: Mapping[str, Any]) -> RequestOptions:
        """Read the options of Puna in a body, such as `drop_params` and `tags`.

        Raises BadRequestError.
        """
        return {
            "drop_params": self.drops_params(body),
            "allowed_params": read_option(body, "allowed_openai_params", Scope.REQUEST, ()),
            "unwanted_params": read_option(body, "additional_drop_params", Scope.REQUEST, ()),
        }

    def make_call(
        self,
        request: RequestT,
        body: Mapping[str, Any],
        visit: Visit,
        *,
        plan: Plan | None = None,
        left_out: tuple[str, ...] = (),
    ) -> Call[RequestT]:
        """Make a call from a checked request: adds deployments, retry policy, and data for hooks.

        `plan` is the model's plan where the caller has it already. `left_out` are names of fields
        that a bridge has dropped, as in `Call`.
        """
        return Call(
            request=request,
            plan=plan or self.plan_of(request, body),
            left_out=left_out,
            policy=retry_policy(self.directory),
            metadata={
                **read_option(body, "metadata", Scope.REQUEST, {}),
                **read_option(body, "litellm_metadata", Scope.REQUEST, {}),
                "key_id": visit.principal.key_id,
            },
            call_id=visit.call_id,
            meter=visit,
        )

    def plan_of(self, request: ModelRequest, body: Mapping[str, Any]) -> Plan:
        """The plan for a request.

        Its model's, with the fallbacks, retries and timeouts that the request itself asks for.
        """
        plan = self.directory.plan(request.model)
        own = read_option(body, "fallbacks", Scope.REQUEST, ())
        if own:
            plan = replace(plan, fallbacks=self.directory.fallbacks(own, request.model))
        steering = read_steering(body, is_stream=request.is_stream)
        return plan if steering == _UNSTEERED else replace(plan, steering=steering)

    def drops_params(self, body: Mapping[str, Any]) -> bool:
        """Whether parameters that a host does not support are dropped.

        By the request's `drop_params`, else by the configuration's.

        Raises:
            BadRequestError: the wish is neither true nor false.
        """
        usual = self.directory.config.settings.drop_params
        return bool(read_option(body, "drop_params", Scope.REQUEST, usual))

    def bridge_drops(self, body: Mapping[str, Any]) -> bool:
        """As `drops_params`, for a bridge, which converts once for all deployments.

        Where the request does not set it, it is true if all deployments of the model set it.

        Raises:
            APIError: the wish is neither true nor false, or nobody serves the model.
        """
        model = body.get("model")
        check_model_name(model)
        if body.get("drop_params") is not None or not (isinstance(model, str) and model):
            return self.drops_params(body)
        return all(one.drop_params for one in self.directory.plan(model).group)


def chat_options(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a body that only chat requests have, as arguments of `make_chat_request`.

    Raises:
        BadRequestError: one is not what it must be.
    """
    return {name: read_option(body, name, Scope.REQUEST) for name in CHAT_OPTIONS}


def retry_policy(directory: Directory) -> RetryPolicy:
    """The retry policy of the configuration's `router_settings`."""
    return RetryPolicy(shortest_pause_s=directory.config.router.retry_after_s)

"""The synchronous client."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self, overload

from puna.client.compose import make_transport
from puna.client.embeddings import read_embedding_call
from puna.client.keywords import read_call, read_completion_call, read_text_calls
from puna.client.moderations import read_moderation_call
from puna.client.response_calls import read_response_call
from puna.client.settings import ClientSettings
from puna.client.tapes import Tape
from puna.embedded.supervisor import SupervisorPool
from puna.engine.clock import Clock, SystemClock
from puna.engine.responses import ResponseMemory, respond, stream_response
from puna.engine.streams import Stream
from puna.engine.synchronous import Engine
from puna.engine.texts import complete_texts, stream_texts
from puna.routing.health import Health
from puna.transports.base import Transport
from puna.transports.faults import Faults
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.completions import TextCompletion
from puna.types.embeddings import EmbeddingResponse
from puna.types.moderations import ModerationResponse
from puna.types.responses import Response, ResponseEvent


class Client:
    """Calls models and blocks until they answer. Thread-safe; close it, or use it in a `with`.

    `transport` and `clock` are for tests and special networks; the defaults are real ones. `pool`
    shares the embedded model's process between clients, `memory` the responses that later ones may
    continue.

    `record` names a file into which all exchanges are written, without secrets; `replay` one that
    answers in place of hosts, at `replay_speed` times the recorded pace (0: without pauses);
    `faults` are injected.
    """

    def __init__(  # noqa: PLR0913 - what a client is made of; all by keyword
        self,
        settings: ClientSettings | None = None,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
        pool: SupervisorPool | None = None,
        memory: ResponseMemory | None = None,
        record: str | PathLike[str] | None = None,
        replay: str | PathLike[str] | None = None,
        replay_speed: float = 0.0,
        faults: Faults | None = None,
    ) -> None:
        tape = Tape(record, replay, replay_speed, faults)
        self.settings = tape.settings(settings or ClientSettings())
        self._pool = pool or SupervisorPool()
        self._memory = memory or ResponseMemory()
        self._clock = clock or SystemClock()
        self._owns_pool = pool is None
        self._transport = tape.transport(
            lambda: transport or make_transport(self.settings, self._pool), self._clock
        )
        self._engine = Engine(
            self._transport,
            clock=self._clock,
            health=Health(self.settings.cooldown),
            hooks=self.settings.hooks,
        )

    @overload
    def completion(
        self, model: str, messages: Sequence[Any], *, stream: Literal[True], **keywords: Any
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def completion(
        self,
        model: str,
        messages: Sequence[Any],
        *,
        stream: Literal[False] | None = None,
        **keywords: Any,
    ) -> ChatCompletion: ...
    @overload
    def completion(
        self, model: str, messages: Sequence[Any], *, stream: bool | None = None, **keywords: Any
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    def completion(
        self, model: str, messages: Sequence[Any], *, stream: bool | None = None, **keywords: Any
    ) -> ChatCompletion | Stream[ChatCompletionChunk]:
        """Ask a model; see `puna.completion` for the keywords."""
        call = read_call(model, messages, keywords, self.settings, stream=stream)
        return self._engine.stream(call) if call.request.is_stream else self._engine.chat(call)

    @overload
    def text_completion(
        self, model: str, prompt: str | Sequence[Any], *, stream: Literal[True], **keywords: Any
    ) -> Stream[TextCompletion]: ...
    @overload
    def text_completion(
        self,
        model: str,
        prompt: str | Sequence[Any],
        *,
        stream: Literal[False] | None = None,
        **keywords: Any,
    ) -> TextCompletion: ...
    @overload
    def text_completion(
        self,
        model: str,
        prompt: str | Sequence[Any],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> TextCompletion | Stream[TextCompletion]: ...
    def text_completion(
        self,
        model: str,
        prompt: str | Sequence[Any],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> TextCompletion | Stream[TextCompletion]:
        """Continue a text; see `puna.text_completion`."""
        native = read_completion_call(model, prompt, keywords, self.settings, stream=stream)
        if native is not None:
            ask = self._engine.stream_text if native.request.is_stream else self._engine.complete
            return ask(native)
        request, calls = read_text_calls(model, prompt, keywords, self.settings, stream=stream)
        run = stream_texts if calls[0].request.is_stream else complete_texts
        return run(self._engine, request, calls)

    def embedding(
        self,
        model: str,
        input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],  # noqa: A002 - OpenAI's name
        **keywords: Any,
    ) -> EmbeddingResponse:
        """Turn texts into vectors; see `puna.embedding`."""
        call = read_embedding_call(model, input, keywords, self.settings)
        return self._engine.embed(call)

    def moderation(
        self,
        model: str,
        input: str | Sequence[Any],  # noqa: A002 - OpenAI's name
        **keywords: Any,
    ) -> ModerationResponse:
        """Classify texts and images as harmful or not; see `puna.moderation`."""
        call = read_moderation_call(model, input, keywords, self.settings)
        return self._engine.moderate(call)

    @overload
    def responses(
        self, model: str, input: str | Sequence[Any], *, stream: Literal[True], **keywords: Any
    ) -> Stream[ResponseEvent]: ...
    @overload
    def responses(
        self,
        model: str,
        input: str | Sequence[Any],
        *,
        stream: Literal[False] | None = None,
        **keywords: Any,
    ) -> Response: ...
    @overload
    def responses(
        self,
        model: str,
        input: str | Sequence[Any],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> Response | Stream[ResponseEvent]: ...
    def responses(
        self,
        model: str,
        input: str | Sequence[Any],  # noqa: A002 - the name in OpenAI's API
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> Response | Stream[ResponseEvent]:
        """Make a response; see `puna.responses`."""
        call = read_response_call(
            model, input, keywords, self.settings, self._memory, stream=stream
        )
        run = stream_response if call.request.is_stream else respond
        return run(self._engine, call, self._memory)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
        if self._owns_pool:
            self._pool.stop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

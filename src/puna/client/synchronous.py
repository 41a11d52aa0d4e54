"""The synchronous client."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self, overload

from puna.bridges.completions import (
    TextRequest,
    messages_of,
    read_text_request,
    text_chunk_of,
    text_of,
)
from puna.client.compose import make_transport
from puna.client.keywords import read_call
from puna.client.settings import ClientSettings
from puna.engine.call import Call
from puna.engine.clock import Clock, SystemClock
from puna.engine.streams import Stream
from puna.engine.synchronous import Engine
from puna.routing.health import Health
from puna.transports.base import Transport
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.completions import TextCompletion


class Client:
    """Calls models. Safe to share between threads; close it, or use it in a `with`.

    `transport` and `clock` are for tests and special networks; the defaults are real ones.
    """

    def __init__(
        self,
        settings: ClientSettings | None = None,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings or ClientSettings()
        self._transport = transport or make_transport(self.settings)
        self._engine = Engine(
            self._transport,
            clock=clock or SystemClock(),
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
        self, model: str, prompt: str | Sequence[str], *, stream: Literal[True], **keywords: Any
    ) -> Stream[TextCompletion]: ...
    @overload
    def text_completion(
        self,
        model: str,
        prompt: str | Sequence[str],
        *,
        stream: Literal[False] | None = None,
        **keywords: Any,
    ) -> TextCompletion: ...
    @overload
    def text_completion(
        self,
        model: str,
        prompt: str | Sequence[str],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> TextCompletion | Stream[TextCompletion]: ...
    def text_completion(
        self,
        model: str,
        prompt: str | Sequence[str],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> TextCompletion | Stream[TextCompletion]:
        """Continue a text; see `puna.text_completion`."""
        request, calls = read_text_calls(model, prompt, keywords, self.settings, stream=stream)
        if not calls[0].request.is_stream:
            return text_of(request, [self._engine.chat(call) for call in calls])
        first = self._engine.stream(calls[0])

        def chunks() -> Generator[TextCompletion, None, None]:
            stream_id: str | None = None
            for position, call in enumerate(calls):
                with first if position == 0 else self._engine.stream(call) as answer:
                    is_first = True
                    for chunk in answer:
                        stream_id = stream_id or chunk.id
                        yield text_chunk_of(
                            request, position, chunk, is_first=is_first, stream_id=stream_id
                        )
                        is_first = False

        return Stream(chunks(), first.close, first.report)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_text_calls(
    model: Any,
    prompt: Any,
    keywords: Mapping[str, Any],
    settings: ClientSettings,
    *,
    stream: Any = None,
) -> tuple[TextRequest, list[Call]]:
    """A text completion as the chat calls it takes, one for each prompt."""
    drop_params = bool(keywords.get("drop_params", settings.drop_params))
    request = read_text_request(prompt, keywords, drop_params=drop_params)
    template = read_call(
        model, messages_of(request.prompts[0]), request.fields, settings, stream=stream
    )
    calls = [
        replace(
            template,
            request=replace(template.request, messages=tuple(messages_of(text))),
        )
        for text in request.prompts
    ]
    return request, calls

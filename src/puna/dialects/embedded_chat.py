"""The embedded engine's chat: OpenAI's protocol, with requests made to what the engine can do.

The rules are in `puna.embedded.constrain`. Requests go to `embedded://<model>/v1/...`, which the
embedded transport turns into the address of the model's process.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote

from typing_extensions import override

from puna.dialects.base import BuiltRequest, ReadContext, StreamReader, Target
from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.openai_stream import OpenAIStreamReader
from puna.embedded.constrain import Constrained, constrain
from puna.embedded.engine_errors import read_engine_error
from puna.embedded.replies import EngineStream, fold_stream, read_completion
from puna.errors import APIError, MalformedReplyError
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.common import Usage
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply, Timeouts
from puna.wire.sse import SSEDecoder, SSEEvent

_DONE = b"[DONE]"


class EmbeddedChat(OpenAIChat):
    """Stateless; one instance serves all calls."""

    @override
    def build_request(
        self, request: ChatRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """POST `embedded://<percent-encoded model>/v1/chat/completions`."""
        built = super().build_request(request, target, timeouts)
        with _for_model(request.model):
            constrained = self._constrain(request, target)
        body = json.dumps(constrained.body, ensure_ascii=False, separators=(",", ":")).encode()
        url = f"embedded://{quote(target.model, safe='')}/v1{self.path}"
        return BuiltRequest(
            replace(built.http, url=url, body=body),
            (*built.dropped_params, *constrained.dropped_params),
        )

    @override
    def read_reply(self, reply: HTTPReply, context: ReadContext) -> ChatCompletion:
        """A success as a completion, checked against the schema that was asked for."""
        with _for_model(context.model):
            constrained = self._constrain(context.request, context.target)
            if constrained.is_folded:
                data = fold_stream(_decode_events(reply.body))
            else:
                data = _decode(reply.body)
                if "error" in data:
                    raise read_engine_error(reply.status, data)
            completion = read_completion(data, constrained, id_base=context.made_id)
        return self.read_body(completion, context)

    @override
    def read_error(self, reply: HTTPReply, context: ReadContext) -> APIError:
        """The typed error of a reply that is not a success."""
        constrained = self._constrain(context.request, context.target)
        try:
            body: Any = json.loads(reply.body)
        except ValueError:
            body = None
        return read_engine_error(reply.status, body, model=context.model, param=constrained.param)

    @override
    def stream_reader(self, context: ReadContext) -> StreamReader:
        """A fresh reader for one streamed reply."""
        return EmbeddedStreamReader(context, self._constrain(context.request, context.target))

    def _constrain(self, request: ChatRequest, target: Target) -> Constrained:
        return constrain(self.build_body(request, target)[0])


class EmbeddedStreamReader:
    """The engine's events, rewritten and handed to the reader of OpenAI's protocol."""

    def __init__(self, context: ReadContext, constrained: Constrained) -> None:
        self._context = context
        self._decoder = SSEDecoder()
        self._engine = EngineStream(constrained, id_base=context.made_id)
        self._reader = OpenAIStreamReader(context)
        self._error: APIError | None = None

    @property
    def usage(self) -> Usage | None:
        """What the engine said of tokens, for all choices."""
        return self._reader.usage

    @property
    def finish_reason(self) -> str | None:
        """The first choice's, once it is known."""
        return self._reader.finish_reason

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come."""
        return self.error is not None or self._reader.is_done

    @property
    def error(self) -> APIError | None:
        """Why the stream failed, or None."""
        return self._error or self._reader.error

    def feed(self, data: bytes) -> list[ChatCompletionChunk]:
        """Take bytes; give the chunks that they complete."""
        return self._take(self._decoder.feed(data))

    def close(self) -> list[ChatCompletionChunk]:
        """The reply has ended: give what is left. Too early an end sets `error`."""
        chunks = self._take(self._decoder.close())
        return chunks if self.is_done else chunks + self._reader.close()

    def _take(self, events: list[SSEEvent]) -> list[ChatCompletionChunk]:
        chunks: list[ChatCompletionChunk] = []
        for event in events:
            if self.is_done:
                break
            try:
                with _for_model(self._context.model):
                    chunks += self._read_event(event)
            except APIError as error:
                # Kept, not raised: the chunks before it are whole and must reach the caller first.
                self._error = error
        return chunks

    def _read_event(self, event: SSEEvent) -> list[ChatCompletionChunk]:
        if event.data.strip() == _DONE:
            made = self._engine.close()
        else:
            made = self._engine.feed(_decode(event.data))
        chunks = [chunk for data in made for chunk in self._reader.feed(_event(data))]
        if event.data.strip() == _DONE:
            chunks += self._reader.feed(b"data: [DONE]\n\n")
        return chunks


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


def _decode(body: bytes) -> dict[str, Any]:
    try:
        data: Any = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise MalformedReplyError(
            "The embedded model's process answered with something that is no JSON object.",
            provider="embedded",
        )
    return cast("dict[str, Any]", data)


def _decode_events(body: bytes) -> Iterator[dict[str, Any]]:
    decoder = SSEDecoder()
    for event in (*decoder.feed(body), *decoder.close()):
        if event.data.strip() != _DONE:
            yield _decode(event.data)


@contextmanager
def _for_model(model: str) -> Generator[None]:
    """Errors of the embedded package, which knows no public names, carry the model's."""
    try:
        yield
    except APIError as error:
        error.model = error.model or model
        raise

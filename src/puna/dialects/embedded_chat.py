"""The dialect of the embedded model: OpenAI's protocol, limited to what its server can do.

The rules are in `puna.embedded.constrain`. Requests go to `embedded://<model>/v1/...`, which the
embedded transport turns into the address of the model's process.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import quote

from pydantic_core import from_json
from typing_extensions import override

from puna.dialects.base import BuiltRequest, ReadContext, StreamReader, Target
from puna.dialects.json_http import build_post, encode_body
from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.request_rules import pop_stream_options
from puna.embedded.constrain import Constrained, constrain
from puna.embedded.prompt import ignored_fields
from puna.embedded.replies import ServerStream, read_completion
from puna.embedded.server_errors import read_server_error
from puna.errors import APIError
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.requests import ChatRequest
from puna.wire.fold import fold
from puna.wire.http import HTTPReply, Timeouts
from puna.wire.sse import SSEEvent


class EmbeddedChat(OpenAIChat):
    """Sends chat requests to the embedded model's server and parses its replies.

    One instance serves all calls. A reply is parsed with the request that was sent
    (`Constrained`), which may differ from the caller's.
    """

    checks_schemas = True
    """Whether requests and answers are checked against the caller's schemas, which takes long."""

    @override
    def build_request(
        self, request: ChatRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST embedded://<percent-encoded model>/v1/chat/completions`."""
        constrained, dropped = self._constrain(request, target)
        url = f"embedded://{quote(target.model, safe='')}/v1{self.path}"
        return BuiltRequest(
            build_post(url, encode_body(constrained.body), request, target, timeouts),
            dropped,
            constrained,
        )

    @override
    def read_body(self, data: dict[str, Any], context: ReadContext) -> ChatCompletion:
        """Convert a decoded body to a completion, and check it against the requested schema."""
        with _attributing(context.target, context.model):
            completion = read_completion(data, self._sent_request(context))
        return super().read_body(completion, context)

    @override
    def read_reply(self, reply: HTTPReply, context: ReadContext) -> ChatCompletion:
        """Parse a success, also where the server had to stream it."""
        if not self._sent_request(context).is_folded:
            return super().read_reply(reply, context)
        reader = self.stream_reader(context)
        chunks = [*reader.feed(reply.body), *reader.close()]
        if reader.error is not None:
            raise reader.error
        completion = fold(chunks)
        completion.usage = reader.usage
        return completion

    @override
    def read_error(self, reply: HTTPReply, context: ReadContext) -> APIError:
        """The typed error for a reply whose status is no success."""
        try:
            body: Any = from_json(reply.body)
        except ValueError:
            body = None
        return _server_error(reply.status, body, context, self._sent_request(context))

    @override
    def read_error_body(self, data: dict[str, Any], context: ReadContext) -> APIError:
        """The typed error for a decoded error body with a success status."""
        return _server_error(_status_of(data), data, context, self._sent_request(context))

    @override
    def stream_reader(self, context: ReadContext) -> StreamReader:
        """A new reader for one streamed reply."""
        return EmbeddedStreamReader(context, self._sent_request(context))

    def _sent_request(self, context: ReadContext) -> Constrained:
        """The request as it was sent to the server, with the schema that its answer must fit.

        The context of an attempt has it; for another context it is built again.
        """
        carried = context.reading
        if isinstance(carried, Constrained):
            return carried
        return self._constrain(context.request, context.target)[0]

    def _constrain(
        self, request: ChatRequest, target: Target
    ) -> tuple[Constrained, tuple[str, ...]]:
        """Convert a request for the server. Returns it, and the names of what was left out."""
        body, dropped = self.build_body(request, target)
        # Decoded again, the body holds plain JSON values only, whatever the caller gave.
        plain = from_json(encode_body(body))
        with _attributing(target, request.model):
            constrained = constrain(plain)
        # The server has its own way to tell the usage.
        untold = pop_stream_options({**body}, request)
        unread = ignored_fields(plain["messages"])
        return constrained, (*dropped, *unread, *untold, *constrained.dropped_params)


class EmbeddedStreamReader(OpenAIStreamReader):
    """Parses the server's stream: its events are converted to OpenAI's before they are read."""

    def __init__(self, context: ReadContext, constrained: Constrained) -> None:
        super().__init__(context)
        self._sent_request = constrained
        self._server = ServerStream(constrained)

    @override
    def read_plain(self, event: SSEEvent) -> ChatCompletionChunk | None:
        return None  # every event is rewritten first

    @override
    def read_frame(self, data: dict[str, Any]) -> list[ChatCompletionChunk]:
        with _attributing(self._context.target, self._context.model):
            made = self._server.feed(data)
        chunks: list[ChatCompletionChunk] = []
        for chunk in made:
            chunks += super().read_frame(chunk)
        return chunks

    @override
    def read_error(self, frame: Any) -> APIError:
        return _server_error(_status_of(frame), frame, self._context, self._sent_request)


def _server_error(
    status: int, body: Any, context: ReadContext, constrained: Constrained
) -> APIError:
    """The typed error for an error of the embedded model's server."""
    error = read_server_error(status, body, param=constrained.param)
    return _attribute(error, context.target, context.model)


def _status_of(body: Any) -> int:
    """The status in an error body with a success status; 500 where it has none."""
    error = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    code = cast("dict[str, Any]", error).get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 500


@contextmanager
def _attributing(target: Target, model: str) -> Generator[None]:
    """Context that adds the provider's and model's names to errors raised in it."""
    try:
        yield
    except APIError as error:
        _attribute(error, target, model)
        raise


def _attribute(error: APIError, target: Target, model: str) -> APIError:
    """Set provider and model on an error."""
    error.provider = error.provider or target.provider
    error.model = error.model or model
    return error

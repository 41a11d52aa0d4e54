"""Amazon Bedrock's Converse and ConverseStream.

Source: Amazon Bedrock API reference, read 2026-11-26. Requests are signed later, with the time of
the try: `Target.signing`, `engine/run.py`.
"""

from __future__ import annotations

from dataclasses import replace

from puna.dialects.base import BuiltRequest, ReadContext, StreamReader, Target
from puna.dialects.converse_replies import read_completion, read_error
from puna.dialects.converse_requests import build_body
from puna.dialects.converse_stream import ConverseStreamReader
from puna.dialects.json_http import build_url, encode, model_segment, parse_object, post
from puna.errors import APIError
from puna.types.chat import ChatCompletion
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply, Timeouts

_STREAM_TYPE = "application/vnd.amazon.eventstream"


class BedrockConverse:
    """Stateless; one instance serves all calls."""

    def build_request(
        self, request: ChatRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """POST `<base>/model/<percent-encoded model>/converse`, or `…/converse-stream`.

        A stream with tools from a host that streams none is asked for whole.
        """
        body, dropped = build_body(request, target)
        if target.quirks.lacks_tool_streaming and "toolConfig" in body:
            request = replace(request, is_stream=False)
        action = "converse-stream" if request.is_stream else "converse"
        url = build_url(target, f"/model/{model_segment(target)}/{action}")
        http = post(url, encode(body), request, target, timeouts, stream_type=_STREAM_TYPE)
        return BuiltRequest(http, dropped)

    def read_reply(self, reply: HTTPReply, context: ReadContext) -> ChatCompletion:
        """A success as a completion.

        Raises:
            APIError: it holds none.
        """
        return read_completion(parse_object(reply, context), context)

    def read_error(self, reply: HTTPReply, context: ReadContext) -> APIError:
        """The typed error of a reply that is not a success."""
        return read_error(reply, context)

    def stream_reader(self, context: ReadContext) -> StreamReader:
        """A fresh reader for one streamed reply."""
        return ConverseStreamReader(context)

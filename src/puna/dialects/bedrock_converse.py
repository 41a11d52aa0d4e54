"""The dialect of Amazon Bedrock's Converse and ConverseStream.

Source: Amazon Bedrock API reference, read 2026-11-26. Requests are signed later, for each attempt:
`Target.signing`, `engine/run.py`.
"""

from __future__ import annotations

from dataclasses import replace

from puna.dialects.base import BuiltRequest, ReadContext, StreamReader, Target
from puna.dialects.converse_replies import read_completion, read_error
from puna.dialects.converse_requests import build_body
from puna.dialects.converse_stream import ConverseStreamReader
from puna.dialects.json_http import build_post, build_url, encode_body, model_segment, parse_object
from puna.errors import APIError
from puna.types.chat import ChatCompletion
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply, Timeouts

_STREAM_TYPE = "application/vnd.amazon.eventstream"


class BedrockConverse:
    """Sends chat requests to Bedrock and parses its replies. One instance serves all calls."""

    def build_request(
        self, request: ChatRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST <base>/model/<percent-encoded model>/converse`, or `…/converse-stream`.

        A stream with tools is requested as a whole answer from a host that cannot stream those.
        """
        body, dropped = build_body(request, target)
        if target.quirks.lacks_tool_streaming and "toolConfig" in body:
            request = replace(request, is_stream=False)
        action = "converse-stream" if request.is_stream else "converse"
        url = build_url(target, f"/model/{model_segment(target)}/{action}")
        http = build_post(
            url, encode_body(body), request, target, timeouts, stream_type=_STREAM_TYPE
        )
        return BuiltRequest(http, dropped)

    def read_reply(self, reply: HTTPReply, context: ReadContext) -> ChatCompletion:
        """Parse a success.

        Raises:
            APIError: it holds no completion.
        """
        return read_completion(parse_object(reply, context), context)

    def read_error(self, reply: HTTPReply, context: ReadContext) -> APIError:
        """The typed error for a reply whose status is no success."""
        return read_error(reply, context)

    def stream_reader(self, context: ReadContext) -> StreamReader:
        """A new reader for one streamed reply."""
        return ConverseStreamReader(context)

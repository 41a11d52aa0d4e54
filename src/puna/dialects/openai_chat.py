"""The dialect of OpenAI's chat completions, which most hosts of Llama speak.

Source: OpenAI API reference, "Chat"; the deviations corrected here are those seen in
`tests/fixtures` and listed in docs/concepts/dialects.md.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from puna.dialects.base import BuiltRequest, ReadContext, StreamReader, Target
from puna.dialects.error_replies import is_error_body, read_error_frame, read_error_reply
from puna.dialects.json_http import (
    build_post,
    build_url,
    encode_body,
    first_problem,
    malformed,
    parse_object,
)
from puna.dialects.openai_replies import mend_completion
from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.request_rules import fit_chat
from puna.errors import APIError
from puna.types.chat import ChatCompletion
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply, Timeouts


class OpenAIChat:
    """Sends chat requests in OpenAI's protocol and parses its replies.

    One instance serves all calls.
    """

    path = "/chat/completions"

    def build_request(
        self, request: ChatRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST <base>/chat/completions`.

        The body holds only what the caller gave, and, where the target says so, the request for a
        stream's usage.
        """
        body, dropped = self.build_body(request, target)
        http = build_post(self.url(target), encode_body(body), request, target, timeouts)
        return BuiltRequest(http, dropped)

    def url(self, target: Target) -> str:
        """The URL of the endpoint."""
        return build_url(target, self.path)

    def build_body(
        self, request: ChatRequest, target: Target
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Build the JSON body as a dict. Returns it, and the names of parameters left out."""
        request, params, dropped = fit_chat(request, target)
        body: dict[str, Any] = {
            "model": target.model,
            "messages": list(request.messages),
            **params,
        }
        if request.is_stream:
            body["stream"] = True
            if target.asks_usage and "stream_options" not in request.unwanted_params:
                body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
        elif body.pop("stream_options", None) is not None:
            dropped = (*dropped, "stream_options")
        return body, dropped

    def read_reply(self, reply: HTTPReply, context: ReadContext) -> ChatCompletion:
        """Parse a success to a chat completion.

        Raises:
            APIError: it holds an error, or no completion.
        """
        data = parse_object(reply, context)
        if is_error_body(data):
            raise self.read_error_body(data, context)
        return self.read_body(data, context)

    def read_body(self, data: dict[str, Any], context: ReadContext) -> ChatCompletion:
        """Convert a decoded body, which is changed in place, to a completion.

        Other dialects override it.

        Raises:
            MalformedReplyError: it is none.
        """
        mend_completion(data, context)
        try:
            return ChatCompletion.model_validate(data)
        except ValidationError as error:
            raise malformed(f"fields of the wrong kind: {first_problem(error)}", context) from error

    def read_error_body(self, data: dict[str, Any], context: ReadContext) -> APIError:
        """The typed error for a decoded error body with a success status."""
        return read_error_frame(data, context)

    def read_error(self, reply: HTTPReply, context: ReadContext) -> APIError:
        """The typed error for a reply whose status is no success."""
        return read_error_reply(reply, context)

    def stream_reader(self, context: ReadContext) -> StreamReader:
        """A new reader for one streamed reply."""
        return OpenAIStreamReader(context)

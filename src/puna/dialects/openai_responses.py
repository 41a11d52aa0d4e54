"""The dialect of OpenAI's Responses API; a host's answers are passed on unchanged.

Source: OpenAI API reference, "Responses".
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from puna.dialects.base import BuiltRequest, ReadContext, Target
from puna.dialects.error_replies import is_error_body, read_error_frame, read_error_reply
from puna.dialects.json_http import (
    build_post,
    build_url,
    encode_body,
    first_problem,
    malformed,
    parse_object,
)
from puna.dialects.openai_response_body import has_failed, mend_response, read_failure, usage_of
from puna.dialects.openai_response_stream import OpenAIResponseStreamReader
from puna.dialects.request_rules import choose_params
from puna.errors import APIError
from puna.types.common import Usage
from puna.types.response_request import ResponsesRequest
from puna.types.responses import Response
from puna.wire.http import HTTPReply, Timeouts

Context = ReadContext[ResponsesRequest]


class OpenAIResponses:
    """Sends requests to a host's Responses API and parses its replies.

    One instance serves all calls.
    """

    path = "/responses"

    def build_request(
        self, request: ResponsesRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST <base>/responses`.

        The conversation is kept here: the host gets all of it as `input`, and is asked to store
        nothing (`store: false`), so that what is deleted here exists nowhere else.
        """
        params, dropped = choose_params(request, target)
        body: dict[str, Any] = {
            "model": target.model,
            "input": [*request.earlier, *request.items],
            **params,
            "store": False,
        }
        if not body["input"]:
            del body["input"]  # a prompt template of the host's says it
        if request.is_stream:
            body["stream"] = True
        elif body.pop("stream_options", None) is not None:
            dropped = (*dropped, "stream_options")
        url = build_url(target, self.path)
        return BuiltRequest(build_post(url, encode_body(body), request, target, timeouts), dropped)

    def read_reply(self, reply: HTTPReply, context: Context) -> Response:
        """Parse a success to a response.

        Raises:
            APIError: it holds an error, a failed response, or no response.
        """
        data = parse_object(reply, context)
        if has_failed(data):
            raise read_failure(data, context)
        if is_error_body(data) and "output" not in data:
            raise read_error_frame(data, context)
        mend_response(data, context)
        try:
            return Response.model_validate(data)
        except ValidationError as error:
            raise malformed(f"no response: {first_problem(error)}", context) from error

    def read_usage(self, response: Response) -> Usage | None:
        """The usage of a response in chat's counting; None where it has none."""
        return usage_of(response)

    def read_error(self, reply: HTTPReply, context: Context) -> APIError:
        """The typed error for a reply whose status is no success."""
        return read_error_reply(reply, context)

    def stream_reader(self, context: Context) -> OpenAIResponseStreamReader:
        """A new reader for one streamed reply."""
        return OpenAIResponseStreamReader(context)

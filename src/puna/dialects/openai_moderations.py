"""The dialect of OpenAI's moderations. Source: OpenAI API reference, "Moderations"."""

from __future__ import annotations

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
from puna.dialects.request_rules import choose_params
from puna.errors import APIError
from puna.types.moderations import ModerationRequest, ModerationResponse
from puna.wire.http import HTTPReply, Timeouts

Context = ReadContext[ModerationRequest]


class OpenAIModerations:
    """Sends moderation requests and parses their replies. One instance serves all calls."""

    path = "/moderations"

    def build_request(
        self, request: ModerationRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST <base>/moderations`, with only what the caller gave in the body."""
        params, dropped = choose_params(request, target)
        body = {"model": target.model, "input": request.input, **params}
        url = build_url(target, self.path)
        return BuiltRequest(build_post(url, encode_body(body), request, target, timeouts), dropped)

    def read_reply(self, reply: HTTPReply, context: Context) -> ModerationResponse:
        """Parse a success to verdicts, under the public name of the model.

        Raises:
            APIError: it holds an error, or no result: a missing one must not count as harmless.
        """
        data = parse_object(reply, context)
        if is_error_body(data):
            raise read_error_frame(data, context)
        data["model"] = context.model
        try:
            response = ModerationResponse.model_validate(data, strict=True)
        except ValidationError as error:
            raise malformed(f"no verdicts: {first_problem(error)}", context) from error
        given = context.request.input
        wanted = len(given) if isinstance(given, list) and isinstance(given[0], str) else 1
        if len(response.results) != wanted:
            raise malformed(f"`{len(response.results)}` verdicts for `{wanted}` inputs", context)
        return response

    def read_error(self, reply: HTTPReply, context: Context) -> APIError:
        """The typed error for a reply whose status is no success."""
        return read_error_reply(reply, context)

"""Moderations by a Llama Guard, as chat calls in the host's own dialect.

See `puna.bridges.guard`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from puna.bridges.guard import guarded_message, parse_verdict
from puna.catalog.guards import GuardFacts
from puna.catalog.tokens import count_message_tokens
from puna.dialects.base import BuiltRequest, ReadContext, Target
from puna.dialects.json_http import malformed
from puna.dialects.protocols import Dialect
from puna.errors import APIError
from puna.types.chat import ChatCompletion
from puna.types.common import Usage
from puna.types.moderations import ModerationRequest, ModerationResponse
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply, Timeouts

Context = ReadContext[ModerationRequest]


@dataclass(frozen=True, slots=True)
class GuardModerations:
    """Asks a Llama Guard model about one input for each call, over the host's `chat` dialect."""

    guard: GuardFacts
    chat: Dialect

    def build_request(
        self, request: ModerationRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build a chat request with the input as its message.

        The temperature is 0, so that the result is stable.
        """
        asked = self._to_chat(request)
        built = self.chat.build_request(asked, target, timeouts)
        return replace(built, reading=(asked, built.reading))

    def read_reply(self, reply: HTTPReply, context: Context) -> ModerationResponse:
        """Parse the verdict, under the public name of the model.

        Raises:
            APIError: the reply is an error, or holds no verdict, which must not count as harmless.
        """
        answer = self.chat.read_reply(reply, self._chat_context(context))
        message = answer.choices[0].message
        verdict = parse_verdict(message.content, self.guard.codes)
        if verdict is None:
            raise malformed("a text that is no verdict of a Llama Guard", context)
        return ModerationResponse.model_validate(
            {
                "id": answer.id,
                "model": context.model,
                "results": [verdict],
                "usage": answer.usage or _estimate(answer, context),
            }
        )

    def read_error(self, reply: HTTPReply, context: Context) -> APIError:
        """The typed error for a reply whose status is no success."""
        return self.chat.read_error(reply, self._chat_context(context))

    def _to_chat(self, request: ModerationRequest) -> ChatRequest:
        """The chat request for one input."""
        (given,) = request.inputs
        return ChatRequest(
            request.model,
            (guarded_message(given, reads_images=self.guard.reads_images),),
            params={"temperature": 0, **request.params},
            extra=request.extra,
            headers=request.headers,
            drop_params=request.drop_params,
            allowed_params=request.allowed_params,
            unwanted_params=request.unwanted_params,
        )

    def _chat_context(self, context: Context) -> ReadContext:
        """The context with the chat request in place of the moderation request."""
        asked, reading = context.reading or (self._to_chat(context.request), None)
        return ReadContext(
            target=context.target,
            model=context.model,
            made_id=context.made_id,
            now=context.now,
            request=asked,
            reading=reading,
        )


def _estimate(answer: ChatCompletion, context: Context) -> Usage:
    """Estimated usage, for a host that reports none."""
    asked, _ = context.reading
    said = answer.choices[0].message.content or ""
    prompt = count_message_tokens("", asked.messages, None).count
    return Usage.estimated(prompt, len(said.split()))

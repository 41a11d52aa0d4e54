"""A text completion under way at a host that has the endpoint. Over chat: `engine/texts.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from puna.catalog.estimates import estimate_tokens
from puna.dialects.protocols import CompletionDialect
from puna.dialects.table import COMPLETION_DIALECTS
from puna.engine.call import Attempt
from puna.engine.chunk_delivery import ChunkDelivery
from puna.engine.delivery import broken_stream, ending_limit_s
from puna.engine.run import CallRun
from puna.engine.usage import checked_usage
from puna.errors import APIError
from puna.routing.attempts import Plan
from puna.routing.deployment import Deployment
from puna.types.common import Usage
from puna.types.completion_request import CompletionRequest
from puna.types.completions import TextCompletion
from puna.wire.http import HTTPReply

CompletionAttempt = Attempt[CompletionDialect, CompletionRequest]


def has_endpoint(plan: Plan) -> bool:
    """Whether all deployments of a plan are known to have the endpoint.

    Else all are asked over chat.
    """
    return all(
        one.target.has_completions
        and one.target.dialect in COMPLETION_DIALECTS
        and one.canned_answer is None
        for one in plan.deployments
    )


class CompletionRun(CallRun[CompletionRequest, CompletionDialect, TextCompletion]):
    """The state of one text completion at hosts with the endpoint.

    Requests, answers, token counts.
    """

    made_id_prefix = "cmpl-"

    @override
    def dialect_for(self, deployment: Deployment) -> CompletionDialect:
        return COMPLETION_DIALECTS[deployment.target.dialect]

    @override
    def read_answer(self, attempt: CompletionAttempt, reply: HTTPReply) -> TextCompletion:
        completion = attempt.dialect.read_reply(reply, attempt.context)
        usage = checked_usage(completion.usage)
        if usage is None:
            text = "".join(choice.text for choice in completion.choices)
            usage = completion.usage = _estimate(attempt.context.request, estimate_tokens(text))
        self.note_answer(attempt, usage, completion.choices[0].finish_reason)
        return completion.with_report(self.report)

    def note_answer(
        self, attempt: CompletionAttempt, usage: Usage, finish_reason: str | None
    ) -> None:
        """Note in the report what an answer used, and its finish reason."""
        self._note_tokens(usage, attempt)
        self.report.finish_reason = finish_reason

    @override
    def request_content(self) -> Mapping[str, Any]:
        return {"input": self.call.request.prompt}

    @override
    def count_prompt(self) -> int:
        return _estimate(self.call.request, 0).prompt_tokens


class CompletionDelivery(ChunkDelivery[CompletionRun, TextCompletion]):
    """Turns the bytes of a streamed text completion into chunks, as `Delivery` does for chat.

    Tool calls are not looked for in the text.
    """

    def __init__(self, run: CompletionRun, attempt: CompletionAttempt) -> None:
        super().__init__()
        self._run = run
        self._attempt = attempt
        self._reader = attempt.dialect.stream_reader(attempt.context)
        self._is_noted = False

    @override
    def feed_answer(self, answer: TextCompletion) -> None:
        usage = answer.usage
        text = answer.model_copy(update={"usage": None})
        text.model_fields_set.discard("usage")
        self._ready = [text]
        if self._run.call.request.wants_usage and usage is not None:
            self._ready.append(answer.model_copy(update={"choices": []}))
        self._is_noted = self.is_over = True

    def feed(self, piece: bytes | None) -> None:
        """Read the next bytes of the body, or None at its end.

        Raises:
            APIError: the stream broke before its first chunk: another attempt may follow.
        """
        reader = self._reader
        chunks = reader.feed(piece) if piece is not None else reader.close()
        for chunk in chunks:
            for choice in chunk.choices:
                self._tokens.add_text(choice.text)
        self._ready += chunks
        if reader.has_finished:
            self.ending_s = ending_limit_s(self._attempt, has_usage=reader.usage is not None)
        self.is_over = piece is None or reader.is_done
        if not self.is_over:
            return
        if reader.error is not None:
            if not self.has_begun:
                raise self.broken(reader.error)
        elif self._run.call.request.wants_usage and reader.usage is None:
            self._add_usage()

    def finish(self) -> None:
        """Note what the stream used. Called at the end, also of a stream that broke or was left."""
        if not self._is_noted:
            self._note_end()

    def broken(self, error: APIError) -> APIError:
        """The error for the caller after a failure.

        Only before the first chunk may it be retried.
        """
        return broken_stream(error, self._attempt, has_begun=self.has_begun)

    def _note_end(self) -> Usage:
        """Note usage and finish reason in the report. Returns the usage."""
        self._is_noted = True
        self._note_reading()
        usage = checked_usage(self._reader.usage)
        if usage is None:
            usage = _estimate(self._attempt.context.request, self._tokens.total())
        self._run.note_answer(self._attempt, usage, self._reader.finish_reason)
        is_told = self._reader.has_finished and not usage.is_estimate
        if not is_told and (not self.is_over or self._reader.error is not None):
            self._run.report.usage_certainty = "at_least"
        return usage

    def _add_usage(self) -> None:
        """Add the usage chunk that the caller asked for."""
        head = self._ready[-1] if self._ready else self._last
        if head is not None:
            self._ready.append(
                TextCompletion(
                    id=head.id,
                    object="text_completion",
                    created=head.created,
                    model=head.model,
                    choices=[],
                    usage=self._note_end(),
                )
            )


def _estimate(request: CompletionRequest, made: int) -> Usage:
    """The usage where a host reports none: token ids are counted, texts estimated."""
    prompt_tokens = sum(
        estimate_tokens(one) if isinstance(one, str) else len(one) for one in request.prompts
    )
    return Usage.estimated(prompt_tokens, made)

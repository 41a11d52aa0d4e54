"""A call of the fast lane whose answer comes whole, not as a stream.

A plain answer is passed on as bytes; any other one is read by the dialect's reader. The states are
those of `passing/call.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from msgspec import UNSET
from typing_extensions import override

from puna.engine.call import attribute
from puna.errors import APIError
from puna.gateway.answers.replies import chat_body
from puna.gateway.passing.call import FastCall
from puna.gateway.passing.heads import LIMIT_PREFIX, whole_lines
from puna.transports.lean import WholeReply
from puna.types.chat import ChatCompletion
from puna.types.report import CallReport
from puna.wire.http import HTTPReply, SafeHeaderLines
from puna.wire.plain_replies import PlainReply, read_reply
from puna.wire.splicing import Renaming

_LIMIT_LINE = b"\r\n" + LIMIT_PREFIX.encode()


class WholeCall(FastCall):
    """Passes on one whole answer, or has it read by the dialect."""

    _status = 0
    _headers: Mapping[str, str]
    _build_answer: Callable[[], ChatCompletion] | None = None
    """Builds the answer for hooks; set only where there are hooks."""
    _pieces: list[bytes]

    @override
    def on_whole(self, reply: WholeReply) -> None:
        self._exchange = None
        if self._is_over:
            return
        try:
            self._read_whole(reply)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    @override
    def _read_head(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers, self._pieces = status, headers, []

    @override
    def on_piece(self, data: bytes) -> None:
        if not self._is_over:
            self._pieces.append(data)

    @override
    def _read_end(self) -> None:
        reply = HTTPReply(self._status, self._headers, b"".join(self._pieces))
        answer = self._pass_on(reply.body) if reply.status == 200 else None  # noqa: PLR2004 - RFC 9110
        if answer is None:
            self._read(reply)
            return
        self._run.note_head(self._run.attempt, reply.status, reply.headers)
        self._answer(answer, has_limits=any(n.startswith(LIMIT_PREFIX) for n in reply.headers))

    def _read_whole(self, reply: WholeReply) -> None:
        """Answer with a reply that one read brought; its headers are parsed only where needed."""
        answer = self._pass_on(reply.body)
        if answer is None:
            self._read(HTTPReply(reply.status, reply.headers, reply.body))
            return
        lines = reply.lines
        headers = SafeHeaderLines(lines)
        self._run.report.headers = dict(headers) if self._context.hooks else headers
        masker = self._route.masker
        if masker.may_be_in(lines) or (self._context.hooks and masker.may_be_encoded_in(lines)):
            self._run.note_head(self._run.attempt, reply.status, reply.headers)
        self._answer(answer, has_limits=reply.lower_lines.find(_LIMIT_LINE) >= 0)

    @override
    def _note_used(self) -> None:
        """Does nothing: what a whole answer used is known only at its end."""

    def _pass_on(self, body: bytes) -> bytes | None:
        """The body for the client where the host's body is plain; None where it must be read."""
        plain = read_reply(body)
        if plain is None or self._run.needs_reader(plain):
            return None
        renaming = self._route.renaming
        answer = renaming.complete(body, plain)
        if answer is not None:
            if self._context.hooks:
                # A method of this object would make a reference cycle.
                report = self._run.report
                self._build_answer = partial(_completion, renaming, body, plain, answer, report)
            self._note(plain)
        return answer

    def _note(self, plain: PlainReply) -> None:
        """Note the finish reason and the usage of a plain reply in the report."""
        run, usage, ready = self._run, plain.usage, self._ready
        assert ready is not None, "a reply without a try"  # noqa: S101 - narrows, as `_current`
        run.report.status_code = 200
        run.report.finish_reason = plain.choices[0].finish_reason
        cached = usage.cached_tokens if usage.prompt_tokens_details is not UNSET else 0
        run.note_usage(ready.price, usage.prompt_tokens, usage.completion_tokens, cached)

    def _answer(self, answer: bytes, *, has_limits: bool) -> None:
        """Settle, and write a plain answer. `has_limits`: the host sent rate limit headers."""
        run, ready = self._run, self._ready
        assert ready is not None, "a reply without a try"  # noqa: S101 - narrows, as `_current`
        run.succeeded()
        self._is_over = True
        run.end("success", answer=self._build_answer)
        lines = whole_lines(ready.whole_lines, run.report, has_limits=has_limits)
        self._writer.reply(run.report, lines, answer)

    def _read(self, reply: HTTPReply) -> None:
        """Have the dialect's reader read a reply, and answer; on a failure, try again."""
        run = self._run
        try:
            completion = run.read_whole(self._run.attempt, reply)
        except APIError as error:
            self._failed(error)
            return
        run.succeeded()
        self._is_over = True
        run.end("success", answer=completion)
        lines = whole_lines(self._current.whole_lines, run.report, has_limits=True)
        self._writer.reply(run.report, lines, chat_body(completion))

    @override
    def _handle_error(self, error: APIError) -> None:
        self._failed(attribute(error, self._run.attempt))


def _completion(
    renaming: Renaming, body: bytes, plain: PlainReply, answer: bytes, report: CallReport
) -> ChatCompletion:
    """The answer for hooks: the host's body under the public name, without added fields."""
    renamed = renaming.apply(body, plain) or answer
    return ChatCompletion.model_validate_json(renamed).with_report(report)

"""A call of the fast lane whose answer comes whole, not as a stream.

A plain answer is passed on as bytes; any other one is read by the dialect's reader. The states are
those of `engine/drive.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import UNSET
from typing_extensions import override

from puna.engine.whole_drive import WholeDrive
from puna.gateway.answers.replies import chat_body
from puna.gateway.passing.cycle import ReplyWriter
from puna.gateway.passing.heads import LIMIT_PREFIX, whole_lines
from puna.gateway.passing.runs import FastRun
from puna.transports.lean import WholeReply
from puna.types.chat import ChatCompletion
from puna.types.report import CallReport
from puna.wire.http import HTTPReply, SafeHeaderLines
from puna.wire.plain_replies import PlainReply, read_reply
from puna.wire.splicing import Renaming

_LIMIT_LINE = b"\r\n" + LIMIT_PREFIX.encode()


class WholeCall(WholeDrive[FastRun, ReplyWriter]):
    """Passes on one whole answer, or has it read by the dialect."""

    _build_answer: Callable[[], ChatCompletion] | None = None
    """Builds the answer for hooks; set only where there are hooks."""

    @override
    def _read(self, reply: HTTPReply) -> None:
        answer = self._pass_on(reply.body) if reply.status == 200 else None  # noqa: PLR2004 - RFC 9110
        if answer is None:
            super()._read(reply)
            return
        self._run.note_head(self._run.attempt, reply.status, reply.headers)
        has_limits = any(name.startswith(LIMIT_PREFIX) for name in reply.headers)
        self._answer_plainly(answer, has_limits=has_limits)

    @override
    def _read_whole(self, reply: WholeReply) -> None:
        """Answer with a reply that one read brought; its headers are parsed only where needed."""
        answer = self._pass_on(reply.body)
        if answer is None:
            super()._read(HTTPReply(reply.status, reply.headers, reply.body))
            return
        lines = reply.lines
        headers = SafeHeaderLines(lines)
        run, hooks = self._run, self._context.hooks
        run.report.headers = dict(headers) if hooks else headers
        masker = run.route.masker
        if masker.may_be_in(lines) or (hooks and masker.may_be_encoded_in(lines)):
            run.note_head(run.attempt, reply.status, reply.headers)
        self._answer_plainly(answer, has_limits=reply.lower_lines.find(_LIMIT_LINE) >= 0)

    def _pass_on(self, body: bytes) -> bytes | None:
        """The body for the client where the host's body is plain; None where it must be read."""
        plain = read_reply(body)
        if plain is None or self._run.needs_reader(plain):
            return None
        renaming = self._run.route.renaming
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
        run, usage = self._run, plain.usage
        run.report.status_code = 200
        run.report.finish_reason = plain.choices[0].finish_reason
        cached = usage.cached_tokens if usage.prompt_tokens_details is not UNSET else 0
        run.note_usage(run.ready.price, usage.prompt_tokens, usage.completion_tokens, cached)

    def _answer_plainly(self, answer: bytes, *, has_limits: bool) -> None:
        """Settle, and write a plain answer. `has_limits`: the host sent rate limit headers."""
        run = self._run
        run.succeeded()
        self._settle("success", answer=self._build_answer)
        lines = whole_lines(run.ready.whole_lines, run.report, has_limits=has_limits)
        self._sink.reply(run.report, lines, answer)

    @override
    def _answer(self, completion: ChatCompletion) -> None:
        run = self._run
        lines = whole_lines(run.ready.whole_lines, run.report, has_limits=True)
        self._sink.reply(run.report, lines, chat_body(completion))


def _completion(
    renaming: Renaming, body: bytes, plain: PlainReply, answer: bytes, report: CallReport
) -> ChatCompletion:
    """The answer for hooks: the host's body under the public name, without added fields."""
    renamed = renaming.apply(body, plain) or answer
    return ChatCompletion.model_validate_json(renamed).with_report(report)

"""One moderation call from its first attempt to its settlement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from typing_extensions import override

from puna.catalog.guards import find_guard
from puna.dialects.guard_moderations import GuardModerations
from puna.dialects.protocols import ModerationDialect
from puna.dialects.table import DIALECTS, MODERATION_DIALECTS
from puna.engine.call import Attempt, Call
from puna.engine.run import CallRun
from puna.errors import BadRequestError, NotFoundError
from puna.routing.deployment import Deployment
from puna.types.moderations import ModerationRequest, ModerationResponse
from puna.types.report import add_reports
from puna.types.sums import sum_usages
from puna.wire.http import HTTPReply

_MOST_CALLS = 256
"""That one request may turn into."""


class ModerationRun(CallRun[ModerationRequest, ModerationDialect, ModerationResponse]):
    """The state of one moderation call.

    At a host with the endpoint, or over chat at a Llama Guard.
    """

    @override
    def dialect_for(self, deployment: Deployment) -> ModerationDialect:
        target = deployment.target
        guard = find_guard(target.model)
        if guard is not None and self.canned_for(deployment) is None:
            return GuardModerations(guard, DIALECTS[target.dialect])
        dialect = MODERATION_DIALECTS.get(target.dialect)
        is_canned = self.canned_for(deployment) is not None
        if dialect is not None and target.quirks.has_moderations and not is_canned:
            return dialect
        reason = (
            "its prepared answer is no verdict" if is_canned else "its host has no endpoint for it"
        )
        raise NotFoundError(
            f"`{deployment.public_name}` gives no moderations: {reason}. Use a model of a host "
            "that does, or a Llama Guard 3 or 4. Nothing was sent.",
            code="no_such_endpoint",
            param="model",
            provider=target.provider,
            model=self.call.request.model,
        )

    @override
    def read_answer(
        self, attempt: Attempt[ModerationDialect, ModerationRequest], reply: HTTPReply
    ) -> ModerationResponse:
        response = attempt.dialect.read_reply(reply, attempt.context)
        if response.usage is not None:  # an endpoint of its own tells none and costs nothing
            self._note_tokens(response.usage, attempt)
        return response.with_report(self.report)

    @override
    def request_content(self) -> Mapping[str, Any]:
        return {"input": self.call.request.input}


def calls_of(call: Call[ModerationRequest]) -> list[Call[ModerationRequest]]:
    """Split a moderation call into one for each input, where a Llama Guard may be asked.

    Raises:
        BadRequestError: those would be too many for one request.
    """
    if not any(find_guard(one.target.model) for one in call.plan.deployments):
        return [call]
    inputs = call.request.inputs
    if len(inputs) > _MOST_CALLS:
        raise BadRequestError(
            f"`input` holds `{len(inputs)}` texts; a Llama Guard judges at most {_MOST_CALLS} in a "
            "request.",
            param="input",
        )
    return [replace(call, request=replace(call.request, input=one)) for one in inputs]


def join_verdicts(answers: Sequence[ModerationResponse]) -> ModerationResponse:
    """Join the answers of these calls to one, with the sum of usage and cost."""
    first, *others = answers
    if not others:
        return first
    usages = [one.usage for one in answers if one.usage is not None]
    total = reduce(sum_usages, usages) if usages else None
    fields = {"id": first.id, "model": first.model} | ({"usage": total} if total else {})
    results = [result for one in answers for result in one.results]
    joined = ModerationResponse.model_validate({**fields, "results": results})
    reports = [one.report for one in answers if one.report is not None]
    return joined.with_report(add_reports(reports)) if reports else joined

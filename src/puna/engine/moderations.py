"""One moderation call under way: what differs from chat, over the same attempts and settlement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from puna.dialects.base import ModerationDialect
from puna.dialects.table import MODERATION_DIALECTS
from puna.engine.call import Attempt
from puna.engine.run import CallRun
from puna.errors import NotFoundError
from puna.routing.deployment import Deployment
from puna.types.moderations import ModerationRequest, ModerationResponse
from puna.wire.http import HTTPReply


class ModerationRun(CallRun[ModerationRequest, ModerationDialect, ModerationResponse]):
    """A call for verdicts. Hosts tell no tokens of it and ask no money for it."""

    @override
    def dialect_for(self, deployment: Deployment) -> ModerationDialect:
        target = deployment.target
        dialect = MODERATION_DIALECTS.get(target.dialect)
        is_canned = self.canned_for(deployment) is not None
        if dialect is not None and target.quirks.has_moderations and not is_canned:
            return dialect
        reason = (
            "its prepared answer is no verdict" if is_canned else "its host has no endpoint for it"
        )
        raise NotFoundError(
            f"`{deployment.public_name}` gives no moderations: {reason}. Use a model of a host "
            "that does. Nothing was sent.",
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
        return response.with_report(self.report)

    @override
    def asked(self) -> Mapping[str, Any]:
        return {"input": self.call.request.input}

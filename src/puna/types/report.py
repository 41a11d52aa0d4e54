"""The report of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Certainty = Literal["exact", "at_least", "unknown"]
_LEAST_CERTAIN: tuple[Certainty, ...] = ("exact", "at_least", "unknown")


@dataclass
class CallReport:
    """How one call went. The engine fills it in while the call runs.

    Attributes:
        call_id: ours, unique.
        provider, model, upstream_model: who answered, under what public and upstream name.
        deployment_id: which configured target answered.
        api_base: the address asked, without user info or query.
        attempts: requests sent; `retries` of them to a deployment that had failed before,
            `fallbacks` the moves to another model name.
        started_at, duration_s, first_chunk_s: Unix time in seconds; the whole call; the time to
            the first chunk of a stream.
        status_code: of the last reply; 0 where none came.
        headers: the upstream's reply headers (lower-case names), without cookies.
        dropped_params: parameters that were left out by `drop_params` or by rule.
        cost_picos: 1e-12 US dollars; None when no price is known.
        prompt_tokens, completion_tokens: as in the answer's usage; `cached_tokens` of the prompt's
            were read from the host's cache, and `cache_creation_tokens` written to it.
        is_usage_estimated: whether Puna counted the tokens because the upstream did not.
        usage_certainty: how far to trust tokens and cost. `exact`: the upstream told them, or
            nothing was used. `at_least`: the answer was cut or left early and what was seen of it
            is counted, or an earlier try of the call broke off. `unknown`: the upstream may have
            worked, and told nothing; the counts are estimates, or zero.
        finish_reason: the first choice's; of a host that speaks the Responses API, the status.
        is_finish_assumed: whether a host ended its stream well but told no finish reason
            (docs/concepts/streaming.md).
        rescued_calls: tool calls that the model had written as text
            (docs/concepts/tool-call-rescue.md).
        repaired_arguments: arguments of such calls that were changed to fit their tool's schema.
        replaced_signs: characters of the answer that its host cut, and that are U+FFFD
            (docs/concepts/dialects.md).
        format_tries: answers that were checked for a `response_format` that the host does not know
            (docs/guides/structured-output.md); tokens and cost are those of all of them.
        lane: `fast` where a gateway passed the bytes on (docs/concepts/fast-lane.md), else `full`.
    """

    call_id: str
    provider: str = ""
    model: str = ""
    upstream_model: str = ""
    deployment_id: str = ""
    api_base: str = ""
    attempts: int = 0
    retries: int = 0
    fallbacks: int = 0
    started_at: float = 0.0
    duration_s: float = 0.0
    first_chunk_s: float | None = None
    status_code: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    dropped_params: tuple[str, ...] = ()
    cost_picos: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_creation_tokens: int = 0
    is_usage_estimated: bool = False
    usage_certainty: Certainty = "exact"
    finish_reason: str | None = None
    is_finish_assumed: bool = False
    rescued_calls: int = 0
    repaired_arguments: int = 0
    replaced_signs: int = 0
    format_tries: int = 0
    lane: str = "full"

    @classmethod
    def begin(cls, call_id: str, model: str, started_at: float) -> CallReport:
        """The report of a call that begins now.

        Every call makes one, so it must be cheap: fields that are not known yet stay unset and read
        as the class's defaults, except those that every call reads, since reading a class default
        is slow.
        """
        report = cls.__new__(cls)
        report.call_id = call_id
        report.model = model
        report.started_at = started_at
        report.headers = {}
        report.attempts = 0
        report.is_usage_estimated = False
        report.cost_picos = None
        report.dropped_params = ()
        return report


def add_reports(reports: Sequence[CallReport]) -> CallReport:
    """Combine the reports of calls that made one answer.

    The first one's facts, tokens and cost summed.

    The cost is unknown if any is.
    """
    costs = [report.cost_picos for report in reports]
    return replace(
        reports[0],
        attempts=sum(report.attempts for report in reports),
        retries=sum(report.retries for report in reports),
        prompt_tokens=sum(report.prompt_tokens for report in reports),
        completion_tokens=sum(report.completion_tokens for report in reports),
        cached_tokens=sum(report.cached_tokens for report in reports),
        cache_creation_tokens=sum(report.cache_creation_tokens for report in reports),
        format_tries=sum(report.format_tries for report in reports),
        replaced_signs=sum(report.replaced_signs for report in reports),
        is_usage_estimated=any(report.is_usage_estimated for report in reports),
        usage_certainty=max(
            (report.usage_certainty for report in reports), key=_LEAST_CERTAIN.index
        ),
        finish_reason=reports[-1].finish_reason,
        cost_picos=None if None in costs else sum(cost or 0 for cost in costs),
    )

"""How certain a report's usage is, in both lanes: `exact`, `at_least` or `unknown`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.lanes import Edge, request_bytes
from tests.support.ledger import Ledger
from tests.support.upstream import chunk, completion_body, event, text_chunks, usage_chunk

from puna.errors import APIConnectionError, APITimeoutError
from puna.telemetry.events import Outcome
from puna.transports.replay import Recorded
from puna.types.report import CallReport, add_reports
from puna.wire.http import HTTPRequest

CONFIG = """
model_list:
  - model_name: m
    litellm_params: {model: openai/m, api_key: sk-host, api_base: "http://up.test/v1"}
litellm_settings: {num_retries: RETRIES}
router_settings: {disable_cooldowns: true}
"""
ASKED = {"model": "m", "messages": [{"role": "user", "content": "one two three"}]}
JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"


def whole(**fields: Any) -> Recorded:
    return Recorded(200, JSON, [json.dumps(completion_body(**fields)).encode()])


def streamed(*chunks: dict[str, Any], is_done: bool = True, error: Any = None) -> Recorded:
    return Recorded(200, EVENTS, [*map(event, chunks), *[DONE] * is_done], error=error)


def unsent() -> APIConnectionError:
    error = APIConnectionError("Nobody listens there.", is_retryable=False)
    error.was_sent = False
    return error


BROKEN = APIConnectionError("The connection broke.", is_retryable=False)
LATE = APITimeoutError("Too late.", is_retryable=False)


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize(
    ("is_stream", "reply", "outcome", "certainty", "tokens"),
    [
        (False, whole(), "success", "exact", (11, 4)),
        (False, whole(usage=None), "success", "unknown", None),
        (False, Recorded(503, {}, [b""]), "failure", "exact", (0, 0)),
        (False, Recorded(400, {}, [b"{}"]), "failure", "exact", (0, 0)),
        (False, Recorded(200, JSON, [b"{}"]), "failure", "unknown", (0, 0)),
        (False, Recorded(error=LATE, is_refused=True), "failure", "unknown", (0, 0)),
        (False, Recorded(error=BROKEN, is_refused=True), "failure", "unknown", (0, 0)),
        (False, Recorded(error=unsent(), is_refused=True), "failure", "exact", (0, 0)),
        (True, streamed(*text_chunks(), usage_chunk()), "success", "exact", (11, 4)),
        (True, streamed(*text_chunks()), "success", "unknown", None),
        (True, streamed(*text_chunks()[:3], is_done=False, error=BROKEN), "failure", "at_least", 0),
        (True, Recorded(503, {}, [b""]), "failure", "exact", (0, 0)),
        (True, Recorded(error=LATE, is_refused=True), "failure", "unknown", (0, 0)),
    ],
)
def test_a_report_says_how_certain_its_tokens_are(
    reply: Recorded,
    outcome: Outcome,
    certainty: str,
    tokens: Any,
    *,
    is_stream: bool,
    is_fast: bool,
) -> None:
    (report,) = reports_of(iter([reply]), is_stream=is_stream, is_fast=is_fast, outcome=outcome)
    assert report.usage_certainty == certainty
    assert report.lane == ("fast" if is_fast else "full")
    counts = report.prompt_tokens, report.completion_tokens
    if isinstance(tokens, tuple):
        assert counts == tokens
        assert not report.is_usage_estimated
    else:
        assert min(counts) > 0
        assert report.is_usage_estimated


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_try_that_broke_off_makes_the_answer_s_tokens_the_least(
    *, is_stream: bool, is_fast: bool
) -> None:
    good = streamed(*text_chunks(), usage_chunk()) if is_stream else whole()
    lost = Recorded(error=APIConnectionError("It broke."), is_refused=True)
    refused = Recorded(503, {"retry-after-ms": "1"}, [b""])
    for first, certainty in ((lost, "at_least"), (refused, "exact")):
        (report,) = reports_of(
            iter([first, good]), is_stream=is_stream, is_fast=is_fast, outcome="success", retries=1
        )
        assert (report.usage_certainty, report.retries) == (certainty, 1)
        assert (report.prompt_tokens, report.completion_tokens) == (11, 4)


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize(
    ("chunks", "certainty"),
    [
        ([], "at_least"),
        ([chunk({"role": "assistant", "content": "a"})], "at_least"),
        (text_chunks()[:4], "at_least"),
    ],
)
def test_who_leaves_a_stream_has_used_at_least_what_came(
    chunks: list[dict[str, Any]], certainty: str, *, is_fast: bool
) -> None:
    pieces = [*map(event, chunks), b": ping\n\n", b": ping\n\n"]
    pauses_s = (0.0,) * len(pieces) + (3600.0,)  # before the last piece
    (report,) = reports_of(
        iter([Recorded(200, EVENTS, pieces, pauses_s=pauses_s)]),
        is_stream=True,
        is_fast=is_fast,
        outcome="cancelled",
        leaves=True,
    )
    assert report.usage_certainty == certainty
    assert report.prompt_tokens > 0
    assert bool(report.completion_tokens) is bool(chunks)


ALL_SHAPES = [
    ("/v1/chat/completions", ASKED),
    ("/v1/messages", {**ASKED, "max_tokens": 9}),
    ("/v1/responses", {"model": "m", "input": "one two three", "instructions": "Be brief."}),
]


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(("path", "asked"), ALL_SHAPES)
def test_who_leaves_before_anything_came_has_used_the_same_in_both_lanes(
    path: str, asked: dict[str, Any], *, is_stream: bool
) -> None:
    pieces = [b": ping\n\n", b": ping\n\n"]
    used = [
        left(path, asked, pieces, is_stream=is_stream, is_fast=is_fast) for is_fast in (True, False)
    ]
    assert used[0] == used[1]
    assert used[0][:1] == ("at_least",)
    assert used[0][1] > 0


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize(("path", "asked"), ALL_SHAPES)
def test_who_leaves_before_the_first_event_has_used_what_the_host_told(
    path: str, asked: dict[str, Any], *, is_fast: bool
) -> None:
    pieces = [event(usage_chunk()), b": ping\n\n", b": ping\n\n"]
    assert left(path, asked, pieces, is_stream=True, is_fast=is_fast) == ("at_least", 11, 4)


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize(("events", "certainty"), [(0, "unknown"), (1, "at_least")])
def test_what_nobody_foresaw_before_the_first_event_leaves_the_usage_unknown(
    events: int, certainty: str, *, is_fast: bool
) -> None:
    not_bytes: Any = "a text"
    pieces = [b": ping\n\n", *map(event, text_chunks()[:events]), not_bytes]
    (report,) = reports_of(
        iter([Recorded(200, EVENTS, pieces)]), is_stream=True, is_fast=is_fast, outcome="failure"
    )
    assert report.usage_certainty == certainty
    assert bool(report.prompt_tokens) is bool(events)


def test_the_least_certain_report_counts_for_several() -> None:
    reports = [CallReport("a"), CallReport("b", usage_certainty="at_least"), CallReport("c")]
    assert add_reports(reports).usage_certainty == "at_least"
    reports[2].usage_certainty = "unknown"
    assert add_reports(reports).usage_certainty == "unknown"
    assert add_reports(reports[:1]).usage_certainty == "exact"


def left(
    path: str, asked: dict[str, Any], pieces: list[bytes], *, is_stream: bool, is_fast: bool
) -> tuple[str, int, int]:
    """What a client used that left when all but the last piece had come."""
    pauses_s = (0.0,) * len(pieces) + (3600.0,)
    (report,) = reports_of(
        iter([Recorded(200, EVENTS if is_stream else JSON, pieces, pauses_s=pauses_s)]),
        path=path,
        asked=asked,
        is_stream=is_stream,
        is_fast=is_fast,
        outcome="cancelled",
        leaves=True,
    )
    return report.usage_certainty, report.prompt_tokens, report.completion_tokens


def reports_of(
    replies: Iterator[Recorded],
    *,
    is_stream: bool,
    is_fast: bool,
    outcome: Outcome,
    retries: int = 0,
    leaves: bool = False,
    path: str = "/v1/chat/completions",
    asked: dict[str, Any] = ASKED,
) -> list[CallReport]:
    """The reports of one request, whose calls all have this outcome."""

    def play(request: HTTPRequest) -> Recorded:
        assert request.url.startswith("http://up.test/v1")
        return next(replies)

    async def run() -> list[CallReport]:
        ledger = Ledger()
        config = CONFIG.replace("RETRIES", str(retries))
        edge = Edge(play, config, is_fast=is_fast, ledger=ledger)
        edge.hot.is_silent = leaves
        data = request_bytes(
            {**asked, "stream": True} if is_stream else asked, {"host": "127.0.0.1"}, path
        )
        protocol, _ = edge.connect()
        protocol.data_received(data)
        for turn in range(2_000):
            if ledger.closed_visits:
                break
            if leaves and turn == 60:
                protocol.connection_lost(None)
            await asyncio.sleep(0.001 if retries else 0)
        if not leaves:
            protocol.connection_lost(None)
        (visit,) = ledger.closed_visits
        assert [said for _, said in visit.reports] == [outcome]
        assert ledger.settled == [visit]
        return [report for report, _ in visit.reports]

    return asyncio.run(run())

"""How a coding agent's requests are sent, and what is made of the samples."""

from __future__ import annotations

import pytest
from benchmarks.agent import ANSWER
from benchmarks.coding_agent import BURST, EVENT, PACED, WHOLE, costs_of, job_of
from benchmarks.job import Outcome
from benchmarks.sample import Sample
from benchmarks.target import Target


def sample(cpu_us: float) -> Sample:
    """Ten requests that took so much in all."""
    return Sample(Outcome(requests=10), cpu_us)


def test_a_paced_event_costs_what_the_stream_does_above_the_whole_answer() -> None:
    whole, burst, paced = ([sample(one), sample(7 * one), sample(one)] for one in (100, 200, 7500))
    costs = costs_of({WHOLE: whole, BURST: burst, PACED: paced})
    assert (costs[WHOLE], costs[BURST], costs[PACED]) == (10, 20, 750)
    assert costs[EVENT] == pytest.approx(740 / 65)


def test_without_a_paced_step_nothing_is_said_of_an_event() -> None:
    assert costs_of({WHOLE: [sample(100)]}) == {WHOLE: 10}


@pytest.mark.parametrize(
    ("step", "chunks", "model"),
    [(WHOLE, 0, "p/ask-agent-0"), (BURST, 63, "p/ask-agent-0"), (PACED, 63, "p/ask-agent-10")],
)
def test_each_step_is_asked_of_a_server_in_its_own_way(step: str, chunks: int, model: str) -> None:
    target = Target("peer", 1, 80, path="/openai/v1/chat/completions", model_form="p/{}")
    job = job_of(target, "agent", step)
    assert job.path == target.path
    assert job.chunks == chunks
    assert model.encode() in job.request()
    assert ANSWER.chunks == 63


def test_other_shapes_have_paths_of_their_own() -> None:
    target = Target("puna", 1, 80)
    paths = [job_of(target, ask, WHOLE).path for ask in ("agent_messages", "agent_responses")]
    assert paths == ["/v1/messages", "/v1/responses"]

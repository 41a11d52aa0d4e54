"""What a load sends, what it takes for a good answer, and when it asks."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from benchmarks.asks import ASKS
from benchmarks.job import MENDED, Job, is_good, quantile
from benchmarks.paced import streams_for
from benchmarks.poisson import moments
from benchmarks.upstream import TIMED, events, timed, whole_body

from puna.wire.envelope import read_envelope


def parsed(job: Job) -> tuple[dict[str, str], dict[str, object]]:
    head, _, body = job.request().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    return headers, json.loads(body)


def test_a_request_names_the_model_as_the_server_calls_it() -> None:
    headers, body = parsed(Job(80, 1, "k", model_form="outer::{}", chunks=8, pause_ms=10))
    assert body["model"] == "outer::bench-8-10"
    assert body["stream"] is True
    assert headers["authorization"] == "Bearer k"


def test_headers_of_a_server_win_and_further_fields_are_sent() -> None:
    job = Job(80, 1, "k", headers={"authorization": "other"}, extra={"top_p": 0.5})
    headers, body = parsed(job)
    assert headers["authorization"] == "other"
    assert body["top_p"] == 0.5
    assert "stream" not in body


def test_a_question_that_is_mended_is_none_of_the_fast_lane() -> None:
    plain, mended = (
        one.request().partition(b"\r\n\r\n")[2] for one in (Job(80, 1), Job(80, 1, extra=MENDED))
    )
    assert read_envelope(plain) is not None
    assert read_envelope(mended) is None


def test_a_question_of_its_own_is_sent_in_the_place_of_the_usual_one() -> None:
    ask = ASKS["agent"]
    headers, body = parsed(Job(80, 1, "k", ask="agent", chunks=63, pause_ms=10, model_form="o/{}"))
    assert body == ask.request_body("o/ask-agent-10", is_stream=True)
    assert headers["authorization"] == "Bearer k"
    _, whole = parsed(Job(80, 1, ask="agent"))
    assert whole == ask.request_body("ask-agent-0")


def test_the_answer_to_such_a_question_is_good_when_it_is_whole() -> None:
    answer = ASKS["agent"].answer
    whole, stream = Job(80, 1, ask="agent"), Job(80, 1, ask="agent", chunks=63)
    assert is_good(whole, 200, answer.whole())
    assert is_good(stream, 200, b"".join(answer.events()))
    assert not is_good(whole, 200, whole_body())
    assert not is_good(stream, 200, b"".join(answer.events()[:-1]))
    assert not is_good(whole, 500, answer.whole())


def test_padding_makes_the_request_so_much_longer() -> None:
    usual, padded = len(Job(80, 1).request()), len(Job(80, 1, padding=16_384).request())
    assert padded - usual == pytest.approx(16_384, rel=0.01)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, whole_body(), True),
        (500, whole_body(), False),
        (200, b'{"error": {}}', False),
    ],
)
def test_a_plain_answer_is_good_when_it_is_whole(
    status: int, body: bytes, *, expected: bool
) -> None:
    assert is_good(Job(80, 1), status, body) is expected


def test_the_usage_of_a_stream_is_told_once_to_who_asks() -> None:
    *said, done = b"".join(events(8, tells_usage=True)).split(b"\n\n")[:-1]
    chunks = [json.loads(one.removeprefix(b"data: ")) for one in said]
    assert done == b"data: [DONE]"
    assert [one["usage"] is None for one in chunks] == [True] * 8 + [False]
    assert [bool(one["choices"]) for one in chunks] == [True] * 8 + [False]
    assert b"usage" not in b"".join(events(8))


def test_a_stream_is_good_with_all_its_chunks_and_its_end() -> None:
    job = Job(80, 1, chunks=8)
    whole = events(8)
    assert is_good(job, 200, b"".join(whole))
    assert not is_good(job, 200, b"".join(whole[:-1]))
    assert not is_good(job, 200, b"".join(whole[2:]))


def test_a_timed_chunk_is_an_event_with_its_number_and_its_time() -> None:
    event = timed(7)
    found = TIMED.search(event)
    assert found is not None
    assert int(found[1]) == 7
    assert found[0].decode() == json.loads(event[6:])["choices"][0]["delta"]["content"]
    assert int(TIMED.findall(timed(8))[0][1]) >= int(found[2])


def test_quantiles_are_values_that_were_seen() -> None:
    values = [float(one) for one in range(1, 101)]
    assert [quantile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 51, 100, 100]


def test_the_moments_of_an_open_loop_come_at_its_rate_and_without_memory() -> None:
    drawn = moments(1000, 20, random.Random(7))  # noqa: S311 - a fixed order
    assert drawn == sorted(drawn)
    assert drawn[-1] < 20
    assert len(drawn) == pytest.approx(20_000, rel=0.03)
    gaps = [later - sooner for sooner, later in pairwise(drawn)]
    # Of exponential gaps one in e is longer than the mean.
    assert sum(gap > 0.001 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)


def test_streams_for_a_share_of_a_core_follow_the_rule_of_three_within_bounds() -> None:
    assert streams_for(0.7, 100, 0.14) == 500
    assert streams_for(0.7, 100, 0.0) == 1000
    assert streams_for(0.001, 1, 0.9) == 1

"""The loads on the loopback upstream, as processes: what comes back, and what is noticed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence

import pytest
from benchmarks.job import Job
from benchmarks.load import run
from benchmarks.paced_load import PacedJob
from benchmarks.paced_load import run as run_paced
from benchmarks.paced_stream import Seen, Stream
from benchmarks.poisson import SEED, moments
from benchmarks.processes import cpu_s, fetch, upstream
from benchmarks.upstream import events, timed

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("benchmarks")]

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, int]]:
    """Process id and port."""
    with upstream() as started:
        yield started


def test_a_closed_loop_sends_the_requests_it_was_told(server: tuple[int, int]) -> None:
    outcome = run(Job(server[1], 4, requests=20))
    assert outcome.requests == len(outcome.latencies_us) == 20
    assert outcome.latencies_us == sorted(outcome.latencies_us)


def test_a_closed_loop_counts_the_chunks_of_its_streams(server: tuple[int, int]) -> None:
    assert run(Job(server[1], 2, requests=4, chunks=8)).chunks == 32


def test_a_stream_that_asks_for_its_usage_is_good_too(server: tuple[int, int]) -> None:
    asks = {"stream_options": {"include_usage": True}}
    plain, asking = (
        run(Job(server[1], 1, requests=2, chunks=8, extra=extra)) for extra in ({}, asks)
    )
    assert (plain.requests, asking.requests) == (2, 2)
    assert (plain.chunks, asking.chunks) == (16, 18)


@pytest.mark.parametrize(("chunks", "pause_ms"), [(0, 0), (63, 0), (63, 1)])
def test_an_agent_gets_its_answer_whole_at_once_and_paced(
    server: tuple[int, int], chunks: int, pause_ms: int
) -> None:
    job = Job(server[1], 2, requests=4, ask="agent", chunks=chunks, pause_ms=pause_ms)
    outcome = run(job)
    assert outcome.requests == 4
    assert outcome.chunks == (4 * 64 if chunks else 0)  # the usage is one more


def test_the_upstream_lists_one_model(server: tuple[int, int]) -> None:
    assert b'"id":"bench-64-0"' in fetch(server[1], "/v1/models")[1]


def test_an_open_loop_sends_what_was_drawn_and_waits_for_all(server: tuple[int, int]) -> None:
    outcome = run(Job(server[1], 2, seconds=0.5, rate=400))
    drawn = moments(400, 0.5, random.Random(SEED))  # noqa: S311 - the load's own dice
    assert outcome.requests == len(drawn)
    # Latency counts from the moment that a request was due, so it holds the lateness.
    pairs = zip(outcome.latencies_us, outcome.lates_us, strict=True)
    assert all(latency_us > late_us for latency_us, late_us in pairs)


def test_a_bad_answer_ends_a_load(server: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="bad replies, such as"):
        run(Job(server[1], 1, requests=1, chunks=80, model_form="other-{}"))


def test_paced_streams_are_followed_to_their_ends(server: tuple[int, int]) -> None:
    pid, port = server
    before_s = cpu_s(pid)
    outcome = run_paced(PacedJob(port, port, 5, ramp_s=0.1, window_s=0.5, pids=(pid,)))
    assert outcome.errors == []
    assert 0 < outcome.chunks <= 5 * 11
    assert 0 < outcome.p50_us <= outcome.p99_us <= outcome.most_us
    assert cpu_s(pid) > before_s
    assert len(outcome.cpu) == 1


def ends(pieces: Sequence[bytes]) -> list[str]:
    """What a stream of these events, each cut in two, is blamed for."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in halves(pieces))
        writer.write(HEAD + body + b"0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def ask() -> list[str]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        seen = Seen(waiting=1)
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(
            lambda: Stream(b"GET / HTTP/1.1\r\n\r\n", seen), "127.0.0.1", port
        )
        await stream.done
        assert seen.all_began.is_set()
        server.close()
        await server.wait_closed()
        return seen.errors

    return asyncio.run(ask())


def halves(pieces: Sequence[bytes]) -> Iterator[bytes]:
    for one in pieces:
        middle = len(one) // 2
        yield from (one[:middle], one[middle:])


def test_a_whole_stream_is_blamed_for_nothing() -> None:
    first, *_, finish, done = events(4)
    assert ends([first, timed(1), timed(2), finish, done]) == []


@pytest.mark.parametrize(
    ("pieces", "blame"),
    [
        ([timed(1), timed(3), events(4)[-1]], "chunk 3 after 1"),
        ([timed(1), timed(2)], "status 200, 2 chunks"),
        ([events(4)[-1]], "status 200, 0 chunks"),
    ],
)
def test_a_stream_with_a_gap_or_without_an_end_is_bad(pieces: list[bytes], blame: str) -> None:
    (error,) = ends(pieces)
    assert error.startswith(blame)

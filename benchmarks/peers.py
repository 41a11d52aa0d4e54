"""Other gateways beside Puna: same upstream, same load, one worker, the same core."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.peer_servers import PEERS, Peer, peer_running
from benchmarks.processes import upstream
from benchmarks.puna_server import puna
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sample import (
    MANY,
    Sample,
    cpu_us_per_chunk,
    cpu_us_per_request,
    measure,
    middle,
    rate,
    rate_per_core,
)
from benchmarks.target import STREAM_CHUNKS, Target

_STREAMS = 16
_PADDING = 800  # makes the request's body about 1 KB


@dataclass(frozen=True, slots=True)
class _Pair:
    """Puna's samples and a peer's, of the same minutes: plain, then streamed."""

    ours: tuple[list[Sample], list[Sample]]
    theirs: tuple[list[Sample], list[Sample]]


def _run(settings: Settings) -> Section:
    folder = settings.peers or Path()
    rounds, seconds = settings.rounds(3), settings.pick(3, 1)
    rows: list[Row] = []
    notes: list[str] = []
    failures: list[str] = []
    with upstream() as (_, port), puna(port) as ours:
        for peer in PEERS:
            if not peer.is_installed(folder):
                notes.append(f"{peer.name} is not installed, so it was not measured")
                continue
            settings.say(f"peers: starting {peer.name}")
            try:
                with peer_running(peer, folder, port) as theirs:
                    pair = _compare(ours, theirs, rounds, seconds, settings)
            except RuntimeError as error:
                failures.append(f"{peer.name} {peer.version(folder)}: {error}")
                continue
            rows += _rows(peer, pair)
            notes.append(f"{peer.name} {peer.version(folder)}; it {peer.remark}")
    return Section(
        title="Peers",
        control="the gateway that the row names, in the same run",
        how=f"One worker each on the first core, the same upstream and load on the last; {MANY} "
        f"connections with requests of 1 KB, then {_STREAMS} streams of {STREAM_CHUNKS} chunks at "
        f"once; {seconds} s a step, median of {rounds} rounds in which Puna and the peer take "
        "turns. Requests/s per core are those for each second of CPU time, so a peer that left its "
        "core idle is not charged for it.",
        rows=rows,
        notes=notes,
        failures=failures,
    )


def _compare(ours: Target, theirs: Target, rounds: int, seconds: int, settings: Settings) -> _Pair:
    pair = _Pair(([], []), ([], []))
    for number in range(rounds):
        for target, (plain, streamed) in ((ours, pair.ours), (theirs, pair.theirs)):
            settings.say(f"peers: {target.name}, round {number + 1} of {rounds}")
            job = replace(target.job(MANY, seconds), padding=_PADDING)
            measure(target, replace(job, seconds=0.5))
            plain.append(measure(target, job))
            job = replace(job, connections=_STREAMS, chunks=STREAM_CHUNKS)
            streamed.append(measure(target, job))
    return pair


def _rows(peer: Peer, pair: _Pair) -> list[Row]:
    (plain, streamed), (their_plain, their_streamed) = pair.ours, pair.theirs
    return [
        Row(
            f"requests/s per core, {peer.name}",
            middle(plain, rate_per_core),
            middle(their_plain, rate_per_core),
            ratio_floor=peer.floor,
        ),
        Row(f"requests/s, {peer.name}", middle(plain, rate), middle(their_plain, rate)),
        Row(
            f"CPU µs a request, {peer.name}",
            middle(plain, cpu_us_per_request),
            middle(their_plain, cpu_us_per_request),
        ),
        Row(
            f"CPU µs a chunk, {peer.name}",
            middle(streamed, cpu_us_per_chunk),
            middle(their_streamed, cpu_us_per_chunk),
            decimals=1,
        ),
    ]


MEASUREMENT = Measurement("peers", _run, needs_peers=True)

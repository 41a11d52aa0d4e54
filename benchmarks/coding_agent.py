"""A coding agent's requests (`agent.py`): over chat, Messages and Responses, and beside peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.agent import ANSWER
from benchmarks.asks import ASKS, CHAT
from benchmarks.job import Job
from benchmarks.nginx import NOT_INSTALLED
from benchmarks.peer_servers import PEERS, Peer, peer_running
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sample import Sample, cpu_us_per_request, measure, middle
from benchmarks.target import Target
from benchmarks.targets import all_targets
from benchmarks.upstream import ask_name

_CONNECTIONS = 32
_PAUSE_MS = 10
_CHAT, _MESSAGES, _RESPONSES = "agent", "agent_messages", "agent_responses"
_SHAPES = {_CHAT: "chat", _MESSAGES: "Messages", _RESPONSES: "Responses"}
_MODELS = [ask_name(ask, pause_ms) for ask in _SHAPES for pause_ms in (0, _PAUSE_MS)]

WHOLE, BURST, PACED, EVENT = "whole", "in one burst", "an event each 10 ms", "a paced event"
_GOALS = {WHOLE: 4.0, BURST: 8.0, EVENT: 1.8}
_BRIDGE_GOALS = {WHOLE: 2.5, BURST: 2.5, EVENT: 2.5}
_PEER_GOALS = {"SGLang's model gateway": 0.5}
_PEER_STEPS = (WHOLE, BURST)

Costs = Mapping[str, float]
"""CPU microseconds by step: of a request, and of an event that came alone."""


@dataclass(slots=True)
class _Bench:
    """Servers that take turns, and the samples of each."""

    settings: Settings
    seconds: int

    def run(
        self, targets: Sequence[tuple[Target, str]], rounds: int, steps: Sequence[str]
    ) -> list[Costs]:
        """What each target's requests in its shape cost, in the middle of some rounds."""
        samples: list[dict[str, list[Sample]]] = [{} for _ in targets]
        for number in range(rounds):
            for (target, ask), found in zip(targets, samples, strict=True):
                self.settings.say(
                    f"agent: {target.name}, {_SHAPES[ask]}, round {number + 1} of {rounds}"
                )
                measure(target, replace(job_of(target, ask, WHOLE), seconds=0.5))
                for step in steps:
                    job = replace(job_of(target, ask, step), seconds=self.seconds)
                    found.setdefault(step, []).append(measure(target, job))
        return [costs_of(found) for found in samples]


def job_of(target: Target, ask: str, step: str) -> Job:
    """What is sent to a target in one step; a whole second where nothing else is said."""
    return replace(
        target.job(_CONNECTIONS, 1),
        ask=ask,
        path=target.path if ASKS[ask].path == CHAT else ASKS[ask].path,
        chunks=0 if step == WHOLE else ANSWER.chunks,
        pause_ms=_PAUSE_MS if step == PACED else 0,
    )


def costs_of(samples: Mapping[str, Sequence[Sample]]) -> Costs:
    """The costs of each step; that of a paced event is what it adds to a whole answer's."""
    costs = {step: middle(ones, cpu_us_per_request) for step, ones in samples.items()}
    if PACED in costs:
        costs[EVENT] = (costs[PACED] - costs[WHOLE]) / len(ANSWER.events())
    return costs


def _run(settings: Settings) -> Section:
    rounds = settings.rounds(3)
    bench = _Bench(settings, settings.pick(2, 1))
    with all_targets(*_MODELS) as (direct, nginx, puna):
        control = nginx or direct
        targets = [(control, _CHAT), *((puna, ask) for ask in _SHAPES)]
        floor, *ours = bench.run(targets, rounds, (WHOLE, BURST, PACED))
        chat, *bridged = ours
        rows = _rows("chat", chat, floor, _GOALS)
        for ask, costs in zip((_MESSAGES, _RESPONSES), bridged, strict=True):
            rows += _rows(f"{_SHAPES[ask]}, control: its chat", costs, chat, _BRIDGE_GOALS)
        peers = _beside_peers(bench, settings.peers, puna, direct.port, rounds)
    body = len(job_of(puna, _CHAT, WHOLE).request())
    return Section(
        title="A coding agent",
        control=(
            NOT_INSTALLED
            if nginx is None
            else "nginx `proxy_pass`, as above, whose buffers hold the whole request"
        )
        + "; for Messages and Responses Puna's own chat; or the gateway that the row names",
        how=f"CPU µs of one core for a request of {body / 1000:.0f} KB with 20 messages, among "
        "them 8 tool calls and their results, and 15 tools (`benchmarks/agent.py`); the answer is "
        f"a text in {ANSWER.text_events} events and a tool call in {ANSWER.call_events}, as vLLM "
        f"writes them: whole, streamed in one burst, and streamed with an event each {_PAUSE_MS} "
        "ms. A paced event is what a paced stream costs above a whole answer, by its events. "
        f"{_CONNECTIONS} connections, {bench.seconds} s a step, median of {rounds} rounds taken "
        "in turns; every reply is checked. Messages and Responses go to a host that speaks chat.",
        rows=[*rows, *peers.rows],
        notes=peers.notes,
        failures=peers.failures,
    )


def _rows(
    what: str,
    ours: Costs,
    control: Costs,
    goals: Mapping[str, float],
    steps: Sequence[str] = (WHOLE, BURST, PACED, EVENT),
) -> list[Row]:
    return [
        Row(
            f"CPU µs, {step}, {what}",
            ours[step],
            control[step],
            ratio_goal=goals.get(step),
            decimals=1 if step == EVENT else 0,
        )
        for step in steps
    ]


@dataclass(slots=True)
class _Beside:
    """What there is to tell of the peers."""

    rows: list[Row]
    notes: list[str]
    failures: list[str]


def _beside_peers(
    bench: _Bench, folder: Path | None, puna: Target, upstream_port: int, rounds: int
) -> _Beside:
    """Each peer that is installed beside Puna, in turns; whole answers and bursts."""
    told = _Beside([], [], [])
    if folder is None:
        return told
    for peer in PEERS:
        if not peer.is_installed(folder):
            told.notes.append(f"{peer.name} is not installed, so it was not measured")
            continue
        bench.settings.say(f"agent: starting {peer.name}")
        try:
            with peer_running(peer, folder, upstream_port, ask_name(_CHAT)) as theirs:
                targets = [(puna, _CHAT), (theirs, _CHAT)]
                ours, control = bench.run(targets, rounds, _PEER_STEPS)
        except RuntimeError as error:
            told.failures.append(f"{peer.name} {peer.version(folder)}: {error}")
            continue
        told.rows += _rows(peer.name, ours, control, _goals_beside(peer), _PEER_STEPS)
        told.notes.append(f"{peer.name} {peer.version(folder)}; it {peer.remark}")
    return told


def _goals_beside(peer: Peer) -> Mapping[str, float]:
    goal = _PEER_GOALS.get(peer.name)
    return {} if goal is None else dict.fromkeys(_PEER_STEPS, goal)


MEASUREMENT = Measurement("agent", _run)

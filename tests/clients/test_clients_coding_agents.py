"""Claude Code, Codex and opencode, as released, do tasks over the gateway; a script is the model.

Each task is what sessions of users hit: a tool that writes, a stream that is cut, a host that is
busy, a picture for a model that sees none, and a long file in one call.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.coding_agents import AGENTS, KEY, MODEL, Call, CodingAgent, Done
from tests.support.server import Served
from tests.support.upstream import (
    Received,
    Reply,
    Upstream,
    answer,
    chunk,
    completion_body,
    usage_chunk,
)

pytestmark = [
    pytest.mark.released_client,
    pytest.mark.end_to_end,
    pytest.mark.xdist_group("agents"),
]

_LANES_HOOK = """
def note(event):
    with open(%r, "a") as file:
        print(event.report.lane, file=file)
"""
FINAL = "All of it is done now."
# One red pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)

Step = Callable[[Mapping[str, Any]], Reply]
"""A turn of the model: its reply to the body of a request, streamed or whole."""


def says(text: str) -> Step:
    """A turn of text alone."""
    return lambda body: (
        Reply.text_stream(text)
        if body.get("stream")
        else Reply.json(completion_body({"content": text, "refusal": None}))
    )


def calls(call: Call, pieces: int = 2) -> Step:
    """A turn with a sentence and one call; in a stream its arguments come in so many pieces."""
    name, arguments = call
    text = json.dumps(arguments)
    size = -(-len(text) // pieces)
    head = {"index": 0, "id": "call_1", "type": "function"}
    cut = [
        {"index": 0, "function": {"arguments": text[at : at + size]}}
        for at in range(0, len(text), size)
    ]
    chunks = [chunk({"role": "assistant", "content": "I do it. "})]
    first = {**head, "function": {"name": name, "arguments": ""}}
    chunks += [chunk({"tool_calls": [one]}) for one in (first, *cut)]
    whole = {**head, "function": {"name": name, "arguments": text}}
    message = {"content": "I do it. ", "tool_calls": [whole]}
    return lambda body: (
        Reply.sse(*chunks, chunk({}, "tool_calls"), usage_chunk())
        if body.get("stream")
        else Reply.json(completion_body(message, finish_reason="tool_calls"))
    )


def cut_off(body: Mapping[str, Any]) -> Reply:
    """A turn that begins, and whose connection is reset."""
    begun = Reply.text_stream("I be", "gin.", pause_s=0.2, is_done=False)
    steps = [*tuple(begun.steps)[:-1], 0.2]
    return replace(begun, steps=steps, end="reset") if body.get("stream") else Reply.reset()


def is_busy(_: Mapping[str, Any]) -> Reply:
    """A host that takes no more for a second."""
    return Reply.error(429, "Too many requests.", retry_after="1")


@dataclass
class Script:
    """A model by script: step by step for the requests of the session, which carry tools.

    Agents also ask for a title or a summary, without tools: that gets the usual answer.
    """

    steps: list[Step]
    turns: list[list[dict[str, Any]]] = field(default_factory=list)

    def __call__(self, received: Received) -> Reply:
        if not received.path.endswith("/chat/completions"):
            return Reply.error(404)
        body = received.json
        if not body.get("tools"):
            return answer(received)
        self.turns.append(body["messages"])
        step = self.steps.pop(0) if self.steps else says(FINAL)
        return step(body)

    @property
    def tool_results(self) -> str:
        """What the host was told of the tools in the last turn, as JSON."""
        return json.dumps([one for one in self.turns[-1] if one["role"] == "tool"])


@pytest.fixture(scope="module")
def host() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateway's hook writes the lane of each call."""
    return tmp_path_factory.mktemp("lanes") / "lanes.txt"


@pytest.fixture(scope="module")
def served(
    host: Upstream, lanes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    params = {"model": "meta_llama/Llama-3.3-70B-Instruct", "api_key": "k"}
    deployment = {**params, "api_base": f"{host.origin}/v1", "num_retries": 0}
    folder = tmp_path_factory.mktemp("agents")
    (folder / "lanes.py").write_text(_LANES_HOOK % str(lanes))
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": deployment}],
        "litellm_settings": {"callbacks": ["lanes.note"]},
    }
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    with Served("--config", str(file), PUNA_MASTER_KEY=KEY) as one:
        yield one


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.name)
def agent(request: pytest.FixtureRequest) -> CodingAgent:
    one: CodingAgent = request.param
    return one


@dataclass(frozen=True)
class Desk:
    """An agent, its folder, and the way to let it work on a script."""

    agent: CodingAgent
    folder: Path
    host: Upstream
    served: Served

    @property
    def file(self) -> Path:
        return self.folder / "work" / "notes.txt"

    def work(self, *steps: Step) -> tuple[Done, Script]:
        script = Script(list(steps))
        self.host.plays_always(script)
        done = self.agent.run("Write notes.txt.", self.folder, self.served.url)
        assert done.status == 0, f"{done.output}\n{self.served.log}"
        assert FINAL in done.output, f"{done.output}\n{self.served.log}"
        return done, script


@pytest.fixture
def desk(agent: CodingAgent, tmp_path: Path, host: Upstream, served: Served) -> Desk:
    return Desk(agent, tmp_path, host, served)


def test_a_tool_writes_a_file_and_the_host_sees_its_result(desk: Desk) -> None:
    _, script = desk.work(calls(desk.agent.write(desk.file, "one\ntwo\n")))

    assert desk.file.read_text() == "one\ntwo\n"
    assert len(script.turns) == 2
    assert '"tool_call_id": "call_1"' in script.tool_results


def test_what_agents_send_passes_by_its_bytes(desk: Desk, lanes: Path) -> None:
    lanes.write_text("")

    desk.work(calls(desk.agent.write(desk.file, "one\ntwo\n")))

    assert set(lanes.read_text().split()) == {"fast"}


def test_a_stream_that_is_cut_is_asked_for_again(desk: Desk) -> None:
    _, script = desk.work(cut_off, cut_off, calls(desk.agent.write(desk.file, "after the cut\n")))

    assert desk.file.read_text() == "after the cut\n"
    assert len(script.turns) == 4


def test_a_host_that_is_busy_is_asked_again(desk: Desk) -> None:
    _, script = desk.work(is_busy, is_busy, calls(desk.agent.write(desk.file, "at last\n")))

    assert desk.file.read_text() == "at last\n"
    assert len(script.turns) == 4


def test_a_picture_that_the_model_cannot_see_does_not_end_the_session(desk: Desk) -> None:
    picture = desk.folder / "red.png"
    picture.write_bytes(PNG)

    _, script = desk.work(
        calls(desk.agent.view(picture)), calls(desk.agent.write(desk.file, "seen\n"))
    )

    assert desk.file.read_text() == "seen\n"
    assert len(script.turns) == 3
    assert "image_url" not in json.dumps(script.turns)


def test_a_long_file_comes_whole_in_one_call(desk: Desk) -> None:
    text = "".join(f'line {n}: ünï \\ "quoted" ${{x}}\n' for n in range(2_000))

    desk.work(calls(desk.agent.write(desk.file, text), pieces=3_000))

    assert desk.file.read_text() == text

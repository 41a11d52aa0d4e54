"""The released `openai-agents`, in an environment of its own, as a client of our gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.processes import run
from tests.support.replayed import KEY, ROWS
from tests.support.server import Served
from tests.support.upstream import Upstream

pytestmark = [
    pytest.mark.released_client,
    pytest.mark.end_to_end,
    pytest.mark.xdist_group("gateway"),
]

PYTHON = Path(__file__).parents[2] / ".venv-agents" / "bin" / "python"
PROGRAM = """
import asyncio, json, sys
import agents, openai

API = {"chat": agents.OpenAIChatCompletionsModel, "responses": agents.OpenAIResponsesModel}
ASKED = "Weather and time in Paris?"

async def run(model, is_streamed):
    ran = []

    @agents.function_tool
    def get_weather(city: str) -> str:
        ran.append(("get_weather", city))
        return "sunny"

    @agents.function_tool
    def get_time(zone: str) -> str:
        ran.append(("get_time", zone))
        return "10:00"

    agent = agents.Agent(
        name="Guide",
        instructions="Use the tools.",
        tools=[get_weather, get_time],
        model=model,
        model_settings=agents.ModelSettings(parallel_tool_calls=True, include_usage=True),
    )
    if is_streamed:
        result, streamed = agents.Runner.run_streamed(agent, ASKED), ""
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type.endswith("output_text.delta"):
                streamed += event.data.delta
    else:
        result = await agents.Runner.run(agent, ASKED)
        streamed = result.final_output
    usage = result.context_wrapper.usage
    print(json.dumps({"said": result.final_output, "streamed": streamed, "ran": sorted(ran),
                      "requests": usage.requests, "tokens": usage.total_tokens}))

async def main(api, url, key, *names):
    agents.set_tracing_disabled(True)
    async with openai.AsyncOpenAI(api_key=key, base_url=url + "/v1", max_retries=0) as client:
        for name in names:
            for is_streamed in (False, True):
                await run(API[api](name, client), is_streamed)

asyncio.run(main(*sys.argv[1:]))
"""
MODELS = [f"{row}/two_calls" for row in ROWS]
RAN = [["get_time", "Europe/Paris"], ["get_weather", "Paris"]]


@pytest.mark.case(96, 103, 113)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_an_agent_runs_two_tools_and_answers(
    api: str, served: Served, hosts: Upstream, tmp_path: Path
) -> None:
    seen = len(hosts.requests)

    said = run([str(PYTHON), "-c", PROGRAM, api, served.url, KEY, *MODELS], tmp_path)

    runs = [json.loads(line) for line in said.splitlines()]
    assert len(runs) == 2 * len(MODELS)
    for one in runs:
        assert one["ran"] == RAN
        assert one["said"] == one["streamed"] == "Hello there"
        assert one["requests"] == 2
        assert one["tokens"] > 110
    for brought in hosts.requests[seen + 1 :: 2]:
        *_, assistant, first, second = brought.json["messages"]
        called = [call["id"] for call in assistant["tool_calls"]]
        assert called == [first["tool_call_id"], second["tool_call_id"]]
        assert [first["content"], second["content"]] == ["sunny", "10:00"]

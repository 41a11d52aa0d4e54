"""What Codex sends to the Responses API of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CONFIG, House, events_of
from tests.support.gateway_responses import BODY, TOOL, respond
from tests.support.upstream import Reply, Upstream, completion_body


def test_codex_is_answered_with_the_config_of_its_guide(upstream: Upstream) -> None:
    guide = Path(__file__).parents[3] / "docs" / "guides" / "coding-agents.md"
    lines = guide.read_text(encoding="utf-8").partition("## Codex")[2]
    settings = lines.partition("litellm_settings:\n")[2].partition("```")[0]
    assert settings == "  drop_params: true\n"
    inner = [{"type": "function", "name": "list", "strict": False, "parameters": {}}]
    searched = {"type": "web_search_call", "status": "completed"}
    answer = respond(
        House(upstream, f"{CONFIG}litellm_settings:\n{settings}"),
        input=[{"type": "message", "role": "user", "content": "hi"}, searched],
        tools=[
            {**TOOL, "strict": False},
            {"type": "custom", "name": "apply_patch"},
            {"type": "namespace", "name": "mcp__files", "description": "F", "tools": inner},
            {"type": "web_search", "external_web_access": False},
            {"type": "local_shell"},
            {"type": "tool_search", "execution": "client", "description": "", "parameters": {}},
            {"type": "image_generation", "output_format": "png"},
        ],
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning={"effort": "medium", "summary": "auto"},
        text={"verbosity": "low"},
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
        client_metadata={"x-codex-installation-id": "i"},
    )
    assert answer.status == 200, answer.text
    assert events_of(answer)[-1]["type"] == "response.completed"
    sent = upstream.requests[0].json
    assert set(sent) == {
        "model",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
        "stream",
        "stream_options",
        "verbosity",
    }
    names = [tool["function"]["name"] for tool in sent["tools"]]
    assert names == ["get_weather", "apply_patch", "mcp__files__list"]
    assert answer.headers["x-puna-dropped-params"].split(",") == [
        "client_metadata",
        "prompt_cache_key",
        "input.web_search_call",
        "tools[2].description",
        "tools[3]",
        "tools[4]",
        "tools[5]",
        "tools[6]",
        "reasoning.summary",
    ]


FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
HOSTED = [{"type": "web_search"}, {"type": "image_generation"}, {"type": "local_shell"}]


@pytest.mark.parametrize("stream", [False, True])
def test_hosted_tools_are_left_out_and_reported(upstream: Upstream, stream: bool) -> None:  # noqa: FBT001 - a parametrised case
    upstream.plays(Reply.json(completion_body()) if not stream else Reply.text_stream())
    answer = House(upstream).ask(
        "/v1/responses", {**BODY, "stream": stream, "tools": [*HOSTED, FUNCTION]}
    )
    assert answer.status == 200
    assert answer.headers["x-puna-dropped-params"] == "tools[0],tools[1],tools[2]"
    assert [tool["function"]["name"] for tool in upstream.requests[0].json["tools"]] == ["f"]
    response = events_of(answer)[-1]["response"] if stream else answer.json
    assert [tool["type"] for tool in response["tools"]] == ["function"]


def test_a_strict_gateway_or_request_refuses_them() -> None:
    asked = {**BODY, "tools": [FUNCTION, *HOSTED]}
    strict = CONFIG + "litellm_settings: {strict_tools: true}\n"
    for answer in (
        House(config=strict).ask("/v1/responses", asked),
        House().ask("/v1/responses", {**asked, "strict_tools": True}),
    ):
        assert (answer.status, answer.error["param"]) == (400, "tools[1].type")
    wrong = House().ask("/v1/responses", {**asked, "strict_tools": "yes"})
    assert (wrong.status, wrong.error["param"]) == (400, "strict_tools")


@pytest.mark.parametrize("choice", ["required", {"type": "web_search"}])
def test_a_demand_for_a_hosted_tool_is_refused(choice: Any) -> None:
    answer = House().ask("/v1/responses", {**BODY, "tools": HOSTED[:1], "tool_choice": choice})
    assert answer.status == 400
    assert answer.error["param"].startswith("tool_choice")

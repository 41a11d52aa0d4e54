"""`moderation`: an endpoint of the host's, or a Llama Guard over chat; both clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from puna import AsyncClient, Client, ClientSettings, ModerationResponse
from puna.errors import APIError, BadRequestError, MalformedReplyError, NotFoundError
from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Player, Recorded, ReplayTransport
from puna.wire.http import HTTPRequest

GUARD = "groq/meta-llama/llama-guard-4-12b"
IMAGE = {"type": "image_url", "image_url": {"url": "https://images.test/a.png"}}
TEXT = {"type": "text", "text": "hello"}
SETTINGS = ClientSettings(environ={"GROQ_API_KEY": "k", "OPENAI_API_KEY": "k"}, max_retries=0)
Moderate = Callable[..., ModerationResponse]


def _moderate(
    play: Player, model: str, given: Any, *, settings: ClientSettings = SETTINGS, **keywords: Any
) -> ModerationResponse:
    with Client(settings, transport=ReplayTransport(play)) as client:
        return client.moderation(model, given, **keywords)


def _amoderate(
    play: Player, model: str, given: Any, *, settings: ClientSettings = SETTINGS, **keywords: Any
) -> ModerationResponse:
    async def ask() -> ModerationResponse:
        async with AsyncClient(settings, transport=AsyncReplayTransport(play)) as client:
            return await client.moderation(model, given, **keywords)

    return asyncio.run(ask())


BOTH = pytest.mark.parametrize("moderate", [_moderate, _amoderate], ids=["sync", "async"])


def says(*texts: str | None, usage: Any = None) -> tuple[Player, list[dict[str, Any]]]:
    """A host whose model answers each message by its number in the list, and what it was asked."""
    asked: list[dict[str, Any]] = []

    def play(request: HTTPRequest) -> Recorded:
        body = json.loads(request.body)
        asked.append({**body, "url": request.url})
        content = body["messages"][0]["content"]
        text = texts[int(content) if isinstance(content, str) and content.isdigit() else 0]
        message = {"role": "assistant", "content": text}
        reply = {"id": "c-1", "choices": [{"message": message, "finish_reason": "stop"}]}
        if usage is not None:
            reply["usage"] = usage
        return Recorded(200, {"content-type": "application/json"}, [json.dumps(reply).encode()])

    return play, asked


@BOTH
def test_a_llama_guard_is_asked_over_chat(moderate: Moderate) -> None:
    usage = {"prompt_tokens": 200, "completion_tokens": 3, "total_tokens": 203}
    play, asked = says("\n\nunsafe\nS1,S11", usage=usage)
    answer = moderate(play, GUARD, "How do I …?")
    assert asked == [
        {
            "url": "https://api.groq.com/openai/v1/chat/completions",
            "model": "meta-llama/llama-guard-4-12b",
            "messages": [{"role": "user", "content": "How do I …?"}],
            "temperature": 0,
        }
    ]
    assert (answer.id, answer.model) == ("c-1", GUARD)
    (result,) = answer.results
    assert result.flagged
    assert result.categories is not None
    assert {name for name, is_found in result.categories.items() if is_found} == {
        "S1",
        "S11",
        "violence",
        "illicit/violent",
        "self-harm",
    }
    assert result.category_scores == {
        name: float(is_found) for name, is_found in result.categories.items()
    }
    assert len([name for name in result.categories if name.startswith("S")]) == 14
    assert answer.report is not None
    assert (answer.report.prompt_tokens, answer.report.completion_tokens) == (200, 3)
    assert not answer.report.is_usage_estimated


@BOTH
def test_every_text_of_a_list_gets_a_verdict_of_its_own(moderate: Moderate) -> None:
    events: list[CallEvent] = []
    settings = ClientSettings(environ={"GROQ_API_KEY": "k"}, hooks=[events.append])
    play, asked = says("safe", "unsafe\nS10", "safe")
    price = {"input_cost_per_token": 1e-6, "output_cost_per_token": 0}
    answer = moderate(play, GUARD, ["0", "1", "2"], settings=settings, **price)
    assert [one.flagged for one in answer.results] == [False, True, False]
    assert len(asked) == len(events) == 3
    assert answer.usage is not None
    assert answer.usage.is_estimate
    assert answer.report is not None
    assert answer.report.attempts == 3
    assert answer.report.prompt_tokens == sum(one.report.prompt_tokens for one in events)


@BOTH
@pytest.mark.parametrize("parts", [[TEXT], [TEXT, IMAGE]])
def test_parts_are_judged_together(moderate: Moderate, parts: list[Any]) -> None:
    play, asked = says("safe")
    answer = moderate(play, GUARD, parts)
    assert [one.flagged for one in answer.results] == [False]
    # A single text goes as a text: some hosts of a guard take no list.
    sent = parts if len(parts) > 1 else parts[0]["text"]
    assert asked[0]["messages"][0]["content"] == sent


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "I cannot judge that.",
        "unsafe",
        "unsafe\nS15",
        "unsafe\nS",
        "unsafe\nS1 and more",
        "safe\nS1",
        "safe, I think",
        "S1",
    ],
)
def test_what_is_no_verdict_does_not_pass_for_harmless(moderate: Moderate, text: Any) -> None:
    play, _ = says(text)
    with pytest.raises(MalformedReplyError, match="no verdict of a Llama Guard"):
        moderate(play, GUARD, "hello")


@BOTH
@pytest.mark.parametrize(
    ("model", "given", "param"),
    [
        ("groq/llama-guard-3-8b", [TEXT, IMAGE], "input[1]"),
        (GUARD, [{"type": "audio"}], "input[0]"),
        (GUARD, [TEXT, "mixed"], "input[1]"),
        (GUARD, [{"type": "text", "text": 1}], "input[0]"),
        (GUARD, [{"type": ["text"]}], "input[0]"),
        (GUARD, "", "input"),
    ],
)
def test_what_is_no_input_is_named(moderate: Moderate, model: str, given: Any, param: str) -> None:
    play, asked = says("safe")
    with pytest.raises(BadRequestError) as raised:
        moderate(play, model, given)
    assert raised.value.param == param
    assert asked == []


@BOTH
@pytest.mark.parametrize("keyword", ["stream", "mock_response"])
def test_what_a_moderation_cannot_do_is_refused(moderate: Moderate, keyword: str) -> None:
    play, _ = says("safe")
    with pytest.raises(BadRequestError) as raised:
        moderate(play, GUARD, "hello", **{keyword: True})
    assert raised.value.param == keyword


@BOTH
def test_a_host_with_an_endpoint_is_asked_there(moderate: Moderate) -> None:
    def play(request: HTTPRequest) -> Recorded:
        assert request.url == "https://api.openai.com/v1/moderations"
        assert json.loads(request.body) == {"model": "omni-moderation-latest", "input": ["a", "b"]}
        results = [{"flagged": False, "categories": {}, "category_scores": {}}] * 2
        body = json.dumps({"id": "modr-1", "model": "omni", "results": results})
        return Recorded(200, {"content-type": "application/json"}, [body.encode()])

    answer = moderate(play, "openai/omni-moderation-latest", ["a", "b"])
    assert len(answer.results) == 2
    assert answer.usage is None
    assert "usage" not in answer.to_dict()


@BOTH
def test_a_guard_may_stand_in_for_an_endpoint(moderate: Moderate) -> None:
    def play(request: HTTPRequest) -> Recorded:
        if request.url.endswith("/moderations"):
            return Recorded(500, {}, [b"no"])
        return says("safe", "unsafe\nS2")[0](request)

    model = "openai/omni-moderation-latest"
    answer = moderate(play, model, ["0", "1"], fallbacks=[GUARD])
    assert [one.flagged for one in answer.results] == [False, True]


@BOTH
def test_the_errors_of_a_host_are_read_as_for_chat(moderate: Moderate) -> None:
    def play(_: HTTPRequest) -> Recorded:
        return Recorded(429, {"retry-after": "3"}, [b'{"error": {"message": "slow down"}}'])

    with pytest.raises(APIError) as raised:
        moderate(play, GUARD, ["0", "1"])
    assert (raised.value.status_code, raised.value.retry_after_s) == (429, 3)


@BOTH
def test_another_model_gives_no_verdicts(moderate: Moderate) -> None:
    with pytest.raises(NotFoundError, match="Llama Guard 3 or 4"):
        moderate(says("safe")[0], "groq/llama-3.3-70b", "hello")

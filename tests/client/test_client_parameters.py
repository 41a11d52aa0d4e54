"""Parameters and messages: what reaches the upstream, what is refused before. Section A."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from tests.support.faces import BOTH, HI, KEY, MODEL, Face, settings_for
from tests.support.strict import STRICT
from tests.support.upstream import Reply, Upstream, completion_body

from puna import BadRequestError, Client, UnsupportedParamsError
from puna.telemetry.events import CallEvent


@pytest.mark.case(13, 15, 24, 25)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", 0.7),
        ("top_p", 0.95),
        ("max_tokens", 7),
        ("max_completion_tokens", 7),
        ("user", "u"),
        ("stop", "x"),
        ("stop", ["x", "y"]),
        ("seed", 0),
        ("logprobs", True),
        ("presence_penalty", -0.5),
        ("logit_bias", {"5": 1}),
        ("n", 2),
    ],
)
def test_a_parameter_reaches_the_upstream_with_its_exact_value(
    name: str, value: Any, upstream: Upstream
) -> None:
    with Client(settings_for(upstream)) as client:
        client.completion(MODEL, HI, **{name: value})
    assert upstream.requests[0].json[name] == value
    assert set(upstream.requests[0].json) == {"model", "messages", name}


@pytest.mark.case(14)
def test_two_output_limits_are_one_or_an_error(upstream: Upstream) -> None:
    with Client(settings_for(upstream)) as client:
        client.completion(MODEL, HI, max_tokens=5, max_completion_tokens=5)
        with pytest.raises(BadRequestError, match="max_tokens"):
            client.completion(MODEL, HI, max_tokens=5, max_completion_tokens=6)
    (sent,) = upstream.requests
    assert sent.json["max_completion_tokens"] == 5
    assert "max_tokens" not in sent.json


@pytest.mark.case(16)
def test_what_only_the_host_knows_lands_at_the_top_of_the_body(upstream: Upstream) -> None:
    with Client(settings_for(upstream)) as client:
        client.completion(
            MODEL,
            HI,
            top_k=5,
            repetition_penalty=1.1,
            foo=None,
            extra_body={"bar": [1], "top_k": 6},
        )
    body = upstream.requests[0].json
    assert (body["top_k"], body["repetition_penalty"], body["bar"]) == (6, 1.1, [1])
    assert "foo" not in body


@pytest.mark.case(17)
def test_extra_headers_reach_the_upstream_and_cannot_remove_the_key(upstream: Upstream) -> None:
    with Client(settings_for(upstream)) as client:
        client.completion(
            MODEL,
            HI,
            headers={"X-One": "1", "Authorization": ""},
            extra_headers={"x-two": "2"},
        )
        for bad in ({"x": "a\r\nb: c"}, {"bad name": "1"}, {"x": "é"}, {3: "1"}):
            with pytest.raises(BadRequestError, match="header"):
                client.completion(MODEL, HI, extra_headers=bad)
    (sent,) = upstream.requests
    assert (sent.headers["x-one"], sent.headers["x-two"]) == ("1", "2")
    assert sent.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.case(18)
@BOTH
def test_metadata_reaches_hooks_and_not_the_upstream(face: Face, upstream: Upstream) -> None:
    seen: list[CallEvent] = []
    face.ask(settings_for(upstream, hooks=(seen.append,)), metadata={"tenant": "t1"})
    assert seen[0].metadata == {"tenant": "t1"}
    assert "metadata" not in upstream.requests[0].json


@pytest.mark.case(19)
@pytest.mark.parametrize(
    ("messages", "path"),
    [
        ([], "messages"),
        ("hi", "messages"),
        (None, "messages"),
        ([{"role": "wizard", "content": "x"}], "messages[0]"),
        ([HI[0], {"role": "assistant"}], "messages[1]"),
        ([HI[0], {"role": "user"}], "messages[1]"),
        ([7], "messages[0]"),
    ],
)
@BOTH
def test_wrong_messages_are_refused_before_anything_is_sent(
    face: Face, messages: Any, path: str, upstream: Upstream
) -> None:
    with pytest.raises(BadRequestError) as caught:
        face.ask(settings_for(upstream), messages=messages)
    assert (caught.value.param or "").startswith(path)
    assert path in str(caught.value)
    assert upstream.requests == []


@pytest.mark.case(20, 35)
def test_the_developer_role_becomes_system_and_the_callers_values_stay(upstream: Upstream) -> None:
    messages = [{"role": "developer", "content": "be brief"}, dict(HI[0])]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    keywords: dict[str, Any] = {"tools": tools, "stop": ["x"], "extra_body": {"k": {"v": 1}}}
    before = copy.deepcopy((messages, keywords))
    with Client(settings_for(upstream)) as client:
        client.completion(MODEL, messages, **keywords)
        list(client.completion(MODEL, messages, stream=True, **keywords))
    assert (messages, keywords) == before
    assert upstream.requests[0].json["messages"][0]["role"] == "system"


@pytest.mark.case(21)
@BOTH
@pytest.mark.parametrize("text", ["Grüße, 世界", "🦙", "a\0b", "  "])
def test_any_text_travels_as_utf8(face: Face, text: str, upstream: Upstream) -> None:
    face.ask(settings_for(upstream), messages=[{"role": "user", "content": text}])
    (sent,) = upstream.requests
    assert json.loads(sent.body.decode("utf-8"))["messages"][0]["content"] == text


@pytest.mark.case(21)
@BOTH
def test_half_a_surrogate_pair_costs_that_character_alone(face: Face, upstream: Upstream) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "\ud83e"}]
    messages = [
        {"role": "user", "content": "a\ud83eb"},
        {"role": "user", "content": parts},
        {"role": "user", "content": "two halves: \ud83e\udd99"},
    ]
    face.ask(settings_for(upstream), messages=messages, extra_body={"\udc00": 1})
    (sent,) = upstream.requests
    body = json.loads(sent.body.decode("utf-8"))
    assert [one["content"] for one in body["messages"]] == [
        "a\ufffdb",
        "a\n\n\ufffd",
        "two halves: 🦙",
    ]
    assert body["\ufffd"] == 1


@pytest.mark.case(22)
def test_a_long_prompt_and_ten_thousand_messages_are_quick(upstream: Upstream) -> None:
    with Client(settings_for(upstream)) as client:
        began_at = time.monotonic()
        client.completion(MODEL, [{"role": "user", "content": "x" * 1_000_000}])
        client.completion(MODEL, [HI[0]] * 10_000)
        assert time.monotonic() - began_at < 5
    assert len(upstream.requests[1].json["messages"]) == 10_000


@pytest.mark.case(23)
@BOTH
def test_two_choices_keep_their_order(face: Face, upstream: Upstream) -> None:
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for i, text in enumerate(("one", "two"))
    ]
    upstream.plays(Reply.json(completion_body(choices=choices)))
    answer = face.ask(settings_for(upstream), n=2)
    assert [c.message.content for c in answer.choices] == ["one", "two"]


@pytest.mark.case(25, 26)
@BOTH
def test_what_the_host_cannot_do_is_refused_dropped_or_sent_by_wish(
    face: Face, upstream: Upstream
) -> None:
    settings = settings_for(upstream, providers=STRICT)
    with pytest.raises(UnsupportedParamsError, match=r"reasoning_effort.*Llama-3\.3-8B") as caught:
        face.ask(settings, reasoning_effort="low")
    assert caught.value.param == "reasoning_effort"
    assert upstream.requests == []

    dropped = face.ask(settings, reasoning_effort="low", drop_params=True)
    assert dropped.report is not None
    assert dropped.report.dropped_params == ("reasoning_effort",)
    face.ask(settings_for(upstream, drop_params=True, providers=STRICT), reasoning_effort="low")
    face.ask(settings, reasoning_effort="low", allowed_openai_params=["reasoning_effort"])
    face.ask(settings, top_p=0.5, additional_drop_params=["top_p"])
    sent = [set(r.json) - {"model", "messages"} for r in upstream.requests]
    assert sent == [set(), set(), {"reasoning_effort"}, set()]

"""Plain answers, over a real connection, from both clients. Section A of the acceptance cases."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
import time
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, HI, KEY, MODEL, Face, settings_for
from tests.support.strict import STRICT
from tests.support.upstream import TEXT, Reply, Upstream, completion_body

from puna import (
    AsyncClient,
    AuthenticationError,
    BadRequestError,
    Client,
    ClientSettings,
    RateLimitError,
    UnsupportedParamsError,
)
from puna.telemetry.events import CallEvent

MODELS = (
    "Llama-4-Scout-17B-16E-Instruct-FP8",
    "Llama-4-Maverick-17B-128E-Instruct-FP8",
    "Llama-3.3-70B-Instruct",
    "Llama-3.3-8B-Instruct",
    "Llama-9-Unheard-Of",
)


@pytest.mark.case(1, 2, 8, 9)
@BOTH
def test_the_request_holds_only_what_was_given_and_the_answer_all_that_came(
    face: Face, upstream: Upstream
) -> None:
    answer = face.ask(settings_for(upstream))

    (sent,) = upstream.requests
    assert (sent.method, sent.path) == ("POST", "/compat/v1/chat/completions")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept"] == "application/json"
    assert sent.json == {"model": "Llama-3.3-8B-Instruct", "messages": list(HI)}

    assert answer.choices[0].message.content == TEXT
    assert answer["choices"][0]["message"]["content"] == TEXT
    assert answer.id == "cmpl-up-1"
    assert answer.created == 1747000000
    assert answer.object == "chat.completion"
    assert answer.system_fingerprint == "fp_x"
    assert answer.get("model") == MODEL
    assert "id" in answer
    assert answer["usage"]["total_tokens"] == 15
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 4)
    assert json.loads(answer.json())["x_extra"] == {"k": 1}
    assert answer.model_dump()["x_extra"] == answer.to_dict()["x_extra"] == {"k": 1}


@pytest.mark.case(8)
@BOTH
def test_id_and_time_are_made_where_the_upstream_gives_none(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body(id=None, created=None, object=None)))
    answer = face.ask(settings_for(upstream), clock=FakeClock(now=1_750_000_000.9))
    assert answer.id.startswith("chatcmpl-")
    assert answer.created == 1_750_000_000
    assert answer.object == "chat.completion"


@pytest.mark.case(3)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_behind_the_prefix_is_sent(model: str, upstream: Upstream) -> None:
    with Client(settings_for(upstream)) as client:
        answer = client.completion(f"meta_llama/{model}", HI)
    assert upstream.requests[0].json["model"] == model
    assert answer.model == f"meta_llama/{model}"


@pytest.mark.case(4)
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("name", ["api_base", "base_url"])
def test_a_base_in_the_call_beats_the_environment(
    name: str, slash: str, upstream: Upstream
) -> None:
    environ = {"LLAMA_API_KEY": KEY, "LLAMA_API_BASE": "http://127.0.0.1:1/nowhere"}
    with Client(ClientSettings(environ=environ)) as client:
        where: dict[str, Any] = {name: upstream.url + slash}
        client.completion(MODEL, HI, **where)
    assert upstream.requests[0].path == "/compat/v1/chat/completions"


@pytest.mark.case(5)
def test_the_key_of_the_call_wins_and_the_environment_is_read_at_each_call(
    upstream: Upstream,
) -> None:
    environ = {"LLAMA_API_KEY": "first", "LLAMA_API_BASE": upstream.url}
    with Client(ClientSettings(environ=environ)) as client:
        client.completion(MODEL, HI)
        environ["LLAMA_API_KEY"] = "second"
        client.completion(MODEL, HI)
        client.completion(MODEL, HI, api_key="third")
    keys = [sent.headers["authorization"] for sent in upstream.requests]
    assert keys == ["Bearer first", "Bearer second", "Bearer third"]


@pytest.mark.case(6, 7)
@BOTH
@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": "sk-canary"}, {"LLAMA_API_KEY": " "}])
def test_without_a_key_nothing_is_sent_to_the_own_host(face: Face, environ: dict[str, str]) -> None:
    with pytest.raises(AuthenticationError, match="LLAMA_API_KEY") as caught:
        face.ask(ClientSettings(environ=environ))
    assert caught.value.status_code == 401
    assert caught.value.param is None
    assert "sk-canary" not in str(caught.value)


@pytest.mark.case(7)
@BOTH
def test_another_base_without_a_key_gets_no_authorization_and_no_other_key(
    face: Face, upstream: Upstream
) -> None:
    environ = {"OPENAI_API_KEY": "sk-canary", "LITELLM_PROXY_API_KEY": "sk-canary"}
    face.ask(ClientSettings(environ=environ), api_base=upstream.url)
    (sent,) = upstream.requests
    assert "authorization" not in sent.headers
    assert "canary" not in repr(sent)


@pytest.mark.case(10)
@BOTH
def test_usage_is_counted_and_marked_where_the_upstream_gives_none(
    face: Face, upstream: Upstream
) -> None:
    upstream.plays(Reply.json(completion_body(usage=None)))
    answer = face.ask(settings_for(upstream))
    assert answer.usage is not None
    assert answer.usage.is_estimate
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert answer.report is not None
    assert answer.report.is_usage_estimated


@pytest.mark.case(11)
@pytest.mark.anyio
async def test_fifty_calls_share_a_loop(upstream: Upstream) -> None:
    async with AsyncClient(settings_for(upstream)) as client:
        answers = await asyncio.gather(*(client.completion(MODEL, HI) for _ in range(50)))
    assert [a.choices[0].message.content for a in answers] == [TEXT] * 50


@pytest.mark.case(11)
def test_one_client_serves_two_loops_one_after_the_other(upstream: Upstream) -> None:
    client = AsyncClient(settings_for(upstream))

    async def ask() -> str | None:
        first, second = await asyncio.gather(client.completion(MODEL, HI), _streamed(client))
        assert second == TEXT
        return first.choices[0].message.content

    assert [asyncio.run(ask()), asyncio.run(ask())] == [TEXT, TEXT]
    assert upstream.sees(lambda: upstream.open_connections == 0)


async def _streamed(client: AsyncClient) -> str:
    stream = await client.completion(MODEL, HI, stream=True)
    return "".join([c.choices[0].delta.content or "" async for c in stream])


@pytest.mark.case(12)
@pytest.mark.anyio
async def test_a_sync_call_works_inside_a_running_loop(upstream: Upstream) -> None:
    seen: list[CallEvent] = []

    async def hook(event: CallEvent) -> None:
        await asyncio.sleep(0)
        seen.append(event)

    with Client(settings_for(upstream, hooks=(hook,))) as client:
        assert client.completion(MODEL, HI).choices[0].message.content == TEXT
        assert [c.choices[0].delta.content for c in client.completion(MODEL, HI, stream=True)]
    assert [event.is_stream for event in seen] == [False, True]


@pytest.mark.case(12)
def test_twenty_threads_share_a_client(upstream: Upstream) -> None:
    texts: list[str | None] = []
    with Client(settings_for(upstream)) as client:

        def ask() -> None:
            texts.append(client.completion(MODEL, HI).choices[0].message.content)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == [TEXT] * 20


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


@pytest.mark.case(27)
@BOTH
def test_a_mock_response_sends_nothing_and_needs_no_key(face: Face) -> None:
    settings = ClientSettings(environ={})
    answer = face.ask(settings, mock_response="hello")
    assert answer.choices[0].message.content == "hello"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 30
    streamed = face.stream(settings, mock_response="hello")
    assert streamed.text == "hello"
    assert streamed.finish_reasons == ["stop"]
    assert face.stream(settings, mock_response="").text == ""


@pytest.mark.case(27)
@BOTH
def test_a_mock_exception_is_raised_after_its_delay(face: Face) -> None:
    settings = ClientSettings(environ={})
    clock = FakeClock()
    with pytest.raises(RateLimitError):
        face.ask(
            settings, clock=clock, mock_response=RateLimitError("slow"), mock_delay=3, max_retries=0
        )
    assert clock.sleeps == [3.0]
    with pytest.raises(ZeroDivisionError):
        face.stream(settings, clock=clock, mock_response=ZeroDivisionError("any"))


@pytest.mark.case(34)
@BOTH
def test_an_answer_says_how_the_call_went(face: Face, upstream: Upstream) -> None:
    body = completion_body()
    upstream.plays(
        Reply.json(body, x_ratelimit_remaining_requests="99", set_cookie="a=b", x_vendor="v")
    )
    answer = face.ask(settings_for(upstream), input_cost_per_token=1e-6, output_cost_per_token=2e-6)
    report = answer.report
    assert report is not None
    assert (report.provider, report.model) == ("meta_llama", MODEL)
    assert report.upstream_model == "Llama-3.3-8B-Instruct"
    assert report.api_base == upstream.url
    assert report.duration_s > 0
    assert report.cost_picos == 11 * 1_000_000 + 4 * 2_000_000
    assert report.headers["x-ratelimit-remaining-requests"] == "99"
    assert "set-cookie" not in report.headers
    assert (report.attempts, report.retries, report.fallbacks) == (1, 0, 0)
    assert (report.status_code, report.finish_reason) == (200, "stop")


@pytest.mark.case(39)
@BOTH
def test_compressed_and_chunked_bodies_decode(face: Face, upstream: Upstream) -> None:
    whole = Reply.json(completion_body())
    upstream.plays(whole.gzipped(), whole.chunked(), whole.gzipped().chunked(3))
    for _ in range(3):
        assert face.ask(settings_for(upstream)).choices[0].message.content == TEXT


def test_no_cookie_of_one_call_is_sent_with_another(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body(), set_cookie="session=secret; Path=/"))
    with Client(settings_for(upstream)) as client:
        client.completion(MODEL, HI)
        client.completion(MODEL, HI)
    assert "cookie" not in upstream.requests[1].headers

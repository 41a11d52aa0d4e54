"""Plain answers, over a real connection, from both clients. Section A of the acceptance cases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, HI, KEY, MODEL, Face, settings_for
from tests.support.upstream import TEXT, Reply, Upstream, completion_body

from puna import AuthenticationError, Client, ClientSettings, RateLimitError

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

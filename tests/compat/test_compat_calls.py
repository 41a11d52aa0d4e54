"""LiteLLM's keywords and globals: what is sent, what stays here."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from tests.support.clock import FakeClock
from tests.support.drop_in import BOTH, HI, KEY, MODEL, NAME, DropIn, raised_by
from tests.support.upstream import TEXT, Reply, Upstream

import litellm

SCOUT = "meta_llama/Llama-4-Scout-17B-16E-Instruct-FP8"


@pytest.mark.case(13, 15, 16)
@BOTH
def test_parameters_and_unknown_keywords_reach_the_host(face: DropIn, upstream: Upstream) -> None:
    face.ask(
        upstream,
        temperature=0,
        max_tokens=5,
        user="u",
        top_k=4,
        extra_body={"repetition_penalty": 1.1},
        stop=None,
    )

    assert upstream.requests[0].json == {
        "model": NAME,
        "messages": HI,
        "temperature": 0,
        "max_tokens": 5,
        "user": "u",
        "top_k": 4,
        "repetition_penalty": 1.1,
    }


@pytest.mark.case(17)
@BOTH
def test_headers_of_the_call_and_the_module_reach_the_host(
    face: DropIn, upstream: Upstream
) -> None:
    litellm.headers = {"x-a": "module", "x-b": "module"}

    face.ask(upstream, headers={"x-b": "call"}, extra_headers={"x-c": "call"})

    sent = upstream.requests[0].headers
    assert (sent["x-a"], sent["x-b"], sent["x-c"]) == ("module", "call", "call")
    assert sent["authorization"] == f"Bearer {KEY}"


@pytest.mark.case(26)
@BOTH
def test_an_unsupported_parameter_is_refused_dropped_or_allowed(
    face: DropIn, upstream: Upstream
) -> None:
    bias = {"1": 2}
    error = raised_by(lambda: face.ask(upstream, model="groq/m", logit_bias=bias))
    assert isinstance(error, litellm.UnsupportedParamsError)
    assert "logit_bias" in error.message
    assert "groq/m" in error.message
    assert error.param == "logit_bias"
    assert error.model == "m"
    assert not upstream.requests

    face.ask(upstream, model="groq/m", logit_bias=bias, drop_params=True)
    litellm.drop_params = True
    face.ask(upstream, model="groq/m", logit_bias=bias)
    litellm.drop_params = False
    face.ask(upstream, model="groq/m", logit_bias=bias, allowed_openai_params=["logit_bias"])
    face.ask(upstream, temperature=1, top_p=0.5, additional_drop_params=["top_p"])

    bodies = [sent.json for sent in upstream.requests]
    assert "logit_bias" not in bodies[0]
    assert "logit_bias" not in bodies[1]
    assert bodies[2]["logit_bias"] == bias
    assert bodies[3] == {"model": NAME, "messages": HI, "temperature": 1}


def test_the_calls_word_beats_the_modules(upstream: Upstream) -> None:
    litellm.drop_params = True

    with pytest.raises(litellm.UnsupportedParamsError):
        litellm.completion(
            "groq/m", HI, api_base=upstream.url, logit_bias={"1": 2}, drop_params=False
        )


def test_base_and_key_of_the_module_are_used(upstream: Upstream) -> None:
    litellm.api_base = upstream.url
    litellm.api_key = "sk-module"

    litellm.completion(MODEL, HI)
    litellm.completion(MODEL, HI, api_key="sk-call")
    litellm.api_base = "http://127.0.0.1:9"
    litellm.completion(MODEL, HI, base_url=upstream.url)

    keys = [sent.headers["authorization"] for sent in upstream.requests]
    assert keys == ["Bearer sk-module", "Bearer sk-call", "Bearer sk-module"]


def test_an_alias_of_the_module_names_a_model(upstream: Upstream) -> None:
    litellm.model_alias_map = {"fast": MODEL}

    answer = litellm.completion("fast", HI, api_base=upstream.url)

    assert answer.model == MODEL
    assert upstream.requests[0].json["model"] == NAME


@pytest.mark.case(142)
@BOTH
def test_retries_of_the_call_or_the_module_do_not_multiply(
    face: DropIn, upstream: Upstream
) -> None:
    upstream.plays_always(Reply.error(500))

    error = raised_by(lambda: face.ask(upstream, num_retries=2, clock=FakeClock()))
    assert isinstance(error, litellm.InternalServerError)
    assert len(upstream.requests) == 3
    assert error.num_retries == 2
    assert str(error).endswith("LiteLLM Retried: 2 times")

    litellm.num_retries = 1
    raised_by(lambda: face.ask(upstream, clock=FakeClock()))
    assert len(upstream.requests) == 5
    error = raised_by(lambda: face.ask(upstream, max_retries=0, num_retries=3, clock=FakeClock()))
    assert len(upstream.requests) == 6
    assert error.num_retries is None


@pytest.mark.case(145)
@pytest.mark.parametrize("how", ["timeout", "request_timeout", "force_timeout", "module", "object"])
@BOTH
def test_every_name_of_the_timeout_counts(face: DropIn, upstream: Upstream, how: str) -> None:
    upstream.plays(Reply.hang())
    keywords: dict[str, Any] = {}
    if how == "module":
        litellm.request_timeout = 0.1
    elif how == "object":
        keywords["timeout"] = openai.Timeout(9, read=0.1)
    else:
        keywords[how] = "0.1" if how == "timeout" else 0.1

    error = raised_by(lambda: face.ask(upstream, max_retries=0, **keywords))

    assert isinstance(error, litellm.Timeout)
    assert error.status_code == 408


def test_a_timeout_without_end_or_sense(upstream: Upstream) -> None:
    assert litellm.completion(
        MODEL, HI, api_base=upstream.url, timeout=openai.Timeout(None)
    ).choices
    with pytest.raises(litellm.BadRequestError, match="timeout"):
        litellm.completion(MODEL, HI, api_base=upstream.url, timeout="soon")


@pytest.mark.case(144)
@BOTH
def test_fallbacks_of_the_call_and_the_module(face: DropIn, upstream: Upstream) -> None:
    upstream.plays(Reply.error(500))
    face.ask(upstream, fallbacks=[SCOUT], max_retries=0)
    upstream.plays(Reply.error(500))
    litellm.model_fallbacks = [SCOUT]
    face.ask(upstream, max_retries=0)

    asked = [sent.json["model"] for sent in upstream.requests]
    assert asked == [NAME, SCOUT.partition("/")[2]] * 2


@pytest.mark.case(147)
@BOTH
def test_the_context_window_fallback_dict_names_a_larger_model(
    face: DropIn, upstream: Upstream
) -> None:
    upstream.plays(Reply.error(400, "maximum context length is 8192 tokens"))

    face.ask(upstream, context_window_fallback_dict={MODEL: SCOUT, "other": "other"})

    assert upstream.requests[1].json["model"] == SCOUT.partition("/")[2]
    upstream.plays(Reply.error(400, "maximum context length is 8192 tokens"))
    error = raised_by(lambda: face.ask(upstream, context_window_fallback_dict={"other": SCOUT}))
    assert isinstance(error, litellm.ContextWindowExceededError)


@pytest.mark.case(38)
def test_the_modules_ssl_verify_is_read(upstream: Upstream) -> None:
    litellm.ssl_verify = "no-such-file.pem"

    with pytest.raises(litellm.BadRequestError, match=r"no-such-file\.pem"):
        litellm.completion(MODEL, HI, api_base=upstream.url)
    litellm.ssl_verify = False
    assert litellm.completion(MODEL, HI, api_base=upstream.url).choices


@pytest.mark.case(27)
@BOTH
def test_a_mock_answer_sends_nothing(face: DropIn, environ: dict[str, str]) -> None:
    assert "LLAMA_API_KEY" not in environ
    answer = face.ask(mock_response="hello", api_key=None)

    assert answer.choices[0].message.content == "hello"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 30
    assert answer._hidden_params["additional_headers"] == {}
    assert answer._response_headers is None
    streamed = face.stream(mock_response="hello", api_key=None)
    assert streamed.text == "hello"
    assert [one.choices[0].delta.content for one in streamed.chunks[:2]] == ["hel", "lo"]
    assert streamed.wrapper._hidden_params["additional_headers"] == {}
    assert face.ask(mock_response=True).choices[0].message.content == "True"


@pytest.mark.case(27)
@pytest.mark.parametrize(
    ("mock", "expected"),
    [
        ("litellm.RateLimitError", litellm.RateLimitError),
        ("litellm.InternalServerError", litellm.InternalServerError),
        ("litellm.ContextWindowExceededError", litellm.ContextWindowExceededError),
        (ValueError("boom"), litellm.InternalServerError),
        (litellm.NotFoundError("gone", "m", "p"), litellm.NotFoundError),
        (openai.OpenAIError("theirs"), openai.OpenAIError),
    ],
)
@BOTH
def test_a_mock_can_raise(face: DropIn, mock: Any, expected: type[Exception]) -> None:
    for ask in (face.ask, face.stream):
        error = raised_by(lambda ask=ask: ask(mock_response=mock))  # type: ignore[misc]
        assert type(error) is expected
        if isinstance(mock, ValueError):
            assert "boom" in str(error)


@pytest.mark.case(27)
@BOTH
def test_a_puna_error_as_a_mock_is_translated(face: DropIn) -> None:
    from puna import NotFoundError

    error = raised_by(lambda: face.ask(mock_response=NotFoundError("gone")))

    assert isinstance(error, litellm.NotFoundError)
    assert error.model == NAME
    assert error.llm_provider == "meta_llama"


@BOTH
def test_a_mock_timeout_waits_and_raises(face: DropIn) -> None:
    clock = FakeClock()

    error = raised_by(lambda: face.ask(mock_timeout=True, timeout=3, clock=clock))

    assert isinstance(error, litellm.Timeout)
    assert clock.sleeps == [3]
    assert isinstance(raised_by(lambda: face.ask(mock_timeout=True)), litellm.Timeout)


@BOTH
def test_a_whole_response_can_be_the_mock(face: DropIn) -> None:
    made = litellm.ModelResponse(choices=[litellm.Choices(message=litellm.Message(content="x"))])

    told: list[Any] = []
    litellm.success_callback = [lambda kwargs, answer, start, end: told.append(answer)]  # noqa: ARG005 - LiteLLM's order

    assert face.ask(mock_response=made) is made
    assert told == [made]
    assert face.stream(mock_response=made).text == "x"


@pytest.mark.case(19, 150)
@BOTH
def test_what_is_wrong_is_found_before_anything_is_sent(face: DropIn, upstream: Upstream) -> None:
    wrongs: tuple[dict[str, Any], ...] = (
        {"messages": []},
        {"messages": "hi"},
        {"model": "nobody/x", "api_base": None},
        {"model": "", "api_base": None},
        {"model": None},
        {"input_cost_per_token": -1},
        {"stream": "yes"},
    )
    for wrong in wrongs:
        error = raised_by(lambda wrong=wrong: face.ask(upstream, **wrong))  # type: ignore[misc]
        assert isinstance(error, litellm.BadRequestError), wrong
        assert error.message.startswith("litellm.BadRequestError: ")
    assert not upstream.requests


@pytest.mark.case(12)
def test_a_synchronous_call_works_inside_a_running_loop(upstream: Upstream) -> None:
    import asyncio

    async def notebook() -> str | None:
        answer = litellm.completion(MODEL, HI, api_base=upstream.url)
        return answer.choices[0].message.content

    assert asyncio.run(notebook()) == TEXT


def test_another_packages_client_is_taken_and_not_used(upstream: Upstream) -> None:
    with openai.OpenAI(api_key="sk-openai") as client:
        litellm.completion(MODEL, HI, api_base=upstream.url, api_key=KEY, client=client)

    assert upstream.requests[0].headers["authorization"] == f"Bearer {KEY}"

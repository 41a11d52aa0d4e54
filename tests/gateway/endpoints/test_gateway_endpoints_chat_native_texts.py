"""Text completions at hosts that have the endpoint: what lm-eval and editors ask of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import pytest
from tests.support.asgi import Caller, gateway_caller
from tests.support.native_texts import (
    CONFIG,
    JSON,
    SSE,
    USAGE,
    ask,
    body,
    choice,
    frames,
    house,
    piece,
    sent,
    whole,
)
from typing_extensions import override

from puna.client.asynchronous import AsyncClient
from puna.client.synchronous import Client
from puna.engine.asynchronous import AsyncEngine
from puna.errors import RateLimitError
from puna.gateway.endpoints.chat import Pipeline
from puna.gateway.requests.heavy_steps import HeavySteps
from puna.routing.health import Health
from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport, in_order

P = ParamSpec("P")
T = TypeVar("T")
LOGPROBS = {
    "text_offset": [0, 5],
    "token_logprobs": [None, -1.25],
    "tokens": ["Hello", " world"],
    "top_logprobs": [None, {" world": -1.25, " there": -2.5}],
}


def test_log_likelihood_as_lm_eval_asks_for_it() -> None:
    """Its `local-completions`: token ids, `echo`, no new token, log probabilities of the prompt."""
    seen: list[CallEvent] = []
    made, transport = house(whole(choice("Hello world", logprobs=LOGPROBS)), seen=seen)
    asked = {"prompt": [[1, 2], [3]], "echo": True, "max_tokens": 0, "logprobs": 1, "seed": 7}
    answer = ask(made, **asked, temperature=0)
    assert answer.status == 200, answer.text
    assert transport.requests[0].url == "http://up.test/v1/completions"
    assert sent(transport) == {"model": "m", **asked, "temperature": 0}
    told = answer.json
    assert told["choices"] == [choice("Hello world", logprobs=LOGPROBS)]
    assert (told["model"], told["usage"], told["object"]) == ("base", USAGE, "text_completion")
    (event,) = seen
    report = event.report
    assert (report.prompt_tokens, report.completion_tokens, report.finish_reason) == (2, 3, "stop")
    assert report.cost_picos == 2 * 2_000_000 + 3 * 10_000_000
    assert (event.outcome, event.input) == ("success", ((1, 2), (3,)))


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "def f(", "suffix": "return x"},
        {"prompt": ["a", "b"], "n": 2, "best_of": 4},
        {"prompt": [1, 2, 3]},
        {"prompt": "", "stop": ["\n"], "logit_bias": {"5": 1}, "guided_regex": "a+"},
    ],
)
def test_what_is_asked_is_sent_as_it_is(fields: dict[str, Any]) -> None:
    made, transport = house(whole(choice("x")))
    assert ask(made, **fields).status == 200
    assert sent(transport) == {"model": "m", **fields}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt[1]"),
        ({"prompt": [1, "a"]}, "prompt[1]"),
        ({"prompt": [[1], []]}, "prompt[1]"),
        ({"prompt": [[1], [-1]]}, "prompt[1][0]"),
        ({"echo": "yes"}, "echo"),
        ({"logprobs": -1}, "logprobs"),
        ({"suffix": 7}, "suffix"),
        ({"best_of": "x"}, "best_of"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"api_base": "http://x"}, "api_base"),
    ],
)
def test_what_is_wrong_is_refused_before_it_is_sent(fields: dict[str, Any], param: str) -> None:
    made, transport = house()
    answer = ask(made, **fields)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert transport.requests == []


def test_no_call_is_rescued_from_a_text() -> None:
    text = '{"name": "f", "parameters": {}}'
    made, _ = house(whole(choice(text)))
    assert ask(made).json["choices"][0]["text"] == text


@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_stream_comes_as_the_host_tells_it(wants_usage: bool) -> None:  # noqa: FBT001 - a parametrised case
    seen: list[CallEvent] = []
    usage = {**body(), "choices": []}
    stream = frames(piece("Hel", logprobs=LOGPROBS), piece("lo"), piece("", "length"), usage)
    made, transport = house(Recorded(200, SSE, [stream]), seen=seen)
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    answer = ask(made, stream=True, **options)
    chunks = answer.chunks
    assert "".join(one["choices"][0]["text"] for one in chunks if one["choices"]) == "Hello"
    assert chunks[0]["choices"][0]["logprobs"] == LOGPROBS
    assert chunks[2]["choices"][0]["finish_reason"] == "length"
    assert {one["id"] for one in chunks} == {"cmpl-up"}
    assert {one["model"] for one in chunks} == {"base"}
    assert [one["usage"] for one in chunks if one.get("usage")] == [USAGE] * wants_usage
    assert sent(transport)["stream_options"] == {"include_usage": True}, "asked for the report"
    report = seen[0].report
    assert (report.prompt_tokens, report.completion_tokens) == (2, 3)
    assert (report.finish_reason, report.cost_picos) == ("length", 34_000_000)


def test_usage_that_a_host_does_not_tell_is_estimated() -> None:
    made, _ = house(whole(choice("Hello there"), usage=None))
    answer = ask(made, prompt=[[1, 2, 3]])
    assert answer.headers["x-puna-usage"] == "estimated"
    assert answer.json["usage"]["prompt_tokens"] == 3
    stream = Recorded(200, SSE, [frames(piece("Hello there", "stop"))])
    made, _ = house(stream)
    chunks = ask(made, stream=True, stream_options={"include_usage": True}).chunks
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert chunks[-1]["usage"]["estimated"] is True


def test_a_whole_answer_to_a_stream_comes_as_chunks() -> None:
    made, _ = house(whole(choice("Hello")))
    chunks = ask(made, stream=True, stream_options={"include_usage": True}).chunks
    assert [one["choices"][0]["text"] for one in chunks if one["choices"]] == ["Hello"]
    assert [one.get("usage") for one in chunks] == [None, USAGE]


@pytest.mark.parametrize(
    "tail",
    [b"", b"data: {not json}\n\n", b'data: {"error": {"message": "boom"}}\n\n', b"data: 7\n\n"],
)
def test_a_stream_that_breaks_ends_in_an_error(tail: bytes) -> None:
    made, _ = house(Recorded(200, SSE, [frames(piece("Hel"), end="") + tail]))
    events = ask(made, stream=True).events
    assert json.loads(events[0])["choices"][0]["text"] == "Hel"
    assert "error" in json.loads(events[-1])


FAILED: list[dict[str, Any]] = [
    {"finish_reason": "error"},
    {"finish_reason": "abort"},
    {"finish_reason": {"type": "abort", "message": "boom"}},
    {"finish_reason": "stop", "native_finish_reason": "overloaded"},
    {"finish_reason": None, "error": {"message": "boom", "code": 503}},
]


@pytest.mark.parametrize("end", FAILED)
def test_a_failure_told_as_the_end_of_a_text_is_an_error(end: dict[str, Any]) -> None:
    """As bifrost#5425 tells of chats."""
    made, _ = house(whole(choice("par", **end)))
    assert ask(made).status >= 500
    made, _ = house(Recorded(200, SSE, [frames(piece("Hel"), body(choice("lo", **end)))]))
    events = ask(made, stream=True).events
    assert [json.loads(one)["choices"][0]["text"] for one in events[:-1]] == ["Hel", "lo"]
    assert all(json.loads(one)["choices"][0]["finish_reason"] is None for one in events[:-1])
    assert "error" in json.loads(events[-1])


def test_a_text_that_failed_before_its_first_sign_is_tried_again() -> None:
    config = CONFIG.replace("num_retries: 0", "num_retries: 1")
    made, transport = house(
        Recorded(200, SSE, [frames(piece("", "error"))]),
        Recorded(200, SSE, [frames(piece("Hi", "stop"))]),
        config=config,
    )
    assert [one["choices"][0]["text"] for one in ask(made, stream=True).chunks] == ["Hi"]
    assert len(transport.requests) == 2


@pytest.mark.parametrize(
    ("told", "said"), [("eos", "stop"), ("max_tokens", "length"), (5, "unknown"), ("odd", "odd")]
)
def test_a_text_ends_in_the_words_of_a_chat(told: Any, said: str) -> None:
    made, _ = house(whole(choice("Hi", finish_reason=told)))
    assert ask(made).json["choices"][0]["finish_reason"] == said


def test_texts_whose_host_ends_them_without_a_finish_get_one_and_a_report() -> None:
    """As opencode#43379 tells of chats."""
    seen: list[CallEvent] = []
    pieces = frames(piece("Hel"), piece("Sa", index=1), piece("", "length", index=1))
    made, _ = house(Recorded(200, SSE, [pieces]), seen=seen)
    last = ask(made, stream=True).chunks[-1]["choices"]
    assert last == [choice("")]
    assert [event.report.is_finish_assumed for event in seen] == [True]


def test_a_failure_before_the_first_chunk_is_tried_again() -> None:
    down = Recorded(503, JSON, [b'{"error": {"message": "busy"}}'])
    broken = Recorded(200, SSE, [b": ping\n\n"])
    config = CONFIG.replace("num_retries: 0", "num_retries: 2")
    made, transport = house(
        down, broken, Recorded(200, SSE, [frames(piece("Hi", "stop"))]), config=config
    )
    assert ask(made, stream=True).status == 200
    assert len(transport.requests) == 3


def test_a_host_without_the_endpoint_is_asked_over_chat() -> None:
    chat = {
        "id": "c",
        "created": 5,
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
    }
    reply = Recorded(200, JSON, [json.dumps(chat).encode()])
    without = CONFIG.replace(
        "litellm_settings",
        '    model_info: {supported_endpoints: ["/v1/chat/completions"]}\nlitellm_settings',
    )
    mixed = CONFIG.replace(
        "litellm_settings",
        "  - model_name: base\n    litellm_params: "
        '{model: groq/x, api_key: k, api_base: "http://other.test/v1"}\nlitellm_settings',
    )
    for config in (without, mixed, CONFIG.replace("hosted_vllm/m", "openai/m")):
        made, transport = house(reply, config=config)
        assert ask(made).json["choices"][0]["text"] == "Hi"
        assert transport.requests[0].url.endswith("/chat/completions")


def test_an_operator_can_say_that_a_host_has_it() -> None:
    config = CONFIG.replace("hosted_vllm/m", "openai/m").replace(
        "litellm_settings",
        '    model_info: {supported_endpoints: ["/v1/chat/completions", "/v1/completions"]}\n'
        "litellm_settings",
    )
    made, transport = house(whole(choice("x")), config=config)
    assert ask(made, echo=True).status == 200
    assert transport.requests[0].url == "http://up.test/v1/completions"


def test_an_error_of_the_host_keeps_its_status() -> None:
    made, _ = house(Recorded(429, JSON, [b'{"error": {"message": "slow down"}}']))
    assert ask(made).status == 429


def test_the_sdk_asks_natively_too() -> None:
    stream = Recorded(200, SSE, [frames(piece("Hel"), piece("lo", "stop"))])
    limited = Recorded(429, JSON, [b'{"error": {"message": "slow down"}}'])
    keywords: dict[str, Any] = {"logprobs": 2, "echo": True, "max_retries": 0}
    transport = ReplayTransport(in_order(whole(choice("x")), stream, limited))
    with Client(transport=transport) as client:
        answer = client.text_completion("hosted_vllm/m", [[1, 2]], stream=False, **keywords)
        assert (answer.choices[0].text, answer.model) == ("x", "hosted_vllm/m")
        assert answer.report is not None
        assert answer.report.prompt_tokens == 2
        chunks = client.text_completion("hosted_vllm/m", "Hi", stream=True, **keywords)
        assert "".join(one.choices[0].text for one in chunks) == "Hello"
        with pytest.raises(RateLimitError):
            client.text_completion("hosted_vllm/m", "Hi", **keywords)
    assert sent(transport, 0) == {"model": "m", "prompt": [[1, 2]], "logprobs": 2, "echo": True}

    async def run() -> None:
        hosts = AsyncReplayTransport(in_order(whole(choice("x")), stream))
        async with AsyncClient(transport=hosts) as client:
            answer = await client.text_completion("hosted_vllm/m", "Hi", **keywords)
            assert answer.choices[0].text == "x"
            chunks = await client.text_completion("hosted_vllm/m", "Hi", stream=True, **keywords)
            assert "".join([one.choices[0].text async for one in chunks]) == "Hello"

    asyncio.run(run())


class NotedAside(HeavySteps):
    """Notes the names of its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    @override
    async def run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.steps.append(step.__name__)
        return await super().run(step, *args, **kwargs)


def test_a_heavy_request_is_checked_on_the_thread() -> None:
    made, transport = house(whole(choice("x")))
    aside = NotedAside()
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def run() -> None:
        engine = AsyncEngine(transport, clock=made.clock, health=Health())
        client = Caller("POST", "/v1/completions", pieces=())
        caller = gateway_caller(client, send=send, aside=aside)
        body = {"model": "base", "prompt": [1] * 20_000}
        await (await Pipeline(made.directory, engine).text(body, caller)).run()

    asyncio.run(run())
    aside.close()
    assert told[0]["status"] == 200
    assert aside.steps == ["_read_completion"]

"""Chat and text completions through the gateway."""

from __future__ import annotations

import re

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, UPSTREAM_KEY, House
from tests.support.upstream import TEXT, Reply, Upstream, completion_body

MARKED = "[DONE]"
PROMPT = {"model": MODEL, "prompt": "Once"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}


@pytest.mark.case(113, 117, 119, 120)
@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_plain_answer_comes_with_the_name_asked_for(
    upstream: Upstream, prefix: str, end: str
) -> None:
    answer = House(upstream).ask(f"{prefix}/chat/completions{end}")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.json["model"] == MODEL
    assert answer.json["choices"][0]["message"]["content"] == TEXT
    assert answer.json["x_extra"] == {"k": 1}
    sent = upstream.requests[0]
    assert sent.json == {**CHAT, "model": "Llama-3.3-8B-Instruct"}
    assert sent.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"


@pytest.mark.case(116, 119)
def test_a_stream_ends_with_done_and_a_blank_line(upstream: Upstream) -> None:
    answer = House(upstream).ask(body={**CHAT, "stream": True})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.text.endswith("data: [DONE]\n\n")
    assert answer.said == TEXT
    assert {chunk["model"] for chunk in answer.chunks} == {MODEL}
    assert "x-litellm-response-cost" not in answer.headers


def test_a_stream_with_usage_ends_with_a_usage_chunk(upstream: Upstream) -> None:
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    answer = House(upstream).ask(body=body)
    assert answer.chunks[-1]["usage"]["total_tokens"] == 15


def test_tool_calls_come_whole_and_streamed(upstream: Upstream) -> None:
    house = House(upstream)
    body = {**CHAT, "tools": [WEATHER], "tool_choice": "required"}
    message = house.ask(body=body).json["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["name"] == "get_weather"
    streamed = house.ask(body={**body, "stream": True})
    pieces = [
        call["function"].get("arguments", "")
        for chunk in streamed.chunks
        for call in chunk["choices"][0]["delta"].get("tool_calls", [])
    ]
    assert "".join(pieces) == message["tool_calls"][0]["function"]["arguments"]


@pytest.mark.case(92)
@pytest.mark.parametrize("path", ["/completions", "/v1/completions"])
def test_text_completions_run_over_chat(upstream: Upstream, path: str) -> None:
    answer = House(upstream).ask(path, PROMPT)
    assert answer.json["object"] == "text_completion"
    assert answer.json["choices"][0]["text"] == TEXT
    assert upstream.requests[0].path.endswith("/chat/completions")
    assert upstream.requests[0].json["messages"] == [{"role": "user", "content": "Once"}]


@pytest.mark.case(92)
def test_text_completions_stream(upstream: Upstream) -> None:
    answer = House(upstream).ask("/v1/completions", {**PROMPT, "stream": True})
    assert "".join(chunk["choices"][0]["text"] for chunk in answer.chunks) == TEXT
    assert {chunk["object"] for chunk in answer.chunks} == {"text_completion"}


def test_several_prompts_give_one_choice_each(upstream: Upstream) -> None:
    answer = House(upstream).ask("/v1/completions", {**PROMPT, "prompt": ["a", "b", "c"]})
    assert [choice["index"] for choice in answer.json["choices"]] == [0, 1, 2]
    assert answer.json["usage"]["total_tokens"] == 45


def test_messages_in_place_of_a_prompt_say_which_field_is_meant(upstream: Upstream) -> None:
    answer = House(upstream).ask("/v1/completions", CHAT)
    assert (answer.status, answer.error["param"]) == (400, "messages")
    assert "give `prompt`" in answer.error["message"]
    given = House(upstream).ask("/v1/completions", {**CHAT, "prompt": ["a"] * 1000})
    assert given.error["param"] == "prompt"


def test_too_many_prompts_are_refused(upstream: Upstream) -> None:
    answer = House(upstream).ask("/v1/completions", {**PROMPT, "prompt": ["a"] * 257})
    assert answer.status == 400
    assert answer.error["param"] == "prompt"


@pytest.mark.parametrize("stream", [True, False])
def test_what_the_text_endpoint_leaves_out_is_reported(upstream: Upstream, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    body = {**PROMPT, "suffix": "!", "drop_params": True, "stream": stream}
    answer = House(upstream).ask("/v1/completions", body)
    assert answer.headers["x-puna-dropped-params"] == "suffix"


@pytest.mark.case(124)
@pytest.mark.parametrize(
    "path",
    [
        f"/engines/{MODEL}/chat/completions",
        f"/openai/deployments/{MODEL}/chat/completions",
        f"/openai/deployments/{MODEL.replace('/', '%2F')}/chat/completions?api-version=2024-02-01",
    ],
)
def test_the_model_may_stand_in_the_path(upstream: Upstream, path: str) -> None:
    answer = House(upstream).ask(path, {"messages": CHAT["messages"], "model": "other"})
    assert answer.json["model"] == MODEL


@pytest.mark.case(124)
@pytest.mark.parametrize("kind", ["engines", "openai/deployments"])
def test_the_path_may_name_the_model_of_a_text_completion(upstream: Upstream, kind: str) -> None:
    answer = House(upstream).ask(f"/{kind}/{MODEL}/completions", {"prompt": "a"})
    assert answer.json["object"] == "text_completion"


@pytest.mark.case(119)
def test_an_alias_answers_under_its_own_name(upstream: Upstream) -> None:
    config = f"{CONFIG}\nrouter_settings: {{model_group_alias: {{gpt-4o: {MODEL}}}}}\n"
    house = House(upstream, config)
    assert house.ask(body={**CHAT, "model": "gpt-4o"}).json["model"] == "gpt-4o"
    streamed = house.ask(body={**CHAT, "model": "gpt-4o", "stream": True})
    assert {chunk["model"] for chunk in streamed.chunks} == {"gpt-4o"}


@pytest.mark.case(121)
def test_the_headers_tell_how_the_call_went_and_no_address(upstream: Upstream) -> None:
    upstream.plays(
        Reply.json(
            completion_body(),
            set_cookie="session=1",
            x_ratelimit_remaining_requests="99",
            x_ratelimit_reset_tokens="1m3.5s",
            x_ratelimit_owner=UPSTREAM_KEY,
            x_ratelimit_limit_requests=UPSTREAM_KEY,
            authorization=UPSTREAM_KEY,
            x_vendor_foo="bar",
        )
    )
    answer = House(upstream).ask(headers={"x-litellm-call-id": "call-1"})
    headers = answer.headers
    assert headers["x-litellm-call-id"] == "call-1"
    assert re.fullmatch(rf"{MODEL}-[0-9a-f]{{8}}", headers["x-litellm-model-id"])
    assert headers["x-litellm-model-group"] == MODEL
    assert headers["x-litellm-version"]
    assert headers["x-litellm-attempted-retries"] == "0"
    assert headers["x-ratelimit-remaining-requests"] == "99"
    assert headers["x-ratelimit-reset-tokens"] == "1m3.5s"
    assert float(headers["x-litellm-response-duration-ms"]) >= 0
    assert not {"set-cookie", "x-vendor-foo", "authorization"} & set(headers)
    whole = str(headers) + answer.text
    assert UPSTREAM_KEY not in whole
    assert str(upstream.port) not in whole


def test_a_call_id_that_is_none_is_replaced(upstream: Upstream) -> None:
    answer = House(upstream).ask(headers={"x-litellm-call-id": "a b<script>"})
    assert len(answer.headers["x-litellm-call-id"]) == 32


@pytest.mark.case(121)
def test_the_cost_is_in_a_header_when_the_price_is_known(upstream: Upstream) -> None:
    config = CONFIG + "    model_info: {input_cost_per_token: 0.001, output_cost_per_token: 0.01}\n"
    answer = House(upstream, config).ask()
    assert float(answer.headers["x-litellm-response-cost"]) == pytest.approx(0.051)


def test_estimated_usage_is_marked(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body(usage=None)))
    answer = House(upstream).ask()
    assert answer.headers["x-puna-usage"] == "estimated"


def test_metadata_and_steering_fields_stay_here(upstream: Upstream) -> None:
    body = {
        **CHAT,
        "metadata": {"a": 1},
        "litellm_metadata": {"b": 2},
        "timeout": 5,
        "num_retries": 0,
        "api_key": None,
        "litellm_session_id": "s",
        "x_own": [1],
    }
    assert House(upstream).ask(body=body).status == 200
    assert set(upstream.requests[0].json) == {"model", "messages", "x_own"}


@pytest.mark.case(114)
def test_open_mode_serves_an_unlisted_model_of_a_listed_provider(upstream: Upstream) -> None:
    maverick = "meta_llama/Llama-4-Maverick-17B-128E-Instruct-FP8"
    answer = House(upstream).ask(body={**CHAT, "model": maverick})
    assert answer.json["model"] == maverick
    assert upstream.requests[0].json["model"] == maverick.removeprefix("meta_llama/")
    assert upstream.requests[0].headers["authorization"] == f"Bearer {UPSTREAM_KEY}"


@pytest.mark.case(114)
def test_with_a_master_key_an_unlisted_model_is_404_with_the_line_to_add(
    upstream: Upstream,
) -> None:
    house = House(upstream, master_key="sk-master-key")
    body = {**CHAT, "model": "meta_llama/Llama-4"}
    answer = house.ask(body=body, headers={"authorization": "Bearer sk-master-key"})
    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"
    assert answer.error["param"] == "model"
    assert MODEL in answer.error["message"]
    assert "meta_llama/*" in answer.error["message"]
    assert upstream.requests == []


def test_a_model_without_a_known_provider_gets_the_wildcard_hint(upstream: Upstream) -> None:
    answer = House(upstream).ask(body={**CHAT, "model": "gpt-4"})
    assert answer.status == 404
    assert "To serve any name, add" in answer.error["message"]
    assert "provider/*" in answer.error["message"]
    assert "did you mean" not in answer.error["message"]


@pytest.mark.parametrize("name", ["Llama-3.3-8B-Instruct", "meta-llama/Llama-3.3-8B-Instruct"])
def test_a_model_that_is_nearly_a_listed_one_names_it(upstream: Upstream, name: str) -> None:
    answer = House(upstream).ask(body={**CHAT, "model": name})
    assert answer.status == 404
    assert f"did you mean `{MODEL}`?" in answer.error["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
def test_an_option_that_a_kind_of_call_has_no_use_for_is_checked_all_the_same(
    upstream: Upstream, path: str
) -> None:
    body = {**CHAT, "prompt": "hi", "input": "hi", "strict_tools": 1.5}
    answer = House(upstream).ask(path, body)
    assert answer.status == 400
    assert answer.error["param"] == "strict_tools"
    assert upstream.requests == []

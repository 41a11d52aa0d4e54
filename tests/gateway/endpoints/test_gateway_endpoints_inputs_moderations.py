"""`POST /moderations`: the body goes to a host that gives verdicts, and to no other."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asgi import House
from tests.support.upstream import Reply, Upstream

CONFIG = """
model_list:
  - model_name: guard
    litellm_params: {model: openai/omni, api_base: UPSTREAM, api_key: sk-up-canary-1,
                     temperature: 0.5}
  - model_name: llama
    litellm_params: {model: meta_llama/x, api_base: UPSTREAM, api_key: sk-up-canary-1}
  - model_name: llama-guard
    litellm_params: {model: hosted_vllm/meta-llama/Llama-Guard-3-8B, api_base: UPSTREAM,
                     input_cost_per_token: 0.000001, output_cost_per_token: 0.000001}
  - model_name: inside
    litellm_params: {model: embedded/smollm2-135m}
  - model_name: canned
    litellm_params: {model: openai/x, mock_response: a text}
router_settings: {num_retries: 0}
"""
ASK: dict[str, Any] = {"model": "guard", "input": "hello"}
VERDICT = {
    "flagged": True,
    "categories": {"violence": True, "hate/threatening": False},
    "category_scores": {"violence": 0.9},
    "category_applied_input_types": {"violence": ["text"]},
}
PARTS = [
    {"type": "text", "text": "hello"},
    {"type": "image_url", "image_url": {"url": "https://images.test/a.png"}},
]


def verdicts(count: int = 1) -> Reply:
    return Reply.json({"id": "modr-1", "model": "omni-2", "results": [VERDICT] * count})


@pytest.mark.parametrize("path", ["/moderations", "/v1/moderations"])
def test_verdicts_come_back_as_the_host_gave_them(upstream: Upstream, path: str) -> None:
    upstream.plays(verdicts())
    answer = House(upstream, CONFIG).ask(path, ASK)
    assert answer.status == 200, answer.text
    assert answer.json == {"id": "modr-1", "model": "guard", "results": [VERDICT]}
    assert answer.headers["x-litellm-model-group"] == "guard"
    (request,) = upstream.requests
    assert request.path == "/compat/v1/moderations"
    assert request.headers["authorization"] == "Bearer sk-up-canary-1"
    assert request.json == {"model": "omni", "input": "hello"}


@pytest.mark.parametrize(("given", "count"), [(["a", "b"], 2), (PARTS, 1)])
def test_every_form_of_input_is_passed_on(upstream: Upstream, given: Any, count: int) -> None:
    upstream.plays(verdicts(count))
    answer = House(upstream, CONFIG).ask("/moderations", {**ASK, "input": given, "other": 1})
    assert answer.status == 200
    assert upstream.requests[0].json == {"model": "omni", "input": given, "other": 1}


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"results": []},
        {"results": None},
        {"results": [{}]},
        {"results": [{"flagged": None}]},
        {"results": [{"flagged": "no"}]},
        {"results": [VERDICT, VERDICT]},
    ],
)
def test_a_missing_verdict_does_not_pass_for_harmless(upstream: Upstream, reply: Any) -> None:
    upstream.plays(Reply.json(reply))
    answer = House(upstream, CONFIG).ask("/moderations", ASK)
    assert answer.status == 502
    assert answer.error["code"] == "malformed_reply"


def test_a_llama_guard_gives_verdicts_over_chat(upstream: Upstream) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    for text in ("unsafe\nS4", "safe"):
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        upstream.plays(Reply.json({"id": "c", "choices": [choice], "usage": usage}))
    answer = House(upstream, CONFIG).ask(
        "/moderations", {"model": "llama-guard", "input": ["a", "b"]}
    )
    assert answer.status == 200, answer.text
    assert answer.json["model"] == "llama-guard"
    assert sorted(one["flagged"] for one in answer.json["results"]) == [False, True]
    assert answer.json["usage"]["total_tokens"] == 20
    assert float(answer.headers["x-litellm-response-cost"]) == pytest.approx(20e-6)
    assert [request.path for request in upstream.requests] == ["/compat/v1/chat/completions"] * 2


@pytest.mark.parametrize("model", ["llama", "inside", "canned"])
def test_other_hosts_are_not_asked(upstream: Upstream, model: str) -> None:
    answer = House(upstream, CONFIG).ask("/moderations", {**ASK, "model": model})
    assert (answer.status, answer.error["code"]) == (404, "no_such_endpoint")
    assert upstream.requests == []


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_the_hosts_errors_are_read_as_usual(upstream: Upstream, status: int) -> None:
    upstream.plays(Reply.error(status))
    answer = House(upstream, CONFIG).ask("/moderations", ASK)
    assert answer.status == status
    assert answer.headers["x-puna-error-source"] == "upstream"


def test_an_error_inside_a_success_is_that_error(upstream: Upstream) -> None:
    upstream.plays(Reply.json({"error": {"message": "slow down", "code": 429}}))
    assert House(upstream, CONFIG).ask("/moderations", ASK).status == 429


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"input": ""}, "input"), ({"input": 7}, "input"), ({"model": None}, "model")],
)
def test_what_is_wrong_is_400_and_named(upstream: Upstream, fields: Any, param: str) -> None:
    answer = House(upstream, CONFIG).ask("/moderations", {**ASK, **fields})
    assert (answer.status, answer.error["param"]) == (400, param)


def test_a_key_is_asked_for(upstream: Upstream) -> None:
    assert House(upstream, CONFIG, master_key="sk-m").ask("/moderations", ASK).status == 401


def test_one_request_does_not_become_any_number_of_calls(upstream: Upstream) -> None:
    house = House(upstream, CONFIG)
    refused = house.ask("/moderations", {"model": "llama-guard", "input": ["a"] * 257})
    assert (refused.status, refused.error["param"]) == (400, "input")
    assert "at most 256" in refused.error["message"]
    assert not upstream.requests

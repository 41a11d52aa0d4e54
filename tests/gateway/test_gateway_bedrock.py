"""A gateway before Bedrock: who signs, what is streamed, what a client may not say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.asgi import House, directory_of
from tests.support.clock import FakeClock
from tests.support.converse import ANSWER, BUSY, CALLS, SECRETS, STREAM, TOOL, check_signature
from tests.support.lanes import PlayedTransport

from puna.config.litellm_yaml import parse_litellm_yaml
from puna.errors import ConfigError
from puna.gateway.deployments.directory import make_directory
from puna.gateway.passing.routes import make_route
from puna.providers.base import Provider
from puna.providers.table import PROVIDERS
from puna.transports.replay import AsyncReplayTransport, Recorded, in_order

CONFIG = """
model_list:
  - model_name: llama
    litellm_params:
      model: bedrock/us.meta.llama4-scout-17b-instruct-v1:0
      aws_access_key_id: os.environ/MY_KEY_ID
      aws_secret_access_key: os.environ/MY_SECRET
      aws_session_token: os.environ/MY_SESSION
      aws_region_name: us-east-1
"""
ENVIRON = {"MY_KEY_ID": SECRETS[0], "MY_SECRET": SECRETS[1], "MY_SESSION": SECRETS[2]}
HI = {"model": "llama", "messages": [{"role": "user", "content": "Hello"}]}
URL = (
    "https://bedrock-runtime.us-east-1.amazonaws.com/model"
    "/us.meta.llama4-scout-17b-instruct-v1%3A0/"
)


class Cloud:
    """A gateway with a clock, before a host that plays these replies."""

    def __init__(self, *replies: Recorded, config: str = CONFIG, **environ: str) -> None:
        self.clock = FakeClock()
        self.transport = AsyncReplayTransport(in_order(*replies))
        self.house = House(
            config=config,
            environ={**ENVIRON, **environ},
            transport=self.transport,
            clock=self.clock,
        )

    def ask(self, **fields: Any) -> Any:
        return self.house.ask(body={**HI, **fields})


def test_a_retry_is_signed_with_the_time_of_the_retry() -> None:
    cloud = Cloud(BUSY, ANSWER)
    began = cloud.clock.now()
    answer = cloud.ask()
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "Hi"
    assert answer.json["usage"]["prompt_tokens"] == 3
    first, second = cloud.transport.requests
    assert first.url == f"{URL}converse"
    check_signature(first, began)
    check_signature(second, began + sum(cloud.clock.sleeps))
    assert first.headers["authorization"] != second.headers["authorization"]


def test_an_event_stream_becomes_server_sent_events() -> None:
    cloud = Cloud(STREAM)
    answer = cloud.ask(stream=True, stream_options={"include_usage": True})
    assert answer.said == "Hi"
    assert answer.chunks[-1]["usage"]["total_tokens"] == 4
    assert cloud.transport.requests[0].url == f"{URL}converse-stream"


def test_a_stream_with_tools_is_asked_whole_and_streamed() -> None:
    cloud = Cloud(CALLS)
    answer = cloud.ask(stream=True, tools=[TOOL])
    deltas = [chunk["choices"][0]["delta"] for chunk in answer.chunks]
    (call,) = next(delta["tool_calls"] for delta in deltas if delta.get("tool_calls"))
    assert (call["id"], call["function"]["arguments"]) == ("t1", '{"a": 1}')
    assert answer.chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert cloud.transport.requests[0].url == f"{URL}converse"


def test_the_other_protocols_of_the_gateway_reach_it_too() -> None:
    cloud = Cloud(CALLS, STREAM)
    tool = {"name": "f", "input_schema": {"type": "object"}}
    body = {**HI, "max_tokens": 9, "tools": [tool]}
    message = cloud.house.ask("/v1/messages", body).json
    assert message["content"][-1]["input"] == {"a": 1}
    answer = cloud.house.ask("/v1/responses", {"model": "llama", "input": "Hello", "stream": True})
    assert '"text":"Hi"' in answer.text.replace('": "', '":"')


def test_keys_are_shown_to_nobody() -> None:
    heard = " ".join(SECRETS)
    echo = Recorded(403, {"x-a": heard}, [json.dumps({"message": heard}).encode()])
    answer = Cloud(echo).ask()
    assert answer.status == 403
    house = Cloud().house
    shown = (
        answer.text + str(answer.headers) + house.get("/model/info").text + repr(house.directory)
    )
    for secret in SECRETS:
        assert secret not in shown


@pytest.mark.parametrize(
    "field", ["aws_access_key_id", "aws_role_name", "aws_bedrock_runtime_endpoint"]
)
def test_a_client_may_not_say_who_signs_or_where_to(field: str) -> None:
    answer = Cloud().ask(**{field: "x"})
    assert answer.status == 400
    assert answer.error["param"] == field


def test_a_role_makes_a_deployment_unusable_and_the_others_serve() -> None:
    config = (
        CONFIG
        + """
  - model_name: role
    litellm_params:
      model: bedrock/meta.llama3-8b-instruct-v1:0
      aws_region_name: us-east-1
      aws_role_name: arn:aws:iam::1:role/canary
"""
    )
    cloud = Cloud(ANSWER, config=config, AWS_ACCESS_KEY_ID="AKIAENV", AWS_SECRET_ACCESS_KEY="env")
    assert cloud.ask().status == 200
    answer = cloud.ask(model="role")
    assert answer.status == 503
    assert "`aws_role_name` is not supported" in answer.error["message"]


def test_a_prepared_answer_needs_neither_keys_nor_region() -> None:
    text = "model_list: [{model_name: llama, litellm_params: {model: bedrock/m, mock_response: Ho"
    for told in ("}}]", ", aws_access_key_id: AKIA}}]"):
        answer = Cloud(config=text + told).ask()
        assert answer.json["choices"][0]["message"]["content"] == "Ho"


def test_without_a_region_the_gateway_says_what_is_missing_and_where() -> None:
    with pytest.raises(ConfigError) as raised:
        directory_of(CONFIG.replace("      aws_region_name: us-east-1\n", ""), ENVIRON)
    assert "aws_region_name" in str(raised.value)
    assert raised.value.line == 3


def test_the_fast_lane_takes_no_deployment_that_is_signed_or_speaks_otherwise() -> None:
    # A row that signs what is OpenAI's protocol in all else.
    row = PROVIDERS["bedrock"]
    signed = Provider(
        name="signed",
        base_url="https://h.test/v1",
        docs_url="",
        needs_key=False,
        settings=row.settings,
        signing=row.signing,
    )
    text = (
        CONFIG
        + CONFIG.partition("model_list:\n")[2]
        .replace("bedrock/", "signed/")
        .replace("model_name: llama", "model_name: signed")
        + "  - {model_name: plain, litellm_params: {model: signed/m}}\n"
    )
    config = parse_litellm_yaml(text, ENVIRON, "config.yaml")
    directory = make_directory(
        config, ENVIRON, is_open=True, providers={**PROVIDERS, "signed": signed}
    )
    transport = PlayedTransport(lambda _: ANSWER)
    for name in ("llama", "signed"):
        assert make_route(directory, name, transport) is None
    assert make_route(directory, "plain", transport) is not None

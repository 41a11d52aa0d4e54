"""The `anthropic` package as a client of the real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from tests.support.asgi import CONFIG, MODEL
from tests.support.server import Served
from tests.support.upstream import ARGUMENTS, TEXT, Reply, Upstream, text_chunks

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

KEY = "sk-master-for-the-sdk"
HI: Any = [{"role": "user", "content": "hi"}]
TOOLS: Any = [{"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}]
ONCE = {"num_retries": 0}


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def served(up: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("anthropic") / "config.yaml"
    path.write_text(
        CONFIG.replace("UPSTREAM", up.url) + f"general_settings: {{master_key: {KEY}}}\n"
    )
    with Served("--config", str(path), "--host", "127.0.0.1", LLAMA_API_KEY="k") as one:
        yield one


@pytest.fixture(params=["", "/anthropic"])
def client(served: Served, request: pytest.FixtureRequest) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        api_key=KEY, base_url=served.url + request.param, max_retries=0
    ) as made:
        yield made


@pytest.fixture
def plain(served: Served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(auth_token=KEY, base_url=served.url, max_retries=0) as made:
        yield made


@pytest.mark.case(125)
def test_a_plain_message(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model=MODEL, max_tokens=64, messages=HI)
    (block,) = message.content
    assert block.type == "text"
    assert block.text == TEXT
    assert message.model == MODEL
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 4)
    assert message._request_id


@pytest.mark.case(125)
def test_a_streamed_message(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model=MODEL, max_tokens=64, messages=HI) as stream:
        assert "".join(stream.text_stream) == TEXT
        message = stream.get_final_message()
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


@pytest.mark.case(125)
def test_raw_events(plain: anthropic.Anthropic) -> None:
    stream = plain.messages.create(model=MODEL, max_tokens=64, messages=HI, stream=True)
    kinds = [event.type for event in stream]
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"


@pytest.mark.case(125)
def test_a_round_trip_of_tools(plain: anthropic.Anthropic, up: Upstream) -> None:
    ask: Any = {"model": MODEL, "max_tokens": 64, "tools": TOOLS}
    message = plain.messages.create(**ask, messages=HI)
    (call,) = message.content
    assert call.type == "tool_use"
    assert call.input == json.loads(ARGUMENTS)
    assert message.stop_reason == "tool_use"
    with plain.messages.stream(**ask, messages=HI) as stream:
        (streamed,) = stream.get_final_message().content
    assert streamed.type == "tool_use"
    assert streamed.input == call.input
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    turns: list[Any] = [
        *HI,
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    (said,) = plain.messages.create(**ask, messages=turns).content
    assert said.type == "text"
    assert said.text == TEXT
    sent = up.requests[-1].json["messages"]
    assert sent[-2]["tool_calls"][0]["id"] == sent[-1]["tool_call_id"] == call.id


@pytest.mark.case(125)
def test_tokens_are_counted(plain: anthropic.Anthropic) -> None:
    counted = plain.messages.count_tokens(model=MODEL, messages=HI, system="Be brief.", tools=TOOLS)
    assert counted.input_tokens > 10


@pytest.mark.case(125)
def test_models(plain: anthropic.Anthropic) -> None:
    assert [one.id for one in plain.models.list()] == [MODEL]
    assert plain.models.retrieve(MODEL).display_name == MODEL


@pytest.mark.case(125)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (413, anthropic.RequestTooLargeError),
        (422, anthropic.UnprocessableEntityError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (503, anthropic.OverloadedError),
    ],
)
def test_errors_become_the_matching_class(
    plain: anthropic.Anthropic, up: Upstream, status: int, kind: type[anthropic.APIStatusError]
) -> None:
    up.plays(Reply.error(status, "the detail"))
    with pytest.raises(kind) as caught:
        plain.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_body=ONCE)
    assert "the detail" in caught.value.message


@pytest.mark.case(125)
def test_a_wrong_key_is_an_authentication_error(served: Served) -> None:
    with (
        anthropic.Anthropic(api_key="wrong", base_url=served.url, max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.models.list()


@pytest.mark.case(125)
def test_a_stream_that_breaks_raises(plain: anthropic.Anthropic, up: Upstream) -> None:
    up.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    texts: list[str] = []
    with (
        plain.messages.stream(model=MODEL, max_tokens=64, messages=HI) as stream,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        texts.extend(stream.text_stream)
    assert "".join(texts) == "Hello"
    assert "api_error" in str(caught.value.body)

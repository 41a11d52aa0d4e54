"""The real server with the packaged model. One child serves all of these tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from puna.dialects.base import ReadContext, Target
from puna.dialects.embedded_chat import EmbeddedChat
from puna.embedded.server_errors import read_server_error
from puna.embedded.supervisor import ChildAddress, Supervisor
from puna.errors import (
    BadRequestError,
    ContextWindowExceededError,
    MalformedReplyError,
    ServiceUnavailableError,
)
from puna.providers.embedded import PROVIDER
from puna.types.requests import make_chat_request
from puna.types.secret import Secret
from puna.wire.http import HTTPReply, Timeouts

pytestmark = [pytest.mark.xdist_group("embedded")]

DIALECT = EmbeddedChat()
TARGET = Target(PROVIDER.name, "m", "embedded://local", quirks=PROVIDER.quirks)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location"],
        },
    },
}
CHART = {
    "type": "function",
    "function": {
        "name": "create_chart",
        "description": "Create a chart with the provided data",
        "parameters": {
            "type": "object",
            "properties": {
                "chart_type": {"type": "string", "enum": ["bar", "line", "pie", "scatter"]},
                "title": {"type": "string"},
                "data": {"type": "object", "description": "The data to plot in the chart"},
            },
            "required": ["chart_type", "title", "data"],
        },
    },
}
GROWTH = "Create a chart showing the population growth of New York City from 2010 to 2020"


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor()
    yield made
    made.stop()


def post(address: ChildAddress, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(  # noqa: S310 - loopback
        address.base_url + "/v1/chat/completions",
        body,
        {
            "content-type": "application/json",
            "authorization": f"Bearer {address.api_key.reveal()}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - loopback
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def ask(supervisor: Supervisor, content: Any, *, stream: bool = False, **fields: Any) -> Any:
    """The completion as a dict, or a stream's chunks under `chunks`: what a call does."""
    fields.setdefault("temperature", 0)
    if stream:
        fields["stream_options"] = {"include_usage": True}
    messages = [{"role": "user", "content": content}]
    request = make_chat_request("m", messages, fields, stream=stream)
    built = DIALECT.build_request(request, TARGET, Timeouts())
    context = ReadContext(TARGET, "m", "chatcmpl-1", 0.0, request, built.reading)
    status, body = post(supervisor.ensure_running(), built.http.body)
    reply = HTTPReply(status, {}, body)
    if not reply.is_success:
        raise DIALECT.read_error(reply, context)
    if not stream:
        return DIALECT.read_reply(reply, context).model_dump()
    reader = DIALECT.stream_reader(context)
    chunks = [*reader.feed(reply.body), *reader.close()]
    if reader.error is not None:
        raise reader.error
    return {"chunks": [chunk.model_dump() for chunk in chunks]}


def call_of(completion: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    (choice,) = completion["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    function = choice["message"]["tool_calls"][0]["function"]
    return function["name"], json.loads(function["arguments"])


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def test_it_starts_within_seconds_and_answers(supervisor: Supervisor) -> None:
    made = ask(supervisor, "Name three primary colors.", max_tokens=8)
    assert made["choices"][0]["message"]["content"].strip()
    assert made["usage"]["completion_tokens"] == 8
    assert made["model"] == "m"
    assert made["system_fingerprint"] is None
    assert "timings" not in made


def test_other_users_of_the_machine_cannot_use_it(supervisor: Supervisor) -> None:
    address = supervisor.ensure_running()
    status, body = post(ChildAddress(address.base_url, Secret("guess")), b"{}")
    assert status == 401
    assert isinstance(read_server_error(status, json.loads(body)), ServiceUnavailableError)


@pytest.mark.case(75)
def test_required_gives_a_call(supervisor: Supervisor) -> None:
    name, arguments = call_of(
        ask(supervisor, "Weather in Paris?", tools=[WEATHER, CHART], tool_choice="required")
    )
    assert name == "get_weather"
    assert isinstance(arguments["location"], str)


@pytest.mark.case(75)
def test_a_named_function_is_called(supervisor: Supervisor) -> None:
    choice = {"type": "function", "function": {"name": "get_weather"}}
    name, _ = call_of(ask(supervisor, "Hi.", tools=[CHART, WEATHER], tool_choice=choice))
    assert name == "get_weather"


@pytest.mark.case(65)
def test_auto_calls_for_the_weather(supervisor: Supervisor) -> None:
    question = "What's the weather like in San Francisco?"
    made = ask(supervisor, question, tools=[WEATHER], tool_choice="auto")
    assert call_of(made)[0] == "get_weather"


@pytest.mark.case(66)
@pytest.mark.parametrize("temperature", [0, 1, 2])
def test_auto_calls_for_a_chart_and_its_free_object_ends(
    supervisor: Supervisor, temperature: int
) -> None:
    made = ask(supervisor, GROWTH, tools=[CHART], temperature=temperature, seed=7)
    name, arguments = call_of(made)
    assert name == "create_chart"
    assert isinstance(arguments["data"], dict)


def test_auto_answers_small_talk_in_text(supervisor: Supervisor) -> None:
    made = ask(supervisor, "Hello, how are you?", tools=[WEATHER, CHART], max_tokens=4)
    assert made["choices"][0]["message"]["tool_calls"] is None


@pytest.mark.case(70)
def test_a_streamed_call_has_the_same_pieces(supervisor: Supervisor) -> None:
    made = ask(supervisor, "Weather in Rome?", tools=[WEATHER], stream=True)["chunks"]
    calls = [
        call
        for chunk in made
        for choice in chunk["choices"]
        for call in choice["delta"]["tool_calls"] or ()
    ]
    assert calls[0]["id"] == "call_1_0_0"
    assert calls[0]["function"]["name"] == "get_weather"
    assert json.loads("".join(call["function"]["arguments"] for call in calls))
    assert made[-1]["usage"]["completion_tokens"] > 0


def test_nested_and_recursive_arguments_hold(supervisor: Supervisor) -> None:
    node = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["leaf", "branch"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        },
        "required": ["kind", "next"],
    }
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    tool = {"type": "function", "function": {"name": "add_node", "parameters": schema}}
    name, arguments = call_of(
        ask(supervisor, "Add a leaf.", tools=[tool], tool_choice="required", max_tokens=1200)
    )
    assert name == "add_node"
    assert arguments["kind"] in ("leaf", "branch")


@pytest.mark.case(82)
def test_json_schema_holds_whole_and_streamed(supervisor: Supervisor) -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "born": {"type": "string", "format": "date"},
            "ratio": {"type": "number"},
        },
        "required": ["name", "age", "born", "ratio"],
        "additionalProperties": False,
    }
    fields: dict[str, Any] = {"response_format": json_schema(schema), "max_tokens": 200}
    question = "Alice is 31 years old. Return JSON."
    made = ask(supervisor, question, **fields)
    value = json.loads(made["choices"][0]["message"]["content"])
    assert value.keys() == {"name", "age", "born", "ratio"}
    chunks = ask(supervisor, question, stream=True, **fields)["chunks"]
    text = "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )
    assert json.loads(text).keys() == value.keys()


def test_json_object_ends(supervisor: Supervisor) -> None:
    made = ask(supervisor, "Describe a cat as JSON.", response_format={"type": "json_object"})
    assert made["choices"][0]["finish_reason"] == "stop"
    assert isinstance(json.loads(made["choices"][0]["message"]["content"]), dict)


def test_a_cut_answer_is_an_error_that_says_so(supervisor: Supervisor) -> None:
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 4}
    with pytest.raises(MalformedReplyError, match="cut by the token limit"):
        ask(supervisor, "Colors?", response_format=json_schema(schema), max_tokens=3)


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"type": "string", "pattern": "^a{5,2}$"},
        {"type": "string", "pattern": "^[a-"},
    ],
)
def test_what_nothing_fits_is_a_bad_request_and_the_server_lives_on(
    supervisor: Supervisor, schema: dict[str, Any]
) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(supervisor, "x", response_format=json_schema(schema), max_tokens=20)
    assert caught.value.param == "response_format"
    assert ask(supervisor, "hi", max_tokens=1)["choices"]


@pytest.mark.case(147)
def test_a_prompt_over_the_context_is_told_with_both_numbers(supervisor: Supervisor) -> None:
    with pytest.raises(ContextWindowExceededError, match=r"has `30\d\d` tokens .* `2048`"):
        ask(supervisor, "word " * 3000)


def test_special_tokens_in_a_message_are_only_text(supervisor: Supervisor) -> None:
    def prompt_tokens(content: str) -> int:
        tokens: int = ask(supervisor, content, max_tokens=1)["usage"]["prompt_tokens"]
        return tokens

    # As a special token it would be 1 token; as text it is several.
    assert prompt_tokens("a<|im_end|>b") - prompt_tokens("a b") > 4


@pytest.mark.case(23)
def test_several_answers_count_all_their_tokens(supervisor: Supervisor) -> None:
    made = ask(supervisor, "Name a color.", n=3, max_tokens=5, temperature=1.5, seed=3)
    assert [choice["index"] for choice in made["choices"]] == [0, 1, 2]
    lengths = [choice["finish_reason"] for choice in made["choices"]]
    if lengths == ["length"] * 3:
        assert made["usage"]["completion_tokens"] == 15
    chunks = ask(supervisor, "Name a color.", n=2, max_tokens=2, stream=True)["chunks"]
    assert chunks[-1]["usage"]["completion_tokens"] == 4


def test_text_parts_and_tool_results_are_read(supervisor: Supervisor) -> None:
    parts = [{"type": "text", "text": "Say"}, {"type": "text", "text": "hello."}]
    assert ask(supervisor, parts, max_tokens=3)["choices"][0]["message"]["content"]


def test_twenty_threads_start_one_child() -> None:
    told: list[str] = []
    supervisor = Supervisor(progress=told.append)
    barrier = threading.Barrier(20)

    def start() -> ChildAddress:
        barrier.wait()
        return supervisor.ensure_running()

    try:
        with ThreadPoolExecutor(20) as threads:
            addresses = {f.result() for f in [threads.submit(start) for _ in range(20)]}
        assert len(addresses) == 1
        assert len(told) == 2
    finally:
        supervisor.stop()


def test_a_killed_child_is_started_again(supervisor: Supervisor) -> None:
    supervisor.ensure_running()
    pid = supervisor.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert supervisor.has_died(5)
    assert ask(supervisor, "hi", max_tokens=1)["choices"]
    assert supervisor.pid != pid


def test_a_broken_gguf_file_is_told_with_the_servers_words(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(ServiceUnavailableError, match="ended before it could answer") as caught:
        Supervisor(str(path)).ensure_running()
    assert "Its last words: " in str(caught.value)


@pytest.mark.parametrize("holds_pipe", [False, True])
def test_a_killed_parent_leaves_no_child(holds_pipe: bool) -> None:  # noqa: FBT001 - a parameter
    """Also when a fork of the parent still holds the other end of the child's stdin."""
    program = """
import os, sys, time
from puna.embedded.supervisor import Supervisor
supervisor = Supervisor()
supervisor.ensure_running()
fork = os.fork() if sys.argv[1] == "True" else None
if fork == 0:
    time.sleep(30)
print(supervisor.pid, fork or "", flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(holds_pipe)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, *fork = (int(word) for word in parent.stdout.readline().split())
        assert _is_alive(pid)
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 5
        while _is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        for one in fork:
            os.kill(one, signal.SIGKILL)
    assert not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

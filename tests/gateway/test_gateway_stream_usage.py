"""Which deployments of a gateway are asked for the usage of a stream, in both lanes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.support.asgi import Answer, directory_of
from tests.support.lanes import Edge, request_bytes

from puna.config.litellm_yaml import parse_litellm_yaml
from puna.dialects.quirks import Quirks
from puna.gateway.deployments.directory import make_directory
from puna.providers.table import PROVIDERS
from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

CONFIG = """
model_list:
  - model_name: own
    litellm_params: {model: openai/gpt-4o, api_key: sk-host}
  - model_name: other
    litellm_params: {model: openai/other, api_base: "http://up/v1"}
  - model_name: proxy
    litellm_params: {model: litellm_proxy/m, api_base: "http://up/v1"}
  - model_name: llama
    litellm_params: {model: meta_llama/m, api_base: "http://up/v1"}
  - model_name: strict
    litellm_params:
      model: openai/strict
      api_base: http://up/v1
      additional_drop_params: [stream_options]
  - model_name: other-first
    litellm_params: {model: openai/down, api_base: "http://up/v1"}
  - model_name: own-first
    litellm_params: {model: openai/down, api_key: sk-host}
litellm_settings: {num_retries: 0}
router_settings:
  fallbacks: [{other-first: [own]}, {own-first: [other]}]
  disable_cooldowns: true
"""
ALWAYS = f"{CONFIG}general_settings: {{always_include_stream_usage: true}}\n"
ASKED = {"include_usage": True}


class Host:
    """Streams "Hello", then its usage if it is asked and tells; its model `down` fails."""

    def __init__(self, *, tells: bool = True) -> None:
        self.options: list[Any] = []
        self._tells = tells

    def __call__(self, request: HTTPRequest) -> Recorded:
        """The reply to a request."""
        body = json.loads(request.body)
        self.options.append(body.get("stream_options"))
        if body["model"] == "down":
            return Recorded(503)
        head = {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": body["model"]}
        said: list[dict[str, str]] = [
            {"role": "assistant", "content": "Hel"},
            {"content": "lo"},
            {},
        ]
        chunks: list[dict[str, Any]] = [
            {
                **head,
                "choices": [
                    {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
                ],
            }
            for delta in said
        ]
        if self._tells and self.options[-1] == ASKED:
            spent = {"prompt_tokens": 700, "completion_tokens": 500, "total_tokens": 1_200}
            chunks.append({**head, "choices": [], "usage": spent})
        events = [f"data: {json.dumps(one)}\n\n".encode() for one in chunks]
        return Recorded(200, {"content-type": "text/event-stream"}, (*events, b"data: [DONE]\n\n"))


def ask(
    host: Host, config: str, model: str, *, is_fast: bool, path: str = "/v1/chat/completions"
) -> tuple[Answer, CallEvent]:
    """A streamed call whose caller does not ask for its usage."""
    words: Mapping[str, Any] = (
        {"messages": [{"role": "user", "content": "hi"}]}
        if path.endswith("chat/completions")
        else {"prompt": "hi"}
    )

    async def run() -> tuple[Answer, CallEvent]:
        edge = Edge(host, config, is_fast=is_fast)
        answer = await edge.ask(request_bytes({"model": model, "stream": True, **words}, path=path))
        return answer, edge.events[0]

    answer, event = asyncio.run(run())
    assert answer.status == 200
    assert all(json.loads(one)["choices"] for one in answer.events[:-1])
    return answer, event


LANES = pytest.mark.parametrize("is_fast", [True, False], ids=["fast", "full"])


@pytest.mark.case(48)
@LANES
@pytest.mark.parametrize(
    ("model", "is_always", "asked"),
    [
        ("own", False, [ASKED]),
        ("other", False, [None]),
        ("proxy", False, [None]),
        ("llama", False, [None]),
        ("other-first", False, [None, ASKED]),
        ("own-first", False, [ASKED, None]),
        ("own", True, [ASKED]),
        ("other", True, [ASKED]),
        ("proxy", True, [ASKED]),
        ("llama", True, [ASKED]),
        ("own-first", True, [ASKED, ASKED]),
    ],
)
def test_hosts_are_asked_by_their_row_or_by_the_setting(
    is_fast: bool,  # noqa: FBT001 - a parametrised case
    model: str,
    is_always: bool,  # noqa: FBT001 - the same
    asked: list[Any],
) -> None:
    host = Host()
    answer, event = ask(host, ALWAYS if is_always else CONFIG, model, is_fast=is_fast)
    assert answer.headers["x-puna-lane"] == ("fast" if is_fast else "full")
    assert host.options == asked
    assert event.report.is_usage_estimated == (asked[-1] is None)
    assert (event.report.completion_tokens == 500) == (asked[-1] is ASKED)


@pytest.mark.case(10)
@LANES
def test_a_host_that_takes_no_notice_is_estimated(is_fast: bool) -> None:  # noqa: FBT001 - a parametrised case
    host = Host(tells=False)
    _, event = ask(host, ALWAYS, "other", is_fast=is_fast)
    assert host.options == [ASKED]
    assert event.report.is_usage_estimated
    assert 0 < event.report.completion_tokens < 10


def test_a_deployment_that_drops_stream_options_is_not_asked() -> None:
    host = Host()
    answer, event = ask(host, ALWAYS, "strict", is_fast=True)
    assert answer.headers["x-puna-lane"] == "full"
    assert host.options == [None]
    assert event.report.is_usage_estimated


def test_streamed_texts_are_asked_for_and_hide_it_too() -> None:
    host = Host()
    _, event = ask(host, ALWAYS, "other", is_fast=True, path="/v1/completions")
    assert host.options == [ASKED]
    assert event.report.completion_tokens == 500


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(unsupported_params=frozenset(("stream_options",))),
        Quirks(ignored_params=frozenset(("stream_options",))),
    ],
    ids=["refuses", "ignores"],
)
def test_a_row_that_knows_better_is_believed(quirks: Quirks) -> None:
    config = parse_litellm_yaml(ALWAYS, {}, "config.yaml")
    rows = {**PROVIDERS, "openai": replace(PROVIDERS["openai"], quirks=quirks)}
    directory = make_directory(config, {}, is_open=True, providers=rows)
    targets = {name: directory.plan(name).group[0].target for name in ("other", "proxy")}
    assert {name: one.asks_usage for name, one in targets.items()} == {
        "other": False,
        "proxy": True,
    }


def test_the_setting_is_off_unless_it_is_on() -> None:
    for text, expected in (
        (CONFIG, False),
        (ALWAYS, True),
        (ALWAYS.replace("true}", "no}"), False),
    ):
        assert directory_of(text, {}).config.server.always_include_stream_usage is expected

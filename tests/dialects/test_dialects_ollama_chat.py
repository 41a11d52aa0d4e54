"""What Ollama is sent. Plain cases are in `tests/fixtures/ollama/requests.json`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.contexts import request_for
from tests.support.ollama import ROW, TARGET, body_of, build

from puna.errors import BadRequestError, UnsupportedParamsError
from puna.providers.base import resolve_target


@pytest.mark.parametrize(
    "base",
    [
        "http://box:1",
        "http://box:1/",
        "http://box:1/api",
        "http://box:1/v1",
        "http://box:1/api/chat",
    ],
)
def test_a_base_may_have_the_endings_that_people_write(base: str) -> None:
    target = resolve_target(ROW, "m", {"OLLAMA_API_BASE": base})
    assert build(request_for("ollama/m"), target).http.url == "http://box:1/api/chat"
    below = resolve_target(ROW, "m", {}, api_base="http://box:1/models/ollama")
    assert build(request_for("ollama/m"), below).http.url == "http://box:1/models/ollama/api/chat"


def test_what_is_never_to_be_sent_is_not_added_either() -> None:
    request = replace(
        request_for("ollama/m"), unwanted_params=frozenset(("num_ctx", "truncate", "shift"))
    )
    body = json.loads(build(request).http.body)
    assert body.keys() == {"model", "messages", "stream", "options"}
    assert body["options"] == {}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"num_ctx": "8k"}, "num_ctx", "whole number above 0, not `8k`"),
        ({"num_ctx": 0}, "num_ctx", "whole number above 0"),
        ({"num_ctx": True}, "num_ctx", "whole number above 0"),
        ({"options": [1]}, "options", "must be an object"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort", "none, minimal, low, medium, high"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "tools of the type `function` only"),
    ],
)
def test_what_has_no_meaning_is_refused(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(BadRequestError, match=words) as raised:
        body_of(**fields)
    assert (raised.value.param, raised.value.provider) == (param, "ollama")


@pytest.mark.parametrize(
    ("model", "effort", "think"),
    [
        ("llama3.2", "none", False),
        ("llama3.2", "low", True),
        ("llama3.2", "max", True),
        ("gpt-oss:20b", "minimal", "low"),
        ("gpt-oss:20b", "medium", "medium"),
        ("gpt-oss:20b", "xhigh", "high"),
    ],
)
def test_an_effort_is_a_level_for_models_that_have_levels(
    model: str,
    effort: str,
    think: bool | str,  # noqa: FBT001 - a row of the table
) -> None:
    assert body_of(replace(TARGET, model=model), reasoning_effort=effort)["think"] == think


def test_a_model_that_always_thinks_is_not_told_otherwise() -> None:
    target = replace(TARGET, model="gpt-oss:20b")
    request = request_for("ollama/gpt-oss:20b", reasoning_effort="none")
    with pytest.raises(UnsupportedParamsError, match="low, medium or high") as raised:
        build(request, target)
    assert raised.value.param == "reasoning_effort"
    built = build(replace(request, drop_params=True), target)
    assert "think" not in json.loads(built.http.body)
    assert built.dropped_params == ("reasoning_effort",)


def test_stream_options_of_a_whole_reply_are_left_out_and_told() -> None:
    built = build(request_for("ollama/m", stream_options={"include_usage": True}))
    assert "stream_options" not in json.loads(built.http.body)
    assert built.dropped_params == ("stream_options",)

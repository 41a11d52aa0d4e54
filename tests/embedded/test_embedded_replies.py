"""Answers of the embedded model, whole and streamed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.embedded.checks import check_value
from puna.embedded.constrain import Constrained
from puna.embedded.replies import ServerStream, read_completion
from puna.errors import APIError, BadRequestError, MalformedReplyError

BODY = {"max_tokens": 9}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TEXT = Constrained(BODY)
JSON = Constrained(BODY, shape="json", schema=CITY)
CALL = Constrained(BODY, shape="tool_call", tools={"get_weather": CITY}, param="tools")
GOOD_CALL = '{"name":"get_weather","arguments":{"city":"Zürich \\"\\u00e9😀"}}'

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 3,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 4},
}


def whole(text: str, finish: str = "stop", **more: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-x",
        "object": "chat.completion",
        "created": 5,
        "model": "/secret/model.gguf",
        "system_fingerprint": "b0-unknown",
        "timings": {"predicted_ms": 3},
        "__verbose": {"model": "/secret"},
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish,
                **more,
            }
        ],
        "usage": USAGE,
    }


def chunk(
    delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any
) -> dict[str, Any]:
    return {
        "id": "chatcmpl-x",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "/secret/model.gguf",
        "system_fingerprint": "b0-unknown",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish, **more}],
    }


def usage_chunk() -> dict[str, Any]:
    return {**chunk({}), "choices": [], "usage": USAGE, "timings": {}}


def stream(
    constrained: Constrained, pieces: list[str], finish: str = "stop", index: int = 0
) -> list[dict[str, Any]]:
    server = ServerStream(constrained)
    sent = [
        chunk({"role": "assistant", "content": None}, index=index),
        *(chunk({"content": piece}, index=index) for piece in pieces),
        chunk({}, finish, index=index),
        usage_chunk(),
    ]
    return [made for one in sent for made in server.feed(one)]


def deltas(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [choice["delta"] for made in chunks for choice in made["choices"]]


def split(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(places)]


# ---- whole


def test_a_text_answer_loses_what_only_the_server_knows() -> None:
    made = read_completion(whole("hi", logprobs={"content": []}), TEXT)
    assert made == {
        "id": "chatcmpl-x",
        "created": 5,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi"},
                "finish_reason": "stop",
                "logprobs": {"content": []},
            }
        ],
        "usage": USAGE,
    }


def test_a_call_becomes_tool_calls() -> None:
    made = read_completion(whole(GOOD_CALL), CALL)
    (choice,) = made["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": 'Zürich "é😀'}


def test_a_checked_answer_keeps_its_text() -> None:
    made = read_completion(whole('{"city":"a"}'), JSON)
    assert made["choices"][0]["message"]["content"] == '{"city":"a"}'


@pytest.mark.parametrize("constrained", [JSON, CALL])
@pytest.mark.parametrize(
    ("text", "finish", "cls", "words"),
    [
        ('{"city":"a', "length", MalformedReplyError, "cut by the token limit"),
        ('{"city":"a', "stop", MalformedReplyError, "did a `stop` string cut it"),
        ("Sure! Here", "length", BadRequestError, "cannot follow the JSON schema"),
    ],
)
def test_an_answer_that_is_no_json_is_an_error(
    constrained: Constrained, text: str, finish: str, cls: type[APIError], words: str
) -> None:
    with pytest.raises(cls, match=words):
        read_completion(whole(text, finish), constrained)
    with pytest.raises(cls, match=words):
        stream(constrained, [text], finish)


def test_an_answer_that_does_not_fit_names_the_place() -> None:
    with pytest.raises(MalformedReplyError, match=r"at `\$\.city` breaks the rule `type`"):
        read_completion(whole('{"city":3}'), JSON)
    call = '{"name":"get_weather","arguments":{"city":3}}'
    with pytest.raises(MalformedReplyError, match=r"call of `get_weather`.*\$\.city"):
        read_completion(whole(call), CALL)
    with pytest.raises(MalformedReplyError, match=r"at `\$\[1\]`"):
        check_value([1, "x"], {"items": {"type": "integer"}}, what="answer")


@pytest.mark.parametrize("text", ['{"name":"other","arguments":{}}', '["x"]', '{"name":3}'])
def test_json_that_is_no_call_is_an_error(text: str) -> None:
    with pytest.raises(BadRequestError, match="no call"):
        read_completion(whole(text), CALL)


def test_a_reply_without_choices_or_usage_gets_none() -> None:
    assert read_completion({"choices": []}, TEXT) == {"choices": []}
    assert "usage" not in read_completion({**whole("x"), "usage": None}, TEXT)


# ---- streams


def test_text_passes_straight_and_the_usage_comes_last() -> None:
    made = stream(TEXT, ["He", "llo"])
    assert deltas(made) == [
        {"role": "assistant", "content": None},
        {"content": "He"},
        {"content": "llo"},
        {},
    ]
    assert made[-1]["usage"] == USAGE
    assert all(one.keys() <= {"id", "created", "choices", "usage"} for one in made)


@given(st.lists(st.integers(0, 200), max_size=12), st.sampled_from(["", " ", "\n"]))
def test_a_call_is_the_same_however_it_is_cut(cuts: list[int], space: str) -> None:
    made = stream(CALL, split(space + GOOD_CALL, cuts))
    calls = [call for delta in deltas(made) for call in delta.get("tool_calls", ())]
    expected = read_completion(whole(GOOD_CALL), CALL)
    (call,) = expected["choices"][0]["message"]["tool_calls"]
    assert calls[0] == {
        "index": 0,
        **call,
        "function": {"name": "get_weather", "arguments": ""},
    }
    joined = "".join(one["function"]["arguments"] for one in calls)
    assert joined == call["function"]["arguments"]
    assert not any(delta.get("content") for delta in deltas(made))
    finishes = [choice["finish_reason"] for one in made for choice in one["choices"]]
    assert [finish for finish in finishes if finish] == ["tool_calls"]
    assert made[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_the_name_comes_before_the_arguments_are_complete() -> None:
    server = ServerStream(CALL)
    (made,) = server.feed(chunk({"content": '{"name":"get_weather","arguments"'}))
    assert made["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "get_weather"


@given(st.lists(st.integers(0, 200), max_size=12))
def test_checked_json_passes_as_it_comes(cuts: list[int]) -> None:
    text = '{"city":"Zürich"}'
    made = stream(JSON, split(text, cuts))
    assert "".join(delta.get("content") or "" for delta in deltas(made)) == text
    assert made[-2]["choices"][0]["finish_reason"] == "stop"


def test_prose_in_place_of_json_is_an_error_before_any_content() -> None:
    server = ServerStream(JSON)
    assert server.feed(chunk({"role": "assistant", "content": None}))
    with pytest.raises(BadRequestError):
        server.feed(chunk({"content": "Sure"}))


def test_a_stream_that_does_not_fit_fails_at_its_end() -> None:
    with pytest.raises(MalformedReplyError, match=r"\$\.city"):
        stream(JSON, ['{"city":', "3}"])


def test_a_stream_without_usage_tells_none() -> None:
    server = ServerStream(TEXT)
    (made,) = server.feed(chunk({"content": "a"}, "stop", logprobs={"content": [1]}))
    assert made["choices"][0]["logprobs"] == {"content": [1]}
    assert "usage" not in made


def test_the_tokens_of_all_answers_are_counted() -> None:
    server = ServerStream(TEXT)
    assert server.feed(usage_chunk())[0]["usage"] == USAGE
    (last,) = server.feed(usage_chunk())
    assert last["usage"] == {**USAGE, "completion_tokens": 6, "total_tokens": 16}
    assert USAGE["completion_tokens"] == 3

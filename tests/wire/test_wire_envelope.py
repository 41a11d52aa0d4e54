"""What is plain reads the same on both ways: the short one, and the dialect's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.base import ReadContext, Target
from puna.dialects.openai_chat import OpenAIChat
from puna.errors import APIError
from puna.types.requests import ChatRequest, make_chat_request
from puna.wire.body_changes import BodyChanges
from puna.wire.envelope import ChatEnvelope, read_envelope
from puna.wire.http import HTTPReply, Timeouts
from puna.wire.plain_replies import read_chunk, read_reply
from puna.wire.splicing import Renaming, fill_fields

TARGET = Target(provider="openai", model="up/model", base_url="http://up/v1")
ASKED = ChatRequest("public", ({"role": "user", "content": "hi"},))
CONTEXT = ReadContext(TARGET, "public", "chatcmpl-made", 1_700_000_000.0, ASKED)

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, -1, 0.5, 2**63, 1e300, "", "x", [], ["a"], [1], {}, {"a": 1}]
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    ['"model":"up/model"', '\\"model\\":', ',"usage":null']
)


def mostly(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual values, and now and then an odd one."""
    return st.one_of(strategy, strategy, strategy, strategy, ODD)


MESSAGE = mostly(
    st.fixed_dictionaries(
        {
            "role": mostly(st.sampled_from(["system", "user", "assistant"])),
            "content": mostly(TEXTS),
        },
        optional={"name": TEXTS},
    )
)
REQUEST = st.fixed_dictionaries(
    {
        "model": mostly(st.just("public")),
        "messages": mostly(st.lists(MESSAGE, min_size=1, max_size=3)),
    },
    optional={
        "stream": mostly(st.booleans()),
        "temperature": mostly(st.floats(0, 2)),
        "top_p": mostly(st.integers(0, 1)),
        "max_tokens": mostly(st.integers(1, 99)),
        "max_completion_tokens": mostly(st.just(5)),
        "n": mostly(st.integers(1, 3)),
        "seed": mostly(st.integers(-9, 9)),
        "stop": mostly(TEXTS | st.lists(TEXTS)),
        "stream_options": mostly(st.fixed_dictionaries({"include_usage": mostly(st.booleans())})),
        "user": mostly(TEXTS),
        "tools": ODD,
        "top_k": ODD,
    },
)
USAGE = st.fixed_dictionaries(
    {
        "prompt_tokens": mostly(st.integers(0, 99)),
        "completion_tokens": mostly(st.integers(0, 99)),
        "total_tokens": mostly(st.integers(0, 99)),
    },
    optional={
        "prompt_tokens_details": mostly(
            st.fixed_dictionaries({"cached_tokens": mostly(st.just(3))})
        ),
        "completion_tokens_details": ODD,
        "queue_time": ODD,
        "estimated": ODD,
    },
)
REPLY = st.fixed_dictionaries(
    {
        "id": mostly(st.just("cmpl-1")),
        "object": mostly(st.just("chat.completion")),
        "created": mostly(st.just(1_700_000_001)),
        "model": mostly(st.sampled_from(["up/model", "public", "other"])),
        "choices": mostly(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "index": mostly(st.just(0)),
                        "message": mostly(
                            st.fixed_dictionaries(
                                {"role": mostly(st.just("assistant")), "content": mostly(TEXTS)},
                                optional={
                                    "refusal": ODD,
                                    "tool_calls": ODD,
                                    "reasoning": ODD,
                                    "annotations": ODD,
                                },
                            )
                        ),
                        "finish_reason": mostly(st.sampled_from(["stop", "length"])),
                    },
                    optional={"logprobs": ODD, "text": ODD},
                ),
                min_size=1,
                max_size=2,
            )
        ),
        "usage": mostly(USAGE),
    },
    optional={
        "system_fingerprint": mostly(TEXTS),
        "error": ODD,
        "x_extra": st.fixed_dictionaries({"model": TEXTS}) | ODD,
        "detail": ODD,
    },
)


def encode_request(envelope: ChatEnvelope, model: str) -> bytes:
    """The body for a host that takes the request as it is."""
    return BodyChanges(model).encode(envelope)[0]


def long_way(body: dict[str, Any]) -> bytes:
    """The body that the dialect would send."""
    fields = {k: v for k, v in body.items() if k not in ("model", "messages", "stream")}
    request = make_chat_request(
        body["model"], body["messages"], fields, stream=body.get("stream", False)
    )
    return OpenAIChat().build_request(request, TARGET, Timeouts()).http.body


@given(REQUEST)
def test_a_plain_request_is_sent_as_the_dialect_would_send_it(body: dict[str, Any]) -> None:
    envelope = read_envelope(json.dumps(body).encode())
    if envelope is not None:
        assert json.loads(encode_request(envelope, "up/model")) == json.loads(long_way(body))


@given(REPLY)
def test_a_plain_reply_says_what_the_dialect_reads(reply: dict[str, Any]) -> None:
    data = json.dumps(reply).encode()
    plain = read_reply(data)
    renamed = Renaming("public").apply(data, plain) if plain is not None else None
    if plain is None or renamed is None:
        return
    read = OpenAIChat().read_reply(HTTPReply(200, {}, data), CONTEXT)
    assert json.loads(renamed) == json.loads(read.to_json())
    filled = fill_fields(renamed, plain)
    if filled is not None:
        expected = json.loads(renamed)
        for choice in expected["choices"]:
            choice.setdefault("logprobs", None)
            choice["message"].setdefault("refusal", None)
            choice["message"].setdefault("annotations", [])
        assert json.loads(filled) == expected
    renaming = Renaming("public")
    assert renaming.complete(data, plain) == renaming.complete(data, plain) == filled
    assert read.usage is not None
    details = read.usage.prompt_tokens_details
    assert plain.usage.prompt_tokens == read.usage.prompt_tokens
    assert plain.usage.cached_tokens == ((details.cached_tokens or 0) if details else 0)
    assert plain.choices[0].finish_reason == read.choices[0].finish_reason


def whole(*choices: dict[str, Any], **fields: Any) -> dict[str, Any]:
    spent = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    head = {"id": "c", "object": "chat.completion", "created": 5, "model": "m"}
    return {**head, "choices": list(choices), "usage": spent, **fields}


def chosen(message: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": '"message":{', **(message or {})}
    return {"index": 0, "message": said, "finish_reason": "stop", **fields}


@pytest.mark.parametrize(
    ("reply", "is_clear"),
    [
        (whole(chosen()), True),
        (whole(chosen({"refusal": None})), True),
        (whole(chosen(logprobs=None)), True),
        (whole(chosen({"refusal": "no"}, logprobs=None)), True),
        (whole(chosen({"annotations": []})), True),
        (whole(chosen({"annotations": [{"type": "url_citation"}], "refusal": None})), True),
        (whole(chosen({"annotations": [], "refusal": None}, logprobs=None)), True),
        (whole(chosen(), chosen({"annotations": []})), False),
        (whole(chosen(), chosen()), True),
        (whole(chosen(), chosen(logprobs=None)), False),
        (whole(chosen(), x={"message": {}}), False),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " :\n")])
def test_what_the_schema_wants_is_filled_in_where_it_is_clear(
    reply: dict[str, Any],
    is_clear: bool,  # noqa: FBT001 - a parametrised case
    separators: tuple[str, str],
) -> None:
    data = json.dumps(reply, separators=separators).encode()
    plain = read_reply(data)
    assert plain is not None
    filled = fill_fields(data, plain)
    assert (filled is not None) is is_clear
    if filled is not None:
        empty: dict[str, Any] = {"refusal": None, "annotations": []}
        expected = [
            {"logprobs": None, **one, "message": {**empty, **one["message"]}}
            for one in reply["choices"]
        ]
        assert json.loads(filled) == {**reply, "choices": expected}
        for renaming in (Renaming("m"), Renaming('pub"lic')):
            twice = [renaming.complete(data, plain), renaming.complete(data, plain)]
            assert twice[0] == twice[1]
            named = {**reply, "model": renaming.public_name, "choices": expected}
            assert json.loads(twice[1] or b"") == named


def test_a_host_may_change_what_it_leaves_out() -> None:
    renaming = Renaming("public")
    for reply in (
        whole(chosen()),
        whole(chosen()),
        whole(chosen({"refusal": "no"})),
        whole(chosen({"annotations": []})),
        whole(chosen({"annotations": [{"type": "url_citation"}]})),
        whole(chosen(), model="n"),
        whole(chosen(), system_fingerprint=None),
        whole(chosen(), x={"model": "m"}),
        whole(chosen(logprobs=None), chosen(logprobs=None)),
    ):
        data = json.dumps(reply).encode()
        plain = read_reply(data)
        assert plain is not None
        renamed = Renaming("public").apply(data, plain)
        expected = fill_fields(renamed, plain) if renamed is not None else None
        assert renaming.complete(data, plain) == expected


PLAIN = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def test_a_usual_request_is_plain() -> None:
    usual = {**PLAIN, "temperature": 0, "max_tokens": 9, "stop": ["a"], "seed": 1, "user": "u"}
    assert read_envelope(json.dumps(usual).encode()) is not None
    usage = {**PLAIN, "stream": True, "stream_options": {"include_usage": True}}
    assert read_envelope(json.dumps(usage).encode()) is not None


@pytest.mark.case(129, 131)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b"\xef\xbb\xbf" + json.dumps(PLAIN).encode(),
        b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":1e400}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
        json.dumps({**PLAIN, "model": "m" * 257}).encode(),
        json.dumps({**PLAIN, "stream_options": {"include_usage": True}}).encode(),
        json.dumps({**PLAIN, "api_base": "http://x"}).encode(),
        json.dumps({**PLAIN, "messages": [{"role": "tool", "content": "x"}]}).encode(),
    ],
)
def test_what_needs_a_closer_look_is_not_plain(body: bytes) -> None:
    assert read_envelope(body) is None


FULL = json.dumps(
    {
        **PLAIN,
        "stream": True,
        "stop": ["é", "b"],
        "user": "ü",
        "temperature": 0.5,
        "stream_options": {"include_usage": True},
    },
    ensure_ascii=False,
).encode()


@given(st.integers(0, len(FULL)), st.integers(0, 3), st.binary(min_size=1, max_size=4))
def test_a_plain_request_is_valid_utf_8(at: int, taken: int, put: bytes) -> None:
    body = FULL[:at] + put + FULL[at + taken :]
    if read_envelope(body) is not None:
        body.decode()


PLACES: tuple[str, ...] = ("model", "content", "role", "stop", "user", "key")


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xf4\x90\x80\x80", b"\xc0\xaf"]
)
@pytest.mark.parametrize("place", PLACES)
def test_bytes_that_are_no_utf_8_are_not_plain_wherever_they_stand(bad: bytes, place: str) -> None:
    texts: dict[str, bytes] = dict.fromkeys(PLACES, b"")
    texts[place] = bad
    body = (
        b'{"model":"m%(model)b","messages":[{"role":"user%(role)b","content":"x%(content)b"}],'
        b'"stop":["a%(stop)b"],"user%(key)b":"u%(user)b"}'
    )
    assert read_envelope(body % {name.encode(): text for name, text in texts.items()}) is None
    assert read_envelope(body % {name.encode(): b"" for name in texts}) is not None


def test_of_a_field_given_twice_the_last_counts_and_goes_on() -> None:
    envelope = read_envelope(
        b'{"model":"a","model":"b","messages":[{"role":"user","content":"x"}],'
        b'"temperature":1,"temperature":0}'
    )
    assert envelope is not None
    assert json.loads(encode_request(envelope, "up")) == {**PLAIN, "model": "up", "temperature": 0}


CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 5,
    "model": "up",
    "choices": [{"index": 0, "delta": {"content": '"model":"up"'}, "finish_reason": None}],
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"usage": None, "system_fingerprint": None}, {}),
        ({"system_fingerprint": "fp"}, {"system_fingerprint": "fp"}),
        ({"x": {"model": "up"}}, None),
        ({"x": {"usage": None}, "usage": None}, None),
        ({"x": {"a": 1, "usage": None}, "usage": None}, None),
    ],
)
def test_a_chunk_gets_the_public_name_and_loses_empty_nulls(
    change: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    data = json.dumps({**CHUNK, **change}).encode()
    plain = read_chunk(data)
    assert plain is not None
    renamed = Renaming('pub"lic').apply(data, plain)
    if expected is None:
        assert renamed is None
    else:
        assert renamed is not None
        assert json.loads(renamed) == {**CHUNK, "model": 'pub"lic', **expected}


def test_under_its_own_name_a_chunk_stays_as_it_is() -> None:
    data = json.dumps({**CHUNK, "x": {"model": "up"}}).encode()
    plain = read_chunk(data)
    assert plain is not None
    assert Renaming("up").apply(data, plain) is data


def test_an_error_of_the_reader_is_never_raised() -> None:
    assert read_reply(b"{") is None
    assert read_chunk(b"[DONE]") is None
    with pytest.raises(APIError):
        long_way({"model": "m", "messages": []})

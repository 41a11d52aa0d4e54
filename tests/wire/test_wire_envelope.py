"""What is plain reads the same on both ways: the short one, and the dialect's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.plain_json import ODD, TEXTS, long_way, mostly

from puna.wire.body_changes import BodyChanges
from puna.wire.envelope import ChatEnvelope, read_envelope

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


def encode_request(envelope: ChatEnvelope, model: str) -> bytes:
    """The body for a host that takes the request as it is."""
    return BodyChanges(model).encode(envelope)[0]


@given(REQUEST)
def test_a_plain_request_is_sent_as_the_dialect_would_send_it(body: dict[str, Any]) -> None:
    envelope = read_envelope(json.dumps(body).encode())
    if envelope is not None:
        assert json.loads(encode_request(envelope, "up/model")) == json.loads(long_way(body))


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


def with_schema(schema: bytes) -> bytes:
    return (
        b'{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function",'
        b'"function":{"name":"f","parameters":%b}}]}' % schema
    )


@pytest.mark.parametrize(
    ("schema", "is_plain"),
    [
        (b'{"enum":[' + b",".join([b'{"a":0}'] * 1_000) + b"]}", True),
        (b'{"enum":["' + b"[{" * 1_000 + b'"]}', True),
        (b'{"a":' * 178 + b"{}" + b"}" * 178, True),
        (b'{"a":' * 180 + b"{}" + b"}" * 180, False),
        (b'{"]}":' * 180 + b"{}" + b"}" * 180, False),
        (b'{"\\"}]":' * 180 + b"{}" + b"}" * 180, False),
    ],
    ids=["wide", "in a text", "178 deep", "180 deep", "behind texts", "behind escapes"],
)
def test_a_schema_of_many_lists_and_objects_is_plain_unless_they_are_nested_too_deeply(
    schema: bytes, *, is_plain: bool
) -> None:
    """It was read whole, 24 times its size, when it had 180 lists and objects in all."""
    body = with_schema(schema)
    envelope = read_envelope(body)
    assert (envelope is not None) == is_plain
    if envelope is not None:
        assert envelope.to_fields()["tools"] == json.loads(body)["tools"]


def test_of_a_field_given_twice_the_last_counts_and_goes_on() -> None:
    envelope = read_envelope(
        b'{"model":"a","model":"b","messages":[{"role":"user","content":"x"}],'
        b'"temperature":1,"temperature":0}'
    )
    assert envelope is not None
    assert json.loads(encode_request(envelope, "up")) == {**PLAIN, "model": "up", "temperature": 0}

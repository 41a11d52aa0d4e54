"""Vectors of a host, in whatever order and form they come, or a typed error."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import FakeClock
from tests.support.embeddings import MODEL, SETTINGS, TWO, keeping, recorded, vectors
from tests.support.faces import BOTH, Face

from puna.client import Client
from puna.errors import MalformedReplyError
from puna.transports.replay import ReplayTransport, in_order
from puna.wire.http import HTTPRequest


def packed(numbers: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@BOTH
@pytest.mark.parametrize("format_", ["float", "base64", None])
@pytest.mark.parametrize("host_says", ["float", "base64"])
def test_a_host_that_ignores_the_format_is_mended(
    face: Face, format_: str | None, host_says: str
) -> None:
    given = TWO if host_says == "float" else tuple(packed(one) for one in TWO)
    sent: list[HTTPRequest] = []
    answer = face.embed(
        SETTINGS,
        MODEL,
        ["a", "b"],
        play=keeping(sent, recorded(vectors(*given))),
        encoding_format=format_,
    )
    body = json.loads(sent[0].body)
    assert body.get("encoding_format") == format_
    wanted = [packed(one) for one in TWO] if format_ == "base64" else list(TWO)
    assert [one.embedding for one in answer.data] == wanted


@BOTH
def test_vectors_out_of_order_are_put_in_order(face: Face) -> None:
    body = vectors(*TWO)
    body["data"].reverse()
    answer = face.embed(SETTINGS, MODEL, ["a", "b"], play=in_order(recorded(body)))
    assert [one.embedding for one in answer.data] == list(TWO)
    assert [one.index for one in answer.data] == [0, 1]


@BOTH
def test_vectors_without_an_index_are_in_order(face: Face) -> None:
    body = vectors(*TWO, data=[{"embedding": one} for one in TWO])
    answer = face.embed(SETTINGS, MODEL, ["a", "b"], play=in_order(recorded(body)))
    assert [(one.index, one.embedding) for one in answer.data] == list(enumerate(TWO))
    assert answer.data[0].object == "embedding"


@given(st.permutations(range(5)))
def test_any_order_becomes_that_of_the_inputs(order: list[int]) -> None:
    items = [{"index": i, "embedding": [float(i), 1.0]} for i in order]
    transport = ReplayTransport(in_order(recorded({"data": items})))
    with Client(SETTINGS, transport=transport, clock=FakeClock()) as client:
        answer = client.embedding(MODEL, list("abcde"))
    assert [one.embedding for one in answer.data] == [[float(i), 1.0] for i in range(5)]


BROKEN: Mapping[str, Any] = {
    "no list": {"data": None},
    "no data": {"object": "list"},
    "too few": vectors([1.0]),
    "too many": vectors([1.0], [2.0], [3.0]),
    "twice the same": {"data": [{"index": 0, "embedding": [1.0]}] * 2},
    "beyond the last": {"data": [{"index": i, "embedding": [1.0]} for i in (1, 2)]},
    "an index that is none": {"data": [{"index": i, "embedding": [1.0]} for i in ("0", 1)]},
    "no object": {"data": [1, 2]},
    "no vector": {"data": [{"index": 0}, {"index": 1}]},
    "an empty vector": vectors([], []),
    "different lengths": vectors([1.0], [1.0, 2.0]),
    "texts in a vector": vectors(["1"], ["2"]),
    "nulls in a vector": vectors([None], [None]),
    "not finite": b'{"data": [{"embedding": [NaN]}, {"embedding": [NaN]}]}',
    "broken base64": vectors("AAAA", "AAAA"),
    "broken JSON": b'{"data": [',
    "no JSON object": [1],
}


@BOTH
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("format_", ["float", "base64"])
def test_a_reply_without_one_vector_for_each_input_is_malformed(
    face: Face, how: str, format_: str
) -> None:
    with pytest.raises(MalformedReplyError) as caught:
        face.embed(
            SETTINGS,
            MODEL,
            ["a", "b"],
            play=in_order(recorded(BROKEN[how])),
            max_retries=0,
            encoding_format=format_,
        )
    assert caught.value.provider == "openai"
    assert caught.value.model == MODEL


@BOTH
def test_vectors_of_another_length_than_asked_are_refused_at_once(face: Face) -> None:
    with pytest.raises(MalformedReplyError, match="`2` dimensions where `dimensions` asked") as it:
        face.embed(SETTINGS, MODEL, "a", play=in_order(recorded(vectors(TWO[0]))), dimensions=1)
    assert it.value.attempts == 1

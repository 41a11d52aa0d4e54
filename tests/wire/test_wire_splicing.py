"""Plain replies and chunks get the public name, lose empty nulls, and gain fields of the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from puna.wire.plain_chunks import read_chunk
from puna.wire.plain_replies import read_reply
from puna.wire.splicing import Renaming, fill_fields


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

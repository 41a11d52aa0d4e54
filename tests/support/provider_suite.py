"""The checks that a provider's fixtures go through: for the rows of the table, and for any other.

A fixture is a JSON file: `provenance`, `status`, `headers`, `body` (an object or text) or `pieces`
(those of a stream: texts, or `{"base64": …}`), perhaps `request` (chat parameters), and `expects`.
The file `requests` is another kind: the `url` and perhaps `headers` of a request,
perhaps how the `messages` of a user's "Hello" are sent, and `cases`, each a `request` (chat
parameters) that `sends` these fields (null: not there) and `leaves_out` those, or that it
`refuses`, naming the field. A case may have a `model` and a `url` of its own.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.contexts import KEY, context_for, request_for

from puna.dialects.base import ReadContext, StreamReader, Target
from puna.dialects.table import DIALECTS
from puna.errors import APIError, UnsupportedParamsError
from puna.providers.base import Provider, resolve_target
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.secret import Secret
from puna.wire.fold import fold
from puna.wire.http import HTTPReply, Timeouts

FIXTURES = Path(__file__).parent.parent / "fixtures"
REQUESTS = "requests"

Fixture = dict[str, Any]


def load(path: Path) -> Fixture:
    """A fixture's content."""
    loaded: Fixture = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def folder_of(row: Provider, providers: Mapping[str, Provider]) -> str:
    """The fixture folder of a row: that of the first row that is the same but for its name."""
    return next(name for name, other in providers.items() if replace(other, name=row.name) == row)


def target_of(row: Provider, model: str = "m") -> Target:
    """The row's own host, told what it wants to be told; for one without a host some address."""
    base = None if row.base_url else "http://gateway.test"
    told = {setting.keywords[0]: Secret(setting.example) for setting in row.settings}
    return resolve_target(row, model, {}, api_key=Secret(KEY), api_base=base, settings=told)


def check_whole(row: Provider, fixture: Fixture) -> None:
    """A reply that is no stream: an answer or an error."""
    expects, context = fixture["expects"], _context_of(row, fixture)
    dialect = DIALECTS[context.target.dialect]
    reply = _reply_of(fixture)
    if "error" not in expects:
        answer = dialect.read_reply(reply, context)
        _assert_is_answer(answer, expects)
        assert (answer.model, answer.object) == (context.model, "chat.completion")
        assert answer.id == expects.get("id", fixture["body"].get("id", context.made_id))
        assert answer.created == int(fixture["body"].get("created", answer.created))
        assert (answer.model_extra or {}).keys() >= set(expects.get("keeps", ()))
        if "tokens" in expects:
            assert answer.usage is not None
            assert list(answer.usage.model_dump().values())[:3] == expects["tokens"]
    elif reply.is_success:
        with pytest.raises(APIError) as raised:
            dialect.read_reply(reply, context)
        _assert_says(raised.value, expects)
    else:
        error = dialect.read_error(reply, context)
        _assert_says(error, expects)
        if reply.status >= 400:
            assert error.status_code == expects.get("status", reply.status)


def check_stream(row: Provider, fixture: Fixture) -> None:
    """A stream, however it is cut."""
    expects, context = fixture["expects"], _context_of(row, fixture)
    dialect = DIALECTS[context.target.dialect]
    given = [bytes_of(piece) for piece in fixture["pieces"]]
    whole = b"".join(given)

    chunks, error = _read_cut(dialect.stream_reader(context), [whole])
    for pieces in (
        given,
        whole.splitlines(keepends=True),
        [whole[i : i + 1] for i in range(len(whole))],
    ):
        again, same_error = _read_cut(dialect.stream_reader(context), pieces)
        assert again == chunks
        assert repr(same_error) == repr(error)

    assert {(c.id, c.created, c.model) for c in chunks} == {
        (chunks[0].id, chunks[0].created, context.model)
    }
    assert chunks[0].id == expects.get("id", chunks[0].id)
    if "error" in expects:
        assert error is not None
        _assert_says(error, expects)
        assert fold(chunks).choices[0].message.content == expects["text"]
        assert fold(chunks).choices[0].finish_reason is None
        return
    assert error is None
    _assert_is_answer(fold(chunks), expects)
    _assert_in_order(chunks, expects)


def check_requests(row: Provider, requests: Fixture) -> None:
    """What is sent for requests, what is left out of them, and which are refused."""
    dialect = DIALECTS[row.dialect]
    for case in requests["cases"]:
        target = target_of(row, case.get("model", "m"))
        request = request_for(f"{row.name}/m", **case["request"])
        request = replace(request, drop_params=case.get("drop_params", False))
        if "refuses" in case:
            with pytest.raises(UnsupportedParamsError) as raised:
                dialect.build_request(request, target, Timeouts())
            assert raised.value.param == case["refuses"]
            assert "drop_params" in str(raised.value)
            continue
        built = dialect.build_request(request, target, Timeouts())
        assert built.http.url == case.get("url", requests["url"])
        headers = {"authorization": "Bearer KEY", **requests.get("headers", {})}
        for name, value in headers.items():
            expected = value.replace("KEY", KEY) if value is not None else None
            assert built.http.headers.get(name) == expected
        body = json.loads(built.http.body)
        for name, value in case["sends"].items():
            assert body.get(name) == value, name
        assert sorted(built.dropped_params) == sorted(case.get("leaves_out", ()))


def _context_of(row: Provider, fixture: Fixture) -> ReadContext:
    request = request_for(f"{row.name}/m", stream="pieces" in fixture, **fixture.get("request", {}))
    return context_for(target=target_of(row), request=request)


def _reply_of(fixture: Fixture) -> HTTPReply:
    body = fixture["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    return HTTPReply(fixture["status"], fixture["headers"], text.encode())


def bytes_of(piece: str | dict[str, str]) -> bytes:
    """A piece of a stream: a text, or bytes as `{"base64": …}`."""
    return piece.encode() if isinstance(piece, str) else b64decode(piece["base64"])


def _read_cut(
    reader: StreamReader, pieces: list[bytes]
) -> tuple[list[ChatCompletionChunk], APIError | None]:
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return chunks + reader.close(), reader.error


def _assert_says(error: APIError, expects: dict[str, Any]) -> None:
    assert type(error).__name__ == expects["error"]
    for words in expects["says"]:
        assert words in str(error)
    for name in ("code", "param", "retry_after_s"):
        if name in expects:
            assert getattr(error, name) == expects[name]
    assert error.status_code >= 400
    assert "user:pass" not in str(error)
    for text in (str(error), error.body or ""):
        assert KEY not in text


def _assert_is_answer(answer: ChatCompletion, expects: dict[str, Any]) -> None:
    (choice,) = answer.choices
    assert choice.message.content == expects["text"]
    assert choice.finish_reason == expects["finish_reason"]
    calls = choice.message.tool_calls
    if "tool_calls" not in expects:
        assert calls is None
        return
    assert calls is not None
    seen = [
        {"name": call.function.name, "arguments": json.loads(call.function.arguments)}
        for call in calls
    ]
    assert seen == expects["tool_calls"]
    assert all(call.id and call.type == "function" for call in calls)
    assert len({call.id for call in calls}) == len(calls)


def _assert_in_order(chunks: list[ChatCompletionChunk], expects: dict[str, Any]) -> None:
    """One role first, one finish last, then the usage if it was asked for."""
    bodies = [chunk for chunk in chunks if chunk.choices]
    assert [c.choices[0].delta.role for c in bodies] == ["assistant"] + [None] * (len(bodies) - 1)
    reasons = [c.choices[0].finish_reason for c in bodies]
    assert reasons == [None] * (len(bodies) - 1) + [expects["finish_reason"]]
    assert chunks[: len(bodies)] == bodies
    kept = {name for chunk in chunks for name in chunk.model_extra or {}}
    assert kept >= set(expects.get("keeps", ()))
    if "usage" in expects:
        (last,) = chunks[len(bodies) :]
        assert last.usage is not None
        assert list(last.usage.model_dump().values())[:3] == expects["usage"]
    else:
        assert len(chunks) == len(bodies)

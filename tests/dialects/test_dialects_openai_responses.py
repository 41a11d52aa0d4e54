"""The Responses protocol of an upstream: whole answers of every fixture, and its rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.contexts import KEY
from tests.support.provider_suite import load
from tests.support.response_fixtures import ALL, DIALECT, MADE, STREAMS, check_error, context
from tests.support.responses import filled

from puna.dialects.base import ReadContext
from puna.errors import APIError
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.response_request import ResponsesRequest, make_responses_request
from puna.types.responses import Response
from puna.types.secret import Secret
from puna.wire.http import HTTPReply, Timeouts

WHOLE = [path for path in ALL if path not in STREAMS]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("resp_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b", None),
        ("resp_0123456789abcdef", None),
        ("resp_b3f1c2d4-9f0e-4a53-8f57-0d7a2f0c5e11", None),
        ("resp_0", MADE),
        ("resp_1764500000", MADE),
        ("resp_" + "0" * 32, MADE),
        ("resp_00000000-0000-0000-0000-000000000000", MADE),
        ("resp_", MADE),
        ("chatcmpl-0123456789abcdef", MADE),
        ("", MADE),
        (None, MADE),
        (7, MADE),
    ],
)
def test_an_id_that_a_host_may_repeat_becomes_punas_own_whole_and_streamed(
    given: Any, expected: str | None
) -> None:
    whole = {"id": given, "status": "completed", "output": []}
    read = DIALECT.read_reply(HTTPReply(200, {}, json.dumps(whole).encode()), context())
    assert read.id == (expected or given)
    reader = DIALECT.stream_reader(context())
    for kind in ("response.created", "response.completed"):
        event = {"type": kind, "response": {**whole, "status": kind.removeprefix("response.")}}
        (told,) = reader.feed(f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode())
        assert told.response is not None
        assert told.response.id == (expected or given)


def said(response: Response) -> list[dict[str, Any]]:
    return [item.to_dict() for item in response.output]


def error_in(reply: HTTPReply, asked: ReadContext[ResponsesRequest]) -> APIError:
    if not reply.is_success:
        return DIALECT.read_error(reply, asked)
    with pytest.raises(APIError) as raised:
        DIALECT.read_reply(reply, asked)
    return raised.value


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_a_whole_response_is_read_as_it_came(path: Path) -> None:
    fixture = load(path)
    expects, asked = fixture["expects"], context(store=False, metadata={"k": "v"})
    reply = HTTPReply(fixture["status"], fixture["headers"], json.dumps(fixture["body"]).encode())
    if "error" in expects:
        check_error(error_in(reply, asked), expects)
        return
    response = DIALECT.read_reply(reply, asked)
    body = fixture["body"]
    assert response.output_text == expects["text"]
    assert [item.type for item in response.output] == expects["kinds"]
    assert said(response) == body["output"]
    own = {"id", "model", "store", "metadata", "previous_response_id", "created_at"}
    assert {k: v for k, v in response.to_dict().items() if k not in own} == {
        k: v for k, v in filled(body).items() if k not in own
    }
    assert response.id == (MADE if expects.get("id") == "made" else body["id"])
    assert (response.model, response["metadata"], response["store"]) == ("gpt", {"k": "v"}, False)
    usage = DIALECT.read_usage(response)
    if "tokens" in expects:
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        cached = usage.prompt_tokens_details.cached_tokens
        assert [usage.prompt_tokens, cached, usage.completion_tokens] == expects["tokens"]
    else:
        assert usage is None


def test_these_rows_are_asked_natively_and_there() -> None:
    where: dict[str, str] = {}
    for name, row in PROVIDERS.items():
        if row.quirks.has_responses:
            target = resolve_target(row, "m", {}, api_key=Secret(KEY))
            request = make_responses_request("gpt", {"input": "hi"})
            where[name] = DIALECT.build_request(request, target, Timeouts()).http.url
    assert where == {
        "groq": "https://api.groq.com/openai/v1/responses",
        "hosted_vllm": "http://localhost:8000/v1/responses",
        "lm_studio": "http://localhost:1234/v1/responses",
        "meta": "https://api.meta.ai/v1/responses",
        "openai": "https://api.openai.com/v1/responses",
        "openrouter": "https://openrouter.ai/api/v1/responses",
        "xai": "https://api.x.ai/v1/responses",
    }

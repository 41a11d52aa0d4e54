"""The prepared answer."""

from __future__ import annotations

import pytest

from puna.errors import RateLimitError
from puna.transports.canned import async_canned_transport, canned_transport
from puna.wire.http import HTTPRequest

REQUEST = HTTPRequest("POST", "http://replay.test/x", {"authorization": "Bearer sk-canary"})


@pytest.mark.case(27)
@pytest.mark.anyio
async def test_a_prepared_answer_is_a_body_a_stream_or_an_exception() -> None:
    whole = canned_transport("hello").open(REQUEST)
    assert b'"content": "hello"' in whole.read()
    stream_request = HTTPRequest("POST", "http://replay.test", {}, is_stream=True)
    streamed = await async_canned_transport("hello").open(stream_request)
    body = await streamed.read()
    assert body.count(b"data: ") == 5
    assert body.endswith(b"data: [DONE]\n\n")
    with pytest.raises(RateLimitError):
        canned_transport(RateLimitError("slow")).open(REQUEST)

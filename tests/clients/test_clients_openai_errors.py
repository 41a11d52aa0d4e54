"""What the `openai` package raises when a host, or its caller, is at fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.support.provider_suite import FIXTURES, load
from tests.support.replayed import KEY, LISTED, ROWS
from tests.support.server import Served
from tests.support.upstream import Reply, Upstream, text_chunks

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

MODEL = f"{ROWS[0]}/{LISTED}"
HI: Any = [{"role": "user", "content": "hi"}]
ONCE = {"num_retries": 0}


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=served.url, max_retries=0) as made:
        yield made


@pytest.mark.case(151)
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(
    ("fixture", "kind"),
    [
        ("error_401", openai.AuthenticationError),
        ("error_403", openai.PermissionDeniedError),
        ("error_404_html", openai.NotFoundError),
        ("error_429", openai.RateLimitError),
        ("error_context_overflow", openai.APIStatusError),  # by its code: hosts differ in status
    ],
)
def test_a_hosts_own_error_is_the_matching_class(
    client: openai.OpenAI, row: str, fixture: str, kind: type[openai.APIStatusError]
) -> None:
    for ask in (
        lambda: client.chat.completions.create(
            model=f"{row}/{fixture}", messages=HI, extra_body=ONCE
        ),
        lambda: client.responses.create(model=f"{row}/{fixture}", input="hi", extra_body=ONCE),
    ):
        with pytest.raises(kind) as caught:
            ask()
        assert isinstance(caught.value.code, str)
        is_overflow = caught.value.code == "context_length_exceeded"
        assert is_overflow == (fixture == "error_context_overflow")
        for words in load(FIXTURES / row / f"{fixture}.json")["expects"]["says"]:
            assert words in caught.value.message


@pytest.mark.case(151)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_status_is_the_matching_class(
    client: openai.OpenAI, hosts: Upstream, status: int, kind: type[openai.APIStatusError]
) -> None:
    hosts.plays(Reply.error(status, "the detail"))
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=MODEL, messages=HI, extra_body=ONCE)
    assert caught.value.status_code == status
    assert "the detail" in caught.value.message
    assert isinstance(caught.value.code, str)


@pytest.mark.case(152)
def test_a_wrong_gateway_key_and_a_wrong_upstream_key_differ(
    served: Served, client: openai.OpenAI, hosts: Upstream
) -> None:
    with (
        openai.OpenAI(api_key="wrong", base_url=served.url, max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as ours,
    ):
        stranger.models.list()
    hosts.plays(Reply.error(401))
    with pytest.raises(openai.AuthenticationError) as theirs:
        client.chat.completions.create(model=MODEL, messages=HI)
    assert ours.value.code == "invalid_api_key"
    assert theirs.value.code == "upstream_invalid_api_key"


@pytest.mark.case(131)
def test_a_wrong_field_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=HI, max_tokens=-1)
    assert caught.value.param == "max_tokens"


@pytest.mark.case(154)
def test_a_stream_that_breaks_raises_after_what_came(
    client: openai.OpenAI, hosts: Upstream
) -> None:
    hosts.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    texts: list[str] = []
    stream = client.chat.completions.create(model=MODEL, messages=HI, stream=True)
    with pytest.raises(openai.APIError) as caught:
        texts.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(texts) == "Hello"
    assert caught.value.code == "stream_interrupted"


@pytest.mark.case(102)
def test_a_streamed_response_that_breaks_ends_as_failed(
    client: openai.OpenAI, hosts: Upstream
) -> None:
    hosts.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    last = list(client.responses.create(model=MODEL, input="hi", stream=True))[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert "ended" in last.response.error.message or "broke" in last.response.error.message

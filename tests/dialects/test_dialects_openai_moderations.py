"""Verdicts of a host: one for each input, or an error, for a missing one would pass as harmless."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.contexts import NOW, target_for

from puna.dialects.base import ReadContext
from puna.dialects.openai_moderations import OpenAIModerations
from puna.errors import APIError, MalformedReplyError
from puna.types.moderations import ModerationRequest, make_moderation_request
from puna.wire.http import HTTPReply, Timeouts

DIALECT = OpenAIModerations()
SAFE = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.1}}


def context(given: Any) -> ReadContext[ModerationRequest]:
    request = make_moderation_request("public", given, {})
    return ReadContext(target_for(), "public", "modr-made", NOW, request)


def read(body: Any, given: Any = "hi") -> Any:
    return DIALECT.read_reply(HTTPReply(200, {}, json.dumps(body).encode()), context(given))


def test_only_what_the_caller_gave_is_sent_under_the_hosts_name() -> None:
    request = make_moderation_request("public", ["a", "b"], {})
    built = DIALECT.build_request(request, target_for(), Timeouts())
    assert built.http.url == "http://up.test/v1/moderations"
    assert json.loads(built.http.body) == {"model": "m", "input": ["a", "b"]}


@pytest.mark.parametrize(
    ("given", "count"),
    [("hi", 1), (["a", "b"], 2), ([{"type": "text", "text": "a"}, {"type": "text"}], 1)],
)
def test_each_input_has_a_verdict(given: Any, count: int) -> None:
    response = read({"id": "modr-1", "model": "up", "results": [SAFE] * count}, given)
    assert response.model == "public"
    assert len(response.results) == count
    for wrong in (0, count + 1):
        with pytest.raises(MalformedReplyError):
            read({"id": "modr-1", "model": "up", "results": [SAFE] * wrong}, given)


@pytest.mark.parametrize(
    "body", [{}, {"results": None}, {"results": [{}]}, {"results": [{"flagged": "no"}]}]
)
def test_what_is_no_verdict_is_an_error(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedReplyError):
        read({"id": "modr-1", "model": "up", **body})


def test_an_error_inside_a_success_is_that_error() -> None:
    with pytest.raises(APIError, match="The host is full"):
        read({"error": {"message": "The host is full.", "type": "server_error"}})

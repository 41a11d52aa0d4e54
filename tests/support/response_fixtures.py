"""Fixtures of the Responses protocol, and how its dialect reads them."""

from __future__ import annotations

from typing import Any

from tests.support.contexts import NOW, target_for
from tests.support.provider_suite import FIXTURES, load

from puna.dialects.base import ReadContext
from puna.dialects.openai_responses import OpenAIResponses
from puna.errors import APIError
from puna.types.response_request import ResponsesRequest, make_responses_request

MADE = "resp_00000000000000000000000000000001"
DIALECT = OpenAIResponses()

ALL = sorted(FIXTURES.glob("*/responses/*.json"))
STREAMS = [path for path in ALL if "pieces" in load(path)]


def context(**fields: Any) -> ReadContext[ResponsesRequest]:
    request = make_responses_request("gpt", {"input": "hi", **fields})
    return ReadContext(target_for(provider="openai"), "gpt", MADE, NOW, request)


def check_error(error: APIError | None, expects: dict[str, Any]) -> None:
    assert type(error).__name__ == expects.get("error", "NoneType")
    for words in expects.get("says", ()):
        assert words in str(error)

"""Where a request of Bedrock's Converse API goes, and when it is streamed."""

from __future__ import annotations

import pytest
from tests.support.contexts import request_for, target_for
from tests.support.converse import DIALECT, TOOL, build

from puna.dialects.quirks import Quirks
from puna.wire.http import Timeouts


def test_a_stream_is_asked_for_as_an_event_stream() -> None:
    built = build(stream=True)
    assert built.http.headers["accept"] == "application/vnd.amazon.eventstream"
    assert built.http.is_stream
    assert build().http.headers["accept"] == "application/json"


def test_a_stream_with_tools_is_asked_for_whole_where_the_host_streams_none() -> None:
    quirks = Quirks(lacks_tool_streaming=True)
    whole = build(quirks, stream=True, tools=[TOOL])
    assert whole.http.url.endswith("/model/m/converse")
    assert whole.http.headers["accept"] == "application/json"
    assert not whole.http.is_stream
    assert build(quirks, stream=True).http.url.endswith("/converse-stream")


@pytest.mark.parametrize("model", ["arn:aws:bedrock:us-east-1:1:inference-profile/p", "a/b?c#d%"])
def test_a_models_name_is_one_part_of_the_path(model: str) -> None:
    target = target_for(model=model)
    built = DIALECT.build_request(request_for(), target, Timeouts())
    path = built.http.url.removeprefix("http://up.test/v1/model/")
    assert path.count("/") == 1
    assert not set(path) & set("?#:")

"""A conversation that was compacted goes on from its summary, or it is an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.responses.compaction import compaction_of, expand_compactions
from puna.errors import BadRequestError, MalformedReplyError
from puna.types.report import CallReport
from puna.types.responses import Response

REPORT = CallReport("id", prompt_tokens=9, completion_tokens=4, cached_tokens=2)


def response(text: str, **fields: Any) -> Response:
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
    base = {"id": "resp_1", "created_at": 5, "status": "completed", "model": "m"}
    return Response.model_validate({**base, "output": [message], **fields})


@given(st.text(min_size=1).map(str.strip).filter(bool))
def test_the_summary_comes_back_as_a_turn_of_the_user(text: str) -> None:
    made = compaction_of(response(text), REPORT)
    (item,) = made.to_dict()["output"]
    (turn,) = expand_compactions([item])
    assert (turn["type"], turn["role"]) == ("message", "user")
    assert turn["content"].endswith(text.encode("utf-8", "replace").decode())


def test_the_item_tells_its_cost_and_hides_its_form() -> None:
    made = compaction_of(response("Go on."), REPORT).to_dict()
    assert made["object"] == "response.compaction"
    assert made["output"][0]["id"].startswith("cmp_")
    assert "Go on." not in str(made["output"])
    assert made["usage"]["total_tokens"] == 13
    assert made["usage"]["input_tokens_details"] == {"cached_tokens": 2}


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        (response(" \n"), "empty_summary"),
        (
            response("Half", incomplete_details={"reason": "max_output_tokens"}),
            "incomplete_summary",
        ),
    ],
)
def test_a_summary_that_would_lose_something_is_an_error(given_: Response, code: str) -> None:
    with pytest.raises(MalformedReplyError) as caught:
        compaction_of(given_, REPORT)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["puna1.!!", "puna1.a", "puna1.é", "puna1._w=="])
def test_a_damaged_item_is_refused_by_its_path(text: str) -> None:
    items = [{"type": "message"}, {"type": "compaction", "encrypted_content": text}]
    with pytest.raises(BadRequestError) as caught:
        expand_compactions(items)
    assert caught.value.param == "input[1].encrypted_content"


def test_items_of_another_service_stay() -> None:
    items = [{"type": "compaction", "encrypted_content": "gAAAAA"}, {"type": "compaction"}]
    assert expand_compactions(items) == tuple(items)

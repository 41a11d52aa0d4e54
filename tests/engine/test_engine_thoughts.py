"""`<think>` in the text of an answer becomes thoughts where somebody wants them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.client.test_client_rescue import joined, letters, streamed, whole
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, OFFLINE, Face
from tests.support.rescue import tools_named

CALL = '{"name": "get_time", "parameters": {}}'
TEXTS = [
    "<think>2 and 2</think>4",
    "\n<think>\n2 and 2\n</think>\n\n4",
    "<think>never closed",
    "<think>a</think>",
    "4 <think>no</think>",
    f"<think>{CALL}</think>Later.",
    f"<think>Hm.</think>{CALL}",
    "<thi",
]


def said(answer: Any) -> tuple[str, str, int]:
    message = answer.choices[0].message
    thought = (message.model_extra or {}).get("reasoning_content") or ""
    return thought, message.content or "", len(message.tool_calls or ())


@BOTH
@pytest.mark.parametrize("text", TEXTS)
def test_a_stream_thinks_what_the_whole_answer_thinks(face: Face, text: str) -> None:
    wish: dict[str, Any] = {"read_think_tags": True, "tools": tools_named("get_time")}
    stream = face.stream(OFFLINE, play=streamed(*letters(text)), clock=FakeClock(), **wish)
    answer = face.ask(OFFLINE, play=whole(text), clock=FakeClock(), **wish)
    assert said(joined(stream)) == said(answer)


@BOTH
def test_what_a_model_only_thinks_of_is_not_called(face: Face) -> None:
    wish: dict[str, Any] = {"read_think_tags": True, "tools": tools_named("get_time")}
    assert said(face.ask(OFFLINE, play=whole(TEXTS[5]), **wish)) == (CALL, "Later.", 0)
    assert said(face.ask(OFFLINE, play=whole(TEXTS[6]), **wish)) == ("Hm.", "", 1)


@BOTH
def test_in_chat_the_text_stays_unless_the_switch_says_otherwise(face: Face) -> None:
    assert said(face.ask(OFFLINE, play=whole(TEXTS[0]))) == ("", TEXTS[0], 0)
    stream = face.stream(OFFLINE, play=streamed(*letters(TEXTS[0])))
    assert said(joined(stream)) == ("", TEXTS[0], 0)


@BOTH
def test_the_text_of_a_host_that_tells_thoughts_stays(face: Face) -> None:
    answer = face.ask(
        OFFLINE, play=whole("<think>x</think>4", reasoning_content="hm"), read_think_tags=True
    )
    assert said(answer) == ("hm", "<think>x</think>4", 0)
    deltas = [{"reasoning_content": "hm"}, {"content": "<think>x</think>4"}]
    stream = face.stream(OFFLINE, play=streamed(*deltas), read_think_tags=True)
    assert said(joined(stream)) == ("hm", "<think>x</think>4", 0)


@BOTH
def test_a_broken_stream_gives_what_was_held_back(face: Face) -> None:
    stream = face.stream(
        OFFLINE,
        play=streamed({"content": "<think>a</th"}, finish=None, ends=False),
        read_think_tags=True,
    )
    assert stream.error is not None
    text = "".join(json.dumps(c.choices[0].delta.model_dump()) for c in stream.chunks)
    assert "a</th" in text or ('"a"' in text and '"</th"' in text)

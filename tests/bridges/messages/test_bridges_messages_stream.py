from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.messages.reply import message_of, parse_arguments, stop_fields, usage_of
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.messages.stream import MessageStream
from puna.types.chat import ChatCompletionChunk
from puna.types.common import Usage
from puna.wire.fold import fold

DIRECT = {"caller": {"type": "direct"}}
ASKED = MessagesRequest([], stop_sequences=("END",), tool_names={"short": "the-long-name"})
USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


def chunk(delta: dict[str, Any] | None = None, **choice: Any) -> ChatCompletionChunk:
    choices = [] if delta is None else [{"index": 0, "delta": delta, **choice}]
    usage = {"usage": USAGE} if delta is None else {}
    return ChatCompletionChunk.model_validate(
        {"id": "chatcmpl-7", "created": 17, "model": "m", "choices": choices, **usage}
    )


def head(index: int, name: str = "f", arguments: str = "") -> ChatCompletionChunk:
    function = {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, "id": f"call_{index}", "function": function}]})


def piece(index: int, arguments: str) -> ChatCompletionChunk:
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})


END = chunk({}, finish_reason="stop")


def events_of(*chunks: ChatCompletionChunk, usage: Usage | None = None) -> list[dict[str, Any]]:
    stream = MessageStream(ASKED)
    events = [event for one in chunks for event in stream.add(one)]
    return events + stream.finish(usage)


def folded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client puts together, which checks the order of the events."""
    assert [event["type"] for event in events[:2]] == ["message_start", "ping"]
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    message: dict[str, Any] = {**events[0]["message"], "content": []}
    pieces: list[str] = []
    is_open = False
    for event in events[2:-2]:
        content = message["content"]
        if event["type"] == "content_block_start":
            assert not is_open
            assert event["index"] == len(content)
            content.append(dict(event["content_block"]))
            is_open, pieces = True, []
            continue
        assert is_open
        assert event["index"] == len(content) - 1
        if event["type"] == "content_block_stop":
            is_open = False
            if content[-1]["type"] == "tool_use":
                content[-1]["input"] = parse_arguments("".join(pieces))
            continue
        delta = event["delta"]
        if delta["type"] == "input_json_delta":
            pieces.append(delta["partial_json"])
        else:
            name = delta["type"].removesuffix("_delta")
            content[-1][name] += delta[name]
    assert not is_open
    return {**message, **events[-2]["delta"], "usage": events[-2]["usage"]}


@pytest.mark.case(125)
def test_a_text_comes_as_one_block() -> None:
    events = events_of(chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}),
                       chunk({"content": "lo"}), END, chunk())  # fmt: skip
    assert [event["type"] for event in events] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"] == {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": usage_of(None),
    }
    assert events[3]["delta"] == {"type": "text_delta", "text": "Hel"}
    assert events[-2]["delta"] == stop_fields("end_turn")
    assert events[-2]["usage"]["output_tokens"] == 4


def test_text_ends_before_a_tool_begins_whose_arguments_come_as_they_are_written() -> None:
    events = events_of(
        chunk({"content": "Looking."}), head(0, "short"), piece(0, '{"a"'), piece(0, ": 1}"), END
    )
    kinds = [(event["type"], event.get("index")) for event in events[2:-2]]
    assert kinds == [
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
    ]
    assert events[5]["content_block"] == {
        "type": "tool_use",
        "id": "call_0",
        "name": "the-long-name",
        **DIRECT,
        "input": {},
    }
    assert events[6]["delta"] == {"type": "input_json_delta", "partial_json": '{"a"'}


def test_calls_that_interleave_come_one_after_the_other() -> None:
    events = events_of(
        head(0), head(1), piece(1, '{"b"'), piece(0, '{"a"'), piece(1, ":2}"), piece(0, ":1}"), END
    )
    first, second = folded(events)["content"]
    assert (first["input"], second["input"]) == ({"a": 1}, {"b": 2})


def test_a_call_begins_when_its_name_is_known() -> None:
    late = {"index": 0, "function": {"name": "f", "arguments": "1}"}}
    early = {"index": 0, "function": {"arguments": '{"a":'}}
    pieces = ({"index": 0, "id": "c"}, early, late)
    events = events_of(*(chunk({"tool_calls": [one]}) for one in pieces), END)
    assert folded(events)["content"] == [
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}, **DIRECT}
    ]


@pytest.mark.parametrize(
    ("pieces", "sent"),
    [
        ([], ["{}"]),
        (["", " "], ["{}"]),
        (["nu", "ll"], ["{}"]),
        ([" ", "[1", "]"], ['{"INVALID_JSON": " [1]"}']),
        ([" ", '{"a"', ":1}"], [' {"a"', ":1}"]),
        (['{"a'], ['{"a']),
    ],
)
def test_nothing_goes_out_before_an_object_has_begun(pieces: list[str], sent: list[str]) -> None:
    events = events_of(head(0), *(piece(0, text) for text in pieces), END)
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert [delta["partial_json"] for delta in deltas] == sent


SIGNED = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "eHg="}


def test_an_opaque_block_ends_the_thoughts_that_came_before_it() -> None:
    events = events_of(
        chunk({"reasoning_content": "h"}),
        chunk({"reasoning_content": "m"}),
        chunk({"thinking_blocks": [SIGNED]}),
        chunk({"thinking_blocks": [HIDDEN]}),
        chunk({"reasoning_content": "more"}),
        END,
    )
    assert folded(events)["content"] == [
        SIGNED,
        HIDDEN,
        {"type": "thinking", "thinking": "more", "signature": ""},
    ]


def test_an_opaque_block_amid_calls_waits_for_the_end_where_no_order_is_told() -> None:
    events = events_of(
        head(0),
        chunk({"reasoning_content": "hm"}),
        chunk({"thinking_blocks": [SIGNED]}),
        piece(0, "{}"),
        END,
    )
    call, thought = folded(events)["content"]
    assert (call["type"], call["input"], thought) == ("tool_use", {}, SIGNED)


def test_nothing_waits_where_the_order_of_blocks_is_told() -> None:
    stream = MessageStream(ASKED)
    order = {"block_order": ["tool_use", "text"]}
    stream.add(head(0, arguments='{"a":1}'))
    events = stream.add(chunk({"content": "then", **order}))
    assert [event["type"] for event in events] == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


def test_usage_may_be_told_at_the_end() -> None:
    usage = Usage(prompt_tokens=5, completion_tokens=2, total_tokens=7)
    events = events_of(chunk({"content": "x"}), END, usage=usage)
    assert events[-2]["usage"]["input_tokens"] == 5


def test_other_choices_are_not_bridged() -> None:
    other = ChatCompletionChunk.model_validate(
        {**chunk({}).to_dict(), "choices": [{"index": 1, "delta": {"content": "y"}}]}
    )
    assert folded(events_of(chunk({"content": "x"}), other, END))["content"] == [
        {"type": "text", "text": "x", "citations": None}
    ]


def test_a_stream_without_chunks_has_no_events() -> None:
    assert events_of() == []


# The laws


TEXTS = st.text(min_size=1, max_size=6)
OBJECTS = st.dictionaries(TEXTS, st.integers(-9, 9) | TEXTS, max_size=3)
ARGUMENTS = (
    OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False))
    | st.sampled_from(["", "null", "[1]", '{"a": ', "{} x", " {}", "\n", "nonsense"])
)  # fmt: skip
REASONING = st.sampled_from(["reasoning_content", "reasoning"])
ENDS = st.fixed_dictionaries(
    {"finish_reason": st.sampled_from(["stop", "length", "tool_calls", "content_filter"])},
    optional={"stop_reason": st.sampled_from(["END", "other", None, 7])},
)


@st.composite
def calls(draw: st.DrawFn) -> list[ChatCompletionChunk]:
    """The pieces of a few calls, interleaved; each has its head first, the first call leads."""
    queues: list[list[ChatCompletionChunk]] = []
    for index in range(draw(st.integers(0, 3))):
        text = draw(ARGUMENTS)
        size = draw(st.integers(1, 4))
        cut = [text[at : at + size] for at in range(0, len(text), size)]
        name = draw(st.sampled_from(["f", "short"]))
        queues.append([head(index, name), *(piece(index, part) for part in cut)])
    if not queues:
        return []
    mixed = [queues[0].pop(0)]
    while any(queues):
        mixed.append(draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    return mixed


@st.composite
def streams(draw: st.DrawFn, *, is_shuffled: bool = False) -> list[ChatCompletionChunk]:
    field = draw(REASONING)
    said = [
        *(chunk({field: text}) for text in draw(st.lists(TEXTS, max_size=3))),
        *(chunk({"content": text}) for text in draw(st.lists(TEXTS, max_size=3))),
        *(chunk({"refusal": text}) for text in draw(st.lists(TEXTS, max_size=1))),
    ]
    called = draw(calls())
    if is_shuffled:
        said = draw(st.permutations(said))
        at = sorted(draw(st.integers(0, len(said))) for _ in called)
        body = list(said)
        for offset, (place, one) in enumerate(zip(at, called, strict=True)):
            body.insert(place + offset, one)
    else:
        body = [*said, *called]
    first = chunk({"role": "assistant", "content": ""})
    return [first, *body, chunk({}, **draw(ENDS)), chunk()]


@given(streams())
def test_folding_the_events_gives_the_bridge_of_the_folded_chunks(
    chunks: list[ChatCompletionChunk],
) -> None:
    assert folded(events_of(*chunks)) == message_of(ASKED, fold(chunks))


@given(streams(is_shuffled=True))
def test_in_any_order_of_chunks_blocks_never_overlap_and_say_the_same(
    chunks: list[ChatCompletionChunk],
) -> None:
    assert joined(folded(events_of(*chunks))) == joined(message_of(ASKED, fold(chunks)))


def joined(message: dict[str, Any]) -> dict[str, Any]:
    """A message with its texts sorted by letters: the order of late texts is not kept."""
    content = message["content"]
    spoken = "".join(block["text"] for block in content if block["type"] == "text")
    thought = "".join(block["thinking"] for block in content if block["type"] == "thinking")
    used = [block for block in content if block["type"] == "tool_use"]
    return {**message, "content": (sorted(spoken), thought, used)}

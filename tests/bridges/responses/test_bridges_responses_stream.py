"""Answers as responses, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.responses.reply import response_of
from puna.bridges.responses.request import BridgedRequest, bridge_request
from puna.bridges.responses.stream import ResponseStream
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.response_request import make_responses_request
from puna.types.responses import Response, ResponseEvent
from puna.wire.fold import fold, unfold

CUSTOM = {"type": "custom", "name": "apply_patch"}
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 1},
}


def request(**fields: Any) -> BridgedRequest:
    given = {"input": "hi", "tools": [CUSTOM], **fields}
    return bridge_request(make_responses_request("m", given))


def answer(finish_reason: str = "stop", **message: Any) -> ChatCompletion:
    return ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "created": 5,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": USAGE,
        }
    )


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def ended() -> float:
    return 12.9


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return ChatCompletionChunk.model_validate(
        {"id": "chatcmpl-1", "created": 5, "model": "m", "choices": [choice]}
    )


def piece(index: int, arguments: str, **head: Any) -> ChatCompletionChunk:
    name = head.pop("name", None)
    function = {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, **head, "function": function}]})


def streamed(
    chunks: list[ChatCompletionChunk], asked: BridgedRequest | None = None
) -> list[ResponseEvent]:
    stream = ResponseStream(asked or request(), "resp_7", 9, ended)
    events = [event for one in chunks for event in stream.change(one)]
    return events + stream.finish()


def check_order(events: list[ResponseEvent]) -> None:
    """Every promise of a stream: numbers, ids, one item after the other, deltas that add up."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    ended = events[-1].response
    assert ended is not None
    assert {e.response.id for e in events if e.response is not None} == {ended.id}
    opened: list[int] = []
    texts: dict[str, str] = {}
    for event in events[2:-1]:
        assert event.output_index is not None
        if event.type == "response.output_item.added":
            assert event.output_index == len(opened), "items are opened in order"
            opened.append(event.output_index)
        assert event.output_index == opened[-1], "an item is closed before the next is opened"
        if event.type.endswith(".delta"):
            assert event.item_id is not None
            texts[event.item_id] = texts.get(event.item_id, "") + (event.delta or "")
        if event.type == "response.output_item.done":
            assert event.item is not None
            assert event.item == ended.output[event.output_index]
            said = event.item.to_dict()
            told = said.get("arguments", said.get("input"))
            if told is None:
                told = "".join(p.get("text", p.get("refusal")) for p in said["content"])
            assert texts.get(said["id"], "") == told


@pytest.mark.case(98, 99)
def test_a_text_comes_in_openais_order_of_events() -> None:
    events = streamed([chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"})])
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    check_order(events)


@pytest.mark.case(93)
def test_a_text_is_a_complete_response() -> None:
    response = response_of(request(), "resp_7", 9, answer(content="Hello"), completed_at=12)
    assert (response.id, response.object, response.status) == ("resp_7", "response", "completed")
    assert (response.output_text, response.created_at, response.model) == ("Hello", 9, "m")
    assert response.usage is not None
    assert response.usage.to_dict() == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 5,
    }


@pytest.mark.case(96)
def test_calls_of_functions_and_of_free_form_tools_are_items() -> None:
    calls = [call("c1", "f", '{"a":1}'), call("c2", "apply_patch", '{"input":"*** x\\n"}')]
    response = response_of(
        request(), "resp_7", 9, answer("tool_calls", tool_calls=calls), completed_at=12
    )
    assert response.status == "completed"
    assert [item.to_dict() for item in response.output] == [
        {
            "id": "fc_7_0",
            "status": "completed",
            "call_id": "c1",
            "name": "f",
            "type": "function_call",
            "arguments": '{"a":1}',
        },
        {
            "id": "ctc_7_1",
            "status": "completed",
            "call_id": "c2",
            "name": "apply_patch",
            "type": "custom_tool_call",
            "input": "*** x\n",
        },
    ]


@pytest.mark.parametrize("arguments", ["plain text", "7", '{"other":"x"}', '{"input":3}', ""])
def test_a_free_form_call_that_keeps_to_no_form_gives_its_own_text(arguments: str) -> None:
    calls = [call("c", "apply_patch", arguments)]
    (item,) = response_of(request(), "resp_7", 9, answer(tool_calls=calls), completed_at=12).output
    assert item["input"] == arguments


@pytest.mark.parametrize(
    ("told", "asked", "expected"),
    [
        ("priority", None, "priority"),
        ("default", "auto", "default"),
        (None, None, "default"),
        (None, "flex", "default"),  # it is not sent over chat
        ("", None, "default"),
        (7, None, "default"),
    ],
)
def test_the_tier_is_the_one_in_which_the_host_says_that_it_answered(
    told: Any, asked: str | None, expected: str
) -> None:
    given = request(**({"service_tier": asked} if asked else {}))
    whole = answer(content="Hi").model_copy(update={"service_tier": told})
    made = response_of(given, "resp_7", 9, whole, completed_at=12)
    assert made.to_dict()["service_tier"] == expected
    chunks = [chunk({"content": "Hi"}), chunk({}, "stop")]
    said = [chunks[0].model_copy(update={"service_tier": told}), chunks[1]]
    last = streamed(said, given)[-1].response
    assert last is not None
    assert last.to_dict()["service_tier"] == expected


@pytest.mark.case(97)
@pytest.mark.parametrize(
    ("finish_reason", "why"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_an_answer_that_was_cut_is_incomplete(finish_reason: str, why: str) -> None:
    cut = answer(finish_reason, content="Hel")
    response = response_of(request(), "resp_7", 9, cut, completed_at=12)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == why
    assert response.output[-1].status == "incomplete"
    events = streamed(list(unfold(cut, wants_usage=True)))
    assert events[-1].type == "response.incomplete"
    assert events[-1].response == response


@pytest.mark.case(100)
def test_the_first_events_repeat_the_request() -> None:
    asked = request(instructions="I", temperature=0.5, store=False, tool_choice="auto")
    events = streamed([chunk({"content": "x"})], asked)
    for event in (*events[:2], events[-1]):
        response = event.response
        assert response is not None
        assert response["instructions"] == "I"
        assert (response["temperature"], response["store"]) == (0.5, False)
        assert (response["tools"], response["tool_choice"]) == ([CUSTOM], "auto")
        assert (response.id, response.model) == ("resp_7", "m")
    assert events[0].response is not None
    assert (events[0].response.status, events[0].response.output) == ("in_progress", [])


@pytest.mark.case(101)
def test_a_text_and_then_a_call_are_items_0_and_1_closed_in_order() -> None:
    events = streamed(
        [
            chunk({"role": "assistant", "content": "Looking."}),
            piece(0, "", id="c1", name="f"),
            piece(0, '{"a"'),
            piece(0, ":1}"),
        ]
    )
    check_order(events)
    told = [(e.type.removeprefix("response."), e.output_index) for e in events[2:-1]]
    assert told[5:] == [
        ("output_item.done", 0),
        ("output_item.added", 1),
        ("function_call_arguments.delta", 1),
        ("function_call_arguments.delta", 1),
        ("function_call_arguments.done", 1),
        ("output_item.done", 1),
    ]


def test_mixed_pieces_of_two_calls_come_as_one_call_after_the_other() -> None:
    events = streamed(
        [
            piece(0, '{"a"', id="c1", name="f"),
            piece(1, '{"b"', id="c2", name="g"),
            piece(0, ":1}"),
            piece(1, ":2}"),
        ]
    )
    check_order(events)
    assert events[-1].response is not None
    assert [i["arguments"] for i in events[-1].response.output] == ['{"a":1}', '{"b":2}']


def test_a_call_of_a_tool_in_a_namespace_is_told_by_both_names() -> None:
    inner = [{"type": "function", "name": "find"}, {"type": "custom", "name": "edit"}]
    asked = request(tools=[{"type": "namespace", "name": "crm", "tools": inner}])
    stream = ResponseStream(asked, "resp_7", 9, ended)
    events = stream.change(piece(0, "{}", id="c1", name="crm__find"))
    events += stream.change(piece(1, '{"input":"x"}', id="c2", name="crm__edit"))
    events += stream.finish()
    check_order(events)
    assert {e["name"] for e in events if e.type == "response.function_call_arguments.done"} == {
        "find"
    }
    assert stream.response is not None
    found, edited = stream.response.output
    assert (found["name"], found["namespace"], found["arguments"]) == ("find", "crm", "{}")
    assert (edited["name"], edited["namespace"], edited["input"]) == ("edit", "crm", "x")


def test_a_free_form_call_is_told_in_one_piece() -> None:
    events = streamed([piece(0, '{"inp', id="c1", name="apply_patch"), piece(0, 'ut":"*** x"}')])
    check_order(events)
    assert [event.type.removeprefix("response.") for event in events[2:-1]] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]


@pytest.mark.case(102)
def test_a_stream_that_breaks_ends_with_a_failed_response() -> None:
    stream = ResponseStream(request(), "resp_7", 9, ended)
    events = stream.change(chunk({"content": "Hel"}))
    events += stream.fail("stream_interrupted", "it broke")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert (last.type, last.response) == ("response.failed", stream.response)
    assert last.response is not None
    assert last.response.error is not None
    assert (last.response.error.code, last.response.error.message) == (
        "server_error",
        "it broke",
    )
    assert last.response.output_text == "Hel"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("rate_limit_exceeded", "rate_limit_exceeded"),
        ("content_policy_violation", "invalid_prompt"),
        ("context_length_exceeded", "context_length_exceeded"),
        ("whatever a host says", "server_error"),
    ],
)
def test_a_failure_is_told_by_a_code_that_clients_know(code: str, told: str) -> None:
    response = ResponseStream(request(), "resp_7", 9, ended).fail(code, "it broke")[-1].response
    assert response is not None
    assert response.error is not None
    assert response.error.code == told


def test_an_answer_without_anything_is_an_empty_message() -> None:
    events = streamed([chunk({"role": "assistant", "content": ""}, "stop")])
    check_order(events)
    response = events[-1].response
    assert response is not None
    assert (len(response.output), response.output_text) == (1, "")
    assert (
        response.output
        == response_of(request(), "resp_7", 9, answer(content=""), completed_at=12).output
    )


def test_log_probabilities_are_told() -> None:
    told = [{"token": "x", "logprob": -0.5, "top_logprobs": []}]
    whole = answer(content="x")
    whole.choices[0].logprobs = {"content": told}
    (item,) = response_of(request(), "resp_7", 9, whole, completed_at=12).output
    assert item["content"][0]["logprobs"] == told
    events = streamed(list(unfold(whole)))
    assert events[-1].response is not None
    assert events[-1].response.output == [item]


names = st.sampled_from(["f", "apply_patch"])
arguments = st.dictionaries(st.sampled_from(["input", "a"]), st.text(max_size=5), max_size=2)


@st.composite
def answers(draw: st.DrawFn) -> ChatCompletion:
    said = draw(st.text(max_size=9))
    thought = draw(st.text(max_size=9))
    refusal = draw(st.sampled_from(["", "No."]))
    calls = [
        call(f"c{i}", name, json.dumps(given))
        for i, (name, given) in enumerate(draw(st.lists(st.tuples(names, arguments), max_size=3)))
    ]
    message: dict[str, Any] = {"content": said}
    if thought:
        message["reasoning_content"] = thought
    if refusal:
        message["refusal"] = refusal
    if calls:
        message["tool_calls"] = calls
    reason = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    return answer(reason, **message)


def cut(whole: ChatCompletion, size: int) -> list[ChatCompletionChunk]:
    """An answer in pieces, in the order in which models speak: thoughts, text, calls."""
    message, reason = whole.choices[0].message, whole.choices[0].finish_reason
    chunks = [chunk({"role": "assistant", "content": ""})]
    for name in ("reasoning_content", "content", "refusal"):
        text = message.get(name, "")
        chunks += [chunk({name: text[at : at + size]}) for at in range(0, len(text), size)]
    for index, one in enumerate(message.tool_calls or ()):
        text = one.function.arguments
        chunks.append(piece(index, "", id=one.id, name=one.function.name))
        chunks += [piece(index, text[at : at + size]) for at in range(0, len(text), size)]
    chunks.append(chunk({}, reason))
    head = {"id": whole.id, "created": whole.created, "model": whole.model}
    usage = ChatCompletionChunk.model_validate({**head, "choices": [], "usage": USAGE})
    return [*chunks, usage]


tiers = st.sampled_from([None, "default", "flex", "", 5])


@pytest.mark.case(98, 99, 101)
@given(answers(), st.integers(1, 4), st.lists(tiers, max_size=4))
def test_the_last_event_of_a_stream_equals_the_whole_answer(
    whole: ChatCompletion, size: int, told: list[Any]
) -> None:
    chunks = cut(whole, size)
    chunks[: len(told)] = [
        one.model_copy(update={"service_tier": tier})
        for one, tier in zip(chunks, told, strict=False)
    ]
    events = streamed(chunks)
    check_order(events)
    assert events[-1].response == response_of(request(), "resp_7", 9, fold(chunks), completed_at=12)


deltas = st.one_of(
    st.builds(lambda text: chunk({"content": text}), st.text(max_size=3)),
    st.builds(lambda text: chunk({"reasoning_content": text}), st.text(max_size=3)),
    st.builds(
        lambda index, text: piece(index, text, id=f"c{index}", name="f"),
        st.integers(0, 2),
        st.text(alphabet='{"a:1', max_size=3),
    ),
)


@given(st.lists(deltas, max_size=12))
def test_pieces_in_any_order_lose_nothing(chunks: list[ChatCompletionChunk]) -> None:
    head = chunk({"role": "assistant", "content": ""})
    events = streamed([head, *chunks])
    check_order(events)
    streamed_one = events[-1].response
    assert streamed_one is not None
    whole = response_of(request(), "resp_7", 9, fold([head, *chunks]), completed_at=12)
    assert streamed_one.output_text == whole.output_text
    assert calls_of(streamed_one) == calls_of(whole)


def calls_of(response: Response) -> list[tuple[str, str]]:
    return sorted(
        (item["call_id"], item["arguments"])
        for item in response.output
        if item.type == "function_call"
    )

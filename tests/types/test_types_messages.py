from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from puna.errors import BadRequestError
from puna.types.chat import Message
from puna.types.messages import as_mapping, image_parts, read_messages

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def image(value: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": value}]}


def assistant(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", **fields}


@pytest.mark.case(19, 74, 81)
@pytest.mark.parametrize(
    ("messages", "param", "said"),
    [
        ([], "messages", "is empty"),
        ((), "messages", "is empty"),
        ("hi", "messages", "must be a list"),
        (b"hi", "messages", "must be a list"),
        (None, "messages", "must be a list"),
        (USER, "messages", "must be a list"),
        (iter([USER]), "messages", "must be a list"),
        (["hi"], "messages[0]", "not a string"),
        ([USER, None], "messages[1]", "not null"),
        ([Message], "messages[0]", "must be an object"),
        ([{"content": "x"}], "messages[0].role", "not `null`"),
        ([{"role": "boss", "content": "x"}], "messages[0].role", "not `boss`"),
        ([{"role": ["user"], "content": "x"}], "messages[0].role", "not `a list`"),
        ([USER, {"role": "user"}], "messages[1].content", "is missing"),
        ([{"role": "system", "content": None}], "messages[0].content", "is missing"),
        ([assistant()], "messages[0].content", "neither `content` nor `tool_calls`"),
        ([assistant(content=None, tool_calls=[])], "messages[0].content", "neither"),
        ([assistant(annotations=[])], "messages[0].content", "neither"),
        ([assistant(tool_calls="x")], "messages[0].tool_calls", "must be a list"),
        ([assistant(thinking_blocks="x")], "messages[0].thinking_blocks", "a list of blocks"),
        ([assistant(thinking_blocks=["x"])], "messages[0].thinking_blocks", "a list of blocks"),
        ([assistant(thinking_blocks=[])], "messages[0].content", "neither"),
        ([assistant(tool_calls={"a": 1})], "messages[0].tool_calls", "must be a list"),
        ([assistant(tool_calls=["x"])], "messages[0].tool_calls[0].function", "an object"),
        (
            [assistant(tool_calls=[CALL, {"id": "c"}])],
            "messages[0].tool_calls[1].function",
            "object",
        ),
        ([{"role": "tool", "content": "4"}], "messages[0].tool_call_id", "the id of the call"),
        ([{"role": "user", "content": 7}], "messages[0].content", "not a number"),
        ([{"role": "user", "content": {"a": 1}}], "messages[0].content", "not an object"),
        ([{"role": "user", "content": ["x"]}], "messages[0].content[0]", "a part with a `type`"),
        ([{"role": "user", "content": [{"text": "x"}]}], "messages[0].content[0]", "`type`"),
        (
            [{"role": "user", "content": [{"type": "text", "text": 1}]}],
            "messages[0].content[0].text",
            "must be a string",
        ),
        ([image(None)], "messages[0].content[0].image_url", "a URL or an object"),
        ([image({"detail": "low"})], "messages[0].content[0].image_url", "a URL or an object"),
    ],
)
def test_a_wrong_message_is_named_by_its_path(messages: Any, param: str, said: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        read_messages(messages)
    assert raised.value.param == param
    assert said in str(raised.value)
    assert "{'" not in str(raised.value)


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "function"])
def test_every_role_is_known_and_an_empty_text_is_a_text(role: str) -> None:
    assert read_messages([{"role": role, "content": ""}]) == [{"role": role, "content": ""}]


@pytest.mark.case(81)
def test_images_come_as_a_text_an_object_or_a_data_url() -> None:
    detailed = {"url": "https://x/y.png", "detail": "low"}
    data = "data:image/png;base64,AAAA"
    read = read_messages([image("https://x/y.png"), image(detailed), image(data)])
    urls = [message["content"][0]["image_url"] for message in read]
    assert urls == [{"url": "https://x/y.png"}, detailed, {"url": data}]
    assert list(image_parts(read)) == [f"messages[{i}].content[0]" for i in range(3)]
    assert (
        list(image_parts([USER, {"role": "user", "content": [{"type": "text", "text": ""}]}])) == []
    )


def test_parts_of_other_kinds_pass() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "x"}, "cache_control": {"type": "e"}}
    assert read_messages([{"role": "user", "content": (part,)}])[0]["content"] == [part]


@pytest.mark.case(74)
def test_tool_calls_keep_their_standard_fields_and_lose_nulls() -> None:
    given = {
        "index": 0,
        "id": "c1",
        "extra": 1,
        "function": {"name": "f", "arguments": "", "x": None},
    }
    (read,) = read_messages([assistant(content=None, tool_calls=[given], refusal=None)])
    assert read == assistant(
        tool_calls=[{"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]
    )
    (only_text,) = read_messages([assistant(content="x", tool_calls=[], annotations=[1])])
    assert only_text == assistant(content="x")


@pytest.mark.parametrize("field", ["refusal", "function_call", "audio"])
def test_an_assistant_may_say_other_things_than_content(field: str) -> None:
    assert read_messages([assistant(**{field: {"id": "x"}})]) == [assistant(**{field: {"id": "x"}})]


class Part(BaseModel):
    type: str = "text"
    text: str


class Said(BaseModel):
    role: str
    content: list[Part]


def test_pydantic_objects_are_read_like_dicts() -> None:
    read = read_messages([Said(role="user", content=[Part(text="a")]), Message(content="b")])
    assert read == [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": "b"},
    ]
    assert as_mapping(7) is None
    assert as_mapping(Said) is None


@pytest.mark.case(35)
def test_what_the_caller_gave_is_not_changed() -> None:
    given = [
        assistant(content=None, tool_calls=[{"id": "c", "function": {"name": "f"}}]),
        image("u"),
    ]
    before = copy.deepcopy(given)
    read = read_messages(given)
    assert given == before
    read[1]["content"][0]["image_url"]["url"] = "changed"
    read[0]["tool_calls"][0]["function"]["name"] = "changed"
    assert given == before


@pytest.mark.case(22)
def test_10_000_messages_are_read_in_linear_time() -> None:
    def seconds(count: int) -> float:
        given = [USER] * count
        began_at = time.process_time()
        assert len(read_messages(given)) == count
        return time.process_time() - began_at

    seconds(100)
    assert seconds(10_000) < 100 * seconds(1_000) + 0.5


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "tool_calls", "function", "id", "type", "text", "image_url"]
            ),
            inner | st.sampled_from(["user", "assistant", "tool", "text", "image_url"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANYTHING | st.lists(ANYTHING, max_size=3))
@pytest.mark.case(19)
def test_anything_is_read_or_refused(messages: Any) -> None:
    try:
        read = read_messages(messages)
    except BadRequestError as error:
        refusal = error
    else:
        assert all(isinstance(message["role"], str) for message in read)
        list(image_parts(read))
        return
    assert str(refusal.param).startswith("messages")

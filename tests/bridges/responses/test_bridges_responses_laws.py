"""What holds for every conversation: chat as items of this API is the same chat again."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.omissions import Omissions
from puna.bridges.responses.items import messages_of
from puna.bridges.responses.reply import response_of
from puna.bridges.responses.request import BridgedRequest, bridge_request
from puna.types.chat import ChatCompletion
from puna.types.response_request import make_responses_request

texts = st.text(min_size=1, max_size=8)
names = st.sampled_from(["f", "g_1"])
images = st.builds(
    lambda url, detail: {
        "type": "image_url",
        "image_url": {"url": url, **({"detail": detail} if detail else {})},
    },
    st.sampled_from(["https://example.com/a.png", "data:image/png;base64,AA"]),
    st.sampled_from([None, "low", "high"]),
)
text_parts = st.builds(lambda text: {"type": "text", "text": text}, texts)
many_parts = st.lists(st.one_of(text_parts, images), min_size=2, max_size=4)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Messages of chat, where every call is answered."""
    messages: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            messages.append({"role": "system", "content": draw(texts)})
        content = draw(st.one_of(texts, images.map(lambda image: [image]), many_parts))
        messages.append({"role": "user", "content": content})
        text = draw(st.one_of(st.none(), texts))
        calls = [
            {
                "id": f"c{turn}_{i}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for i, (name, arguments) in enumerate(
                draw(st.lists(st.tuples(names, st.text(max_size=6)), max_size=3))
            )
        ]
        if text is None and not calls:
            text = "."
        said: dict[str, Any] = {"role": "assistant", "content": text}
        messages.append({**said, "tool_calls": calls} if calls else said)
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": draw(texts)} for call in calls
        ]
    return messages


def items_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A chat in the words of the Responses API, as its documentation maps one to the other."""
    items: list[dict[str, Any]] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == "tool":
            items.append(
                {
                    "type": "function_call_output",
                    "call_id": message["tool_call_id"],
                    "output": content,
                }
            )
            continue
        if content is not None:
            items.append({"role": role, "content": parts_of(role, content)})
        items += [
            {"type": "function_call", "call_id": call["id"], **call["function"]}
            for call in message.get("tool_calls", ())
        ]
    return items


def parts_of(role: str, content: Any) -> Any:
    if role == "assistant":
        return [{"type": "output_text", "text": content, "annotations": []}]
    return content if isinstance(content, str) else [part_of(part) for part in content]


def part_of(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "input_text", "text": part["text"]}
    image = dict(part["image_url"])
    return {"type": "input_image", "image_url": image.pop("url"), **image}


def bridged(items: list[dict[str, Any]]) -> BridgedRequest:
    return bridge_request(make_responses_request("m", {"input": items}))


@given(conversations())
def test_a_chat_said_in_items_is_the_same_chat(messages: list[dict[str, Any]]) -> None:
    request = bridged(items_of(messages))
    assert list(request.messages) == messages
    assert request.left_out == ()


thoughts = st.builds(lambda text: {"type": "reasoning", "id": "rs", "summary": [text]}, texts)
records = st.sampled_from(["web_search_call", "mcp_call"]).map(lambda kind: {"type": kind})


@given(conversations(), st.lists(st.one_of(thoughts, records), min_size=1, max_size=3), st.data())
def test_what_chat_has_no_place_for_is_told_and_changes_nothing_else(
    messages: list[dict[str, Any]], others: list[dict[str, Any]], data: st.DataObject
) -> None:
    items = items_of(messages)
    for other in others:
        items.insert(data.draw(st.integers(0, len(items))), other)
    request = bridged(items)
    assert list(request.messages) == messages
    assert set(request.left_out) == {f"input.{other['type']}" for other in others}


@st.composite
def messages_said(draw: st.DrawFn) -> dict[str, Any]:
    """A message of an answer: a text, a refusal, calls."""
    text, refusal = draw(st.tuples(st.one_of(st.none(), texts), st.one_of(st.none(), texts)))
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(
            draw(st.lists(st.tuples(names, st.text(max_size=6)), max_size=3))
        )
    ]
    said: dict[str, Any] = {"role": "assistant", "content": text}
    return {
        **said,
        **({"refusal": refusal} if refusal else {}),
        **({"tool_calls": calls} if calls else {}),
    }


@given(messages_said())
def test_an_answer_goes_back_as_the_message_that_it_was(said: dict[str, Any]) -> None:
    answer = ChatCompletion.model_validate(
        {"id": "chatcmpl-1", "created": 5, "model": "m", "choices": [{"message": said}]}
    )
    request = bridged([{"role": "user", "content": "a"}])
    output = response_of(request, "resp_7", 9, answer, completed_at=12).to_dict()["output"]
    omissions = Omissions()
    back, _ = messages_of(output, omissions)
    spoken = [text for text in (said["content"], said.get("refusal")) if text]
    assert [m["content"] for m in back if m["content"]] == spoken
    assert [call for m in back for call in m.get("tool_calls", ())] == said.get("tool_calls", [])
    assert omissions.names == ()

"""What holds for every request: chat comes back from the Messages API as it was."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.anthropic_messages import contents as answer_contents
from tests.support.chats import NAMES, TEXTS, conversations
from tests.support.over_messages import EPHEMERAL, PNG, SCHEMA, build

from puna.bridges.messages.request import read_messages_request

# The laws


@given(conversations())
def test_a_chat_comes_back_from_the_messages_api_as_it_was(chat: list[dict[str, Any]]) -> None:
    body, left_out = build(chat)
    again = read_messages_request(body)
    assert again.messages == chat
    assert (left_out, again.dropped_params) == ((), ())


@given(
    tools=st.lists(NAMES, max_size=3, unique=True).map(
        lambda names: [
            {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
            for name in names
        ]
    ),
    choice=st.sampled_from(["auto", "none", "required", None]),
    params=st.fixed_dictionaries(
        {"max_tokens": st.integers(1, 99)},
        optional={
            "temperature": st.floats(0, 1),
            "top_p": st.floats(0, 1),
            "top_k": st.integers(1, 9),
            "stop": st.lists(TEXTS, min_size=1, max_size=3),
            "user": TEXTS,
            "response_format": st.just(
                {"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}}
            ),
        },
    ),
)
def test_parameters_come_back_as_they_were(
    tools: list[Any], choice: str | None, params: dict[str, Any]
) -> None:
    if tools:
        params = {**params, "tools": tools, **({"tool_choice": choice} if choice else {})}
    body, _ = build(**params)
    assert read_messages_request(body).fields == params


MARKS = st.sampled_from([{}, EPHEMERAL])
BLOCKS_OF_TEXT = st.builds(lambda text, mark: {"type": "text", "text": text, **mark}, TEXTS, MARKS)
IMAGES = MARKS.map(lambda mark: {"type": "image", "source": PNG, **mark})


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Requests of a client that keeps what the host said, in whatever order it was said."""
    messages: list[Any] = []
    for _ in range(draw(st.integers(1, 3))):
        if not messages or messages[-1]["role"] == "assistant":
            # Two turns of the user in a row are one to the API, and may be one after the bridge.
            asks = draw(st.lists(BLOCKS_OF_TEXT, min_size=1))
            messages.append({"role": "user", "content": asks})
        said = [_as_param(block) for block in draw(answer_contents())]
        if not said:
            continue
        messages.append({"role": "assistant", "content": said})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": block["id"],
                "content": draw(st.lists(BLOCKS_OF_TEXT, min_size=1, max_size=2)),
                **draw(st.sampled_from([{}, {"is_error": True}, {"is_error": False}])),
                **draw(MARKS),
            }
            for block in said
            if block["type"] == "tool_use"
        ]
        rest = draw(st.lists(BLOCKS_OF_TEXT | IMAGES, max_size=2))
        messages += [{"role": "user", "content": [*results, *rest]}] if results else []
    return {
        "max_tokens": 9,
        "system": draw(st.lists(BLOCKS_OF_TEXT, min_size=1, max_size=2)),
        "messages": messages,
        "tools": [{"name": "f", "input_schema": SCHEMA, "strict": True, **draw(MARKS)}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": []},
        "cache_control": {"type": "ephemeral"},
    }


def _as_param(block: dict[str, Any]) -> dict[str, Any]:
    """A block of an answer as its client sends it again."""
    return {k: v for k, v in block.items() if k not in ("citations", "caller")}


def spelled_out(value: Any) -> Any:
    """Contents as blocks, also where a string says the same."""
    if isinstance(value, list):
        return [spelled_out(one) for one in value]
    if not isinstance(value, dict):
        return value
    out = {name: spelled_out(one) for name, one in value.items()}
    for name in ("content", "system"):
        if isinstance(out.get(name), str):
            out[name] = [{"type": "text", "text": out[name]}]
    return out


@given(bodies())
def test_a_request_of_the_same_api_reaches_its_host_as_it_was(body: dict[str, Any]) -> None:
    asked = read_messages_request(body)
    again, left_out = build(asked.messages, extras=asked.extras, **asked.fields)
    assert spelled_out(again) == body
    assert (asked.dropped_params, left_out) == ((), ())
    json.dumps(again)

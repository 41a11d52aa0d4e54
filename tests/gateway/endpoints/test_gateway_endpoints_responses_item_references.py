"""`item_reference`: what is stored stands in for it, for the key that stored it only."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import MODEL, Caller, House, gateway_caller
from tests.support.upstream import TEXT, Reply, Upstream, completion_body

from puna.client.synchronous import Client
from puna.errors import NotFoundError
from puna.gateway.endpoints.responses import ResponsesAPI
from puna.governance.keys import Principal
from puna.governance.store.memory import MemoryStore
from puna.governance.store.sqlite import SQLiteStore

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def reference(item_id: str) -> dict[str, Any]:
    return {"type": "item_reference", "id": item_id}


def respond(house: House, asked: Any, **fields: Any) -> Any:
    return house.ask("/v1/responses", {"model": MODEL, "input": asked, **fields})


def test_the_second_turn_of_vercels_ai_sdk_is_answered(upstream: Upstream) -> None:
    """Its default provider sends what the model said before as references."""
    upstream.plays(
        Reply.json(completion_body({"content": TEXT, "tool_calls": [CALL]})),
        Reply.json(completion_body({"content": "done"})),
        Reply.json(completion_body({"content": "bye"})),
    )
    house = House(upstream)
    first = respond(house, [user("hi")], tools=[TOOL]).json
    said, called = first["output"]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    history = [user("hi"), reference(said["id"]), reference(called["id"]), output]
    second = respond(house, history, tools=[TOOL])
    assert second.status == 200
    assert [m["role"] for m in upstream.requests[1].json["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]
    assistant = upstream.requests[1].json["messages"][1]
    assert assistant["content"] == TEXT
    assert assistant["tool_calls"][0]["id"] == "call_1"
    (ended,) = second.json["output"]
    third = respond(house, [*history, reference(ended["id"]), user("bye")])
    assert third.status == 200
    assert [m["content"] for m in upstream.requests[2].json["messages"]][-2:] == ["done", "bye"]


def test_a_reference_may_lack_its_type(upstream: Upstream) -> None:
    """`type` may be null in the document of Open Responses."""
    house = House(upstream)
    (item,) = respond(house, "hi").json["output"]
    assert respond(house, [{"id": item["id"]}, {"type": None, "id": item["id"]}]).status == 200
    assert [m["role"] for m in upstream.requests[1].json["messages"]] == ["assistant"] * 2


def test_an_item_that_goes_along_anyway_is_not_sent_twice(upstream: Upstream) -> None:
    house = House(upstream)
    first = respond(house, "hi").json
    asked = [reference(first["output"][0]["id"]), user("more")]
    assert respond(house, asked, previous_response_id=first["id"]).status == 200
    roles = [m["role"] for m in upstream.requests[1].json["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_what_is_not_stored_is_a_404_that_names_its_place(upstream: Upstream) -> None:
    house = House(upstream)
    (item,) = respond(house, "hi", store=False).json["output"]
    for unknown in (item["id"], "msg_none", "x" * 500):
        answer = respond(house, [user("a"), reference(unknown)])
        assert (answer.status, answer.error["code"]) == (404, "item_not_found")
        assert answer.error["param"] == "input[1].id"
    made = respond(house, "hi").json
    house.ask(f"/v1/responses/{made['id']}", None, method="DELETE")
    assert respond(house, [reference(made["output"][0]["id"])]).status == 404
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_an_item_belongs_to_the_key_that_stored_it(
    upstream: Upstream, tmp_path: Path, kind: str
) -> None:
    house = House(upstream)
    store = MemoryStore() if kind == "memory" else SQLiteStore(str(tmp_path / "r.db"))

    async def run() -> None:
        api = ResponsesAPI(house.app.responses.pipeline, store, house.clock)

        async def ask(name: str, asked: Any) -> Any:
            client = Caller("POST", "/v1/responses")
            caller = gateway_caller(client, Principal(name))
            await (await api.create({"model": MODEL, "input": asked}, caller)).run()
            return client.answer.json

        made = await ask("own", "hi")
        item_id = made["output"][0]["id"]
        with pytest.raises(NotFoundError):
            await ask("other", [reference(item_id)])
        again = await ask("own", [reference(item_id)])
        first, second = made["id"], again["id"]
        found = await store.find_item("own", item_id)
        assert found is not None
        assert found.response_id == first, "the response that made it, not one that repeats it"
        assert await store.delete("own", second)
        assert await store.find_item("own", item_id) is not None
        assert await store.delete("own", first)
        assert await store.find_item("own", item_id) is None
        await store.close()

    asyncio.run(run())


def test_the_sdk_resolves_them_too(upstream: Upstream) -> None:
    with Client() as client:
        asked: dict[str, Any] = {"api_base": upstream.url, "api_key": "k"}
        first = client.responses("openai/m", "hi", **asked)
        item_id = first.to_dict()["output"][0]["id"]
        client.responses("openai/m", [user("a"), reference(item_id), user("b")], **asked)
        with pytest.raises(NotFoundError):
            client.responses("openai/m", [reference("msg_none")], **asked)
    sent = upstream.requests[1].json["messages"]
    assert [m["content"] for m in sent][1] == TEXT
    assert len(upstream.requests) == 2

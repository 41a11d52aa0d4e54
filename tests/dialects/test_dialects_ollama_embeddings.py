"""Ollama's embeddings: what is sent, and how vectors come back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from puna.client import Client, ClientSettings
from puna.errors import BadRequestError, ContextWindowExceededError, MalformedReplyError
from puna.transports.replay import Recorded, ReplayTransport, in_order

MODEL = "ollama/nomic-embed-text"
TWO = ([0.5, -0.25], [1.0, 0.0])


def recorded(body: Any, status: int = 200) -> Recorded:
    return Recorded(status, {"content-type": "application/json"}, [json.dumps(body).encode()])


def vectors(numbers: Sequence[Sequence[float]] = TWO, **fields: Any) -> dict[str, Any]:
    return {"model": "up", "embeddings": [list(one) for one in numbers], **fields}


def asking(reply: Recorded) -> tuple[Client, ReplayTransport]:
    transport = ReplayTransport(in_order(reply))
    return Client(ClientSettings(environ={}), transport=transport), transport


def test_texts_become_vectors_in_their_order() -> None:
    client, transport = asking(recorded(vectors(prompt_eval_count=7, total_duration=3)))
    answer = client.embedding(MODEL, ["one", "two"], dimensions=2, user="u", keep_alive="1m")
    assert [item.embedding for item in answer.data] == [list(one) for one in TWO]
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.model == MODEL
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (7, 7)
    assert answer.report is not None
    assert answer.report.dropped_params == ("user",)
    (sent,) = transport.requests
    assert sent.url == "http://localhost:11434/api/embed"
    assert json.loads(sent.body) == {
        "model": "nomic-embed-text",
        "input": ["one", "two"],
        "dimensions": 2,
        "keep_alive": "1m",
        "truncate": False,
        "options": {"num_ctx": 4096},
    }


def test_vectors_of_another_length_than_asked_for_are_no_answer() -> None:
    client, _ = asking(recorded(vectors()))
    with pytest.raises(MalformedReplyError, match="`2` dimensions where `dimensions` asked"):
        client.embedding(MODEL, ["one", "two"], dimensions=1)


def test_the_longest_input_decides_on_the_context_unless_the_caller_does() -> None:
    for more, size in (({}, 8_192), ({"num_ctx": 2_048}, 2_048)):
        client, transport = asking(recorded(vectors()))
        client.embedding(MODEL, ["word " * 5_000, "short"], **more)
        assert json.loads(transport.requests[0].body)["options"] == {"num_ctx": size}


def test_vectors_come_in_base64_for_who_wants_it_and_usage_is_estimated_where_untold() -> None:
    client, transport = asking(recorded(vectors([[1.0, 2.0]])))
    answer = client.embedding(MODEL, "one", encoding_format="base64")
    assert isinstance(answer.data[0].embedding, str)
    assert "encoding_format" not in json.loads(transport.requests[0].body)
    assert answer.usage is not None
    assert answer.usage.is_estimate


def test_an_input_that_is_too_long_is_an_error() -> None:
    reply = recorded({"error": "the input length exceeds the context length"}, 400)
    client, _ = asking(reply)
    with pytest.raises(ContextWindowExceededError):
        client.embedding(MODEL, "one")


def test_a_reply_without_a_vector_for_each_input_is_refused() -> None:
    for body in (vectors([[1.0]]), {"model": "up"}):
        client, _ = asking(recorded(body))
        with pytest.raises(MalformedReplyError):
            client.embedding(MODEL, ["one", "two"], num_retries=0)


def test_token_ids_are_refused_before_anything_is_sent() -> None:
    client, transport = asking(recorded(vectors()))
    with pytest.raises(BadRequestError, match="embeds texts, not token ids") as raised:
        client.embedding(MODEL, [1, 2])
    assert raised.value.param == "input"
    assert transport.requests == []


def test_what_is_never_to_be_sent_is_not_added() -> None:
    client, transport = asking(recorded(vectors([[1.0]])))
    client.embedding(MODEL, "one", additional_drop_params=["num_ctx", "truncate"])
    sent = json.loads(transport.requests[0].body)
    assert sent == {"model": "nomic-embed-text", "input": ["one"], "options": {}}


def test_the_context_fits_the_longest_of_many_inputs_wherever_it_stands() -> None:
    texts = ["word " * 100] * 200
    texts[77] = "word " * 6_000
    client, transport = asking(recorded(vectors([(0.5, 1.0)] * len(texts))))
    client.embedding(MODEL, texts)
    (request,) = transport.requests
    assert json.loads(request.body)["options"]["num_ctx"] == 8_192

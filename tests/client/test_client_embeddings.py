"""Embeddings through both clients: what is sent, checked and prepared."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.embeddings import BASE, KEY, MODEL, SETTINGS, TWO, keeping, recorded, vectors
from tests.support.faces import BOTH, Face

from puna.client import ClientSettings
from puna.errors import BadRequestError, NotFoundError, RateLimitError, UnsupportedParamsError
from puna.transports.replay import in_order
from puna.wire.http import HTTPRequest


@BOTH
def test_vectors_come_in_openais_shape_under_the_public_name(face: Face) -> None:
    sent: list[HTTPRequest] = []
    answer = face.embed(SETTINGS, MODEL, ["a", "b"], play=keeping(sent, recorded(vectors(*TWO))))

    assert sent[0].url == "https://api.openai.com/v1/embeddings"
    assert sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(sent[0].body) == {"model": "text-embedding-3-small", "input": ["a", "b"]}
    assert not sent[0].is_stream
    assert answer.object == "list"
    assert answer.model == MODEL
    assert [one.embedding for one in answer.data] == list(TWO)
    assert [(one.index, one.object) for one in answer.data] == [(0, "embedding"), (1, "embedding")]
    assert answer.to_dict()["usage"] == {"prompt_tokens": 5, "total_tokens": 5}


@BOTH
def test_only_what_the_caller_gave_is_sent(face: Face) -> None:
    sent: list[HTTPRequest] = []
    face.embed(
        SETTINGS,
        MODEL,
        [[1, 2], [3]],
        play=keeping(sent, recorded(vectors(*TWO))),
        dimensions=2,
        user="u",
        encoding_format=None,
        input_type="query",
        extra_body={"truncate": "END"},
        extra_headers={"X-A": "1"},
        api_base=f"{BASE}/",
        api_version="v9",
        api_key="sk-other-0123456789",
    )
    assert sent[0].url == f"{BASE}/embeddings?api-version=v9"
    assert sent[0].headers["x-a"] == "1"
    assert json.loads(sent[0].body) == {
        "model": "text-embedding-3-small",
        "input": [[1, 2], [3]],
        "dimensions": 2,
        "user": "u",
        "input_type": "query",
        "truncate": "END",
    }


@BOTH
def test_a_provider_that_is_known_to_embed_nothing_is_not_asked(face: Face) -> None:
    settings = ClientSettings(environ={"LLAMA_API_KEY": KEY})
    with pytest.raises(NotFoundError, match="no endpoint for embeddings") as caught:
        face.embed(settings, "meta_llama/x", "a", play=in_order())
    assert caught.value.code == "no_such_endpoint"


@BOTH
def test_its_models_at_another_host_are_asked(face: Face) -> None:
    sent: list[HTTPRequest] = []
    settings = ClientSettings(environ={"LLAMA_API_BASE": BASE})
    face.embed(settings, "meta_llama/x", "a", play=keeping(sent, recorded(vectors(TWO[0]))))
    assert sent[0].url == f"{BASE}/embeddings"


@BOTH
@pytest.mark.parametrize("input_", ["", [], [""], None])
def test_wrong_input_is_refused_before_anything_is_sent(face: Face, input_: Any) -> None:
    with pytest.raises(BadRequestError):
        face.embed(SETTINGS, MODEL, input_, play=in_order())


@BOTH
def test_the_embedded_model_has_one_length_of_vectors(face: Face) -> None:
    with pytest.raises(UnsupportedParamsError, match="dimensions"):
        face.embed(SETTINGS, "embedded/smollm2-135m", "a", play=in_order(), dimensions=64)
    sent: list[HTTPRequest] = []
    answer = face.embed(
        SETTINGS,
        "embedded/smollm2-135m",
        "a",
        play=keeping(sent, recorded(vectors(TWO[0]))),
        dimensions=64,
        user="u",
        drop_params=True,
    )
    assert sent[0].url == "embedded://smollm2-135m/v1/embeddings"
    assert json.loads(sent[0].body) == {"model": "smollm2-135m", "input": "a"}
    assert answer.report is not None
    assert answer.report.dropped_params == ("dimensions", "user")
    assert answer.report.cost_picos == 0


@BOTH
def test_the_embedded_model_takes_no_token_ids(face: Face) -> None:
    with pytest.raises(BadRequestError, match="token ids") as caught:
        face.embed(SETTINGS, "embedded/smollm2-135m", [1, 2], play=in_order())
    assert caught.value.param == "input"


@BOTH
def test_a_prepared_vector_is_that_of_every_input(face: Face) -> None:
    answer = face.embed(
        ClientSettings(environ={}),
        MODEL,
        ["a", "b"],
        play=in_order(),
        clock=(clock := FakeClock()),
        mock_response=[0.5, 1],
        mock_delay=2,
    )
    assert [one.embedding for one in answer.data] == [[0.5, 1.0]] * 2
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 10
    assert clock.sleeps == [2.0]


@BOTH
def test_a_prepared_vector_needs_no_host_that_embeds(face: Face) -> None:
    settings = ClientSettings(environ={})
    answer = face.embed(settings, "meta_llama/x", "a", play=in_order(), mock_response=[1.0])
    assert answer.data[0].embedding == [1.0]


@BOTH
def test_a_prepared_exception_is_raised(face: Face) -> None:
    with pytest.raises(RateLimitError):
        face.embed(
            SETTINGS, MODEL, "a", play=in_order(), max_retries=0, mock_response=RateLimitError("x")
        )


@BOTH
@pytest.mark.parametrize(
    "answer", ["a text", [], ["1"], [True], [float("nan")], [10**400], {"a": 1}]
)
def test_any_other_prepared_answer_is_refused(face: Face, answer: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        face.embed(SETTINGS, MODEL, "a", play=in_order(), mock_response=answer)
    assert caught.value.param == "mock_response"

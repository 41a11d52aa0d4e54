"""Embeddings through both clients: one way for every host, and the rules that chat has."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, Face

from puna.client import Client, ClientSettings
from puna.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContextWindowExceededError,
    MalformedReplyError,
    NotFoundError,
    RateLimitError,
    UnsupportedParamsError,
)
from puna.routing.health import CooldownPolicy
from puna.telemetry.events import CallEvent
from puna.transports.replay import Player, Recorded, ReplayTransport, in_order
from puna.wire.http import HTTPRequest

KEY = "sk-canary/0123456789"
MODEL = "openai/text-embedding-3-small"
BASE = "http://up.test/v1"
SETTINGS = ClientSettings(environ={"OPENAI_API_KEY": KEY})
TWO = ([0.5, -0.25], [1.0, 0.0])


def recorded(body: Any, status: int = 200) -> Recorded:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Recorded(status, {"content-type": "application/json", "x-h": "1"}, [data])


def vectors(*numbers: Any, **fields: Any) -> dict[str, Any]:
    items = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(numbers)]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return {"object": "list", "data": items, "model": "theirs", "usage": usage, **fields}


def packed(numbers: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def keeping(requests: list[HTTPRequest], *replies: Recorded) -> Player:
    play = in_order(*replies)

    def keep(request: HTTPRequest) -> Recorded:
        requests.append(request)
        return play(request)

    return keep


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
@pytest.mark.parametrize("format_", ["float", "base64", None])
@pytest.mark.parametrize("host_says", ["float", "base64"])
def test_a_host_that_ignores_the_format_is_mended(
    face: Face, format_: str | None, host_says: str
) -> None:
    given = TWO if host_says == "float" else tuple(packed(one) for one in TWO)
    sent: list[HTTPRequest] = []
    answer = face.embed(
        SETTINGS,
        MODEL,
        ["a", "b"],
        play=keeping(sent, recorded(vectors(*given))),
        encoding_format=format_,
    )
    body = json.loads(sent[0].body)
    assert body.get("encoding_format") == format_
    wanted = [packed(one) for one in TWO] if format_ == "base64" else list(TWO)
    assert [one.embedding for one in answer.data] == wanted


@BOTH
def test_vectors_out_of_order_are_put_in_order(face: Face) -> None:
    body = vectors(*TWO)
    body["data"].reverse()
    answer = face.embed(SETTINGS, MODEL, ["a", "b"], play=in_order(recorded(body)))
    assert [one.embedding for one in answer.data] == list(TWO)
    assert [one.index for one in answer.data] == [0, 1]


@BOTH
def test_vectors_without_an_index_are_in_order(face: Face) -> None:
    body = vectors(*TWO, data=[{"embedding": one} for one in TWO])
    answer = face.embed(SETTINGS, MODEL, ["a", "b"], play=in_order(recorded(body)))
    assert [(one.index, one.embedding) for one in answer.data] == list(enumerate(TWO))
    assert answer.data[0].object == "embedding"


@given(st.permutations(range(5)))
def test_any_order_becomes_that_of_the_inputs(order: list[int]) -> None:
    items = [{"index": i, "embedding": [float(i), 1.0]} for i in order]
    transport = ReplayTransport(in_order(recorded({"data": items})))
    with Client(SETTINGS, transport=transport, clock=FakeClock()) as client:
        answer = client.embedding(MODEL, list("abcde"))
    assert [one.embedding for one in answer.data] == [[float(i), 1.0] for i in range(5)]


BROKEN: Mapping[str, Any] = {
    "no list": {"data": None},
    "no data": {"object": "list"},
    "too few": vectors([1.0]),
    "too many": vectors([1.0], [2.0], [3.0]),
    "twice the same": {"data": [{"index": 0, "embedding": [1.0]}] * 2},
    "beyond the last": {"data": [{"index": i, "embedding": [1.0]} for i in (1, 2)]},
    "an index that is none": {"data": [{"index": i, "embedding": [1.0]} for i in ("0", 1)]},
    "no object": {"data": [1, 2]},
    "no vector": {"data": [{"index": 0}, {"index": 1}]},
    "an empty vector": vectors([], []),
    "different lengths": vectors([1.0], [1.0, 2.0]),
    "texts in a vector": vectors(["1"], ["2"]),
    "nulls in a vector": vectors([None], [None]),
    "not finite": b'{"data": [{"embedding": [NaN]}, {"embedding": [NaN]}]}',
    "broken base64": vectors("AAAA", "AAAA"),
    "broken JSON": b'{"data": [',
    "no JSON object": [1],
}


@BOTH
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("format_", ["float", "base64"])
def test_a_reply_without_one_vector_for_each_input_is_malformed(
    face: Face, how: str, format_: str
) -> None:
    with pytest.raises(MalformedReplyError) as caught:
        face.embed(
            SETTINGS,
            MODEL,
            ["a", "b"],
            play=in_order(recorded(BROKEN[how])),
            max_retries=0,
            encoding_format=format_,
        )
    assert caught.value.provider == "openai"
    assert caught.value.model == MODEL


@BOTH
def test_vectors_of_another_length_than_asked_are_refused_at_once(face: Face) -> None:
    with pytest.raises(MalformedReplyError, match="`2` dimensions where `dimensions` asked") as it:
        face.embed(SETTINGS, MODEL, "a", play=in_order(recorded(vectors(TWO[0]))), dimensions=1)
    assert it.value.attempts == 1


@BOTH
@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "total_tokens": 0}, "x"])
def test_a_usage_that_the_host_does_not_tell_is_estimated_and_marked(
    face: Face, usage: Any
) -> None:
    body = vectors(*TWO, usage=usage)
    answer = face.embed(SETTINGS, MODEL, ["hello there", "you"], play=in_order(recorded(body)))
    assert answer.usage is not None
    assert answer.usage.is_estimate
    counted = {"prompt_tokens": 3, "total_tokens": 3, "estimated": True}
    assert answer.usage.model_dump(exclude_unset=True) == counted
    assert answer.report is not None
    assert answer.report.is_usage_estimated


@BOTH
def test_token_ids_are_counted_and_no_estimate(face: Face) -> None:
    body = vectors(*TWO, usage=None)
    answer = face.embed(SETTINGS, MODEL, [[1, 2], [3]], play=in_order(recorded(body)))
    assert answer.usage is not None
    assert answer.usage.model_dump(exclude_unset=True) == {"prompt_tokens": 3, "total_tokens": 3}
    assert not answer.usage.is_estimate


@BOTH
def test_the_report_tells_how_it_went(face: Face) -> None:
    events: list[CallEvent] = []
    settings = ClientSettings(environ=SETTINGS.environ, hooks=(events.append,))
    answer = face.embed(
        settings,
        MODEL,
        ["a", "b"],
        play=in_order(recorded(vectors(*TWO))),
        clock=FakeClock(),
        input_cost_per_token=1e-6,
        metadata={"team": 1},
    )
    report = answer.report
    assert report is not None
    assert (report.provider, report.model) == ("openai", MODEL)
    assert report.upstream_model == "text-embedding-3-small"
    assert (report.attempts, report.status_code) == (1, 200)
    assert (report.prompt_tokens, report.completion_tokens) == (5, 0)
    assert report.cost_picos == 5_000_000
    assert report.headers["x-h"] == "1"
    (event,) = events
    assert event.outcome == "success"
    assert event.answer is answer
    assert event.input == ("a", "b")
    assert event.messages == ()
    assert event.metadata == {"team": 1}
    assert not event.is_stream


@BOTH
def test_a_failure_worth_it_is_tried_again(face: Face) -> None:
    clock = FakeClock()
    busy = Recorded(429, {"retry-after": "3"}, [b"{}"])
    answer = face.embed(
        SETTINGS, MODEL, "a", play=in_order(busy, recorded(vectors(TWO[0]))), clock=clock
    )
    assert answer.report is not None
    assert (answer.report.attempts, answer.report.retries) == (2, 1)
    assert clock.sleeps == [3.0]


@BOTH
def test_a_fallback_with_its_own_parameters_answers(face: Face) -> None:
    sent: list[HTTPRequest] = []
    answer = face.embed(
        SETTINGS,
        MODEL,
        "a",
        play=keeping(sent, recorded({}, 503), recorded(vectors([1.0, 0.0, 0.0]))),
        clock=FakeClock(),
        max_retries=0,
        fallbacks=[{"model": "openai/other", "api_base": BASE, "api_key": "k", "dimensions": 3}],
    )
    assert sent[1].url == f"{BASE}/embeddings"
    assert json.loads(sent[1].body) == {"model": "other", "input": "a", "dimensions": 3}
    assert answer.report is not None
    assert answer.report.fallbacks == 1


@BOTH
def test_errors_are_typed_and_hold_no_key(face: Face) -> None:
    refused = recorded({"error": {"message": f"Bad key {KEY}", "code": "invalid_api_key"}}, 401)
    events: list[CallEvent] = []
    settings = ClientSettings(environ=SETTINGS.environ, hooks=(events.append,))
    with pytest.raises(AuthenticationError) as caught:
        face.embed(settings, MODEL, "a", play=in_order(refused))
    assert KEY not in f"{caught.value}{caught.value.body}"
    assert events[0].outcome == "failure"
    assert events[0].error is caught.value


@BOTH
@pytest.mark.parametrize(
    "said",
    [
        "input (5567 tokens) is too large to process. increase the physical batch size",
        "This model's maximum context length is 8192 tokens, however you requested 9000",
    ],
)
def test_an_input_that_is_too_long_is_a_context_overflow(face: Face, said: str) -> None:
    reply = recorded({"error": {"message": said, "code": 500}}, 500)
    with pytest.raises(ContextWindowExceededError) as caught:
        face.embed(SETTINGS, MODEL, "a", play=in_order(reply))
    assert caught.value.attempts == 1


@BOTH
@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_host_without_the_endpoint_gets_a_clear_error(face: Face, status: int) -> None:
    with pytest.raises(APIError) as caught:
        face.embed(SETTINGS, MODEL, "a", play=in_order(recorded({"detail": "Not Found"}, status)))
    assert "Does it serve embeddings" in str(caught.value)
    assert caught.value.attempts == 1


@BOTH
def test_an_error_inside_a_success_is_that_error(face: Face) -> None:
    body = {"error": {"message": "slow down", "code": 429}}
    with pytest.raises(RateLimitError):
        face.embed(SETTINGS, MODEL, "a", play=in_order(recorded(body)), max_retries=0)


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
@pytest.mark.parametrize("answer", ["a text", [], ["1"], [True], [float("nan")], {"a": 1}])
def test_any_other_prepared_answer_is_refused(face: Face, answer: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        face.embed(SETTINGS, MODEL, "a", play=in_order(), mock_response=answer)
    assert caught.value.param == "mock_response"


def test_a_host_that_fails_to_embed_still_chats() -> None:
    """Two deployments of failing health share nothing: chat is not made to rest by embeddings."""
    settings = ClientSettings(
        environ=SETTINGS.environ, cooldown=CooldownPolicy(allowed_fails=0, cooldown_s=60)
    )
    with Client(
        settings, transport=ReplayTransport(lambda _: recorded({}, 404)), clock=FakeClock()
    ) as client:
        with pytest.raises(NotFoundError):
            client.embedding(MODEL, "a")
        deployment_id = f"{MODEL}@https://api.openai.com/v1"
        engine = client._engine
        now = FakeClock().monotonic()
        assert engine._embedding_health.is_resting(deployment_id, now)
        assert not engine._health.is_resting(deployment_id, now)

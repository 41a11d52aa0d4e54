"""The gateway holds answers to a format by its settings, a deployment's, or a request's own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, House, config_with
from tests.support.strict import STRICT
from tests.support.upstream import Reply, Upstream, completion_body

GOOD = '{"age": 31}'
BODY = {**CHAT, "response_format": {"type": "json_object"}}
HEADER = "x-puna-format-tries"


def says(*texts: str) -> list[Reply]:
    return [Reply.json(completion_body({"content": text})) for text in texts]


@pytest.mark.case(83)
def test_a_host_without_the_format_is_refused_unasked(upstream: Upstream) -> None:
    answer = House(upstream, providers=STRICT).ask(body=BODY)
    assert (answer.status, answer.error["code"]) == (400, "unsupported_parameter")
    assert not upstream.requests


def test_a_request_may_wish_it(upstream: Upstream) -> None:
    upstream.plays(*says("Thirty-one.", f"```json\n{GOOD}\n```"))
    answer = House(upstream, providers=STRICT).ask(body={**BODY, "emulate_response_format": True})
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == GOOD
    assert answer.headers[HEADER] == "2"
    assert "x-puna-dropped-params" not in answer.headers
    for request in upstream.requests:
        assert not {"response_format", "emulate_response_format"} & request.json.keys()
    used = completion_body()["usage"]["total_tokens"]
    assert answer.json["usage"]["total_tokens"] == 2 * used


def test_a_stream_comes_as_chunks_of_the_checked_answer(upstream: Upstream) -> None:
    upstream.plays(*says("no", f"Well: {GOOD}"))
    answer = House(upstream, providers=STRICT).ask(
        body={**BODY, "stream": True, "emulate_response_format": True}
    )
    assert answer.said == GOOD
    assert answer.headers[HEADER] == "2"
    assert not any(request.json.get("stream") for request in upstream.requests)


def test_an_answer_that_stays_bad_is_a_502_and_the_host_does_not_rest(upstream: Upstream) -> None:
    house = House(upstream, providers=STRICT)
    wish = {"emulate_response_format": True, "format_retries": 0}
    for _ in range(8):
        upstream.plays(*says("no"))
        answer = house.ask(body={**BODY, **wish})
        assert (answer.status, answer.error["code"]) == (502, "response_format_unmet")
    upstream.plays(*says(GOOD))
    assert house.ask(body={**BODY, **wish}).status == 200


@pytest.mark.parametrize(
    ("settings", "deployment", "request_says", "expected"),
    [
        (None, None, None, False),
        (True, None, None, True),
        (None, True, None, True),
        (True, False, None, False),
        (True, None, False, False),
        (None, False, True, True),
    ],
)
def test_the_nearest_switch_counts(
    upstream: Upstream,
    settings: bool | None,  # noqa: FBT001 - a row of the table
    deployment: bool | None,  # noqa: FBT001
    request_says: bool | None,  # noqa: FBT001
    *,
    expected: bool,
) -> None:
    upstream.plays(*says(GOOD))
    config = config_with("emulate_response_format", deployment=deployment, settings=settings)
    fields = {} if request_says is None else {"emulate_response_format": request_says}
    answer = House(upstream, config, providers=STRICT).ask(body={**BODY, **fields})
    assert (answer.status, HEADER in answer.headers) == ((200, True) if expected else (400, False))


@pytest.mark.parametrize(
    ("deployment", "settings", "fields", "tries"),
    [
        (None, None, {}, 3),
        (1, None, {}, 2),
        (None, 0, {}, 1),
        (1, 0, {}, 2),
        (1, None, {"format_retries": 0}, 1),
    ],
)
def test_the_nearest_number_of_retries_counts(
    upstream: Upstream,
    deployment: int | None,
    settings: int | None,
    fields: dict[str, Any],
    tries: int,
) -> None:
    upstream.plays(*says(*(["no"] * 5)))
    config = config_with("format_retries", deployment=deployment, settings=settings)
    body = {**BODY, "emulate_response_format": True, **fields}
    assert House(upstream, config, providers=STRICT).ask(body=body).status == 502
    assert len(upstream.requests) == tries


@pytest.mark.parametrize(
    "field", [{"emulate_response_format": "yes"}, {"format_retries": 99}, {"format_retries": "2"}]
)
def test_a_wish_of_the_wrong_kind_is_refused(upstream: Upstream, field: dict[str, Any]) -> None:
    answer = House(upstream, providers=STRICT).ask(body={**BODY, **field})
    assert answer.status == 400
    assert answer.error["param"] == next(iter(field))


def test_responses_and_messages_are_held_to_their_format_too(upstream: Upstream) -> None:
    upstream.plays(*says("no", f"So: {GOOD}", "no", f"So: {GOOD}"))
    house = House(
        upstream,
        CONFIG
        + "      emulate_response_format: true\n"
        + "      additional_drop_params: [response_format]\n",
    )
    schema = {"type": "object", "required": ["age"]}
    wanted = {"type": "json_schema", "name": "n", "schema": schema}
    model = CHAT["model"]
    response = house.ask(
        "/v1/responses", {"model": model, "input": "hi", "text": {"format": wanted}}
    )
    assert response.json["output"][0]["content"][0]["text"] == GOOD
    message = house.ask(
        "/v1/messages",
        {
            "model": model,
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "hi"}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        },
    )
    assert message.json["content"][0]["text"] == GOOD

"""Keywords of a call: what each must be, and what a wrong one says."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.faces import BOTH, HI, MODEL, Face, settings_for
from tests.support.upstream import TEXT, Reply, Upstream, text_chunks

from puna import BadRequestError, Client, ClientSettings
from puna.client.keywords import read_price
from puna.types.secret import Secret


@pytest.mark.case(131)
@BOTH
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_retries", -1),
        ("max_retries", True),
        ("num_retries", "2"),
        ("metadata", "m"),
        ("headers", ["h"]),
        ("extra_body", "b"),
        ("fallbacks", "meta_llama/B"),
        ("fallbacks", [7]),
        ("allowed_openai_params", [7]),
        ("additional_drop_params", "top_p"),
        ("mock_response", 7),
        ("api_key", 7),
        ("temperature", "hot"),
        ("max_tokens", -1),
    ],
)
def test_a_wrong_keyword_is_named_and_nothing_is_sent(
    face: Face, name: str, value: Any, upstream: Upstream
) -> None:
    with pytest.raises(BadRequestError, match=name) as caught:
        face.ask(settings_for(upstream), **{name: value})
    assert caught.value.param == name
    assert upstream.requests == []


@pytest.mark.case(150)
def test_a_provider_can_be_named_apart_or_added(upstream: Upstream) -> None:
    settings = settings_for(upstream)
    with Client(settings) as client:
        client.completion("X", HI, custom_llm_provider="meta_llama")
        client.completion("openai/at-all/of", HI, api_base=upstream.url, api_key=Secret("own"))
    mine = ClientSettings(
        environ={"MINE_KEY": "mk"},
        providers=settings.with_provider("mine", upstream.url + "/", "MINE_KEY"),
    )
    with Client(mine) as client:
        assert client.completion("mine/Y", HI).model == "mine/Y"
    sent = [(r.json["model"], r.headers["authorization"][-3:]) for r in upstream.requests]
    assert sent == [("X", "est"), ("at-all/of", "own"), ("Y", " mk")]


@pytest.mark.case(27)
def test_a_mock_of_a_provider_without_an_address_needs_none() -> None:
    with Client(ClientSettings(environ={})) as client:
        assert client.completion("litellm_proxy/x", HI, mock_response="x").id


@pytest.mark.case(85, 86, 87)
def test_texts_are_continued_one_chat_call_for_each_prompt(upstream: Upstream) -> None:
    with Client(settings_for(upstream)) as client:
        whole = client.text_completion(MODEL, ["Once", "Twice"], max_tokens=5)
        assert [(c.index, c.text) for c in whole.choices] == [(0, TEXT), (1, TEXT)]
        assert whole.usage is not None
        assert whole.usage.total_tokens == 30
        chunks = list(client.text_completion(MODEL, ["Once", "Twice"], stream=True))
        for index in (0, 1):
            mine = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == index]
            assert "".join(c.text for c in mine) == TEXT
            assert [c.finish_reason for c in mine if c.finish_reason] == ["stop"]
        assert len({c.id for c in chunks}) == 1

        upstream.plays(Reply.sse(*text_chunks()[:2], is_done=False, end="hang"))
        client.text_completion(MODEL, ["Once", "Twice"], stream=True).close()
        assert upstream.sees(lambda: upstream.disconnects == 1)
    assert {r.path for r in upstream.requests} == {"/compat/v1/chat/completions"}


def test_a_price_may_be_given_for_one_direction_only() -> None:
    assert read_price({}) is None
    price = read_price({"output_cost_per_token": 0.000002})
    assert price is not None
    assert (price.input_picos, price.output_picos) == (0, 2_000_000)


@pytest.mark.parametrize("value", [-1, "dear", float("nan")])
def test_a_price_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_price({"input_cost_per_token": value})
    assert caught.value.param == "input_cost_per_token"

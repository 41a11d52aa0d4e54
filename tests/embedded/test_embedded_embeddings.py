"""The embedded model as one that embeds: the same process that chats, and chats as before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from puna.client import Client, ClientSettings
from puna.embedded.supervisor import SupervisorPool
from puna.errors import ContextWindowExceededError
from puna.wire.vectors import decode_vector

pytestmark = [pytest.mark.xdist_group("embedded")]

MODEL = "embedded/smollm2-135m"
SIZE = 576
FRANCE: Any = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    pool = SupervisorPool()
    with Client(ClientSettings(environ={}), pool=pool) as made:
        yield made
    pool.stop_all()


def embed(client: Client, given: Any, **keywords: Any) -> list[Any]:
    return [one.embedding for one in client.embedding(MODEL, given, **keywords).data]


def likeness(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_a_vector_has_length_1_and_each_text_its_own(client: Client) -> None:
    answer = client.embedding(MODEL, ["a cat", "a kitten", "stock market"])
    vectors: list[Any] = [one.embedding for one in answer.data]
    for vector in vectors:
        assert isinstance(vector, list)
        assert len(vector) == SIZE
        assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-4)
    cat, kitten, market = vectors
    assert likeness(cat, kitten) > likeness(cat, market)
    assert answer.model == MODEL
    assert answer.usage is not None
    assert not answer.usage.is_estimate
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 3
    assert set(answer.to_dict()) == {"object", "data", "model", "usage"}
    assert set(answer.to_dict()["data"][0]) == {"object", "index", "embedding"}


def test_one_text_has_the_vector_that_it_has_among_others(client: Client) -> None:
    (alone,) = embed(client, "a cat")
    among = embed(client, [*(f"text number {i}" for i in range(8)), "a cat"])
    assert len(among) == 9
    assert likeness(alone, among[-1]) > 0.999
    assert likeness(alone, among[0]) < 0.999


def test_base64_says_the_same_numbers(client: Client) -> None:
    (numbers,) = embed(client, "a cat")
    (text,) = embed(client, "a cat", encoding_format="base64")
    assert likeness(decode_vector(text), numbers) == pytest.approx(1, abs=1e-3)


def test_a_long_text_that_fits_is_embedded_and_a_longer_one_is_refused(client: Client) -> None:
    (vector,) = embed(client, "word " * 500)
    assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-4)
    with pytest.raises(ContextWindowExceededError) as caught:
        embed(client, ["short", "word " * 520])
    assert caught.value.param == "input"
    assert caught.value.provider == "embedded"
    with pytest.raises(ContextWindowExceededError):
        embed(client, "word " * 9_000)


def test_texts_with_special_tokens_do_no_harm(client: Client) -> None:
    vectors = embed(client, ["<|im_end|><|im_start|>system", "\0", " ", "\N{PILE OF POO}"])
    assert len(vectors) == 4


def test_chat_and_embeddings_go_on_side_by_side(client: Client) -> None:
    """Both come as they would alone, while the slots of one server hold both at once."""

    def chat(_: int) -> str | None:
        answer = client.completion(MODEL, FRANCE, temperature=0, max_tokens=12)
        return answer.choices[0].message.content

    alone = chat(0)
    (vector,) = embed(client, "a cat")
    with ThreadPoolExecutor(8) as threads:
        said = threads.map(chat, range(4))
        made = threads.map(lambda _: embed(client, ["a cat", "a dog"]), range(6))
        assert set(said) == {alone}
        assert all(likeness(each[0], vector) > 0.999 for each in made)

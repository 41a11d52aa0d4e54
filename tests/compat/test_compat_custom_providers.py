"""Hosts of the caller's own: `CustomLLM` in `litellm.custom_provider_map`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import litellm
from litellm import CustomLLM, CustomLLMError, EmbeddingResponse, ModelResponse, Usage
from litellm.call_failures import CallFailure

HI = [{"role": "user", "content": "hi"}]


def _piece(text: str, *, is_finished: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "text": text,
        "is_finished": is_finished,
        "finish_reason": "stop" if is_finished else "",
        "index": 0,
        "tool_use": None,
        "usage": None,
        **more,
    }


class Echo(CustomLLM):
    """Answers with what it was asked; `asked` keeps the keywords."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def completion(self, *args: Any, **kwargs: Any) -> ModelResponse:
        assert not args
        self.asked.append(kwargs)
        if kwargs["model"].startswith("fail-"):
            raise CustomLLMError(int(kwargs["model"].removeprefix("fail-")), "broken")
        if kwargs["model"] == "bug":
            raise ValueError("a bug")
        answer: ModelResponse = kwargs["model_response"]
        answer.choices[0].message.content = f"echo {kwargs['messages'][-1]['content']}"
        answer.model = kwargs["model"]
        answer.usage = Usage(prompt_tokens=10, completion_tokens=20, total_tokens=30)
        return answer

    async def acompletion(self, *args: Any, **kwargs: Any) -> ModelResponse:
        return self.completion(*args, **kwargs)

    def streaming(self, *args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
        assert not args
        self.asked.append(kwargs)
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        yield _piece("Hel")
        yield _piece("", tool_use=call)
        usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
        if kwargs["model"] == "cut":
            raise CustomLLMError(503, "gone")
        yield _piece("lo", is_finished=True, usage=usage)

    async def astreaming(self, *args: Any, **kwargs: Any) -> AsyncIterator[dict[str, Any]]:
        for piece in self.streaming(*args, **kwargs):
            yield piece

    def embedding(self, *args: Any, **kwargs: Any) -> EmbeddingResponse:
        assert not args
        vectors = [{"embedding": [float(len(text))], "index": 0} for text in kwargs["input"]]
        return EmbeddingResponse(model="m", data=vectors)


@pytest.fixture
def echo() -> Echo:
    handler = Echo()
    litellm.custom_provider_map = [{"provider": "mine", "custom_handler": handler}]
    return handler


def test_a_whole_answer_is_the_handlers(echo: Echo) -> None:
    answer = litellm.completion(
        "mine/m/1",
        HI,
        temperature=0.5,
        seat="window",
        api_base="http://b",
        api_key="k",
        metadata={"a": 1},
        extra_headers={"x-a": "b"},
    )

    assert answer.choices[0].message.content == "echo hi"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 30
    assert answer._hidden_params["custom_llm_provider"] == "mine"
    asked = echo.asked[0]
    assert asked["model"] == "m/1"
    assert asked["messages"] == HI
    assert asked["optional_params"] == {"temperature": 0.5, "seat": "window"}
    assert (asked["api_base"], asked["api_key"]) == ("http://b", "k")
    assert asked["headers"] == {"x-a": "b"}
    assert asked["litellm_params"]["metadata"] == {"a": 1}
    assert asked["acompletion"] is False


def test_asyncio_calls_reach_the_asyncio_methods(echo: Echo) -> None:
    async def run() -> tuple[str | None, list[str]]:
        whole = await litellm.acompletion("mine/m", HI)
        stream = await litellm.acompletion("mine/m", HI, stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return whole.choices[0].message.content, said

    whole, said = asyncio.run(run())

    assert whole == "echo hi"
    assert "".join(said) == "Hello"
    assert [asked["model"] for asked in echo.asked] == ["m", "m"]
    assert echo.asked[0]["acompletion"] is True


@pytest.mark.usefixtures("echo")
def test_a_stream_is_chunks_that_fold_to_the_whole_with_calls_end_and_usage() -> None:
    stream = litellm.completion("mine/m", HI, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)

    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, "stop", None]
    assert chunks[0].choices[0].delta.role == "assistant"
    whole = litellm.stream_chunk_builder(chunks)
    assert isinstance(whole, ModelResponse)
    assert whole.choices[0].message.content == "Hello"
    assert whole.choices[0].message.tool_calls is not None
    assert whole.choices[0].message.tool_calls[0].function.name == "f"
    assert whole.usage is not None
    assert whole.usage.total_tokens == 30


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("fail-401", litellm.AuthenticationError),
        ("fail-404", litellm.NotFoundError),
        ("fail-429", litellm.RateLimitError),
        ("fail-500", litellm.InternalServerError),
        ("fail-503", litellm.ServiceUnavailableError),
        ("bug", litellm.APIConnectionError),
    ],
)
@pytest.mark.usefixtures("echo")
def test_an_error_of_the_handler_has_the_class_of_its_status(
    model: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"broken|a bug") as caught:
        litellm.completion(f"mine/{model}", HI)

    assert caught.value.llm_provider == "mine"  # type: ignore[attr-defined]
    assert caught.value.__cause__ is not None


def test_retries_repeat_what_may_pass_and_nothing_else(echo: Echo) -> None:
    for model, times in (("fail-503", 3), ("fail-400", 1)):
        echo.asked.clear()
        with pytest.raises(CallFailure):
            litellm.completion(f"mine/{model}", HI, num_retries=2)
        assert len(echo.asked) == times


@pytest.mark.usefixtures("echo")
def test_a_stream_that_breaks_raises_after_what_came() -> None:
    said: list[Any] = []
    with pytest.raises(litellm.ServiceUnavailableError, match="gone"):
        said.extend(litellm.completion("mine/cut", HI, stream=True))
    assert said[0].choices[0].delta.content == "Hel"


@pytest.mark.usefixtures("echo")
def test_what_a_handler_lacks_is_refused_by_name() -> None:
    with pytest.raises(litellm.LiteLLMUnknownProvider, match="mine"):
        litellm.moderation("text", model="mine/m")
    with pytest.raises(litellm.InternalServerError, match="Not implemented yet"):
        asyncio.run(litellm.aembedding("mine/m", ["x"]))
    with pytest.raises(litellm.BadRequestError, match="fallbacks"):
        litellm.completion("mine/m", HI, fallbacks=["groq/x"])


@pytest.mark.usefixtures("echo")
def test_embeddings_provider_lookup_mocks_and_listeners_know_the_provider() -> None:
    heard: list[Any] = []
    litellm.success_callback = [lambda kwargs, answer, *_: heard.append((kwargs, answer))]

    assert litellm.embedding("mine/m", ["abc"]).data[0]["embedding"] == [3.0]
    assert litellm.get_llm_provider("mine/m") == ("m", "mine", None, None)
    assert litellm.completion("m", HI, custom_llm_provider="mine").choices[0].message.content
    mock = litellm.completion("mine/m", HI, mock_response="mocked")
    assert mock.choices[0].message.content == "mocked"
    list(litellm.completion("mine/m", HI, stream=True))
    told = [(kwargs["custom_llm_provider"], kwargs["model"]) for kwargs, _ in heard]
    assert told == [("mine", "m")] * 4
    assert heard[-1][1].choices[0].message.content == "Hello"


@pytest.mark.usefixtures("echo")
def test_a_registered_price_reaches_the_cost_of_a_custom_provider() -> None:
    litellm.register_model(
        {"mine/m": {"input_cost_per_token": 1e-3, "output_cost_per_token": 2e-3}}
    )

    answer = litellm.completion("mine/m", HI)

    assert answer._hidden_params["response_cost"] == pytest.approx(0.05)
    assert litellm.completion_cost(answer, model="mine/m") == pytest.approx(0.05)


def test_a_registered_price_reaches_the_cost_of_a_call_to_a_host() -> None:
    price = {"input_cost_per_token": 1e-3, "output_cost_per_token": 2e-3}
    litellm.register_model({"openai/zz": {**price, "litellm_provider": "openai"}})

    answer = litellm.completion("openai/zz", HI, mock_response="x")

    assert answer._hidden_params["response_cost"] == pytest.approx(litellm.completion_cost(answer))
    assert answer._hidden_params["response_cost"] > 0


class Careless(CustomLLM):
    """Gives what it was made with."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def completion(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.given

    async def acompletion(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.given

    def streaming(self, *_args: Any, **_kwargs: Any) -> Any:
        return iter(self.given)

    async def astreaming(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[Any]:
        for piece in self.given:
            yield piece


@pytest.mark.parametrize("given", [None, "hello", {"choices": []}])
def test_an_answer_of_another_kind_is_an_error_that_names_it(given: Any) -> None:
    litellm.custom_provider_map = [{"provider": "mine", "custom_handler": Careless(given)}]
    said = rf"`mine` returned `{type(given).__name__}`; it must return"
    with pytest.raises(litellm.APIConnectionError, match=said):
        litellm.completion("mine/m", HI)
    with pytest.raises(litellm.APIConnectionError, match=said):
        asyncio.run(litellm.acompletion("mine/m", HI))


@pytest.mark.parametrize(
    ("pieces", "finishes"),
    [
        ([_piece("a"), _piece("b")], ["stop"]),
        ([_piece("a"), _piece("b", is_finished=True), _piece("")], ["stop"]),
        ([_piece("a"), _piece("b", index=1), _piece("", is_finished=True)], ["stop", "stop"]),
        ([_piece("a", is_finished=True, finish_reason="length")], ["length"]),
    ],
)
def test_a_stream_has_one_end_for_each_choice_whether_its_handler_says_it_or_not(
    pieces: list[dict[str, Any]], finishes: list[str]
) -> None:
    litellm.custom_provider_map = [{"provider": "mine", "custom_handler": Careless(pieces)}]

    async def run() -> list[Any]:
        return [chunk async for chunk in await litellm.acompletion("mine/m", HI, stream=True)]

    for chunks in (list(litellm.completion("mine/m", HI, stream=True)), asyncio.run(run())):
        choices = [choice for chunk in chunks for choice in chunk.choices]
        assert [one.finish_reason for one in choices if one.finish_reason] == finishes
        assert "".join(one.delta.content or "" for one in choices).startswith("a")


@pytest.mark.parametrize(
    "item",
    [
        {"provider": "mine"},
        {"custom_handler": Echo()},
        {"provider": "mine", "custom_handler": Echo},
    ],
)
def test_an_item_of_the_map_that_lacks_its_handler_is_refused(item: Any) -> None:
    litellm.custom_provider_map = [item]
    with pytest.raises(litellm.BadRequestError, match="an instance of its handler"):
        litellm.completion("mine/m", HI)

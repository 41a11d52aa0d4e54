"""The `openai` package as a client of the real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.support.asgi import CONFIG, MODEL
from tests.support.server import Served
from tests.support.upstream import ARGUMENTS, TEXT, Reply, Upstream, text_chunks

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

KEY = "sk-master-for-the-sdk"
HI: Any = [{"role": "user", "content": "hi"}]
TOOLS: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def served(up: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("sdk") / "config.yaml"
    path.write_text(
        CONFIG.replace("UPSTREAM", up.url) + f"general_settings: {{master_key: {KEY}}}\n"
    )
    with Served("--config", str(path), "--host", "127.0.0.1", LLAMA_API_KEY="k") as one:
        yield one


@pytest.fixture(params=["", "/v1", "/v1/"])
def client(served: Served, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=served.url + request.param, max_retries=0) as made:
        yield made


@pytest.fixture
def plain(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=served.url, max_retries=0) as made:
        yield made


@pytest.mark.case(113)
def test_a_plain_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HI)
    assert answer.choices[0].message.content == TEXT
    assert answer.model == MODEL
    assert answer.usage is not None
    assert answer.usage.total_tokens == 15


@pytest.mark.case(113)
def test_a_streamed_answer(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert chunks[-1].usage is not None


@pytest.mark.case(113)
def test_tools(plain: openai.OpenAI) -> None:
    answer = plain.chat.completions.create(model=MODEL, messages=HI, tools=TOOLS)
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.arguments == ARGUMENTS
    with plain.chat.completions.stream(model=MODEL, messages=HI, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    (streamed,) = final.choices[0].message.tool_calls or []
    assert streamed.function.arguments == ARGUMENTS


@pytest.mark.case(92)
def test_text_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="Once")
    assert answer.choices[0].text == TEXT
    stream = client.completions.create(model=MODEL, prompt="Once", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == TEXT


@pytest.mark.case(118)
def test_models(client: openai.OpenAI) -> None:
    assert [one.id for one in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "meta_llama"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("meta_llama/none")
    assert caught.value.code == "model_not_found"


@pytest.mark.case(151)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_errors_become_the_matching_class(
    plain: openai.OpenAI, up: Upstream, status: int, kind: type[openai.APIStatusError]
) -> None:
    up.plays(Reply.error(status, "the detail"))
    with pytest.raises(kind) as caught:
        plain.chat.completions.create(model=MODEL, messages=HI, extra_body={"num_retries": 0})
    assert caught.value.status_code == status
    assert "the detail" in caught.value.message
    assert isinstance(caught.value.code, str)


@pytest.mark.case(152)
def test_a_wrong_gateway_key_and_a_wrong_upstream_key_differ(
    served: Served, plain: openai.OpenAI, up: Upstream
) -> None:
    with (
        openai.OpenAI(api_key="wrong", base_url=served.url, max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as ours,
    ):
        stranger.models.list()
    up.plays(Reply.error(401))
    with pytest.raises(openai.AuthenticationError) as theirs:
        plain.chat.completions.create(model=MODEL, messages=HI)
    assert ours.value.code == "invalid_api_key"
    assert theirs.value.code == "upstream_invalid_api_key"


@pytest.mark.case(131)
def test_a_wrong_field_is_named(plain: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        plain.chat.completions.create(model=MODEL, messages=HI, max_tokens=-1)
    assert caught.value.param == "max_tokens"


@pytest.mark.case(154)
def test_a_stream_that_breaks_raises(plain: openai.OpenAI, up: Upstream) -> None:
    up.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    texts: list[str] = []
    stream = plain.chat.completions.create(model=MODEL, messages=HI, stream=True)
    with pytest.raises(openai.APIError) as caught:
        texts.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(texts) == "Hello"
    assert caught.value.code == "stream_interrupted"


@pytest.mark.case(153)
@pytest.mark.parametrize("status", [400, 403, 404, 429])
def test_the_litellm_proxy_provider_keeps_the_kind_of_an_error(
    served: Served, up: Upstream, status: int
) -> None:
    import puna

    up.plays(Reply.error(status, "the detail"))
    kinds: dict[int, type[puna.APIError]] = {
        400: puna.BadRequestError,
        403: puna.PermissionDeniedError,
        404: puna.NotFoundError,
        429: puna.RateLimitError,
    }
    with pytest.raises(kinds[status]) as caught:
        puna.completion(
            f"litellm_proxy/{MODEL}",
            HI,
            api_base=served.url,
            api_key=KEY,
            max_retries=0,
            extra_body={"num_retries": 0},
        )
    assert caught.value.status_code == status
    assert caught.value.provider == "litellm_proxy"


@pytest.mark.case(115)
@pytest.mark.parametrize("stream", [True, False])
def test_the_litellm_proxy_provider_answers(served: Served, up: Upstream, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    import puna

    answer: Any = puna.completion(
        f"litellm_proxy/{MODEL}", HI, api_base=served.url, api_key=KEY, stream=stream
    )
    said = (
        "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        if stream
        else answer.choices[0].message.content
    )
    assert said == TEXT
    assert up.requests[-1].json["model"] == MODEL.partition("/")[2]


@pytest.mark.parametrize("form", ["base64", "float"])
def test_vectors(client: openai.OpenAI, up: Upstream, form: str) -> None:
    """The SDK asks for base64, and this host gives numbers: the gateway makes one of the other."""
    items = [{"index": i, "embedding": [0.5, -0.25, i]} for i in (1, 0)]
    up.plays(Reply.json({"data": items}))
    options: Any = {"encoding_format": form} if form == "float" else {}
    answer = client.embeddings.create(model=MODEL, input=["a", "b"], **options)
    assert [one.embedding for one in answer.data] == [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]]
    assert up.requests[-1].json["encoding_format"] == form
    assert answer.model == MODEL
    assert answer.usage.total_tokens > 0

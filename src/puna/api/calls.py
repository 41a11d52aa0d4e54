"""`completion()` and its siblings, over the default clients.

The default clients are the only module-level state of Puna: they keep connections between calls.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

from puna.client.asynchronous import AsyncClient
from puna.client.settings import ClientSettings, tls_from
from puna.client.synchronous import Client
from puna.embedded.supervisor import SupervisorPool
from puna.engine.responses import ResponseMemory
from puna.engine.streams import AsyncStream, Stream
from puna.transports.tls import TLSConfig
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.completions import TextCompletion
from puna.types.embeddings import EmbeddingResponse
from puna.types.moderations import ModerationResponse
from puna.types.responses import Response, ResponseEvent


class DefaultClients:
    """One client of each kind for each way of trusting hosts, made on first use.

    They share one pool, so that a program has one process for each embedded model, and the
    responses that later ones may go on from.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._pool = SupervisorPool()
        self._memory = ResponseMemory()
        self._lock = threading.Lock()
        self._clients: dict[TLSConfig, Client] = {}
        self._async_clients: dict[TLSConfig, AsyncClient] = {}

    def client(self, keywords: Mapping[str, Any]) -> Client:
        """The client for a call with these keywords."""
        tls = tls_from(keywords.get("ssl_verify"), self._settings.environ)
        with self._lock:
            client = self._clients.get(tls)
            if client is None:
                client = self._clients[tls] = Client(
                    replace(self._settings, tls=tls), pool=self._pool, memory=self._memory
                )
            return client

    def async_client(self, keywords: Mapping[str, Any]) -> AsyncClient:
        """The asyncio client for a call with these keywords."""
        tls = tls_from(keywords.get("ssl_verify"), self._settings.environ)
        with self._lock:
            client = self._async_clients.get(tls)
            if client is None:
                client = self._async_clients[tls] = AsyncClient(
                    replace(self._settings, tls=tls), pool=self._pool, memory=self._memory
                )
            return client

    def close(self) -> None:
        """Close the synchronous clients and end the embedded models' processes.

        The asyncio clients' connections are closed with their event loops. A later call makes new
        clients.
        """
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()
        self._pool.stop_all()


_default = DefaultClients(ClientSettings(environ=os.environ))
# Nobody else can: what is open at the end of a process is a ResourceWarning.
atexit.register(_default.close)


def default_clients() -> DefaultClients:
    """The clients behind the functions of this module; other faces of Puna share them."""
    return _default


@overload
def completion(
    model: str, messages: Sequence[Any], *, stream: Literal[True], **keywords: Any
) -> Stream[ChatCompletionChunk]: ...
@overload
def completion(
    model: str, messages: Sequence[Any], *, stream: Literal[False] | None = None, **keywords: Any
) -> ChatCompletion: ...
@overload
def completion(
    model: str, messages: Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
def completion(
    model: str, messages: Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> ChatCompletion | Stream[ChatCompletionChunk]:
    """Ask a model.

    Args:
        model: `provider/model`, such as `meta_llama/Llama-3.3-70B-Instruct`, or any name with an
            `api_base`.
        messages: as in the OpenAI API; answers of earlier calls may stand among them as they are.
        stream: True gives an iterator of chunks.
        keywords: OpenAI's parameters; and the options of a call, such as `api_key`, `api_base`,
            `timeout` in seconds, `max_retries`, `fallbacks`, `extra_headers`, `drop_params` and
            `mock_response`: all are in `docs/reference/options.md`. Any other keyword is sent in
            the body; an option that is none of a call is refused.

    Returns:
        The completion, or a stream of chunks. Both have a `report` on how the call went.

    Raises:
        puna.errors.BadRequestError: something given is wrong; nothing was sent.
        puna.errors.APIError: the call failed, after retries and fallbacks.
    """
    return _default.client(keywords).completion(model, messages, stream=stream, **keywords)


@overload
async def acompletion(
    model: str, messages: Sequence[Any], *, stream: Literal[True], **keywords: Any
) -> AsyncStream[ChatCompletionChunk]: ...
@overload
async def acompletion(
    model: str, messages: Sequence[Any], *, stream: Literal[False] | None = None, **keywords: Any
) -> ChatCompletion: ...
@overload
async def acompletion(
    model: str, messages: Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> ChatCompletion | AsyncStream[ChatCompletionChunk]: ...
async def acompletion(
    model: str, messages: Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
    """`completion` for asyncio; a stream is iterated with `async for`."""
    client = _default.async_client(keywords)
    return await client.completion(model, messages, stream=stream, **keywords)


@overload
def text_completion(
    model: str, prompt: str | Sequence[Any], *, stream: Literal[True], **keywords: Any
) -> Stream[TextCompletion]: ...
@overload
def text_completion(
    model: str,
    prompt: str | Sequence[Any],
    *,
    stream: Literal[False] | None = None,
    **keywords: Any,
) -> TextCompletion: ...
@overload
def text_completion(
    model: str, prompt: str | Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> TextCompletion | Stream[TextCompletion]: ...
def text_completion(
    model: str, prompt: str | Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> TextCompletion | Stream[TextCompletion]:
    """Continue a text: at hosts that have the endpoint as it is asked, else over chat.

    Keywords, returns and errors are those of `completion`. Over chat each prompt is one call;
    `echo` puts the prompt before the text; `suffix`, `best_of` above 1, `logprobs` and token ids
    cannot be done.
    """
    return _default.client(keywords).text_completion(model, prompt, stream=stream, **keywords)


@overload
async def atext_completion(
    model: str, prompt: str | Sequence[Any], *, stream: Literal[True], **keywords: Any
) -> AsyncStream[TextCompletion]: ...
@overload
async def atext_completion(
    model: str,
    prompt: str | Sequence[Any],
    *,
    stream: Literal[False] | None = None,
    **keywords: Any,
) -> TextCompletion: ...
@overload
async def atext_completion(
    model: str, prompt: str | Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> TextCompletion | AsyncStream[TextCompletion]: ...
async def atext_completion(
    model: str, prompt: str | Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> TextCompletion | AsyncStream[TextCompletion]:
    """`text_completion` for asyncio."""
    client = _default.async_client(keywords)
    return await client.text_completion(model, prompt, stream=stream, **keywords)


def embedding(
    model: str,
    input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],  # noqa: A002 - OpenAI's name
    **keywords: Any,
) -> EmbeddingResponse:
    """Turn texts into vectors, one for each input and in the same order.

    Args:
        model: `provider/model`, or any name with an `api_base`; `embedded/smollm2-135m` needs
            neither key nor network.
        input: a text, a list of at most 2,048 texts, or token ids of one or of several.
        keywords: `dimensions`, `encoding_format` (`float`, or `base64` of little-endian float32)
            and `user`; and those of `completion` that steer a call. `mock_response` is the vector
            of every input. Any other keyword is sent in the body.

    Returns:
        The vectors, with a `report` on how the call went.

    Raises:
        puna.errors.BadRequestError: something given is wrong; nothing was sent.
        puna.errors.APIError: the call failed, after retries and fallbacks.
    """
    return _default.client(keywords).embedding(model, input, **keywords)


async def aembedding(
    model: str,
    input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],  # noqa: A002 - OpenAI's name
    **keywords: Any,
) -> EmbeddingResponse:
    """`embedding` for asyncio."""
    return await _default.async_client(keywords).embedding(model, input, **keywords)


def moderation(
    model: str,
    input: str | Sequence[Any],  # noqa: A002 - OpenAI's name
    **keywords: Any,
) -> ModerationResponse:
    """Verdicts on texts, or on texts and images together.

    Args:
        model: of a host with an endpoint for it, such as `openai/omni-moderation-latest`; or a
            Llama Guard 3 or 4 at any host, which is asked over chat.
        input: a text, a list of texts, which get a verdict each, or a list of parts with `text`
            and `image_url`, which get one together.
        keywords: those of `completion` that steer a call; any other one is sent in the body.

    Returns:
        The verdicts in `results`, in the order of the inputs, with a `report`.

    Raises:
        puna.errors.NotFoundError: the model gives no verdicts; nothing was sent.
        puna.errors.MalformedReplyError: a verdict is missing: that does not pass for harmless.
        puna.errors.APIError: as in `completion`.
    """
    return _default.client(keywords).moderation(model, input, **keywords)


async def amoderation(
    model: str,
    input: str | Sequence[Any],  # noqa: A002 - OpenAI's name
    **keywords: Any,
) -> ModerationResponse:
    """`moderation` for asyncio."""
    return await _default.async_client(keywords).moderation(model, input, **keywords)


@overload
def responses(
    model: str, input: str | Sequence[Any], *, stream: Literal[True], **keywords: Any
) -> Stream[ResponseEvent]: ...
@overload
def responses(
    model: str,
    input: str | Sequence[Any],
    *,
    stream: Literal[False] | None = None,
    **keywords: Any,
) -> Response: ...
@overload
def responses(
    model: str, input: str | Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> Response | Stream[ResponseEvent]: ...
def responses(
    model: str,
    input: str | Sequence[Any],  # noqa: A002 - the name in OpenAI's API
    *,
    stream: bool | None = None,
    **keywords: Any,
) -> Response | Stream[ResponseEvent]:
    """Make a response as in OpenAI's Responses API.

    A host that is known to speak that API is asked there, any other over chat.

    Args:
        model: as in `completion`.
        input: a text, or items: messages, calls and their outputs, reasoning.
        stream: True gives an iterator of events; one that breaks ends with `response.failed`.
        keywords: OpenAI's parameters of a response, and those of `completion` that steer a call.
            `previous_response_id` goes on from a response of this program that was stored, which
            all are but those with `store=False`; the oldest are forgotten when there are many.

    Returns:
        The response, whose `output_text` is what the model said, or a stream of events.

    Raises:
        puna.errors.NotFoundError: `previous_response_id` names no response that is stored.
        puna.errors.APIError: as in `completion`.
    """
    return _default.client(keywords).responses(model, input, stream=stream, **keywords)


@overload
async def aresponses(
    model: str, input: str | Sequence[Any], *, stream: Literal[True], **keywords: Any
) -> AsyncStream[ResponseEvent]: ...
@overload
async def aresponses(
    model: str,
    input: str | Sequence[Any],
    *,
    stream: Literal[False] | None = None,
    **keywords: Any,
) -> Response: ...
@overload
async def aresponses(
    model: str, input: str | Sequence[Any], *, stream: bool | None = None, **keywords: Any
) -> Response | AsyncStream[ResponseEvent]: ...
async def aresponses(
    model: str,
    input: str | Sequence[Any],  # noqa: A002 - the name in OpenAI's API
    *,
    stream: bool | None = None,
    **keywords: Any,
) -> Response | AsyncStream[ResponseEvent]:
    """`responses` for asyncio."""
    client = _default.async_client(keywords)
    return await client.responses(model, input, stream=stream, **keywords)

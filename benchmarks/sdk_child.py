"""One SDK in one process: `python -m benchmarks.sdk_child JOB` prints CPU µs a call and a chunk.

The jobs are those of `sdk.py`. Time is user and system time of this process (`getrusage`).
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from benchmarks.upstream import events, model_name, whole_body

WHAT_IS_ASKED: list[Any] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Tell me in one paragraph why the sky is blue."},
]
_TEMPERATURE = 0.7
_LIMIT = 128
_NO_PORT = 9  # of the address that a replay is told; nothing is sent


@dataclass(frozen=True, slots=True)
class Job:
    """`sdk` is "puna", "openai" or "json"; `port` 0 replays bytes instead of asking an upstream."""

    sdk: str
    is_async: bool
    port: int
    calls: int
    streams: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds."""

    call_us: float
    chunk_us: float


Ask = Callable[[], object]
"""Does one thing: a call that returns the text, or a stream that returns its number of chunks."""
AskAsync = Callable[[], Awaitable[object]]


def measure(job: Job) -> Cost:
    """Run a job in this process."""
    if job.is_async:
        return asyncio.run(_measure_async(job))
    call, stream = make_asks(job)
    return Cost(
        _spent_us(call, job.calls) / job.calls,
        _spent_us(stream, job.streams) / (job.streams * job.chunks),
    )


def make_asks(job: Job) -> tuple[Ask, Ask]:
    """What does a call and a stream of this job."""
    if job.sdk == "json":
        return _parse_whole, partial(_parse_events, job)
    return _puna(job) if job.sdk == "puna" else _openai(job)


def _asynchronous(job: Job) -> tuple[AskAsync, AskAsync]:
    return _puna_async(job) if job.sdk == "puna" else _openai_async(job)


def _parse_whole() -> object:
    return json.loads(whole_body_bytes)["choices"][0]["message"]["content"]


def _parse_events(job: Job) -> object:
    texts = [json.loads(event[6:]) for event in events(job.chunks)[:-1]]
    return len(texts)


def _puna(job: Job) -> tuple[Ask, Ask]:
    import puna

    keywords = _keywords(job)
    if job.port:
        ask: Callable[..., Any] = puna.completion
    else:
        from puna.transports.replay import ReplayTransport

        ask = puna.Client(transport=ReplayTransport(partial(_play, job))).completion
    model = f"openai/{keywords.pop('model')}"

    def call() -> object:
        return ask(model, WHAT_IS_ASKED, **keywords).choices[0].message.content

    def stream() -> object:
        return sum(
            bool(chunk.choices) for chunk in ask(model, WHAT_IS_ASKED, stream=True, **keywords)
        )

    return call, stream


def _puna_async(job: Job) -> tuple[AskAsync, AskAsync]:
    import puna

    keywords = _keywords(job)
    if job.port:
        ask: Callable[..., Any] = puna.acompletion
    else:
        from puna.transports.replay import AsyncReplayTransport

        ask = puna.AsyncClient(transport=AsyncReplayTransport(partial(_play, job))).completion
    model = f"openai/{keywords.pop('model')}"

    async def call() -> object:
        return (await ask(model, WHAT_IS_ASKED, **keywords)).choices[0].message.content

    async def stream() -> object:
        chunks = await ask(model, WHAT_IS_ASKED, stream=True, **keywords)
        return sum([bool(chunk.choices) async for chunk in chunks])

    return call, stream


def _openai(job: Job) -> tuple[Ask, Ask]:
    import openai

    keywords = _keywords(job)
    client = openai.OpenAI(api_key=keywords.pop("api_key"), base_url=keywords.pop("api_base"))
    ask: Callable[..., Any] = client.chat.completions.create

    def call() -> object:
        return ask(messages=WHAT_IS_ASKED, **keywords).choices[0].message.content

    def stream() -> object:
        chunks = ask(messages=WHAT_IS_ASKED, stream=True, **keywords)
        return sum(bool(chunk.choices) for chunk in chunks)

    return call, stream


def _openai_async(job: Job) -> tuple[AskAsync, AskAsync]:
    import openai

    keywords = _keywords(job)
    client = openai.AsyncOpenAI(api_key=keywords.pop("api_key"), base_url=keywords.pop("api_base"))
    ask: Callable[..., Any] = client.chat.completions.create

    async def call() -> object:
        return (await ask(messages=WHAT_IS_ASKED, **keywords)).choices[0].message.content

    async def stream() -> object:
        chunks = await ask(messages=WHAT_IS_ASKED, stream=True, **keywords)
        return sum([bool(chunk.choices) async for chunk in chunks])

    return call, stream


def _keywords(job: Job) -> dict[str, Any]:
    return {
        "model": model_name(job.chunks, 0),
        "api_key": "k",
        "api_base": f"http://127.0.0.1:{job.port or _NO_PORT}/v1",
        "max_tokens": _LIMIT,
        "temperature": _TEMPERATURE,
    }


def _play(job: Job, request: Any) -> Any:
    """The upstream's bytes, each event a piece of its own."""
    from puna.transports.replay import Recorded

    is_stream = b'"stream":true' in request.body or b'"stream": true' in request.body
    kind = "text/event-stream" if is_stream else "application/json"
    pieces = events(job.chunks) if is_stream else (whole_body_bytes,)
    return Recorded(headers={"content-type": kind}, pieces=pieces)


def _spent_us(ask: Ask, times: int) -> float:
    for _ in range(max(times // 10, 2)):
        _check(ask())
    gc.collect()
    before = _cpu_us()
    for _ in range(times):
        ask()
    return _cpu_us() - before


async def _measure_async(job: Job) -> Cost:
    call, stream = _asynchronous(job)
    return Cost(
        await _spent_async_us(call, job.calls) / job.calls,
        await _spent_async_us(stream, job.streams) / (job.streams * job.chunks),
    )


async def _spent_async_us(ask: AskAsync, times: int) -> float:
    for _ in range(max(times // 10, 2)):
        _check(await ask())
    gc.collect()
    before = _cpu_us()
    for _ in range(times):
        await ask()
    return _cpu_us() - before


def _check(answer: object) -> None:
    if not answer:
        raise RuntimeError(f"an SDK answered {answer!r}")


def _cpu_us() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


whole_body_bytes = whole_body()

if __name__ == "__main__":
    print(json.dumps(asdict(measure(Job(**json.loads(sys.argv[1]))))))

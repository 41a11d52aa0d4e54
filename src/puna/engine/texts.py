"""Text completions as chat calls, one for each prompt. Sources of the rules: `puna.bridges`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import fields, replace

from puna.bridges.completions import (
    TextRequest,
    TextStream,
    completion_of,
    join_reports,
    prompt_messages,
)
from puna.engine.asynchronous import AsyncEngine
from puna.engine.at_once import ask_all
from puna.engine.call import Call
from puna.engine.streams import AsyncStream, Stream
from puna.engine.synchronous import Engine
from puna.types.completions import TextCompletion
from puna.types.report import CallReport


def calls_of(request: TextRequest, template: Call) -> list[Call]:
    """Make the chat calls of a text completion, one for each prompt.

    `template` is the first one.
    """
    return [
        replace(
            template, request=replace(template.request, messages=tuple(prompt_messages(prompt)))
        )
        for prompt in request.prompts
    ]


def complete_texts(engine: Engine, request: TextRequest, calls: Sequence[Call]) -> TextCompletion:
    """Make the chat calls one after the other, and join the answers to one text completion."""
    return completion_of(request, [engine.chat(call) for call in calls])


def stream_texts(
    engine: Engine, request: TextRequest, calls: Sequence[Call]
) -> Stream[TextCompletion]:
    """Make the chat calls one after the other, and return their chunks as one text stream."""
    first = engine.stream(calls[0])
    reports = _Reports(request, first.report)

    def chunks() -> Generator[TextCompletion, None, None]:
        """Convert the chunks of each call in turn."""
        texts = TextStream(request)
        for position, call in enumerate(calls):
            with first if position == 0 else engine.stream(call) as answer:
                for chunk in answer:
                    text = texts.convert(position, chunk)
                    if text is not None:
                        yield text
            reports.add(answer.report)
        last = texts.last()
        if last is not None:
            yield last

    return Stream(chunks(), first.close, reports.joined)


async def complete_texts_async(
    engine: AsyncEngine, request: TextRequest, calls: Sequence[Call]
) -> TextCompletion:
    """Make the chat calls, a few at a time, and join the answers.

    The first failure cancels the others.
    """
    return completion_of(request, await ask_all(engine.chat, calls))


async def stream_texts_async(
    engine: AsyncEngine, request: TextRequest, calls: Sequence[Call]
) -> AsyncStream[TextCompletion]:
    """Make the chat calls one after the other, and return their chunks as one text stream."""
    first = await engine.stream(calls[0])
    reports = _Reports(request, first.report)

    async def chunks() -> AsyncGenerator[TextCompletion, None]:
        """Convert the chunks of each call in turn."""
        texts = TextStream(request)
        for position, call in enumerate(calls):
            answer = first if position == 0 else await engine.stream(call)
            async with answer:
                async for chunk in answer:
                    text = texts.convert(position, chunk)
                    if text is not None:
                        yield text
            reports.add(answer.report)
        last = texts.last()
        if last is not None:
            yield last

    return AsyncStream(chunks(), first.aclose, reports.joined)


class _Reports:
    """Fills the report of a stream over several calls, whenever one of them has ended."""

    def __init__(self, request: TextRequest, first: CallReport) -> None:
        self._request = request
        self._ended: list[CallReport] = []
        # A copy: the first call's own report stays with its hooks, as it was.
        self.joined = join_reports(request, [first]) or first

    def add(self, report: CallReport) -> None:
        """Add the report of a call that has ended."""
        self._ended.append(report)
        joined = join_reports(self._request, self._ended) or report
        for one in fields(CallReport):
            setattr(self.joined, one.name, getattr(joined, one.name))

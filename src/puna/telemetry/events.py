"""The event that hooks get once for each call, when it has ended, and how hooks are run."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from puna.types.report import CallReport

Outcome = Literal["success", "failure", "cancelled"]

_log = logging.getLogger("puna")


class Texts:
    """The request's and the answer's content of one call, built only when a hook reads it."""

    def __init__(
        self,
        build_request: Callable[[], Mapping[str, Any]] = dict,
        build_answer: Callable[[], Any] = lambda: None,
    ) -> None:
        """Keep the two functions that build the parts.

        Args:
            build_request: gives a mapping with `messages` (chat), with `input` (other kinds), or
                empty.
            build_answer: gives the answer, or None where there is none.
        """
        self._build_request = build_request
        self._build_answer = build_answer

    @cached_property
    def request_content(self) -> Mapping[str, Any]:
        """The request's content under `messages` or `input`; empty where there is neither."""
        return self._build_request()

    @cached_property
    def answer(self) -> Any:
        """The whole answer; None for a stream and for a failed call."""
        return self._build_answer()


@dataclass(frozen=True, slots=True)
class CallEvent:
    """How one call ended.

    Attributes:
        report: provider, tokens, cost, duration, attempts.
        outcome: `cancelled` when the caller left before the end; what was used is in the report.
        is_stream: whether the caller asked for a stream.
        error: the error that the caller saw, for a failure.
        metadata: the caller's own `metadata`, as given; it is never sent upstream.
        texts: the content of request and answer, built on first use.
    """

    report: CallReport
    outcome: Outcome
    is_stream: bool = False
    error: Exception | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    texts: Texts = field(default_factory=Texts, repr=False, compare=False)

    @property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """The messages of a chat request; empty for other kinds of calls."""
        return tuple(self.texts.request_content.get("messages", ()))

    @property
    def input(self) -> Any:
        """The input of a call that is no chat.

        Texts or token ids (embeddings), or items (Responses API).
        """
        return self.texts.request_content.get("input")

    @property
    def answer(self) -> Any:
        """The answer of a successful call that was not streamed; else None.

        It is a completion, vectors, or the response of a host that speaks the Responses API.
        """
        return self.texts.answer


Hook = Callable[[CallEvent], Awaitable[None] | None]
"""A listener. It may be `async def` where the call is async."""


def notify(hooks: Iterable[Hook], event: CallEvent) -> list[Awaitable[None]]:
    """Call every hook with an event. A hook that raises is logged, and the others are still called.

    Returns the awaitables that asynchronous hooks gave, to be awaited by `wait_for_hooks` or
    `HookTasks`, or run by `run_hooks`.
    """
    pending: list[Awaitable[None]] = []
    for hook in hooks:
        try:
            result = hook(event)
        except Exception:  # noqa: BLE001 - a listener may fail in any way; the call goes on
            _log.exception("A hook failed; the call is not affected")
            continue
        if result is not None:
            pending.append(result)
    return pending


async def wait_for_hooks(pending: Sequence[Awaitable[None]]) -> None:
    """Await what asynchronous hooks returned, one after the other; failures are logged.

    A caller that is cancelled meanwhile, for instance because its client left, still waits, so that
    each hook gets the whole event. A second cancellation also cancels the hooks.
    """
    if not pending:
        return
    hooks = asyncio.ensure_future(_await_each(pending))
    try:
        await asyncio.shield(hooks)
    except asyncio.CancelledError:
        await hooks
        raise


class HookTasks:
    """Runs asynchronous hooks in background tasks, so that no answer waits for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, pending: Sequence[Awaitable[None]]) -> None:
        """Start a task that awaits these one after the other."""
        if pending:
            task = asyncio.get_running_loop().create_task(_await_each(pending))
            self._tasks.add(task)  # the loop itself keeps only a weak reference to a task
            task.add_done_callback(self._tasks.discard)

    async def close(self, limit_s: float) -> None:
        """Wait at most `limit_s` seconds for the running tasks, then cancel those that are left."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=limit_s)
        if late:
            _log.warning(
                "Hooks of %d calls took longer than %g s and were ended", len(late), limit_s
            )
        for task in late:
            task.cancel()


async def _await_each(pending: Sequence[Awaitable[None]]) -> None:
    """Await each in turn; an exception is logged and does not stop the others."""
    for awaitable in pending:
        try:
            await awaitable
        except Exception:  # noqa: BLE001 - a listener may fail in any way; the call goes on
            _log.exception("A hook failed; the call is not affected")


def run_hooks(pending: list[Awaitable[None]]) -> None:
    """Run what asynchronous hooks returned to a synchronous call, in a loop, to their end."""
    if not pending:
        return
    # A thread of its own: the caller may be inside a running event loop, such as a notebook's.
    thread = threading.Thread(target=lambda: asyncio.run(wait_for_hooks(pending)))
    thread.start()
    thread.join()

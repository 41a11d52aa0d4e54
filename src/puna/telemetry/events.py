"""One event a call, at its end, whatever the end."""

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
    """What one call was asked and answered; each part is built when it is first looked at."""

    def __init__(
        self,
        build_asked: Callable[[], Mapping[str, Any]] = dict,
        build_answer: Callable[[], Any] = lambda: None,
    ) -> None:
        """`build_asked` gives `messages` or `input`, or neither."""
        self._build_asked = build_asked
        self._build_answer = build_answer

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """`messages` or `input` of the request."""
        return self._build_asked()

    @cached_property
    def answer(self) -> Any:
        """The answer; None where there is none."""
        return self._build_answer()


@dataclass(frozen=True, slots=True)
class CallEvent:
    """How one call ended.

    Attributes:
        report: provider, tokens, cost, duration, attempts.
        outcome: `cancelled` when the caller left before the end; what was used is in the report.
        is_stream: whether chunks were asked for.
        error: the error that the caller saw, for a failure.
        metadata: the caller's own, as given; it is never sent upstream.
        texts: what was asked and answered, which costs nothing until it is looked at.
    """

    report: CallReport
    outcome: Outcome
    is_stream: bool = False
    error: Exception | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    texts: Texts = field(default_factory=Texts, repr=False, compare=False)

    @property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """What was asked, of a chat. Hooks decide what of it they keep."""
        return tuple(self.texts.asked.get("messages", ()))

    @property
    def input(self) -> Any:
        """What was asked, where it was no chat.

        Of embeddings a text, texts or token ids; of a host that speaks the Responses API: items.
        """
        return self.texts.asked.get("input")

    @property
    def answer(self) -> Any:
        """The answer of a success that was not streamed; else None.

        A completion, vectors, or the response of a host that speaks that API.
        """
        return self.texts.answer


Hook = Callable[[CallEvent], Awaitable[None] | None]
"""A listener. It may be `async def` where the call is async."""


def notify(hooks: Iterable[Hook], event: CallEvent) -> list[Awaitable[None]]:
    """Tell every hook. One that raises is logged and passed over.

    Returns what hooks want awaited; the async engine awaits it with `wait_for_hooks`.
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
    """Await what hooks returned, one after the other; failures are logged.

    A caller that is cancelled meanwhile, as when its client leaves, still waits: the event is told
    once, and each hook hears all of it. A second cancellation ends the hooks too.
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
    """Runs what `async` hooks returned beside the answers, which never wait for a hook."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, pending: Sequence[Awaitable[None]]) -> None:
        """Await these, one after the other, in a task."""
        if pending:
            task = asyncio.get_running_loop().create_task(_await_each(pending))
            self._tasks.add(task)  # the loop itself keeps only a weak reference to a task
            task.add_done_callback(self._tasks.discard)

    async def close(self, limit_s: float) -> None:
        """Wait for what runs, at most some seconds; what has not ended by then is cancelled."""
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
    for awaitable in pending:
        try:
            await awaitable
        except Exception:  # noqa: BLE001 - a listener may fail in any way; the call goes on
            _log.exception("A hook failed; the call is not affected")


def run_hooks(pending: list[Awaitable[None]]) -> None:
    """Run what `async` hooks returned to a synchronous call, to their end."""
    if not pending:
        return
    # A thread of its own: the caller may be inside a running event loop, such as a notebook's.
    thread = threading.Thread(target=lambda: asyncio.run(wait_for_hooks(pending)))
    thread.start()
    thread.join()

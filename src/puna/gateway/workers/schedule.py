"""Decides which worker processes run, step by step, on a clock that is passed in.

The pool has one slot for each worker. A slot is *empty* (its next worker starts at `again_at`) or
holds a member, which is *starting* until it reports ready, then *ready*. `tick` is called several
times a second and moves each slot: a worker that died, was not ready in time or stopped answering
leaves its slot, and another one is started, at once or after a pause that doubles with each quick
death. `replace` replaces all workers: the next worker is started beside the old ones, takes a slot
when it is ready, and the old worker of that slot has ended before the next one is started. So there
is never more than one worker too many. `end` terminates all; the pool is over when the last has
ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Worker(Protocol):
    """One worker process. No method waits."""

    @property
    def name(self) -> str:
        """The worker's name in lines for the operator."""
        ...

    def start(self) -> None:
        """Start the process; called once."""
        ...

    def poll(self) -> bool | None:
        """Its last report: whether it is ready; None if it sent nothing since the last call."""
        ...

    def reload(self) -> None:
        """Have it read the configuration again."""
        ...

    def ended(self) -> str | None:
        """How the process ended, in words; None while it runs."""
        ...

    def terminate(self) -> None:
        """Ask the process to finish its requests and end."""
        ...

    def kill(self) -> None:
        """End the process at once."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerPoolLimits:
    """Limits on the life of a worker, in seconds.

    Attributes:
        start_s: from a worker's start until it must be ready.
        silent_s: how long the event loop of a ready worker may answer no ping. A blocked loop
            serves nobody; the longest legitimate step of a request takes a few seconds.
        end_s: from the request to end until the worker is killed.
        steady_s: a worker that lives shorter than this died quickly, and the next one waits:
        pause_s: the wait after the first quick death, doubled after each further one,
        most_pause_s: up to this.
    """

    start_s: float = 60.0
    silent_s: float = 20.0
    end_s: float = 70.0
    steady_s: float = 10.0
    pause_s: float = 0.5
    most_pause_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _NotStarted:
    """A worker process that could not be started; it counts as one that died at once."""

    problem: str
    name: str = "a worker"

    def start(self) -> None:
        """Do nothing: there is no process."""

    def poll(self) -> bool | None:
        """None: it never reports."""
        return None

    def reload(self) -> None:
        """It has read nothing."""

    def ended(self) -> str | None:
        """Why the process could not be started."""
        return self.problem

    def terminate(self) -> None:
        """Do nothing: there is no process."""

    def kill(self) -> None:
        """Do nothing: there is no process."""


@dataclass(slots=True)
class _Member:
    """A worker with what is known of it. Times are seconds of the clock passed in."""

    worker: Worker
    since: float
    reported_at: float
    is_ready: bool = False
    wants_reload: bool = False
    ends_by: float = 0.0


@dataclass(slots=True, eq=False)
class _Slot:
    """The place of one worker in the pool, which a new worker takes when its worker has died."""

    member: _Member | None = None
    again_at: float = 0.0
    quick_deaths: int = 0


@dataclass(slots=True)
class WorkerPool:
    """Keeps a fixed number of workers running; see the head of this module.

    Attributes:
        size: how many workers.
        make: makes a worker that is not started.
        announce: called with lines for the operator.
        on_ready: called once, when the first worker is ready.
        has_failed: no worker was ever ready, and one has ended, so nothing can be served.
    """

    size: int
    make: Callable[[], Worker]
    announce: Callable[[str], None]
    on_ready: Callable[[], None]
    limits: WorkerPoolLimits = field(default_factory=WorkerPoolLimits)
    has_failed: bool = False
    _slots: list[_Slot] = field(init=False)
    _old: list[_Slot] = field(init=False, default_factory=list["_Slot"])
    _next: _Member | None = field(init=False, default=None)
    _leaving: list[_Member] = field(init=False, default_factory=list["_Member"])
    _is_replacing: bool = field(init=False, default=False)
    _is_ending: bool = field(init=False, default=False)
    _was_ready: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._slots = [_Slot() for _ in range(self.size)]

    @property
    def is_over(self) -> bool:
        """Whether `end` was called and all workers have exited."""
        return self._is_ending and not self._leaving

    def reload(self, now: float) -> None:
        """Have all workers read the configuration again.

        A running worker reads it at once, one that is starting as soon as it is ready. A slot whose
        worker died gets a new one now: the new configuration may have fixed the cause.
        """
        if self._is_ending:
            return
        for member in (*(slot.member for slot in self._slots), self._next):
            if member is not None:
                member.wants_reload = True
                self._reload_ready(member)
        for slot in self._slots:
            if slot.member is None:
                slot.again_at = now

    def _reload_ready(self, member: _Member) -> None:
        """Have a worker reload once it is ready, if it was asked to."""
        if member.is_ready and member.wants_reload:
            member.wants_reload = False
            member.worker.reload()

    def replace(self, now: float) -> None:
        """Replace all workers, one after the other. A call during a replacement begins it anew."""
        if self._is_ending:
            return
        if self._next is not None:
            self._terminate(self._next, now)
            self._next = None
        self._old = [slot for slot in self._slots if slot.member is not None]
        for slot in self._slots:
            if slot.member is None:
                slot.again_at = now
        self._is_replacing = True
        self.announce(f"replacing {self.size} workers, one after the other")

    def end(self, now: float) -> None:
        """Ask all workers to end."""
        if self._is_ending:
            return
        self._is_ending = True
        self._is_replacing = False
        for member in (*(slot.member for slot in self._slots), self._next):
            if member is not None:
                self._terminate(member, now)

    def tick(self, now: float) -> None:
        """Check all workers, and do what is due at `now`."""
        self._kill_overdue(now)
        # All are polled before one is found dead: another, or the dead one, may be ready by now.
        for slot in self._slots:
            if slot.member is not None and not self._is_ending:
                self._read_heartbeat(slot.member, now)
        for slot in self._slots:
            if not self._is_ending:
                self._check_slot(slot, now)
        if self._is_replacing:
            self._continue_replacing(now)

    def _check_slot(self, slot: _Slot, now: float) -> None:
        """Start the worker of an empty slot when its pause is over.

        Replace a worker that has died.
        """
        member = slot.member
        if member is None:
            if now >= slot.again_at:
                slot.member = self._start(now)
            return
        problem = self._check(member, now)
        if problem is not None:
            self._refill(slot, member, problem, now)

    def _read_heartbeat(self, member: _Member, now: float) -> None:
        """Record a worker's report; the first worker that is ready calls `on_ready`."""
        answer = member.worker.poll()
        if answer is None:
            return
        member.reported_at = now
        member.is_ready = member.is_ready or answer
        self._reload_ready(member)
        if member.is_ready and not self._was_ready:
            self._was_ready = True
            self.on_ready()

    def _refill(self, slot: _Slot, lost: _Member, problem: str, now: float) -> None:
        """Put a new worker in the slot of a lost one, at once or after a pause."""
        slot.member = None
        if not self._was_ready:
            self.announce(
                f"{lost.worker.name} {problem} before it was ready: there is nobody to serve"
            )
            self.has_failed = True
            self.end(now)
            return
        if self._old and self._old[0] is slot:
            slot.member, self._next = self._next, None
        if slot in self._old:
            self._old.remove(slot)
        if slot.member is not None:
            self.announce(f"{lost.worker.name} {problem}; the next one takes its place")
            return
        if now - lost.since >= self.limits.steady_s:
            slot.quick_deaths, pause_s = 0, 0.0
        else:
            pause_s = self.limits.pause_s * 2.0 ** min(slot.quick_deaths, 16)
            pause_s = min(pause_s, self.limits.most_pause_s)
            slot.quick_deaths += 1
        slot.again_at = now + pause_s
        when = f"in {pause_s:g} s" if pause_s else "now"
        self.announce(f"{lost.worker.name} {problem}; another one starts {when}")

    def _continue_replacing(self, now: float) -> None:
        """The next step of `replace`: start a new worker, or check the one that is starting."""
        if self._leaving:
            return
        if not self._old:
            self._is_replacing = False
            self.announce("all workers are new")
        elif self._next is None:
            self._next = self._start(now)
        else:
            self._check_next(self._next, now)

    def _check_next(self, coming: _Member, now: float) -> None:
        """Put a new worker that is ready in an old one's place; stop replacing if it has died."""
        self._read_heartbeat(coming, now)
        problem = self._check(coming, now)
        if problem is not None:
            self.announce(
                f"the new {coming.worker.name} {problem}; {len(self._old)} old workers stay"
            )
            self._next, self._old, self._is_replacing = None, [], False
        elif coming.is_ready:
            slot = self._old.pop(0)
            if slot.member is not None:
                self._terminate(slot.member, now)
            self._next, slot.member, slot.quick_deaths = None, coming, 0

    def _check(self, member: _Member, now: float) -> str | None:
        """What is wrong with a worker, or None. One that does not answer is killed."""
        how = member.worker.ended()
        if how is not None:
            return how
        if member.is_ready:
            problem = f"did not answer for {self.limits.silent_s:g} s (its event loop is blocked)"
            due = member.reported_at + self.limits.silent_s
        else:
            problem, due = "was not ready in time", member.since + self.limits.start_s
        if now <= due:
            return None
        member.worker.kill()
        self._leaving.append(member)
        return problem

    def _start(self, now: float) -> _Member:
        """Start a worker; one that could not be started counts as dead at once."""
        try:
            worker: Worker = self.make()
            worker.start()
        except OSError as error:  # no process, memory or descriptor left: it may pass
            worker = _NotStarted(f"could not be started: {error}")
        return _Member(worker, now, now)

    def _terminate(self, member: _Member, now: float) -> None:
        """Have a worker exit, and note until when it may take."""
        member.worker.terminate()
        member.ends_by = now + self.limits.end_s
        self._leaving.append(member)

    def _kill_overdue(self, now: float) -> None:
        """Forget workers that have exited, and kill those that take too long."""
        for member in tuple(self._leaving):
            if member.worker.ended() is not None:
                self._leaving.remove(member)
            elif now > member.ends_by:
                member.worker.kill()

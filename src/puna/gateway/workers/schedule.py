"""Which of several workers run, come and go: decided tick by tick, on a clock that is passed in.

A post is a place for one worker. A restart fills one post after the other: the next worker is ready
before the old one is told to end, and has ended before another post's turn comes, so there is never
more than one worker too many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Worker(Protocol):
    """One process. No method waits."""

    @property
    def name(self) -> str:
        """What the operator reads."""
        ...

    def start(self) -> None:
        """Begin; called once."""
        ...

    def hear(self) -> bool | None:
        """Whether it says that it is ready; None if it said nothing since it was last asked."""
        ...

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        ...

    def terminate(self) -> None:
        """Tell it to finish what is under way, and end."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True, slots=True)
class CrewLimits:
    """Durations in seconds.

    Attributes:
        start_s: from a worker's start until it must be ready.
        silent_s: how long the event loop of a ready worker may answer no ping. A blocked loop
            serves nobody; the longest legitimate step of a request takes a few seconds.
        end_s: from the wish that it ends until it is killed.
        steady_s: one that lives shorter died at once, and the next waits before it starts:
        pause_s: so long after the first such death, twice as long after each further one,
        most_pause_s: but never longer than this.
    """

    start_s: float = 60.0
    silent_s: float = 20.0
    end_s: float = 70.0
    steady_s: float = 10.0
    pause_s: float = 0.5
    most_pause_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Unborn:
    """A worker process that could not be started; it counts as one that died at once."""

    trouble: str
    name: str = "a worker"

    def start(self) -> None:
        """It cannot."""

    def hear(self) -> bool | None:
        return None

    def ended(self) -> str | None:
        return self.trouble

    def terminate(self) -> None:
        """Nothing runs."""

    def kill(self) -> None:
        """The same."""


@dataclass(slots=True)
class _Member:
    worker: Worker
    since: float
    heard_at: float
    is_ready: bool = False
    ends_by: float = 0.0


@dataclass(slots=True, eq=False)
class _Post:
    member: _Member | None = None
    again_at: float = 0.0
    quick_deaths: int = 0


@dataclass(slots=True)
class Crew:
    """Keeps a fixed number of workers running.

    Attributes:
        size: how many.
        make: makes a worker that has not begun.
        say: gets the lines for the operator.
        on_ready: told once, when the first worker is ready.
        has_failed: no worker was ever ready, and one has ended: nothing can be served.
    """

    size: int
    make: Callable[[], Worker]
    say: Callable[[str], None]
    on_ready: Callable[[], None]
    limits: CrewLimits = field(default_factory=CrewLimits)
    has_failed: bool = False
    _posts: list[_Post] = field(init=False)
    _old: list[_Post] = field(init=False, default_factory=list["_Post"])
    _next: _Member | None = field(init=False, default=None)
    _leaving: list[_Member] = field(init=False, default_factory=list["_Member"])
    _is_replacing: bool = field(init=False, default=False)
    _is_ending: bool = field(init=False, default=False)
    _was_ready: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._posts = [_Post() for _ in range(self.size)]

    @property
    def is_over(self) -> bool:
        """Whether all have ended after `end`."""
        return self._is_ending and not self._leaving

    def replace(self, now: float) -> None:
        """Replace all workers, one after the other. Asked again meanwhile, it begins anew."""
        if self._is_ending:
            return
        if self._next is not None:
            self._dismiss(self._next, now)
            self._next = None
        self._old = [post for post in self._posts if post.member is not None]
        for post in self._posts:
            if post.member is None:
                post.again_at = now
        self._is_replacing = True
        self.say(f"replacing {self.size} workers, one after the other")

    def end(self, now: float) -> None:
        """Tell all workers to end."""
        if self._is_ending:
            return
        self._is_ending = True
        self._is_replacing = False
        for member in (*(post.member for post in self._posts), self._next):
            if member is not None:
                self._dismiss(member, now)

    def tick(self, now: float) -> None:
        """Look at all workers, and do what is due."""
        self._see_off(now)
        # All are heard before one is found dead: another, or the dead one, may be ready by now.
        for post in self._posts:
            if post.member is not None and not self._is_ending:
                self._hear(post.member, now)
        for post in self._posts:
            if not self._is_ending:
                self._keep(post, now)
        if self._is_replacing:
            self._go_on_replacing(now)

    def _keep(self, post: _Post, now: float) -> None:
        member = post.member
        if member is None:
            if now >= post.again_at:
                post.member = self._start(now)
            return
        trouble = self._look_at(member, now)
        if trouble is not None:
            self._fill(post, member, trouble, now)

    def _hear(self, member: _Member, now: float) -> None:
        """Note what a worker has answered; the first that is ready is announced."""
        answer = member.worker.hear()
        if answer is None:
            return
        member.heard_at = now
        member.is_ready = member.is_ready or answer
        if member.is_ready and not self._was_ready:
            self._was_ready = True
            self.on_ready()

    def _fill(self, post: _Post, lost: _Member, trouble: str, now: float) -> None:
        """A worker is lost: another one takes its post, at once or after a pause."""
        post.member = None
        if not self._was_ready:
            self.say(f"{lost.worker.name} {trouble} before it was ready: there is nobody to serve")
            self.has_failed = True
            self.end(now)
            return
        if self._old and self._old[0] is post:
            post.member, self._next = self._next, None
        if post in self._old:
            self._old.remove(post)
        if post.member is not None:
            self.say(f"{lost.worker.name} {trouble}; the next one takes its place")
            return
        if now - lost.since >= self.limits.steady_s:
            post.quick_deaths, pause_s = 0, 0.0
        else:
            pause_s = self.limits.pause_s * 2.0 ** min(post.quick_deaths, 16)
            pause_s = min(pause_s, self.limits.most_pause_s)
            post.quick_deaths += 1
        post.again_at = now + pause_s
        when = f"in {pause_s:g} s" if pause_s else "now"
        self.say(f"{lost.worker.name} {trouble}; another one starts {when}")

    def _go_on_replacing(self, now: float) -> None:
        if self._leaving:
            return
        if not self._old:
            self._is_replacing = False
            self.say("all workers are new")
        elif self._next is None:
            self._next = self._start(now)
        else:
            self._look_at_next(self._next, now)

    def _look_at_next(self, coming: _Member, now: float) -> None:
        self._hear(coming, now)
        trouble = self._look_at(coming, now)
        if trouble is not None:
            self.say(f"the new {coming.worker.name} {trouble}; {len(self._old)} old workers stay")
            self._next, self._old, self._is_replacing = None, [], False
        elif coming.is_ready:
            post = self._old.pop(0)
            if post.member is not None:
                self._dismiss(post.member, now)
            self._next, post.member, post.quick_deaths = None, coming, 0

    def _look_at(self, member: _Member, now: float) -> str | None:
        """What is wrong with a worker, in words; one that says nothing is killed."""
        how = member.worker.ended()
        if how is not None:
            return how
        if member.is_ready:
            trouble = f"did not answer for {self.limits.silent_s:g} s (its event loop is blocked)"
            due = member.heard_at + self.limits.silent_s
        else:
            trouble, due = "was not ready in time", member.since + self.limits.start_s
        if now <= due:
            return None
        member.worker.kill()
        self._leaving.append(member)
        return trouble

    def _start(self, now: float) -> _Member:
        try:
            worker: Worker = self.make()
            worker.start()
        except OSError as error:  # no process, memory or descriptor left: it may pass
            worker = _Unborn(f"could not be started: {error}")
        return _Member(worker, now, now)

    def _dismiss(self, member: _Member, now: float) -> None:
        member.worker.terminate()
        member.ends_by = now + self.limits.end_s
        self._leaving.append(member)

    def _see_off(self, now: float) -> None:
        for member in tuple(self._leaving):
            if member.worker.ended() is not None:
                self._leaving.remove(member)
            elif now > member.ends_by:
                member.worker.kill()

"""Wraps or replaces a client's transport, to record, to replay, or to inject faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from puna.client.settings import ClientSettings
from puna.engine.clock import Clock
from puna.errors import BadRequestError
from puna.transports.base import AsyncTransport, Transport
from puna.transports.faults import Faults
from puna.transports.replay import AsyncReplayTransport, Player, ReplayTransport
from puna.types.display import display


@dataclass(frozen=True, slots=True)
class Tape:
    """The cassettes and faults of one client.

    Attributes:
        record: a file to write all exchanges into; it begins empty.
        replay: a file to answer from; no host is asked, and no key is needed.
        speed: 0 replays without pauses, 1 with those that were recorded, 2 with half of them.
        faults: what goes wrong.
    """

    record: str | PathLike[str] | None = None
    replay: str | PathLike[str] | None = None
    speed: float = 0.0
    faults: Faults | None = None

    def __post_init__(self) -> None:
        if self.record is not None and self.replay is not None:
            raise BadRequestError(
                "A client cannot `record` and `replay` at once; give one of them.", param="record"
            )
        if not _is_speed(self.speed):
            raise BadRequestError(
                f"`replay_speed` must be a number from 0, not `{display(self.speed)}`.",
                param="replay_speed",
            )

    def settings(self, settings: ClientSettings) -> ClientSettings:
        """The settings to use: for a replay with provider rows that need no key, else unchanged."""
        if self.replay is None:
            return settings
        rows = {name: replace(row, needs_key=False) for name, row in settings.providers.items()}
        return replace(settings, providers=rows)

    def transport(self, make: Callable[[], Transport], clock: Clock) -> Transport:
        """The transport that `make` gives, wrapped for recording or faults, or a replay instead.

        Raises:
            ConfigError: the file cannot be written, or is no cassette.
        """
        if self.replay is not None:
            carrier: Transport = ReplayTransport(
                _make_player(self.replay, self.speed), sleep=clock.sleep
            )
        elif self.record is not None:
            from puna.transports.recorder import Recorder
            from puna.transports.recording import RecordingTransport

            carrier = RecordingTransport(make(), Recorder(self.record, now=clock.monotonic))
        else:
            carrier = make()
        if self.faults is None:
            return carrier
        from puna.transports.faulty import FaultyTransport

        return FaultyTransport(carrier, self.faults, clock.sleep)

    def async_transport(self, make: Callable[[], AsyncTransport], clock: Clock) -> AsyncTransport:
        """`transport` for asyncio."""
        if self.replay is not None:
            player = _make_player(self.replay, self.speed)
            carrier: AsyncTransport = AsyncReplayTransport(player, sleep=clock.sleep_async)
        elif self.record is not None:
            from puna.transports.recorder import Recorder
            from puna.transports.recording import AsyncRecordingTransport

            recorder = Recorder(self.record, now=clock.monotonic)
            carrier = AsyncRecordingTransport(make(), recorder)
        else:
            carrier = make()
        if self.faults is None:
            return carrier
        from puna.transports.faulty import AsyncFaultyTransport

        return AsyncFaultyTransport(carrier, self.faults, clock.sleep_async)


def _is_speed(value: object) -> bool:
    """Whether a value is a finite number from 0."""
    return isinstance(value, int | float) and 0 <= value < float("inf")


def _make_player(path: str | PathLike[str], speed: float) -> Player:
    """Read a cassette, and make what replays it."""
    from puna.transports.cassette import read_cassette
    from puna.transports.cassette_player import CassettePlayer

    file = Path(path)
    return CassettePlayer(read_cassette(file), name=file.name, speed=speed)

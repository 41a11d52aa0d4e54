"""A driven call whose answer comes whole. The states are those of `engine/drive.py`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from typing_extensions import override

from puna.engine.drive import CallDrive, RunT, SinkT
from puna.errors import APIError
from puna.transports.lean import WholeReply
from puna.types.chat import ChatCompletion
from puna.wire.http import HTTPReply


class WholeDrive(CallDrive[RunT, SinkT]):
    """Collects a reply and has the dialect read it.

    A subclass writes the answer. It may overwrite `_read` and `_read_whole`, to answer with the
    reply as it came; the base class reads what it leaves.
    """

    _status = 0
    _headers: Mapping[str, str]
    _pieces: list[bytes]

    @override
    def on_whole(self, reply: WholeReply) -> None:
        self._exchange = None
        if self._is_over:
            return
        try:
            self._read_whole(reply)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    @override
    def on_piece(self, data: bytes) -> None:
        if not self._is_over:
            self._pieces.append(data)

    @override
    def _read_head(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers, self._pieces = status, headers, []

    @override
    def _read_end(self) -> None:
        self._read(HTTPReply(self._status, self._headers, b"".join(self._pieces)))

    def _read_whole(self, reply: WholeReply) -> None:
        """Read a reply that one read brought."""
        self._read(HTTPReply(reply.status, reply.headers, reply.body))

    def _read(self, reply: HTTPReply) -> None:
        """Have the dialect read a reply, and answer; on a failure, try again."""
        run = self._run
        try:
            completion = run.read_whole(run.attempt, reply)
        except APIError as error:
            self._failed(error)
            return
        run.succeeded()
        self._settle("success", answer=completion)
        self._answer(completion)

    @abstractmethod
    def _answer(self, completion: ChatCompletion) -> None:
        """Give the answer to the sink. The call is settled."""

"""The events of a host that speaks the Responses API, on their way to a caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.bridges.responses.output import FAILED, failed
from puna.types.responses import FAILED_EVENT, LAST_EVENTS, Response, ResponseEvent

_DONE = "response.output_item.done"


class NativeResponse:
    """As `ResponseStream`: `change` each event, then `finish`, or `fail`.

    Events go on as they came. The last one is held until `finish`, so that the response can be kept
    before a caller reads its end.
    """

    def __init__(self, response_id: str, created_at: int, model: str) -> None:
        """The id, time and model are for a host that tells none before it breaks off."""
        self.response: Response | None = None
        self._last: ResponseEvent | None = None
        self._begun: Mapping[str, Any] = {
            "id": response_id,
            "object": "response",
            "created_at": created_at,
            "model": model,
        }
        self._done: dict[int, Any] = {}
        self._next_number = 0

    def change(self, event: ResponseEvent) -> list[ResponseEvent]:
        """The event itself, unless it is the last."""
        self._next_number = event.sequence_number + 1
        if event.type in LAST_EVENTS:
            self._end(event)
            return []
        if event.response is not None:
            self._begun = event.response.to_dict()
        if event.type == _DONE and event.item is not None and event.output_index is not None:
            self._done[event.output_index] = event.item.to_dict()
        return [event]

    def finish(self) -> list[ResponseEvent]:
        """The last event."""
        return [self._last] if self._last is not None else []

    def fail(self, code: str, message: str) -> list[ResponseEvent]:
        """The host's own last event if it sent one, else a failed response with what is whole."""
        if self._last is None:
            self.response = self._made(FAILED, failed(code, message))
            self._last = ResponseEvent(
                type=FAILED_EVENT, sequence_number=self._next_number, response=self.response
            )
        return self.finish()

    def _end(self, event: ResponseEvent) -> None:
        """Hold the last event. One without its response gets it from what came before."""
        status = event.type.removeprefix("response.")
        if event.response is None:
            if status == FAILED:
                self._next_number = event.sequence_number  # `fail` knows what went wrong
                return
            event = event.model_copy(update={"response": self._made(status, {})})
        self._last, self.response = event, event.response

    def _made(self, status: str, fields: Mapping[str, Any]) -> Response:
        output = [self._done[index] for index in sorted(self._done)]
        told = {**self._begun, "status": status, "output": output, **fields}
        return Response.model_validate(told)

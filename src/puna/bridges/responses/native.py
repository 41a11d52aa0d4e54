"""The events of a host that speaks the Responses API, on their way to a caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from puna.bridges.responses.output import COMPLETED, FAILED, failed
from puna.bridges.responses.streamed_items import StreamedItems
from puna.types.responses import FAILED_EVENT, LAST_EVENTS, Response, ResponseEvent


class NativeResponse:
    """The events of a host's own response, with the methods of `ResponseStream`.

    Call `change` with each event, then `finish`, or `fail`. Events go on as they came. The last one
    is held until `finish`, so that the response can be stored before a caller reads its end; where
    its output is empty, the streamed items are put in.
    """

    def __init__(self, begun: Mapping[str, Any], now: Callable[[], float]) -> None:
        """Begin.

        Args:
            begun: the response as it stands before the first event: its id, time and model count
                where a host tells none before it breaks off.
            now: gives Unix time in seconds, asked at the end where the host tells no
                `completed_at`.
        """
        self.response: Response | None = None
        self._last: ResponseEvent | None = None
        self._begun = begun
        self._now = now
        self._items = StreamedItems()
        self._next_number = 0

    def change(self, event: ResponseEvent) -> list[ResponseEvent]:
        """The event itself, unless it is the last."""
        self._next_number = event.sequence_number + 1
        if event.type in LAST_EVENTS:
            self._end(event)
            return []
        if event.response is not None:
            self._begun = event.response.to_dict()
        self._items.take(event)
        return [event]

    def finish(self) -> list[ResponseEvent]:
        """The last event."""
        return [self._last] if self._last is not None else []

    def fail(self, code: str, message: str) -> list[ResponseEvent]:
        """The host's own last event if it sent one, else a failed response with what is whole."""
        if self._last is None:
            self.response = self._made(FAILED, self._items.whole(), failed(code, message))
            self._last = ResponseEvent(
                type=FAILED_EVENT, sequence_number=self._next_number, response=self.response
            )
        return self.finish()

    def _end(self, event: ResponseEvent) -> None:
        """Hold the last event. A response that it lacks is made of the events before it."""
        status = event.type.removeprefix("response.")
        if event.response is None:
            if status == FAILED:
                self._next_number = event.sequence_number  # `fail` knows what went wrong
                return
            response = self._made(status, self._items.complete([]), {})
        else:
            response = self._with_items(event.response, status)
        if status == COMPLETED and response.completed_at is None:
            response.completed_at = int(self._now())
        self._last = event.model_copy(update={"response": response})
        self.response = response

    def _with_items(self, response: Response, status: str) -> Response:
        """The response with the streamed items where it has none."""
        told = [item.to_dict() for item in response.output]
        output = (
            self._items.whole() if status == FAILED and not told else (self._items.complete(told))
        )
        if output == told:
            return response
        return Response.model_validate({**response.to_dict(), "output": output})

    def _made(
        self, status: str, output: list[dict[str, Any]], fields: Mapping[str, Any]
    ) -> Response:
        return Response.model_validate(
            {**self._begun, "status": status, "output": output, **fields}
        )

"""Passes on the events of a host that speaks the Responses API itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from puna.bridges.responses.output import COMPLETED, FAILED, failure_fields
from puna.bridges.responses.streamed_items import StreamedItems
from puna.types.responses import FAILED_EVENT, LAST_EVENTS, Response, ResponseEvent


class NativeResponse:
    """The events of a host's own response; it has the methods of `ResponseStream`.

    Call `convert` with each event, then `finish` or `fail`. Events are passed on unchanged. The
    last one is held until `finish`, so that the response can be stored before the caller sees the
    end; where its output is empty, the streamed items are put in.
    """

    def __init__(self, begun: Mapping[str, Any], now: Callable[[], float]) -> None:
        """Begin.

        Args:
            begun: the response before its first event: id, time and model for a host that breaks
                off without giving any.
            now: gives Unix time in seconds; called at the end where the host gives no
                `completed_at`.
        """
        self.response: Response | None = None
        self._last: ResponseEvent | None = None
        self._begun = begun
        self._now = now
        self._items = StreamedItems()
        self._next_number = 0

    def convert(self, event: ResponseEvent) -> list[ResponseEvent]:
        """The event to send: the given one.

        Nothing for the last event, which is held until `finish`.
        """
        self._next_number = event.sequence_number + 1
        if event.type in LAST_EVENTS:
            self._end(event)
            return []
        if event.response is not None:
            self._begun = event.response.to_dict()
        self._items.add(event)
        return [event]

    def finish(self) -> list[ResponseEvent]:
        """The held last event."""
        return [self._last] if self._last is not None else []

    def fail(self, code: str, message: str) -> list[ResponseEvent]:
        """The host's own last event if it sent one, else a failed response with complete items."""
        if self._last is None:
            self.response = self._make_response(
                FAILED, self._items.done_items(), failure_fields(code, message)
            )
            self._last = ResponseEvent(
                type=FAILED_EVENT, sequence_number=self._next_number, response=self.response
            )
        return self.finish()

    def _end(self, event: ResponseEvent) -> None:
        """Hold the last event; build its response from the earlier events where it has none."""
        status = event.type.removeprefix("response.")
        if event.response is None:
            if status == FAILED:
                self._next_number = event.sequence_number  # `fail` knows what went wrong
                return
            response = self._make_response(status, self._items.complete([]), {})
        else:
            response = self._with_items(event.response, status)
        if status == COMPLETED and response.completed_at is None:
            response.completed_at = int(self._now())
        self._last = event.model_copy(update={"response": response})
        self.response = response

    def _with_items(self, response: Response, status: str) -> Response:
        """The response of the last event; where its output is empty, with the streamed items."""
        told = [item.to_dict() for item in response.output]
        output = (
            self._items.done_items()
            if status == FAILED and not told
            else (self._items.complete(told))
        )
        if output == told:
            return response
        return Response.model_validate({**response.to_dict(), "output": output})

    def _make_response(
        self, status: str, output: list[dict[str, Any]], fields: Mapping[str, Any]
    ) -> Response:
        """Make a response, for a host whose last event had none."""
        return Response.model_validate(
            {**self._begun, "status": status, "output": output, **fields}
        )

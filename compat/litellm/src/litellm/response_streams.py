"""What `responses(stream=True)` gives."""

from __future__ import annotations

from typing import Any, Self

from litellm.answers import cost_of, hidden_params_of, response_answer_of
from litellm.calls import PreparedCall
from litellm.error_translation import litellm_exception_of
from puna.types.responses import Response, ResponseEvent


class ResponsesStream:
    """An iterator of events: `for` after `responses`, `async for` after `aresponses`."""

    def __init__(self, events: Any, call: PreparedCall) -> None:
        self.completed_response: ResponseEvent | None = None
        self.logging_obj = call.record
        self.model = call.model
        self._events = events
        self._hidden_params: dict[str, Any] = hidden_params_of(
            events.report, call_id=call.record.call_id, is_mock=call.is_mock
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ResponseEvent:
        try:
            event: ResponseEvent = next(self._events)
        except StopIteration:
            self.logging_obj.succeed(self._whole(), self._hidden_params)
            raise
        except Exception as error:
            raised = self._translated(error)
            self.logging_obj.fail(raised)
            raise raised from error
        return self._take(event)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ResponseEvent:
        try:
            event: ResponseEvent = await anext(self._events)
        except StopAsyncIteration:
            await self.logging_obj.asucceed(self._whole(), self._hidden_params)
            raise
        except Exception as error:
            raised = self._translated(error)
            await self.logging_obj.afail(raised)
            raise raised from error
        return self._take(event)

    def close(self) -> None:
        """End the stream: the host's connection is closed at once. Idempotent."""
        self._events.close()

    async def aclose(self) -> None:
        """End the stream: the host's connection is closed at once. Idempotent."""
        await self._events.aclose()

    def _take(self, event: ResponseEvent) -> ResponseEvent:
        if event.response is not None:
            self.completed_response = event
        return event

    def _whole(self) -> Any:
        report = self._events.report
        self._hidden_params["response_cost"] = cost_of(report)
        last = self.completed_response
        if last is None or not isinstance(last.response, Response):
            return None
        whole = response_answer_of(last.response)
        whole.note_call(self._hidden_params, dict(report.headers))
        return whole

    def _translated(self, error: Exception) -> Exception:
        record = self.logging_obj
        return litellm_exception_of(error, model=record.model, provider=record.provider)

"""The types of OpenAI's Responses API and moderations, under LiteLLM's names."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import PrivateAttr

from litellm.released import getattr_of
from puna.types.moderations import ModerationResponse, ModerationResult
from puna.types.responses import Response, ResponseEvent


class ResponsesAPIResponse(Response):
    """What `responses()` gives."""

    _hidden_params: dict[str, Any] = PrivateAttr(default_factory=dict[str, Any])
    _response_headers: dict[str, str] | None = PrivateAttr(default=None)

    def note_call(self, hidden_params: dict[str, Any], headers: dict[str, str] | None) -> None:
        """Note how the call went."""
        self._hidden_params = hidden_params
        self._response_headers = headers


class OpenAIModerationResponse(ModerationResponse):
    """What `moderation()` gives."""

    _hidden_params: dict[str, Any] = PrivateAttr(default_factory=dict[str, Any])
    _response_headers: dict[str, str] | None = PrivateAttr(default=None)

    def note_call(self, hidden_params: dict[str, Any], headers: dict[str, str] | None) -> None:
        """Note how the call went."""
        self._hidden_params = hidden_params
        self._response_headers = headers


OpenAIModerationResult = ModerationResult
ResponsesAPIStreamingResponse = ResponseEvent


class ResponsesAPIStreamEvents(StrEnum):
    """The types of events that a stream may hold."""

    RESPONSE_CREATED = "response.created"
    RESPONSE_IN_PROGRESS = "response.in_progress"
    RESPONSE_COMPLETED = "response.completed"
    RESPONSE_FAILED = "response.failed"
    RESPONSE_INCOMPLETE = "response.incomplete"
    OUTPUT_ITEM_ADDED = "response.output_item.added"
    OUTPUT_ITEM_DONE = "response.output_item.done"
    CONTENT_PART_ADDED = "response.content_part.added"
    CONTENT_PART_DONE = "response.content_part.done"
    OUTPUT_TEXT_DELTA = "response.output_text.delta"
    OUTPUT_TEXT_DONE = "response.output_text.done"
    REFUSAL_DELTA = "response.refusal.delta"
    REFUSAL_DONE = "response.refusal.done"
    FUNCTION_CALL_ARGUMENTS_DELTA = "response.function_call_arguments.delta"
    FUNCTION_CALL_ARGUMENTS_DONE = "response.function_call_arguments.done"
    ERROR = "error"


__getattr__ = getattr_of(__name__)

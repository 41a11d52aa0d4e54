"""Responses and their stream events in OpenAI's shape.

Source: OpenAI API reference, "Responses" and "Streaming events".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from puna.types.common import Answer, WireModel

FAILED_EVENT = "response.failed"
LAST_EVENTS = frozenset(("response.completed", "response.incomplete", FAILED_EVENT))
"""Types of events, of which one is the last of a stream."""


class OutputText(WireModel):
    """A text part of the model's message."""

    type: Literal["output_text"] = "output_text"
    text: str = ""
    annotations: list[Any] = Field(default_factory=list[Any])
    logprobs: list[Any] = Field(default_factory=list[Any])


class OutputRefusal(WireModel):
    """A part that says why the model refuses to answer."""

    type: Literal["refusal"] = "refusal"
    refusal: str = ""


class ReasoningText(WireModel):
    """A text part of the model's reasoning."""

    type: Literal["reasoning_text"] = "reasoning_text"
    text: str = ""


class OtherPart(WireModel):
    """A part of a type that Puna does not know."""

    type: str


OutputPart = Annotated[
    OutputText | OutputRefusal | ReasoningText | OtherPart, Field(union_mode="left_to_right")
]


class OutputMessage(WireModel):
    """A message of the model."""

    type: Literal["message"] = "message"
    id: str
    role: str = "assistant"
    status: str = "completed"
    content: list[OutputPart] = Field(default_factory=list[OutputPart])


class FunctionCall(WireModel):
    """A function call of the model. `arguments` is JSON text as the model wrote it."""

    type: Literal["function_call"] = "function_call"
    id: str
    call_id: str
    name: str
    arguments: str = ""
    status: str = "completed"


class CustomToolCall(WireModel):
    """A call of a free-form tool; `input` is plain text."""

    type: Literal["custom_tool_call"] = "custom_tool_call"
    id: str
    call_id: str
    name: str
    input: str = ""
    status: str = "completed"


class Reasoning(WireModel):
    """The model's reasoning as text, as a summary, or encrypted, depending on the host."""

    type: Literal["reasoning"] = "reasoning"
    id: str
    summary: list[Any] = Field(default_factory=list[Any])
    content: list[OutputPart] | None = Field(default_factory=list[OutputPart])
    encrypted_content: str | None = None
    status: str | None = "completed"


class OtherItem(WireModel):
    """An item of a type that Puna does not know, such as the record of a web search."""

    type: str
    id: str | None = None
    status: str | None = None


OutputItem = Annotated[
    OutputMessage | FunctionCall | CustomToolCall | Reasoning | OtherItem,
    Field(union_mode="left_to_right"),
]


class InputTokensDetails(WireModel):
    """The input tokens by kind."""

    cached_tokens: int = 0


class OutputTokensDetails(WireModel):
    """The output tokens by kind."""

    reasoning_tokens: int = 0


class ResponseUsage(WireModel):
    """The tokens of one response. A field `estimated` is true where Puna counted them."""

    input_tokens: int = 0
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int = 0


class IncompleteDetails(WireModel):
    """Why a response ended early: `max_output_tokens` or `content_filter`."""

    reason: str | None = None


class ResponseError(WireModel):
    """Why a response failed."""

    code: str
    message: str


class Response(Answer):
    """A whole response, or the state of one while it streams.

    The request's own fields (`instructions`, `tools`, `temperature`, …) are repeated beside these.
    """

    id: str
    object: str = "response"
    created_at: int
    completed_at: int | None = None
    status: str
    model: str
    output: list[OutputItem] = Field(default_factory=list[OutputItem])
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: ResponseUsage | None = None
    previous_response_id: str | None = None

    @property
    def output_text(self) -> str:
        """All text of the model's messages, without refusals."""
        return "".join(
            part.text
            for item in self.output
            if isinstance(item, OutputMessage)
            for part in item.content
            if isinstance(part, OutputText)
        )


class Compaction(Answer):
    """A compacted conversation: `output` takes the place of its items."""

    id: str
    object: str = "response.compaction"
    created_at: int
    output: list[OutputItem]
    usage: ResponseUsage


class ResponseEvent(WireModel):
    """One event of a streamed response; `type` says which fields it has.

    `delta` and `text` are texts in every event of OpenAI's; in a host's own events they may be
    anything.
    """

    type: str
    sequence_number: int
    response: Response | None = None
    item: OutputItem | None = None
    part: OutputPart | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    delta: str | Any = None
    text: str | Any = None

"""The types of a usual Responses request, for `envelope.py`: what has none makes it unusual.

Source: OpenAI API reference, "Create a model response".
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, UnsetType

from puna.wire.envelope import Count, Number, Strict

_Absent = UnsetType | None
_Text = str | UnsetType | None
_Unread = Raw | UnsetType


class InputText(Strict, tag_field="type", tag="input_text"):
    """A text of the user."""

    text: str


class OutputText(Strict, tag_field="type", tag="output_text"):
    """A text of the model."""

    text: str
    annotations: _Unread = UNSET
    logprobs: _Unread = UNSET


class InputImage(Strict, tag_field="type", tag="input_image"):
    """An image, by its address or as a data URL."""

    image_url: Annotated[str, Meta(min_length=1)]
    detail: _Text = UNSET
    file_id: _Absent = UNSET


Part = InputText | OutputText | InputImage


class Item(Strict):
    """An item of any kind; which fields it needs depends on its type."""

    type: _Text = UNSET
    role: _Text = UNSET
    content: _Unread = UNSET
    id: _Text = UNSET
    status: _Text = UNSET
    call_id: _Text = UNSET
    name: _Text = UNSET
    arguments: _Text = UNSET
    output: _Unread = UNSET
    summary: _Unread = UNSET
    encrypted_content: _Text = UNSET


class FunctionTool(Strict, tag_field="type", tag="function"):
    """A function that the client runs; `parameters` is undecoded."""

    name: str
    description: _Text = UNSET
    parameters: _Unread = UNSET
    strict: bool | UnsetType | None = UNSET


class NamedTool(Strict):
    """A `tool_choice` that demands one function."""

    type: Literal["function"]
    name: str


class ReasoningOptions(Strict):
    """`reasoning`."""

    effort: _Text = UNSET
    summary: _Text = UNSET


class PlainFormat(Strict):
    """A `text.format` that allows any text."""

    type: Literal["text"]


class TextOptions(Strict):
    """`text`."""

    format: PlainFormat | _Absent = UNSET
    verbosity: _Text = UNSET


class ResponsesBody(Strict):
    """The body of a request; `input`, `instructions` and `tools` are undecoded."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: Raw
    stream: bool | None = None
    background: bool | _Absent = UNSET
    client_metadata: _Unread = UNSET
    include: list[str] | _Absent = UNSET
    instructions: _Unread = UNSET
    max_output_tokens: Count = UNSET
    metadata: _Unread = UNSET
    parallel_tool_calls: bool | _Absent = UNSET
    previous_response_id: _Absent = UNSET
    prompt_cache_key: _Text = UNSET
    reasoning: ReasoningOptions | _Absent = UNSET
    safety_identifier: _Text = UNSET
    service_tier: _Text = UNSET
    store: bool | _Absent = UNSET
    temperature: Number = UNSET
    text: TextOptions | _Absent = UNSET
    tool_choice: Literal["none", "auto", "required"] | NamedTool | _Absent = UNSET
    tools: _Unread = UNSET
    top_p: Number = UNSET
    truncation: Literal["auto", "disabled"] | _Absent = UNSET
    user: _Text = UNSET

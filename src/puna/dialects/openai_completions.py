"""The dialect of OpenAI's text completions, for hosts that have the endpoint.

Parameters are sent as they were given (token ids, `echo`, `logprobs`, `suffix`, …), and answers are
returned with their `logprobs` untouched. Texts are not searched for tool calls. Source: OpenAI API
reference, "Completions".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from puna.dialects.base import BuiltRequest, ReadContext, Target
from puna.dialects.error_replies import is_error_body, read_error_frame, read_error_reply
from puna.dialects.finish_reasons import failed_choice_error, normalize_finish_reason
from puna.dialects.json_http import (
    build_post,
    build_url,
    encode_body,
    first_problem,
    malformed,
    parse_object,
)
from puna.dialects.openai_replies import is_index, mend_envelope, mend_text
from puna.dialects.request_rules import choose_params
from puna.dialects.stream_faults import interrupted_error
from puna.errors import APIError
from puna.types.common import Usage
from puna.types.completion_request import CompletionRequest
from puna.types.completions import TextChoice, TextCompletion
from puna.wire.http import HTTPReply, Timeouts
from puna.wire.json_size import describe_fault, parse_answer
from puna.wire.sse import SSEDecoder, SSEEvent
from puna.wire.surrogates import WellFormedDecoder

Context = ReadContext[CompletionRequest]

_DONE = b"[DONE]"
_ERROR = "error"


class OpenAICompletions:
    """Sends text-completion requests and parses their replies. One instance serves all calls."""

    path = "/completions"

    def build_request(
        self, request: CompletionRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST <base>/completions`.

        The body holds only what the caller gave, and, where the target says so, the request for a
        stream's usage.
        """
        params, dropped = choose_params(request, target)
        body: dict[str, Any] = {"model": target.model, "prompt": request.prompt, **params}
        if request.is_stream:
            body["stream"] = True
            if target.asks_usage and "stream_options" not in request.unwanted_params:
                body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
        elif body.pop("stream_options", None) is not None:
            dropped = (*dropped, "stream_options")
        url = build_url(target, self.path)
        return BuiltRequest(build_post(url, encode_body(body), request, target, timeouts), dropped)

    def read_reply(self, reply: HTTPReply, context: Context) -> TextCompletion:
        """Parse a success to a text completion.

        Raises:
            APIError: it holds an error, or no completion.
        """
        data = parse_object(reply, context)
        if is_error_body(data):
            raise read_error_frame(data, context)
        failed = failed_text(data)
        if failed is not None:
            raise read_error_frame(failed, context)
        return read_completion(data, context)

    def read_error(self, reply: HTTPReply, context: Context) -> APIError:
        """The typed error for a reply whose status is no success."""
        return read_error_reply(reply, context)

    def stream_reader(self, context: Context) -> CompletionStreamReader:
        """A new reader for one streamed reply."""
        return CompletionStreamReader(context)


def read_completion(
    data: dict[str, Any], context: Context, *, is_chunk: bool = False
) -> TextCompletion:
    """Convert a decoded body or chunk, which is changed in place, to a text completion.

    Raises:
        MalformedReplyError: it is none.
    """
    given = data.get("choices")
    if not isinstance(given, list) or (not given and not is_chunk):
        raise malformed("no list of choices", context)
    for position, choice in enumerate(cast("list[Any]", given)):
        if not isinstance(choice, dict):
            raise malformed("a choice that is no object", context)
        fields = cast("dict[str, Any]", choice)
        if not is_index(fields.get("index")):
            fields["index"] = position
        fields["text"] = mend_text(fields.get("text")) or ""
        fields.setdefault("logprobs", None)
        fields["finish_reason"] = normalize_finish_reason(
            fields.get("finish_reason"), context.target.quirks.rename_finish_reasons
        )
    named: Any = context  # what chat needs of a context is the same here
    mend_envelope(data, named)
    data["object"] = "text_completion"
    try:
        return TextCompletion.model_validate(data)
    except ValidationError as error:
        raise malformed(f"fields of the wrong kind: {first_problem(error)}", context) from error


def failed_text(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The error body for a completion in which a text failed (see `finish_reasons.py`).

    Else None.
    """
    choices = data.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        failed = (
            failed_choice_error(cast("dict[str, Any]", choice))
            if isinstance(choice, dict)
            else None
        )
        if failed is not None:
            return failed
    return None


class CompletionStreamReader:
    """Parses one streamed reply to chunks, however the bytes are cut.

    `usage` and `finish_reason` are what the host said; the caller gets usage only if it asked.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._decoder = WellFormedDecoder(SSEDecoder())
        self._open: set[int] = set()
        self._last: TextCompletion | None = None
        self._id: str | None = None
        self._is_done = False
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.error: APIError | None = None
        self.is_finish_assumed = False
        """Whether the host said `[DONE]`, but of a text no finish reason."""

    @property
    def replaced_signs(self) -> int:
        """How many cut characters were replaced by U+FFFD."""
        return self._decoder.replaced_signs

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come: the host said so, or the stream failed."""
        return self._is_done or self.error is not None

    @property
    def has_finished(self) -> bool:
        """Whether the only requested text is finished; False where several were requested."""
        request = self._context.request
        is_one = isinstance(request.prompt, str) and request.params.get("n") in (None, 1)
        return is_one and self._last is not None and not self._open

    def feed(self, data: bytes) -> list[TextCompletion]:
        """Add bytes; gives the chunks that they complete."""
        chunks = self._read_frames(self._decoder.feed(data))
        if self._decoder.fault is not None and not self.is_done:
            self.error = malformed(f"{self._decoder.fault} in its stream", self._context)
        return chunks

    def close(self) -> list[TextCompletion]:
        """End the input; gives the remaining chunks. An end that is too early sets `error`."""
        chunks = [] if self.is_done else self._read_frames(self._decoder.close())
        if not self.is_done:
            if self._last is not None and not self._open:
                self._is_done = True
            else:
                what = (
                    "before the text was finished" if self._last is not None else "without any text"
                )
                self.error = interrupted_error(what, self._context)
        return chunks

    def _read_frames(self, frames: list[SSEEvent]) -> list[TextCompletion]:
        """Read events until one breaks the stream; gives their chunks."""
        chunks: list[TextCompletion] = []
        for frame in frames:
            if self.is_done:
                break
            data = frame.data.strip()
            if not data:
                continue  # a heartbeat
            if data == _DONE:
                chunks += self._read_done()
                break
            try:
                chunk = self._read(frame)
            except APIError as error:
                # Kept, not raised: the chunks before it are whole and must reach the caller first.
                self.error = error
            else:
                if chunk is not None:
                    chunks.append(chunk)
        return chunks

    def _read_done(self) -> list[TextCompletion]:
        """Handle `[DONE]`: end each text that has no finish reason with `stop`, as in chat."""
        last = self._last
        if last is None:
            self.error = interrupted_error("without any text", self._context)
            return []
        self._is_done = True
        if not self._open:
            return []
        self.is_finish_assumed = True
        self.finish_reason = self.finish_reason or "stop"
        ends = [
            TextChoice(index=index, text="", logprobs=None, finish_reason="stop")
            for index in sorted(self._open)
        ]
        self._open.clear()
        end = last.model_copy(update={"choices": ends, "usage": None})
        end.model_fields_set.discard("usage")
        return [end]

    def _read(self, frame: SSEEvent) -> TextCompletion | None:
        """The chunk of one event; None for one without content."""
        try:
            data = parse_answer(frame.data)
        except ValueError as error:
            what = describe_fault(error, "a frame that is not JSON")
            raise malformed(what, self._context) from error
        if not isinstance(data, dict):
            raise malformed("a frame that is no JSON object", self._context)
        fields = cast("dict[str, Any]", data)
        if frame.event == _ERROR or is_error_body(fields):
            raise read_error_frame(fields, self._context)
        failed = failed_text(fields)
        chunk = read_completion(fields, self._context, is_chunk=True)
        if failed is not None:
            self.error = read_error_frame(failed, self._context)
            return self._without_finishes(chunk)
        self._id = chunk.id = self._id or chunk.id
        for choice in chunk.choices:
            self._last = chunk
            self._open.add(choice.index)
            if choice.finish_reason is not None:
                self._open.discard(choice.index)
                self.finish_reason = self.finish_reason or choice.finish_reason
        if chunk.usage is not None:
            self.usage = chunk.usage
            if not self._context.request.wants_usage:
                if not chunk.choices:
                    return None
                chunk.usage = None
                chunk.model_fields_set.discard("usage")
        return chunk if chunk.choices or chunk.usage is not None else None

    def _without_finishes(self, chunk: TextCompletion) -> TextCompletion | None:
        """The rest of a chunk in which a text failed, without its finish reasons.

        None if nothing is left.
        """
        chunk.id = self._id or chunk.id
        chunk.choices = [
            TextChoice(index=one.index, text=one.text, logprobs=one.logprobs, finish_reason=None)
            for one in chunk.choices
            if one.text
        ]
        return chunk if chunk.choices else None

"""What `completion(stream=True)` gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Self, cast

from litellm.answers import answer_of, chunk_of, cost_of, hidden_params_of, text_answer_of
from litellm.call_checks import check_nested_json, note_cost
from litellm.callback_delivery import CallRecord
from litellm.error_translation import litellm_exception_of
from litellm.released import getattr_of
from litellm.types.usage import Usage
from litellm.types.utils import ModelResponse, TextCompletionResponse
from puna.types.chat import ChatCompletionChunk
from puna.types.completions import TextCompletion
from puna.types.report import CallReport
from puna.wire.fold import Fold


class CustomStreamWrapper:
    """An iterator of chunks: `for` after `completion`, `async for` after `acompletion`.

    Attributes:
        completion_stream: where the chunks come from.
        chunks: those delivered so far. They are kept, as in LiteLLM; memory grows with the stream.
        response_uptil_now: the text so far.
        model, custom_llm_provider: what was asked of whom; `model` is that of every chunk.
        logging_obj: who hears of the end, if anybody.
    """

    def __init__(
        self,
        completion_stream: Any,
        model: str,
        logging_obj: CallRecord | None = None,
        custom_llm_provider: str | None = None,
        stream_options: dict[str, Any] | None = None,
        make_call: Callable[..., Any] | None = None,
        _response_headers: dict[str, str] | None = None,
    ) -> None:
        del make_call  # LiteLLM begins lazily with it; here the stream has begun
        self.completion_stream = completion_stream
        self.model = model
        self.logging_obj = logging_obj
        self.custom_llm_provider = custom_llm_provider
        self.stream_options = stream_options
        self.chunks: list[Any] = []
        self.response_uptil_now = ""
        self.received_finish_reason: str | None = None
        self._is_mock = False
        self._folding = Fold() if logging_obj is not None and logging_obj.wants_answer else None
        self._text_chunks: list[TextCompletion] = []
        report = self._report
        self._response_headers = (
            _response_headers
            if _response_headers is not None
            else dict(report.headers)
            if report is not None
            else None
        )
        self._hidden_params: dict[str, Any] = self._make_hidden_params()

    def without_headers(self) -> Self:
        """This stream, for a mock answer: its headers are nobody's."""
        self._is_mock = True
        self._response_headers = None
        self._hidden_params = self._make_hidden_params()
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            return self._take(next(self.completion_stream))
        except StopIteration:
            self._finish()
            raise
        except Exception as error:
            raised = self._translated(error)
            if self.logging_obj is not None:
                self.logging_obj.fail(raised)
            if raised is error:
                self.close()
                raise
            raise raised from error

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._take(await anext(self.completion_stream))
        except StopAsyncIteration:
            await self._afinish()
            raise
        except Exception as error:
            raised = self._translated(error)
            if self.logging_obj is not None:
                await self.logging_obj.afail(raised)
            if raised is error:
                await self.aclose()
                raise
            raise raised from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.aclose()

    def close(self) -> None:
        """End the stream: the host's connection is closed at once. Idempotent."""
        close = getattr(self.completion_stream, "close", None)
        if close is not None:
            close()

    async def aclose(self) -> None:
        """End the stream: the host's connection is closed at once. Idempotent."""
        close = getattr(self.completion_stream, "aclose", None)
        if close is not None:
            await close()

    @property
    def _report(self) -> CallReport | None:
        report = getattr(self.completion_stream, "report", None)
        return report if isinstance(report, CallReport) else None

    def _make_hidden_params(self) -> dict[str, Any]:
        report = self._report
        if report is None:
            return {"response_cost": None, "additional_headers": {}, "model_id": None}
        record = self.logging_obj
        call_id = record.call_id if record is not None else ""
        return hidden_params_of(report, call_id=call_id, is_mock=self._is_mock)

    def _take(self, chunk: Any) -> Any:
        """A chunk as the caller gets it."""
        if not self.chunks and self.logging_obj is not None:
            self.logging_obj.first_chunk_time = datetime.now()  # noqa: DTZ005 - as LiteLLM's
        given = self._read(chunk)
        self.chunks.append(given)
        return given

    def _read(self, chunk: Any) -> Any:
        if not isinstance(chunk, ChatCompletionChunk):
            return chunk  # somebody wraps chunks of their own
        if self._folding is not None:
            self._folding.add(chunk)
        for choice in chunk.choices:
            if choice.index == 0:
                self.response_uptil_now += choice.delta.content or ""
                self.received_finish_reason = choice.finish_reason or self.received_finish_reason
                check_nested_json(self.response_uptil_now, self.model)
        return chunk_of(chunk, self._hidden_params, self._response_headers)

    def _translated(self, error: Exception) -> Exception:
        return litellm_exception_of(
            error,
            model=self.model,
            provider=self.custom_llm_provider or "",
            text_before=self.response_uptil_now,
        )

    def _finish(self) -> None:
        self._note_end()
        if self.logging_obj is not None:
            self.logging_obj.succeed(self._whole_answer(), self._hidden_params)

    async def _afinish(self) -> None:
        self._note_end()
        if self.logging_obj is not None:
            await self.logging_obj.asucceed(self._whole_answer(), self._hidden_params)

    def _note_end(self) -> None:
        """Cost and time are known now; chunks share this dict, so they know too."""
        report = self._report
        if report is not None:
            self._hidden_params["response_cost"] = cost_of(report)
            self._hidden_params["_response_ms"] = max(report.duration_s * 1000, 0.001)
            note_cost(self._hidden_params, self.model)

    def _whole_answer(self) -> Any:
        """The folded answer, if anybody wants it."""
        if self._folding is None or not self.chunks:
            return None
        answer: ModelResponse = answer_of(self._folding.result())
        if not hasattr(answer, "usage"):
            answer.usage = self._usage()
        answer.note_call(self._hidden_params, self._response_headers)
        return answer

    def _usage(self) -> Usage:
        report = self._report or CallReport(call_id="")
        return Usage(
            prompt_tokens=report.prompt_tokens,
            completion_tokens=report.completion_tokens,
            total_tokens=report.prompt_tokens + report.completion_tokens,
        )


class TextCompletionStreamWrapper(CustomStreamWrapper):
    """What `text_completion(stream=True)` gives: chunks with `choices[0].text`."""

    def _read(self, chunk: Any) -> TextCompletionResponse:
        text = cast("TextCompletion", chunk)
        for choice in text.choices:
            if choice.index == 0:
                self.response_uptil_now += choice.text
                check_nested_json(self.response_uptil_now, self.model)
        if self._folding is not None:
            self._text_chunks.append(text)
        given = text_answer_of(text)
        given.note_call(self._hidden_params, self._response_headers)
        return given

    def _whole_answer(self) -> Any:
        if not self._text_chunks:
            return None
        answer = fold_text([text_answer_of(chunk) for chunk in self._text_chunks])
        if answer.usage.total_tokens == 0:
            answer.usage = self._usage()
        answer.note_call(self._hidden_params, self._response_headers)
        return answer


def fold_text(chunks: list[TextCompletionResponse]) -> TextCompletionResponse:
    """The chunks of a streamed text completion as the whole one."""
    texts: dict[int, list[str]] = {}
    ends: dict[int, str | None] = {}
    usage = Usage()
    for chunk in chunks:
        for choice in chunk.choices:
            texts.setdefault(choice.index, []).append(choice.text or "")
            ends[choice.index] = choice.finish_reason or ends.get(choice.index)
        if chunk.usage.total_tokens:
            usage = chunk.usage
    head = chunks[0]
    return TextCompletionResponse.model_validate(
        {
            "id": head.id,
            "created": head.created,
            "model": head.model,
            "choices": [
                {"index": index, "text": "".join(parts), "finish_reason": ends[index]}
                for index, parts in sorted(texts.items())
            ],
            "usage": usage,
        }
    )


__getattr__ = getattr_of(__name__)

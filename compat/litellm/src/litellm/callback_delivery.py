"""Who hears of a call, and what: the lists `callbacks`, `success_callback` and their kin.

A listener is a function `fn(kwargs, response, start_time, end_time)`, or any object with
`log_success_event` and its kin. Each hears of a call exactly once; a stream counts at its end, with
the folded answer. Listeners run inline, where LiteLLM uses a thread: when the call returns, they
have been told. One that raises is logged and passed over. Names of services ("langfuse") are not
built yet: each is warned of once.

`kwargs` holds what LiteLLM's holds, as far as listeners read it, and never a key: `model` (without
prefix), `messages`, `stream`, `optional_params`, `litellm_params` (`metadata` in it), `call_type`,
`custom_llm_provider`, `litellm_call_id`, `start_time`, `end_time`, `completion_start_time`,
`response_cost`, `standard_logging_object`; `complete_streaming_response` after a stream;
`exception` and `traceback_exception` after a failure.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from litellm._logging import verbose_logger
from litellm.integrations.custom_logger import CustomLogger
from puna.telemetry.events import run_hooks, wait_for_hooks

Event = Literal["success", "failure"]

REDACTED = "redacted-by-litellm"


@dataclass(frozen=True, slots=True)
class Listeners:
    """Those of one call, each once."""

    on_start: tuple[Any, ...] = ()
    on_success: tuple[Any, ...] = ()
    on_failure: tuple[Any, ...] = ()

    @classmethod
    def gathered(
        cls,
        *,
        everywhere: Iterable[Any],
        on_start: Iterable[Any],
        on_success: Iterable[Any],
        on_failure: Iterable[Any],
    ) -> Listeners:
        """The listeners of the module's lists; names of services are warned of and left out."""
        shared = list(everywhere)
        loggers = [each for each in shared if hasattr(each, "log_pre_api_call")]
        return cls(
            on_start=_usable([*loggers, *on_start]),
            on_success=_usable([*shared, *on_success]),
            on_failure=_usable([*shared, *on_failure]),
        )


@dataclass(slots=True)
class CallRecord:
    """One call as listeners see it. `begin` it, then end it once, by whichever end comes first.

    Attributes:
        call_type: one of `completion`, `text_completion`, `responses`, or with an `a` before it.
        model, provider: the model without its prefix, and who answers.
        messages: what was asked.
        optional_params: the parameters that go to the host.
        litellm_params: the caller's own, `metadata` among them; no key.
        is_private: whether listeners get no prompts and answers (`turn_off_message_logging`).
    """

    call_type: str
    model: str
    provider: str
    messages: Any
    is_stream: bool
    call_id: str
    listeners: Listeners
    optional_params: dict[str, Any] = field(default_factory=dict[str, Any])
    litellm_params: dict[str, Any] = field(default_factory=dict[str, Any])
    is_private: bool = False
    start_time: datetime = field(default_factory=datetime.now)
    first_chunk_time: datetime | None = None
    _is_over: bool = False

    @property
    def wants_answer(self) -> bool:
        """Whether anybody hears of a success, so that a stream must be folded."""
        return bool(self.listeners.on_success)

    def begin(self) -> None:
        """Tell that the call begins."""
        if not self.listeners.on_start:
            return
        kwargs = self._kwargs()
        for listener in self.listeners.on_start:
            log = getattr(listener, "log_pre_api_call", None)
            if log is not None:
                _guard(log, self.model, kwargs["messages"], kwargs)
            elif callable(listener):
                _guard(listener, kwargs)

    def succeed(self, answer: Any, hidden_params: Mapping[str, Any]) -> None:
        """Tell of a success, from a synchronous call."""
        run_hooks(self._tell_success(answer, hidden_params, is_async=False))

    async def asucceed(self, answer: Any, hidden_params: Mapping[str, Any]) -> None:
        """Tell of a success, from asyncio."""
        await wait_for_hooks(self._tell_success(answer, hidden_params, is_async=True))

    def fail(self, error: BaseException) -> None:
        """Tell of a failure, from a synchronous call."""
        run_hooks(self._tell_failure(error, is_async=False))

    async def afail(self, error: BaseException) -> None:
        """Tell of a failure, from asyncio."""
        await wait_for_hooks(self._tell_failure(error, is_async=True))

    def _tell_success(
        self, answer: Any, hidden_params: Mapping[str, Any], *, is_async: bool
    ) -> list[Awaitable[None]]:
        if self._is_over:
            return []
        self._is_over = True
        if not self.listeners.on_success:
            return []
        end_time = datetime.now()  # noqa: DTZ005 - LiteLLM gives local times without a zone
        told = _redact(answer) if self.is_private else answer
        kwargs = self._kwargs()
        kwargs |= {
            "end_time": end_time,
            "response_cost": hidden_params.get("response_cost"),
            "cache_hit": None,
            "log_event_type": "successful_api_call",
            "standard_logging_object": self._logging_object(
                end_time, status="success", answer=told, hidden_params=hidden_params
            ),
        }
        if self.is_stream:
            kwargs["complete_streaming_response"] = told
            kwargs["async_complete_streaming_response"] = told
        else:
            for listener in self.listeners.on_success:
                log = getattr(listener, "log_post_api_call", None)
                if log is not None:
                    _guard(log, kwargs, told, self.start_time, end_time)
        facts = (kwargs, told, self.start_time, end_time)
        return _tell(self.listeners.on_success, "success", facts, is_async=is_async)

    def _tell_failure(self, error: BaseException, *, is_async: bool) -> list[Awaitable[None]]:
        if self._is_over:
            return []
        self._is_over = True
        if not self.listeners.on_failure:
            return []
        end_time = datetime.now()  # noqa: DTZ005 - LiteLLM gives local times without a zone
        kwargs = self._kwargs()
        kwargs |= {
            "end_time": end_time,
            "response_cost": 0.0,
            "exception": error,
            "traceback_exception": "".join(traceback.format_exception(error)),
            "log_event_type": "failed_api_call",
            "standard_logging_object": self._logging_object(
                end_time, status="failure", error=error
            ),
        }
        facts = (kwargs, None, self.start_time, end_time)
        return _tell(self.listeners.on_failure, "failure", facts, is_async=is_async)

    def _told_messages(self) -> Any:
        return [{"role": "user", "content": REDACTED}] if self.is_private else self.messages

    def _kwargs(self) -> dict[str, Any]:
        messages = self._told_messages()
        return {
            **self.optional_params,
            "model": self.model,
            "messages": messages,
            "input": messages,
            "stream": self.is_stream,
            "optional_params": self.optional_params,
            "litellm_params": self.litellm_params,
            "call_type": self.call_type,
            "custom_llm_provider": self.provider,
            "litellm_call_id": self.call_id,
            "litellm_trace_id": self.litellm_params.get("litellm_trace_id"),
            "model_id": None,
            "start_time": self.start_time,
            "completion_start_time": self.first_chunk_time,
            "additional_args": {},
            "log_event_type": "pre_api_call",
        }

    def _logging_object(
        self,
        end_time: datetime,
        *,
        status: Event,
        answer: Any = None,
        hidden_params: Mapping[str, Any] | None = None,
        error: BaseException | None = None,
    ) -> dict[str, Any]:
        """The core fields of LiteLLM's standard logging object; times are Unix seconds."""
        usage = getattr(answer, "usage", None)
        metadata = self.litellm_params.get("metadata") or {}
        first = self.first_chunk_time or end_time
        return {
            "id": getattr(answer, "id", None) or self.call_id,
            "litellm_call_id": self.call_id,
            "trace_id": self.litellm_params.get("litellm_trace_id") or self.call_id,
            "call_type": self.call_type,
            "cache_hit": None,
            "stream": self.is_stream,
            "status": status,
            "custom_llm_provider": self.provider,
            "startTime": self.start_time.timestamp(),
            "endTime": end_time.timestamp(),
            "completionStartTime": first.timestamp(),
            "response_time": (end_time - self.start_time).total_seconds(),
            "model": self.model,
            "model_id": "",
            "model_group": "",
            "api_base": (hidden_params or {}).get("api_base") or "",
            "metadata": dict(metadata),
            "request_tags": list(metadata.get("tags") or ()),
            "end_user": self.optional_params.get("user"),
            "response_cost": (hidden_params or {}).get("response_cost"),
            "total_tokens": getattr(usage, "total_tokens", 0),
            "prompt_tokens": getattr(usage, "prompt_tokens", 0),
            "completion_tokens": getattr(usage, "completion_tokens", 0),
            "messages": self._told_messages(),
            "response": answer.model_dump() if answer is not None else {},
            "model_parameters": dict(self.optional_params),
            "hidden_params": dict(hidden_params or {}),
            "error_str": str(error) if error is not None else None,
            "error_information": _error_information(error),
        }


def _error_information(error: BaseException | None) -> dict[str, Any]:
    return {
        "error_code": str(getattr(error, "status_code", "")),
        "error_class": type(error).__name__ if error is not None else "",
        "llm_provider": getattr(error, "llm_provider", "") or "",
        "error_message": str(error) if error is not None else "",
    }


def _redact(answer: Any) -> Any:
    """A copy of the answer without what was said."""
    copy = answer.model_copy(deep=True)
    for choice in copy.choices:
        if hasattr(choice, "message"):
            choice.message.content = REDACTED
            choice.message.tool_calls = None
        else:
            choice.text = REDACTED
    return copy


def _usable(listeners: Sequence[Any]) -> tuple[Any, ...]:
    usable: list[Any] = []
    for listener in listeners:
        if isinstance(listener, str):
            _warn_once(listener)
        elif not any(listener is other for other in usable):
            usable.append(listener)
    return tuple(usable)


_warned: set[str] = set()


def _warn_once(name: str) -> None:
    if name not in _warned:
        _warned.add(name)
        verbose_logger.warning(
            "The callback `%s` is not built yet and hears nothing; give a function or an object "
            "with `log_success_event`.",
            name,
        )


def _tell(
    listeners: Iterable[Any], event: Event, facts: tuple[Any, ...], *, is_async: bool
) -> list[Awaitable[None]]:
    """Call everybody; gives what they want awaited."""
    pending: list[Awaitable[None]] = []
    for listener in listeners:
        call = _call_of(listener, event, is_async=is_async)
        if call is not None:
            result = _guard(call, *facts)
            if inspect.isawaitable(result):
                pending.append(result)
    return pending


def _call_of(listener: Any, event: Event, *, is_async: bool) -> Any:
    """The method to call, or the function itself; None for a logger that does not listen."""
    plain, twin = f"log_{event}_event", f"async_log_{event}_event"
    if not hasattr(listener, plain) and not hasattr(listener, twin):
        return listener if callable(listener) else None
    names = (twin, plain) if is_async else (plain,)
    return next((getattr(listener, name) for name in names if _is_own(listener, name)), None)


def _is_own(listener: Any, name: str) -> bool:
    """Whether a listener has a method of this name that is not `CustomLogger`'s empty one."""
    method = getattr(listener, name, None)
    return method is not None and getattr(method, "__func__", None) is not getattr(
        CustomLogger, name
    )


def _guard(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    except Exception:  # noqa: BLE001 - a listener may fail in any way; the call goes on
        verbose_logger.exception("A callback failed; the call is not affected")
        return None


def listeners_of(module: Any, keywords: Mapping[str, Any], *, is_async: bool) -> Listeners:
    """The listeners of a call: the module's lists as they are now, and the call's own."""

    def both(name: str) -> list[Any]:
        own = keywords.get(name)
        given = cast("list[Any]", own) if isinstance(own, list) else []
        return [*getattr(module, name, ()), *given]

    on_success, on_failure = both("success_callback"), both("failure_callback")
    if is_async:
        on_success += module._async_success_callback  # noqa: SLF001 - a public list of LiteLLM
        on_failure += module._async_failure_callback  # noqa: SLF001 - the same
    return Listeners.gathered(
        everywhere=both("callbacks"),
        on_start=both("input_callback"),
        on_success=on_success,
        on_failure=on_failure,
    )

"""The base class of listeners. Override what you want to hear; the rest does nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litellm.released import getattr_of


class CustomLogger:
    """A listener for `litellm.callbacks`.

    A synchronous call tells `log_success_event` or `log_failure_event`, an asyncio call the
    `async_` twins (or, where only the plain one is overridden, that one); each exactly once, a
    stream at its end. `kwargs` is described in `litellm.callback_delivery`. `start_time` and
    `end_time` are local times without a zone, as in LiteLLM.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take anything: subclasses of LiteLLM's class pass what they like."""
        del args, kwargs

    def log_pre_api_call(self, model: str, messages: Any, kwargs: dict[str, Any]) -> None:
        """A call begins."""

    def log_post_api_call(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """A call that is not streamed has its answer."""

    def log_stream_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Here for its name: chunks are not told one by one."""

    def log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """A synchronous call has succeeded."""

    def log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """A synchronous call has failed; `kwargs["exception"]` says how."""

    async def async_log_stream_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Here for its name: chunks are not told one by one."""

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """An asyncio call has succeeded."""

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """An asyncio call has failed; `kwargs["exception"]` says how."""


__getattr__ = getattr_of(__name__)

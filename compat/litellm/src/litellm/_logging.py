"""LiteLLM's loggers, by its names. Nothing is configured: that is the application's."""

from __future__ import annotations

import logging

from litellm.released import getattr_of

verbose_logger = logging.getLogger("LiteLLM")
verbose_proxy_logger = logging.getLogger("LiteLLM Proxy")
verbose_router_logger = logging.getLogger("LiteLLM Router")

ALL_LOGGERS = [verbose_logger, verbose_router_logger, verbose_proxy_logger]


def _turn_on_debug() -> None:  # pyright: ignore[reportUnusedFunction]  # LiteLLM's name
    """Let all three loggers pass DEBUG records."""
    for logger in ALL_LOGGERS:
        logger.setLevel(logging.DEBUG)


def _disable_debugging() -> None:  # pyright: ignore[reportUnusedFunction]  # LiteLLM's name
    """Silence all three loggers."""
    for logger in ALL_LOGGERS:
        logger.disabled = True


def _enable_debugging() -> None:  # pyright: ignore[reportUnusedFunction]  # LiteLLM's name
    """Undo `_disable_debugging`."""
    for logger in ALL_LOGGERS:
        logger.disabled = False


__getattr__ = getattr_of(__name__)

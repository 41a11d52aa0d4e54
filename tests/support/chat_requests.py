"""Chat requests that are made or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.types.requests import ChatRequest, make_chat_request

HELLO = [{"role": "user", "content": "Hello"}]


def make(**fields: Any) -> ChatRequest:
    return make_chat_request("m", HELLO, fields)


def refused(act: Callable[[], object]) -> BadRequestError:
    with pytest.raises(BadRequestError) as raised:
        act()
    assert "{'" not in str(raised.value)
    assert "\n" not in str(raised.value)
    return raised.value

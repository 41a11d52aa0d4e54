"""Events of a stream of OpenAI's API, and what its reader gives for them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.support.contexts import context_for, request_for, target_for

from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.quirks import Quirks
from puna.wire.fold import fold

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


def event(data: Any, name: str = "") -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return f"{f'event: {name}' + chr(10) if name else ''}data: {text}\n\n".encode()


def chunk(
    delta: Any = None, finish: Any = None, *, index: Any = 0, choice: Any = None, **more: Any
) -> bytes:
    made = {"index": index, "delta": delta, "finish_reason": finish, **(choice or {})}
    return event({"id": "up-1", "created": 17, "model": "up", "choices": [made], **more})


def call(**piece: Any) -> bytes:
    return chunk({"tool_calls": [piece]})


class Outcome:
    """What a stream came to."""

    def __init__(
        self,
        pieces: Iterable[bytes],
        *,
        is_framed: bool = False,
        quirks: Quirks | None = None,
        **request: Any,
    ) -> None:
        asked = request_for(stream=True, **request)
        self.reader = OpenAIStreamReader(
            context_for(request=asked, target=target_for(quirks=quirks or Quirks()))
        )
        self.reader.is_framed = is_framed
        self.chunks = [made for piece in pieces for made in self.reader.feed(piece)]
        self.chunks += self.reader.close()
        self.error = self.reader.error

    @property
    def plain(self) -> list[dict[str, Any]]:
        return [made.model_dump(exclude_none=True) for made in self.chunks]

    @property
    def text(self) -> str | None:
        return fold(self.chunks).choices[0].message.content

    @property
    def reasons(self) -> list[str | None]:
        return [c.finish_reason for made in self.chunks for c in made.choices]

    @property
    def calls(self) -> list[tuple[str | None, str | None, str]]:
        found = fold(self.chunks).choices[0].message.tool_calls or []
        return [(c.id, c.function.name, c.function.arguments) for c in found]


PLAIN = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, "stop"),
]

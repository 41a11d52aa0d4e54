"""Hostile inputs by kind, of any size, and a count of the steps that they take.

Each kind is a text of few bytes that costs a reader much: many small values, openings without an
end, depth, repeats. `steps` counts calls of functions, which is the same on each machine.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from tests.support.asgi import MODEL

Make = Callable[[int], bytes]
"""About so many bytes of a kind."""

CHAT_PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"
RESPONSES_PATH = "/v1/responses"


def fill(item: bytes, size: int) -> bytes:
    """A list of the same item, about `size` bytes long."""
    return b"[" + b",".join([item] * max(1, size // (len(item) + 1))) + b"]"


def unlike(form: bytes, size: int) -> bytes:
    """Items with numbers in them, none like another, about `size` bytes long."""
    count = max(1, size // (len(form) + 4))
    return b",".join(form % ((number,) * form.count(b"%d")) for number in range(count))


def chat(extra: bytes) -> bytes:
    """A chat request with more fields."""
    start = f'{{"model":"{MODEL}","messages":[{{"role":"user","content":"hi"}}],'
    return start.encode() + extra + b"}"


def talk(messages: bytes, extra: bytes = b"") -> bytes:
    """A chat request, or one of the Messages API, with these messages."""
    start = f'{{"model":"{MODEL}","max_tokens":9,"messages":'
    return start.encode() + messages + extra + b"}"


def said(content: bytes) -> bytes:
    """One message of the user's with this content."""
    return b'[{"role":"user","content":' + content + b"}]"


def asked(extra: bytes) -> bytes:
    """A request of the Responses API, or of embeddings, with this input."""
    return f'{{"model":"{MODEL}","input":'.encode() + extra + b"}"


_TEXT = b'{"type":"text","text":"a"}'
_TOOL = b'{"type":"function","function":{"name":"f%d","parameters":{"type":"object"}}}'

REQUESTS: Mapping[str, tuple[str, Make]] = {
    "lists": (CHAT_PATH, lambda size: chat(b'"x":' + fill(b"[]", size))),
    "objects": (CHAT_PATH, lambda size: chat(b'"x":' + fill(b'{"a":0}', size))),
    "numbers": (CHAT_PATH, lambda size: chat(b'"x":' + fill(b"0.1", size))),
    "long numbers": (CHAT_PATH, lambda size: chat(b'"x":' + fill(b"9" * 400, size))),
    "a huge number": (CHAT_PATH, lambda size: chat(b'"x":' + b"9" * size)),
    "texts": (CHAT_PATH, lambda size: chat(b'"x":[' + unlike(b'"%d"', size) + b"]")),
    "names": (CHAT_PATH, lambda size: chat(b'"x":{' + unlike(b'"%d":0', size) + b"}")),
    "fields": (CHAT_PATH, lambda size: chat(unlike(b'"k%d":0', size))),
    "one name": (CHAT_PATH, lambda size: chat(b'"x":{' + b'"a":0,' * (size // 6) + b'"a":0}')),
    "depth": (CHAT_PATH, lambda size: chat(b'"x":' + b"[" * (size // 2) + b"]" * (size // 2))),
    "openings": (CHAT_PATH, lambda size: chat(b'"x":' + b"[\n" * (size // 2))),
    "deep values": (CHAT_PATH, lambda size: chat(b'"x":' + fill(b"[" * 90 + b"]" * 90, size))),
    "escapes": (CHAT_PATH, lambda size: chat(b'"x":"' + b"\\u0041" * (size // 6) + b'"')),
    "backslashes": (CHAT_PATH, lambda size: chat(b'"x":"' + b"\\\\" * (size // 2) + b'"')),
    "spaces": (CHAT_PATH, lambda size: chat(b'"x":1' + b" " * size)),
    "commas in a text": (CHAT_PATH, lambda size: talk(said(b'"' + b",[{" * (size // 3) + b'"'))),
    "messages": (CHAT_PATH, lambda size: talk(fill(b'{"role":"user","content":"a"}', size))),
    "parts": (CHAT_PATH, lambda size: talk(said(fill(_TEXT, size)))),
    "calls": (
        CHAT_PATH,
        lambda size: talk(
            b'[{"role":"assistant","tool_calls":' + fill(b'{"function":{}}', size) + b"}]"
        ),
    ),
    "tools": (CHAT_PATH, lambda size: chat(b'"tools":[' + unlike(_TOOL, size) + b"]")),
    "types": (CHAT_PATH, lambda size: chat(b'"x":' + fill(b'{"type":"null"}', size))),
    "types of tools": (
        CHAT_PATH,
        lambda size: chat(
            b'"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object",'
            b'"properties":{' + unlike(b'"p%d":{"type":"string"}', size) + b"}}}}]"
        ),
    ),
    "stops": (CHAT_PATH, lambda size: chat(b'"stop":[' + unlike(b'"%d"', size) + b"]")),
    "fallbacks": (CHAT_PATH, lambda size: chat(b'"fallbacks":[' + unlike(b'"%d"', size) + b"]")),
    "metadata": (CHAT_PATH, lambda size: chat(b'"metadata":{' + unlike(b'"%d":0', size) + b"}")),
    "dropped": (
        CHAT_PATH,
        lambda size: chat(b'"additional_drop_params":[' + unlike(b'"%d"', size) + b"]"),
    ),
    "blocks": (MESSAGES_PATH, lambda size: talk(said(fill(_TEXT, size)))),
    "turns": (
        MESSAGES_PATH,
        lambda size: talk(
            fill(b'{"role":"user","content":"a"},{"role":"assistant","content":"a"}', size)
        ),
    ),
    "results": (
        MESSAGES_PATH,
        lambda size: talk(
            said(
                b"["
                + unlike(b'{"type":"tool_result","tool_use_id":"%d","content":"a"}', size)
                + b"]"
            )
        ),
    ),
    "system blocks": (
        MESSAGES_PATH,
        lambda size: talk(said(b'"a"'), b',"system":' + fill(_TEXT, size)),
    ),
    "tools of messages": (
        MESSAGES_PATH,
        lambda size: talk(
            said(b'"a"'),
            b',"tools":[' + unlike(b'{"name":"f%d","input_schema":{"type":"object"}}', size) + b"]",
        ),
    ),
    "counted blocks": ("/v1/messages/count_tokens", lambda size: talk(said(fill(_TEXT, size)))),
    "items": (RESPONSES_PATH, lambda size: asked(fill(b'{"role":"user","content":"a"}', size))),
    "calls of responses": (
        RESPONSES_PATH,
        lambda size: asked(
            b"["
            + unlike(
                b'{"type":"function_call","call_id":"%d","name":"f","arguments":"{}"}', size // 2
            )
            + b","
            + unlike(b'{"type":"function_call_output","call_id":"%d","output":"a"}', size // 2)
            + b"]"
        ),
    ),
    "tools of responses": (
        RESPONSES_PATH,
        lambda size: asked(
            b'"a","tools":['
            + unlike(b'{"type":"function","name":"f%d","parameters":{}}', size)
            + b"]"
        ),
    ),
    "token ids": ("/v1/embeddings", lambda size: asked(fill(b"7", size))),
    "inputs": ("/v1/embeddings", lambda size: asked(fill(b'"a"', size))),
    "prompts": (
        "/v1/completions",
        lambda size: f'{{"model":"{MODEL}","prompt":'.encode() + fill(b'"a"', size) + b"}",
    ),
}
"""Bodies by kind, with the path that they are sent to."""

_HEAD = b'"id":"x","created":1,"model":"m"'


def completion(
    message: bytes = b'"content":"ok"', choice: bytes = b"", whole: bytes = b""
) -> bytes:
    """A host's whole answer, with more in its message, its choice, or beside them."""
    return (
        b'{"object":"chat.completion",' + _HEAD + b',"choices":[{"index":0,"message":'
        b'{"role":"assistant",' + message + b'},"finish_reason":"stop"' + choice + b"}],"
        b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}' + whole + b"}"
    )


def choices(inner: bytes) -> bytes:
    """An event with these choices."""
    return b'data: {"object":"chat.completion.chunk",' + _HEAD + b',"choices":[' + inner + b"]}\n\n"


def delta(inner: bytes, more: bytes = b"") -> bytes:
    """An event with a delta of the first choice."""
    return choices(b'{"index":0,"delta":{' + inner + b'},"finish_reason":null' + more + b"}")


END = choices(b'{"index":0,"delta":{},"finish_reason":"stop"}') + b"data: [DONE]\n\n"
_CALL = b'"tool_calls":[{"id":"%d","function":{"name":"f","arguments":"{}"}}]'


def repeated(event: bytes, size: int, first: bytes = b"") -> bytes:
    """A stream of one event, again and again."""
    return first + event * max(1, size // len(event)) + END


ANSWERS: Mapping[str, Make] = {
    "lists": lambda size: completion(whole=b',"x":' + fill(b"[]", size)),
    "objects": lambda size: completion(whole=b',"x":' + fill(b'{"a":0}', size)),
    "names": lambda size: completion(whole=b',"x":{' + unlike(b'"%d":0', size) + b"}"),
    "texts": lambda size: completion(whole=b',"x":[' + unlike(b'"%d"', size) + b"]"),
    "numbers": lambda size: completion(whole=b',"x":' + fill(b"0.1", size)),
    "pairs": lambda size: b'{"x":"' + b"\\ud83d\\ude00" * (size // 12),
    "halves": lambda size: completion(b'"content":"' + b"\\ud83d" * (size // 6) + b'"'),
    "calls": lambda size: completion(
        b'"tool_calls":[' + unlike(b'{"id":"%d","function":{"name":"f"}}', size) + b"]"
    ),
    "openings": lambda size: b"[\n" * (size // 2),
    "blank": lambda size: b"\n" * size,
    "signs": lambda size: b"<" * size,
    "a page": lambda size: b"<html>" + b"<" * size,
    "titles": lambda size: b"<html>" + b"<title>" * (size // 7),
    "tags": lambda size: b"<html>" + b"<a>" * (size // 3),
    "an error's list": lambda size: b'{"error":{"message":' + fill(b"[]", size) + b"}}",
    "an error's text": lambda size: b'{"error":{"message":"' + b"violat" * (size // 6) + b'"}}',
    "percents": lambda size: b"%25" * (size // 3),
    "backslashes": lambda size: b"\\" * size,
    "escapes": lambda size: b"\\u0061" * (size // 6),
}
"""Whole bodies of hosts by kind; sent as a success and as an error."""

STREAMS: Mapping[str, Make] = {
    "texts": lambda size: repeated(delta(b'"content":"a"'), size),
    "nothing": lambda size: repeated(delta(b""), size),
    "blank lines": lambda size: repeated(b"\n", size),
    "comments": lambda size: repeated(b":\n", size),
    "data without a value": lambda size: repeated(b"data:\n", size),
    "empty events": lambda size: repeated(b"data:\n\n", size),
    "carriage returns": lambda size: repeated(b"\r", size),
    "names of events": lambda size: repeated(b"event: a\n", size),
    "objects": lambda size: repeated(b"data: {}\n\n", size, delta(b'"content":"a"')),
    "pieces of a call": lambda size: repeated(
        delta(b'"tool_calls":[{"index":0,"function":{"arguments":"a"}}]'),
        size,
        delta(b'"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]'),
    ),
    "calls": lambda size: b"".join(delta(_CALL % n) for n in range(size // 190)) + END,
    "calls in one event": lambda size: (
        delta(b'"tool_calls":[' + unlike(b'{"id":"%d","function":{"name":"f"}}', size) + b"]") + END
    ),
    "choices": lambda size: choices(unlike(b'{"index":%d,"delta":{}}', size)) + END,
    "finishes": lambda size: (
        choices(unlike(b'{"index":%d,"delta":{"content":"a"},"finish_reason":"stop"}', size)) + END
    ),
    "no end": lambda size: b"data: " + b"[" * size,
    "no line": lambda size: b"a" * size,
    "lists": lambda size: delta(b'"content":"a"', b',"x":' + fill(b"[]", size)) + END,
}
"""Streams of hosts by kind."""

WORDS: Mapping[str, Callable[[int], str]] = {
    "braces": lambda size: "{" * size,
    "brackets": lambda size: "[" * size,
    "lines of brackets": lambda size: "[\n" * (size // 2),
    "fences": lambda size: "```" * (size // 3),
    "opening fences": lambda size: "```json\n" * (size // 8),
    "fences with words": lambda size: "``` a" * (size // 5),
    "fences and brackets": lambda size: '```\n[{"name":"f","a":"' * (size // 20),
    "ticks": lambda size: "`" * size,
    "quotes": lambda size: '["' + '\\"' * (size // 2),
    "tags": lambda size: "<function=" * (size // 10),
    "calls that never end": lambda size: '<function=f>{"a":' * (size // 17),
    "call tags": lambda size: "<tool_call>" * (size // 11),
    "nested calls": lambda size: '<tool_call>{"name":"f","arguments":{"a":"' * (size // 41),
    "python tags": lambda size: "<|python_tag|>" * (size // 14),
    "python calls": lambda size: "[f(" * (size // 3),
    "one call alone": lambda size: "f(a=" + "(" * size,
    "a run of names": lambda size: "f" * size,
    "names in brackets": lambda size: "[f" * (size // 2),
    "objects on lines": lambda size: '\n{"name": "f", ' * (size // 15),
    "closed objects": lambda size: '\n{"name":"f","arguments":{}} x' * (size // 30),
    "calls": lambda size: '{"name":"f","arguments":{}};' * (size // 28),
    "escaped quotes": lambda size: "[f(a='" + "\\'" * (size // 2) + "')]",
    "spaces": lambda size: " " * size,
    "spaces after a bracket": lambda size: "{" + " " * size,
    "lines": lambda size: "\n" * size,
    "deep": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "deep objects": lambda size: '{"a":' * (size // 6) + "1" + "}" * (size // 6),
    "values": lambda size: "[" + "0," * (size // 2) + "0]",
    "thoughts": lambda size: "<think>" * (size // 7),
}
"""What a model says, by kind."""


def steps(act: Callable[[], Any]) -> int:
    """How many functions an act calls, in this thread and in those that it starts."""
    count = 0

    def note(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        del frame, arg
        if event in ("call", "c_call"):
            count += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return count


def growth(act: Callable[[int], Any], size: int) -> float:
    """By what the steps of an act grow when its input gets four times as long; 4 is linear.

    A law of n² gives 16. What is done once for all sizes makes it less than 4.
    """
    act(size)  # what is loaded or compiled once is not counted
    return steps(lambda: act(4 * size)) / steps(lambda: act(size))


LINEAR = 5.5
"""The most that `growth` may be: room for a logarithm, and for limits that begin to be met."""

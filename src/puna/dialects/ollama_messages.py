"""Converts messages and tools to the form that Ollama's chat accepts.

A content is one text, images stand beside it as base64, arguments are objects, and a tool's result
names the tool. Source: Ollama's OpenAPI description and its Python client 0.6.3, read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.bridges.call_arguments import parse_call_arguments
from puna.dialects.base import Target
from puna.dialects.request_rules import unsupported_part
from puna.errors import BadRequestError
from puna.types.data_url import read_data_url
from puna.types.requests import ChatRequest

_OWN_FIELDS = ("images", "thinking", "tool_name")
_READ_FIELDS = frozenset(("content", "role", "tool_calls", *_OWN_FIELDS))

_Fields = dict[str, Any]


def build_messages(
    request: ChatRequest, target: Target
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Convert the messages to Ollama's form. Returns them, and the names of fields left out.

    Raises:
        BadRequestError: Ollama has no place for a part of a message.
    """
    building = _Conversion(request, target)
    built = [
        building.message(message, f"messages[{i}]") for i, message in enumerate(request.messages)
    ]
    return built, building.dropped


def check_tools(tools: Any, request: ChatRequest, target: Target) -> None:
    """Raise BadRequestError for a tool that is no function: Ollama knows no others."""
    for i, tool in enumerate(tools):
        if tool.get("type") != "function":
            raise unsupported_part(
                f"tools[{i}].type", "knows tools of the type `function` only", request, target
            )


class _Conversion:
    """The conversion of one request's messages; results refer to the calls before them."""

    def __init__(self, request: ChatRequest, target: Target) -> None:
        self._request = request
        self._target = target
        self._names: dict[str, str] = {}
        self._dropped: dict[str, None] = {}

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of the fields that were left out."""
        return tuple(self._dropped)

    def message(self, given: _Fields, path: str) -> _Fields:
        """Convert one message."""
        text, images = self._read_content(given.get("content", ""), f"{path}.content")
        made: _Fields = {"role": given["role"], "content": text}
        made.update((name, given[name]) for name in _OWN_FIELDS if name in given)
        if images:
            made["images"] = images
        if "tool_calls" in given:
            made["tool_calls"] = [
                self._convert_call(call, f"{path}.tool_calls[{i}]")
                for i, call in enumerate(given["tool_calls"])
            ]
        unread = given.keys() - _READ_FIELDS
        if given["role"] == "tool":
            unread -= {"name", "tool_call_id"}
            call_id = given.get("tool_call_id")
            name = given.get("name") or self._names.get(call_id or "")
            if call_id is not None:
                made["tool_call_id"] = call_id
            if name:
                made.setdefault("tool_name", name)
        self._leave_out(f"messages[].{name}" for name in sorted(unread))
        return made

    def _convert_call(self, given: Mapping[str, Any], path: str) -> _Fields:
        """Convert a call: Ollama has its arguments as an object."""
        function = given["function"]
        name = function.get("name")
        more = sorted(function.keys() - {"name", "arguments"})
        self._leave_out(f"messages[].tool_calls[].function.{one}" for one in more)
        made: _Fields = {
            "function": {"name": name, "arguments": self._parse_arguments(function, path)}
        }
        call_id = given.get("id")
        if isinstance(call_id, str):
            made = {"id": call_id, **made}
            self._names[call_id] = str(name)
        return made

    def _parse_arguments(self, function: Mapping[str, Any], path: str) -> _Fields:
        """The arguments of a call as an object. Raises BadRequestError where they are none."""
        arguments = parse_call_arguments(function.get("arguments"))
        if arguments is not None:
            return arguments
        raise self._unsupported(
            f"{path}.function.arguments",
            "takes arguments that are a JSON object; repair them, or leave the call and its result "
            "out",
        )

    def _read_content(self, content: Any, path: str) -> tuple[str, list[str]]:
        """Split a content into its text and its images, as base64."""
        if isinstance(content, str):
            return content, []
        texts: list[str] = []
        images: list[str] = []
        for i, part in enumerate(content):
            more = sorted(part.keys() - {"type", part["type"]})
            self._leave_out(f"messages[].content[].{name}" for name in more)
            if part["type"] == "text":
                texts.append(part["text"])
            elif part["type"] == "image_url":
                images.append(self._read_image(part["image_url"], f"{path}[{i}].image_url"))
            else:
                raise self._unsupported(f"{path}[{i}].type", "reads text and images only")
        return "\n".join(texts), images

    def _read_image(self, given: Mapping[str, Any], path: str) -> str:
        """The base64 of an image. Raises BadRequestError where it is no data URL."""
        found = read_data_url(given["url"])
        if found is None:
            raise self._unsupported(
                f"{path}.url",
                "takes an image as base64 in a `data:` URL, and Puna fetches none: read the file "
                "and send `data:image/png;base64,…`",
            )
        self._leave_out(f"messages[].content[].image_url.{name}" for name in given.keys() - {"url"})
        return found[1]

    def _leave_out(self, names: Any) -> None:
        """Record the names of fields that are left out."""
        self._dropped.update(dict.fromkeys(names))

    def _unsupported(self, path: str, message: str) -> BadRequestError:
        """Make the error for a part that Ollama does not support."""
        return unsupported_part(path, message, self._request, self._target)

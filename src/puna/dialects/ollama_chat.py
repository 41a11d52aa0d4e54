"""The dialect of Ollama's own chat protocol, `POST /api/chat`.

Source: Ollama's OpenAPI description, its page "Thinking" and its Python client 0.6.3, read
2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from typing_extensions import override

from puna.bridges.histories.rules import OLLAMA
from puna.dialects.base import ReadContext, StreamReader, Target
from puna.dialects.json_http import build_url, parse_object
from puna.dialects.ollama_context import set_context
from puna.dialects.ollama_messages import build_messages, check_tools
from puna.dialects.ollama_replies import OllamaStreamReader, as_completion
from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.request_rules import fit_chat, pop_stream_options
from puna.errors import BadRequestError, UnsupportedParamsError
from puna.types.chat import ChatCompletion
from puna.types.display import display
from puna.types.model_request import ModelRequest
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply

_OPTIONS = frozenset((
    "draft_num_predict", "f16_kv", "logits_all", "low_vram", "main_gpu", "min_p", "mirostat",
    "mirostat_eta", "mirostat_tau", "num_batch", "num_ctx", "num_gpu", "num_gqa", "num_keep",
    "num_predict", "num_thread", "numa", "penalize_newline", "presence_penalty",
    "frequency_penalty", "repeat_last_n", "repeat_penalty", "seed", "stop", "temperature", "tfs_z",
    "top_k", "top_p", "typical_p", "use_mlock", "use_mmap", "vocab_only",
))  # fmt: skip
"""What stands in `options`; every other field stands at the top."""

_NAMES = {
    "max_completion_tokens": "num_predict",
    "max_tokens": "num_predict",
    "reasoning_effort": "think",
    "response_format": "format",
}
_EFFORTS: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_KNOWS_LEVELS = "gpt-oss"
_BASE_ENDINGS = ("/api/chat", "/api", "/v1")


class OllamaChat(OpenAIChat):
    """Sends chat requests to Ollama's own API and parses its replies.

    One instance serves all calls.

    Beside the caller's fields it sends `stream` (Ollama streams by default), `num_ctx`, `truncate`
    and `shift`: see `set_context`. A base URL may end with `/api` or `/v1`.
    """

    path = "/api/chat"

    @override
    def url(self, target: Target) -> str:
        return ollama_url(target, self.path)

    @override
    def build_body(
        self, request: ChatRequest, target: Target
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        request, params, left_out = fit_chat(request, target, OLLAMA)
        messages, cut = build_messages(request, target)
        # The last line of a stream always has the usage.
        left_out = (*left_out, *pop_stream_options(params, request))
        choice = params.get("tool_choice")
        if choice in ("auto", "none"):
            del params["tool_choice"]
        if choice == "none":
            params.pop("tools", None)
        check_tools(params.get("tools", ()), request, target)
        fields, options, doubled = sort_options(params, request, target)
        body = {"model": target.model, "messages": messages, "stream": request.is_stream, **fields}
        set_context(body, options, request, target)
        body["options"] = options
        return body, (*left_out, *cut, *doubled)

    @override
    def read_reply(self, reply: HTTPReply, context: ReadContext) -> ChatCompletion:
        """Parse a success. Errors are like those of OpenAI's protocol."""
        data = parse_object(reply, context)
        if data.get("error"):
            raise self.read_error_body(data, context)
        return self.read_body(as_completion(data), context)

    @override
    def stream_reader(self, context: ReadContext) -> StreamReader:
        """A new reader for one streamed reply."""
        return OllamaStreamReader(context)


def ollama_url(target: Target, path: str) -> str:
    """The URL of a path that begins with `/api`, for a base URL with or without `/api` or `/v1`."""
    base = target.base_url
    ending = next((one for one in _BASE_ENDINGS if base.endswith(one)), "")
    return build_url(replace(target, base_url=base.removesuffix(ending)), path)


def sort_options(
    params: Mapping[str, Any], request: ModelRequest, target: Target
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
    """Split parameters into top-level fields, `options`, and the names of those left out.

    A parameter given twice under two names is left out once: Ollama's own name wins, and a value
    inside `options` wins over one beside it. Under `drop_params` what the model cannot do is left
    out, too.

    Raises:
        BadRequestError: `options` is no object, or a value has no meaning here.
        UnsupportedParamsError: thinking is turned off for a model that cannot turn it off.
    """
    own = params.get("options", {})
    if not isinstance(own, Mapping):
        raise _wrong_value("options", f"must be an object, not `{display(own)}`", request, target)
    fields: dict[str, Any] = {}
    options: dict[str, Any] = dict(cast("Mapping[str, Any]", own))
    left_out: list[str] = []
    for given, value in params.items():
        if given == "options":
            continue
        name = _NAMES.get(given, given)
        is_doubled = (name != given and name in params) or (name in _OPTIONS and name in own)
        if is_doubled or (request.drop_params and _always_thinks(given, value, target)):
            left_out.append(given)
        elif name in _OPTIONS:
            options[name] = [value] if name == "stop" and isinstance(value, str) else value
        elif (said := _translate(given, value, request, target)) is not None:
            fields[name] = said
    return fields, options, tuple(left_out)


def _translate(given: str, value: Any, request: ModelRequest, target: Target) -> Any:
    """The value of a top-level field in Ollama's form; None where it is not sent."""
    if given == "response_format":
        kinds = {
            "json_object": "json",
            "json_schema": value.get("json_schema", {}).get("schema"),
            "text": None,
        }
        if value["type"] not in kinds:
            said = f"must be of a type of {', '.join(kinds)}, not `{display(value['type'])}`"
            raise _wrong_value(given, said, request, target)
        return kinds[value["type"]]
    if given == "reasoning_effort":
        if value not in _EFFORTS:
            said = f"must be one of {', '.join(_EFFORTS)}, not `{display(value)}`"
            raise _wrong_value(given, said, request, target)
        if _always_thinks(given, value, target):
            raise UnsupportedParamsError(
                f"`{target.model}` always thinks: give `{given}` low, medium or high, or set "
                "`drop_params=True` to leave it out.",
                param=given,
                provider=target.provider,
                model=request.model,
            )
        effort = _EFFORTS[value]
        # Levels are for these models; the others think or do not.
        return effort if _KNOWS_LEVELS in target.model else bool(effort)
    return value


def _always_thinks(given: str, value: Any, target: Target) -> bool:
    """Whether the request turns thinking off for a model that can only reduce it (`gpt-oss`)."""
    return given == "reasoning_effort" and value == "none" and _KNOWS_LEVELS in target.model


def _wrong_value(name: str, message: str, request: ModelRequest, target: Target) -> BadRequestError:
    """The error for a parameter with a wrong value."""
    return BadRequestError(
        f"`{name}` {message}.", param=name, provider=target.provider, model=request.model
    )

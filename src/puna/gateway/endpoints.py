"""The HTTP paths of the gateway, one row each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Action = Literal[
    "chat",
    "text",
    "embedding",
    "moderation",
    "messages",
    "count_tokens",
    "respond",
    "response",
    "forget_response",
    "input_items",
    "cancel_response",
    "count_input",
    "compact",
    "models",
    "model",
    "model_info",
    "health",
    "ask_health",
    "alive",
    "ready",
    "home",
    "routes",
    "openapi",
]


SUMMARIES: Mapping[Action, str] = {
    "chat": "a chat completion, whole or as a stream of events",
    "text": "a text completion, at a host that has them, else over chat",
    "embedding": "a vector for each text, whole",
    "moderation": "a verdict on each text, from a host that gives them",
    "messages": "a message in Anthropic's shape, over chat, whole or as a stream of events",
    "count_tokens": "the tokens of a message's request",
    "respond": "a response, from hosts that speak the API, else over chat",
    "response": "a stored response",
    "forget_response": "deletes a stored response",
    "input_items": "the input of a stored response",
    "cancel_response": "refused: nothing runs in the background",
    "count_input": "the tokens of a response's input",
    "compact": "a conversation as one shorter item, by a summary of the model",
    "models": "the models by name",
    "model": "one model; its name may hold slashes",
    "model_info": "what each deployment is, without key and address",
    "health": "what past calls showed of each deployment; asks nobody",
    "ask_health": "asks every deployment for one token",
    "alive": "the process answers",
    "ready": "the gateway can take requests",
    "home": "the list of paths, as text",
    "routes": "the list of paths, as JSON",
    "openapi": "this gateway's OpenAPI document",
}
"""What each does, for its readers."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path and what it does.

    `path` may hold `{model}`, which stands for anything, slashes included: model names hold them;
    or `{response_id}`, which stands for one part.
    """

    method: str
    path: str
    action: Action
    needs_key: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """The endpoint of a request, and the model name or response id that its path held."""

    endpoint: Endpoint
    model: str | None = None
    response_id: str | None = None


def _both(method: str, path: str, action: Action) -> tuple[Endpoint, Endpoint]:
    """A path with and without `/v1`: OpenAI's clients are pointed at either."""
    return Endpoint(method, path, action), Endpoint(method, f"/v1{path}", action)


def _responses(method: str, path: str, action: Action) -> tuple[Endpoint, ...]:
    """A path below `/responses`, in the three places where clients look for it."""
    places = ("", "/v1", "/openai/v1")
    return tuple(Endpoint(method, f"{place}/responses{path}", action) for place in places)


ENDPOINTS: tuple[Endpoint, ...] = (
    *_both("POST", "/chat/completions", "chat"),
    *_both("POST", "/completions", "text"),
    *_both("POST", "/embeddings", "embedding"),
    *_both("POST", "/moderations", "moderation"),
    *_responses("POST", "", "respond"),
    *_responses("POST", "/input_tokens", "count_input"),
    *_responses("POST", "/compact", "compact"),
    *_responses("GET", "/{response_id}/input_items", "input_items"),
    *_responses("POST", "/{response_id}/cancel", "cancel_response"),
    *_responses("GET", "/{response_id}", "response"),
    *_responses("DELETE", "/{response_id}", "forget_response"),
    *_both("GET", "/models", "models"),
    *_both("GET", "/models/{model}", "model"),
    *_both("GET", "/model/info", "model_info"),
    Endpoint("POST", "/engines/{model}/chat/completions", "chat"),
    Endpoint("POST", "/engines/{model}/completions", "text"),
    Endpoint("POST", "/openai/deployments/{model}/chat/completions", "chat"),
    Endpoint("POST", "/openai/deployments/{model}/completions", "text"),
    Endpoint("POST", "/engines/{model}/embeddings", "embedding"),
    Endpoint("POST", "/openai/deployments/{model}/embeddings", "embedding"),
    Endpoint("POST", "/messages", "messages"),
    Endpoint("POST", "/v1/messages", "messages"),
    Endpoint("POST", "/anthropic/v1/messages", "messages"),
    Endpoint("POST", "/messages/count_tokens", "count_tokens"),
    Endpoint("POST", "/v1/messages/count_tokens", "count_tokens"),
    Endpoint("POST", "/anthropic/v1/messages/count_tokens", "count_tokens"),
    Endpoint("GET", "/health", "health"),
    Endpoint("POST", "/health", "ask_health"),
    Endpoint("GET", "/health/liveliness", "alive", needs_key=False),
    Endpoint("GET", "/health/liveness", "alive", needs_key=False),
    Endpoint("GET", "/health/readiness", "ready", needs_key=False),
    Endpoint("GET", "/", "home", needs_key=False),
    Endpoint("GET", "/routes", "routes", needs_key=False),
    Endpoint("GET", "/openapi.json", "openapi", needs_key=False),
)

NOT_BUILT: Mapping[str, str] = {
    "/messages/batches": "batches of messages",
    "/images": "images",
    "/audio": "audio",
    "/files": "files",
    "/batches": "batches",
    "/metrics": "metrics",
    "/rerank": "rerank",
}
"""Beginnings of paths that clients of such a gateway try and that this one does not have yet."""

NEEDS_STORE = ("/key/", "/user/", "/team/", "/organization/", "/customer/", "/budget/", "/spend/")
"""Beginnings of the paths of virtual keys and spend, which are not built yet."""

_REPEATED = re.compile(r"(/v1|/)\1+(?=/|[a-z])")
"""`/v1/v1` and `//`: what comes of a base URL that ends with what the client adds itself."""
_LONGEST_GUESSED = 100
_ALIKE = 0.9

_BY_PATH: Mapping[str, Mapping[str, Endpoint]] = {
    path: {one.method: one for one in ENDPOINTS if one.path == path}
    for path in dict.fromkeys(one.path for one in ENDPOINTS if "{" not in one.path)
}
_PATTERNS: tuple[tuple[Endpoint, str, str, str], ...] = tuple(
    (one, before, name, after)
    for one in ENDPOINTS
    for before, place, rest in (one.path.partition("{"),)
    for name, _, after in (rest.partition("}"),)
    if place
)


def find_endpoint(method: str, path: str) -> Match | tuple[str, ...]:
    """The endpoint of a request, or the methods that the path allows: none means no such path.

    HEAD is answered like GET.
    """
    wanted = "GET" if method == "HEAD" else method
    clean = path.rstrip("/") or "/"
    methods = _BY_PATH.get(clean)
    if methods is not None:
        found = methods.get(wanted)
        return Match(found) if found is not None else tuple(methods)
    allowed: list[str] = []
    for endpoint, before, name, after in _PATTERNS:
        if not (clean.startswith(before) and clean.endswith(after)):
            continue
        value = clean[len(before) : len(clean) - len(after)].strip("/")
        if not value or (name == "response_id" and "/" in value):
            continue
        if endpoint.method == wanted:
            is_model = name == "model"
            return Match(endpoint, value) if is_model else Match(endpoint, response_id=value)
        allowed.append(endpoint.method)
    return tuple(dict.fromkeys(allowed))


def missing_feature(path: str) -> str | None:
    """What a path that is not served would be, when that is known."""
    clean = path.removeprefix("/v1")
    return next((what for start, what in NOT_BUILT.items() if clean.startswith(start)), None)


def similar_path(method: str, path: str) -> str | None:
    """The path of an endpoint with this method that an unknown `path` may have meant, or None."""
    if len(path) > _LONGEST_GUESSED:
        return None
    plain = _REPEATED.sub(r"\1", path)
    for meant in (plain, plain.lower()):
        if meant.strip("/") and isinstance(find_endpoint(method, meant), Match):
            return meant
    known = [one for one, methods in _BY_PATH.items() if method in methods and one != "/"]
    ends = [one for one in known if plain.endswith(one)]
    if ends:
        return max(ends, key=len)
    return next(iter(get_close_matches(plain.lower(), known, n=1, cutoff=_ALIKE)), None)


def list_paths(endpoints: Iterable[Endpoint] = ENDPOINTS) -> list[str]:
    """`METHOD /path` of every row."""
    return [f"{one.method} {one.path}" for one in endpoints]

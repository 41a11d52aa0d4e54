"""The HTTP paths of the gateway, one row each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Action = Literal[
    "chat",
    "text",
    "embedding",
    "moderation",
    "messages",
    "count_tokens",
    "models",
    "model",
    "model_info",
    "health",
    "alive",
    "ready",
    "home",
    "routes",
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path and what it does.

    `path` may hold `{model}`, which stands for anything, slashes included: model names hold them.
    """

    method: str
    path: str
    action: Action
    needs_key: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """The endpoint of a request, and the model name that its path held."""

    endpoint: Endpoint
    model: str | None = None


def _both(method: str, path: str, action: Action) -> tuple[Endpoint, Endpoint]:
    """A path with and without `/v1`: OpenAI's clients are pointed at either."""
    return Endpoint(method, path, action), Endpoint(method, f"/v1{path}", action)


ENDPOINTS: tuple[Endpoint, ...] = (
    *_both("POST", "/chat/completions", "chat"),
    *_both("POST", "/completions", "text"),
    *_both("POST", "/embeddings", "embedding"),
    *_both("POST", "/moderations", "moderation"),
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
    Endpoint("GET", "/health/liveliness", "alive", needs_key=False),
    Endpoint("GET", "/health/liveness", "alive", needs_key=False),
    Endpoint("GET", "/health/readiness", "ready", needs_key=False),
    Endpoint("GET", "/", "home", needs_key=False),
    Endpoint("GET", "/routes", "routes", needs_key=False),
)

NOT_BUILT: Mapping[str, str] = {
    "/responses": "the Responses API",
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

_BY_PATH: Mapping[str, Mapping[str, Endpoint]] = {
    path: {one.method: one for one in ENDPOINTS if one.path == path}
    for path in dict.fromkeys(one.path for one in ENDPOINTS if "{model}" not in one.path)
}
_PATTERNS: tuple[tuple[Endpoint, str, str], ...] = tuple(
    (one, before, after)
    for one in ENDPOINTS
    for before, place, after in (one.path.partition("{model}"),)
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
    for endpoint, before, after in _PATTERNS:
        if not (clean.startswith(before) and clean.endswith(after)):
            continue
        model = clean[len(before) : len(clean) - len(after)].strip("/")
        if not model:
            continue
        if endpoint.method == wanted:
            return Match(endpoint, model)
        allowed.append(endpoint.method)
    return tuple(dict.fromkeys(allowed))


def missing_feature(path: str) -> str | None:
    """What a path that is not served would be, when that is known."""
    clean = path.removeprefix("/v1")
    return next((what for start, what in NOT_BUILT.items() if clean.startswith(start)), None)


def list_paths(endpoints: Iterable[Endpoint] = ENDPOINTS) -> list[str]:
    """`METHOD /path` of every row."""
    return [f"{one.method} {one.path}" for one in endpoints]

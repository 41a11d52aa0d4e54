"""LiteLLM's `Router` over Puna's routing: names that stand for deployments.

A name's deployments are picked by weight and order, lower orders first; one that fails rests; a
call tries `1 + num_retries` times and then the names of its fallbacks (`puna.routing.attempts`).
Other strategies and the rest of LiteLLM's router are not built: `_UNUSED` names each argument that
is taken, warned of by its name and not followed.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import litellm
from litellm._logging import verbose_router_logger
from litellm.error_translation import litellm_exception_of
from litellm.released import getattr_of, reason_for
from puna.client.asynchronous import AsyncClient
from puna.client.routes import read_deployment
from puna.client.settings import ClientSettings
from puna.client.synchronous import Client
from puna.errors import AuthenticationError, BadRequestError, PunaError
from puna.routing.attempts import Group, Plan
from puna.routing.deployment import Deployment
from puna.routing.health import CooldownPolicy

_STRATEGY = "simple-shuffle"
_FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_OF_ROUTER = frozenset(("rpm", "tpm", "weight", "order", "tags", "max_parallel_requests"))
"""In `litellm_params`: what is no request parameter."""

_UNUSED = frozenset(
    (
        "alerting_config",
        "allowed_fails_policy",
        "assistants_config",
        "auto_router_capability_limit",
        "background_health_check_model_groups",
        "cache_kwargs",
        "cache_responses",
        "caching_groups",
        "client_ttl",
        "default_max_parallel_requests",
        "default_priority",
        "deployment_affinity_ttl_seconds",
        "enable_health_check_routing",
        "enable_pre_call_checks",
        "enable_tag_filtering",
        "enable_weighted_failover",
        "fallback_access_check",
        "fallback_budget_check",
        "guardrail_list",
        "health_check_ignore_transient_errors",
        "health_check_staleness_threshold",
        "ignore_invalid_deployments",
        "max_fallbacks",
        "model_group_affinity_config",
        "model_group_retry_policy",
        "optional_pre_call_checks",
        "plugins",
        "polling_interval",
        "provider_budget_config",
        "redis_db",
        "redis_host",
        "redis_password",
        "redis_port",
        "redis_url",
        "retry_after",
        "retry_policy",
        "router_general_settings",
        "routing_groups",
        "routing_strategy_args",
        "search_tools",
        "tag_filtering_match_any",
        "tag_routing_prefix",
    )
)
_QUIET = frozenset(("set_verbose", "debug_level"))


class Router:
    """Names that stand for deployments, called as `litellm.completion` is called with a model.

    Args:
        model_list: `{"model_name": …, "litellm_params": {"model": "provider/model", …}}` for each
            deployment, perhaps with `model_info` (`id` in it is the deployment's).
        num_retries: further requests after a first failure; `litellm.num_retries`, else 2.
        timeout, stream_timeout: seconds, where a deployment has none of its own.
        default_litellm_params: for every deployment; its own win.
        fallbacks: `[{"name": ["other", …]}]`, for any failure; also for context windows and
            content policies; `default_fallbacks` for names without their own.
        model_group_alias: other names of names.
        allowed_fails, cooldown_time, disable_cooldowns: after how many failures in a row a
            deployment rests, and how long in seconds.
        routing_strategy: `simple-shuffle`; another one is warned of, and this one followed.

    A deployment whose key is missing is left out, and the log says so. A name that has no other
    deployment goes to its fallbacks, and without any raises `litellm.AuthenticationError` when it
    is called, while the key is missing.

    Raises:
        litellm.BadRequestError: a deployment names no known provider, or a fallback no list.
        TypeError: an argument that LiteLLM does not have.
    """

    def __init__(  # noqa: PLR0913 - LiteLLM's signature
        self,
        model_list: Sequence[Any] | None = None,
        *,
        num_retries: int | None = None,
        timeout: float | None = None,
        stream_timeout: float | None = None,
        default_litellm_params: Mapping[str, Any] | None = None,
        fallbacks: Sequence[Mapping[str, Sequence[str]]] = (),
        context_window_fallbacks: Sequence[Mapping[str, Sequence[str]]] = (),
        content_policy_fallbacks: Sequence[Mapping[str, Sequence[str]]] = (),
        default_fallbacks: Sequence[str] | None = None,
        model_group_alias: Mapping[str, Any] | None = None,
        allowed_fails: int | None = None,
        cooldown_time: float | None = None,
        disable_cooldowns: bool | None = None,
        routing_strategy: str = _STRATEGY,
        **other: Any,
    ) -> None:
        _check_others(other, routing_strategy)
        self.num_retries = num_retries if num_retries is not None else litellm.num_retries
        self.timeout = timeout
        self.stream_timeout = stream_timeout
        self.default_litellm_params = dict(default_litellm_params or {})
        self.fallbacks = list(fallbacks or ())
        self.context_window_fallbacks = list(context_window_fallbacks or ())
        self.content_policy_fallbacks = list(content_policy_fallbacks or ())
        self.default_fallbacks = list(default_fallbacks or ())
        self.model_group_alias = dict(model_group_alias or {})
        self.routing_strategy = _STRATEGY
        self._cooldown = CooldownPolicy(
            allowed_fails=3 if allowed_fails is None else allowed_fails,
            cooldown_s=5.0 if cooldown_time is None else cooldown_time,
            is_enabled=not disable_cooldowns,
        )
        self.model_list: list[dict[str, Any]] = []
        self.set_model_list(model_list or ())

    def set_model_list(self, model_list: Sequence[Any]) -> None:
        """Replace all deployments. Raises as the constructor does; then the old ones stay."""
        self._use([_plain(entry) for entry in model_list])
        for name, error in self._without_key.items():
            verbose_router_logger.warning("A deployment of `%s` is left out: %s", name, error)

    def _use(self, entries: list[dict[str, Any]]) -> None:
        settings, without_key = self._read(entries)
        self.model_list = entries
        self._client_settings, self._without_key = settings, without_key
        for name in ("_client", "_async_client"):
            self.__dict__.pop(name, None)

    def add_deployment(self, deployment: Any) -> None:
        """One more deployment."""
        self.set_model_list([*self.model_list, deployment])

    def get_model_list(self, model_name: str | None = None) -> list[dict[str, Any]]:
        """The deployments, or those of one name."""
        return [e for e in self.model_list if model_name is None or e["model_name"] == model_name]

    def get_model_names(self) -> list[str]:
        """The names that calls may use, aliases among them."""
        return list(dict.fromkeys((*self._client_settings.routes, *self._without_key)))

    @property
    def model_names(self) -> list[str]:
        """`get_model_names()`."""
        return self.get_model_names()

    def get_model_ids(self) -> list[str]:
        """The ids of all deployments."""
        return [entry["model_info"]["id"] for entry in self.model_list]

    def completion(self, model: str, messages: Sequence[Any], **kwargs: Any) -> Any:
        """`litellm.completion`, with one of the router's names."""
        return litellm.completion(model, messages, **self._keywords(model, kwargs))

    async def acompletion(self, model: str, messages: Sequence[Any], **kwargs: Any) -> Any:
        """`litellm.acompletion`, with one of the router's names."""
        return await litellm.acompletion(model, messages, **self._akeywords(model, kwargs))

    def text_completion(self, model: str, prompt: Any, **kwargs: Any) -> Any:
        """`litellm.text_completion`, with one of the router's names."""
        return litellm.text_completion(prompt, model, **self._keywords(model, kwargs))

    async def atext_completion(self, model: str, prompt: Any, **kwargs: Any) -> Any:
        """`litellm.atext_completion`, with one of the router's names."""
        return await litellm.atext_completion(prompt, model, **self._akeywords(model, kwargs))

    def embedding(self, model: str, input: Any, **kwargs: Any) -> Any:  # noqa: A002 - OpenAI's name
        """`litellm.embedding`, with one of the router's names."""
        return litellm.embedding(model, input, **self._keywords(model, kwargs))

    async def aembedding(self, model: str, input: Any, **kwargs: Any) -> Any:  # noqa: A002 - as above
        """`litellm.aembedding`, with one of the router's names."""
        return await litellm.aembedding(model, input, **self._akeywords(model, kwargs))

    def responses(self, input: Any, model: str, **kwargs: Any) -> Any:  # noqa: A002 - as above
        """`litellm.responses`, with one of the router's names."""
        return litellm.responses(input, model, **self._keywords(model, kwargs))

    async def aresponses(self, input: Any, model: str, **kwargs: Any) -> Any:  # noqa: A002 - as above
        """`litellm.aresponses`, with one of the router's names."""
        return await litellm.aresponses(input, model, **self._akeywords(model, kwargs))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"`litellm.Router.{name}` is not built: {reason_for('litellm.router')}."
        )

    @cached_property
    def _client(self) -> Client:
        client = Client(self._client_settings)
        weakref.finalize(self, client.close)  # its connections end with the router
        return client

    @cached_property
    def _async_client(self) -> AsyncClient:
        return AsyncClient(self._client_settings)

    def _keywords(self, model: str, given: Mapping[str, Any]) -> dict[str, Any]:
        self._check_name(model)
        return {**given, "client": self._client}

    def _akeywords(self, model: str, given: Mapping[str, Any]) -> dict[str, Any]:
        self._check_name(model)
        return {**given, "client": self._async_client}

    def _check_name(self, model: str) -> None:
        route = self._client_settings.routes.get(model)
        if model in self._without_key and not (route and route.group[0].public_name == model):
            self._look_for_keys()
        if model not in self._client_settings.routes:
            error = self._without_key.get(model)
            if error is not None:
                raise litellm_exception_of(error) from error
            names = ", ".join(f"`{name}`" for name in self.get_model_names()) or "none"
            raise litellm.BadRequestError(
                f"No deployment of `{model}` in the router: its names are {names}.", model, ""
            )

    def _look_for_keys(self) -> None:
        """The environment may have a missing key by now. Without one, the clients stay."""
        _, without_key = self._read(self.model_list)
        if without_key.keys() != self._without_key.keys():
            self._use(self.model_list)

    def _read(
        self, entries: Sequence[dict[str, Any]]
    ) -> tuple[ClientSettings, Mapping[str, AuthenticationError]]:
        try:
            return self._settings(entries)
        except PunaError as error:
            raise litellm_exception_of(error) from error

    def _settings(
        self, entries: Sequence[dict[str, Any]]
    ) -> tuple[ClientSettings, Mapping[str, AuthenticationError]]:
        """What the router's clients are made with, and which names have deployments without key."""
        settings = ClientSettings(
            cooldown=self._cooldown,
            timeout_s=self.timeout if self.timeout is not None else 600.0,
            max_retries=2 if self.num_retries is None else self.num_retries,
            drop_params=bool(litellm.drop_params),
        )
        groups: dict[str, list[Deployment]] = {}
        without_key: dict[str, AuthenticationError] = {}
        for entry in entries:
            try:
                deployment = self._deployment(entry, settings)
            except AuthenticationError as error:
                without_key[entry["model_name"]] = error
                continue
            groups.setdefault(deployment.public_name, []).append(deployment)
        routes = {name: self._plan(name, groups) for name in groups}
        for name in without_key.keys() - groups.keys():
            first, *rest = self._found(name, "fallbacks", groups) or ((),)
            if first:
                routes[name] = Plan(first, rest)
        for alias, target in self.model_group_alias.items():
            name = target["model"] if isinstance(target, Mapping) else target
            if name in routes:
                routes[alias] = routes[name]
            elif name in without_key:
                without_key[alias] = without_key[name]
        return replace(settings, routes=routes), without_key

    def _deployment(self, entry: dict[str, Any], settings: ClientSettings) -> Deployment:
        name, own = entry.get("model_name"), entry.get("litellm_params")
        if not isinstance(name, str) or not isinstance(own, Mapping) or not own.get("model"):
            raise BadRequestError(
                "An entry of `model_list` needs `model_name`, and `litellm_params` with `model`.",
                param="model_list",
            )
        params = {**self.default_litellm_params, **cast("Mapping[str, Any]", own)}
        model = params.pop("model")
        routing = {key: params.pop(key) for key in _OF_ROUTER & params.keys()}
        for key in sorted(routing.keys() - {"weight", "order"}):
            _warn(f"litellm_params.{key}")
        for key, value in params.items():
            if isinstance(value, str) and value.startswith("os.environ/"):
                params[key] = settings.environ.get(value.removeprefix("os.environ/"))
        if self.stream_timeout is not None:
            params.setdefault("stream_timeout", self.stream_timeout)
        told = json.dumps([name, own], sort_keys=True, default=str)
        info = entry.setdefault("model_info", {})
        info.setdefault("id", hashlib.sha256(told.encode()).hexdigest())
        return replace(
            read_deployment(name, model, params, settings),
            deployment_id=str(info["id"]),
            weight=float(routing.get("weight") or 1),
            order=routing.get("order") or 0,
        )

    def _plan(self, name: str, groups: Mapping[str, Group]) -> Plan:
        """A name's deployments, and those of its fallbacks."""
        found = {field: self._found(name, field, groups) for field in _FALLBACKS}
        return Plan(group=groups[name], **found)

    def _found(self, name: str, field: str, groups: Mapping[str, Group]) -> list[Group]:
        return [groups[other] for other in self._fallbacks_of(name, field) if other in groups]

    def _fallbacks_of(self, name: str, field: str) -> Sequence[str]:
        listed: Any = getattr(self, field)
        for item in listed:
            if not isinstance(item, Mapping):
                raise BadRequestError(
                    f"`{field}` must be a list of objects such as {{'name': ['other']}}.",
                    param=field,
                )
            if name in item:
                return cast("Mapping[str, Sequence[str]]", item)[name]
        wildcard = next((item["*"] for item in listed if "*" in item), None)
        if wildcard is not None:
            return [other for other in wildcard if other != name]
        return [o for o in self.default_fallbacks if o != name] if field == "fallbacks" else ()


def _plain(entry: Any) -> dict[str, Any]:
    """An entry of `model_list`, which may be LiteLLM's `Deployment`, as a dict of its own."""
    if hasattr(entry, "model_dump"):
        entry = entry.model_dump(exclude_none=True)
    if not isinstance(entry, Mapping):
        raise litellm.BadRequestError("`model_list` must be a list of objects.", "", "")
    made = dict(cast("Mapping[str, Any]", entry))
    params: Any = made.get("litellm_params")
    if hasattr(params, "model_dump"):
        made["litellm_params"] = params.model_dump(exclude_none=True)
    if isinstance(made.get("model_info"), Mapping):
        made["model_info"] = dict(made["model_info"])
    return made


def _check_others(other: Mapping[str, Any], strategy: str) -> None:
    for name, value in other.items():
        if name not in _UNUSED | _QUIET:
            raise TypeError(f"Router() got an unexpected keyword argument {name!r}")
        if name in _UNUSED and value not in (None, False, [], {}, ()):
            _warn(name)
    if strategy != _STRATEGY:
        verbose_router_logger.warning(
            "`routing_strategy=%r` is not built: `%s` is followed.", strategy, _STRATEGY
        )


def _warn(name: str) -> None:
    verbose_router_logger.warning("`%s` of the Router is not built and changes nothing.", name)


__getattr__ = getattr_of(__name__)

"""LiteLLM's `Router` over Puna's routing: names that stand for deployments.

A name's deployments are picked by weight and order, lower orders first; one that fails rests; a
call tries `1 + num_retries` times and then the names of its fallbacks (`puna.routing.attempts`).
Other strategies and the rest of LiteLLM's router are not built: `router_arguments` names each
argument that is taken, warned of by its name and not followed.
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
from litellm.router_arguments import SIMPLE_SHUFFLE, check_others, number_of, warn_of_unused
from litellm.router_fallbacks import call_fallbacks, fallback_names, listed_fallbacks
from puna.client.asynchronous import AsyncClient
from puna.client.compose import make_async_transport, make_transport
from puna.client.routes import read_deployment
from puna.client.settings import ClientSettings
from puna.client.synchronous import Client
from puna.embedded.supervisor import SupervisorPool
from puna.errors import AuthenticationError, BadRequestError, PunaError
from puna.routing.attempts import Group, Plan
from puna.routing.deployment import Deployment
from puna.routing.health import CooldownPolicy
from puna.transports.base import AsyncTransport, Transport

_FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_OF_ROUTER = frozenset(("rpm", "tpm", "weight", "order", "tags", "max_parallel_requests"))
"""In `litellm_params`: what is no request parameter."""


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
    is called, while the key is missing. A fallback or an alias without any deployment is left out,
    and the log says so.

    Raises:
        litellm.BadRequestError: a deployment names no known provider or has a wrong number, or
            fallbacks are no lists of names.
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
        routing_strategy: str = SIMPLE_SHUFFLE,
        **other: Any,
    ) -> None:
        check_others(other, routing_strategy)
        self.num_retries = num_retries if num_retries is not None else litellm.num_retries
        self.timeout = timeout
        self.stream_timeout = stream_timeout
        self.default_litellm_params = dict(default_litellm_params or {})
        self.fallbacks = list(fallbacks or ())
        self.context_window_fallbacks = list(context_window_fallbacks or ())
        self.content_policy_fallbacks = list(content_policy_fallbacks or ())
        self.default_fallbacks = default_fallbacks or []
        self.model_group_alias = dict(model_group_alias or {})
        self.routing_strategy = SIMPLE_SHUFFLE
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
        try:
            self._warn_of_unknown()
        except PunaError as error:
            raise litellm_exception_of(error) from error

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
        return Client(self._client_settings, transport=self._transport, pool=self._pool)

    @cached_property
    def _async_client(self) -> AsyncClient:
        return AsyncClient(self._client_settings, transport=self._async_transport, pool=self._pool)

    # Made once: the connections and processes of a router last, whatever its list says.

    @cached_property
    def _transport(self) -> Transport:
        transport = make_transport(self._client_settings, self._pool)
        weakref.finalize(self, transport.close)
        return transport

    @cached_property
    def _async_transport(self) -> AsyncTransport:
        return make_async_transport(self._client_settings, self._pool)

    @cached_property
    def _pool(self) -> SupervisorPool:
        pool = SupervisorPool()
        weakref.finalize(self, pool.stop_all)
        return pool

    def _keywords(self, model: str, given: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._given(model, given), "client": self._client}

    def _akeywords(self, model: str, given: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._given(model, given), "client": self._async_client}

    def _given(self, model: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """A call's keywords with its fallbacks as names. Raises for a name without deployments."""
        self._check_name(model)
        if not given.get("fallbacks"):
            return given
        try:
            return {**given, "fallbacks": call_fallbacks(given["fallbacks"], model)}
        except PunaError as error:
            raise litellm_exception_of(error) from error

    def _check_name(self, model: Any) -> None:
        model = model if isinstance(model, str) else str(model)
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
        routes = {name: self._plan(name, group, groups) for name, group in groups.items()}
        for name in without_key.keys() - groups.keys():
            first, *rest = self._found(name, "fallbacks", groups) or ((),)
            if first:
                routes[name] = Plan(first, rest)
        for alias in self.model_group_alias:
            name = self._target_of(alias)
            if name in groups:
                routes[alias] = self._plan(alias, groups[name], groups)
            elif name in routes:
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
            warn_of_unused(f"litellm_params.{key}")
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
            weight=number_of(routing, "weight", 1),
            order=int(number_of(routing, "order", 0)),
        )

    def _plan(self, name: str, group: Group, groups: Mapping[str, Group]) -> Plan:
        """A name's deployments, and those of its fallbacks."""
        plain, context, content = (self._found(name, field, groups) for field in _FALLBACKS)
        return Plan(group, plain, context, content)

    def _found(self, name: str, field: str, groups: Mapping[str, Group]) -> list[Group]:
        names = map(self._target_of, self._fallbacks_of(name, field))
        return [groups[other] for other in names if other in groups]

    def _target_of(self, name: str) -> str:
        """The name that an alias stands for; any other name itself."""
        target = self.model_group_alias.get(name, name)
        return str(target["model"] if isinstance(target, Mapping) else target)

    def _fallbacks_of(self, name: str, field: str) -> Sequence[str]:
        listed = listed_fallbacks(getattr(self, field), name, field)
        if listed is not None:
            return listed
        target = self._target_of(name)
        if target != name:
            return self._fallbacks_of(target, field)
        if field != "fallbacks":
            return ()
        defaults = fallback_names(self.default_fallbacks, "default_fallbacks")
        return [other for other in defaults if other != name]

    def _warn_of_unknown(self) -> None:
        """Say which fallbacks and aliases stand for no deployment."""
        names = {entry["model_name"] for entry in self.model_list}
        for name in dict.fromkeys((*names, *self.model_group_alias)):
            if self._target_of(name) not in names:
                _warn_of_name(f"`model_group_alias` of `{name}`", self._target_of(name))
            for field in _FALLBACKS:
                for other in self._fallbacks_of(name, field):
                    if self._target_of(other) not in names:
                        _warn_of_name(f"`{field}` of `{name}`", other)


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


def _warn_of_name(what: str, name: str) -> None:
    verbose_router_logger.warning(
        "%s is `%s`, of which the router has no deployment: it is left out.", what, name
    )


__getattr__ = getattr_of(__name__)

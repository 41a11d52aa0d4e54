"""Which deployments serve a model name: the configuration, resolved against the environment."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from puna.catalog.facts import list_models
from puna.config.matching import WILDCARD, expand_names, find_deployments
from puna.config.reading import nearest
from puna.config.schema import DeploymentConfig, GatewayConfig, Notice
from puna.embedded.weights import PACKAGED_MODELS
from puna.errors import (
    APIError,
    NotFoundError,
    ServiceUnavailableError,
)
from puna.gateway.deployments.deployment import (
    id_of,
    make_target,
    price_of,
    split_config,
)
from puna.gateway.deployments.loading import Loading
from puna.providers.base import Provider
from puna.providers.table import PROVIDERS
from puna.routing.attempts import Group, Plan
from puna.routing.deployment import Deployment
from puna.transports.embedded import SCHEME
from puna.types.display import display

_log = logging.getLogger("puna.gateway")

_LONGEST_GUESSED = 100
_MOST_PLANS = 4096
"""A wildcard serves any name: when so many were asked for, their plans are made anew."""

_USER_INFO = re.compile(r"//[^/@]*@")


@dataclass(frozen=True)
class Directory:
    """The models of a gateway, and the deployments that serve them.

    Immutable: a reload makes a new one.

    Attributes:
        config: what the operator wrote.
        environ: the environment, with the configuration's own variables in it.
        is_open: no master key is set. Then a model that is not listed is served when a listed one
            has the same provider, with that one's key and address.
        notices: what an operator should read at start.
        ready: the usable deployments by id, resolved once.
        problems: why the others cannot be used, by id.
        waiting: by id, which unset variables a deployment waits for, with `allow_unset` only.
    """

    config: GatewayConfig
    environ: Mapping[str, str] = field(repr=False)
    is_open: bool
    providers: Mapping[str, Provider] = field(repr=False)
    notices: tuple[Notice, ...] = ()
    ready: Mapping[str, Deployment] = field(default_factory=dict[str, Deployment], repr=False)
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    waiting: Mapping[str, str] = field(default_factory=dict[str, str])
    _plans: dict[str, Plan] = field(
        default_factory=dict[str, Plan], init=False, repr=False, compare=False
    )

    def plan(self, name: str) -> Plan:
        """The deployments to try for the model `name`, and the fallbacks by kind of failure.

        Called for each request; the plan of a configured name, by a wildcard too, is cached.

        Raises:
            NotFoundError: nothing serves it; the message names what is configured.
            ServiceUnavailableError: it is configured, and cannot be used.

        The plan of a configured name, by a wildcard too, is made once and kept.
        """
        plan = self._plans.get(name)
        if plan is None:
            plan = self._make_plan(name)
            # What open mode lends is told in the log each time.
            if not self.is_open or self._is_configured(name):
                if len(self._plans) >= _MOST_PLANS:
                    self._plans.clear()
                self._plans[name] = plan
        return plan

    def _is_configured(self, name: str) -> bool:
        """Whether a `model_name`, a wildcard or an alias of the configuration matches `name`.

        Plans of other names are not cached, since clients could fill the memory with them.
        """
        aliases = self.config.router.model_group_alias
        return bool(find_deployments(self.config.deployments, name, aliases))

    def _make_plan(self, name: str) -> Plan:
        """Make the plan of `name`: its group and its three lists of fallback groups."""
        router = self.config.router
        return Plan(
            group=self._group(name),
            fallbacks=self._groups(router.fallbacks, name, router.default_fallbacks),
            context_window_fallbacks=self._groups(router.context_window_fallbacks, name),
            content_policy_fallbacks=self._groups(router.content_policy_fallbacks, name),
        )

    def fallbacks(self, names: Sequence[str], asked: str) -> Sequence[Group]:
        """The groups to fall back to that a request names in its own `fallbacks`."""
        return [self._group(name) for name in names if name != asked]

    def names(self) -> tuple[str, ...]:
        """The model names for `GET /models`, in the order of the configuration."""
        known = [
            f"{provider}/{facts.model}"
            for provider in self.providers
            for facts in list_models(provider)
        ]
        return expand_names(self.config, known)

    def deployments(self) -> list[Deployment]:
        """Every usable deployment with a fixed name, for health checks and listings."""
        return [one for one in self.ready.values() if WILDCARD not in one.target.model]

    def embedded_models(self) -> tuple[str, ...]:
        """The models that run inside, each once."""
        models = (
            one.target.model for one in self.deployments() if one.target.base_url.startswith(SCHEME)
        )
        return tuple(dict.fromkeys(models))

    def may_embed(self, model: str) -> bool:
        """Whether a deployment may run this embedded model, perhaps by a wildcard.

        If none may, the model's process can be stopped after a reload.
        """
        return any(
            one.target.base_url.startswith(SCHEME)
            and (one.target.model == model or WILDCARD in one.target.model)
            for one in self.ready.values()
        )

    def _groups(
        self, lists: Mapping[str, tuple[str, ...]], asked: str, default: tuple[str, ...] = ()
    ) -> Sequence[Group]:
        """The groups to try after `asked`; an alias has its target's list unless it has its own."""
        target = self.config.router.model_group_alias.get(asked, asked)
        groups: list[Group] = []
        for name in lists.get(asked, lists.get(target, default)):
            if name in (asked, target):
                continue
            try:
                groups.append(self._group(name))
            except APIError as error:
                _log.warning("Fallback of `%s` passed over: %s", display(asked), error)
        return groups

    def _group(self, name: str) -> Group:
        """The usable deployments of one model name.

        Raises NotFoundError where none is configured, and ServiceUnavailableError where none can be
        used.
        """
        found = find_deployments(
            self.config.deployments, name, self.config.router.model_group_alias
        )
        if not found:
            found = (self._unlisted(name),)
        usable = [one for one in found if self._problem(one) is None]
        if not usable:
            raise ServiceUnavailableError(
                f"The model `{display(name)}` is configured but cannot be used: "
                f"{self._problem(found[0])}.",
                code="model_not_usable",
                param="model",
                model=name,
                fault="operator",
                is_retryable=False,
            )
        return [self._deployment(one) for one in usable]

    def _deployment(self, one: DeploymentConfig) -> Deployment:
        """The prepared deployment of a configured one.

        For a wildcard, with the model's name filled in.

        Raises:
            NotFoundError: the name would be a file that the embedded engine opens.
        """
        ready = self.ready[id_of(one)]
        _, upstream = split_config(one, self.providers)
        if ready.target.model == upstream:
            return ready
        if ready.target.base_url.startswith(SCHEME) and upstream not in PACKAGED_MODELS:
            # Any other name is a file of this machine, which only the operator may name.
            raise self._unknown(one.model)
        target = make_target(one, self.environ, self.providers)
        price = price_of(one, target)
        return replace(ready, public_name=one.public_name, target=target, price=price)

    def _unlisted(self, name: str) -> DeploymentConfig:
        """In open mode, a deployment for a name that is not listed.

        That of a listed model of the same provider, whose key and address it uses.

        Raises:
            NotFoundError: there is none.
        """
        prefix, slash, rest = name.partition("/")
        if self.is_open and slash and rest and prefix in self.providers:
            for one in self.config.deployments:
                provider, _ = split_config(one, self.providers)
                if provider.name == prefix and self._problem(one) is None:
                    _log.warning(
                        "`%s` is not configured; served in open mode like `%s`. Add it, or "
                        "`%s/*`, to model_list.",
                        display(name),
                        one.public_name,
                        prefix,
                    )
                    return replace(one, public_name=name, model=name)
        raise self._unknown(name)

    def _unknown(self, name: str) -> NotFoundError:
        """Make the error for a model name that nothing serves.

        It names what is configured, and how to add the model.
        """
        names = self.names()
        listed = ", ".join(f"`{known}`" for known in names) or "none"
        near = nearest(name, names) if len(name) <= _LONGEST_GUESSED else None
        hint = f": did you mean `{near}`?" if near else "."
        prefix = name.partition("/")[0]
        wildcard = f"{prefix}/*" if prefix in self.providers and "/" in name else WILDCARD
        model = wildcard if wildcard != WILDCARD else "provider/*"
        return NotFoundError(
            f"The model `{display(name)}` is not configured{hint} Configured: {listed}. To serve "
            f"{f'every `{wildcard}`' if wildcard != WILDCARD else 'any name'}, add to model_list: "
            f'{{model_name: "{wildcard}", litellm_params: {{model: "{model}"}}}}.',
            code="model_not_found",
            param="model",
            model=name,
        )

    def _problem(self, one: DeploymentConfig) -> str | None:
        """Why a deployment cannot be used; None where it can."""
        return self.problems.get(id_of(one))


def _with_ids(deployments: Sequence[DeploymentConfig]) -> tuple[DeploymentConfig, ...]:
    """Give each deployment an id made from its settings.

    It is the same wherever the deployment stands in the list; equal deployments are numbered.
    """
    seen: Counter[str] = Counter()
    named: list[DeploymentConfig] = []
    for one in deployments:
        base = _USER_INFO.sub("//", one.api_base or "")
        who = "\n".join((one.public_name, one.model, one.custom_llm_provider or "", base))
        made = f"{one.model}-{sha256(who.encode()).hexdigest()[:8]}"
        seen[made] += 1
        again = f"-{seen[made]}" if seen[made] > 1 else ""
        named.append(replace(one, deployment_id=one.deployment_id or f"{made}{again}"))
    return tuple(named)


def make_directory(
    config: GatewayConfig,
    environ: Mapping[str, str],
    *,
    is_open: bool,
    providers: Mapping[str, Provider] = PROVIDERS,
    allow_unset: bool = False,
) -> Directory:
    """Resolve and check every deployment of a configuration. Called at start and at each reload.

    A deployment that lacks its key is reported in `problems` and not used. With `allow_unset`,
    which is for a check only, one that lacks nothing but variables is in `waiting` instead.

    Raises:
        ConfigError: a deployment names an unknown provider or a broken address; or deployments
            are listed and none of them can be used. It tells all that is wrong, and the warnings.
    """
    config = replace(config, deployments=_with_ids(config.deployments))
    loading = Loading(config, environ, providers, allow_unset=allow_unset)
    for one in config.deployments:
        loading.add(one)
    loading.check()
    return Directory(
        config,
        environ,
        is_open,
        providers,
        notices=(*config.notices, *loading.notices),
        ready=loading.ready,
        problems=loading.problems,
        waiting=loading.waiting,
    )

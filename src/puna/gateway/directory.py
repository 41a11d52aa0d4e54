"""Which deployments serve a model name: the configuration, resolved against the environment."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from puna.catalog.facts import find_model, list_models
from puna.catalog.prices import Price, price_from_dollars_per_token
from puna.config.matching import expand_names, find_deployments
from puna.config.schema import DeploymentConfig, GatewayConfig, Notice
from puna.config.usable import check_deployments, unusable
from puna.errors import APIError, NotFoundError, ServiceUnavailableError
from puna.providers.base import Provider, resolve_target
from puna.providers.table import PROVIDERS, split_model
from puna.routing.attempts import Group, Plan
from puna.routing.deployment import Deployment
from puna.transports.embedded import SCHEME

_log = logging.getLogger("puna.gateway")

WILDCARD = "*"


@dataclass(frozen=True)
class Directory:
    """The models of a gateway. A value: a new configuration makes a new one.

    Attributes:
        config: what the operator wrote.
        environ: the environment, with the configuration's own variables in it.
        is_open: no master key is set. Then a model that is not listed is served when a listed one
            has the same provider, with that one's key and address.
        notices: what an operator should read at start.
    """

    config: GatewayConfig
    environ: Mapping[str, str]
    is_open: bool
    providers: Mapping[str, Provider]
    notices: tuple[Notice, ...] = ()

    def plan(self, name: str) -> Plan:
        """Who may serve `name`, and what comes after each kind of failure.

        Raises:
            NotFoundError: nothing serves it; the message names what is configured.
            ServiceUnavailableError: it is configured, and cannot be used.
        """
        router = self.config.router
        return Plan(
            group=self._group(name),
            fallbacks=self._groups(router.fallbacks.get(name, router.default_fallbacks), name),
            context_window_fallbacks=self._groups(
                router.context_window_fallbacks.get(name, ()), name
            ),
            content_policy_fallbacks=self._groups(
                router.content_policy_fallbacks.get(name, ()), name
            ),
        )

    def fallbacks(self, names: Sequence[str], asked: str) -> Sequence[Group]:
        """The groups of fallback names that a request gave itself."""
        return [self._group(name) for name in names if name != asked]

    def names(self) -> tuple[str, ...]:
        """The names to list, in written order."""
        known = [
            f"{provider}/{facts.model}"
            for provider in self.providers
            for facts in list_models(provider)
        ]
        return expand_names(self.config, known)

    def deployments(self) -> list[Deployment]:
        """Every usable deployment with a fixed name, for health checks and listings."""
        return [
            self._deployment(one, position)
            for position, one in enumerate(self.config.deployments)
            if WILDCARD not in one.model and self._problem(one) is None
        ]

    def embedded_models(self) -> tuple[str, ...]:
        """The models that run inside, each once."""
        models = (
            one.target.model for one in self.deployments() if one.target.base_url.startswith(SCHEME)
        )
        return tuple(dict.fromkeys(models))

    def _groups(self, names: Sequence[str], asked: str) -> Sequence[Group]:
        groups: list[Group] = []
        for name in names:
            try:
                groups.append(self._group(name))
            except APIError as error:
                _log.warning("Fallback of `%s` passed over: %s", asked, error)
        return groups

    def _group(self, name: str) -> Group:
        found = find_deployments(
            self.config.deployments, name, self.config.router.model_group_alias
        )
        if not found:
            found = self._unlisted(name)
        usable = [one for one in found if self._problem(one) is None]
        if not usable:
            raise ServiceUnavailableError(
                f"The model `{name}` is configured but cannot be used: {self._problem(found[0])}.",
                code="model_not_usable",
                param="model",
                model=name,
                fault="operator",
                is_retryable=False,
            )
        return [self._deployment(one, self._position(one)) for one in usable]

    def _unlisted(self, name: str) -> tuple[DeploymentConfig, ...]:
        """Open mode's rule: a listed deployment of the same provider lends its key and address."""
        prefix, slash, rest = name.partition("/")
        if self.is_open and slash and rest and prefix in self.providers:
            for one in self.config.deployments:
                provider, _ = split_model(
                    one.model,
                    provider=one.custom_llm_provider,
                    has_api_base=bool(one.api_base),
                    providers=self.providers,
                )
                if provider.name == prefix and self._problem(one) is None:
                    _log.warning(
                        "`%s` is not configured; served in open mode like `%s`. Add it, or "
                        "`%s/*`, to model_list.",
                        name,
                        one.public_name,
                        prefix,
                    )
                    return (replace(one, public_name=name, model=name, deployment_id=None),)
        raise self._unknown(name)

    def _unknown(self, name: str) -> NotFoundError:
        listed = ", ".join(f"`{known}`" for known in self.names()) or "none"
        prefix = name.partition("/")[0]
        wildcard = f"{prefix}/*" if prefix in self.providers and "/" in name else WILDCARD
        model = wildcard if wildcard != WILDCARD else "provider/*"
        return NotFoundError(
            f"The model `{name}` is not configured. Configured: {listed}. To serve every "
            f"`{wildcard}`, add to model_list: "
            f'{{model_name: "{wildcard}", litellm_params: {{model: "{model}"}}}}.',
            code="model_not_found",
            param="model",
            model=name,
        )

    def _position(self, one: DeploymentConfig) -> int:
        lines = [known.line for known in self.config.deployments]
        return lines.index(one.line) if one.line in lines else 0

    def _problem(self, one: DeploymentConfig) -> str | None:
        return unusable(one, is_key_needed=is_key_needed(one, self.environ, self.providers))

    def _deployment(self, one: DeploymentConfig, position: int) -> Deployment:
        provider, upstream = split_model(
            one.model,
            provider=one.custom_llm_provider,
            has_api_base=bool(one.api_base),
            providers=self.providers,
        )
        # A file that names a variable means that one: another key never takes its place.
        environ = {} if one.missing_variable is not None else self.environ
        base_only = {k: v for k, v in self.environ.items() if k in provider.base_url_variables}
        target = resolve_target(
            provider,
            upstream,
            environ or base_only,
            api_key=one.api_key,
            api_base=one.api_base,
        )
        if one.api_version:
            target = replace(target, query={"api-version": one.api_version})
        settings = self.config.settings
        return Deployment(
            deployment_id=one.deployment_id or f"{position}-{provider.name}-{upstream}",
            public_name=one.public_name,
            target=target,
            params=one.params,
            headers={name.lower(): value for name, value in one.extra_headers.items()},
            timeout_s=self.config.timeout_s_of(one),
            stream_timeout_s=self.config.timeout_s_of(one, is_stream=True),
            max_retries=self.config.max_retries_of(one),
            drop_params=settings.drop_params if one.drop_params is None else one.drop_params,
            allowed_params=frozenset(one.allowed_openai_params),
            unwanted_params=frozenset(one.additional_drop_params),
            weight=float(one.weight),
            order=one.order or 0,
            price=_price(one) or _known_price(provider.name, upstream),
            canned_answer=one.mock_response,
        )


def make_directory(
    config: GatewayConfig,
    environ: Mapping[str, str],
    *,
    is_open: bool,
    providers: Mapping[str, Provider] = PROVIDERS,
) -> Directory:
    """Check every deployment against its provider's row, once, at start.

    Raises:
        ConfigError: a file lists deployments and none of them can be used.
        BadRequestError: a deployment names an unknown provider or a broken address.
    """
    notices = check_deployments(config, lambda one: is_key_needed(one, environ, providers))
    directory = Directory(config, environ, is_open, providers, (*config.notices, *notices))
    directory.deployments()
    return directory


def is_key_needed(
    one: DeploymentConfig, environ: Mapping[str, str], providers: Mapping[str, Provider]
) -> bool:
    """Whether a deployment would be refused without a key: only at a provider's own host."""
    provider, _ = split_model(
        one.model,
        provider=one.custom_llm_provider,
        has_api_base=bool(one.api_base),
        providers=providers,
    )
    has_other_base = bool(one.api_base) or any(
        environ.get(name, "").strip() for name in provider.base_url_variables
    )
    return provider.needs_key and not has_other_base and one.mock_response is None


def _price(one: DeploymentConfig) -> Price | None:
    if one.input_price is None and one.output_price is None:
        return None
    return Price(
        input_picos=price_from_dollars_per_token(one.input_price or "0"),
        output_picos=price_from_dollars_per_token(one.output_price or "0"),
    )


def _known_price(provider: str, model: str) -> Price | None:
    facts = find_model(provider, model)
    return facts.price if facts is not None else None

"""Each configured deployment against its provider's row: which can be used, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from puna.config.environment import PREFIX
from puna.config.schema import DeploymentConfig, GatewayConfig, Notice
from puna.config.usable import why_unusable
from puna.errors import UNTOLD, APIError, AuthenticationError, ConfigError
from puna.gateway.deployments.deployment import id_of, make_deployment, may_lack_key, split_config
from puna.gateway.deployments.notices import report_deployment
from puna.providers.base import Provider
from puna.routing.deployment import Deployment
from puna.types.display import display


@dataclass
class Loading:
    """Sorts a configuration's deployments: usable, unusable and why, or waiting.

    With `allow_unset` (`puna check`) a deployment that lacks only environment variables is waiting.

    Attributes:
        ready: the usable deployments, by id.
        problems: why others cannot be used, by id; each is an error among `notices`.
        waiting: what others wait for, by id.
        faults: what is wrong with the configuration itself.
        notices: what an operator should read.
    """

    config: GatewayConfig
    environ: Mapping[str, str] = field(repr=False)
    providers: Mapping[str, Provider] = field(repr=False)
    allow_unset: bool = field(kw_only=True)
    ready: dict[str, Deployment] = field(default_factory=dict[str, Deployment], repr=False)
    problems: dict[str, str] = field(default_factory=dict[str, str])
    waiting: dict[str, str] = field(default_factory=dict[str, str])
    faults: list[ConfigError] = field(default_factory=list[ConfigError])
    notices: list[Notice] = field(default_factory=list[Notice])

    def add(self, one: DeploymentConfig) -> None:
        """Check one deployment, and note it as ready, unusable or waiting.

        Called for each one in order.
        """
        if self.allow_unset and one.unset_variables:
            self._wait(one)
            return
        name = f"model `{display(one.public_name)}`"
        try:
            is_keyless = may_lack_key(one, self.environ, self.providers)
            problem = why_unusable(one, may_lack_key=is_keyless)
            if problem is None:
                made = make_deployment(one, self.config, self.environ, self.providers)
                self.ready[id_of(one)] = made
                self.notices += report_deployment(one, made)
        except AuthenticationError as error:
            problem = f"{name} cannot be used: {error.message}"
            if self.allow_unset:
                self.waiting[id_of(one)] = problem
                return
        except APIError as error:
            if self.allow_unset and error.code == UNTOLD:
                self.waiting[id_of(one)] = f"{name}: {error.message}"
            else:
                self._fault(one, f"{name}: {error.message}")
            return
        if problem is not None:
            self.problems[id_of(one)] = problem
            if one.problem is None:  # else the file's reader told of it, at its line
                self.notices.append(Notice("error", problem, line=one.line or None))

    def check(self) -> None:
        """Raise ConfigError for all faults found, or where no deployment can be used.

        Called after the last `add`.
        """
        told = [*self.config.notices, *self.notices]
        if not (self.faults or self.ready or self.waiting) and self.problems:
            for one in self.config.deployments:
                self._fault(one, f"no model can be served: {self.problems[id_of(one)]}")
            told = [notice for notice in told if notice.severity != "error"]  # they say the same
        if self.faults:
            raise ConfigError.joined(self.faults, told)

    def _wait(self, one: DeploymentConfig) -> None:
        """Note a deployment whose variables are not set as waiting; check its provider's name."""
        names = ", ".join(f"`{display(name)}`" for name in one.unset_variables)
        self.waiting[id_of(one)] = (
            f"model `{display(one.public_name)}` needs variables that are not set: {names}"
        )
        if one.model.startswith(PREFIX):
            return
        try:
            split_config(one, self.providers)
        except APIError as error:
            self._fault(one, f"model `{display(one.public_name)}`: {error.message}")

    def _fault(self, one: DeploymentConfig, message: str) -> None:
        """Note an error in the configuration at the deployment's line."""
        self.faults.append(ConfigError(message, file=self.config.file, line=one.line or None))

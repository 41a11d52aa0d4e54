"""Which deployments can be used when a variable that the file names is not set.

A key is needed only for a provider's own default host, and only a provider's row knows that. So
the file's reader records the missing variable, and whoever knows the rows asks here.
"""

from __future__ import annotations

from collections.abc import Callable

from puna.config.schema import DeploymentConfig, GatewayConfig, Notice
from puna.errors import ConfigError


def unusable(deployment: DeploymentConfig, *, is_key_needed: bool) -> str | None:
    """Why a deployment cannot be used, as one sentence that names the model; None if it can.

    `is_key_needed` says whether its provider refuses to be asked without a key at the address that
    the deployment uses.
    """
    if deployment.problem is not None:
        return deployment.problem
    if deployment.missing_variable is None or not is_key_needed:
        return None
    return (
        f"model `{deployment.public_name}` cannot be used: its api_key names the environment "
        f"variable `{deployment.missing_variable}`, which is not set. Set it; no other key is "
        f"used in its place"
    )


def check_deployments(
    config: GatewayConfig, is_key_needed: Callable[[DeploymentConfig], bool]
) -> tuple[Notice, ...]:
    """A warning for each deployment that cannot be used.

    Raises ConfigError with the first one's reason when a file lists deployments and none is left.
    """
    notices: list[Notice] = []
    for deployment in config.deployments:
        reason = unusable(deployment, is_key_needed=is_key_needed(deployment))
        if reason is not None:
            notices.append(Notice("warning", reason, line=deployment.line))
    if notices and len(notices) == len(config.deployments):
        first = notices[0]
        raise ConfigError(
            f"no model can be served: {first.message}", file=config.file, line=first.line
        )
    return tuple(notices)

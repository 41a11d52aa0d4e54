"""Decides whether a deployment can be used when a variable that it refers to is not set."""

from __future__ import annotations

from puna.config.schema import DeploymentConfig


def why_unusable(deployment: DeploymentConfig, *, may_lack_key: bool = False) -> str | None:
    """Why a deployment cannot be used, as one sentence that names the model; None if it can.

    A deployment whose key refers to an unset variable is not used, even if its host might need no
    key. `may_lack_key` is set where it is known from elsewhere that none is needed.
    """
    if deployment.problem is not None:
        return deployment.problem
    if deployment.missing_variable is None or may_lack_key:
        return None
    return (
        f"model `{deployment.public_name}` cannot be used: its api_key names the environment "
        f"variable `{deployment.missing_variable}`, which is not set. Set it, or remove the line "
        "where the host wants no key; no other key is used in its place"
    )

"""What an operator should know of a deployment that can be used, and yet may not work."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from puna.config.schema import DeploymentConfig, Notice
from puna.dialects.url_faults import find_url_fault
from puna.routing.deployment import Deployment
from puna.types.display import display


def report_deployment(one: DeploymentConfig, deployment: Deployment) -> list[Notice]:
    """Warnings about a usable deployment: its key, its address, the end of its model.

    Called when the configuration is loaded; the operator reads them in the log.
    """
    target, name = deployment.target, f"model `{display(one.public_name)}`"
    told: list[str] = []
    if one.missing_variable is not None and one.mock_response is None:
        told.append(
            f"{name} is asked without a key: its api_key names the environment variable "
            f"`{display(one.missing_variable)}`, which is not set, and the environment names "
            "another address than the provider's own"
        )
    fault = find_url_fault(target.base_url)
    if fault is not None and one.mock_response is None:
        told.append(f"{name}: the address `{display(_plain(target.base_url))}` {fault}")
    if target.model_end is not None:
        told.append(f"{name}: {target.model_end}")
    return [Notice("warning", text, line=one.line or None) for text in told]


def _plain(url: str) -> str:
    """An address without credentials and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))

"""A deployment: one configured target behind a public model name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.catalog.prices import Price
from puna.dialects.base import Target


@dataclass(frozen=True, slots=True)
class Deployment:
    """One way to serve a model.

    Attributes:
        deployment_id: stable and unique within a gateway.
        public_name: the model name that callers use.
        target: where requests go.
        params: default request parameters; the caller's values win.
        overrides: request parameters that win over the caller's, as for a fallback.
        headers: sent with each request, lower-case names.
        timeout_s, stream_timeout_s: for a whole reply; between two pieces of a stream.
        max_retries: overrides the policy's number when not None.
        drop_params: overrides the gateway's setting when not None.
        rescue_tool_calls, repair_tool_arguments, emulate_response_format, format_retries,
            read_think_tags: the same.
        allowed_params: sent although the provider's row does not know them.
        unwanted_params: never sent.
        weight: its share among the deployments of one name.
        order: lower orders are used first; higher ones while those are in cooldown.
        price: what its tokens cost; None means unknown.
        canned_answer: the text of `mock_response`, which answers without a host.
    """

    deployment_id: str
    public_name: str
    target: Target
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    timeout_s: float | None = None
    stream_timeout_s: float | None = None
    max_retries: int | None = None
    drop_params: bool | None = None
    rescue_tool_calls: bool | None = None
    repair_tool_arguments: bool | None = None
    emulate_response_format: bool | None = None
    read_think_tags: bool | None = None
    format_retries: int | None = None
    allowed_params: frozenset[str] = frozenset()
    unwanted_params: frozenset[str] = frozenset()
    weight: float = 1.0
    order: int = 0
    price: Price | None = None
    canned_answer: str | None = None

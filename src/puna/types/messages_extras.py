"""The parts of a Messages request that chat does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MessagesExtras:
    """Fields kept beside a chat request for a host that speaks the Messages API.

    Where a request has them, its messages and tools hold fields of that API too (`cache_control`,
    `is_error`, …). A host of another protocol gets none of these, and the report says so.

    Attributes:
        fields: top-level fields of the body.
        betas: names from the header `anthropic-beta`.
    """

    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    betas: tuple[str, ...] = ()

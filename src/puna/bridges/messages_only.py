"""Names of parts and fields that the Messages API has and chat does not."""

from __future__ import annotations

TOOL_REFERENCE = "tool_reference"
"""The type of a part that names a tool which was found."""

EXTRA_FIELDS = "provider_specific_fields"
"""Where blocks, citations and fields stand that chat has no place for, as LiteLLM has them."""

MESSAGE_FIELDS = "message"
"""Of these, the fields of the message itself that nobody knows here (`safeguard_results`, …)."""

"""Converts a chat request to the body of a Messages request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from puna.bridges.omissions import Omissions
from puna.bridges.over_messages.parts import as_content
from puna.bridges.over_messages.thinking import thinking_of
from puna.bridges.over_messages.tools import choice_of, tools_of
from puna.bridges.over_messages.turns import split_system, turns_of
from puna.errors import BadRequestError
from puna.types.display import display
from puna.types.messages_extras import MessagesExtras

_SAME = ("temperature", "top_p")
_READ = frozenset((
    *_SAME, "max_tokens", "max_completion_tokens", "stop", "user", "tools", "tool_choice",
    "parallel_tool_calls", "response_format", "reasoning_effort", "thinking", "stream_options",
    "service_tier", "metadata", "output_config", "n",
))  # fmt: skip
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_HIGHEST_TEMPERATURE = 1


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """The properties of a model that its requests depend on.

    Attributes:
        default_max_tokens: `max_tokens` where the caller gives none, since the API requires it.
        uses_thinking_budget: whether reasoning is limited by a token budget, and not by an effort.
    """

    default_max_tokens: int
    uses_thinking_budget: bool = False


def build_messages_body(
    messages: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    extras: MessagesExtras,
    traits: ModelTraits,
    omissions: Omissions,
) -> dict[str, Any]:
    """Build the body of a Messages request from a chat request, but for `model` and `stream`.

    Unknown parameters are passed through. `extras` are fields that the caller gave for this API
    itself; they win over chat's parameters.

    Raises:
        BadRequestError: a field is malformed; `param` is its path.
        UnsupportedParamsError: the API cannot do it, and the caller does not set `drop_params`.
    """
    system, begin = split_system(messages, omissions)
    turns = turns_of(messages, begin, omissions)
    if not turns:
        raise BadRequestError(
            "`messages` needs a message of the user beside the system's.", param="messages"
        )
    if params.get("n", 1) != 1:
        omissions.refuse(
            "n", f"`n` is `{display(params['n'])}`; the Messages API gives one answer."
        )
    limit = params.get("max_completion_tokens", params.get("max_tokens"))
    max_tokens = traits.default_max_tokens if limit is None else limit
    return {
        "max_tokens": max_tokens,
        "messages": turns,
        **({"system": as_content(system)} if system else {}),
        **_sampling_fields(params),
        **_stop_fields(params.get("stop")),
        **_metadata_fields(params),
        **({"tools": tools_of(params["tools"])} if "tools" in params else {}),
        **choice_of(params),
        **_tier_fields(params.get("service_tier"), omissions),
        **_output_fields(params, max_tokens, extras, traits, omissions),
        **{name: value for name, value in params.items() if name not in _READ},
    }


def _sampling_fields(params: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling parameters, which have the same names in the API.

    Raises BadRequestError for a temperature above the API's limit.
    """
    if params.get("temperature", 0) > _HIGHEST_TEMPERATURE:
        raise BadRequestError(
            f"`temperature` must be at most {_HIGHEST_TEMPERATURE} in the Messages API, not "
            f"`{display(params['temperature'])}`.",
            param="temperature",
        )
    return {name: params[name] for name in _SAME if name in params}


def _stop_fields(stop: str | Sequence[str] | None) -> dict[str, Any]:
    """Convert `stop` to `stop_sequences`."""
    if not stop:
        return {}
    return {"stop_sequences": [stop] if isinstance(stop, str) else list(stop)}


def _metadata_fields(params: Mapping[str, Any]) -> dict[str, Any]:
    """Convert `user` to `metadata.user_id`."""
    metadata = {**params.get("metadata", {})}
    if "user" in params:
        metadata["user_id"] = params["user"]
    return {"metadata": metadata} if metadata else {}


def _tier_fields(tier: str | None, omissions: Omissions) -> dict[str, Any]:
    """Convert `service_tier` to the API's names; unknown ones are refused or left out."""
    if tier is None:
        return {}
    if tier not in _TIERS:
        omissions.refuse(
            "service_tier",
            f"`service_tier` must be auto or default for the Messages API, not `{display(tier)}`.",
        )
        return {}
    return {"service_tier": _TIERS[tier]}


def _output_fields(
    params: Mapping[str, Any],
    max_tokens: int,
    extras: MessagesExtras,
    traits: ModelTraits,
    omissions: Omissions,
) -> dict[str, Any]:
    """The fields for reasoning and output format, and the caller's extras."""
    own = dict(extras.fields)
    asked = {**params, "thinking": own["thinking"]} if "thinking" in own else params
    fields = thinking_of(asked, max_tokens, by_budget=traits.uses_thinking_budget)
    given = params.get("output_config", {})
    if not isinstance(given, Mapping):
        raise BadRequestError("`output_config` must be an object.", param="output_config")
    config = {
        **given,
        **fields.pop("output_config", {}),
        **own.pop("output_config", {}),
        **_format_fields(params.get("response_format"), omissions),
    }
    return {**fields, **own, **({"output_config": config} if config else {})}


def _format_fields(wanted: Mapping[str, Any] | None, omissions: Omissions) -> dict[str, Any]:
    """Convert a `response_format` to `output_config.format`."""
    if wanted is None or wanted["type"] == "text":
        return {}
    if wanted["type"] != "json_schema":
        omissions.refuse(
            "response_format",
            f"`response_format` of type `{display(wanted['type'])}` is none of the Messages API's: "
            "give a json_schema.",
        )
        return {}
    if wanted["json_schema"].get("description"):
        omissions.note("response_format.json_schema.description")
    return {"format": {"type": "json_schema", "schema": wanted["json_schema"]["schema"]}}

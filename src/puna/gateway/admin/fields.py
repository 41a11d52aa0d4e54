"""The fields of the admin API's requests, one table for each kind of row, and their reader.

From the tables derive the checks, the OpenAPI document and the page of the docs. The names are
LiteLLM's (1.110.2); those that are Puna's own are marked in their text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from puna.config.reading import nearest
from puna.errors import BadRequestError
from puna.gateway.admin import kinds
from puna.gateway.admin.kinds import Kind

_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a request.

    Attributes:
        about: what it says, in a few words.
        attribute: the field of the record that it is stored in, where the name differs; empty for
            one that is not stored as it is.
        is_waiting: whether it is stored and shown, and has no effect yet.
    """

    name: str
    kind: Kind
    about: str
    attribute: str | None = None
    is_waiting: bool = False

    @property
    def stored_as(self) -> str:
        """The field of the record; empty for none."""
        return self.name if self.attribute is None else self.attribute


def _not_stored(name: str, kind: Kind, about: str) -> Field:
    return Field(name, kind, about, attribute="")


def _waiting(name: str, kind: Kind, about: str) -> Field:
    return Field(name, kind, about, is_waiting=True)


LIMIT_FIELDS: Final = (
    Field("max_budget", kinds.DOLLARS, "US dollars that may be spent in one window"),
    Field("soft_budget", kinds.DOLLARS, "US dollars from which on it is reported"),
    Field("max_tokens_budget", kinds.COUNT, "tokens that may be used in one window (Puna's own)"),
    Field("budget_duration", kinds.WINDOW, "the window; it begins with the calendar's, in UTC"),
    Field(
        "strict_budget",
        kinds.FLAG,
        "refuse what nothing limits, so that no budget is passed (Puna's own)",
    ),
    _waiting("tpm_limit", kinds.COUNT, "tokens a minute"),
    _waiting("rpm_limit", kinds.COUNT, "requests a minute"),
    _waiting("tpd_limit", kinds.COUNT, "tokens a day"),
    _waiting("max_parallel_requests", kinds.COUNT, "requests under way at once"),
    _waiting("model_max_budget", kinds.MODEL_BUDGETS, "budgets of single models"),
)
_METADATA = Field("metadata", kinds.OBJECT, "whatever you want to note")
_MODELS = Field(
    "models", kinds.NAMES, "names of models, with `*`, and access groups; empty for all"
)
_TAGS = _waiting("tags", kinds.NAMES, "what the spend is marked with")
_BLOCKED = Field("blocked", kinds.FLAG, "whether it is refused for now")
_BUDGET_ID = Field("budget_id", kinds.TEXT, "a budget whose limits count where there are no own")
_SPENDING = (
    *LIMIT_FIELDS,
    _BUDGET_ID,
    _waiting("spend", kinds.DOLLARS, "US dollars that count as spent at first; only for a new row"),
)

KEY_FIELDS: Final = (
    Field("key_alias", kinds.TEXT, "a name for people, which no other key has"),
    Field("duration", kinds.LIFETIME, "how long the key can be used from now on", "expires"),
    Field("user_id", kinds.TEXT, "the user that the key belongs to"),
    Field("team_id", kinds.TEXT, "the team that the key belongs to"),
    Field("organization_id", kinds.TEXT, "the organization that the key belongs to"),
    _MODELS,
    Field("aliases", kinds.TEXTS, "other names for models, for this key"),
    Field(
        "allowed_routes",
        kinds.NAMES,
        "paths, with `*`, and `llm_api_routes`, `management_routes` or `info_routes`",
    ),
    Field("allowed_ips", kinds.NETWORKS, "the networks that it may be used from (Puna's own)"),
    _BLOCKED,
    _TAGS,
    _METADATA,
    *_SPENDING,
)
NEW_KEY_FIELDS: Final = (
    *KEY_FIELDS,
    _not_stored("key", kinds.TEXT, "the key itself: `sk-` and 13 characters or more"),
    _not_stored("key_type", kinds.TEXT, "`default`, `llm_api`, `management` or `read_only`"),
)
OLD_KEY_FIELDS: Final = (
    *KEY_FIELDS,
    _not_stored("key", kinds.TEXT, "the key, or its hash"),
)
REGENERATE_FIELDS: Final = (
    *OLD_KEY_FIELDS,
    _not_stored("new_key", kinds.TEXT, "the new key itself: `sk-` and 13 characters or more"),
    _not_stored("grace_period", kinds.LIFETIME, "how long the old key can still be used"),
)
ONE_KEY_FIELDS: Final = (_not_stored("key", kinds.TEXT, "the key, or its hash"),)
SEVERAL_KEYS_FIELDS: Final = (
    _not_stored("keys", kinds.NAMES, "keys, or their hashes"),
    _not_stored("key_aliases", kinds.NAMES, "their aliases instead"),
)

NOT_BUILT: Final = frozenset(
    (
        *("agent_id", "budget_limits", "allowed_cache_controls", "config", "permissions"),
        *("budget_fallbacks", "model_rpm_limit", "model_tpm_limit", "mcp_rpm_limit"),
        *("tag_rpm_limit", "guardrails", "policies", "prompts", "object_permission"),
        *("default_estimated_output_tokens", "end_user_budget_id", "disable_global_guardrails"),
        *("enable_prompt_caching", "throttle_on_budget_exceeded", "enforced_params"),
        *("allowed_passthrough_routes", "denied_passthrough_routes", "rpm_limit_type"),
        *("allowed_vector_store_indexes", "tpm_limit_type", "router_settings"),
        *("access_group_ids", "send_invite_email", "auto_rotate", "rotation_interval"),
        *("project_id", "temp_budget_increase", "temp_budget_expiry", "new_master_key"),
        *("team_member_permissions", "team_member_budget", "team_member_budget_duration"),
        *("team_member_rpm_limit", "team_member_tpm_limit", "team_member_key_duration"),
        *("team_member_model_max_budget", "default_team_member_models", "require_trace_id"),
        *("secret_manager_settings", "max_budget_in_team", "sso_user_id", "organizations"),
        *("allowed_model_region", "model_spend", "model_id", "password"),
    )
)
"""Fields of LiteLLM that are not built. Null, false and what is empty say nothing, and pass."""


def read_fields(body: Mapping[str, Any], known: Sequence[Field]) -> dict[str, Any]:
    """What a body says, by the names of fields. A null stays None: it clears a field.

    Raises:
        BadRequestError: a field is not known, not built, or not what it must be.
    """
    by_name = {one.name: one for one in known}
    found: dict[str, Any] = {}
    for name, value in body.items():
        one = by_name.get(name)
        if one is not None:
            found[name] = None if value is None else _read(one, value)
        elif name not in NOT_BUILT:
            raise _unknown(name, by_name)
        elif value not in (None, False, "", [], {}):
            raise BadRequestError(
                f"`{name}` is known to LiteLLM and not built here yet; leave it out.",
                param=name,
                code="not_built",
            )
    return found


def _read(one: Field, value: Any) -> Any:
    try:
        return one.kind.read(value)
    except ValueError as error:
        more = f" {error}" if str(error) else ""
        raise BadRequestError(
            f"`{one.name}` must be {one.kind.words}.{more}", param=one.name
        ) from None


def _unknown(name: str, known: Mapping[str, Field]) -> BadRequestError:
    near = nearest(name, (*known, *NOT_BUILT)) if len(name) <= _LONGEST_NAME else None
    hint = f": did you mean `{near}`?" if near else f"; known are {_listed(known)}."
    return BadRequestError(
        f"`{name[:_LONGEST_NAME]}` is no field here{hint}",
        param=name[:_LONGEST_NAME],
        code="unknown_field",
    )


def _listed(known: Mapping[str, Field]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(known))


def waiting_in(body: Mapping[str, Any], known: Sequence[Field]) -> tuple[str, ...]:
    """The fields of a body that are stored and have no effect yet."""
    return tuple(one.name for one in known if one.is_waiting and body.get(one.name))


def schema_of(known: Sequence[Field]) -> dict[str, Any]:
    """The JSON schema of a body with these fields."""
    properties = {
        one.name: {"anyOf": [dict(one.kind.schema), {"type": "null"}], "description": one.about}
        for one in known
    }
    return {"type": "object", "properties": properties}

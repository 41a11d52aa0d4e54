"""The arguments of a `Router` that are not followed, and the numbers of its deployments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from litellm._logging import verbose_router_logger
from puna.errors import BadRequestError

SIMPLE_SHUFFLE = "simple-shuffle"

_UNUSED = frozenset(
    (
        "alerting_config",
        "allowed_fails_policy",
        "assistants_config",
        "auto_router_capability_limit",
        "background_health_check_model_groups",
        "cache_kwargs",
        "cache_responses",
        "caching_groups",
        "client_ttl",
        "default_max_parallel_requests",
        "default_priority",
        "deployment_affinity_ttl_seconds",
        "enable_health_check_routing",
        "enable_pre_call_checks",
        "enable_tag_filtering",
        "enable_weighted_failover",
        "fallback_access_check",
        "fallback_budget_check",
        "guardrail_list",
        "health_check_ignore_transient_errors",
        "health_check_staleness_threshold",
        "ignore_invalid_deployments",
        "max_fallbacks",
        "model_group_affinity_config",
        "model_group_retry_policy",
        "optional_pre_call_checks",
        "plugins",
        "polling_interval",
        "provider_budget_config",
        "redis_db",
        "redis_host",
        "redis_password",
        "redis_port",
        "redis_url",
        "retry_after",
        "retry_policy",
        "router_general_settings",
        "routing_groups",
        "routing_strategy_args",
        "search_tools",
        "tag_filtering_match_any",
        "tag_routing_prefix",
    )
)
_QUIET = frozenset(("set_verbose", "debug_level"))


def check_others(other: Mapping[str, Any], strategy: str) -> None:
    """Warn of each argument that changes nothing. Raises TypeError for one that LiteLLM lacks."""
    for name, value in other.items():
        if name not in _UNUSED | _QUIET:
            raise TypeError(f"Router() got an unexpected keyword argument {name!r}")
        if name in _UNUSED and value not in (None, False, [], {}, ()):
            warn_of_unused(name)
    if strategy != SIMPLE_SHUFFLE:
        verbose_router_logger.warning(
            "`routing_strategy=%r` is not built: `%s` is followed.", strategy, SIMPLE_SHUFFLE
        )


def warn_of_unused(name: str) -> None:
    """Say by its name that an argument is not followed."""
    verbose_router_logger.warning("`%s` of the Router is not built and changes nothing.", name)


def number_of(params: Mapping[str, Any], key: str, default: float) -> float:
    """A number of 0 or more in `litellm_params`, which may be written as text.

    Raises:
        BadRequestError: it is none.
    """
    given = params.get(key)
    if given is None:
        return default
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise BadRequestError(
            f"`litellm_params.{key}` must be a number of 0 or more, not `{given!r:.40}`.", param=key
        )
    return number

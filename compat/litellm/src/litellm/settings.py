"""What becomes of each of LiteLLM's settings and keywords: obeyed, refused, or warned of once.

A setting is an attribute of the `litellm` module; LiteLLM 1.106.2 has about 340. `OBEYED` are those
that the drop-in reads, or that ask for what is so already. `REFUSED` are those without which a call
would do something else than its caller believes: with one of them set, a call raises. Any other
that is set to something else than its default is named at the next call, once, by a
`SettingWarning`. Keywords of a call are sorted the same way.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import litellm
from litellm.exceptions import UnsupportedParamsError
from litellm.released import names_of
from puna.providers.base import Provider
from puna.providers.table import PROVIDERS

OBEYED = frozenset(
    (
        "_async_failure_callback",
        "_async_input_callback",
        "_async_success_callback",
        "_current_cost",
        "aclient_session",
        "api_base",
        "api_key",
        "block_requests_for_models_without_pricing",
        "callbacks",
        "client_session",
        "cost_discount_config",
        "cost_margin_config",
        "custom_provider_map",
        "drop_params",
        "enable_json_schema_validation",
        "failure_callback",
        "headers",
        "input_callback",
        "max_budget",
        "model_alias_map",
        "model_fallbacks",
        "num_retries",
        "organization",
        "post_call_rules",
        "pre_call_rules",
        "project",
        "request_timeout",
        "set_verbose",
        "ssl_verify",
        "success_callback",
        "turn_off_message_logging",
        "use_litellm_proxy",
        # What they ask for is always so: nothing is sent home or printed, counts are made offline,
        # no connection is aiohttp's, a history is fitted to its host.
        "disable_aiohttp_transport",
        "disable_hf_tokenizer_download",
        "modify_params",
        "suppress_debug_info",
        "telemetry",
        "use_aiohttp_transport",
    )
)

_FILTER = "nothing would be filtered; check messages in `litellm.pre_call_rules`"
REFUSED: Mapping[str, str] = {
    "banned_keywords_list": _FILTER,
    "blocked_user_list": _FILTER,
    "guardrail_name_config_map": _FILTER,
    "llamaguard_model_name": "nobody would be asked; call `litellm.moderation` with a Llama Guard",
    "openai_moderations_model_name": "nobody would be asked; call `litellm.moderation`",
    "output_parse_pii": _FILTER,
    "presidio_ad_hoc_recognizers": _FILTER,
    "credential_list": "no key is looked up there; give `api_key`",
    "secret_manager_client": "no key is looked up there; give `api_key`, or set the environment",
    "ssl_certificate": "no client certificate would be shown; give `client=` with such a client",
    "cache": "no answer would be cached; keep answers in your program",
}
"""Settings that make a call raise, each with what would be wrong and what to do."""

_PROMPTS = "the prompt would not be filled in; put its text into `messages`"
_TEMPLATE = "the host fills in its own chat template; remove it"
REFUSED_KEYWORDS: Mapping[str, str] = {
    "bos_token": _TEMPLATE,
    "custom_prompt_dict": _TEMPLATE,
    "eos_token": _TEMPLATE,
    "final_prompt_value": _TEMPLATE,
    "guardrails": _FILTER,
    "hf_model_name": _TEMPLATE,
    "initial_prompt_value": _TEMPLATE,
    "litellm_credential_name": "no key is looked up by name; give `api_key`",
    "litellm_system_prompt": _PROMPTS,
    "model_list": "make a `litellm.Router(model_list=…)` and call it",
    "prompt_environment": _PROMPTS,
    "prompt_id": _PROMPTS,
    "prompt_label": _PROMPTS,
    "prompt_variables": _PROMPTS,
    "prompt_version": _PROMPTS,
    "roles": _TEMPLATE,
    "supports_system_message": "system messages would be sent; make them user messages",
}
"""Keywords that make a call raise."""

INTERNAL_KEYWORDS = frozenset(
    (
        "acompletion",
        "aembedding",
        "amoderation",
        "aresponses",
        "async_call",
        "atext_completion",
        "attempted_targets",
        "complete_response",
        "completion_call_id",
        "fallback_depth",
        "id",
        "litellm_call_id",
        "litellm_logging_obj",
        "litellm_session_id",
        "litellm_trace_id",
        "logging_obj",
        "model_info",
        "model_response",
        "parent_otel_span",
        "proxy_server_request",
        "secret_fields",
        "self",
        "stream_response",
        "text_completion",
        "use_in_pass_through",
    )
)
"""What LiteLLM's functions hand to each other, and names for logs: nobody asks for an effect."""

OBEYED_KEYWORDS = frozenset(
    (
        "base_model",
        "callbacks",
        "client",
        "context_window_fallback_dict",
        "deployment_id",
        "enable_json_schema_validation",
        "failure_callback",
        "force_timeout",
        "input_callback",
        "litellm_metadata",
        "mock_timeout",
        "mock_tool_calls",
        "no-log",
        "request_timeout",
        "success_callback",
        "tags",
        "turn_off_message_logging",
        "use_litellm_proxy",
    )
)
"""Keywords of LiteLLM's own that the drop-in reads."""

_UNBUILT_KEYWORDS = frozenset(
    (
        "adaptive_router_config",
        "allowed_model_region",
        "api_type",
        "assistant_continue_message",
        "auto_router_config",
        "bedrock_tags",
        "budget_duration",
        "cache",
        "cache_key",
        "caching",
        "caching_groups",
        "client_side_timeout",
        "complexity_router_config",
        "configurable_clientside_auth_params",
        "cooldown_time",
        "data_residency",
        "disable_add_transform_inline_image_block",
        "enable_prompt_caching",
        "enable_tag_filtering",
        "ensure_alternating_roles",
        "fastest_response",
        "itpm",
        "keepalive_seconds",
        "litellm_disabled_callbacks",
        "litellm_request_debug",
        "litellm_trusted_callback_vars",
        "log_client_error_tracebacks",
        "logger_fn",
        "max_agentic_loops",
        "max_budget",
        "max_fallbacks",
        "max_file_size_mb",
        "max_parallel_requests",
        "merge_reasoning_content_in_choices",
        "model_alias_map",
        "model_config",
        "model_file_id_mapping",
        "order",
        "otpm",
        "output_vector_size",
        "preset_cache_key",
        "provider_affinity_header",
        "provider_specific_header",
        "quality_router_config",
        "region_name",
        "retry_policy",
        "retry_strategy",
        "routing_strategy",
        "rpm",
        "rust",
        "search_tool_name",
        "shared_session",
        "silent_model",
        "stream_chunk_size",
        "stream_timeout_by_service_tier",
        "tag_regex",
        "tiered_pricing",
        "timeout_by_service_tier",
        "tpm",
        "ttl",
        "use_chat_completions_api",
        "use_client",
        "use_xai_oauth",
        "user_continue_message",
        "verbose",
        "weight",
    )
)
# Credentials and settings of logging services, and prices that no call here is billed by.
_UNBUILT_PREFIXES = (
    "_agentic_loop_",
    "_code_interpreter_interception_",
    "_websearch_interception_",
    "anthropic_federation_",
    "anthropic_identity_",
    "anthropic_issuer_",
    "anthropic_keycloak_",
    "arize_",
    "cache_creation_input_",
    "cache_read_input_",
    "complexity_router_",
    "dd_",
    "gcs_",
    "humanloop_",
    "input_cost_per_",
    "langfuse_",
    "langsmith_",
    "newrelic_",
    "output_cost_per_",
    "posthog_",
    "s3_",
    "signoz_",
    "wandb_",
    "weave_",
)
_PRICES = frozenset(("input_cost_per_token", "output_cost_per_token"))


LOCAL_KEYWORDS = OBEYED_KEYWORDS.union(INTERNAL_KEYWORDS, _UNBUILT_KEYWORDS, REFUSED_KEYWORDS)
"""LiteLLM's own keywords, which are never part of a body; `is_local` knows more by their prefix."""


class SettingWarning(UserWarning):
    """A setting or keyword of LiteLLM's was given that does nothing here."""


_warned: set[str] = set()


def is_local(keyword: str) -> bool:
    """Whether a keyword is LiteLLM's own, so that it is never part of a body."""
    return keyword in LOCAL_KEYWORDS or (
        keyword.startswith(_UNBUILT_PREFIXES) and keyword not in _PRICES
    )


def check_settings(local: Mapping[str, Any], model: str, provider: str) -> None:
    """Refuse or warn of what is set in the module and in `local`, the keywords of `is_local`.

    Raises:
        UnsupportedParamsError: something of `REFUSED` or `REFUSED_KEYWORDS` is set.
    """
    module = vars(litellm)
    for name in _settable().keys() & module.keys():
        if _is_set(module[name], _settable()[name]):
            _refuse_or_warn(f"litellm.{name}", REFUSED.get(name), model, provider)
    for name, value in local.items():
        if value is None or value is False or name in OBEYED_KEYWORDS or name in INTERNAL_KEYWORDS:
            continue
        _refuse_or_warn(name, REFUSED_KEYWORDS.get(name), model, provider)


def _refuse_or_warn(name: str, reason: str | None, model: str, provider: str) -> None:
    if reason is not None:
        raise UnsupportedParamsError(
            f"`{name}` is set, and Puna does not have it: {reason}.",
            model=model,
            llm_provider=provider,
        )
    warn_once(name, f"`{name}` is set and does nothing here: Puna does not have it.")


def warn_once(about: str, message: str) -> None:
    """Warn, the first time that it is about this."""
    if about not in _warned:
        _warned.add(about)
        warnings.warn(message, SettingWarning, stacklevel=3)


def _is_set(value: Any, default: Any) -> bool:
    """Whether a setting differs from LiteLLM's default. Nothing, False and empty are one."""
    return bool(value or default) and value != default and not isinstance(value, ModuleType)


@cache
def _settable() -> dict[str, Any]:
    """The settings that are not obeyed, with LiteLLM's defaults."""
    values: Mapping[str, Any] = names_of("litellm")["values"]
    obeyed = OBEYED.union(key for row in PROVIDERS.values() for key in key_settings(row))
    return {
        name: value
        for name, value in values.items()
        if name not in obeyed and not name.startswith("__") and not _is_table(value)
    }


def _is_table(value: Any) -> bool:
    """Whether a value is recorded as a set or tuple: a constant of LiteLLM's, not a setting."""
    return isinstance(value, dict) and "$" in value


def key_settings(row: Provider) -> Iterable[str]:
    """The attributes that hold a host's key: `litellm.openai_key` for `OPENAI_API_KEY`."""
    for variable in row.key_variables:
        name = variable.lower()
        yield name
        yield name.replace("_api_key", "_key")


__all__ = [
    "INTERNAL_KEYWORDS",
    "LOCAL_KEYWORDS",
    "OBEYED",
    "OBEYED_KEYWORDS",
    "REFUSED",
    "REFUSED_KEYWORDS",
    "SettingWarning",
    "check_settings",
    "is_local",
    "key_settings",
    "warn_once",
]

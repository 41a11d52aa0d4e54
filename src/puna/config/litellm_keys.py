"""The keys of LiteLLM's `config.yaml`, and what Puna does with each.

What has an effect is in `types/options.py`; here are the other names that LiteLLM knows.
`docs/guides/litellm-config.md` shows these tables; a test compares the two. Names are from
LiteLLM's "All settings" page and its 1.106.2 package.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from puna.types.option_kinds import Scope
from puna.types.option_scopes import LOGINS, options_in


@dataclass(frozen=True, slots=True)
class SectionKeys:
    """The keys that LiteLLM knows in one section of a configuration.

    `supported` maps a key to what it does here; `always` maps one to what Puna does whatever its
    value; `planned` are known to LiteLLM and not built, so they are reported and ignored.
    """

    supported: Mapping[str, str]
    always: Mapping[str, str] = field(default_factory=dict[str, str])
    planned: AbstractSet[str] = frozenset()

    @property
    def known(self) -> tuple[str, ...]:
        """Every name that LiteLLM knows in this section, sorted."""
        return tuple(sorted({*self.supported, *self.always, *self.planned}))


def _options(scope: Scope) -> dict[str, str]:
    """The options of a section, with what each does there."""
    return {o.name: o.notes.get(scope, o.about) for o in options_in(scope) if o.name not in LOGINS}


def _names(text: str) -> frozenset[str]:
    """The names in a text, which spaces separate."""
    return frozenset(text.split())


TOP = SectionKeys(
    supported={
        "model_list": "the deployments",
        "litellm_settings": "what holds for every call",
        "general_settings": "the gateway's door",
        "router_settings": "picking, retries, fallbacks",
        "environment_variables": "variables set before anything else in the file is resolved",
    },
    planned=_names(
        "agent_list assistant_settings callback_settings credential_list files_settings "
        "finetune_settings guardrails include mcp_servers mcp_tools policies prompts search_tools "
        "vector_store_registry worker_registry"
    ),
)

MODEL = SectionKeys(
    supported={
        "model_name": "the public name; may hold one `*`",
        "litellm_params": "the target and its default request parameters",
        "model_info": "`id`, prices, `max_input_tokens`, `max_output_tokens`, "
        "`supported_endpoints` and `base_instructions` (Codex's prompt) are used; all is kept for "
        "`/model/info`",
    },
    planned=_names("rpm tpm"),
)

PARAMS = SectionKeys(
    supported={
        "model": "`provider/model`; a `*` is filled with what `model_name` caught",
        **_options(Scope.DEPLOYMENT),
    },
    planned=_names(
        "adaptive_router_config adaptive_router_default_model allow_client_keepalive_override "
        "auto_router_config auto_router_config_path auto_router_default_model "
        "auto_router_embedding_model budget_duration cache_control_injection_points client_id "
        "client_secret complexity_router_config complexity_router_default_model "
        "configurable_clientside_auth_params cooldown_time default_api_key_rpm_limit "
        "default_api_key_tpm_limit fallbacks guardrails input_cost_per_second itpm "
        "keepalive_seconds litellm_credential_name litellm_trace_id max_budget max_file_size_mb "
        "max_parallel_requests merge_reasoning_content_in_choices mock_delay mock_timeout "
        "model_info organization otpm output_cost_per_second region_name rpm ssl_verify tag_regex "
        "tags tenant_id tpm use_chat_completions_api use_in_pass_through use_litellm_proxy "
        "vector_store_id"
    ),
)

# Settings of hosts that have no row yet. Many are keys, so none is sent on as a parameter.
HOST_PREFIXES = (
    "aws_",
    "azure_",
    "bucket_",
    "gcs_",
    "milvus_",
    "s3_",
    "valkey_",
    "vertex_",
    "watsonx_",
)

# Parameters of a request, which a deployment may give as its defaults. They are sent as written;
# the list only tells a parameter from a slip of the pen.
REQUEST_PARAMS = _names(
    "audio best_of chat_template chat_template_kwargs documents dimensions encoding_format "
    "extra_body frequency_penalty function_call functions grammar guided_choice guided_grammar "
    "guided_json guided_regex ignore_eos input keep_alive length_penalty logit_bias logprobs "
    "max_completion_tokens max_tokens metadata min_p min_tokens mirostat mirostat_eta mirostat_tau "
    "modalities models n num_ctx options parallel_tool_calls plugins prediction presence_penalty "
    "prompt_cache_key prompt_cache_retention provider reasoning reasoning_effort "
    "repetition_penalty response_format route safety_identifier seed service_tier stop "
    "stop_token_ids store stream stream_options suffix temperature tfs_z thinking tool_choice "
    "tools top_a top_k top_logprobs top_p transforms typical_p use_beam_search user verbosity "
    "voice web_search_options"
)

LITELLM = SectionKeys(
    supported=_options(Scope.SETTINGS),
    always={
        "redact_user_api_key_info": "no log holds a key or what it belongs to",
        "disable_hf_tokenizer_download": "no tokenizer is downloaded, ever",
        "suppress_debug_info": "no banner is printed on errors",
        "telemetry": "nothing is reported to anybody",
    },
    planned=_names(
        "add_function_to_prompt allowed_fails alias_map api_base api_key "
        "audit_log_callbacks cache cache_params cooldown_time custom_provider_map "
        "default_internal_user_params default_team_params default_team_settings "
        "default_max_internal_user_budget disable_add_transform_inline_image_block "
        "disable_copilot_system_to_assistant disable_end_user_cost_tracking "
        "disable_end_user_cost_tracking_prometheus_only drop_unknown_params "
        "enable_json_schema_validation enable_key_alias_format_validation enable_preview_features "
        "force_ipv4 guardrails internal_user_budget_duration key_generation_settings "
        "langfuse_default_tags max_internal_user_budget "
        "max_parallel_requests max_user_budget mcp_aliases model_alias_map model_group_settings "
        "modify_params post_call_rules pre_call_rules prometheus_initialize_budget_metrics "
        "prometheus_metrics_config public_model_groups require_auth_for_metrics_endpoint "
        "s3_callback_params service_callback service_callbacks ssl_certificate ssl_verify "
        "store_audit_logs tag_budget_config upperbound_key_generate_params "
        "use_chat_completions_url_for_anthropic_messages user_url_validation"
    ),
)

GENERAL = SectionKeys(
    supported=_options(Scope.GENERAL),
    always={
        "cancel_on_disconnect": "a caller that leaves ends the upstream request",
        "dangerously_permit_weak_or_unset_master_key": "an open gateway starts, with a warning",
    },
    planned=_names(
        "admin_only_routes alert_to_webhook_url alert_types alerting alerting_args "
        "alerting_threshold allow_client_side_credentials allow_requests_on_db_unavailable "
        "allow_user_auth allowed_ips allowed_routes background_health_checks block_robots "
        "completion_model coordination_redis custom_auth custom_key_generate "
        "custom_key_update custom_sso "
        "database_connection_pool_limit database_connection_timeout database_type "
        "default_team_disabled disable_adding_master_key_hash_to_db disable_error_logs "
        "disable_master_key_return disable_prisma_schema_update disable_reset_budget "
        "disable_responses_id_security disable_retry_on_max_parallel_request_limit_error "
        "disable_spend_logs disable_spend_updates embedding_model enable_health_check_routing "
        "enable_jwt_auth enable_oauth2_auth enable_oauth2_proxy_auth enable_public_model_hub "
        "enforce_user_param enforced_params forward_client_headers_to_llm_api "
        "forward_llm_provider_auth_headers forward_openai_org_id global_max_parallel_requests "
        "health_check_concurrency health_check_details health_check_interval "
        "image_generation_model infer_model_from_keys key_management_settings "
        "key_management_system litellm_jwtauth litellm_license max_parallel_requests "
        "max_response_size_mb maximum_spend_logs_retention_interval "
        "maximum_spend_logs_retention_period mcp_allowed_hosts mcp_allowed_origins "
        "moderation_model oauth2_config_mappings pass_through_endpoints plugins "
        "proxy_batch_polling_interval "
        "proxy_batch_write_at proxy_budget_rescheduler_max_time proxy_budget_rescheduler_min_time "
        "public_routes reject_clientside_metadata_tags role_permissions service_account_settings "
        "spend_report_frequency store_model_in_db store_prompts_in_spend_logs "
        "supported_db_objects token_rate_limit_type ui_access_mode use_azure_key_vault "
        "use_client_credentials_pass_through_routes use_google_kms use_redis_transaction_buffer "
        "use_x_forwarded_for user_api_key_cache_ttl user_header_mappings user_header_name "
        "user_mcp_management_mode"
    ),
)

ROUTER = SectionKeys(
    supported=_options(Scope.ROUTER),
    planned=_names(
        "alerting_config allowed_fails_policy assistants_config cache_kwargs cache_responses "
        "caching_groups client_ttl debug_level default_litellm_params "
        "default_max_parallel_requests default_priority deployment_affinity_ttl_seconds "
        "enable_health_check_routing enable_pre_call_check enable_pre_call_checks "
        "enable_tag_filtering enable_weighted_failover guardrail_list ignore_invalid_deployments "
        "max_fallbacks model_group_affinity_config model_group_retry_policy "
        "optional_pre_call_checks polling_interval provider_budget_config redis_db redis_host "
        "redis_password redis_port redis_url retry_policy router_general_settings routing_groups "
        "routing_strategy_args search_tools set_verbose tag_filtering_match_any "
        "tag_routing_prefix weights"
    ),
)

STRATEGIES = (
    "simple-shuffle",
    "least-busy",
    "usage-based-routing",
    "usage-based-routing-v2",
    "latency-based-routing",
    "cost-based-routing",
)

SECTIONS: Mapping[str, SectionKeys] = {
    "": TOP,
    "model_list[]": MODEL,
    "model_list[].litellm_params": PARAMS,
    "litellm_settings": LITELLM,
    "general_settings": GENERAL,
    "router_settings": ROUTER,
}

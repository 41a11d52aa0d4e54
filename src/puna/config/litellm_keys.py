"""The keys of LiteLLM's `config.yaml`, and what Puna does with each.

`docs/guides/litellm-config.md` shows these tables; a test compares the two. Names are from
LiteLLM's "All settings" page and its 1.106.2 package.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SectionKeys:
    """One section's keys.

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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOP = SectionKeys(
    supported={
        "model_list": "the deployments",
        "litellm_settings": "what holds for every call",
        "general_settings": "the gateway's door",
        "router_settings": "picking, retries, fallbacks",
        "environment_variables": "variables set before anything else in the file is resolved",
    },
    planned=_words(
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
    planned=_words("rpm tpm"),
)

PARAMS = SectionKeys(
    supported={
        "model": "`provider/model`; a `*` is filled with what `model_name` caught",
        "custom_llm_provider": "the provider, where `model` does not begin with it",
        "api_key": "the provider's key",
        "api_base": "the provider's address",
        "base_url": "the same as `api_base`",
        "api_version": "the API version, where a provider has one",
        "aws_access_key_id": "with `aws_secret_access_key`: the keys that sign requests to AWS",
        "aws_secret_access_key": "the other half of the pair",
        "aws_session_token": "with them, where they are of a session",
        "aws_region_name": "the region of AWS",
        "aws_bedrock_runtime_endpoint": "the same as `api_base`, which wins",
        "vertex_project": "the project of Google Cloud",
        "vertex_ai_project": "the same as `vertex_project`, which wins",
        "vertex_location": "the region of Google Cloud",
        "vertex_ai_location": "the same as `vertex_location`, which wins",
        "timeout": "seconds for one attempt",
        "stream_timeout": "seconds for one streamed attempt",
        "max_retries": "retries after a first failure",
        "num_retries": "the same as `max_retries`, which wins",
        "drop_params": "leave out what the host cannot honour, instead of an error",
        "rescue_tool_calls": "turn calls that a model wrote as text into tool calls; on by default",
        "repair_tool_arguments": "make the arguments of such calls fit their schema",
        "emulate_response_format": "hold answers to a `response_format` that the host lacks",
        "format_retries": "how often another answer is asked for then; 2 by default",
        "read_think_tags": "make thoughts of `<think>`; Messages and Responses do by themselves",
        "allowed_openai_params": "parameters to send although the host is not known to take them",
        "additional_drop_params": "parameters never to send",
        "extra_headers": "headers to add",
        "headers": "the same as `extra_headers`, which wins",
        "weight": "share of the traffic of one public name",
        "order": "rank among the deployments of one public name, lower first",
        "mock_response": "answer this text and ask nobody",
        "input_cost_per_token": "US dollars, kept as the decimal that is written",
        "output_cost_per_token": "US dollars, kept as the decimal that is written",
    },
    planned=_words(
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

HOST_SETTINGS = _words(
    "aws_access_key_id aws_secret_access_key aws_session_token aws_region_name "
    "vertex_project vertex_ai_project vertex_location vertex_ai_location"
)
"""What a host wants to be told beside its key and its address."""

REFUSED_SETTINGS = _words(
    "aws_external_id aws_profile_name aws_role_name aws_session_name aws_sts_endpoint "
    "aws_web_identity_token vertex_ai_credentials vertex_credentials"
)
"""Ways to log in that are not built. A deployment with one is not used: it means other keys."""

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
REQUEST_PARAMS = _words(
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
    supported={
        "drop_params": "leave out what a host cannot honour, instead of an error",
        "rescue_tool_calls": "turn calls that a model wrote as text into tool calls; on by default",
        "repair_tool_arguments": "make the arguments of such calls fit their schema",
        "emulate_response_format": "hold answers to a `response_format` that the host lacks",
        "format_retries": "how often another answer is asked for then; 2 by default",
        "strict_tools": "refuse tools of a response that no host runs, instead of leaving them out",
        "read_think_tags": "make thoughts of `<think>`; Messages and Responses do by themselves",
        "num_retries": "retries after a first failure; `router_settings` wins",
        "request_timeout": "seconds for one attempt; `router_settings.timeout` wins",
        "fallbacks": "names to try after a failure; `router_settings` wins",
        "context_window_fallbacks": "the same, when the prompt is too long",
        "content_policy_fallbacks": "the same, when the host refuses the content",
        "default_fallbacks": "names to try when a model has no list of its own",
        "callbacks": "functions (`file.function`, beside the configuration) that see every call",
        "success_callback": "the same, for what succeeded",
        "failure_callback": "the same, for what failed",
        "turn_off_message_logging": "hooks see no messages and no answers",
        "json_logs": "logs as JSON lines",
        "set_verbose": "more log lines",
    },
    always={
        "redact_user_api_key_info": "no log holds a key or what it belongs to",
        "disable_hf_tokenizer_download": "no tokenizer is downloaded, ever",
        "suppress_debug_info": "no banner is printed on errors",
        "telemetry": "nothing is reported to anybody",
    },
    planned=_words(
        "add_function_to_prompt allowed_fails alias_map api_base api_key "
        "audit_log_callbacks cache cache_params cooldown_time custom_provider_map "
        "default_internal_user_params default_team_params default_team_settings "
        "default_max_internal_user_budget disable_add_transform_inline_image_block "
        "disable_copilot_system_to_assistant disable_end_user_cost_tracking "
        "disable_end_user_cost_tracking_prometheus_only drop_unknown_params "
        "enable_json_schema_validation enable_key_alias_format_validation enable_preview_features "
        "force_ipv4 guardrails internal_user_budget_duration key_generation_settings "
        "langfuse_default_tags max_budget budget_duration max_internal_user_budget "
        "max_parallel_requests max_user_budget mcp_aliases model_alias_map model_group_settings "
        "modify_params post_call_rules pre_call_rules prometheus_initialize_budget_metrics "
        "prometheus_metrics_config public_model_groups require_auth_for_metrics_endpoint "
        "s3_callback_params service_callback service_callbacks ssl_certificate ssl_verify "
        "store_audit_logs tag_budget_config upperbound_key_generate_params "
        "use_chat_completions_url_for_anthropic_messages user_url_validation"
    ),
)

GENERAL = SectionKeys(
    supported={
        "master_key": "the key that callers must send; without one the gateway is open",
        "max_request_size_mb": "largest request body, in MB of 1,048,576 bytes (default 32)",
        "max_request_values": "most JSON values of a request body (default 500000)",
        "litellm_key_header_name": "another header that may carry the caller's key",
        "always_include_stream_usage": "ask hosts that take `stream_options` for a stream's usage",
        "head_timeout": "seconds that a client may take for a request's head (default 20)",
        "body_timeout": "seconds that a request's body may pause (default 60)",
        "linger_timeout": "seconds for which the rest of an answered request is read (default 30)",
        "max_connections": "clients connected at once (default: half the files that may be open)",
        "allowed_hosts": "names in `Host` that a gateway without a key answers to, beside "
        "addresses and local names; may begin with `*` (default: none)",
        "response_store_size_mb": "how much that file keeps, in MB of 1,048,576 bytes; the oldest "
        "responses go (default 1024)",
        "response_store": "a SQLite file for responses that can be gone on from (default: memory)",
    },
    always={
        "cancel_on_disconnect": "a caller that leaves ends the upstream request",
        "dangerously_permit_weak_or_unset_master_key": "an open gateway starts, with a warning",
    },
    planned=_words(
        "admin_only_routes alert_to_webhook_url alert_types alerting alerting_args "
        "alerting_threshold allow_client_side_credentials allow_requests_on_db_unavailable "
        "allow_user_auth allowed_ips allowed_routes background_health_checks block_robots "
        "completion_model coordination_redis custom_auth custom_key_generate "
        "custom_key_update custom_sso "
        "database_connection_pool_limit database_connection_timeout database_type database_url "
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
    supported={
        "routing_strategy": "`simple-shuffle`: by weight; others are read as it, with a warning",
        "num_retries": "retries after a first failure",
        "max_retries": "the same as `num_retries`, which wins",
        "timeout": "seconds for one attempt",
        "stream_timeout": "seconds for one streamed attempt",
        "allowed_fails": "failures in a row before a deployment rests",
        "cooldown_time": "seconds that it rests",
        "retry_after": "shortest wait before a retry, in seconds",
        "fallbacks": "names to try after a failure",
        "context_window_fallbacks": "the same, when the prompt is too long",
        "content_policy_fallbacks": "the same, when the host refuses the content",
        "default_fallbacks": "names to try when a model has no list of its own",
        "model_group_alias": "other names for public names; `hidden: true` keeps one off the list",
        "disable_cooldowns": "no deployment rests",
    },
    planned=_words(
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

"""Every option of a call, a request, a deployment, a model and a configuration: one table.

An option steers how a request is served; it is never sent to a host under its own name. What a host
is sent are parameters (`types/requests.py` and its siblings).

All else derives from the rows: which keywords and fields are kept from a host's body, their checks,
errors about an option in the wrong place, the OpenAPI document, the keys of a configuration and
their reader, and the page `docs/reference/options.md`. CONTRIBUTING.md says how to add a row.
"""

from __future__ import annotations

from collections.abc import Mapping

import puna.types.option_kinds as kinds
from puna.types.option_kinds import Kind, Merge, Option, Scope

CALL, FALLBACK, REQUEST = Scope.CALL, Scope.FALLBACK, Scope.REQUEST
DEPLOYMENT, MODEL, SETTINGS = Scope.DEPLOYMENT, Scope.MODEL, Scope.SETTINGS
ROUTER, GENERAL, DROP_IN = Scope.ROUTER, Scope.GENERAL, Scope.DROP_IN

Row = tuple[str, str]
"""An option's name and what it does."""


def _kind_in(kind: Kind, *scopes: Scope) -> dict[Scope, Kind]:
    """The same kind in each of these scopes."""
    return dict.fromkeys(scopes, kind)


def _same_rows(
    by_scope: Mapping[Scope, Kind], *rows: Row, is_chat: bool = False
) -> tuple[Option, ...]:
    """Options that have the same kinds in the same scopes."""
    return tuple(Option(name, by_scope, about, is_chat=is_chat) for name, about in rows)


_OF_HOSTS = (CALL, FALLBACK, DEPLOYMENT)
_ADDRESS = _kind_in(kinds.ADDRESS, *_OF_HOSTS)
_PRICE = _kind_in(kinds.PRICE, *_OF_HOSTS, MODEL)
_FLAG = _kind_in(kinds.BOOLEAN, CALL, REQUEST, DEPLOYMENT, SETTINGS)
_TIME = {**_kind_in(kinds.SECONDS, CALL, DEPLOYMENT, ROUTER), REQUEST: kinds.SECONDS_OF_A_DAY}
_RETRIES = {**_kind_in(kinds.COUNT, CALL, DEPLOYMENT, ROUTER), REQUEST: kinds.SHORT_COUNT}
_FORMAT_RETRIES = {
    **_kind_in(kinds.SHORT_COUNT, CALL, REQUEST),
    **_kind_in(kinds.COUNT, DEPLOYMENT, SETTINGS),
}
_PARAMS = {**_kind_in(kinds.NAMES, CALL, DEPLOYMENT), REQUEST: kinds.FEW_NAMES}
_HEADERS = _kind_in(kinds.HEADERS, CALL, DEPLOYMENT)
_LISTS = _kind_in(kinds.FALLBACK_LISTS, ROUTER, SETTINGS)
_LISTS_OF_CALLS = {CALL: kinds.FALLBACKS, **_LISTS}

_NOT_BUILT = "a way to log in that is not built: with it the host is not asked"
_FOR_LOGS = "a client's own id; kept from the host"
_DOLLARS = "US dollars, kept as the decimal that is written"
_NAMES = "names to try after a failure"
_COUNT = "retries after a first failure"
_HOST_NAMES = (
    "names in `Host` that a gateway without a key answers to, beside addresses and local names; "
    "may begin with `*` (default: none)"
)

_DATABASE = (
    "the database of virtual keys, teams and budgets: `sqlite:///FILE` or `postgresql://…` "
    "(default: none)"
)

OPTIONS: tuple[Option, ...] = (
    # The host, and its settings
    *_same_rows(
        _kind_in(kinds.TEXT, *_OF_HOSTS),
        ("custom_llm_provider", "the provider, where `model` does not begin with it"),
    ),
    *_same_rows(_kind_in(kinds.SECRET, *_OF_HOSTS), ("api_key", "the provider's key")),
    Option("api_base", _ADDRESS, "the provider's address"),
    Option("base_url", _ADDRESS, "the same as `api_base`", same_as="api_base"),
    Option(
        "aws_bedrock_runtime_endpoint",
        _ADDRESS,
        "the same as `api_base`, which wins",
        same_as="api_base",
    ),
    *_same_rows(
        _kind_in(kinds.VERSION, *_OF_HOSTS),
        ("api_version", "the API version, where a provider has one"),
    ),
    *_same_rows(
        _kind_in(kinds.HOST_SETTING, *_OF_HOSTS),
        ("aws_access_key_id", "with `aws_secret_access_key`: the keys that sign requests to AWS"),
        ("aws_secret_access_key", "the other half of the pair"),
        ("aws_session_token", "with them, where they are of a session"),
        ("aws_region_name", "the region of AWS"),
        ("vertex_project", "the project of Google Cloud"),
        ("vertex_ai_project", "the same as `vertex_project`, which wins"),
        ("vertex_location", "the region of Google Cloud"),
        ("vertex_ai_location", "the same as `vertex_location`, which wins"),
    ),
    *_same_rows(
        _kind_in(kinds.LOGIN, *_OF_HOSTS),
        ("aws_external_id", _NOT_BUILT),
        ("aws_profile_name", _NOT_BUILT),
        ("aws_role_name", _NOT_BUILT),
        ("aws_session_name", _NOT_BUILT),
        ("aws_sts_endpoint", _NOT_BUILT),
        ("aws_web_identity_token", _NOT_BUILT),
        ("vertex_ai_credentials", _NOT_BUILT),
        ("vertex_credentials", _NOT_BUILT),
    ),
    Option("ssl_verify", {CALL: kinds.TRUST}, "whom to trust; one value for all calls of a client"),
    # Time and retries
    *_same_rows(
        _TIME,
        ("timeout", "seconds for one attempt"),
        ("stream_timeout", "seconds for one streamed attempt"),
    ),
    *_same_rows(
        {SETTINGS: kinds.SECONDS},
        ("request_timeout", "seconds for one attempt; `router_settings.timeout` wins"),
    ),
    Option(
        "max_retries", _RETRIES, _COUNT, notes={ROUTER: "the same as `num_retries`, which wins"}
    ),
    Option(
        "num_retries",
        {**_RETRIES, SETTINGS: kinds.COUNT},
        "the same as `max_retries`, which wins",
        same_as="max_retries",
        notes={ROUTER: _COUNT, SETTINGS: f"{_COUNT}; `router_settings` wins"},
    ),
    # What is sent
    Option("drop_params", _FLAG, "leave out what a host does not support, instead of an error"),
    Option(
        "allowed_openai_params",
        _PARAMS,
        "parameters to send although the host is not known to accept them",
        Merge.TOGETHER,
        "allowed_params",
    ),
    Option(
        "additional_drop_params",
        _PARAMS,
        "parameters never to send",
        Merge.TOGETHER,
        "unwanted_params",
    ),
    Option("extra_headers", _HEADERS, "headers to add", Merge.TOGETHER, "headers"),
    Option(
        "headers",
        _HEADERS,
        "the same as `extra_headers`, which wins",
        Merge.TOGETHER,
        same_as="extra_headers",
    ),
    Option("extra_body", {CALL: kinds.OBJECT}, "fields to add to the body"),
    # What is done with an answer
    *_same_rows(
        _FLAG,
        (
            "rescue_tool_calls",
            "turn calls that a model wrote as text into tool calls; on by default",
        ),
        ("repair_tool_arguments", "make the arguments of such calls fit their schema"),
        ("emulate_response_format", "hold answers to a `response_format` that the host lacks"),
        ("read_think_tags", "make thoughts of `<think>`; Messages and Responses do by themselves"),
        is_chat=True,
    ),
    *_same_rows(
        _FORMAT_RETRIES,
        ("format_retries", "how often another answer is asked for then; 2 by default"),
        is_chat=True,
    ),
    *_same_rows(
        _kind_in(kinds.BOOLEAN, CALL, REQUEST, SETTINGS),
        (
            "strict_tools",
            "refuse tools of a response that no host runs, instead of leaving them out",
        ),
    ),
    *_same_rows(
        {CALL: kinds.ANSWER, DEPLOYMENT: kinds.ANSWER_TEXT},
        ("mock_response", "answer this text and ask nobody"),
    ),
    Option("mock_delay", {CALL: kinds.SECONDS}, "seconds before that answer"),
    Option("mock_timeout", {DROP_IN: kinds.BOOLEAN}, "raise a timeout and ask nobody"),
    Option("mock_tool_calls", {DROP_IN: kinds.ANYTHING}, "answer these calls and ask nobody"),
    # Names and notes of a request
    Option(
        "metadata", _kind_in(kinds.OBJECT, CALL, REQUEST), "the caller's own, for hooks and logs"
    ),
    Option("litellm_metadata", {REQUEST: kinds.OBJECT}, "the same as `metadata`; both count"),
    *_same_rows(
        {REQUEST: kinds.ANYTHING},
        ("litellm_call_id", _FOR_LOGS),
        ("litellm_session_id", _FOR_LOGS),
        ("litellm_trace_id", _FOR_LOGS),
    ),
    # Which deployment is picked
    Option("weight", {DEPLOYMENT: kinds.NUMBER}, "share of the traffic of one public name"),
    *_same_rows(
        {DEPLOYMENT: kinds.COUNT},
        ("order", "rank among the deployments of one public name, lower first"),
    ),
    Option("input_cost_per_token", _PRICE, _DOLLARS, own_attribute="input_price"),
    Option("output_cost_per_token", _PRICE, _DOLLARS, own_attribute="output_price"),
    *_same_rows(
        {ROUTER: kinds.STRATEGY},
        ("routing_strategy", "`simple-shuffle`: by weight; others are read as it, with a warning"),
    ),
    Option("allowed_fails", {ROUTER: kinds.COUNT}, "failures in a row before a deployment rests"),
    *_same_rows(
        {ROUTER: kinds.PAUSE},
        ("cooldown_time", "seconds that it rests"),
        ("retry_after", "shortest wait before a retry, in seconds"),
    ),
    Option(
        "fallbacks",
        {**_LISTS_OF_CALLS, REQUEST: kinds.FEW_NAMES},
        _NAMES,
        notes={SETTINGS: f"{_NAMES}; `router_settings` wins"},
    ),
    *_same_rows(
        _LISTS_OF_CALLS, ("context_window_fallbacks", "the same, when the prompt is too long")
    ),
    *_same_rows(
        _LISTS, ("content_policy_fallbacks", "the same, when the host refuses the content")
    ),
    *_same_rows(
        _kind_in(kinds.FALLBACK_NAMES, ROUTER, SETTINGS),
        ("default_fallbacks", "names to try when a model has no list of its own"),
    ),
    *_same_rows(
        {ROUTER: kinds.ALIASES},
        (
            "model_group_alias",
            "other names for public names; `hidden: true` keeps one off the list",
        ),
    ),
    Option("disable_cooldowns", {ROUTER: kinds.BOOLEAN}, "no deployment rests"),
    # Hooks and logs
    *_same_rows(
        {SETTINGS: kinds.NAMES},
        ("callbacks", "functions (`file.function`, beside the configuration) that see every call"),
        ("success_callback", "the same, for what succeeded"),
        ("failure_callback", "the same, for what failed"),
    ),
    *_same_rows(
        {SETTINGS: kinds.BOOLEAN},
        ("turn_off_message_logging", "hooks see no messages and no answers"),
        ("json_logs", "logs as JSON lines"),
        ("set_verbose", "more log lines"),
    ),
    # Budgets of the gateway
    *_same_rows(
        {SETTINGS: kinds.DOLLARS},
        ("max_budget", "US dollars that all requests together may cost in a `budget_duration`"),
    ),
    *_same_rows(
        {SETTINGS: kinds.COUNT},
        ("max_tokens_budget", "tokens that all requests may use in a `budget_duration`"),
    ),
    *_same_rows(
        {SETTINGS: kinds.DURATION},
        ("budget_duration", "when budgets start anew, such as `1d` or `1mo` (default: never)"),
    ),
    *_same_rows(
        {SETTINGS: kinds.BOOLEAN},
        ("strict_budget", "refuse what nothing bounds, so that no budget can be passed"),
    ),
    *_same_rows(
        {SETTINGS: kinds.MODEL_BUDGETS},
        (
            "model_max_budget",
            "budgets of single models: `{model: {max_budget: …, budget_duration: …}}`",
        ),
    ),
    *_same_rows(
        {SETTINGS: kinds.REFUSAL},
        ("budget_exceeded_status_code", "the status when a budget is spent (default 429)"),
    ),
    *_same_rows(
        {SETTINGS: kinds.UNPRICED},
        (
            "unpriced_calls",
            "`allow` (default) or `block` calls without a known price under a budget of money",
        ),
    ),
    *_same_rows(
        {SETTINGS: kinds.POSITIVE},
        (
            "default_estimated_output_tokens",
            "tokens that a budget reserves for an answer without `max_tokens` (default 1024)",
        ),
    ),
    *_same_rows(
        {SETTINGS: kinds.PAUSE},
        (
            "budget_wait_time",
            "seconds that a request waits for what other calls have reserved (default 5)",
        ),
    ),
    # The gateway as a server
    *_same_rows(
        {GENERAL: kinds.SECRET},
        ("master_key", "the key that callers must send; without one the gateway is open"),
        ("database_url", _DATABASE),
    ),
    Option(
        "litellm_key_header_name",
        {GENERAL: kinds.HEADER_NAME},
        "another header that may carry the caller's key",
        own_attribute="key_header_name",
    ),
    *_same_rows(
        {GENERAL: kinds.POSITIVE},
        ("max_request_values", "most JSON values of a request body (default 500000)"),
        ("max_connections", "clients connected at once (default: half the files that may be open)"),
    ),
    *_same_rows(
        {GENERAL: kinds.BOOLEAN},
        (
            "always_include_stream_usage",
            "ask hosts that accept `stream_options` for a stream's usage",
        ),
    ),
    *_same_rows(
        {GENERAL: kinds.SECONDS},
        ("head_timeout", "seconds that a client may take for a request's head (default 20)"),
        ("body_timeout", "seconds that a request's body may pause (default 60)"),
        (
            "linger_timeout",
            "seconds for which the rest of an answered request is read (default 30)",
        ),
    ),
    *_same_rows(
        {GENERAL: kinds.HOST_NAMES},
        ("allowed_hosts", _HOST_NAMES),
    ),
    *_same_rows(
        {GENERAL: kinds.MEGABYTES},
        ("max_request_size_mb", "largest request body, in MB of 1,048,576 bytes (default 32)"),
        (
            "response_store_size_mb",
            "how much of responses is kept, in MB of 1,048,576 bytes; the oldest go (default 1024)",
        ),
    ),
    *_same_rows(
        {GENERAL: kinds.FILE},
        (
            "response_store",
            "a SQLite file for responses that can be gone on from (default: memory)",
        ),
    ),
)

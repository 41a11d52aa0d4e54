"""The configuration as frozen values, independent of file format and providers.

Durations are seconds and end in `_s`; sizes are bytes; prices stay the decimal text that was given.
A field that could hold a key is a `Secret` or is left out of `repr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from puna.types.secret import Secret

Severity = Literal["info", "warning", "error"]
"""An error of a notice leaves one deployment unusable; the others are served."""

DEFAULT_MAX_RETRIES = 2
DEFAULT_TIMEOUT_S = 600.0
DEFAULT_MAX_REQUEST_BYTES = 32 * 1024 * 1024
DEFAULT_STORE_BYTES = 1024 * 1024 * 1024
DEFAULT_HEAD_TIMEOUT_S = 20.0
DEFAULT_BODY_TIMEOUT_S = 60.0
DEFAULT_LINGER_TIMEOUT_S = 30.0
DEFAULT_MAX_REQUEST_VALUES = 500_000
DEFAULT_ESTIMATED_OUTPUT_TOKENS = 1_024
DEFAULT_BUDGET_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the operator at start. `line` is 1-based; `line` and `key` may be None."""

    severity: Severity
    message: str
    line: int | None = None
    key: str | None = None

    def line_in(self, file: str | None) -> str:
        """The notice as one line of text with file, line and severity."""
        where = ":".join(str(part) for part in (file, self.line) if part is not None)
        said = f"{self.severity}: {self.message}"
        return f"{where}: {said}" if where else said


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """One configured target behind a public model name.

    Attributes:
        public_name: the name that callers use; may hold one `*`.
        model: `provider/model` to send to; may hold one `*`, filled with what `public_name`
            matched.
        custom_llm_provider: the provider, where `model` does not begin with it.
        host_settings: further settings of its host, such as a region, by LiteLLM's names.
        params: default request parameters; a caller's own win.
        weight: share of the traffic among deployments with the same public name.
        order: rank among them, lower first, or None.
        deployment_id: the operator's own id, or None.
        input_price, output_price: US dollars a token, as decimal text, or None.
        missing_variable: the variable that `api_key` refers to and that is not set; see
            `puna.config.usable`.
        problem: why this deployment cannot be used at all, or None.
        unset_variables: the variables that it requires and that are not set.
        line: where it begins in the file (1-based; 0 when it came from no file).
    """

    public_name: str
    model: str
    custom_llm_provider: str | None = None
    api_key: Secret | None = None
    api_base: str | None = field(default=None, repr=False)
    api_version: str | None = None
    host_settings: Mapping[str, Secret] = field(default_factory=dict[str, Secret], repr=False)
    timeout_s: float | None = None
    stream_timeout_s: float | None = None
    max_retries: int | None = None
    drop_params: bool | None = None
    rescue_tool_calls: bool | None = None
    repair_tool_arguments: bool | None = None
    emulate_response_format: bool | None = None
    read_think_tags: bool | None = None
    format_retries: int | None = None
    allowed_params: tuple[str, ...] = ()
    unwanted_params: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    weight: float = 1
    order: int | None = None
    mock_response: str | None = field(default=None, repr=False)
    deployment_id: str | None = None
    model_info: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    input_price: str | None = None
    output_price: str | None = None
    missing_variable: str | None = None
    problem: str | None = None
    unset_variables: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """How a deployment is picked, and what happens after a failure.

    `fallbacks` and the like map a public model name to the names to try after it;
    `default_fallbacks` are for the names without their own. `hidden_aliases` answer requests but
    are not listed.
    """

    num_retries: int | None = None
    timeout_s: float | None = None
    stream_timeout_s: float | None = None
    allowed_fails: int = 3
    cooldown_s: float = 5.0
    retry_after_s: float = 0.0
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    context_window_fallbacks: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    content_policy_fallbacks: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    default_fallbacks: tuple[str, ...] = ()
    model_group_alias: Mapping[str, str] = field(default_factory=dict[str, str])
    hidden_aliases: tuple[str, ...] = ()
    disable_cooldowns: bool = False


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The server's settings.

    `max_connections` is None for what the limit of open files allows. `master_key_variable` is the
    environment variable that holds the master key, if one does. `database_url` may hold a password.
    """

    master_key: Secret | None = None
    master_key_variable: str | None = None
    database_url: Secret | None = None
    max_request_bytes: int = DEFAULT_MAX_REQUEST_BYTES
    max_request_values: int = DEFAULT_MAX_REQUEST_VALUES
    key_header_name: str | None = None
    always_include_stream_usage: bool = False
    response_store: str | None = None
    response_store_bytes: int = DEFAULT_STORE_BYTES
    allowed_hosts: tuple[str, ...] = ()
    head_timeout_s: float = DEFAULT_HEAD_TIMEOUT_S
    body_timeout_s: float = DEFAULT_BODY_TIMEOUT_S
    linger_timeout_s: float = DEFAULT_LINGER_TIMEOUT_S
    max_connections: int | None = None


@dataclass(frozen=True, slots=True)
class ModelBudget:
    """What one model may cost (US dollars, as decimal text) and use (tokens) in a duration."""

    max_budget: str | None = None
    max_tokens_budget: int | None = None
    budget_duration: str | None = None


@dataclass(frozen=True, slots=True)
class SettingsConfig:
    """Defaults for every call, which a deployment or a request may override; and budgets.

    `max_budget` is US dollars as decimal text. It, `max_tokens_budget` and `budget_duration` are
    for all requests together, `model_max_budget` for single models.
    """

    drop_params: bool = False
    rescue_tool_calls: bool = True
    repair_tool_arguments: bool = False
    emulate_response_format: bool = False
    read_think_tags: bool | None = None
    format_retries: int | None = None
    strict_tools: bool = False
    num_retries: int | None = None
    request_timeout_s: float | None = None
    callbacks: tuple[str, ...] = ()
    success_callback: tuple[str, ...] = ()
    failure_callback: tuple[str, ...] = ()
    turn_off_message_logging: bool = False
    json_logs: bool = False
    set_verbose: bool = False
    max_budget: str | None = None
    max_tokens_budget: int | None = None
    budget_duration: str | None = None
    strict_budget: bool = False
    model_max_budget: Mapping[str, ModelBudget] = field(default_factory=dict[str, ModelBudget])
    budget_exceeded_status_code: int = 429
    unpriced_calls: Literal["allow", "block"] = "allow"
    default_estimated_output_tokens: int = DEFAULT_ESTIMATED_OUTPUT_TOKENS
    budget_wait_s: float = DEFAULT_BUDGET_WAIT_S


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """A whole configuration.

    `environment` are the variables that the file sets before the start.
    """

    deployments: tuple[DeploymentConfig, ...] = ()
    router: RouterConfig = RouterConfig()
    server: ServerConfig = ServerConfig()
    settings: SettingsConfig = SettingsConfig()
    environment: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    notices: tuple[Notice, ...] = ()
    file: str | None = None

    def max_retries_of(self, deployment: DeploymentConfig) -> int:
        """The retries after a first failure. The first value that is given counts.

        They never multiply.

        `litellm_params.max_retries` (or `num_retries`), `router_settings.num_retries`,
        `litellm_settings.num_retries`, else 2.
        """
        for given in (deployment.max_retries, self.router.num_retries, self.settings.num_retries):
            if given is not None:
                return given
        return DEFAULT_MAX_RETRIES

    def timeout_s_of(self, deployment: DeploymentConfig, *, is_stream: bool = False) -> float:
        """The seconds that one attempt may take. The first value that is given counts.

        For a stream: the deployment's `stream_timeout`, then as for other calls, with
        `router_settings.stream_timeout` before `router_settings.timeout`. For other calls:
        `litellm_params.timeout`, `router_settings.timeout`, `litellm_settings.request_timeout`,
        else 600.
        """
        for_streams = (deployment.stream_timeout_s, self.router.stream_timeout_s)
        of_deployment, of_router = for_streams if is_stream else (None, None)
        for given in (
            of_deployment,
            deployment.timeout_s,
            of_router,
            self.router.timeout_s,
            self.settings.request_timeout_s,
        ):
            if given is not None:
                return given
        return DEFAULT_TIMEOUT_S

"""What `serve` was asked for, and the configuration that it means."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from puna.config.litellm_yaml import load_litellm_yaml
from puna.config.schema import DeploymentConfig, GatewayConfig, Notice
from puna.embedded.weights import DEFAULT_MODEL
from puna.errors import ConfigError
from puna.gateway.budget_rules import BudgetRules
from puna.gateway.deployments.directory import Directory, make_directory
from puna.gateway.deployments.loading import Loading
from puna.gateway.hooks import report_callbacks
from puna.providers.table import PROVIDERS
from puna.types.secret import Secret

EMBEDDED_NAME = f"embedded/{DEFAULT_MODEL}"
DATABASE_VARIABLES = ("PUNA_DATABASE_URL", "DATABASE_URL")
MASTER_KEY_VARIABLES = ("PUNA_MASTER_KEY", "LITELLM_MASTER_KEY")

_OF_ONE_MODEL: tuple[str, ...] = (
    "model",
    "alias",
    "api_base",
    "api_version",
    "temperature",
    "max_tokens",
)

OPEN_HOST = "127.0.0.1"
LOCAL_HOSTS = frozenset((OPEN_HOST, "localhost", "::1"))
KEYED_HOST = "0.0.0.0"  # noqa: S104 - with a master key the gateway is meant to be reached
DEFAULT_PORT = 4000


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of `serve`; None means "not given".

    Attributes:
        config: a LiteLLM config.yaml.
        model, alias, api_base, temperature, max_tokens: one model instead of a file.
        drain_s: how long running requests may go on after SIGTERM.
        record: a folder in which each worker writes a cassette of what upstreams answer; or, with
            one worker, the file itself.
        listens_on: the address that the running gateway is bound to; None before it is.
        began_open: the running gateway began without a master key.
    """

    config: str | None = None
    model: str | None = None
    alias: str | None = None
    api_base: str | None = None
    api_version: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    request_timeout: float | None = None
    drop_params: bool = False
    host: str | None = None
    port: int = DEFAULT_PORT
    num_workers: int = 1
    debug: bool = False
    ssl_keyfile_path: str | None = None
    ssl_certfile_path: str | None = None
    keepalive_timeout: int = 5
    limit_concurrency: int | None = None
    drain_s: int = 60
    record: str | None = None
    listens_on: str | None = None
    began_open: bool = False

    def to_json(self) -> str:
        """The options as text, for worker processes. They hold no key."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ServeOptions:
        """The options that `to_json` wrote."""
        return cls(**json.loads(text))


def load_directory(
    options: ServeOptions, environ: Mapping[str, str], *, allow_unset: bool = False
) -> Directory:
    """The models that these options serve: from the file, from `--model`, or the embedded one.

    With `allow_unset`, for a check only, variables that are not set are no errors.

    Raises:
        ConfigError: the file is wrong; the message names file, line and key.
        APIError: a model or an address is wrong.
    """
    config = _read_config(options, environ, allow_unset=allow_unset)
    config = replace(
        config, notices=(*config.notices, *report_callbacks(config), *_report_unused(options))
    )
    settings = config.settings
    config = replace(
        config,
        settings=replace(
            settings,
            drop_params=options.drop_params or settings.drop_params,
            request_timeout_s=options.request_timeout or settings.request_timeout_s,
        ),
    )
    merged = {**environ, **{name: value.reveal() for name, value in config.environment.items()}}
    if config.server.master_key is None:
        for name in MASTER_KEY_VARIABLES:
            key = merged.get(name, "").strip()
            if key:
                server = replace(config.server, master_key=Secret(key), master_key_variable=name)
                config = replace(config, server=server)
                break
    config = with_database(config, merged)
    if options.host is not None:
        names = (*config.server.allowed_hosts, options.host.lower())
        config = replace(config, server=replace(config.server, allowed_hosts=names))
    is_open = config.server.master_key is None
    return make_directory(config, merged, is_open=is_open, allow_unset=allow_unset)


def with_database(config: GatewayConfig, environ: Mapping[str, str]) -> GatewayConfig:
    """A configuration with the database of the environment, where the file names none.

    `DATABASE_URL` is the variable of many programs, so it counts only beside a master key.

    Raises:
        ConfigError: there is a database, and no master key to make virtual keys with.
    """
    server = config.server
    if server.database_url is None and server.master_key is not None:
        for name in DATABASE_VARIABLES:
            url = environ.get(name, "").strip()
            if url:
                server = replace(server, database_url=Secret(url))
                return replace(config, server=server)
    if server.database_url is not None and server.master_key is None:
        raise ConfigError(
            "`general_settings.database_url` needs a master key, with which virtual keys are made: "
            "set `general_settings.master_key` or PUNA_MASTER_KEY",
            file=config.file,
            key="general_settings.database_url",
        )
    return config


def host_of(options: ServeOptions, directory: Directory) -> str:
    """The address to listen on: all with a master key, loopback only without one."""
    if options.host is not None:
        return options.host
    return OPEN_HOST if directory.is_open else KEYED_HOST


def check_address(options: ServeOptions, directory: Directory) -> None:
    """Check that a running gateway may serve these models at its address. Called before a reload.

    Raises:
        ConfigError: the master key is gone, and everybody who can connect would be answered.
    """
    is_reached = options.listens_on is not None and options.listens_on not in LOCAL_HOSTS
    if directory.is_open and is_reached and not options.began_open:
        raise ConfigError(
            "there is no master key any more, and without one every request is answered, for "
            f"everyone who can reach {options.listens_on}. Set `general_settings.master_key`, or "
            "restart the gateway to serve without one",
            file=directory.config.file,
            key="general_settings.master_key",
        )


def check_budgets(options: ServeOptions, directory: Directory) -> None:
    """Check that the configured budgets can be kept. Called before a start and before a reload.

    Raises:
        ConfigError: a budget cannot be used; or there are several workers, each of which would
            spend all of it.
    """
    rules = BudgetRules.of(directory.config.settings)
    if rules.has_budgets and options.num_workers > 1:
        raise ConfigError(
            f"budgets are counted in one process, and `--num_workers {options.num_workers}` would "
            "spend each of them as many times. Serve with one worker, or without `max_budget`, "
            "`max_tokens_budget` and `model_max_budget`",
            file=directory.config.file,
            key="litellm_settings.max_budget",
        )


def budget_notice(options: ServeOptions, directory: Directory) -> str | None:
    """What the operator should know of the budgets of keys, before several workers start."""
    if options.num_workers == 1 or directory.config.server.database_url is None:
        return None
    return (
        f"warning: budgets of keys are counted in each worker by itself: with `--num_workers "
        f"{options.num_workers}` a key may spend its budget up to {options.num_workers} times. "
        "Serve with one worker where they must hold exactly"
    )


def check_certificate(options: ServeOptions) -> None:
    """Check the files of `--ssl_certfile_path` and `--ssl_keyfile_path` before a server starts.

    Raises:
        ConfigError: they cannot be used. uvicorn would only fail on them, in each worker.
    """
    certificate, key = options.ssl_certfile_path, options.ssl_keyfile_path
    if certificate is None:
        if key is not None:
            raise ConfigError("`--ssl_keyfile_path` needs `--ssl_certfile_path` beside it")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigError(
            f"cannot serve with `--ssl_certfile_path {certificate}`"
            f"{f' and `--ssl_keyfile_path {key}`' if key else ''}: {error.strerror or error}; give "
            "a certificate in PEM, and the key that belongs to it"
        ) from error


def _read_config(
    options: ServeOptions, environ: Mapping[str, str], *, allow_unset: bool
) -> GatewayConfig:
    """The configuration of these options.

    The file's, else one for `--model`, else the embedded model.
    """
    if options.config is not None:
        try:
            config = load_litellm_yaml(options.config, environ, allow_unset=allow_unset)
        except ConfigError as error:
            raise _with_deployments(error, environ, allow_unset=allow_unset) from None
        if not config.deployments:
            raise _no_models(config)
        return config
    if options.model is not None:
        return GatewayConfig(deployments=(_one_model(options, options.model),))
    return GatewayConfig(deployments=_embedded())


def _with_deployments(
    error: ConfigError, environ: Mapping[str, str], *, allow_unset: bool
) -> ConfigError:
    """Add to a file's error what is wrong with the deployments in it, so that one run shows all."""
    partial = error.partial
    if not isinstance(partial, GatewayConfig):
        return error
    merged = {**environ, **{name: value.reveal() for name, value in partial.environment.items()}}
    loading = Loading(partial, merged, PROVIDERS, allow_unset=allow_unset)
    for one in partial.deployments:
        if one.public_name and one.model:
            loading.add(one)
    if not loading.faults:
        return error
    return ConfigError.joined([error, *loading.faults], loading.notices)


def _no_models(config: GatewayConfig) -> ConfigError:
    """Make the error for a file without models. The embedded model never takes their place."""
    about = next(notice for notice in config.notices if notice.key == "model_list")
    reason = about.message.removesuffix(f" (line {about.line})")
    end = "" if reason.endswith("?") else "."
    error = ConfigError(
        f"{reason}{end} Give it an entry, as in `model_list: [{{model_name: my-model, "
        "litellm_params: {model: provider/model}}]`, or leave `--config` out to serve the "
        f"embedded model {EMBEDDED_NAME}",
        file=config.file,
        line=about.line,
        key=about.key,
    )
    others = (notice for notice in config.notices if notice is not about)
    return ConfigError.joined([error], others)


def _report_unused(options: ServeOptions) -> list[Notice]:
    """A warning for each option that does nothing beside the others."""
    given = asdict(options)
    if options.config is not None:
        names, why = _OF_ONE_MODEL, "--config names the models"
    elif options.model is None:
        names, why = _OF_ONE_MODEL[1:], "there is no --model"
    else:
        return []
    return [
        Notice("warning", f"--{name} has no effect: {why}")
        for name in names
        if given[name] is not None
    ]


def _embedded() -> tuple[DeploymentConfig, ...]:
    """Deployments of the embedded model: under its own name, and under any other."""
    return tuple(
        DeploymentConfig(public_name=name, model=EMBEDDED_NAME) for name in (EMBEDDED_NAME, "*")
    )


def _one_model(options: ServeOptions, model: str) -> DeploymentConfig:
    """The deployment of `--model` with its options."""
    params: dict[str, Any] = {}
    if options.temperature is not None:
        params["temperature"] = options.temperature
    if options.max_tokens is not None:
        params["max_tokens"] = options.max_tokens
    return DeploymentConfig(
        public_name=options.alias or model,
        model=model,
        api_base=options.api_base,
        api_version=options.api_version,
        params=params,
    )

"""What `serve` was asked for, and the configuration that it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from puna.config.litellm_yaml import load_litellm_yaml
from puna.config.schema import DeploymentConfig, GatewayConfig, Notice
from puna.embedded.weights import DEFAULT_MODEL
from puna.gateway.directory import Directory, make_directory
from puna.gateway.hooks import report_callbacks
from puna.types.secret import Secret

EMBEDDED_NAME = f"embedded/{DEFAULT_MODEL}"
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

    def to_json(self) -> str:
        """The options as text, for worker processes. They hold no key."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ServeOptions:
        """The options that `to_json` wrote."""
        return cls(**json.loads(text))


def load_directory(options: ServeOptions, environ: Mapping[str, str]) -> Directory:
    """The models that these options serve.

    Raises:
        ConfigError: the file is wrong; the message names file, line and key.
        APIError: a model or an address is wrong.
    """
    config = _read_config(options, environ)
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
        values = (merged.get(name, "").strip() for name in MASTER_KEY_VARIABLES)
        key = next((value for value in values if value), None)
        if key is not None:
            config = replace(config, server=replace(config.server, master_key=Secret(key)))
    if options.host is not None:
        names = (*config.server.allowed_hosts, options.host.lower())
        config = replace(config, server=replace(config.server, allowed_hosts=names))
    return make_directory(config, merged, is_open=config.server.master_key is None)


def host_of(options: ServeOptions, directory: Directory) -> str:
    """Where to listen: everywhere with a master key, on this machine only without one."""
    if options.host is not None:
        return options.host
    return OPEN_HOST if directory.is_open else KEYED_HOST


def _read_config(options: ServeOptions, environ: Mapping[str, str]) -> GatewayConfig:
    if options.config is not None:
        config = load_litellm_yaml(options.config, environ)
        if config.deployments:
            return config
        empty = Notice(
            "warning",
            "model_list is empty: every model name is answered by the "
            f"embedded model {EMBEDDED_NAME}",
        )
        return replace(config, deployments=_embedded(), notices=(*config.notices, empty))
    if options.model is not None:
        return GatewayConfig(deployments=(_one_model(options, options.model),))
    return GatewayConfig(deployments=_embedded())


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
    """The embedded model by its name, and in the place of any other name."""
    return tuple(
        DeploymentConfig(public_name=name, model=EMBEDDED_NAME) for name in (EMBEDDED_NAME, "*")
    )


def _one_model(options: ServeOptions, model: str) -> DeploymentConfig:
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

"""The `model_list` of LiteLLM's `config.yaml` as deployments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from puna.config.environment import KeyPath, Unset
from puna.config.litellm_keys import (
    HOST_PREFIXES,
    HOST_SETTINGS,
    MODEL,
    PARAMS,
    REFUSED_SETTINGS,
    REQUEST_PARAMS,
)
from puna.config.matching import WILDCARD
from puna.config.reading import Section, looks_secret, nearest
from puna.config.schema import DeploymentConfig, Notice
from puna.config.yaml_source import format_path, show
from puna.types.secret import Secret

# Without these a request would go to the wrong place or in the wrong shape.
_ADDRESSES = ("api_base", "base_url", "aws_bedrock_runtime_endpoint")
_TOLD = HOST_SETTINGS | REFUSED_SETTINGS
_VITAL = (_TOLD - {"aws_session_token"}) | {
    *_ADDRESSES,
    *("api_version", "custom_llm_provider", "extra_headers", "headers"),
}
_NEAR = 0.8


def read_deployments(
    root: Section, unset: Iterable[Unset]
) -> tuple[tuple[DeploymentConfig, ...], list[Notice]]:
    """The deployments of a file's `model_list`, and what to tell about them.

    `unset` are the references, anywhere in the file, to variables that are not set.

    Raises:
        ConfigError: `model_list` is no list, or an entry of it is wrong.
    """
    source = root.source
    listed = root.values.get("model_list")
    path = root.at("model_list")
    if listed is None:
        return (), [source.notice(path, "there is no `model_list`: the file names no model")]
    if not isinstance(listed, list):
        raise source.wrong(path, "a list (each entry begins with `- model_name:`)", listed)
    missing = {one.path: one.name for one in unset}
    deployments: list[DeploymentConfig] = []
    notices: list[Notice] = []
    ids: dict[str, int] = {}
    for index, item in enumerate(listed):
        at: KeyPath = (*path, index)
        if not isinstance(item, dict):
            raise source.error(at, f"`{format_path(at)}` must be a mapping with `model_name`")
        entry = Section(source, at, item)
        reader = _EntryReader(entry, missing, notices)
        deployment = reader.read()
        taken = deployment.deployment_id
        if taken is not None:
            if taken in ids:
                raise source.error(
                    (*at, "model_info", "id"),
                    f"`{format_path(at)}.model_info.id` is the id of the entry on line "
                    f"{ids[taken]} too: give each its own",
                )
            ids[taken] = deployment.line
        deployments.append(deployment)
    return tuple(deployments), notices


class _EntryReader:
    """Reads one entry of `model_list`. `missing` maps paths to variables that are not set."""

    def __init__(
        self, entry: Section, missing: Mapping[KeyPath, str], notices: list[Notice]
    ) -> None:
        self.entry = entry
        self.source = entry.source
        self.params = entry.section("litellm_params")
        self.info = entry.section("model_info")
        self.missing = {
            path: name for path, name in missing.items() if path[: len(entry.path)] == entry.path
        }
        self.notices = notices

    def read(self) -> DeploymentConfig:
        name = self._required(self.entry, "model_name")
        model = self._required(self.params, "model")
        self._check_wildcards(name, model)
        problem = self._report_missing(name)
        self._report_entry_keys()
        params = self.params
        max_retries = params.whole("max_retries")
        weight = params.number("weight", is_zero_fine=True)
        return DeploymentConfig(
            public_name=name,
            model=model,
            custom_llm_provider=params.text("custom_llm_provider"),
            api_key=params.secret("api_key"),
            api_base=self._first_text(*_ADDRESSES),
            api_version=params.text("api_version"),
            host_settings=self._read_host_settings(),
            timeout_s=params.number("timeout"),
            stream_timeout_s=params.number("stream_timeout"),
            max_retries=params.whole("num_retries") if max_retries is None else max_retries,
            drop_params=params.flag("drop_params"),
            rescue_tool_calls=params.flag("rescue_tool_calls"),
            repair_tool_arguments=params.flag("repair_tool_arguments"),
            emulate_response_format=params.flag("emulate_response_format"),
            read_think_tags=params.flag("read_think_tags"),
            format_retries=params.whole("format_retries"),
            allowed_openai_params=params.names("allowed_openai_params"),
            additional_drop_params=params.names("additional_drop_params"),
            extra_headers={**params.texts("headers"), **params.texts("extra_headers")},
            params=self._read_request_params(),
            weight=1 if weight is None else weight,
            order=params.whole("order"),
            rpm=self._read_limit("rpm"),
            tpm=self._read_limit("tpm"),
            tags=params.names("tags"),
            mock_response=params.text("mock_response"),
            deployment_id=self.info.text("id") or None,
            model_info=dict(self.info.values),
            input_price=self._read_price("input_cost_per_token"),
            output_price=self._read_price("output_cost_per_token"),
            missing_variable=self.missing.get(params.at("api_key")),
            problem=problem,
            line=self.source.line(self.entry.path),
        )

    def _required(self, section: Section, key: str) -> str:
        path = section.at(key)
        where = format_path(path)
        if path in self.missing:
            name = show(self.missing[path])
            raise self.source.error(
                path,
                f"`{where}` names the environment variable `{name}`, which is not set: set it",
            )
        text = (section.text(key) or "").strip()
        if text:
            return text
        near = nearest(key, section.values, cutoff=_NEAR)
        hint = f": did you mean it by `{show(near)}`?" if near and near != key else ""
        raise self.source.error(path, f"`{where}` is missing{hint or ': every entry needs one'}")

    def _check_wildcards(self, name: str, model: str) -> None:
        for key, text in (("model_name", name), ("litellm_params.model", model)):
            if text.count(WILDCARD) > 1:
                raise self.source.error(
                    self.entry.path,
                    f"`{format_path(self.entry.path)}.{key}` is `{show(text)}`: one `*` at most",
                )
        if WILDCARD in model and WILDCARD not in name:
            raise self.source.error(
                self.params.at("model"),
                f"`{format_path(self.params.at('model'))}` is `{show(model)}`, but the model_name "
                f"`{show(name)}` has no `*` that could fill it",
            )

    def _report_missing(self, name: str) -> str | None:
        """Warn of unset variables; the reason if one of them makes the deployment unusable."""
        depth = len(self.params.path)
        problem: str | None = None
        for path, variable in self.missing.items():
            where = format_path(path)
            named = f"the environment variable `{show(variable)}`, which is not set"
            is_of_params = path[:depth] == self.params.path
            if is_of_params and path[depth] == "api_key":
                continue
            if is_of_params and path[depth] in _VITAL:
                problem = (
                    f"model `{show(name)}` cannot be used: its {path[depth]} names {named}. Set it"
                )
                self.notices.append(self.source.notice(path, problem))
            else:
                text = f"`{where}` of model `{show(name)}` names {named}: it counts as not given"
                self.notices.append(self.source.notice(path, text))
        return problem

    def _report_entry_keys(self) -> None:
        for key in self.entry.values:
            path = self.entry.at(key)
            if key in MODEL.planned:
                text = (
                    f"`{format_path(path)}` is known to LiteLLM, not supported by Puna yet: ignored"
                )
                self.notices.append(self.source.notice(path, text))
            elif key not in MODEL.honoured:
                near = nearest(key, (*MODEL.known, *PARAMS.honoured))
                place = " (inside `litellm_params`)" if near in PARAMS.honoured else ""
                hint = f": did you mean `{near}`{place}?" if near else ": ignored"
                text = f"unknown key `{show(key)}` in {format_path(self.entry.path)}"
                self.notices.append(self.source.notice(path, f"{text}{hint}"))

    def _read_request_params(self) -> dict[str, Any]:
        """What is left of `litellm_params`: default request parameters. Nulls are left out."""
        found: dict[str, Any] = {}
        for key, value in self.params.values.items():
            if key in PARAMS.honoured or key in _TOLD or value is None:
                continue
            path = self.params.at(key)
            if key in REQUEST_PARAMS:
                found[key] = value
                continue
            text = self._refuse(key)
            if text is not None:
                self.notices.append(self.source.notice(path, text))
                continue
            near = nearest(key, sorted(REQUEST_PARAMS), cutoff=_NEAR)
            if near:
                text = (
                    f"`{format_path(path)}` is sent as the request parameter `{show(key)}`: did "
                    f"you mean `{near}`?"
                )
                self.notices.append(self.source.notice(path, text))
            found[key] = value
        return found

    def _read_host_settings(self) -> dict[str, Secret]:
        given = {key: self.params.secret(key) for key in self.params.values if key in _TOLD}
        return {key: value for key, value in given.items() if value is not None}

    def _refuse(self, key: str) -> str | None:
        """Why a key is no request parameter, or None if it may be one."""
        where = format_path(self.params.at(key))
        if key in PARAMS.planned or key.startswith(HOST_PREFIXES):
            return f"`{where}` is known to LiteLLM, not supported by Puna yet: ignored"
        near = nearest(key, sorted(PARAMS.honoured), cutoff=_NEAR)
        if near:
            return f"unknown key `{where}`: did you mean `{near}`? It is ignored"
        if looks_secret(key):
            return f"`{where}` looks like a secret and is no key that is known: it is not sent"
        return None

    def _read_limit(self, key: str) -> int | None:
        limit = self.params.whole(key)
        return self.entry.whole(key) if limit is None else limit

    def _read_price(self, key: str) -> str | None:
        price = self.params.price(key)
        return self.info.price(key) if price is None else price

    def _first_text(self, *keys: str) -> str | None:
        texts: Sequence[str] = [(self.params.text(key) or "").strip() for key in keys]
        return next((text for text in texts if text), None)

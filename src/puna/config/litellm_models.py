"""Reads the `model_list` of LiteLLM's `config.yaml` into deployments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from puna.config.environment import PREFIX, KeyPath, Unset, texts_in, unsupported_reference
from puna.config.litellm_keys import (
    HOST_PREFIXES,
    MODEL,
    PARAMS,
    REQUEST_PARAMS,
    TOP,
)
from puna.config.matching import WILDCARD
from puna.config.options import as_attributes, read_options
from puna.config.reading import Section, looks_secret, nearest
from puna.config.schema import DeploymentConfig, Notice, Severity
from puna.config.yaml_source import format_path, printable
from puna.types.option_kinds import Scope
from puna.types.option_scopes import (
    BY_NAME,
    HOST_OPTIONS,
    HOST_SETTINGS,
    LOGINS,
    fold_aliases,
    place_of,
    with_aliases,
)

# Without these a request would go to the wrong place or in the wrong shape.
_VITAL = (HOST_OPTIONS - {"api_key", "aws_session_token"}) | {*with_aliases("extra_headers")}
_HOST_KEYS = HOST_SETTINGS | LOGINS
_REPORTED = _VITAL | {"api_key", "model"}
_NEAR = 0.8
_LIST_NEAR = 0.5
_OF_ENTRIES = frozenset(("model_name", "litellm_params"))


def read_deployments(
    root: Section, unset: Iterable[Unset], *, allow_unset: bool = False
) -> tuple[tuple[DeploymentConfig, ...], list[Notice]]:
    """The deployments in a file's `model_list`, and notices about them.

    `unset` are the references, anywhere in the file, to variables that are not set; with
    `allow_unset` these are no errors. Errors are added to `root.source.problems`.
    """
    source = root.source
    listed = root.values.get("model_list")
    path = root.at("model_list")
    if not listed and isinstance(listed, list | dict | None):
        return (), [source.notice(path, _explain_no_models(root))]
    if not isinstance(listed, list):
        expected = "a list (each entry begins with `- model_name:`)"
        source.refuse(source.wrong_type(path, expected, listed))
        return (), []
    missing = {one.path: one.name for one in unset}
    deployments: list[DeploymentConfig] = []
    notices: list[Notice] = []
    ids: dict[str, int] = {}
    for index, item in enumerate(listed):
        at: KeyPath = (*path, index)
        if not isinstance(item, dict):
            source.refuse(source.wrong_type(at, "a mapping with `model_name`", item))
            continue
        entry = Section(source, at, item)
        reader = _EntryReader(entry, missing, notices, allow_unset=allow_unset)
        deployment = reader.read()
        taken = deployment.deployment_id
        if taken is not None:
            if taken in ids:
                source.refuse(
                    source.error(
                        (*at, "model_info", "id"),
                        f"`{format_path(at)}.model_info.id` is the id of the entry on line "
                        f"{ids[taken]} too: give each its own",
                    )
                )
            ids[taken] = deployment.line
        deployments.append(deployment)
    return tuple(deployments), notices


def _explain_no_models(root: Section) -> str:
    """Why a file names no model, with the key that was probably meant."""
    if "model_list" in root.values:
        return "`model_list` is empty: the file names no model"
    text = "there is no `model_list`: the file names no model"
    unknown = [key for key in root.values if key not in TOP.known]
    holders = [key for key in unknown if _holds_entries(root.values[key])]
    near = holders[0] if holders else nearest("model_list", unknown, cutoff=_LIST_NEAR)
    if near is not None:
        return f"{text}; is it `{printable(near)}` on line {root.source.line(root.at(near))}?"
    for key, inner in root.values.items():
        if isinstance(inner, dict) and "model_list" in inner:
            line = root.source.line((*root.at(key), "model_list"))
            return f"{text}; the one on line {line} stands inside `{printable(key)}`: unindent it"
    return text


def _holds_entries(value: object) -> bool:
    """Whether a value has keys of `model_list` entries: perhaps the list has a wrong name."""
    items = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and not _OF_ENTRIES.isdisjoint(item) for item in items)


def is_reported(path: KeyPath) -> bool:
    """Whether an error in the value at this path is reported by its deployment."""
    if path[:1] != ("model_list",):
        return False
    inside, key = path[2:3], path[3:4]
    return inside == ("model_name",) or (
        inside == ("litellm_params",) and not _REPORTED.isdisjoint(key)
    )


def explain_reference(name: str) -> str:
    """The explanation for a reference to a variable in another program's spelling."""
    return (
        f"seems to name the environment variable `{printable(name)}` in a spelling that is not "
        f"replaced: write `{PREFIX}{printable(name)}`, as the whole value"
    )


class _EntryReader:
    """Reads one entry of `model_list`. `missing` maps paths to variables that are not set."""

    def __init__(
        self,
        entry: Section,
        missing: Mapping[KeyPath, str],
        notices: list[Notice],
        *,
        allow_unset: bool,
    ) -> None:
        self.allow_unset = allow_unset
        self.entry = entry
        self.source = entry.source
        self.params = entry.section("litellm_params")
        self.info = entry.section("model_info")
        self.missing = {
            path: name for path, name in missing.items() if path[: len(entry.path)] == entry.path
        }
        self.notices = notices

    def read(self) -> DeploymentConfig:
        """The entry as a deployment."""
        name = self._required_text(self.entry, "model_name")
        model = self._required_text(self.params, "model")
        self._check_wildcards(name, model)
        problem, unset = self._report_missing(name)
        foreign = self._find_reference(name)
        self._report_entry_keys()
        self._check_limits()
        given = {
            **read_options(self.info, Scope.MODEL),
            **read_options(self.params, Scope.DEPLOYMENT),
        }
        settings = {key: given.pop(key) for key in _HOST_KEYS & given.keys()}
        return DeploymentConfig(
            public_name=name,
            model=model,
            host_settings=settings,
            params=self._read_request_params(),
            deployment_id=self.info.text("id") or None,
            model_info=dict(self.info.values),
            missing_variable=self.missing.get(self.params.at("api_key")),
            problem=foreign or problem,
            unset_variables=() if foreign else unset,
            line=self.source.line(self.entry.path),
            **as_attributes(fold_aliases(given)),
        )

    def _required_text(self, section: Section, key: str) -> str:
        """Read a required text, such as `model`.

        Notes an error where it is missing or a bad reference.
        """
        path = section.at(key)
        where = format_path(path)
        if path in self.missing:
            name = printable(self.missing[path])
            text = f"`{where}` names the environment variable `{name}`, which is not set: set it"
            if not self.allow_unset:
                self.source.refuse(self.source.error(path, text))
            return f"{PREFIX}{name}"
        text = (section.text(key) or "").strip()
        foreign = (
            None if path in self.source.origins else unsupported_reference(text, is_whole=False)
        )
        if foreign is not None:
            self.source.refuse(self.source.error(path, f"`{where}` {explain_reference(foreign)}"))
        elif not text and section.values.get(key) in (None, "") and self._is_mapping(section):
            near = nearest(key, section.values, cutoff=_NEAR)
            hint = f": did you mean it by `{printable(near)}`?" if near and near != key else ""
            text = f"`{where}` is missing{hint or ': every entry needs one'}"
            self.source.refuse(self.source.error(path, text))
            return ""
        return text

    def _is_mapping(self, section: Section) -> bool:
        """Whether a section is a mapping; if not, that is its only error."""
        return section is self.entry or isinstance(
            self.entry.values.get("litellm_params"), dict | None
        )

    def _check_wildcards(self, name: str, model: str) -> None:
        """Refuse wildcards that cannot be filled."""
        for key, text in (("model_name", name), ("litellm_params.model", model)):
            if text.count(WILDCARD) > 1:
                self.source.refuse(
                    self.source.error(
                        self.entry.path,
                        f"`{format_path(self.entry.path)}.{key}` is `{printable(text)}`: "
                        "one `*` at most",
                    )
                )
        if WILDCARD in model and WILDCARD not in name:
            self.source.refuse(
                self.source.error(
                    self.params.at("model"),
                    f"`{format_path(self.params.at('model'))}` is `{printable(model)}`, but the "
                    f"model_name `{printable(name)}` has no `*` that could fill it",
                )
            )

    def _find_reference(self, name: str) -> str | None:
        """Why a deployment cannot be used: a reference in another program's spelling.

        None without one.
        """
        problem: str | None = None
        for key in (*sorted(_VITAL), "api_key"):
            for path, text in texts_in(self.params.values.get(key), self.params.at(key)):
                foreign = unsupported_reference(text, is_whole=False)
                if foreign is not None and path not in self.source.origins:
                    why = explain_reference(foreign)
                    problem = f"model `{printable(name)}` cannot be used: its {key} {why}"
                    self.notices.append(self.source.notice(path, problem, "error"))
        return problem

    def _report_missing(self, name: str) -> tuple[str | None, tuple[str, ...]]:
        """Report variables that are not set.

        Gives the reason why the deployment cannot be used, if one of them makes it so, and the
        variables that it requires.
        """
        depth = len(self.params.path)
        problem: str | None = None
        vital: list[str] = []
        for path, variable in self.missing.items():
            where = format_path(path)
            named = f"the environment variable `{printable(variable)}`, which is not set"
            is_of_params = path[:depth] == self.params.path
            if is_of_params and path[depth] == "api_key":
                vital.append(variable)
                continue
            if is_of_params and path[depth] in _VITAL:
                vital.append(variable)
                problem = (
                    f"model `{printable(name)}` cannot be used: "
                    f"its {path[depth]} names {named}. Set it"
                )
                if not self.allow_unset:
                    self.notices.append(self.source.notice(path, problem, "error"))
            elif path not in (self.entry.at("model_name"), self.params.at("model")):
                text = (
                    f"`{where}` of model `{printable(name)}` names {named}: it counts as not given"
                )
                severity: Severity = "info" if self.allow_unset else "warning"
                self.notices.append(self.source.notice(path, text, severity))
            else:
                vital.append(variable)
                problem = f"model `{printable(name)}` cannot be used: its {path[-1]} names {named}"
        return problem, tuple(dict.fromkeys(vital))

    def _report_entry_keys(self) -> None:
        """Report the entry's keys that are unknown, or that do nothing here."""
        for key in self.entry.values:
            path = self.entry.at(key)
            if key in MODEL.planned:
                text = (
                    f"`{format_path(path)}` is known to LiteLLM, not supported by Puna yet: ignored"
                )
                self.notices.append(self.source.notice(path, text))
            elif key not in MODEL.supported:
                near = nearest(key, (*MODEL.known, *PARAMS.supported))
                text = f"unknown key `{printable(key)}` in {format_path(self.entry.path)}"
                if key in BY_NAME and key not in PARAMS.supported:
                    hint = f": it {place_of(key)}"
                elif near in PARAMS.supported:
                    hint = f": `{near}` belongs inside `litellm_params`"
                else:
                    hint = f": did you mean `{near}`?" if near else ": ignored"
                self.notices.append(self.source.notice(path, f"{text}{hint}"))
        for key in self.info.values:
            if key in BY_NAME and Scope.MODEL not in BY_NAME[key].kinds:
                path = self.info.at(key)
                text = f"`{format_path(path)}` has no effect there: `{key}` {place_of(key)}"
                self.notices.append(self.source.notice(path, text))

    def _read_request_params(self) -> dict[str, Any]:
        """The other keys of `litellm_params`, as default request parameters; nulls are left out."""
        found: dict[str, Any] = {}
        for key, value in self.params.values.items():
            if key in PARAMS.supported or key in _HOST_KEYS or value is None:
                continue
            path = self.params.at(key)
            if key in REQUEST_PARAMS:
                found[key] = value
                continue
            text = self._refusal(key)
            if text is not None:
                self.notices.append(self.source.notice(path, text))
                continue
            near = nearest(key, sorted(REQUEST_PARAMS), cutoff=_NEAR)
            if near:
                text = (
                    f"`{format_path(path)}` is sent as the request parameter `{printable(key)}`: "
                    f"did you mean `{near}`?"
                )
                self.notices.append(self.source.notice(path, text))
            found[key] = value
        return found

    def _refusal(self, key: str) -> str | None:
        """Why a key cannot be a request parameter, or None if it may be one."""
        where = format_path(self.params.at(key))
        if key in PARAMS.planned or key.startswith(HOST_PREFIXES):
            return f"`{where}` is known to LiteLLM, not supported by Puna yet: ignored"
        if key in BY_NAME:
            return f"`{where}` has no effect there: `{key}` {place_of(key)}"
        near = nearest(key, sorted(PARAMS.supported), cutoff=_NEAR)
        if near:
            return f"unknown key `{where}`: did you mean `{near}`? It is ignored"
        if looks_secret(key):
            return f"`{where}` looks like a secret and is no key that is known: it is not sent"
        return None

    def _check_limits(self) -> None:
        """Refuse wrong values of keys that are reported and have no effect yet."""
        for section in (self.params, self.entry):
            section.whole("rpm")
            section.whole("tpm")
        self.params.names("tags")

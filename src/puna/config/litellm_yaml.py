"""Reads LiteLLM's `config.yaml` into Puna's own configuration.

What each key does is in `litellm_keys`. A key that LiteLLM knows and Puna has not built is reported
and ignored; an unknown key is reported with the nearest known name. Errors are collected into one
ConfigError, which names file, line and key of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from puna.config.environment import (
    KeyPath,
    Resolved,
    resolve,
    texts_in,
    unsupported_reference,
)
from puna.config.litellm_keys import (
    GENERAL,
    LITELLM,
    ROUTER,
    TOP,
    SectionKeys,
)
from puna.config.litellm_models import explain_reference, is_reported, read_deployments
from puna.config.litellm_router import read_router, report_names
from puna.config.options import as_attributes, read_options
from puna.config.reading import Section, Source, nearest
from puna.config.schema import GatewayConfig, Notice, ServerConfig, SettingsConfig, Severity
from puna.config.yaml_source import YAMLDocument, format_path, load_yaml, printable
from puna.errors import ConfigError
from puna.types.option_kinds import Scope
from puna.types.option_scopes import BY_NAME, place_of
from puna.types.secret import Secret

_MASTER_KEY = ("general_settings", "master_key")
_WELL_KNOWN_KEYS = frozenset({"sk-1234", "sk-12345", "sk-123456", "1234", "changeme", "secret"})
_SECTIONS = {"litellm_settings": LITELLM, "general_settings": GENERAL, "router_settings": ROUTER}


def load_litellm_yaml(
    path: str | Path, environ: Mapping[str, str], *, allow_unset: bool = False
) -> GatewayConfig:
    """Read the file at `path`; `environ` resolves its `os.environ/NAME` references.

    With `allow_unset` a variable that is not set is no error, for a file that is checked on another
    machine than it is served on.

    Raises ConfigError if the file cannot be read or used.
    """
    file = str(path)
    try:
        content = Path(path).read_bytes()
    except OSError as problem:
        reason = (problem.strerror or "unknown reason").lower()
        raise ConfigError(
            f"the configuration file cannot be read: {reason}. Check the path", file=file
        ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ConfigError(
            "the file is not UTF-8: save it as UTF-8",
            file=file,
            line=content.count(b"\n", 0, problem.start) + 1,
        ) from None
    return parse_litellm_yaml(text, environ, file, allow_unset=allow_unset)


def parse_litellm_yaml(
    text: str, environ: Mapping[str, str], file: str | None = None, *, allow_unset: bool = False
) -> GatewayConfig:
    """Parse the text of a configuration; `file` is only its name in messages.

    Raises ConfigError with everything that is wrong, and with the warnings that may explain it.
    Whether a deployment can be used is decided in `puna.config.usable`.
    """
    document = load_yaml(text, file)
    problems: list[ConfigError] = []
    environment, about_environment = _read_environment(document, environ, file, problems)
    revealed = {name: secret.reveal() for name, secret in environment.items()}
    body = {key: value for key, value in document.root.items() if key != "environment_variables"}
    resolved = resolve(body, {**environ, **revealed})
    source = Source(file, document.lines, document.texts, resolved.origins, problems)
    root = Section(source, (), resolved.value)

    unset_severity: Severity = "info" if allow_unset else "warning"
    notices = [*about_environment, *_report_unset(resolved, source, unset_severity)]
    notices += _report_references(resolved, source)
    notices += report_keys(Section(source, (), document.root), TOP)
    for name, keys in _SECTIONS.items():
        notices += report_keys(root.section(name), keys)
    deployments, about_models = read_deployments(root, resolved.unset, allow_unset=allow_unset)
    settings = root.section("litellm_settings")
    router, about_router = read_router(root.section("router_settings"), settings)
    is_key_unset = any(unset.path == _MASTER_KEY for unset in resolved.unset)
    server, about_server = _read_server(root.section("general_settings"), is_key_unset=is_key_unset)
    notices += [*about_models, *about_router, *about_server]
    notices += report_names(router, deployments, source)
    config = GatewayConfig(
        deployments=deployments,
        router=router,
        server=server,
        settings=_read_settings(settings),
        environment=environment,
        file=file,
        notices=tuple(notices),
    )
    if problems:
        problems.sort(key=lambda problem: problem.line or 0)
        error = ConfigError.joined(problems, notices)
        error.partial = config
        raise error
    return config


def report_keys(section: Section, keys: SectionKeys) -> list[Notice]:
    """A notice for each key of a section that does not do what it does in LiteLLM."""
    notices: list[Notice] = []
    where = f" in {format_path(section.path)}" if section.path else ""
    for key in section.values:
        path = section.at(key)
        if key in keys.supported:
            continue
        if key in keys.always:
            text = f"`{key}`{where} changes nothing: {keys.always[key]}"
            notices.append(section.source.notice(path, text, "info"))
        elif key in keys.planned:
            text = f"`{key}`{where} is known to LiteLLM, not supported by Puna yet: ignored"
            notices.append(section.source.notice(path, text))
        else:
            near = nearest(key, keys.known)
            hint = f": did you mean `{near}`?" if near else ": ignored"
            if key in BY_NAME:
                hint = f": it {place_of(key)}"
            line = section.source.line(path)
            text = f"unknown key `{printable(key)}`{where} (line {line}){hint}"
            notices.append(Notice("warning", text, line=line, key=format_path(path)))
    return notices


def _read_environment(
    document: YAMLDocument,
    environ: Mapping[str, str],
    file: str | None,
    problems: list[ConfigError],
) -> tuple[dict[str, Secret], list[Notice]]:
    """The variables that the file sets, and a notice for each that refers to an unset one."""
    path: KeyPath = ("environment_variables",)
    resolved = resolve(document.root.get("environment_variables"), environ, path)
    source = Source(file, document.lines, document.texts, resolved.origins, problems)
    section = Section(source, (), {"environment_variables": resolved.value}).section(
        "environment_variables"
    )
    found: dict[str, Secret] = {}
    for name, value in section.values.items():
        at = section.at(name)
        text = document.texts[at] if isinstance(value, bool) else section.text(name)
        if text is None:
            continue
        fault = _fault_of_variable(name, text)
        if fault is None:
            found[name] = Secret(text)
        else:
            source.refuse(source.error(at, f"`{printable(format_path(at))}` {fault}"))
    foreign = [
        source.notice(at, f"`{format_path(at)}` {explain_reference(variable)}")
        for at, text in texts_in(resolved.value, path)
        if at not in resolved.origins and (variable := unsupported_reference(text)) is not None
    ]
    return found, [*_report_unset(resolved, source), *foreign]


def _fault_of_variable(name: str, value: str) -> str | None:
    """Why an environment cannot hold a variable, as words that follow its name; None if it can."""
    if not name or "=" in name:
        return "is no name of an environment variable: it must not be empty or hold `=`"
    if any(one == "\0" or "\ud800" <= one <= "\udfff" for one in name + value):
        return "holds a null byte or half a surrogate pair: no environment variable can"
    return None


def _report_references(resolved: Resolved, source: Source) -> list[Notice]:
    """A warning for each value with a reference in another program's spelling.

    In a deployment's key or address it is an error, which the deployment reports. As the master key
    it is an error of the file: otherwise its text, which everybody can read, would be the key.
    """
    notices: list[Notice] = []
    for path, text in texts_in(resolved.value):
        is_master_key = path == ("general_settings", "master_key")
        name = unsupported_reference(text, is_whole=not is_master_key)
        if name is None or path in resolved.origins or is_reported(path):
            continue
        told = f"`{format_path(path)}` {explain_reference(name)}"
        if is_master_key:
            source.refuse(source.error(path, told))
        else:
            notices.append(source.notice(path, told))
    return notices


def _report_unset(
    resolved: Resolved, source: Source, severity: Severity = "warning"
) -> list[Notice]:
    """A notice for each unset variable, unless a deployment reports it.

    An unset `master_key` is an error unless unset variables are allowed (`severity` is then
    `info`): the gateway would be open to everybody.
    """
    notices: list[Notice] = []
    for unset in resolved.unset:
        where = format_path(unset.path)
        named = (
            f"`{where}` names the environment variable `{printable(unset.name)}`, which is not set"
        )
        if unset.path == _MASTER_KEY and severity != "info":
            text = f"{named}: set it, or remove the line for no key"
            source.refuse(source.error(unset.path, text))
        elif unset.path[:1] != ("model_list",):
            text = f"{named}: the key counts as not given"
            notices.append(source.notice(unset.path, text, severity))
    return notices


def _read_settings(section: Section) -> SettingsConfig:
    """Read `litellm_settings`."""
    found = read_options(section, Scope.SETTINGS)
    return SettingsConfig(**as_attributes(found))


def _read_server(section: Section, *, is_key_unset: bool) -> tuple[ServerConfig, list[Notice]]:
    """Read `general_settings`. Returns it with its warnings.

    `is_key_unset`: the master key refers to a variable that is not set, which is reported
    elsewhere.
    """
    notices: list[Notice] = []
    found = as_attributes(read_options(section, Scope.GENERAL))
    master_key = found.get("master_key")
    path = section.at("master_key")
    written = section.values.get("master_key")
    if isinstance(written, str) and master_key is None:
        text = "`general_settings.master_key` is blank: give a key, or remove the line for none"
        section.source.refuse(section.source.error(path, text))
    elif "master_key" in section.values and written is None and not is_key_unset:
        text = "`general_settings.master_key` is empty: the gateway is open, no key is asked for"
        notices.append(section.source.notice(path, text))
    if master_key is not None and master_key.reveal().lower() in _WELL_KNOWN_KEYS:
        text = (
            "`general_settings.master_key` is a key that everybody knows from examples: choose a "
            "long random one"
        )
        notices.append(section.source.notice(path, text))
    server = ServerConfig(**found, master_key_variable=section.source.origins.get(path))
    return server, notices

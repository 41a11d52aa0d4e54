"""The pages made from the tables in the code: commands, providers, models, errors, endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import click

from puna.catalog.facts import ModelFacts, list_models
from puna.catalog.prices import PICOS_PER_DOLLAR, Price
from puna.catalog.retirements import list_retirements
from puna.cli.main import puna as command
from puna.config.litellm_keys import SECTIONS
from puna.dialects.quirks import Quirks
from puna.errors import STATUS_CLASSES, APIError, PunaError
from puna.gateway.endpoints.paths import NOT_BUILT
from puna.gateway.endpoints.table import ENDPOINTS
from puna.governance.keys import KEY_HEADERS
from puna.providers.base import Provider
from puna.providers.table import PROVIDERS
from puna.types.option_kinds import Merge, Option, Scope
from puna.types.option_scopes import REQUEST_OPTIONS
from puna.types.options import OPTIONS

_WIDTH = 90
_KEYS_HEAD = "| key | effect |\n|---|---|\n"
_MILLION = 1_000_000


def cli_page() -> str:
    """Every command's `--help`."""
    names = list(command.context_settings["help_option_names"])
    top = click.Context(command, info_name="puna", terminal_width=_WIDTH, help_option_names=names)
    lines = ["# Commands", "", *_fenced(command.get_help(top))]
    for name in sorted(command.commands):
        one = command.commands[name]
        context = click.Context(one, info_name=name, parent=top, terminal_width=_WIDTH)
        lines += ["", f"## `puna {name}`", "", *_fenced(one.get_help(context))]
    return "\n".join(lines)


def providers_page() -> str:
    """Every provider's row."""
    lines = [
        "# Providers",
        "",
        "A model is named `provider/model`. Each provider is one row in `src/puna/providers/`;",
        "[CONTRIBUTING](../../CONTRIBUTING.md) shows how to add one.",
    ]
    for row in PROVIDERS.values():
        lines += ["", f"## `{row.name}`", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in _provider_facts(row) if value]
    return "\n".join(lines)


def models_page() -> str:
    """The catalogue."""
    lines = [
        "# Models in the catalogue",
        "",
        "Limits are in tokens, prices in US dollars per million tokens; `-` means that no source",
        "says. What a model lacks, and kinds of `tool_choice` beside those that are named, is",
        "refused before anything is sent. Any other model of a provider can be called as well.",
    ]
    for provider in PROVIDERS:
        facts = list_models(provider, include_previews=True)
        if not facts:
            continue
        lines += ["", f"## `{provider}`", ""]
        lines += [
            "| model | input | output | reads | features | lacks | `tool_choice` | price in / out |"
        ]
        lines += ["|---|---|---|---|---|---|---|---|", *map(_model_row, facts)]
        lines += ["", "Sources:", ""]
        lines += [f"- `{one.model}`: {one.source} (read {one.as_of})" for one in facts]
    lines += [
        "",
        "## When hosts end models",
        "",
        "The day on which a host ends a model for everybody. `*` stands for any text; of a",
        "provider's rows the first that fits counts.",
        "",
        "| provider | model | ends on | source |",
        "|---|---|---|---|",
        *(
            f"| `{provider}` | `{end.pattern}` | {end.ends_on} | {end.source} (read {end.as_of})"
            f"{'. ' + end.notes if end.notes else ''} |"
            for provider in PROVIDERS
            for end in list_retirements(provider)
        ),
    ]
    return "\n".join(lines)


def errors_page() -> str:
    """The tree of errors, what each carries, and the class of each status."""
    tree = [cls for _, cls in _error_tree(PunaError)]
    lines = [
        "# Errors",
        "",
        "What to do about them: [errors and retries](../guides/errors-and-retries.md).",
        "",
        "| error | status | code | fault | tried again | meaning |",
        "|---|---|---|---|---|---|",
        *(_error_row(depth, cls) for depth, cls in _error_tree(PunaError)),
        "",
        "The values are each class's defaults: an upstream's own status and code take their place,",
        "and an upstream may say whether to try again.",
        "",
        "## From an upstream's status",
        "",
        "| status | error |",
        "|---|---|",
        *(f"| {status} | `{cls.__name__}` |" for status, cls in STATUS_CLASSES.items()),
        "| other 4xx | `BadRequestError` |",
        "| other 5xx | `InternalServerError` |",
        "",
        f"{len(tree)} classes, all in `puna` and `puna.errors`.",
    ]
    return "\n".join(lines)


def endpoints_page() -> str:
    """Every path of the gateway."""
    lines = [
        "# Endpoints",
        "",
        "`{model}` stands for a model name, slashes included. With a master key the paths marked",
        f"*yes* ask for it; it may stand in {_names(KEY_HEADERS)}.",
        "",
        "| method | path | key | answers |",
        "|---|---|---|---|",
        *(
            f"| {one.method} | `{one.path}` | {'yes' if one.needs_key else 'no'} | {one.summary} |"
            for one in ENDPOINTS
        ),
        "",
        "## Fields of a request",
        "",
        f"Kept in the gateway, where they steer the call: {_names(sorted(REQUEST_OPTIONS))}.",
        "",
        "Refused, for only the operator may set them: all other [options](options.md).",
        "",
        "In chat requests all others go upstream; the other shapes' rules are in their guides.",
        "",
        "## Not built yet",
        "",
        "These answer with an error that says so: "
        + ", ".join(f"`{one.start}` ({one.what})" for one in NOT_BUILT if not one.needs_store)
        + "; and, with status 501, everything under "
        + _names(one.start for one in NOT_BUILT if one.needs_store)
        + ", unless there is a database: then the [admin API](admin-api.md) is there.",
    ]
    return "\n".join(lines)


def with_key_tables(guide: str) -> str:
    """The guide to the configuration file, with the rows of its tables from the code."""
    before, *tables = guide.split(_KEYS_HEAD)
    parts = [before]
    for keys, table in zip(SECTIONS.values(), tables, strict=True):
        rows = [f"| `{key}` | {text} |\n" for key, text in keys.supported.items()]
        rows += [f"| `{key}` | no effect: {text} |\n" for key, text in keys.always.items()]
        parts += [_KEYS_HEAD, *rows, table[table.index("\n\n") + 1 :]]
    return "".join(parts)


def options_page() -> str:
    """Every option: what it must be in each place, and what it does."""
    lines = [
        "# Options",
        "",
        "An option steers how a request is served and is not sent to a host. It may stand in the",
        "places that its row names:",
        "",
        *(f"- *{_place(scope)}*: {scope.value}" for scope in Scope),
        "",
        "Anywhere else it is refused or, in a configuration file, reported and ignored. Where",
        "several places give it, the nearest counts: call or request, then deployment, router,",
        "settings; those with *all* are joined.",
        "",
        "| option | may stand in | must be | does |",
        "|---|---|---|---|",
        *(row for option in OPTIONS for row in _option_rows(option)),
    ]
    return "\n".join(lines)


def _option_rows(option: Option) -> Iterator[str]:
    """A row for each kind of value that the option may have."""
    about = option.about + (" (*all*)" if option.merge is Merge.TOGETHER else "")
    about = "; ".join((about, *(f"*{_place(s)}*: {text}" for s, text in option.notes.items())))
    for kind in dict.fromkeys(option.kinds.values()):
        places = ", ".join(_place(scope) for scope in option.kinds if option.kinds[scope] is kind)
        yield f"| `{option.name}` | {places} | {kind.words} | {about} |"


def _place(scope: Scope) -> str:
    return scope.name.lower().replace("_", "-")


def _fenced(text: str) -> list[str]:
    return ["```text", *(line.rstrip() for line in text.splitlines()), "```"]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _provider_facts(row: Provider) -> Iterator[tuple[str, str]]:
    yield "documentation", _documentation(row.docs_url)
    yield "its own address", f"`{row.base_url}`" if row.base_url else "none: give `api_base`"
    yield "address from", _names(row.base_url_variables)
    for setting in row.settings:
        told = _names((*setting.keywords, *setting.variables))
        yield f"`{{{setting.name}}}` from", f"{told}; such as `{setting.example}`"
    yield "in every URL", _query_rule(row)
    yield "key from", _names(row.key_variables)
    yield "key", _key_rule(row)
    yield from _signing_facts(row)
    yield "dialect", f"`{row.dialect}`"
    yield "a name without slash", f"gets `{row.model_prefix}` before it" if row.model_prefix else ""
    yield "means nothing before a name", _names(row.optional_prefixes)
    service = row.own_quirks or row.quirks
    yield from _quirk_facts(service)
    own = dict(_quirk_facts(service))
    if row.own_quirks is not None:
        elsewhere = {what: fact for what, fact in _quirk_facts(row.quirks) if fact}
        rules = [f"{what}: {fact}" for what, fact in elsewhere.items()]
        yield "at another address", "; ".join(rules) or "none of these rules"
    for text, quirks in row.model_quirks.items():
        others = [(what, fact) for what, fact in _quirk_facts(quirks) if fact != own.get(what)]
        yield from ((f"models with `{text}`: {what}", fact) for what, fact in others)
    yield "embeddings", "none at its own address" if service.lacks_embeddings else ""
    yield "Responses API", _responses(row)
    where = "native" if row.is_self_hosted else "native at its own address"
    yield "text completions", where if row.quirks.has_completions else ""
    yield "note", row.retirement or ""


def _signing_facts(row: Provider) -> Iterator[tuple[str, str]]:
    if row.signing is not None:
        named = (_names((*key.keywords, *key.variables)) for key in row.signing.keys)
        yield "or signed with", "; ".join(named)
    yield "refused", _names(sorted(row.refused_settings))


def _responses(row: Provider) -> str:
    """Where the host is asked in the Responses API, and for what."""
    quirks = row.quirks
    if not quirks.has_responses:
        return ""
    where = "native" if row.is_self_hosted else "native at its own address"
    return f"{where}; over chat with tools that chat has" * quirks.prefers_chat_for_tools or where


def _query_rule(row: Provider) -> str:
    """The query that the row appends, and where its values come from."""
    names = dict.fromkeys((*row.query, *row.query_variables))
    return ", ".join(
        f"`{name}`: "
        + " or ".join(
            part
            for part in (
                _names(row.query_variables.get(name, ())),
                f"`{row.query[name]}`" if name in row.query else "",
            )
            if part
        )
        for name in names
    )


def _documentation(url: str) -> str:
    return f"[this guide](../{url.removeprefix('docs/')})" if url.startswith("docs/") else url


def _key_rule(row: Provider) -> str:
    if not row.needs_key:
        return "none needed"
    if row.base_url is None:
        return "sent where one is known"
    where = "needed at its own address; elsewhere no key means no `Authorization`"
    bound = "; the environment's key never goes to an `api_base` that a call names"
    return where + (bound if row.is_key_bound_to_host else "")


def _quirk_facts(quirks: Quirks) -> Iterator[tuple[str, str]]:
    yield "refuses", _names(sorted(quirks.unsupported_params))
    yield "leaves out and reports", _names(sorted(quirks.ignored_params))
    if quirks.extra_params is not None:
        yield "beyond OpenAI's parameters", f"only {_names(sorted(quirks.extra_params))}"
    yield "`response_format`", _names(sorted(quirks.response_formats or ()))
    yield (
        "roles",
        ", ".join(f"`{ours}` is sent as `{its}`" for ours, its in quirks.rename_roles.items()),
    )
    yield "images", f"at most {quirks.max_images}" if quirks.max_images is not None else ""
    yield from _wire_facts(quirks)


def _renamed(names: Mapping[str, str]) -> str:
    return ", ".join(f"`{ours}` as `{its}`" for ours, its in names.items())


def _wire_facts(quirks: Quirks) -> Iterator[tuple[str, str]]:
    yield "`tool_choice`", _names(sorted(quirks.tool_choices or ()))
    yield (
        "a stream with tools",
        "is asked for whole, and comes as chunks" if quirks.lacks_tool_streaming else "",
    )
    yield "`n`", f"at most {quirks.max_choices}" if quirks.max_choices is not None else ""
    yield "sends", _renamed(quirks.rename_params)
    yield "refuses in messages", _names(sorted(quirks.unsupported_message_fields))
    yield "reads the finish reason", _renamed(quirks.rename_finish_reasons)
    yield (
        "usage of a stream",
        "asked for, and hidden from callers who did not ask"
        if quirks.documents_stream_usage
        else "",
    )
    yield "usage is also read from", f"`{quirks.usage_parent}.usage`" if quirks.usage_parent else ""
    yield "path begins with", f"`{quirks.path_prefix}`" if quirks.path_prefix else ""
    yield "the key stands in", f"the header `{quirks.key_header}`" if quirks.key_header else ""


def _model_row(facts: ModelFacts) -> str:
    preview = "" if facts.is_documented else " (preview)"
    return (
        f"| `{facts.model}`{preview} | {_limit(facts.max_input_tokens)} "
        f"| {_limit(facts.max_output_tokens)} | {', '.join(facts.input_modalities)} "
        f"| {_words(facts.features)} | {_words(facts.lacks)} "
        f"| {_words(facts.tool_choices or ())} | {_price(facts.price)} |"
    )


def _words(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "-"


def _limit(tokens: int | None) -> str:
    return f"{tokens:,}" if tokens is not None else "-"


def _price(price: Price | None) -> str:
    if price is None:
        return "-"
    if price.is_free:
        return "free"
    sums = (price.input_picos, price.output_picos)
    return " / ".join(f"{picos * _MILLION / PICOS_PER_DOLLAR:g}" for picos in sums)


def _error_tree(cls: type[PunaError], depth: int = 0) -> Iterator[tuple[int, type[PunaError]]]:
    """The classes of `puna.errors` in the order of their tree, with their depth."""
    yield depth, cls
    for child in cls.__subclasses__():
        if child.__module__ == PunaError.__module__:
            yield from _error_tree(child, depth + 1)


def _error_row(depth: int, cls: type[PunaError]) -> str:
    name = f"{'&nbsp;&nbsp;' * depth}`{cls.__name__}`"
    meaning = (cls.__doc__ or "").strip().splitlines()[0]
    if not issubclass(cls, APIError):
        return f"| {name} | | | | | {meaning} |"
    again = "yes" if cls.is_retryable else "no"
    return f"| {name} | {cls.status_code} | `{cls.code}` | {cls.fault} | {again} | {meaning} |"

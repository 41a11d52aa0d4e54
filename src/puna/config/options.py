"""Reads the options of a section of a configuration file, each by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import puna.types.option_kinds as kinds
from puna.config.reading import Section
from puna.config.schema import ModelBudget
from puna.types.option_kinds import Kind, Scope
from puna.types.option_scopes import BY_NAME, options_in

_BYTES_PER_MB = 1024 * 1024


def _read_trimmed(section: Section, key: str) -> str | None:
    """Read a text without the white space around it; None for a blank one."""
    return (section.text(key) or "").strip() or None


def _read_header_name(section: Section, key: str) -> str | None:
    """Read the name of a header, in lower case. Notes an error where it is none."""
    name = _read_trimmed(section, key)
    if name is not None and not kinds.HEADER_NAME.is_right(name):
        path = section.at(key)
        section.source.refuse(section.source.wrong(path, kinds.HEADER_NAME.words, name))
        return None
    return name.lower() if name else None


def _read_bytes(section: Section, key: str) -> int | None:
    """Read a number of megabytes as bytes, at least one."""
    megabytes = section.number(key)
    return None if megabytes is None else max(1, int(megabytes * _BYTES_PER_MB))


def _checked_by(kind: Kind) -> Callable[[Section, str], Any]:
    """Read a value that its kind checks, as it is written."""

    def read(section: Section, key: str) -> Any:
        value = section.values[key]
        if kind.is_right(value):
            return value
        section.source.refuse(section.source.wrong(section.at(key), kind.words, value))
        return None

    return read


_OF_BUDGETS = {"budget_limit": "max_budget", "time_period": "budget_duration"}
"""LiteLLM's other names in a model's budget."""


def _read_model_budgets(section: Section, key: str) -> Mapping[str, ModelBudget]:
    """The budgets of single models; LiteLLM's other names are known."""
    models = section.section(key)
    found: dict[str, ModelBudget] = {}
    for model in models.values:
        budget = models.section(model)
        for name in budget.values:
            if _OF_BUDGETS.get(name, name) not in ModelBudget.__dataclass_fields__:
                text = f"`{name}` is no part of a model's budget: give `max_budget`, "
                text += "`max_tokens_budget` or `budget_duration`"
                section.source.refuse(section.source.error(budget.at(name), text))
        window = [name for name in ("budget_duration", "time_period") if budget.values.get(name)]
        found[model] = ModelBudget(
            budget.price("max_budget") or budget.price("budget_limit"),
            budget.whole("max_tokens_budget"),
            _checked_by(kinds.DURATION)(budget, window[0]) if window else None,
        )
    return found


_READERS: Mapping[Kind, Callable[[Section, str], Any]] = {
    kinds.ADDRESS: _read_trimmed,
    kinds.ANSWER_TEXT: Section.text,
    kinds.BOOLEAN: Section.flag,
    kinds.COUNT: Section.whole,
    kinds.DOLLARS: Section.price,
    kinds.DURATION: _checked_by(kinds.DURATION),
    kinds.FILE: _read_trimmed,
    kinds.HEADER_NAME: _read_header_name,
    kinds.HEADERS: Section.texts,
    kinds.HOST_NAMES: lambda section, key: tuple(name.lower() for name in section.names(key)),
    kinds.HOST_SETTING: Section.secret,
    kinds.LOGIN: Section.secret,
    kinds.MEGABYTES: _read_bytes,
    kinds.MODEL_BUDGETS: _read_model_budgets,
    kinds.NAMES: Section.names,
    kinds.NUMBER: lambda section, key: section.number(key, is_zero_fine=True),
    kinds.PAUSE: lambda section, key: section.number(key, is_zero_fine=True),
    kinds.POSITIVE: lambda section, key: section.whole(key, least=1),
    kinds.PRICE: Section.price,
    kinds.REFUSAL: _checked_by(kinds.REFUSAL),
    kinds.SECONDS: Section.number,
    kinds.SECRET: Section.secret,
    kinds.TEXT: Section.text,
    kinds.UNPRICED: _checked_by(kinds.UNPRICED),
    kinds.VERSION: Section.text,
}
"""Kinds that are not here are read where they are used: what is right depends on more."""


def read_options(section: Section, scope: Scope) -> dict[str, Any]:
    """The options that a section gives, by their names, without those that are null or blank.

    What is wrong is noted in the section's source.
    """
    found: dict[str, Any] = {}
    for option in options_in(scope):
        read = _READERS.get(option.kinds[scope])
        if read is not None and section.values.get(option.name) is not None:
            value = read(section, option.name)
            if value is not None:
                found[option.name] = value
    return found


def as_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names of options as fields of the configuration's classes."""
    return {BY_NAME[name].attribute: value for name, value in values.items()}

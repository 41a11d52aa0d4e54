"""Facts about models, read from the data files beside this one: `models/<provider>.json`.

Every entry names its source and the date on which it was read. What no source says is left out: a
limit or a price of None means "not published", never "none" or "free".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from puna.catalog.prices import Price, price_from_dollars_per_million

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known about one model at one provider.

    Attributes:
        provider, model: the provider's name in Puna, and the model id that is sent to it.
        mode: the kind of call it answers; "chat".
        max_input_tokens, max_output_tokens: limits in tokens, or None when not published.
        input_modalities, output_modalities: such as ("text", "image").
        features: what it can do, each name as in `supports_<name>`: "function_calling",
            "tool_choice", "response_schema", "system_messages", "vision", …
        lacks: what a source says that it cannot do, under the same names.
        tool_choices: the kinds of `tool_choice` that work, of `auto`, `none`, `required` and
            `function` (a named one); None where no source says.
        price: per token; None when no price was published, `FREE` when it costs nothing.
        is_documented: whether the provider's own page lists it; previews are not.
        source, as_of: where the facts come from, and the ISO date on which that was read.
        notes: where sources disagree, and which one is followed.
    """

    provider: str
    model: str
    mode: str
    max_input_tokens: int | None
    max_output_tokens: int | None
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    features: frozenset[str]
    lacks: frozenset[str]
    tool_choices: frozenset[str] | None
    price: Price | None
    is_documented: bool
    source: str
    as_of: str
    notes: str

    def supports(self, feature: str) -> bool:
        """Whether a source says that the model has a feature; unknown counts as no."""
        return feature in self.features


def find_model(provider: str, model: str) -> ModelFacts | None:
    """The facts of a model, or None where the catalogue does not have it.

    Names are compared exactly; `nearest_models` suggests similar ones.
    """
    return _catalog().get(provider, {}).get(model)


def list_models(provider: str, *, include_previews: bool = False) -> tuple[ModelFacts, ...]:
    """The models of a provider in the order of its page; empty for an unknown provider.

    Only models that the provider's page lists, unless `include_previews`.
    """
    known = _catalog().get(provider, {}).values()
    return tuple(facts for facts in known if facts.is_documented or include_previews)


def known_providers() -> tuple[str, ...]:
    """The providers that the catalogue has facts about, sorted."""
    return tuple(sorted(_catalog()))


def nearest_models(provider: str, model: str, limit: int = 3) -> tuple[str, ...]:
    """Known model ids of this provider that are similar to `model`, nearest first; often none.

    Letter case is ignored.
    """
    from difflib import get_close_matches

    if len(model) > _LONGEST_NAME:
        return ()
    by_folded = {known.casefold(): known for known in _catalog().get(provider, {})}
    close = get_close_matches(model.casefold(), by_folded, n=limit)
    return tuple(by_folded[folded] for folded in close)


@cache
def _catalog() -> Mapping[str, Mapping[str, ModelFacts]]:
    """Provider -> model id -> facts, read once from the package's data files."""
    import json
    from importlib.resources import files

    catalog: dict[str, Mapping[str, ModelFacts]] = {}
    for entry in files("puna.catalog").joinpath("models").iterdir():
        page = json.loads(entry.read_text(encoding="utf-8"))
        catalog[page["provider"]] = MappingProxyType(_read_page(page))
    return MappingProxyType(catalog)


def _read_page(page: Mapping[str, Any]) -> dict[str, ModelFacts]:
    provider: str = page["provider"]
    models: Mapping[str, Mapping[str, Any]] = page["models"]
    return {name: _read_entry(provider, name, entry) for name, entry in models.items()}


def _read_entry(provider: str, model: str, entry: Mapping[str, Any]) -> ModelFacts:
    choices = entry.get("tool_choices")
    return ModelFacts(
        provider=provider,
        model=model,
        mode=entry["mode"],
        max_input_tokens=entry["max_input_tokens"],
        max_output_tokens=entry["max_output_tokens"],
        input_modalities=tuple(entry["input_modalities"]),
        output_modalities=tuple(entry["output_modalities"]),
        features=frozenset(entry["features"]),
        lacks=frozenset(entry.get("lacks", ())),
        tool_choices=frozenset(choices) if choices is not None else None,
        price=_read_price(entry["price"]),
        is_documented=entry["is_documented"],
        source=entry["source"],
        as_of=entry["as_of"],
        notes=entry["notes"],
    )


def _read_price(entry: Mapping[str, str] | None) -> Price | None:
    """A price from US dollars per million tokens, written as text so that no digit is lost."""
    if entry is None:
        return None
    classes = {
        "cached_input": "cached_input_picos",
        "cache_write": "cache_write_picos",
        "cache_write_1h": "cache_write_1h_picos",
    }
    return Price(
        input_picos=price_from_dollars_per_million(entry["input"]),
        output_picos=price_from_dollars_per_million(entry["output"]),
        **{
            field: price_from_dollars_per_million(entry[name])
            for name, field in classes.items()
            if entry.get(name) is not None
        },
    )


__all__ = [
    "ModelFacts",
    "find_model",
    "known_providers",
    "list_models",
    "nearest_models",
]

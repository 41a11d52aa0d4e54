"""What can be switched on in a config today: how each is set up, and asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.job import MENDED
from benchmarks.puna_server import Setup
from benchmarks.target import MODELS

Change = Callable[[Setup], Setup]

_HOOK = """
def note(event):
    note.last = event.report.usage
"""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: what it changes in the usual setup, and in what is asked (`Job`)."""

    what: str
    change: Change = lambda setup: setup
    model_form: str = "{}"
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


def _config(setup: Setup, **keys: Any) -> Setup:
    return replace(setup, config={**setup.config, **keys})


def _section(name: str, **keys: Any) -> Change:
    """More keys in a section of the config."""
    return lambda setup: _config(setup, **{name: {**setup.config.get(name, {}), **keys}})


def _params(**keys: Any) -> Change:
    """More `litellm_params` in each deployment."""

    def change(setup: Setup) -> Setup:
        models = [
            {**one, "litellm_params": {**one["litellm_params"], **keys}}
            for one in setup.config["model_list"]
        ]
        return _config(setup, model_list=models)

    return change


def _options(*options: str) -> Change:
    return lambda setup: replace(setup, options=(*setup.options, *options))


def _hook(**keys: Any) -> Change:
    settings = _section("litellm_settings", callbacks=["bench_hooks.note"], **keys)
    return lambda setup: replace(settings(setup), files={"bench_hooks.py": _HOOK})


def _open(setup: Setup) -> Setup:
    return Setup({"model_list": setup.config["model_list"]})


def _four_each(setup: Setup) -> Setup:
    """Four deployments of each model, with weights."""
    models = [
        {**one, "litellm_params": {**one["litellm_params"], "weight": weight}}
        for one in setup.config["model_list"]
        for weight in (1, 2, 3, 4)
    ]
    return _config(setup, model_list=models)


def _wildcard(setup: Setup) -> Setup:
    first = setup.config["model_list"][0]
    params = {**first["litellm_params"], "model": "openai/bench-*"}
    return _config(
        setup, model_list=[first, {"model_name": "any-bench-*", "litellm_params": params}]
    )


FEATURES: tuple[Feature, ...] = (
    Feature("no master key", _open),
    Feature(
        "the key in a header of its own",
        _section("general_settings", litellm_key_header_name="x-team-key"),
    ),
    Feature("4 weighted deployments of the model", _four_each),
    Feature("a wildcard name", _wildcard, model_form="any-{}"),
    Feature(
        "an alias",
        _section("router_settings", model_group_alias={"other": MODELS[0]}),
        model_form="other",
    ),
    Feature("prices", _params(input_cost_per_token=2e-7, output_cost_per_token=6e-7)),
    Feature("retries and time limits", _params(max_retries=5, timeout=30, stream_timeout=60)),
    Feature("fallbacks", _section("router_settings", fallbacks=[{MODELS[0]: MODELS[1:]}])),
    Feature("rests after failures", _section("router_settings", allowed_fails=3, cooldown_time=30)),
    Feature("`drop_params`", _section("litellm_settings", drop_params=True)),
    Feature("JSON logs", _section("litellm_settings", json_logs=True)),
    Feature("verbose logs", _section("litellm_settings", set_verbose=True)),
    Feature("a hook", _hook()),
    Feature("a hook without texts", _hook(turn_off_message_logging=True)),
    Feature("2 workers on the one core", _options("--num_workers", "2")),
    Feature("default parameters of the model", _params(top_p=0.9)),
    Feature("headers of the model", _params(extra_headers={"x-team": "a"})),
    Feature("a limit of connections (full lane)", _options("--limit_concurrency", "1000")),
    Feature("a request that is mended (full lane)", extra=MENDED),
)

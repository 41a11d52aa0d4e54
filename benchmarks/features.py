"""What each feature that can be switched on costs a request."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from benchmarks.feature_setups import FEATURES, Feature
from benchmarks.processes import upstream
from benchmarks.puna_server import base_url_of, serving, usual_setup
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sample import MANY, Sample, cpu_us_per_request, measure, middle
from benchmarks.target import Target

_BASE = Feature("usual")


def _run(settings: Settings) -> Section:
    rounds = settings.rounds(3)
    requests = settings.pick(1000, 300)
    samples: dict[str, list[Sample]] = {}
    with ExitStack() as stack:
        _, port = stack.enter_context(upstream())
        setup = usual_setup(base_url_of(port))
        targets: list[tuple[Feature, Target]] = []
        for feature in (_BASE, *FEATURES):
            settings.say(f"features: starting with {feature.what}")
            target = stack.enter_context(serving(feature.change(setup)))
            targets.append((feature, replace(target, model_form=feature.model_form)))
        for number in range(rounds + 1):
            settings.say(f"features: round {number} of {rounds}")
            for feature, target in targets:
                job = replace(target.job(MANY), requests=requests, extra=feature.extra)
                sample = measure(target, job)
                if number:  # the first round warms up
                    samples.setdefault(feature.what, []).append(sample)
    base = middle(samples[_BASE.what], cpu_us_per_request)
    return Section(
        title="Features",
        control="`puna serve` with the usual config (one deployment a model, a master key), in the "
        "same run",
        how=f"CPU µs a request, not streamed, {MANY} connections, {requests} requests a step, "
        f"median of {rounds} rounds taken in turns over servers that run side by side, each with "
        "one thing otherwise.",
        rows=[
            Row(feature.what, middle(samples[feature.what], cpu_us_per_request), base, decimals=1)
            for feature in FEATURES
        ],
        notes=["TLS at the gateway's own door is not measured"],
    )


MEASUREMENT = Measurement("features", _run)

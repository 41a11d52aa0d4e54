"""The gateway before an upstream that speaks TLS, beside the same without."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.certificate import make_certificate
from benchmarks.nginx import is_installed, nginx
from benchmarks.processes import upstream
from benchmarks.puna_server import base_url_of, serving, usual_setup
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sample import (
    MANY,
    Figure,
    Sample,
    cpu_us_per_chunk,
    cpu_us_per_request,
    measure,
    middle,
    rate,
)
from benchmarks.target import STREAM_CHUNKS, Target

_STREAMS = 16

_Steps = dict[str, list[Sample]]


def _run(settings: Settings) -> Section:
    rounds = settings.rounds(3)
    runs: dict[str, _Steps] = {}
    with _all_four() as targets:
        for number in range(rounds):
            for name, target in targets.items():
                settings.say(f"tls: {name}, round {number + 1} of {rounds}")
                steps = runs.setdefault(name, {})
                for step, sample in _measure_all(target).items():
                    steps.setdefault(step, []).append(sample)
    has_nginx = "nginx over TLS" in runs
    return Section(
        title="TLS upstream",
        control=(
            "nginx with keep-alive and verification" if has_nginx else "nginx is not installed"
        )
        + ", in the same run; in the last rows the same server without TLS",
        how=f"As above, but the upstream speaks TLS 1.3, and the certificate made for this run is "
        f"verified. {MANY} connections and, for streams, {_STREAMS}; 1 s a step, median of "
        f"{rounds} rounds taken in turns.",
        rows=_rows(runs, has_nginx=has_nginx),
    )


def _measure_all(target: Target) -> dict[str, Sample]:
    job = target.job(MANY, 1)
    measure(target, replace(job, seconds=0.3))
    return {
        "many": measure(target, job),
        "burst": measure(target, replace(job, connections=_STREAMS, chunks=STREAM_CHUNKS)),
    }


@contextmanager
def _all_four() -> Generator[dict[str, Target]]:
    """Puna and, where it is installed, nginx: over TLS and plain."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificate, key = make_certificate(folder)
        _, plain = stack.enter_context(upstream())
        _, secured = stack.enter_context(upstream(certificate, key))
        targets: dict[str, Target] = {}
        if is_installed():
            targets["nginx over TLS"] = stack.enter_context(nginx(secured, certificate))
            targets["nginx"] = stack.enter_context(nginx(plain))
        setup = replace(
            usual_setup(base_url_of(secured, "https", "localhost")),
            variables={"SSL_CERT_FILE": str(certificate)},
        )
        targets["puna over TLS"] = stack.enter_context(serving(setup))
        targets["puna"] = stack.enter_context(serving(usual_setup(base_url_of(plain))))
        yield targets


def _rows(runs: dict[str, _Steps], *, has_nginx: bool) -> list[Row]:
    def row(what: str, step: str, figure: Figure, names: tuple[str, str], decimals: int = 0) -> Row:
        ours, theirs = names
        control = middle(runs[theirs][step], figure) if theirs in runs else None
        return Row(what, middle(runs[ours][step], figure), control, decimals=decimals)

    rows: list[Row] = []
    kinds = [("TLS", ("puna over TLS", "nginx over TLS")), ("plain", ("puna", "nginx"))]
    for kind, names in kinds if has_nginx else kinds[:1]:
        rows += [
            row(f"{kind}: requests/s, {MANY} connections", "many", rate, names),
            row(f"{kind}: CPU µs a request, {MANY} connections", "many", cpu_us_per_request, names),
            row(f"{kind}: CPU µs a chunk, all at once", "burst", cpu_us_per_chunk, names, 1),
        ]
    for server, names in (
        ("Puna", ("puna over TLS", "puna")),
        ("nginx", ("nginx over TLS", "nginx")),
    ):
        if names[0] in runs:
            rows.append(
                row(
                    f"{server} over TLS and plain, CPU µs a request",
                    "many",
                    cpu_us_per_request,
                    names,
                )
            )
    return rows


MEASUREMENT = Measurement("tls", _run)

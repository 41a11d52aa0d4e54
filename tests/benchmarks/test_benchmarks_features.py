"""The setups of the features' measurement do what their rows say."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.feature_setups import FEATURES, Feature
from benchmarks.job import Job
from benchmarks.puna_server import usual_setup
from benchmarks.upstream import whole_body
from tests.support.lanes import Edge

from puna.gateway.workers.settings import ServeOptions, load_directory
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest

BASE = usual_setup("http://up/v1")
USUAL = Feature("usual")
EVERY = (USUAL, *FEATURES)
OF_THE_FILE = [one for one in EVERY if not one.change(BASE).options]


def named(feature: Feature) -> str:
    return feature.what


def play(_request: HTTPRequest) -> Recorded:
    return Recorded(headers={"content-type": "application/json"}, pieces=(whole_body(),))


@pytest.mark.parametrize("feature", EVERY, ids=named)
def test_every_key_of_a_setup_has_an_effect(feature: Feature, tmp_path: Path) -> None:
    before = copy.deepcopy(BASE)
    setup = feature.change(BASE)
    assert before == BASE
    assert feature is USUAL or setup != BASE or feature.extra
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(setup.config))
    for name, text in setup.files.items():
        (tmp_path / name).write_text(text)
    directory = load_directory(ServeOptions(config=str(file)), {})
    assert [one.message for one in directory.notices if one.severity == "warning"] == []
    assert directory.is_open is not bool(setup.key)


@pytest.mark.parametrize("feature", OF_THE_FILE, ids=named)
def test_only_rows_that_say_so_take_the_full_lane(feature: Feature) -> None:
    setup = feature.change(BASE)
    job = replace(Job(4000, 1, setup.key), model_form=feature.model_form, extra=feature.extra)

    async def ask() -> str:
        answer = await Edge(play, json.dumps(setup.config), is_fast=True).ask(job.request())
        assert answer.status == 200, answer.text
        return answer.headers["x-puna-lane"]

    expected = "full" if "(full lane)" in feature.what else "fast"
    assert asyncio.run(ask()) == expected


def test_no_two_rows_have_one_name() -> None:
    names = [one.what for one in FEATURES]
    assert len(set(names)) == len(names)

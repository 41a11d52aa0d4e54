"""When hosts end models: the dates, each with its source, and where they are told."""

from __future__ import annotations

import datetime as dt
import json
import re
from importlib.resources import files

import pytest
from click.testing import CliRunner
from tests.support.contexts import request_for

from puna.catalog.facts import find_model
from puna.catalog.retirements import find_retirement, list_retirements
from puna.cli.main import puna
from puna.dialects.base import ReadContext
from puna.dialects.error_replies import read_error_reply
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.secret import Secret
from puna.wire.http import HTTPReply

TURBO = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
DATES = {
    ("cerebras", "llama-3.3-70b"): "2026-02-16",
    ("cerebras", "llama3.1-8b"): "2026-05-27",
    ("bedrock", "meta.llama3-2-90b-instruct-v1:0"): "2026-07-07",
    ("bedrock", "us.meta.llama3-1-405b-instruct-v1:0"): "2026-07-07",
    ("bedrock", "meta.llama3-3-70b-instruct-v1:0"): "2027-03-30",
    ("bedrock", "us.meta.llama4-scout-17b-instruct-v1:0"): "2027-03-30",
    ("vertex_ai", "meta/llama-3.3-70b-instruct-maas"): "2026-10-21",
    ("together_ai", TURBO): "2026-10-22",
    ("azure", "Llama-4-Maverick-17B-128E-Instruct-FP8"): "2026-11-19",
    ("azure", "Llama-4-Scout-17B-16E-Instruct"): "2027-01-31",
    ("azure", "Llama-3.3-70B-Instruct"): "2027-01-31",
    ("meta_llama", "Llama-3.3-70B-Instruct"): "2026-07-06",
    ("together_ai", "openai/gpt-oss-120b"): None,
    ("vertex_ai", "meta/llama-4-scout-17b-16e-instruct-maas"): None,
    ("nobody", "x"): None,
}


@pytest.mark.parametrize(("who", "day"), DATES.items())
def test_the_day_is_that_of_the_source(who: tuple[str, str], day: str | None) -> None:
    end = find_retirement(*who)
    assert (end.ends_on if end is not None else None) == day


def test_every_entry_has_a_date_a_source_and_a_way_out() -> None:
    page = json.loads(files("puna.catalog").joinpath("retirements.json").read_text("utf-8"))
    assert page.keys() <= PROVIDERS.keys()
    for provider in page:
        for end in list_retirements(provider):
            assert dt.date.fromisoformat(end.ends_on).year >= 2026
            assert dt.date.fromisoformat(end.as_of) >= dt.date(2026, 11, 1)
            assert end.source
            assert end.instead
            assert end.ends_on in end.describe(provider, "m")


def error_of(status: int, model: str = TURBO, base: str | None = None) -> str:
    row = PROVIDERS["together_ai"]
    target = resolve_target(row, model, {}, api_key=Secret("sk-1234567890"), api_base=base)
    context = ReadContext(target, model, "id", 0.0, request_for(f"together_ai/{model}"))
    body = json.dumps({"error": {"message": "no such model"}}).encode()
    return read_error_reply(HTTPReply(status, {}, body), context).message


@pytest.mark.parametrize("status", [400, 404, 410])
def test_the_error_of_a_model_that_is_gone_names_the_day_and_what_to_do(status: int) -> None:
    said = error_of(status)
    assert re.search(rf"ends `{re.escape(TURBO)}` is 2026-10-22 \(LiteLLM 1\.110\.2", said)
    assert "use another host of Llama" in said


def test_other_errors_models_and_hosts_say_nothing_of_it() -> None:
    for said in (
        error_of(500),
        error_of(429),
        error_of(404, "openai/gpt-oss-120b"),
        error_of(404, base="http://127.0.0.1:9/v1"),
    ):
        assert "2026-10-22" not in said


def test_puna_models_shows_the_days() -> None:
    shown = CliRunner().invoke(puna, ["models"]).output
    (line,) = (row for row in shown.splitlines() if "us.meta.llama4-scout" in row)
    assert "2027-03-30" in line
    assert re.search(r"cerebras/llama-3\.3-70b +2026-02-16 ", shown)
    rows = [
        json.loads(row)
        for row in CliRunner().invoke(puna, ["models", "--json"]).output.splitlines()
    ]
    days = {row["model"]: row["ends_on"] for row in rows}
    assert days["vertex_ai/meta/llama-3.3-70b-instruct-maas"] == "2026-10-21"
    assert days["cerebras/llama3.1-8b"] == "2026-05-27"
    assert days["groq/openai/gpt-oss-20b"] is None


@pytest.mark.parametrize(
    ("provider", "model", "prices"),
    [
        ("deepinfra", "meta-models/Muse-Glimmer-30B", (300_000, 1_200_000)),
        ("together_ai", "meta-models/Muse-Glimmer-30B", (350_000, 1_500_000)),
        ("fireworks_ai", "accounts/fireworks/models/muse-glimmer-30b", (350_000, 1_500_000)),
        ("openrouter", "meta/muse-glimmer-30b", (350_000, 1_500_000)),
        ("nvidia_nim", "meta/muse-glimmer-30b", (350_000, 1_500_000)),
        ("together_ai", "meta-models/Muse-Spark-Open-816B-A42B", (1_250_000, 4_250_000)),
        ("fireworks_ai", "accounts/fireworks/models/muse-spark-open", (1_250_000, 4_250_000)),
        ("meta", "muse-spark-1.3", (1_250_000, 4_250_000)),
        ("meta", "muse-spark-1.3-contributor", (100_000, 200_000)),
        ("meta", "muse-wonder-1.0", (4_000_000, 20_000_000)),
    ],
)
def test_the_muse_models_have_their_prices_in_picos(
    provider: str, model: str, prices: tuple[int, int]
) -> None:
    facts = find_model(provider, model)
    assert facts is not None
    assert facts.price is not None
    assert (facts.price.input_picos, facts.price.output_picos) == prices
    assert "vision" in facts.features or "Spark-Open" in model

"""`puna db`, and a start that is refused where the database has not the tables of this version."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from tests.support.commands import run, start

from puna.governance.store.tables import SCHEMA

CONFIG = """
model_list:
  - model_name: m
    litellm_params: {model: openai/m, api_key: sk-host, api_base: "http://127.0.0.1:9/v1"}
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/puna.db"


def test_migrate_makes_the_tables_and_status_says_which_schema_there_is(url: str) -> None:
    before = run("db", "status", PUNA_DATABASE_URL=url)
    assert before.exit_code == 1
    assert "schema none" in before.output
    assert "run `puna db migrate`" in before.output
    done = run("db", "migrate", DATABASE_URL=url)
    assert done.output == f"{url}: schema {SCHEMA}, migrated from nothing\n"
    assert run("db", "migrate", DATABASE_URL=url).output.endswith("has all tables already\n")
    after = run("db", "status", "--json", PUNA_DATABASE_URL=url, DATABASE_URL="sqlite:///other")
    assert after.exit_code == 0
    assert json.loads(after.output) == {
        "database": url,
        "schema": SCHEMA,
        "needed": SCHEMA,
        "ok": True,
    }


def test_the_database_of_the_file_is_used(tmp_path: Path, url: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"{CONFIG}general_settings: {{master_key: sk-a, database_url: os.environ/MINE}}"
    )
    assert run("db", "migrate", "--config", str(file), MINE=url, DATABASE_URL="x").exit_code == 0
    assert run("db", "status", PUNA_DATABASE_URL=url).exit_code == 0


def test_a_database_of_a_newer_version_is_told_and_left_alone(tmp_path: Path, url: str) -> None:
    run("db", "migrate", DATABASE_URL=url)
    with sqlite3.connect(tmp_path / "puna.db") as file:
        file.execute("UPDATE puna_schema_version SET version_num = '9999'")
    file.close()
    done = run("db", "migrate", DATABASE_URL=url)
    assert done.exit_code == 1
    assert "`9999`, which this version does not know" in done.output


def test_without_a_database_the_commands_say_how_to_name_one() -> None:
    done = start("db", "status")
    assert done.returncode == 1
    assert "general_settings.database_url" in done.stderr


def test_serve_is_refused_before_the_tables_are_made_and_says_what_to_do(url: str) -> None:
    done = start("serve", "--port", "0", PUNA_MASTER_KEY="sk-a", DATABASE_URL=url)
    assert done.returncode == 1
    assert "has no tables of Puna" in done.stderr
    assert "Run `puna db migrate`" in done.stderr


def test_a_database_without_a_master_key_is_refused_and_a_variable_alone_is_not_used(
    tmp_path: Path, url: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f'{CONFIG}general_settings: {{database_url: "{url}"}}')
    done = run("check", "--json", str(file))
    assert "needs a master key" in done.output
    file.write_text(CONFIG)
    assert run("check", str(file), DATABASE_URL=url).exit_code == 0

"""Schemas that are refused, and answers that are checked against one."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from puna.embedded.checks import check_schema, check_value, looks_like_json, read_json
from puna.errors import BadRequestError, MalformedReplyError

# ---- checks


def test_a_broken_schema_is_refused_by_its_place() -> None:
    with pytest.raises(BadRequestError, match="#/properties/a/type"):
        check_schema({"properties": {"a": {"type": "wat"}}}, param="response_format")


def test_a_schema_that_is_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"not": deep}
    with pytest.raises(BadRequestError, match="too deep"):
        check_schema(deep, param="response_format")


def test_a_pattern_that_cannot_be_checked_is_a_bad_request() -> None:
    with pytest.raises(BadRequestError, match="cannot be checked"):
        check_value("x", {"pattern": "^[a-"}, what="answer")


def test_keywords_that_the_server_ignores_are_checked() -> None:
    with pytest.raises(MalformedReplyError, match="`uniqueItems`"):
        check_value([1, 1], {"uniqueItems": True}, what="answer")


def test_json_begins_as_json() -> None:
    assert looks_like_json("  [1")
    assert looks_like_json("")
    assert not looks_like_json("```json")
    assert read_json("[1]", "stop", param="p", what="answer") == [1]
    with pytest.raises(MalformedReplyError):
        read_json("[1", None, param="p", what="answer")


def test_a_missing_checker_is_told() -> None:
    program = (
        "import sys; sys.modules['jsonschema'] = None\n"
        "from puna.embedded.checks import check_schema\n"
        "from puna.errors import ServiceUnavailableError\n"
        "try:\n"
        "    check_schema({}, param='response_format')\n"
        "except ServiceUnavailableError as error:\n"
        "    print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert "`embedded` extra" in said.stdout

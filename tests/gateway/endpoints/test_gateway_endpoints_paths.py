"""Paths that are none: what is not built says so, and what is nearly one is named."""

from __future__ import annotations

import pytest
from tests.support.asgi import House
from tests.support.open_gateway import KEY
from tests.support.upstream import Upstream


@pytest.mark.case(171)
@pytest.mark.parametrize("path", ["/key/generate", "/key/info", "/key/delete", "/team/new"])
def test_virtual_keys_are_501_and_say_so(upstream: Upstream, path: str) -> None:
    answer = House(upstream, master_key=KEY).ask(path, {})
    assert answer.status == 501
    assert answer.error["code"] == "not_configured"
    assert "Virtual keys" in answer.error["message"]


@pytest.mark.case(125, 172)
@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/metrics", "metrics"),
        ("/v1/rerank", "rerank"),
        ("/none", "There is no endpoint"),
        ("/v1/models-list", "There is no endpoint"),
        ("/engines//completions", "There is no endpoint"),
        ("/v1/engines/x", "There is no endpoint"),
    ],
)
def test_what_is_not_built_is_404_and_says_so(upstream: Upstream, path: str, what: str) -> None:
    answer = House(upstream).ask(path)
    assert answer.status == 404
    assert answer.error["code"] == "unknown_endpoint"
    assert what in answer.error["message"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/v1/models", "/v1/models"),
        ("/v1/v1/v1/models", "/v1/models"),
        ("//v1/models", "/v1/models"),
        ("/v1//models", "/v1/models"),
        ("/v1/v1/models/some/model", "/v1/models/some/model"),
        ("/api/v1/models", "/v1/models"),
        ("/v1/chat/completions/models", "/models"),
        ("/v1/model", "/v1/models"),
        ("/V1/Models", "/v1/models"),
    ],
)
def test_a_path_that_is_nearly_one_names_it(upstream: Upstream, path: str, meant: str) -> None:
    message = House(upstream).get(path).error["message"]
    assert f"did you mean `{meant}`?" in message
    assert ("base URL" in message) == path.endswith(meant)


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/v1",
        "/v1/engines/x",
        "/v1/v1/chat/completions",
        "/v1/" + "models" * 1000,
    ],
)
def test_a_path_that_is_near_to_none_gets_no_guess(upstream: Upstream, path: str) -> None:
    assert "did you mean" not in House(upstream).get(path).error["message"]

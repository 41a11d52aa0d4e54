"""Paths in the log: without a key, and on one line."""

from __future__ import annotations

import pytest
from tests.support.asgi import House


@pytest.mark.case(155)
def test_a_path_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    from puna.gateway.logs.lines import LineFormatter

    House().get("/none%0a2026-01-01 INFO forged")
    lines = [LineFormatter().format(record) for record in caplog.records]
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize("key", ["sk-master-key-0123456789", "sk-host-key-0123456789"])
@pytest.mark.parametrize("path", ["/{}", "/v1/models/{}", "/v1/responses/{}x", "/v1/models/a%20{}"])
def test_a_key_in_a_path_is_not_in_the_log(
    key: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = (
        "model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, "
        'api_base: "http://h/v1", api_key: sk-host-key-0123456789}\n'
        "general_settings: {master_key: sk-master-key-0123456789}\n"
    )
    caplog.set_level("INFO", "puna.gateway")
    headers = {"authorization": "Bearer sk-master-key-0123456789"}
    answer = House(config=config).get(path.format(key), headers)
    assert answer.status == 404
    (line,) = caplog.messages
    assert key not in line
    assert path.replace("%20", " ").format("•••") in line

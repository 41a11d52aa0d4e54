"""Input that nobody sends by accident: never a 500, a traceback, a path or Python's words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, House, directory_of
from tests.support.odd_bodies import is_clean, is_refused
from tests.support.upstream import Upstream

from puna.errors import NotFoundError

ANYTHING = CONFIG + (
    "  - model_name: '*'\n    litellm_params: {model: openai/gpt, api_key: k, api_base: UPSTREAM}\n"
)


@pytest.mark.case(131)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stream", "true"),
        ("stream", 1),
        ("temperature", "hot"),
        ("max_tokens", -1),
        ("max_tokens", 1.5),
        ("max_tokens", True),
        ("n", "two"),
        ("messages", "hi"),
        ("messages", []),
        ("messages", None),
        ("messages", {"role": "user"}),
        ("model", None),
        ("model", 7),
        ("model", ""),
        ("model", ["x"]),
        ("tools", {}),
        ("tool_choice", "sometimes"),
        ("stop", 5),
        ("stream_options", "usage"),
        ("drop_params", "yes"),
        ("timeout", -1),
        ("timeout", "soon"),
        ("timeout", 1e9),
        ("stream_timeout", True),
        ("max_retries", -1),
        ("num_retries", 11),
        ("num_retries", "3"),
        ("fallbacks", "x"),
        ("fallbacks", [1]),
        ("fallbacks", ["x"] * 33),
        ("metadata", "x"),
        ("litellm_metadata", []),
        ("allowed_openai_params", {"a": 1}),
        ("additional_drop_params", 1),
    ],
)
def test_a_field_of_the_wrong_kind_is_400_and_named(field: str, value: Any) -> None:
    body = {**CHAT, field: value}
    answer = House().ask(body=body)
    assert is_refused(answer)
    assert answer.error["param"] == field


@pytest.mark.case(131)
def test_a_limit_of_no_tokens_is_for_the_host_to_judge(upstream: Upstream) -> None:
    assert House(upstream).ask(body={**CHAT, "max_tokens": 0}).status == 200
    sent = upstream.requests[-1].json
    assert {sent.get(name) for name in ("max_tokens", "max_completion_tokens")} == {0, None}


@pytest.mark.case(131)
def test_a_wrong_number_of_retries_is_named_beside_a_right_one() -> None:
    answer = House().ask(body={**CHAT, "max_retries": 0, "num_retries": False})
    assert is_refused(answer)
    assert answer.error["param"] == "num_retries"


@pytest.mark.case(131)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", None),
        ("prompt", []),
        ("prompt", [1, 2]),
        ("prompt", [[1, 2]]),
        ("prompt", {}),
        ("prompt", [{}]),
        ("echo", "yes"),
        ("n", [1]),
        ("stream", "yes"),
        ("max_tokens", "x"),
        ("model", None),
    ],
)
def test_a_text_field_of_the_wrong_kind_is_400(field: str, value: Any) -> None:
    body = {"model": MODEL, "prompt": "a", field: value}
    answer = House().ask("/v1/completions", body)
    assert is_refused(answer)
    assert answer.error["param"].startswith(field)


@pytest.mark.case(155)
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("../../etc/passwd", 200),
        ("a b", 200),
        ("модель", 200),
        ("%00", 200),
        ("x\r\nset-cookie: a=1", 400),
        ("x\x00", 400),
        ("x\x7f", 400),
        ("x\u2028y", 400),
        ("\u0085", 400),
        ("x" * 10_000, 400),
        ("*", 404),
    ],
)
def test_absurd_model_names_are_served_or_refused(
    upstream: Upstream, name: str, status: int
) -> None:
    answer = House(upstream, ANYTHING).ask(body={**CHAT, "model": name})
    assert answer.status == status
    assert is_clean(answer)
    assert "set-cookie" not in answer.headers
    assert len(str(answer.headers)) < 2_000
    if status == 200:
        assert answer.json["model"] == name
        assert answer.headers["x-litellm-model-group"] == name.encode("ascii", "replace").decode()
        assert upstream.requests[0].path == "/compat/v1/chat/completions"


@pytest.mark.case(155)
@pytest.mark.parametrize(
    "name", ["%00", "%0d%0aset-cookie:a", "x" * 10_000, "../../etc/passwd", "%ff"]
)
@pytest.mark.parametrize("path", ["/v1/models/{}", "/engines/{}/completions"])
def test_absurd_model_names_in_paths_are_refused(path: str, name: str) -> None:
    method = "GET" if "models" in path else "POST"
    body = {"prompt": "x"}
    answer = House().ask(path.format(name), body, method=method)
    assert is_refused(answer, 404) or is_refused(answer, 400)
    assert len(answer.text) < 1_000


@pytest.mark.case(133)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("api_base", "http://evil.example"),
        ("base_url", "http://evil.example"),
        ("api_key", "sk-other"),
        ("mock_response", "Hello"),
        ("callbacks", ["x"]),
        ("custom_llm_provider", "openai"),
        ("extra_headers", {"a": "b"}),
        ("extra_body", {}),
        ("input_cost_per_token", 0),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_only_the_operator_says_where_keys_go(
    upstream: Upstream, path: str, field: str, value: Any
) -> None:
    answer = House(upstream).ask(path, {**CHAT, "prompt": "a", field: value})
    assert is_refused(answer)
    assert answer.error["param"] == field
    assert answer.error["code"] == "field_not_allowed"
    assert upstream.requests == []


def test_a_client_cannot_name_a_file_for_the_embedded_engine() -> None:
    config = "model_list: [{model_name: embedded/*, litellm_params: {model: embedded/*}}]"
    for name in ("embedded//etc/passwd", "embedded/../x.gguf", "embedded/none"):
        answer = House(config=config).ask(body={**CHAT, "model": name})
        assert is_refused(answer, 404)
    lent = "model_list: [{model_name: e, litellm_params: {model: embedded/smollm2-135m}}]"
    answer = House(config=lent).ask(body={**CHAT, "model": "embedded//etc/passwd"})
    assert is_refused(answer, 404)


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.gguf", "smollm2-135m/../x", "x.gguf"])
def test_no_wildcard_of_the_embedded_engine_lets_a_client_name_a_file(name: str) -> None:
    directory = directory_of(
        'model_list: [{model_name: "local/*", litellm_params: {model: "embedded/*"}}]\n'
    )
    with pytest.raises(NotFoundError) as told:
        directory.plan(f"local/{name}")
    assert told.value.code == "model_not_found"
    assert directory.plan("local/smollm2-135m").group[0].target.model == "smollm2-135m"

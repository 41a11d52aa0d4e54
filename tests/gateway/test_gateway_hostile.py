"""Input that nobody sends by accident: never a 500, a traceback, a path or Python's words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.asgi import CHAT, CONFIG, MODEL, UPSTREAM_KEY, Answer, House, directory_of
from tests.support.upstream import Upstream

from puna.errors import NotFoundError
from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.types.requests import PARAMS
from puna.wire.http import HTTPRequest

_RAW = re.compile(r"Traceback|\.py\b|<class|object at 0x|NoneType|site-packages|/work|sys\.set_")
ANYTHING = CONFIG + (
    "  - model_name: '*'\n    litellm_params: {model: openai/gpt, api_key: k, api_base: UPSTREAM}\n"
)


def is_refused(answer: Answer, status: int = 400) -> bool:
    """Whether an answer is a clean refusal."""
    return answer.status == status and bool(answer.error["message"]) and is_clean(answer)


def is_clean(answer: Answer) -> bool:
    """Whether nothing of ours shows in an answer."""
    whole = answer.text + str(answer.headers)
    return not _RAW.search(whole) and UPSTREAM_KEY not in whole


@pytest.mark.case(129, 155)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"12",
        b"\xff\xfe{}",
        pytest.param(b"[" * 2_000 + b"]" * 2_000, id="nested lists"),
        pytest.param(b'{"a":' * 2_000 + b"1" + b"}" * 2_000, id="nested objects"),
        b'{"temperature": NaN}',
        b'{"temperature": Infinity}',
        pytest.param(b'{"seed": ' + b"9" * 5_000 + b"}", id="a long number"),
        b"model=x&messages=hi",
        b"{'model': 'x'}",
    ],
)
def test_a_body_that_is_no_json_object_is_400(body: bytes) -> None:
    answer = House().ask(body=body)
    assert is_refused(answer)
    assert answer.error["code"] == "invalid_json"


@pytest.mark.case(129, 155)
@pytest.mark.parametrize(
    ("written", "read"),
    [(b"\xff", "\ufffd"), (b"\\ud800", "\ufffd"), (b"\\udc00 x", "\ufffd x")],
    ids=["no UTF-8", "first half", "second half"],
)
def test_half_of_a_character_costs_that_character(
    upstream: Upstream, written: bytes, read: str
) -> None:
    refused = House().ask(body=b'{"model": "' + written + b'"}')
    assert is_refused(refused)
    assert refused.error["code"] == "invalid_request_error"
    ask = {**CHAT, "messages": [{"role": "user", "content": "HERE"}]}
    body = json.dumps(ask).encode().replace(b"HERE", b"a " + written)
    assert House(upstream).ask(body=body).status == 200
    (message,) = upstream.requests[-1].json["messages"]
    assert message["content"] == f"a {read}"


@pytest.mark.case(129)
@pytest.mark.parametrize(
    "field",
    [
        '"temperature": 1e400',
        '"temperature": -1e999',
        '"x_own": 1e400',
        '"x_own": {"deep": [1e400]}',
        '"messages": [{"role": "user", "content": "a", "x": 1e400}]',
    ],
)
def test_numbers_that_are_none_are_400(field: str) -> None:
    body = json.dumps(CHAT)[:-1] + f", {field}}}"
    assert is_refused(House().ask(body=body.encode()))


@pytest.mark.case(129)
def test_of_a_key_given_twice_the_last_counts(upstream: Upstream) -> None:
    body = b'{"model": "x", ' + json.dumps(CHAT)[1:].encode()
    assert House(upstream).ask(body=body).json["model"] == MODEL


@pytest.mark.case(117)
def test_a_byte_order_mark_is_no_fault(upstream: Upstream) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(CHAT).encode()
    assert House(upstream).ask(body=body).status == 200


@pytest.mark.case(117)
def test_a_form_is_refused_and_the_error_names_its_type() -> None:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = House().ask(body=b"model=x", headers=headers)
    assert "application/x-www-form-urlencoded" in answer.error["message"]
    assert "no content type" in House().ask(body=b"model=x").error["message"]


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


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [*PARAMS, "model", "messages", "stream", "prompt", "timeout", "metadata", "fallbacks", "echo"]
)


def play(_: HTTPRequest) -> Recorded:
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "y"}}]}
    return Recorded(200, {"content-type": "application/json"}, [json.dumps(answer).encode()])


@pytest.mark.case(129, 131, 155)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(["/v1/chat/completions", "/completions"]),
    fields=st.dictionaries(FIELDS, VALUES, max_size=3),
    messages=st.lists(st.dictionaries(st.sampled_from(["role", "content", "tool_calls"]), VALUES)),
)
def test_no_body_makes_the_gateway_fail(
    path: str, fields: dict[str, Any], messages: list[Any]
) -> None:
    body = json.dumps({**CHAT, "prompt": "a", "messages": messages, **fields}).encode()
    answer = House(transport=AsyncReplayTransport(play)).ask(path, body)
    assert answer.status in (200, 400, 404)
    assert is_clean(answer)


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


@pytest.mark.case(129)
@pytest.mark.parametrize("declares", [True, False])
def test_a_body_over_the_limit_is_413(declares: bool) -> None:  # noqa: FBT001 - a parameter of the test
    config = CONFIG + "\ngeneral_settings: {max_request_size_mb: 0.001}\n"
    headers = {"content-length": "2000"} if declares else {}
    pieces = (b" " * 100 for _ in range(20))
    answer = House(config=config).ask(headers=headers, pieces=pieces)
    assert is_refused(answer, 413)
    assert answer.error["code"] == "request_too_large"


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

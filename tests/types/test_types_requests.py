"""Chat requests: what is taken, and how what is wrong is told."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.support.chat_requests import HELLO, make, refused

from puna.errors import BadRequestError
from puna.types.requests import PARAMS, check_headers, make_chat_request, split_params

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.case(13)
def test_what_is_given_is_sorted_and_nulls_are_left_out() -> None:
    request = make(temperature=0, top_k=0, seed=None, foo=None, bar=False)
    assert request.params == {"temperature": 0}
    assert request.extra == {"top_k": 0, "bar": False}
    assert (request.is_stream, request.wants_usage, request.drop_params) == (False, False, False)


@pytest.mark.parametrize(
    ("name", "where"), [("input", "the Responses API"), ("prompt", "text completions")]
)
def test_a_request_of_another_api_is_told_apart(name: str, where: str) -> None:
    error = refused(lambda: make_chat_request("m", None, {name: "x"}))
    assert error.param == name
    assert f"`{name}` is a field of {where}; give `messages`" in str(error)


@pytest.mark.parametrize(
    ("model", "given"),
    [(None, "null"), ("", "an empty text"), ("  ", "an empty text"), ([], "a list")],
)
def test_a_model_is_a_text(model: Any, given: str) -> None:
    error = refused(lambda: make_chat_request(model, HELLO, {}))
    assert error.param == "model"
    assert str(error) == f"`model` must be a name such as `provider/model`, not {given}."


@pytest.mark.case(131)
@pytest.mark.parametrize("stream", ["true", 1, 0.0, []])
def test_stream_is_true_or_false(stream: Any) -> None:
    assert refused(lambda: make_chat_request("m", HELLO, {}, stream=stream)).param == "stream"


def test_a_stream_may_ask_for_usage() -> None:
    asked = {"stream_options": {"include_usage": True}}
    assert make_chat_request("m", HELLO, asked, stream=True).wants_usage
    assert not make_chat_request("m", HELLO, {}, stream=None).is_stream


@pytest.mark.case(131)
@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("temperature", "hot", "hot"),
        ("temperature", True, "true"),
        ("temperature", math.nan, "nan"),
        ("temperature", math.inf, "inf"),
        pytest.param("temperature", 10**800, "a huge number", id="huge"),
        pytest.param("temperature", 10**5000, "a huge number", id="hugest"),
        ("top_p", [0.5], "a list"),
        ("max_tokens", -1, "-1"),
        ("max_tokens", 1.5, "1.5"),
        ("max_tokens", "5", '"5"'),
        ("max_completion_tokens", True, "true"),
        ("n", 0, "0"),
        ("seed", 1.5, "1.5"),
        ("stop", 5, "5"),
        ("stop", ["a", 5], "a list"),
        ("logprobs", 1, "1"),
        ("top_logprobs", -1, "-1"),
        ("logit_bias", [], "a list"),
        ("user", {"id": 1}, "an object"),
        ("tools", "f", "f"),
        ("tools", {}, "an object"),
        ("tool_choice", 5, "5"),
        ("stream_options", True, "true"),
        ("response_format", "json", "json"),
        ("response_format", list[int], "GenericAlias"),
        ("parallel_tool_calls", "no", "no"),
        ("temperature", "x" * 99, "x" * 80 + "…"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_it_must_be(name: str, value: Any, shown: str) -> None:
    error = refused(lambda: make(**{name: value}))
    assert error.param == name
    assert str(error) == f"`{name}` must be {PARAMS[name][1]}, not `{shown}`."


WRONG = object()


@pytest.mark.parametrize("name", PARAMS)
def test_no_parameter_takes_just_anything(name: str) -> None:
    assert refused(lambda: make(**{name: WRONG})).param == name


@pytest.mark.case(14)
def test_two_output_limits_must_agree_and_go_as_one() -> None:
    assert make(max_tokens=5, max_completion_tokens=5).params == {"max_completion_tokens": 5}
    assert make(max_tokens=5).params == {"max_tokens": 5}
    assert refused(lambda: make(max_tokens=5, max_completion_tokens=6)).param == "max_tokens"


@pytest.mark.case(166)
def test_defaults_of_a_deployment_fill_what_the_caller_left_open() -> None:
    request = make(temperature=0, max_completion_tokens=5, top_k=1)
    filled = request.with_defaults({"temperature": 1, "max_tokens": 9, "top_k": 2, "n": 2, "x": 3})
    assert filled.params == {"temperature": 0, "max_completion_tokens": 5, "n": 2}
    assert filled.extra == {"top_k": 1, "x": 3}
    assert make().with_defaults({"max_tokens": 9}).params == {"max_tokens": 9}
    assert request.params == {"temperature": 0, "max_completion_tokens": 5}


@pytest.mark.case(16)
def test_extra_body_joins_the_fields_and_cannot_replace_our_own() -> None:
    request = make_chat_request("m", HELLO, {"n": 1}, extra_body={"n": 2, "top_k": 3, "x": None})
    assert (request.params, request.extra) == ({"n": 2}, {"top_k": 3})


@pytest.mark.case(16)
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "x"}, "extra_body.model"),
        ({"messages": None}, "extra_body.messages"),
        ({"stream": True}, "extra_body.stream"),
        (["x"], "extra_body"),
    ],
)
def test_a_wrong_extra_body_is_refused(body: Any, param: str) -> None:
    assert refused(lambda: make_chat_request("m", HELLO, {}, extra_body=body)).param == param


@pytest.mark.case(17)
@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"X-A": "b\r\nX-Evil: 1"}, "extra_headers.X-A"),
        ({"X-A": "b\nc"}, "extra_headers.X-A"),
        ({"X-A": "b\0"}, "extra_headers.X-A"),
        ({"X-A": "b\x7f"}, "extra_headers.X-A"),
        ({"X-A": "é"}, "extra_headers.X-A"),
        ({"X-A": b"bytes"}, "extra_headers.X-A"),
        ({"X-A": ["x"]}, "extra_headers.X-A"),
        ({"X A": "b"}, "extra_headers.X A"),
        ({"X-A\r\nX-Evil: 1": "b"}, "extra_headers.X-A��X-Evil: 1"),
        ({"": "b"}, "extra_headers."),
        ({7: "b"}, "extra_headers.7"),
        ({"Content-Length": "5"}, "extra_headers.Content-Length"),
        ({"transfer-encoding": "chunked"}, "extra_headers.transfer-encoding"),
        ({"Host": "other.test"}, "extra_headers.Host"),
        ([("a", "b")], "extra_headers"),
    ],
)
def test_a_header_that_could_break_the_request_is_refused(headers: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        check_headers(headers)
    assert raised.value.param == param
    assert "Evil" not in str(raised.value) or "is not a header name" in str(raised.value)


@pytest.mark.case(17)
def test_headers_get_lower_case_names_and_texts() -> None:
    given = {"X-A": " b\t", "x-number": 7, "X-None": None, "x-A": "last"}
    assert check_headers(given) == {"x-a": "last", "x-number": "7"}


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
@pytest.mark.case(17)
def test_no_header_that_is_let_through_can_hold_a_line_break(headers: dict[str, str]) -> None:
    try:
        checked = check_headers(headers)
    except BadRequestError:
        return
    for text in (*checked, *checked.values()):
        assert text.isascii()
        assert text == "" or text.replace("\t", " ").isprintable()


@pytest.mark.case(75, 77, 78)
@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"tools": [print]}, "tools[0]", "give the function's JSON schema"),
        ({"tools": [TOOL, BaseModel]}, "tools[1]", "give the function's JSON schema"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "must be an object"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name", "not `null`"),
        ({"tools": [{"function": {"name": "a b"}}]}, "tools[0].function.name", "not `a b`"),
        ({"tools": [{"function": {"name": "a" * 65}}]}, "tools[0].function.name", "1 to 64"),
        ({"tools": [{"function": {"name": "f\n"}}]}, "tools[0].function.name", "1 to 64"),
        (
            {"tools": [{"function": {"name": "f", "parameters": "x"}}]},
            "tools[0].function.parameters",
            "a JSON schema object",
        ),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice", "not `any`"),
        ({"tools": [TOOL], "tool_choice": {}}, "tool_choice", "must be a string"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice", "must be a string"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
            "tool_choice",
            "names `g`, which is not in `tools`",
        ),
        ({"tool_choice": "required"}, "tool_choice", "needs `tools`"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice", "needs `tools`"),
        ({"tool_choice": {"type": "other"}}, "tool_choice", "needs `tools`"),
    ],
)
def test_a_wrong_tool_is_named_by_its_path(fields: dict[str, Any], param: str, said: str) -> None:
    error = refused(lambda: make(**fields))
    assert error.param == param
    assert said in str(error)


@pytest.mark.case(75, 78)
def test_tools_that_are_right_stay_as_they_are() -> None:
    named = {"type": "function", "function": {"name": "f"}}
    for choice in ("none", "auto", "required", named):
        params = make(tools=(TOOL,), tool_choice=choice).params
        assert params == {"tools": [TOOL], "tool_choice": choice}
    typeless = {"function": {"name": "f"}}
    assert make(tools=[typeless]).params["tools"] == [{**typeless, "type": "function"}]
    for other in ({"type": "custom", "custom": {"name": "x"}}, {"type": "web", "function": "x"}):
        assert make(tools=[other]).params["tools"] == [other]
    allowed = {"type": "allowed_tools", "allowed_tools": {}}
    assert make(tools=[TOOL], tool_choice=allowed).params["tool_choice"] == allowed


@pytest.mark.case(78)
@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_an_empty_list_of_tools_is_removed_with_its_choice(choice: str | None) -> None:
    assert make(tools=[], tool_choice=choice).params == {}
    assert make(tool_choice=choice).params == {}


@pytest.mark.case(79)
def test_parallel_tool_calls_are_forwarded() -> None:
    assert make(tools=[TOOL], parallel_tool_calls=False).params["parallel_tool_calls"] is False


@pytest.mark.case(35)
def test_what_the_caller_gave_is_not_changed() -> None:
    fields: dict[str, Any] = {
        "tools": [{"function": {"name": "f"}}],
        "max_tokens": 1,
        "max_completion_tokens": 1,
        "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
        "seed": None,
    }
    before = copy.deepcopy(fields)
    make_chat_request("m", HELLO, fields)
    assert fields == before


@given(
    st.dictionaries(
        st.sampled_from([*PARAMS, "top_k"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["type", "function", "name", "json_schema", "schema"]),
                    inner | st.sampled_from(["function", "json_schema"]),
                    max_size=3,
                )
            ),
            max_leaves=6,
        ),
        max_size=4,
    )
)
@pytest.mark.case(131)
def test_any_fields_are_sorted_or_refused(fields: dict[str, Any]) -> None:
    try:
        params, extra = split_params(fields)
    except BadRequestError as error:
        refusal = error
    else:
        assert set(params) <= set(PARAMS)
        assert set(extra) <= {"top_k"}
        assert None not in params.values()
        return
    assert refusal.param in PARAMS or str(refusal.param).startswith("tools[")

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.completions import (
    TextRequest,
    TextStream,
    completion_of,
    prompt_messages,
    read_text_request,
    text_id,
)
from puna.errors import BadRequestError, UnsupportedParamsError
from puna.types.chat import ChatCompletion
from puna.types.report import CallReport
from puna.wire.fold import unfold


def answer(*texts: str | None, **fields: Any) -> ChatCompletion:
    return ChatCompletion.model_validate(
        {
            "id": "chatcmpl-7",
            "created": 17,
            "model": "meta_llama/m",
            "choices": [
                {"index": i, "message": {"content": text}, "finish_reason": "stop"}
                for i, text in enumerate(texts)
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
            **fields,
        }
    )


@pytest.mark.case(85, 91)
@pytest.mark.parametrize("prompt", ["Once", "", "é🦙"])
def test_a_prompt_becomes_one_user_message(prompt: str) -> None:
    assert read_text_request(prompt, {}).prompts == (prompt,)
    assert prompt_messages(prompt) == [{"role": "user", "content": prompt}]


@pytest.mark.case(87)
def test_a_list_of_prompts_keeps_its_order() -> None:
    assert read_text_request(["a", "b"], {}).prompts == ("a", "b")
    assert read_text_request(("b", "a"), {}).prompts == ("b", "a")


@pytest.mark.case(88)
@pytest.mark.parametrize(
    ("prompt", "param", "said"),
    [
        ([1, 2], "prompt[0]", "holds token ids"),
        ([[1, 2], [3]], "prompt[0]", "holds token ids"),
        (["a", [1]], "prompt[1]", "holds token ids"),
        (["a", None], "prompt[1]", "must be a string"),
        ([], "prompt", "a non-empty list"),
        (None, "prompt", "a string or"),
        (b"x", "prompt", "a string or"),
        ({"a": 1}, "prompt", "a string or"),
        (7, "prompt", "a string or"),
    ],
)
def test_what_is_no_text_is_refused(prompt: Any, param: str, said: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        read_text_request(prompt, {})
    assert raised.value.param == param
    assert said in str(raised.value)


@pytest.mark.case(89)
@pytest.mark.parametrize(
    ("name", "value"), [("suffix", "end"), ("best_of", 2), ("logprobs", 0), ("logprobs", True)]
)
def test_what_chat_cannot_do_is_refused_or_dropped(name: str, value: Any) -> None:
    with pytest.raises(UnsupportedParamsError, match=f"`{name}` is not supported") as raised:
        read_text_request("a", {name: value})
    assert raised.value.param == name
    dropped = read_text_request("a", {name: value, "n": 2}, drop_params=True)
    assert dropped.dropped_params == (name,)
    assert dropped.fields == {"n": 2}


@pytest.mark.case(89)
@pytest.mark.parametrize(
    ("name", "value"),
    [("suffix", ""), ("suffix", None), ("best_of", 1), ("logprobs", None), ("logprobs", False)],
)
def test_the_defaults_of_these_are_no_wish(name: str, value: Any) -> None:
    request = read_text_request("a", {name: value})
    assert (request.fields, request.dropped_params) == ({}, ())


@pytest.mark.case(90)
def test_other_parameters_are_passed_on() -> None:
    fields = {"max_tokens": 5, "stop": ["x"], "temperature": 0, "user": "u", "seed": None}
    request = read_text_request("a", fields)
    assert request.fields == {"max_tokens": 5, "stop": ["x"], "temperature": 0, "user": "u"}
    assert read_text_request("a", {"n": 3}).choices_each == 3
    assert read_text_request("a", {"n": "3"}).choices_each == 1


def test_a_request_of_chat_is_told_apart() -> None:
    with pytest.raises(BadRequestError, match="`messages` is a field of chat completions"):
        read_text_request(None, {"messages": [{"role": "user", "content": "x"}]})


@pytest.mark.case(85, 87)
def test_answers_become_one_text_completion_with_the_usage_summed() -> None:
    request = read_text_request(["a", "b"], {"n": 2})
    report = CallReport(call_id="1")
    first = answer("A0", "A1", system_fingerprint="fp").with_report(report)
    text = completion_of(request, [first, answer("B0", None)])
    assert text.model_dump(exclude_none=True) == {
        "id": "cmpl-7",
        "object": "text_completion",
        "created": 17,
        "model": "meta_llama/m",
        "system_fingerprint": "fp",
        "choices": [
            {"text": "A0", "index": 0, "finish_reason": "stop"},
            {"text": "A1", "index": 1, "finish_reason": "stop"},
            {"text": "B0", "index": 2, "finish_reason": "stop"},
            {"text": "", "index": 3, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6},
    }
    assert text.report == report
    assert (
        "system_fingerprint"
        not in completion_of(read_text_request("a", {}), [answer("x")]).to_dict()
    )


def test_usage_that_was_counted_here_says_so_and_none_stays_none() -> None:
    request = read_text_request(["a", "b"], {})
    counted = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "estimated": True}
    usage = completion_of(request, [answer("x"), answer("y", usage=counted)]).usage
    assert usage is not None
    assert (usage.total_tokens, usage.is_estimate) == (5, True)
    nothing = [answer("x", usage=None), answer("y", usage=None)]
    assert completion_of(request, nothing).usage is None
    assert "usage" not in completion_of(request, nothing).to_dict()


@pytest.mark.case(89)
def test_an_echo_puts_each_prompt_before_its_texts() -> None:
    request = read_text_request(["Once ", "Twice "], {"echo": True, "n": 2})
    text = completion_of(request, [answer("a", "b"), answer("c", "d")])
    assert [choice.text for choice in text.choices] == ["Once a", "Once b", "Twice c", "Twice d"]
    with pytest.raises(BadRequestError, match="`echo` must be true or false"):
        read_text_request("a", {"echo": "yes"})


def streamed(request: TextRequest, answers: list[ChatCompletion]) -> dict[int, str]:
    """The texts of a stream by their index; every promise of a stream is checked on the way."""
    texts: dict[int, str] = {}
    reasons: dict[int, list[str | None]] = {}
    stream = TextStream(request)
    for position, whole in enumerate(answers):
        for chunk in unfold(whole.model_copy(update={"id": f"chatcmpl-{position}"}), piece=2):
            text = stream.convert(position, chunk)
            assert text is not None
            assert (text.id, text.object) == ("cmpl-0", "text_completion")
            assert (text.created, text.model) == (17, "meta_llama/m")
            for choice in text.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
                reasons.setdefault(choice.index, []).append(choice.finish_reason)
    for given_reasons in reasons.values():
        assert given_reasons[-1] == "stop"
        assert not any(given_reasons[:-1])
    return texts


@pytest.mark.case(86, 87, 89)
@given(
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=9), st.text(max_size=9)), min_size=1),
    st.booleans(),
)
def test_the_stream_says_the_same_as_the_whole(
    told: list[tuple[str, str, str]],
    echo: bool,  # noqa: FBT001 - drawn
) -> None:
    request = read_text_request([prompt for prompt, _, _ in told], {"echo": echo, "n": 2})
    answers = [answer(*texts) for _, *texts in told]
    whole = completion_of(request, answers)
    assert streamed(request, answers) == {c.index: c.text for c in whole.choices}


@pytest.mark.case(86)
def test_the_usage_of_all_prompts_comes_in_one_last_chunk_without_choices() -> None:
    stream = TextStream(read_text_request(["a", "b"], {"echo": True}))
    chunks = unfold(answer("x", system_fingerprint="fp"), wants_usage=True)
    *_, given = [stream.convert(position, chunk) for chunk in chunks for position in (0, 1)]
    assert given is None
    last = stream.last()
    assert last is not None
    assert last.choices == []
    assert last.usage is not None
    assert (last.id, last.system_fingerprint, last.usage.total_tokens) == ("cmpl-7", "fp", 6)


def test_a_stream_that_told_no_usage_has_no_usage_chunk() -> None:
    assert TextStream(read_text_request("a", {})).last() is None


@pytest.mark.parametrize(
    ("chat", "text"), [("chatcmpl-7", "cmpl-7"), ("cmpl-7", "cmpl-7"), ("abc", "cmpl-abc")]
)
def test_the_id_of_a_text_completion_comes_from_its_chat_call(chat: str, text: str) -> None:
    assert text_id(chat) == text


@pytest.mark.case(87)
def test_the_report_of_several_prompts_says_what_all_of_them_cost() -> None:
    reports = [
        CallReport(call_id="first", attempts=1, prompt_tokens=1, completion_tokens=2, cost_picos=5),
        CallReport(call_id="next", attempts=2, retries=1, prompt_tokens=3, cost_picos=7),
    ]
    reports[0].cache_creation_tokens, reports[1].cache_creation_tokens = 4, 5
    answers = [answer("a").with_report(report) for report in reports]
    joined = completion_of(read_text_request(["a", "b"], {}), answers).report
    assert joined is not None
    assert (joined.call_id, joined.attempts, joined.retries) == ("first", 3, 1)
    assert (joined.prompt_tokens, joined.completion_tokens, joined.cost_picos) == (4, 2, 12)
    assert joined.cache_creation_tokens == 9
    answers[1].with_report(CallReport(call_id="unpriced"))
    unpriced = completion_of(read_text_request(["a", "b"], {}), answers).report
    assert unpriced is not None
    assert unpriced.cost_picos is None

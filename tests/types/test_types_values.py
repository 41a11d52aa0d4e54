from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from puna.types.chat import ChatCompletion
from puna.types.completions import TextCompletion
from puna.types.display import display
from puna.types.report import CallReport
from puna.types.secret import Secret

DATA: dict[str, Any] = {
    "id": "c1",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "estimated": True},
    "x_extra": {"k": 1},
}


@pytest.mark.case(9)
def test_an_answer_can_be_read_as_an_object_a_dict_and_json() -> None:
    answer = ChatCompletion.model_validate(DATA)
    assert answer.choices[0].message.content == "Hi"
    assert answer["choices"][0]["message"]["content"] == "Hi"
    assert answer["usage"]["total_tokens"] == answer.usage.total_tokens == 3  # type: ignore[union-attr]  # DATA has it
    assert answer.get("model") == "m"
    assert "id" in answer
    assert "x_extra" in answer
    assert answer["x_extra"] == {"k": 1}
    assert json.loads(answer.json()) == answer.model_dump()
    assert json.loads(answer.model_dump_json()) == answer.model_dump()
    assert answer.to_dict() == DATA
    assert json.loads(answer.to_json()) == DATA


def test_only_fields_are_keys() -> None:
    answer = ChatCompletion.model_validate(DATA)
    assert answer.get("nothing") is None
    assert answer.get("system_fingerprint", "none") == "none"
    for name in ("json", "report", "model_dump", "_report", "nothing"):
        assert name not in answer
        assert answer.get(name, "none") == "none"
        with pytest.raises(KeyError):
            answer[name]
    assert 7 not in answer


@pytest.mark.case(34)
def test_an_answer_carries_its_report_and_does_not_show_it() -> None:
    report = CallReport(call_id="1")
    answer = ChatCompletion.model_validate(DATA)
    text = TextCompletion(id="t", created=1, model="m", choices=[])
    assert answer.report is None
    assert text.report is None
    assert answer.with_report(report).report is report
    assert text.with_report(report).report is report
    assert "report" not in answer.model_dump()
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301 - our own value
    assert copy.deepcopy(answer) == answer


def test_usage_says_whether_it_was_counted_here() -> None:
    answer = ChatCompletion.model_validate(DATA)
    assert answer.usage is not None
    assert answer.usage.is_estimate
    assert not answer.usage.model_copy(update={"estimated": False}).is_estimate


@pytest.mark.case(37)
def test_a_secret_is_never_shown() -> None:
    secret = Secret("sk-canary")
    assert secret.reveal() == "sk-canary"
    shown_as = (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>9}",
        "{}".format(secret),  # noqa: UP032 - one more way
        repr([secret]),
    )
    assert not any("canary" in text for text in shown_as)
    for way in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            way(secret)
    assert not hasattr(secret, "__dict__")


def test_secrets_are_compared_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


@pytest.mark.case(155)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        pytest.param(10**5000, "a huge number", id="huge"),
        (-(10**80), "a huge number"),
        ("5", '"5"'),
        ("-1.5e3", '"-1.5e3"'),
        (" true ", '" true "'),
        ("null", '"null"'),
        ("7" * 81, "7" * 80 + "…"),
        ("5 apples", "5 apples"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 80 + "…"),
        ("a\r\nb\0\ud83d é", "a��b�� é"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
        ((1,), "a list"),
        (object(), "object"),
        (b"x", "bytes"),
    ],
)
def test_values_are_shown_short_and_never_as_python_source(value: Any, text: str) -> None:
    assert display(value) == text

"""Answers as objects, as dicts and as JSON, with their report."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from tests.support.answers import DATA
from tests.support.upstream import completion_body

from puna.types.chat import ChatCompletion
from puna.types.completions import TextCompletion
from puna.types.report import CallReport


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


def test_the_bytes_are_the_text_in_utf_8() -> None:
    answer = ChatCompletion.model_validate(completion_body({"content": "süß \U0001f600"}))
    assert answer.to_json_bytes() == answer.to_json().encode()
    assert b"s\xc3\xbc\xc3\x9f" in answer.to_json_bytes()

from __future__ import annotations

import importlib
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.catalog.tokens import encode
from puna.catalog.vocabularies import Family, cut_text, family_of, load_encoding
from puna.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES: tuple[Family, ...] = get_args(Family)

TEXTS = {
    "english": "It's a llama; they'll say WE'RE at 12,345.67 metres — aren't we?\n\n  Yes.\t\n",
    "code": "class A(B):\r\n    def f(self, x=0x1F):\n\t\treturn {'a': [x ** 2 for _ in '//']}\n",
    "chinese": "量子计算机使用量子比特。 2026年11月22日",
    "mixed": "naïve Straße Ελληνικά русский עברית العربية हिन्दी ไทย 한국어 ひらがな カタカナ",
    "emoji": "👍🏽👩‍👩‍👧‍👦🦙❤️",
    "special": "<|begin_of_text|><|eot_id|><|eot|><|start_header_id|>user<|image|>",
    "surrogate": "a\ud800b\udfff",
    "controls": "\x00\x1c\x85\u2028\ufeff\u200b\xa0 \x0b\x0c",
    "empty": "",
    "long runs": "a" * 25_000 + " " * 25_001 + "b" * 50_001 + "c" + "\n" * 25_000 + "d",
    "past the longest text": "word  " * 70_000 + "x" * 30_000,
}


@cache
def reference(family: Family) -> Any:
    """The tokenizer of the vocabularies' makers; it needs nothing but tiktoken."""
    return importlib.import_module(f"llama_models.{family}.tokenizer").Tokenizer.get_instance()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_ids_are_those_of_the_reference_tokenizer(family: Family, text: str) -> None:
    assert encode(family, text) == reference(family).encode(text, bos=False, eos=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_special_tokens_lie_where_the_reference_has_them(family: Family) -> None:
    encoding = load_encoding(family)
    assert encoding is not None
    theirs = reference(family).special_tokens
    assert encoding.special_tokens_set == set(theirs)
    assert all(encoding.encode_single_token(name) == place for name, place in theirs.items())


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_has_the_ids_of_the_reference_tokenizer(text: str) -> None:
    for family in FAMILIES:
        assert encode(family, text) == reference(family).encode(text, bos=False, eos=False)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Llama-3.3-8B-Instruct", "llama3"),
        ("Llama-4-Scout-17B-16E-Instruct-FP8", "llama4"),
        ("Cerebras-Llama-4-Maverick-17B-128E-Instruct", "llama4"),
        ("meta-llama/Llama-3.2-1B", "llama3"),
        ("Meta-Llama-3-8B", "llama3"),
        ("meta.llama3-1-8b-instruct-v1:0", "llama3"),
        ("accounts/fireworks/models/llama-v3p1-405b-instruct", "llama3"),
        ("llama3.2:1b", "llama3"),
        ("llama4", "llama4"),
        ("Llama-Guard-4-12B", "llama4"),
        ("Llama-2-7b-chat", None),
        ("llama-30b", None),
        ("open_llama_3b", None),
        ("TinyLlama-1.1B-Chat", None),
        ("CodeLlama-34b", None),
        ("smollm2-135m", None),
        ("muse-spark-1.3", None),
        ("gpt-4o", None),
        ("", None),
    ],
)
def test_a_model_name_tells_its_vocabulary(model: str, family: str | None) -> None:
    assert family_of(model) == family


@given(st.lists(st.sampled_from(["a" * 25_000, " " * 25_001, "b c", "\n" * 60_000]), max_size=12))
def test_cut_text_loses_nothing_and_leaves_no_long_run(blocks: list[str]) -> None:
    text = "".join(blocks)
    pieces = list(cut_text(text))
    assert "".join(pieces) == text
    for piece in pieces:
        assert len(piece) <= 400_000
        assert max(map(len, piece.split()), default=0) <= 25_000


def test_a_vocabulary_that_is_not_installed_is_none() -> None:
    assert load_encoding("llama3", "no_such_package") is None
    assert load_encoding("llama4", "puna") is None
    assert load_encoding("llama4", "this") is None


@pytest.mark.parametrize(
    "content",
    [
        b"version https://git-lfs.github.com/spec/v1\n",
        b"IQ== 0\nIg== 1\n",
        b"IQ==\n",
        b"I 0\n",
        b"",
    ],
    ids=["pointer", "too short", "no rank", "no base64", "empty"],
)
def test_a_broken_vocabulary_is_a_config_error_with_the_fix(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"vocabulary_{tmp_path.name}"
    folder = tmp_path / name / "llama3"
    folder.mkdir(parents=True)
    (folder / "tokenizer.model").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="pip install --force-reinstall --no-deps llama-models"):
        load_encoding("llama3", name)
    shutil.rmtree(folder)

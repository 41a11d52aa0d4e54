"""YAML as plain values with lines; everything else is one line of error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.config.yaml_source import MAX_DEPTH, YAMLDocument, format_path, load_yaml, printable
from puna.errors import ConfigError

CANARY = "sk-canary-7f3a91"


def fail(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_yaml(text, "config.yaml")
    assert "\n" not in str(caught.value)
    return caught.value


def test_values_come_with_their_lines_and_written_texts() -> None:
    document = load_yaml("a:\n  - b: 0.00000060\n    c: [1, 'two', null]\nd: 2024-02-01\n")
    assert document.root == {"a": [{"b": 6e-7, "c": [1, "two", None]}], "d": "2024-02-01"}
    assert document.lines[("a", 0, "c", 1)] == 3
    assert document.texts[("a", 0, "b")] == "0.00000060"


def test_on_off_yes_and_no_are_booleans_as_in_pyyaml() -> None:
    root = load_yaml("a: on\nb: off\nc: yes\nd: no\ne: 'on'\nf: y\ng: =\n").root
    assert root == {"a": True, "b": False, "c": True, "d": False, "e": "on", "f": "y", "g": "="}


def test_merge_keys_fill_what_the_mapping_does_not_say() -> None:
    text = (
        "base: &base {a: 1, b: 2}\n"
        "more: &more\n  <<: *base\n  b: 7\n  c: 3\n"
        "one:\n  <<: *base\n  a: 9\n"
        "two:\n  <<: [*more, *base]\n"
    )
    root = load_yaml(text).root
    assert root["one"] == {"a": 9, "b": 2}
    assert root["two"] == {"a": 1, "b": 7, "c": 3}
    assert "must name a mapping" in str(fail("a:\n  <<: 3\n"))


def test_a_merge_key_as_a_plain_value_is_a_text() -> None:
    assert load_yaml("a: <<\n").root == {"a": "<<"}


@pytest.mark.case(167)
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("- a\n- b\n", 1, "the file holds a list"),
        ("hello\n", 1, "the file holds a single value"),
        ("a: 1\nb:\n\tc: 2\n", 3, "a tab stands where spaces must"),
        ("a: 1\nb: 2\na: 3\n", 3, "`a` is given twice (first on line 1)"),
        ("a:\n  - b: 1\n    b: 2\n", 3, "`a[0].b` is given twice"),
        ("a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        ("a: b: c\n", 1, "not valid YAML"),
        ("a: 'open\n", 2, "not valid YAML"),
        ("1: a\n", 1, "the key `1` reads as int"),
        ("a:\n  on: 1\n", 2, "the key `on` reads as bool"),
        ("? [a, b]\n: 1\n", 1, "a key must be a text"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "a tag"),
        ("a: !!python/name:os.system\n", 1, "a tag"),
        ("a: !!set {b, c}\n", 1, "a tag"),
        ("a: 1\nb: !!int twelve\n", 2, "`b` is not a valid int"),
        ("a: !!bool maybe\n", 1, "`a` is not a valid bool"),
        ("a: 1\nb: \x00\n", 2, "U+0000"),
        ("a: *nobody\n", 1, "an alias without its anchor"),
        ("a: &x\n  - *x\n", 1, f"nested deeper than {MAX_DEPTH}"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_line_number(
    text: str, line: int, words: str
) -> None:
    error = fail(text)
    assert words in str(error)
    assert error.line == line
    assert str(error).startswith(f"config.yaml:{line}: ")


def test_deep_nesting_is_refused_before_it_can_exhaust_the_stack() -> None:
    assert "nested deeper" in str(fail("a: " + "[" * 20_000))
    assert "nested deeper" in str(fail("a: " + "{b: " * 5_000))


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)
    ]
    assert "aliases of aliases" in str(fail("\n".join(lines)))


@pytest.mark.parametrize(
    "text",
    [
        f"api_key: *{CANARY}\n",
        f"api_key: !{CANARY} x\n",
        f"api_key: !a!{CANARY} x\n",
        f"api_key: &{CANARY} 1\nb: &{CANARY} 2\nc: [\n",
        f"api_key: '{CANARY}\n",
        f'api_key: "\\q{CANARY}"\n',
        f"api_key: {CANARY}: x\n",
        f"api_key: %{CANARY}\n",
        f"api_key: @{CANARY}\n",
        f"{CANARY}\n",
        f"api_key: !!int {CANARY}\n",
        f"api_key: [{CANARY}\n",
    ],
)
def test_no_value_is_quoted_by_an_error(text: str) -> None:
    assert CANARY not in str(fail(text))


@given(st.text() | st.text(st.sampled_from("a1:-[]{}&*!|>'\"%@,?# \n\t<~."), max_size=40))
def test_any_text_gives_a_mapping_or_one_line(text: str) -> None:
    found: YAMLDocument | ConfigError
    try:
        found = load_yaml(text)
    except ConfigError as error:
        found = error
    if isinstance(found, ConfigError):
        assert "\n" not in str(found)
    else:
        assert all(isinstance(key, str) for key in found.root)


def test_a_path_reads_as_one_would_write_it() -> None:
    assert format_path(("model_list", 1, "litellm_params", "api_key")) == (
        "model_list[1].litellm_params.api_key"
    )
    assert printable("a\nb") == "a b"
    assert printable("x" * 100) == "x" * 60 + "…"

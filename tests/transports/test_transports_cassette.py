"""Cassette files: what is written is read again, by people too."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.provider_suite import bytes_of

from puna.errors import ConfigError
from puna.transports.cassette import read_cassette, serialize_exchange, write_cassette
from puna.transports.cassette_text import parse_exact_json
from puna.transports.recorded import RecordedExchange, RecordedFailure, RecordedRequest

FIXTURES = Path(__file__).parent.parent / "fixtures"
HEAD = RecordedRequest("POST", "http://up.test/v1/chat/completions", {"model": "m"})

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_bodies = (
    st.none()
    | st.dictionaries(st.text(), _json, max_size=3)
    | st.text(min_size=1)
    | st.just(b"\xff\xfe")
)
_times = st.floats(0, 1e6).map(lambda ms: round(ms, 1))
_ends = st.sampled_from(["whole", "left"]) | st.builds(
    RecordedFailure, st.just("APITimeoutError"), st.text(), st.text(), st.just(504), st.booleans()
)
_exchanges = st.builds(
    RecordedExchange,
    sent=st.builds(RecordedRequest, st.just("POST"), st.text(), _bodies),
    status=st.integers(100, 599),
    headers=st.dictionaries(st.text(st.characters(codec="ascii")).map(str.lower), st.text()),
    pieces=st.lists(st.tuples(_times, st.binary(min_size=1)), min_size=2, max_size=5),
    head_ms=_times,
    end=_ends,
)


def write(path: Path, *exchanges: RecordedExchange) -> None:
    write_cassette(path, map(serialize_exchange, exchanges))


@given(st.lists(_exchanges, max_size=3))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, exchanges: list[RecordedExchange]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    write(path, *exchanges)
    assert read_cassette(path) == exchanges


@given(st.dictionaries(st.text(st.characters()), _json))
def test_a_body_told_as_json_means_the_same(
    tmp_path_factory: pytest.TempPathFactory, body: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "body.json"
    write(path, RecordedExchange(HEAD, 200, {}, [(1.5, json.dumps(body).encode())]))
    assert json.loads(path.read_bytes())["exchanges"][0]["body"] == body
    ((at_ms, again),) = read_cassette(path)[0].pieces
    assert (at_ms, json.loads(again)) == (1.5, body)


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":1e999}', b"[" * 100_000, b"7", b"\xff", b"", b"{"],
)
def test_a_body_that_json_would_not_tell_stays_bytes(body: bytes, tmp_path: Path) -> None:
    assert parse_exact_json(body) is None
    write(tmp_path / "a.json", RecordedExchange(HEAD, 200, {}, [(0.0, body)]))
    assert read_cassette(tmp_path / "a.json")[0].pieces == [(0.0, body)]


def test_a_cassette_reads_well(tmp_path: Path) -> None:
    sent = RecordedRequest(
        "POST", "http://up.test/v1", {"messages": [{"role": "user", "content": "Hé"}]}
    )
    pieces = [(0.0, b"data: 1\n\n"), (12.5, b"data: 2\n\n")]
    write(tmp_path / "a.json", RecordedExchange(sent, 200, {"a": "b"}, pieces, 3.0))
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert '\n            {"role": "user", "content": "Hé"}\n' in text
    assert '\n        {"at_ms": 12.5, "text": "data: 2\\n\\n"}\n' in text
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "path", [p for p in sorted(FIXTURES.glob("*/*.json")) if "status" in json.loads(p.read_bytes())]
)
def test_our_fixtures_are_cassettes(path: Path) -> None:
    fixture = json.loads(path.read_bytes())
    (exchange,) = read_cassette(path)
    assert exchange.sent is None
    assert exchange.status == fixture["status"]
    body = b"".join(piece for _, piece in exchange.pieces)
    if "pieces" in fixture:
        assert body == b"".join(bytes_of(piece) for piece in fixture["pieces"])
    elif isinstance(fixture["body"], str):
        assert body.decode() == fixture["body"]
    else:
        assert json.loads(body) == fixture["body"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is no JSON"),
        ("[]", "must be an object"),
        ('{"version": 9, "exchanges": []}', "version `9`"),
        ('{"version": 1, "exchanges": [{"request": null}]}', r"exchanges\[0\].*neither"),
        ('{"version": 1, "exchanges": [{"status": 200}]}', r"exchanges\[0\].*request"),
        ('{"version": 1, "exchanges": [{"request": null, "status": 1, "end": "x"}]}', "`end`"),
        ('{"version": 1, "exchanges": 7}', "must be a list"),
        ('{"version": 1, "exchanges": [7]}', r"exchanges\[0\]"),
        ('{"status": 1e999, "body": {}}', r"exchanges\[0\]"),
        pytest.param("[" * 100_000, "is no JSON", id="deep"),
    ],
)
def test_a_file_that_is_none_says_where(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=rf"broken\.json: the cassette.*{says}"):
        read_cassette(path)


def test_a_file_or_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="record it first"):
        read_cassette(tmp_path / "missing.json")
    with pytest.raises(ConfigError, match="a folder that is there"):
        write(tmp_path / "missing" / "a.json")


def test_what_is_there_and_is_no_file_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, tmp_path, Path()):
        with pytest.raises(ConfigError, match="is no file"):
            write(place)
    assert pipe.is_fifo()

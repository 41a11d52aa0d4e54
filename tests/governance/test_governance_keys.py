"""Whose key a request carries."""

from __future__ import annotations

import pytest

from puna.errors import AuthenticationError
from puna.governance.keys import ANYONE, KEY_HEADERS, Keys
from puna.governance.keys import MASTER as OF_MASTER
from puna.types.secret import Secret

MASTER = Secret("sk-master-schlüssel")


def header(text: str) -> str:
    """A header's value as a server reads it: UTF-8 bytes, taken for Latin-1."""
    return text.encode().decode("latin-1")


@pytest.mark.case(158)
def test_without_a_master_key_anyone_may_come() -> None:
    assert Keys(None).authenticate({}) is ANYONE


@pytest.mark.case(157)
@pytest.mark.parametrize("name", KEY_HEADERS)
@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer  {} ", "BEARER {}"])
def test_every_header_may_carry_the_key(name: str, form: str) -> None:
    given = header(form.format(MASTER.reveal()))
    assert Keys(MASTER).authenticate({name: given}) == OF_MASTER


def test_the_operators_own_header_is_looked_at_first() -> None:
    headers = {"x-team": header(MASTER.reveal()), "authorization": "Bearer other"}
    assert Keys(MASTER, "X-Team").authenticate(headers).key_id == "master"
    with pytest.raises(AuthenticationError) as caught:
        Keys(MASTER).authenticate(headers)
    assert caught.value.code == "invalid_api_key"


@pytest.mark.case(156)
@pytest.mark.parametrize("value", ["", " ", "Bearer", "bearer  "])
def test_an_empty_header_counts_as_absent(value: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        Keys(MASTER).authenticate({"authorization": value})
    assert caught.value.code == "missing_api_key"
    known = {"authorization": value, "x-api-key": header(MASTER.reveal())}
    assert Keys(MASTER).authenticate(known).key_id == "master"


@pytest.mark.case(156, 157)
@pytest.mark.parametrize("value", ["sk", "Bearer sk-master", "Basic x", "€", "x" * 100_000])
def test_any_other_key_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        Keys(MASTER).authenticate({"authorization": value})
    assert caught.value.code == "invalid_api_key"
    assert MASTER.reveal() not in str(caught.value)
    assert value not in str(caught.value)


def test_a_change_withdraws_the_key_and_makes_another_version() -> None:
    keys = Keys(MASTER, "X-Team", version=4)
    changed = keys.changed(Secret("sk-next"))
    assert (changed.version, changed.headers) == (5, keys.headers)
    assert changed.authenticate({"x-team": "sk-next"}).key_id == "master"
    with pytest.raises(AuthenticationError):
        changed.authenticate({"x-team": header(MASTER.reveal())})
    assert keys.authenticate({"x-team": header(MASTER.reveal())}).key_id == "master"
    assert MASTER.reveal() not in repr(keys)

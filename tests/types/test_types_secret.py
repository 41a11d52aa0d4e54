"""A secret is never shown, in whatever way it is printed."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from puna.types.secret import Secret


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

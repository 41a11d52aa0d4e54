from __future__ import annotations

import copy
import pickle
import re

import pytest

import puna.errors
from puna.errors import (
    STATUS_CLASSES,
    APIConnectionError,
    APIError,
    APIStatusError,
    BadRequestError,
    ConfigError,
    InternalServerError,
    PunaError,
    RateLimitError,
    class_for_status,
)


def every_class() -> list[type[PunaError]]:
    found: list[type[PunaError]] = [PunaError]
    for cls in found:
        found += cls.__subclasses__()
    return [cls for cls in found if cls.__module__ == "puna.errors"]


CLASSES = every_class()


def read_drawing(drawing: str) -> dict[str, str]:
    """Each drawn name -> its parent. Names right of a gap are children of the name left of it."""
    parents: dict[str, str] = {}
    branches: list[tuple[int, str]] = []
    for line in drawing.splitlines():
        rails, rest = re.fullmatch(r"([\s│├└─]*)(.*)", line).groups()  # type: ignore[union-attr]  # matches any line
        left, _, right = rest.partition("   ")
        if branches and "─" not in rails:
            left, right = "", rest  # a line that only continues the right side
        names = re.findall(r"\w+Error\b", left)
        while names and branches and branches[-1][0] >= len(rails):
            branches.pop()
        parents.update((name, branches[-1][1]) for name in names if branches)
        if names:
            branches.append((len(rails), names[-1]))
        parents.update((name, branches[-1][1]) for name in re.findall(r"\w+Error\b", right))
    return parents


def test_the_drawn_tree_is_the_real_one() -> None:
    drawing = (puna.errors.__doc__ or "").split("\n\n")[1]
    real = {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES if cls is not PunaError}
    assert read_drawing(drawing) == real


def test_every_class_is_exported_and_has_a_docstring() -> None:
    assert {cls.__name__ for cls in CLASSES} <= set(puna.errors.__all__)
    assert all(cls.__doc__ for cls in CLASSES)


@pytest.mark.case(149)
@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_can_be_pickled_and_copied(cls: type[PunaError]) -> None:
    if issubclass(cls, APIError):
        error: PunaError = cls(
            "It broke: `x`.",
            status_code=499,
            code="c",
            param="p",
            provider="meta_llama",
            model="m",
            body="b",
            headers={"a": "1"},
            fault="network",
            is_retryable=True,
            retry_after_s=1.5,
        )
        error.tries = ("a", "b")  # type: ignore[attr-defined]  # an APIError
    elif issubclass(cls, ConfigError):
        error = cls("It broke.", file="f.yaml", line=3, key="k")
    else:
        error = cls("It broke.")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - our own value
        assert type(again) is cls
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__
        assert again.args == error.args


def test_a_config_error_says_where() -> None:
    assert str(ConfigError("bad", file="c.yaml", line=3, key="k")) == "c.yaml:3: bad"
    assert str(ConfigError("bad", file="c.yaml")) == "c.yaml: bad"
    assert str(ConfigError("bad")) == "bad"


@pytest.mark.case(135, 138, 139)
def test_every_status_has_a_class_of_its_own_family() -> None:
    for status in range(400, 600):
        cls = class_for_status(status)
        error = cls("x", status_code=status)
        assert error.status_code == status
        assert isinstance(error, APIStatusError | APIConnectionError)
        if status >= 500:
            assert error.is_retryable
        elif status not in (408, 429):
            assert not error.is_retryable
    assert class_for_status(451) is BadRequestError
    assert class_for_status(599) is InternalServerError


def test_a_class_with_a_status_is_in_the_table_of_statuses() -> None:
    for status, cls in STATUS_CLASSES.items():
        assert cls.status_code == status or status in (408, 410, 529)
    for known in CLASSES:
        if issubclass(known, APIError) and known not in (APIError, APIStatusError):
            assert issubclass(known, STATUS_CLASSES[known.status_code]) or issubclass(
                known, InternalServerError | APIConnectionError
            )


def test_what_is_not_given_is_the_classs_own() -> None:
    error = RateLimitError("slow")
    assert (error.status_code, error.code, error.fault) == (429, "rate_limit_exceeded", "upstream")
    assert (error.param, error.provider, error.body, error.headers) == (None, None, None, {})
    assert (error.attempts, error.tries) == (0, ())


@pytest.mark.case(140)
def test_the_body_is_capped() -> None:
    assert APIError("x", body="y" * 10_000).body == "y" * 4_096

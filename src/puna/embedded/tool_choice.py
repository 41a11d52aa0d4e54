"""Decides `tool_choice: "auto"` by a rule, because the small model cannot.

Given the choice, it answers in text every time. So the words that the last message shares with a
tool decide whether that tool is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

THRESHOLD = 2
"""A tool is chosen from this score on."""

_WORD = re.compile(r"[^\W_]+")
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_STOP_WORDS = frozenset(
    """
    a about above after all also am an and any are as at be because been before being below
    between both but by can could current data did do does doing done down during e each either
    else every for from function further g given had has have having he hello her here hers hi him
    his how however i if in input into is it its just like may me might more most much must my name
    no nor not now number object of off on once only or other our out output over own parameter
    please provided same shall she should so some string such than thank that the their them then
    there these they this those through to tool too type under until up use used using value very
    was we were what when where which while who whom why will with would yes you your
    """.split()  # noqa: SIM905 - a text of words reads better than two hundred strings
)

_COMMON_VERBS = frozenset(
    """
    add call change check create delete do fetch find get give list look make open put read run
    search send set show start stop tell update write
    """.split()  # noqa: SIM905 - the same
)
"""In a tool's name these say little: `get_weather` is about the weather."""


def pick_tools(message: str, tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The functions (`{name, description, parameters}`) that a message seems to ask for.

    The score of a tool: 2 for each word that the message shares with its name (1 if it is a common
    verb), and 1 for each other word shared with its description or its parameters' names. Words are
    compared in lower case, without stop words and without a plural ending. The tools with the
    highest score are chosen if that is at least `THRESHOLD`; else none is.
    """
    said = words(message)
    scores = [_score(said, tool) for tool in tools]
    best = max(scores, default=0)
    if best < THRESHOLD:
        return []
    return [tool for tool, score in zip(tools, scores, strict=True) if score == best]


def words(text: str) -> frozenset[str]:
    """The significant words of a text: lower case, without stop words, plural endings cut."""
    found = (word.lower() for word in _WORD.findall(_CAMEL_CASE.sub(" ", text)))
    return frozenset(_singular(word) for word in found if word not in _STOP_WORDS)


def _score(said: frozenset[str], tool: Mapping[str, Any]) -> int:
    """The score of a tool for the words of a message."""
    in_name = said & words(str(tool.get("name", "")))
    about = words(str(tool.get("description") or "")) | words(" ".join(_parameter_names(tool)))
    return sum(1 if word in _COMMON_VERBS else 2 for word in in_name) + len(
        (said & about) - in_name
    )


def _parameter_names(tool: Mapping[str, Any]) -> list[str]:
    parameters = tool.get("parameters")
    properties = (
        cast("Mapping[str, Any]", parameters).get("properties")
        if isinstance(parameters, Mapping)
        else None
    )
    return list(cast("Mapping[str, Any]", properties)) if isinstance(properties, Mapping) else []


def _singular(word: str) -> str:
    """A word without its plural ending."""
    if len(word) > 4 and word.endswith("ies"):  # noqa: PLR2004 - shorter words are not plurals
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):  # noqa: PLR2004
        return word[:-1]
    return word

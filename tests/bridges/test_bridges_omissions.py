"""What a conversion leaves out is named once and in order, or refused."""

from __future__ import annotations

import pytest

from puna.bridges.omissions import Omissions
from puna.errors import UnsupportedParamsError


def test_each_name_is_told_once_in_its_order() -> None:
    omissions = Omissions()
    for name in ("b", "a", "b"):
        omissions.note(name)
    assert omissions.names == ("b", "a")


def test_fields_that_nobody_read_are_told_unless_they_say_nothing() -> None:
    omissions = Omissions()
    given = {"type": "text", "x": 0, "y": "", "none": None, "off": False, "empty": []}
    omissions.note_unread(given, ("type",), "messages[0]")
    assert omissions.names == ("messages[0].x", "messages[0].y")


def test_what_cannot_be_had_is_refused_unless_the_caller_lets_it_go() -> None:
    with pytest.raises(UnsupportedParamsError, match=r"No such tool\. Remove it, or set") as caught:
        Omissions().refuse("tools[0]", "No such tool.", param="tools[0].type")
    assert caught.value.param == "tools[0].type"
    dropping = Omissions(may_drop=True)
    dropping.refuse("tools[0]", "No such tool.", param="tools[0].type")
    assert dropping.names == ("tools[0]",)

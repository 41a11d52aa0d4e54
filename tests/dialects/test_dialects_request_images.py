"""Images for a model that reads none, or fewer: old ones make room, the newest are refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.contexts import request_for, target_for

from puna.dialects.quirks import Quirks
from puna.dialects.request_images import IMAGES, accepts_images, fit_images
from puna.errors import UnsupportedParamsError

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SHOWN = {"role": "user", "content": [{"type": "text", "text": "See"}, IMAGE]}
SAID = {"role": "assistant", "content": "Nice."}
ASKED = {"role": "user", "content": "And now?"}
BLIND = target_for(input_modalities=frozenset(("text",)))
ONE = target_for(quirks=Quirks(max_images=1))


def images_of(message: dict[str, Any]) -> int:
    content = message["content"]
    return content.count(IMAGE) if isinstance(content, list) else 0


def test_an_earlier_image_becomes_a_text_and_is_told() -> None:
    request = request_for(messages=[SHOWN, SAID, ASKED])
    assert not accepts_images(request, BLIND)
    fitted, dropped = fit_images(request, BLIND)
    assert dropped == (IMAGES,)
    texts = [part["text"] for part in fitted.messages[0]["content"]]
    assert texts == ["See", "[image left out: the model reads text only]"]
    assert images_of(request.messages[0]) == 1  # the caller's own stays


def test_the_newest_stay_where_a_host_takes_some() -> None:
    request = request_for(messages=[SHOWN, SAID, SHOWN])
    fitted, dropped = fit_images(request, ONE)
    assert [images_of(message) for message in fitted.messages] == [0, 0, 1]
    assert dropped == (IMAGES,)


@pytest.mark.parametrize(
    ("messages", "param"),
    [([SHOWN], "messages[0].content[1]"), ([SHOWN, SAID, SHOWN], "messages[2].content[1]")],
)
def test_what_the_user_shows_now_is_refused_by_its_path(messages: list[Any], param: str) -> None:
    with pytest.raises(UnsupportedParamsError, match="text only") as caught:
        fit_images(request_for(messages=messages), BLIND)
    assert caught.value.param == param


def test_too_many_of_the_user_are_refused_with_their_number() -> None:
    with pytest.raises(UnsupportedParamsError, match="at most 1 images in a request, not `2`"):
        fit_images(request_for(messages=[SHOWN, SHOWN]), ONE)


@pytest.mark.parametrize("target", [target_for(), target_for(quirks=Quirks(max_images=2)), BLIND])
def test_a_request_that_fits_is_the_same(target: Any) -> None:
    messages = [ASKED] if target is BLIND else [SHOWN, SHOWN]
    request = request_for(messages=messages)
    assert accepts_images(request, target)
    assert fit_images(request, target) == (request, ())

"""What a request that came in another shape calls its parts, for errors and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RequestSource:
    """The client's own words for parts of a chat request.

    Attributes:
        image_paths: where each image stands in the client's request, in the order of the messages.
        names: what is told as left out, by its name in chat: the client's name.
    """

    image_paths: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])

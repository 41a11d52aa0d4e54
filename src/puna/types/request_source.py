"""The client's own names for the parts of a converted request, for errors and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RequestSource:
    """The names and paths in the request that the client sent, where that was not chat.

    Attributes:
        image_paths: the path of each image, in the order of the chat messages.
        names: the client's name for a field that is reported as left out, by its name in chat.
    """

    image_paths: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])

"""What an endpoint of the gateway is: a row with its path, its behaviour and its description.

The rows themselves are in `endpoints.py`. The router (`app.py`) finds the row of a request, checks
the key where the row asks for one, reads the body where the row has one, and calls the handler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from puna.engine.clock import Clock
from puna.gateway.directory import Directory
from puna.gateway.pipeline import Pipeline
from puna.gateway.replies import Reply
from puna.gateway.responses import ResponsesAPI
from puna.gateway.sending import Caller, Work
from puna.routing.health import Health


@dataclass(frozen=True, slots=True)
class House:
    """What the handlers of one gateway work with. `describe` makes the OpenAPI document."""

    directory: Directory
    pipeline: Pipeline
    responses: ResponsesAPI
    health: Health
    clock: Clock
    describe: Callable[[], Awaitable[Reply]]


@dataclass(slots=True)
class Asked:
    """One request for an endpoint.

    Attributes:
        caller: who asks, with the head of the request and the way back.
        body: the JSON object, with the model that the path names; empty where the row has no body.
        model, response_id: what the path names; empty where it names none.
    """

    caller: Caller
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str = ""
    response_id: str = ""


Handled = Reply | Work
"""A reply for the router to send; or calls that cost something, which it must admit first."""

Handler = Callable[[House, Asked], Handled | Awaitable[Handled]]

Access = Literal["anyone", "key"]
"""Who may call an endpoint: whoever can connect, or who has a key of this gateway."""


@dataclass(frozen=True, slots=True)
class BodyShape:
    """A request's body: the name of its schema in `openapi/`, and the fields that it must have."""

    schema: str
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """An endpoint's answers, for OpenAPI.

    Attributes:
        whole: the names of the schemas of a success, none where it only refuses; `text` is plain
            text, `object` any JSON object.
        event: the schema of an event, where there are streams.
        is_done_told: whether a stream ends with `[DONE]`.
        statuses: of its errors; a range stands for the statuses that a host answered with.
        errors: the names of the schemas of an error.
    """

    whole: tuple[str, ...]
    statuses: Sequence[str]
    event: str = ""
    is_done_told: bool = False
    errors: tuple[str, ...] = ("Error",)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and method.

    Attributes:
        path: it may hold `{model}`, which stands for anything, slashes included, as names of
            models hold them; or `{response_id}`, which stands for one part.
        name: of what it does; several paths may do the same.
        access: who may call it.
        parameters: beside those in the path, as in OpenAPI.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler = field(repr=False, compare=False)
    answer: AnswerShape = field(repr=False)
    body: BodyShape | None = None
    access: Access = "key"
    parameters: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, hash=False)

    @property
    def needs_key(self) -> bool:
        """Whether only who has a key may call it."""
        return self.access == "key"


@dataclass(frozen=True, slots=True)
class Match:
    """The endpoint of a request, and the model name or response id that its path held."""

    endpoint: Endpoint
    model: str = ""
    response_id: str = ""

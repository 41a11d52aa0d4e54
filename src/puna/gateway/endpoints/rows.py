"""The types of the endpoint table: a row has a path, a handler and a description for OpenAPI.

The rows themselves are in `table.py`. The router (`gateway/app.py`) finds the row of a request,
checks the key where the row asks for one, reads the body where the row has one, and calls the
handler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from puna.engine.clock import Clock
from puna.gateway.admin.api import AdminAPI
from puna.gateway.answers.replies import Reply
from puna.gateway.answers.sending import Caller, Work
from puna.gateway.deployments.directory import Directory
from puna.gateway.endpoints.chat import Pipeline
from puna.gateway.endpoints.responses import ResponsesAPI
from puna.routing.health import Health


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """The parts of a gateway that handlers of endpoints use.

    `describe` makes the OpenAPI document; `endpoints` are all rows of this gateway. `admin` is the
    admin API; None without a database.
    """

    directory: Directory
    pipeline: Pipeline
    responses: ResponsesAPI
    health: Health
    clock: Clock
    describe: Callable[[], Awaitable[Reply]]
    endpoints: Sequence[Endpoint]
    admin: AdminAPI | None = None


@dataclass(slots=True)
class EndpointRequest:
    """One request, as its handler gets it.

    Attributes:
        caller: the client: visit, head of the request, and the connection to answer on.
        body: the JSON object, with the model that the path names; empty where the row has no body.
        model, response_id: what the path names; empty where it names none.
    """

    caller: Caller
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str = ""
    response_id: str = ""


Handled = Reply | Work
"""A reply that the router sends; or `Work` that costs something, which must be admitted first."""

Handler = Callable[[GatewayParts, EndpointRequest], Handled | Awaitable[Handled]]

Access = Literal["anyone", "key"]
"""Who may call an endpoint: anyone who can connect, or holders of a key of this gateway."""


@dataclass(frozen=True, slots=True)
class BodyShape:
    """What OpenAPI says of an endpoint's body: the name of its schema, and its required fields."""

    schema: str
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """The answers of an endpoint, for OpenAPI.

    Attributes:
        whole: names of the schemas of a successful answer; none where every request is refused;
            `text` is plain text, `object` any JSON object.
        event: the name of the schema of a stream's event; empty where there are no streams.
        ends_with_done: whether a stream ends with `[DONE]`.
        statuses: the statuses of errors; a range such as `4XX` stands for those of a host.
        errors: names of the schemas of an error.
    """

    whole: tuple[str, ...]
    statuses: Sequence[str]
    event: str = ""
    ends_with_done: bool = False
    errors: tuple[str, ...] = ("Error",)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table: what one method at one path does.

    Attributes:
        path: may hold `{model}`, which matches any text, with slashes, as in names of models; or
            `{response_id}`, which matches one segment.
        name: the name of the endpoint; several paths may share it.
        access: who may call the endpoint.
        parameters: query and header parameters, as in OpenAPI.
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
        """Whether a request must have a key of this gateway."""
        return self.access == "key"


@dataclass(frozen=True, slots=True)
class Match:
    """The endpoint of a request, with the model name or response id from its path."""

    endpoint: Endpoint
    model: str = ""
    response_id: str = ""

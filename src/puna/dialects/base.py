"""The values that all dialects share, and the protocols of stream readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol

from typing_extensions import TypeVar

from puna.dialects.quirks import Quirks
from puna.types.requests import RequestT_co
from puna.wire.http import HTTPRequest

if TYPE_CHECKING:
    from puna.errors import APIError
    from puna.types.chat import ChatCompletionChunk
    from puna.types.common import Usage
    from puna.types.secret import Secret
    from puna.wire.sigv4 import Signing

PieceT = TypeVar("PieceT", default="ChatCompletionChunk")


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: everything about the host and its model, nothing about one request.

    Attributes:
        provider, model: the provider's name, and the upstream name of the model.
        base_url: without a trailing slash.
        api_key: sent as a bearer token, or as the quirks say; None sends no `Authorization`.
        basic_auth: `user:password` from the URL; sent instead of a key.
        signing: the credentials that sign every request right before it is sent, for hosts without
            a key.
        dialect: its name in `puna.dialects.table`.
        headers: sent with every request, lower-case names.
        query: appended to the URL, such as an API version.
        input_modalities: what the model reads; None when not known.
        context_tokens: the model's context window; None when not known.
        max_output_tokens: the longest answer that this host gives; None when not known. It is the
            catalogue's figure at the provider's own host only, or the operator's.
        retirement: a sentence for errors that look like the service was shut down.
        is_service: whether the address is the provider's own service, not a host that a call or the
            environment names instead.
        model_end: a sentence about the day on which the host ends the model, for errors that look
            like the model is gone; None where no end is known.
        asks_usage: whether a stream's usage is requested even if the caller did not ask; then the
            caller does not see it.
        lacks_embeddings: whether the host is known to have no endpoint for embeddings.
        has_responses: whether the host is known to speak the Responses API.
        has_completions: whether the host is known to have an endpoint for text completions.
    """

    provider: str
    model: str
    base_url: str
    api_key: Secret | None = None
    basic_auth: Secret | None = None
    signing: Signing | None = None
    dialect: str = "openai_chat"
    quirks: Quirks = Quirks()
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    input_modalities: frozenset[str] | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    retirement: str | None = None
    is_service: bool = False
    model_end: str | None = None
    asks_usage: bool = False
    lacks_embeddings: bool = False
    has_responses: bool = False
    has_completions: bool = False


@dataclass(frozen=True, slots=True)
class BuiltRequest:
    """A serialized request, ready to send.

    Attributes:
        http: the HTTP request.
        dropped_params: the parameters that were left out.
        reading: whatever the same dialect needs to parse the reply; see `ReadContext`.
    """

    http: HTTPRequest
    dropped_params: tuple[str, ...] = ()
    reading: Any = None


@dataclass(frozen=True, slots=True)
class ReadContext(Generic[RequestT_co]):
    """What parsing a reply needs to know beside the reply.

    Attributes:
        target: the host that was asked.
        model: the public name that the answer gets.
        made_id: the answer's id if the host gives none; tool-call ids derive from it.
        now: Unix time in seconds, the answer's `created` if the host gives none.
        request: the request that was sent.
        reading: `BuiltRequest.reading` of that request; None where none was built.
    """

    target: Target
    model: str
    made_id: str
    now: float
    request: RequestT_co
    reading: Any = None


class EventReader(Protocol[PieceT]):
    """Parses a streamed reply: bytes in, events out. The bytes may be cut anywhere.

    Neither method raises for what the host sends. A fault is kept in `error`, so that the events
    before it are delivered first.
    """

    def feed(self, data: bytes) -> list[PieceT]:
        """Add bytes; gives the events that they complete."""
        ...

    def close(self) -> list[PieceT]:
        """End the input; gives the remaining events."""
        ...

    @property
    def error(self) -> APIError | None:
        """What broke the stream, to be raised after the events that came before it; or None."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The usage that the host reported, in chat's counting, even if the caller did not ask."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come: the host said so, or the stream failed."""
        ...

    @property
    def replaced_signs(self) -> int:
        """How many cut characters were replaced by U+FFFD."""
        ...


class StreamReader(EventReader[PieceT], Protocol[PieceT]):
    """An `EventReader` whose events are chunks: of chat, unless another type is named."""

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it is known."""
        ...

    @property
    def has_finished(self) -> bool:
        """Whether the answer is complete; only its usage and the end mark may still come."""
        ...

    @property
    def is_finish_assumed(self) -> bool:
        """Whether the host ended its answer well, but without a finish reason."""
        ...

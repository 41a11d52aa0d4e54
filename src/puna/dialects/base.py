"""The values that every dialect works on, and its readers of streams."""

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
    """Where one request goes: everything about the host, nothing about the request.

    Attributes:
        provider, model: who, and the upstream's name of the model.
        base_url: without a trailing slash.
        api_key: sent as a bearer token, or as the quirks say; None sends no `Authorization`.
        basic_auth: `user:password`, from an address that held them; sent instead of a key.
        signing: who signs every request, right before it is sent; for hosts that want no key.
        dialect: its name in `puna.dialects.table`.
        headers: sent with every request, lower-case names.
        query: appended to the URL, such as an API version.
        input_modalities: what the model reads, None when that is not known.
        context_tokens: the model's window, None when that is not known.
        max_output_tokens: the longest answer that this host gives, None when that is not known. It
            is the catalogue's figure at the provider's own host only, or the operator's.
        retirement: a sentence for errors that look like a service which is gone.
        model_end: a sentence about the day on which the host ends the model, for errors that look
            like a model which is gone; None where no end is known.
        asks_usage: whether a stream is asked for its usage, also where the caller did not ask: then
            the caller does not see it.
        lacks_embeddings: whether it is known that there is no endpoint for embeddings.
        has_responses: whether it is known that the Responses API is spoken there.
        has_completions: whether it is known that there is an endpoint for text completions.
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
    model_end: str | None = None
    asks_usage: bool = False
    lacks_embeddings: bool = False
    has_responses: bool = False
    has_completions: bool = False


@dataclass(frozen=True, slots=True)
class BuiltRequest:
    """A request ready to send.

    Attributes:
        http: what to send.
        dropped_params: the parameters that were left out on the way.
        reading: what the same dialect wants to know when it reads the reply; see `ReadContext`.
    """

    http: HTTPRequest
    dropped_params: tuple[str, ...] = ()
    reading: Any = None


@dataclass(frozen=True, slots=True)
class ReadContext(Generic[RequestT_co]):
    """What reading a reply needs to know that the reply may not say.

    Attributes:
        target: who was asked.
        model: the public name that the answer carries.
        made_id: the answer's id where the upstream gives none; tool-call ids derive from it.
        now: Unix time in seconds, the answer's `created` where the upstream gives none.
        request: what was asked.
        reading: `BuiltRequest.reading` of the request that was sent; None where none was built.
    """

    target: Target
    model: str
    made_id: str
    now: float
    request: RequestT_co
    reading: Any = None


class EventReader(Protocol[PieceT]):
    """Bytes of a streamed reply in, events out. A stream may be cut anywhere.

    Neither method raises for what the upstream sends: a fault is kept in `error`, so that the
    events that came whole before it are delivered first.
    """

    def feed(self, data: bytes) -> list[PieceT]:
        """Take bytes; give the events that they complete."""
        ...

    def close(self) -> list[PieceT]:
        """The upstream has ended the reply: give what is left."""
        ...

    @property
    def error(self) -> APIError | None:
        """What broke the stream, to be raised after the events that came before it."""
        ...

    @property
    def usage(self) -> Usage | None:
        """What the upstream said of tokens, in chat's words, also when the caller did not ask."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come: the upstream said so, or the stream failed."""
        ...

    @property
    def replaced_signs(self) -> int:
        """How many signs came only in part: each is U+FFFD."""
        ...


class StreamReader(EventReader[PieceT], Protocol[PieceT]):
    """An `EventReader` for chunks: of chat, unless another kind is named."""

    @property
    def finish_reason(self) -> str | None:
        """The first choice's, once it is known."""
        ...

    @property
    def has_finished(self) -> bool:
        """Whether the answer is complete; only its usage and the end mark may still come."""
        ...

    @property
    def is_finish_assumed(self) -> bool:
        """Whether the upstream ended its answer well, but without a finish reason."""
        ...

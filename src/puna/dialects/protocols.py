"""The protocols that dialects implement, one for each kind of call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from typing_extensions import TypeVar

from puna.dialects.base import BuiltRequest, EventReader, ReadContext, StreamReader, Target
from puna.types.chat import ChatCompletion
from puna.types.completion_request import CompletionRequest
from puna.types.completions import TextCompletion
from puna.types.embeddings import EmbeddingRequest, EmbeddingResponse
from puna.types.model_request import ModelRequest
from puna.types.moderations import ModerationRequest, ModerationResponse
from puna.types.requests import ChatRequest
from puna.types.response_request import ResponsesRequest
from puna.types.responses import Response, ResponseEvent
from puna.wire.http import HTTPReply, Timeouts

if TYPE_CHECKING:
    from puna.errors import APIError
    from puna.types.common import Usage

RequestT_contra = TypeVar("RequestT_contra", bound=ModelRequest, contravariant=True)
AnswerT_co = TypeVar("AnswerT_co", covariant=True)
ReaderT_co = TypeVar("ReaderT_co", covariant=True)


class CallDialect(Protocol[RequestT_contra, AnswerT_co]):
    """A wire protocol for one kind of call: it builds requests and parses replies."""

    def build_request(
        self, request: RequestT_contra, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build the HTTP request. Raises BadRequestError for what the host cannot do.

        Nothing is sent that the caller did not give, except for what the target requires
        (`asks_usage`) and what the dialect's own docstring names.
        """
        ...

    def read_reply(self, reply: HTTPReply, context: ReadContext[RequestT_contra]) -> AnswerT_co:
        """Parse a success to the answer. Raises MalformedReplyError where it holds none.

        An answer that says that it failed raises the fitting typed error.
        """
        ...

    def read_error(self, reply: HTTPReply, context: ReadContext[RequestT_contra]) -> APIError:
        """The typed error for a reply whose status is no success."""
        ...


class StreamDialect(
    CallDialect[RequestT_contra, AnswerT_co], Protocol[RequestT_contra, AnswerT_co, ReaderT_co]
):
    """A `CallDialect` whose answers may be streamed."""

    def stream_reader(self, context: ReadContext[RequestT_contra]) -> ReaderT_co:
        """A new reader for one streamed reply."""
        ...


class Dialect(StreamDialect[ChatRequest, ChatCompletion, StreamReader], Protocol):
    """A wire protocol for chat completions."""


class EmbeddingDialect(CallDialect[EmbeddingRequest, EmbeddingResponse], Protocol):
    """A wire protocol for embeddings, which gives one vector for each input, in order."""


class ModerationDialect(CallDialect[ModerationRequest, ModerationResponse], Protocol):
    """A wire protocol for moderations, which gives one result for each input."""


class CompletionDialect(
    StreamDialect[CompletionRequest, TextCompletion, StreamReader[TextCompletion]], Protocol
):
    """A wire protocol for text completions."""


class ResponsesDialect(
    StreamDialect[ResponsesRequest, Response, EventReader[ResponseEvent]], Protocol
):
    """A wire protocol for responses."""

    def read_usage(self, response: Response) -> Usage | None:
        """The usage of a response in chat's counting; None where it has none."""
        ...

"""Serializes the body of a passed chat request for one deployment, with its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET, MsgspecError
from msgspec.json import Encoder
from msgspec.structs import replace

from puna.wire.envelope import PARAMS, ChatEnvelope, StreamOptions, read_envelope

_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")
"""Two names of one parameter: the most tokens of an answer."""

_encoder = Encoder()


@dataclass(frozen=True, slots=True)
class BodyChanges:
    """How the body for one deployment's host differs from the caller's request.

    Attributes:
        model: the host's name for the model.
        asks_usage: whether a stream's usage is asked for even where the caller did not ask.
        dropped: parameters to leave out: the host does not know them, and they change no answer.
        defaults: values for parameters that the caller did not give.
        added: further members of the JSON object, encoded, each with a comma before it.
    """

    model: str
    asks_usage: bool = False
    dropped: Sequence[str] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    added: bytes = b""

    def encode(self, envelope: ChatEnvelope) -> tuple[bytes, tuple[str, ...]]:
        """Serialize the request for the host.

        Returns the body, and the parameters that were left out.

        Called for each attempt of the fast lane.
        """
        dropped: tuple[str, ...] = ()
        if self.dropped and not (  # most requests have none of these four
            envelope.store is UNSET
            and envelope.prompt_cache_key is UNSET
            and envelope.prompt_cache_retention is UNSET
            and envelope.safety_identifier is UNSET
        ):
            dropped = tuple(n for n in self.dropped if getattr(envelope, n) is not UNSET)
        asks_usage = self.asks_usage and envelope.stream is True
        if dropped or asks_usage or self.defaults or envelope.metadata is not UNSET:
            changes: dict[str, Any] = dict.fromkeys(dropped, UNSET)
            changes["metadata"] = UNSET  # only hooks get the metadata
            if asks_usage:
                changes["stream_options"] = _USAGE
            envelope = replace(envelope, **changes, **self._missing_defaults(envelope))
        # Swap the name in and out again: copying the envelope would take longer.
        name, envelope.model = envelope.model, self.model
        try:
            body = _encoder.encode(envelope)
        finally:
            envelope.model = name
        if self.added:
            body = b"%b%b}" % (body[:-1], self.added)
        return body, dropped

    def _missing_defaults(self, envelope: ChatEnvelope) -> dict[str, Any]:
        """The defaults of the parameters that the caller did not give."""
        has_limit = any(getattr(envelope, name) is not UNSET for name in _OUTPUT_LIMITS)
        return {
            name: value
            for name, value in self.defaults.items()
            if getattr(envelope, name) is UNSET and not (has_limit and name in _OUTPUT_LIMITS)
        }


_USAGE = StreamOptions(include_usage=True)


def default_changes(
    model: str, params: Mapping[str, Any], *, asks_usage: bool, dropped: Sequence[str]
) -> BodyChanges | None:
    """Make the changes for a deployment that has parameters of its own, `params`.

    None where a parameter is invalid or needs the dialect's reader: then the requests of this
    deployment are not passed on.
    """
    known = {name: value for name, value in params.items() if name in SIMPLE_PARAMS}
    others = {name: value for name, value in params.items() if name not in known}
    if any(
        name in PARAMS or name in ("model", "messages", "stream", "metadata") for name in others
    ):
        return None
    probe = {"model": model, "messages": [{"role": "user", "content": ""}], **known}
    try:
        read = read_envelope(_encoder.encode(probe))
        added = b"".join(
            b",%b:%b" % (_encoder.encode(name), _encoder.encode(value))
            for name, value in others.items()
            if value is not None
        )
    except (TypeError, MsgspecError):
        return None
    if read is None:
        return None
    defaults = {name: value for name in known if (value := getattr(read, name)) is not UNSET}
    return BodyChanges(model, asks_usage, tuple(dropped), defaults, added)


SIMPLE_PARAMS = frozenset(
    (
        *("frequency_penalty", "max_completion_tokens", "max_tokens", "n", "presence_penalty"),
        *("reasoning_effort", "seed", "service_tier", "stop", "temperature", "top_p", "user"),
    )
)
"""Parameters whose defaults can be applied to a request that is passed on."""

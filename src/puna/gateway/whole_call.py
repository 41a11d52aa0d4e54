"""A call of the fast lane whose answer comes whole."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import override

from puna.engine.call import Call, attribute
from puna.errors import APIError
from puna.gateway.fast_call import Client, FastCall, Road, Route
from puna.types.chat import ChatCompletion
from puna.wire.envelope import ChatEnvelope, read_reply
from puna.wire.http import HTTPReply, shown_headers


class WholeCall(FastCall):
    """A call whose answer comes whole."""

    def __init__(
        self, road: Road, route: Route, envelope: ChatEnvelope, call: Call, client: Client
    ) -> None:
        super().__init__(road, route, envelope, call, client)
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._pieces: list[bytes] = []

    @override
    def _take_head(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers, self._pieces = status, headers, []

    @override
    def _take_piece(self, data: bytes) -> None:
        self._pieces.append(data)

    @override
    def _take_end(self) -> None:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        answer = self._pass_on(body)
        completion = None
        if answer is not None and self._road.hooks:
            completion = ChatCompletion.model_validate_json(answer).with_report(self._run.report)
        if answer is None:
            reply = HTTPReply(self._status, self._headers, body)
            try:
                completion = self._run.read_whole(self._tried, reply)
            except APIError as error:
                self._failed(error)
                return
            answer = completion.to_json().encode()
        self._succeeded()
        self._is_over = True
        self._road.settle(self._run, "success", answer=completion)
        self._client.reply(self._run.report, answer)

    @override
    def _note_used(self) -> None:
        """Nothing is known before the answer is whole."""

    def _pass_on(self, body: bytes) -> bytes | None:
        """The body under the public name, when it is plain."""
        if self._status != 200:  # noqa: PLR2004 - RFC 9110
            return None
        plain = read_reply(body)
        renamed = self._route.renaming.apply(body, plain) if plain is not None else None
        if plain is None or renamed is None:
            return None
        run, usage = self._run, plain.usage
        if self._holds_secret():
            run.take_headers(self._tried, self._status, self._headers)
        else:
            run.report.status_code = self._status
            run.report.headers = shown_headers(self._headers)
        assert self._deployment is not None, "a reply without a try"  # noqa: S101 - narrows
        run.note_usage(
            self._deployment, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens
        )
        run.report.finish_reason = plain.choices[0].finish_reason
        return renamed

    def _holds_secret(self) -> bool:
        """Whether the host repeats a secret in its headers: then they are to be scrubbed."""
        values = "\n".join(self._headers.values())
        for secret in self._route.secrets:  # noqa: SIM110 - a generator costs more than the rest
            if secret in values:
                return True
        return False

    @override
    def _take_error(self, error: APIError) -> None:
        self._failed(attribute(error, self._tried))

"""The retries and timeouts that one request asks for, laid over those of its deployments."""

from __future__ import annotations

from dataclasses import dataclass

from puna.routing.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Steering:
    """The retries and timeouts of one request. What is None here, the deployment says.

    A part of the request's `Plan`, whose deployments stay as they are, for all requests.
    """

    is_stream: bool
    max_retries: int | None = None
    timeout_s: float | None = None
    stream_timeout_s: float | None = None

    def time_limits(self, one: Deployment) -> tuple[float | None, float | None]:
        """The seconds for a whole reply of this deployment, and between two pieces of a stream.

        The request's own value is for both; so is a deployment's `stream_timeout_s`, for a stream.
        """
        own_s = self.timeout_s
        if self.is_stream:
            own_s = self.stream_timeout_s or self.timeout_s or one.stream_timeout_s
        return own_s or one.timeout_s, own_s or one.stream_timeout_s

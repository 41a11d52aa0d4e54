"""Tracks failures of deployments, and puts failing ones into a cooldown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from puna.errors import UNMET_FORMAT, APIError, BadRequestError

_COUNTED = frozenset((401, 404, 408, 429))


@dataclass(frozen=True, slots=True)
class CooldownPolicy:
    """After more than `allowed_fails` failures in a row, the cooldown lasts `cooldown_s`."""

    allowed_fails: int = 3
    cooldown_s: float = 5.0
    is_enabled: bool = True


@dataclass(slots=True)
class _Record:
    """The failures in a row and the cooldown of one deployment."""

    fails: int = 0
    cooldown_until: float = 0.0


class Health:
    """The failures of each deployment, shared by all calls of one engine.

    Instants are seconds of a steady clock. Each method reads or writes single values, so threads
    may share it; at worst one failure is not counted.
    """

    def __init__(self, policy: CooldownPolicy | None = None) -> None:
        self.policy = policy or CooldownPolicy()
        self._records: dict[str, _Record] = {}
        self._kinds: dict[str, Health] = {}

    def of(self, kind: str) -> Health:
        """The health for calls of one kind: a host that fails at embeddings still gets chat."""
        return self._kinds.setdefault(kind, Health(self.policy))

    def with_policy(self, policy: CooldownPolicy, deployment_ids: Iterable[str]) -> Health:
        """The health under a reloaded configuration; it keeps the records of these deployments.

        Both share their records: a call that began before, and ends later, counts for both.
        """
        after = Health(policy)
        kept = tuple(deployment_ids) if policy.is_enabled else ()
        for one in kept:
            after._records[one] = self._records.setdefault(one, _Record())
        for kind, health in self._kinds.items():
            after._kinds[kind] = health.with_policy(policy, kept)
        return after

    def is_cooling_down(self, deployment_id: str, now: float) -> bool:
        """Whether the deployment is in cooldown at `now`."""
        record = self._records.get(deployment_id)
        return record is not None and record.cooldown_until > now

    def cooldown_until(self, deployment_id: str) -> float:
        """The instant at which the deployment's cooldown ends; 0 if it never had one."""
        record = self._records.get(deployment_id)
        return record.cooldown_until if record is not None else 0.0

    def failed(self, deployment_id: str, error: APIError, now: float) -> None:
        """Count a failure, unless it is the caller's fault; may begin a cooldown."""
        if not self.policy.is_enabled or not _counts_as_failure(error):
            return
        record = self._records.setdefault(deployment_id, _Record())
        record.fails += 1
        asked = error.retry_after_s or 0.0
        if record.fails > self.policy.allowed_fails:
            record.cooldown_until = now + max(self.policy.cooldown_s, min(asked, 60.0))
            record.fails = 0

    def succeeded(self, deployment_id: str) -> None:
        """Reset the failures, since only those in a row count."""
        record = self._records.get(deployment_id)
        if record is not None:
            record.fails, record.cooldown_until = 0, 0.0


def _counts_as_failure(error: APIError) -> bool:
    """Whether an error counts as a failure of the deployment."""
    if isinstance(error, BadRequestError) or error.code == UNMET_FORMAT:
        return False  # whatever the status: the request is wrong, the host is well
    return error.status_code in _COUNTED or error.status_code >= 500  # noqa: PLR2004 - RFC 9110

"""Which deployments rest after failures (a cooldown)."""

from __future__ import annotations

from dataclasses import dataclass

from puna.errors import UNMET_FORMAT, APIError, BadRequestError

_COUNTED = frozenset((401, 404, 408, 429))


@dataclass(frozen=True, slots=True)
class CooldownPolicy:
    """After more than `allowed_fails` failures in a row a deployment rests for `cooldown_s`."""

    allowed_fails: int = 3
    cooldown_s: float = 5.0
    is_enabled: bool = True


@dataclass(slots=True)
class _Record:
    fails: int = 0
    rests_until: float = 0.0


class Health:
    """The failures of each deployment, shared by all calls of one engine.

    Instants are seconds of any steady clock. Plain reads and writes of single values: safe to
    share between threads, at worst a failure is counted once too few.
    """

    def __init__(self, policy: CooldownPolicy | None = None) -> None:
        self.policy = policy or CooldownPolicy()
        self._records: dict[str, _Record] = {}

    def is_resting(self, deployment_id: str, now: float) -> bool:
        """Whether the deployment is in cooldown."""
        record = self._records.get(deployment_id)
        return record is not None and record.rests_until > now

    def rests_until(self, deployment_id: str) -> float:
        """The end of its cooldown, 0 when it never had one."""
        record = self._records.get(deployment_id)
        return record.rests_until if record is not None else 0.0

    def failed(self, deployment_id: str, error: APIError, now: float) -> None:
        """Record a failure that is not the caller's fault."""
        if not self.policy.is_enabled or not _counts(error):
            return
        record = self._records.setdefault(deployment_id, _Record())
        record.fails += 1
        asked = error.retry_after_s or 0.0
        if record.fails > self.policy.allowed_fails:
            record.rests_until = now + max(self.policy.cooldown_s, min(asked, 60.0))
            record.fails = 0

    def succeeded(self, deployment_id: str) -> None:
        """Forget the failures: only those in a row count."""
        self._records.pop(deployment_id, None)


def _counts(error: APIError) -> bool:
    if isinstance(error, BadRequestError) or error.code == UNMET_FORMAT:
        return False  # whatever the status: the request is wrong, the host is well
    return error.status_code in _COUNTED or error.status_code >= 500  # noqa: PLR2004 - RFC 9110

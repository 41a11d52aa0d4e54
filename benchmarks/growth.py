"""What a row of memory samples says: growth after the warm-up, and the slope of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

_MB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """A process's memory at one moment.

    Attributes:
        at_s: seconds since the load began.
        requests: how many were answered, or left, until then.
        rss_mb: resident memory, in MB (2^20 bytes).
    """

    at_s: float
    requests: int
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Growth:
    """How memory went after the warm-up.

    Attributes:
        mb: the last sample less the first.
        bytes_per_request: the slope of the line that fits all samples best (least squares).
        peak_mb: the largest sample.
    """

    mb: float
    bytes_per_request: float
    peak_mb: float


def after_warm_up(samples: Sequence[Sample], share: float) -> list[Sample]:
    """The samples from the one on at which this share of all requests was done."""
    warm = samples[-1].requests * share
    return [sample for sample in samples if sample.requests >= warm]


def growth_of(samples: Sequence[Sample]) -> Growth:
    """Growth over samples in the order of their requests.

    Raises:
        ValueError: they are fewer than two, or of one moment only.
    """
    if len(samples) < 2 or samples[0].requests == samples[-1].requests:  # noqa: PLR2004 - a line
        raise ValueError("growth takes two samples with requests between them")
    slope = linear_regression(
        [sample.requests for sample in samples], [sample.rss_mb for sample in samples]
    ).slope
    return Growth(
        mb=samples[-1].rss_mb - samples[0].rss_mb,
        bytes_per_request=slope * _MB,
        peak_mb=max(sample.rss_mb for sample in samples),
    )

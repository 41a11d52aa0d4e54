from __future__ import annotations

import pytest
from benchmarks.growth import Sample, after_warm_up, growth_of

MB = 2**20


def samples_of(*rss_mb: float) -> list[Sample]:
    """A sample each 1,000 requests."""
    return [Sample(float(at), 1_000 * at, mb) for at, mb in enumerate(rss_mb)]


def test_flat_memory_does_not_grow() -> None:
    growth = growth_of(samples_of(50, 50, 50))
    assert (growth.mb, growth.bytes_per_request, growth.peak_mb) == (0, 0, 50)


def test_a_steady_leak_is_told_in_bytes_a_request() -> None:
    growth = growth_of(samples_of(50, 51, 52, 53))
    assert growth.mb == 3
    assert growth.bytes_per_request == pytest.approx(MB / 1_000)


def test_the_slope_is_that_of_all_samples_not_of_first_and_last() -> None:
    growth = growth_of(samples_of(50, 60, 60, 50))
    assert growth.mb == 0
    assert growth.bytes_per_request == pytest.approx(0)
    assert growth.peak_mb == 60
    late = growth_of(samples_of(50, 50, 50, 54))
    assert late.bytes_per_request == pytest.approx(1.2 * MB / 1_000)


def test_samples_need_not_be_evenly_spaced() -> None:
    samples = [Sample(0, 100, 10), Sample(1, 200, 11), Sample(2, 1_100, 20)]
    assert growth_of(samples).bytes_per_request == pytest.approx(MB / 100)


def test_the_warm_up_is_a_share_of_all_requests() -> None:
    samples = samples_of(40, 48, 50, 50, 50)
    assert after_warm_up(samples, 0.5) == samples[2:]
    assert after_warm_up(samples, 0.3) == samples[2:]
    assert after_warm_up(samples, 0.0) == samples


@pytest.mark.parametrize("samples", [[], samples_of(50), [Sample(0, 7, 1), Sample(1, 7, 2)]])
def test_growth_takes_two_samples_with_requests_between(samples: list[Sample]) -> None:
    with pytest.raises(ValueError, match="two samples"):
        growth_of(samples)

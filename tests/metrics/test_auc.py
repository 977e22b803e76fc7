from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import simpson

from facebench.metrics.auc import (
    luvli_auc,
    san_auc,
    simpson_areas,
    simpson_auc,
    simpson_grid,
    simpson_weights,
    spiga_auc,
    strict_failure_rate,
)

ERRORS = st.lists(st.floats(0.0, 0.3), min_size=2, max_size=40).map(np.array)


def test_simpson_weights_of_three_even_samples_are_one_four_one_thirds():
    # Simpson on [0, 2] with h = 1: (y0 + 4 y1 + y2) h / 3.
    np.testing.assert_allclose(simpson_weights(np.array([0.0, 1.0, 2.0])), [1 / 3, 4 / 3, 1 / 3], rtol=1e-15)


def test_simpson_weights_of_four_samples_average_both_ends():
    # First sum: Simpson on samples 0..2 + trapezoid on the last interval: 1/3, 4/3, 1/3 + 1/2, 1/2.
    # Second sum: trapezoid on the first interval + Simpson on 1..3: 1/2, 1/2 + 1/3, 4/3, 1/3. Mean of both.
    late, early = np.array([1 / 3, 4 / 3, 5 / 6, 1 / 2]), np.array([1 / 2, 5 / 6, 4 / 3, 1 / 3])
    np.testing.assert_allclose(simpson_weights(np.arange(4.0)), (late + early) / 2, rtol=1e-15)


@pytest.mark.parametrize(("n", "expected"), [(0, []), (1, [0.0]), (2, [0.5, 0.5])])
def test_simpson_weights_of_few_samples(n, expected):
    np.testing.assert_array_equal(simpson_weights(np.arange(float(n))), expected)


@given(st.lists(st.floats(0.1, 2.0), min_size=2, max_size=30).filter(lambda steps: len(steps) % 2 == 0))
def test_simpson_weights_agree_with_scipy_for_an_odd_number_of_uneven_samples(steps):
    x = np.concatenate([[0.0], np.cumsum(steps)])
    y = np.sin(x) + x
    assert simpson_weights(x) @ y == pytest.approx(simpson(y, x=x), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("threshold", "samples"), [(0.05, 502), (0.07, 702), (0.08, 801), (0.1, 1001)])
def test_grid_has_one_sample_too_many_at_five_and_seven_percent(threshold, samples):
    grid = simpson_grid(threshold)
    assert len(grid) == samples
    assert grid[-1] == pytest.approx(threshold + (1e-4 if samples % 2 == 0 else 0.0), abs=1e-12)


@given(ERRORS, st.sampled_from([0.05, 0.07, 0.08, 0.1]))
def test_mean_of_the_simpson_parts_is_the_integral_of_the_sampled_curve(errors, threshold):
    grid = simpson_grid(threshold)
    curve = np.array([np.count_nonzero(errors <= x) / len(errors) for x in grid])
    assert simpson_areas(errors, threshold).mean() == pytest.approx(
        simpson_weights(grid) @ curve / threshold, abs=1e-12
    )
    if len(grid) % 2:  # there scipy's rules of all versions agree
        assert simpson_auc(errors, threshold).area == pytest.approx(simpson(curve, x=grid) / threshold, abs=1e-12)


@given(ERRORS, st.sampled_from([0.08, 0.1]))
def test_every_variant_is_near_the_exact_area(errors, threshold):
    exact = np.maximum(0, 1 - errors / threshold).mean()
    assert simpson_auc(errors, threshold).area == pytest.approx(exact, abs=2e-3)
    assert san_auc(errors, threshold).area == pytest.approx(exact, abs=2e-3)


def test_simpson_failures_are_read_one_step_past_seven_percent():
    # 0.07005 fails at 0.07, but the grid ends at 0.0701; 0.0702 fails on both counts.
    errors = np.array([0.01, 0.07005, 0.0702, 0.02])
    assert simpson_auc(errors, 0.07).failures == 0.25
    assert strict_failure_rate(errors, 0.07) == 0.5


def test_the_simpson_area_passes_one_at_five_percent():
    # A perfect face: curve 1 on [0, 0.0501], divided by 0.05: 1.002.
    assert simpson_auc(np.zeros(3), 0.05).area == pytest.approx(1.002, abs=1e-12)


def test_san_counts_strictly_below():
    # An error of 0 is not below the first sample, 0: the first trapezoid has height 1/2 there.
    # Area: (1 - 1/2 * 1/1999).
    assert san_auc(np.zeros(4), 0.08).area == pytest.approx(1 - 0.5 / 1999, abs=1e-12)
    assert san_auc(np.array([0.08, 0.01]), 0.08).failures == 0.5


def test_spiga_of_no_error_below_the_threshold():
    found = spiga_auc(np.array([9.0, 12.0]), 8)
    assert (found.area, found.failures) == (0.0, 100.0)


def test_spiga_adds_the_tail_after_the_largest_error():
    # Two errors, 2 and 4 percent, threshold 8. Left edges 2, 2.0002, .., 3.9998; curve 1/2 but for the last bin, 1.
    # Integral about 2 * 1/2; tail (8 - 3.9998) * 1: (1 + 4.0002) / 8 = 62.5 %.
    found = spiga_auc(np.array([2.0, 4.0]), 8)
    assert found.area == pytest.approx(62.5, abs=0.01)
    assert found.failures == 0.0


def test_spiga_lets_the_last_bin_pass_the_threshold():
    # Range 0..8.0002 in bins of 0.00080002: the last left edge below 8 is 7.9994, and its bin holds 8.0002 too.
    assert spiga_auc(np.array([0.0, 1.0, 2.0, 8.0002]), 8).failures == 0.0
    assert strict_failure_rate(np.array([0.0, 1.0, 2.0, 8.0002]), 8) == 0.25


def test_spiga_by_hand_in_four_bins():
    # Errors 0, 2, 4, 8: edges 0 2 4 6 8, curve 1/4 1/2 3/4 1 at the left edges. Below 6 lie 0, 2 and 4.
    # Simpson: 2/3 (1/4 + 4/2 + 3/4) = 2 of 6. No tail, since one error in four is above; failures 1 - 3/4.
    found = spiga_auc(np.array([0.0, 2.0, 4.0, 8.0]), 6, bins=4)
    assert found.area == pytest.approx(100 / 3)
    assert found.failures == 25.0


def test_luvli_by_hand():
    # Errors 2 and 4 percent, threshold 8: points (2, 50), (4, 100), then flat to 8.
    # Area (50 + 100)/2 * 2 + 100 * 4 = 550 of 800: 68.75.
    assert luvli_auc(np.array([0.04, 0.02]), 8) == pytest.approx(68.75)


def test_luvli_interpolates_at_the_threshold():
    # Errors 2 and 10: at 8 the line from (2, 50) to (10, 100) is 87.5. Area (50 + 87.5)/2 * 6 = 412.5 of 800.
    assert luvli_auc(np.array([0.02, 0.10]), 8) == pytest.approx(51.5625)


def test_luvli_stops_at_an_error_equal_to_the_threshold():
    # 12.5 and 50 are exact in binary: points (12.5, 33.3), (50, 66.7). Area (1/3 + 2/3)/2 * 100 * 37.5 = 1875 of 5000.
    assert luvli_auc(np.array([0.125, 0.5, 0.75]), 50) == pytest.approx(37.5)


def test_luvli_takes_the_lowest_of_errors_equal_to_the_threshold():
    # Points (12.5, 25), (50, 50), (50, 75): the last segment has no width. Area (25 + 50)/2 * 37.5 of 5000.
    assert luvli_auc(np.array([0.125, 0.5, 0.5, 0.75]), 50) == pytest.approx(28.125)


def test_luvli_of_no_error_below_the_threshold():
    assert luvli_auc(np.array([0.2, 0.3]), 8) == 0.0


def test_strict_failures_lie_above_the_threshold():
    assert strict_failure_rate(np.array([0.1, np.nextafter(0.1, 1), 0.05, 0.2]), 0.1) == 0.5


@given(ERRORS, st.floats(0.01, 0.2), st.floats(0.0, 0.1))
def test_strict_failures_never_grow_with_the_threshold(errors, threshold, more):
    assert strict_failure_rate(errors, threshold + more) <= strict_failure_rate(errors, threshold)

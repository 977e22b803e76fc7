from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from facebench.errors import UsageError
from facebench.metric import Metric
from facebench.planning import images_needed, plan, seeds_needed
from facebench.pooled import mean_of

MEAN = Metric("mean", "mm", "lower", mean_of(lambda columns: columns["x"]))


def names(n: int) -> list[str]:
    return [f"{i:04d}" for i in range(n)]


def test_images_by_hand():
    # Spread 2 mm over 400 images: error 0.1. (2.8016 * 0.1 / 0.5)^2 * 400 = 125.6.
    assert images_needed(400, 0.1, 0.5) == 126
    assert images_needed(400, 0.1, 0.25) == 503


def test_seeds_by_hand():
    # 2 (2.8016 * 0.1 / 0.2)^2 = 3.92.
    assert seeds_needed(0.1, 0.2) == 4
    assert seeds_needed(0.0001, 0.2) == 2


def test_as_many_images_as_planned_find_the_difference_four_times_in_five():
    rng = np.random.default_rng(0)
    base = rng.normal(5, 2, 500)
    apart = rng.normal(0, 1, 500)
    apart = 0.5 * (apart - apart.mean()) / apart.std()
    found = plan((MEAN, np.ones(500, dtype=bool)), {"x": base}, {"x": base + apart}, names(500), delta=0.1)
    (need,) = found.needs
    assert need.shared is None
    trials = [scipy_stats.ttest_1samp(rng.normal(0.1, 0.5, need.images), 0).pvalue < 0.05 for _ in range(1500)]
    assert np.mean(trials) == pytest.approx(0.8, abs=0.04)
    assert images_needed(500, need.error, need.detectable) == pytest.approx(500, abs=1)


def test_one_run_alone_is_planned_for_what_might_be_shared():
    rng = np.random.default_rng(1)
    found = plan((MEAN, np.ones(400, dtype=bool)), {"x": rng.normal(5, 2, 400)}, None, names(400), delta=0.1)
    nothing, half, most = found.needs
    assert (nothing.shared, half.shared, most.shared) == (0.0, 0.5, 0.9)
    assert nothing.error == pytest.approx(2 * np.sqrt(2 / 400), rel=0.1)
    assert nothing.images == pytest.approx(2 * half.images, rel=0.01)
    assert nothing.images == pytest.approx(10 * most.images, rel=0.01)


def test_clusters_make_images_worth_less():
    rng = np.random.default_rng(2)
    x = np.repeat(rng.normal(5, 2, 100), 4)
    clustered = plan((MEAN, np.ones(400, dtype=bool)), {"x": x}, None, [str(i // 4) for i in range(400)], delta=0.1)
    apart = plan((MEAN, np.ones(400, dtype=bool)), {"x": x}, None, names(400), delta=0.1)
    assert clustered.clusters == 100
    assert clustered.needs[0].images == pytest.approx(4 * apart.needs[0].images, rel=0.1)


def test_what_cannot_be_planned_is_said():
    same, everyone = {"x": np.arange(50.0)}, np.ones(50, dtype=bool)
    with pytest.raises(UsageError, match="above 0"):
        plan((MEAN, everyone), same, None, names(50), delta=0)
    with pytest.raises(UsageError, match="do not differ"):
        plan((MEAN, everyone), same, dict(same), names(50), delta=1)
    with pytest.raises(UsageError, match="does not vary"):
        plan((MEAN, everyone), {"x": np.ones(50)}, None, names(50), delta=1)

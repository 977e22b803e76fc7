"""Quality against cost on a benchmark's page: what is on the front, what is drawn, and where it is left out."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.record import LatencyRecord, Result
from leaderboard.site import plots
from tests.leaderboard.records import backbone, floor, predicted, record, score
from tests.leaderboard.sites import Page, make_site


def own(name: str, value: float, gmacs: float | None, parameters: int = 1_000_000, **changes) -> Result:
    about = backbone(name, gmacs=gmacs, parameters=parameters, sha256=name.ljust(16, "0"))
    return record(name, score(value=value), backbone=about, **changes)


def page(folder: Path, made: list[Result]) -> Page:
    return Page(make_site(folder, made) / "benchmark/wflw-test-nme-ioc.html")


def text(folder: Path) -> str:
    return (folder / "site/benchmark/wflw-test-nme-ioc.html").read_text(encoding="utf-8")


def test_the_front_by_hand():
    made = plots.pareto(
        [
            (1.0, 6.0, "small"),
            (10.0, 4.0, "good"),
            (10.0, 5.0, "same cost"),
            (100.0, 4.0, "no better"),
            (0.0, 1.0, "-"),
        ],
        lower=True,
        cost="GMACs",
    )
    assert made is not None
    assert [(dot.label.split(":")[0], dot.leading) for dot in made.dots] == [
        ("small", True), ("good", True), ("same cost", False), ("no better", False),
    ]  # fmt: skip
    small, good, _, last = made.dots
    assert good.x == pytest.approx((small.x + last.x) / 2, abs=0.01), "each step is a factor"
    assert small.y < good.y == last.y, "larger values stand higher"
    assert made.front == f"M{small.x:g} {small.y:g}H{good.x:g}V{good.y:g}H100"
    assert [tick.label for tick in made.costs] == ["1", "2", "5", "10", "20", "50", "100"]
    assert made.dots[1].label == "good: 4 at 10 GMACs"


costs = st.floats(0.01, 500, allow_nan=False)
rows = st.lists(st.tuples(costs, costs), min_size=plots.ENOUGH, max_size=12)


@given(rows, st.booleans())
def test_the_front_is_what_no_other_row_dominates(drawn, lower):
    named = [(cost, value, str(i)) for i, (cost, value) in enumerate(drawn)]
    made = plots.pareto(named, lower=lower, cost="GMACs")
    if len({cost for cost, _ in drawn}) == 1:
        assert made is None
        return
    assert made is not None
    front = {drawn[int(dot.label.split(":")[0])] for dot in made.dots if dot.leading}

    def beats(a, b):
        better = a[1] <= b[1] if lower else a[1] >= b[1]
        return a != b and a[0] <= b[0] and better

    wanted = {b for b in drawn if not any(beats(a, b) for a in drawn)}
    assert front == wanted
    assert all(0 <= number <= 100 for dot in made.dots for number in (dot.x, dot.y))


def test_values_where_higher_is_better_lead_upwards():
    made = plots.pareto([(1, 90, "a"), (2, 95, "b"), (3, 94, "c")], lower=False, cost="GMACs")
    assert made is not None
    assert [dot.leading for dot in made.dots] == [True, True, False]


def test_wide_axes_have_powers_of_ten_alone():
    labels = [tick.label for tick in plots.factors(plots.Scale(-2.0, 3.0))]
    assert labels == ["0.01", "0.1", "1", "10", "100", "1000"]
    places = [tick.at for tick in plots.factors(plots.Scale(0.0, 1.0))]
    assert all(a < b for a, b in itertools.pairwise(places))


def test_rows_of_one_cost_are_not_drawn():
    assert plots.pareto([(1, 1, "a"), (1, 2, "b"), (1, 3, "c")], lower=True, cost="GMACs") is None


def test_two_rows_are_not_enough():
    assert plots.pareto([(1, 1, "a"), (2, 2, "b"), (0, 3, "no network")], lower=True, cost="GMACs") is None


def test_a_page_draws_ranked_own_rows_against_multiply_adds(tmp_path):
    made = [own("tiny", 6.0, 1.3), own("small", 5.0, 4.6), own("base", 4.0, 17.6), own("uncounted", 3.0, None)]
    page(tmp_path, [*made, floor(20.0), predicted("STAR", 4.5)])
    (figure,) = re.findall(r"<figure.*?</figure>", text(tmp_path), re.DOTALL)
    assert "Quality against cost" in figure
    titles = re.findall(r"<title>(.*?)</title>", figure)
    assert titles == ["tiny: 6 at 1.3 GMACs a picture", "small: 5 at 4.6 GMACs a picture",
                      "base: 4 at 17.6 GMACs a picture"]  # fmt: skip
    assert re.findall(r'<text class="name".*?>(.*?)</text>', figure) == ["tiny", "small", "base"]
    assert "style=" not in figure


def test_weights_stand_in_where_nobody_counted(tmp_path):
    made = [own(name, value, None, parameters=n) for name, value, n in
            (("a", 6.0, 5_700_000), ("b", 5.0, 22_000_000), ("c", 4.0, 86_000_000))]  # fmt: skip
    page(tmp_path, made)
    assert "a: 6 at 5.7 million weights" in text(tmp_path)


def test_rows_that_may_not_be_compared_are_not_drawn_together(tmp_path):
    first = [own(name, value, gmacs) for name, value, gmacs in (("a", 6.0, 1.0), ("b", 5.0, 2.0))]
    other = [own("c", 4.0, 3.0, fields={"box": "detector*1.25"})]
    page(tmp_path, first + other)
    assert "Quality against cost" not in text(tmp_path)


def test_a_models_page_says_its_cost(tmp_path):
    latency = LatencyRecord(milliseconds=12.345, batch=16, batches=4, device="cpu, <2> threads")
    site = make_site(tmp_path, [own("base", 4.0, 17.58, latency=latency)])
    (shown,) = [Page(file) for file in (site / "model").glob("base-*.html")]
    assert "17.6 at 224 px" in shown.text
    assert "12.3 ms in batches of 16 (cpu, <2> threads)" in shown.text

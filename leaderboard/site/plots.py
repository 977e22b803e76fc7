"""Where the marks of a page's pictures stand: numbers only, which the templates draw as SVG.

Coordinates are percent of the picture's width or height, x to the right and y down, rounded to a hundredth.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facebench.record import Score
from leaderboard.load import Loaded

CURVE_END = 10.0
"""Percent of the normaliser at which a curve of cumulative errors ends, as papers draw it."""

CURVE_STEPS = 100

ENOUGH = 3
"""Rows with a cost that quality is drawn against cost for."""

MANY = 8
"""Labels that an axis has room for."""


@dataclass(frozen=True)
class Scale:
    """A stretch of numbers, laid from 0 to 100."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where `value` stands, held inside the stretch."""
        span = self.high - self.low
        where = 50.0 if span <= 0 else 100.0 * (value - self.low) / span
        return round(min(max(where, 0.0), 100.0), 2)


@dataclass(frozen=True)
class Bar:
    """An interval and the value inside it; without an interval `low` and `high` are the value.

    Attributes:
        beyond: the side on which the value lies outside the picture, `left` or `right`; empty where it lies inside.
    """

    low: float
    value: float
    high: float
    beyond: str = ""

    @property
    def width(self) -> float:
        """Length of the interval."""
        return round(self.high - self.low, 2)


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Curve:
    """Share of faces below each error: `points` as SVG writes them, `name` for the legend."""

    name: str
    points: str
    own: bool


@dataclass(frozen=True)
class Dot:
    """A number: where it stands, what it is, whether nothing before it (earlier, cheaper) is as good, and who it is."""

    x: float
    y: float
    label: str
    leading: bool
    name: str = ""


@dataclass(frozen=True)
class Progress:
    """Published numbers over the years: dots in a square of 100, the best so far as a path, ticks of both axes."""

    dots: tuple[Dot, ...]
    best: str
    years: tuple[Tick, ...]
    values: tuple[Tick, ...]


@dataclass(frozen=True)
class Pareto:
    """Quality against cost: dots in a square of 100, what nothing cheaper beats as a path, ticks of both axes.

    Attributes:
        front: the path; from the cheapest to the best.
        costs: ticks to the right, each step a factor.
        values: ticks upwards.
        cost: what the cost is, in words.
        group: which of the page's tables it is of; empty where there is one.
    """

    dots: tuple[Dot, ...]
    front: str
    costs: tuple[Tick, ...]
    values: tuple[Tick, ...]
    cost: str
    group: str = ""


def scale_of(scores: Iterable[Score | None]) -> Scale:
    """The stretch that holds every value and interval, with a little room."""
    ends = [end for score in scores if score is not None and score.value is not None for end in _ends(score)]
    if not ends:
        return Scale(0.0, 1.0)
    low, high = min(ends), max(ends)
    room = 0.04 * (high - low or abs(high) or 1.0)
    return Scale(low - room, high + room)


def bar(scale: Scale, score: Score | None) -> Bar | None:
    """Where a score stands; None where it has no value."""
    if score is None or score.value is None:
        return None
    low, high = score.interval or (score.value, score.value)
    beyond = "left" if score.value < scale.low else "right" if score.value > scale.high else ""
    return Bar(scale.at(low), scale.at(score.value), scale.at(high), beyond)


def strip(scale: Scale, scores: Iterable[Score | None]) -> str:
    """A path of upright lines at the values of `scores`, in a square of 100 by 1; lines that coincide are one."""
    values = [score.value for score in scores if score is not None and score.value is not None]
    return "".join(f"M{at:g} 0V1" for at in sorted({round(scale.at(value), 1) for value in values}))


def ticks(scale: Scale, count: int = 4) -> tuple[Tick, ...]:
    """Round numbers inside a scale, about `count` of them."""
    span = scale.high - scale.low
    if span <= 0:
        return ()
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(scale.low / step)
    values = [(first + i) * step for i in range(int(span / step) + 1)]
    return tuple(Tick(scale.at(v), f"{v:.{digits}f}") for v in values if v <= scale.high)


def cumulative(loaded: Loaded, column: str) -> tuple[float, ...] | None:
    """Share of faces at or below 0, 0.1, ... 10 percent, from the table beside a record.

    None where the table is not there, is not the one that the record names, or has no `column`.
    """
    path, about = loaded.samples, loaded.result.samples
    if path is None or about is None or hashlib.sha256(path.read_bytes()).hexdigest() != about.sha256:
        return None
    from pyarrow import parquet

    if column not in parquet.read_schema(path).names:
        return None
    errors = sorted(parquet.read_table(path, columns=[column]).column(column).to_pylist())
    return shares(errors)


def shares(errors: Sequence[float]) -> tuple[float, ...]:
    """Share of `errors` (ascending fractions) at or below each step; in percent of the faces."""
    found, i = [], 0
    for step in range(CURVE_STEPS + 1):
        limit = CURVE_END / 100.0 * step / CURVE_STEPS
        while i < len(errors) and errors[i] <= limit:
            i += 1
        found.append(100.0 * i / len(errors) if errors else 0.0)
    return tuple(found)


def curve(name: str, values: Sequence[float], *, own: bool) -> Curve:
    """A curve in a square of 100: error to the right, share of faces up."""
    steps = len(values) - 1
    points = " ".join(f"{100 * i / steps:g},{100 - value:.4g}" for i, value in enumerate(values))
    return Curve(name, points, own)


def progress(numbers: Iterable[tuple[int, float, str]], *, lower: bool) -> Progress | None:
    """Numbers (year, value, name) over the years; None where fewer than two years have one."""
    ordered = sorted(numbers, key=lambda number: (number[0], number[1] if lower else -number[1]))
    years = sorted({year for year, _, _ in ordered})
    if len(years) < 2:
        return None
    across, up = Scale(years[0] - 0.5, years[-1] + 0.5), _roomy([value for _, value, _ in ordered])
    dots, path, best = [], "", math.inf if lower else -math.inf
    for year, value, name in ordered:
        leading = value < best if lower else value > best
        x, y = across.at(year), round(100 - up.at(value), 2)
        dots.append(Dot(x, y, f"{name}, {year}: {value:g}", leading))
        if leading:
            best, path = value, f"{path}H{x:g}V{y:g}" if path else f"M{x:g} {y:g}"
    shown = years if len(years) <= 8 else range(years[0] + years[0] % 2, years[-1] + 1, 2)
    labels = tuple(Tick(across.at(year), str(year)) for year in shown)
    return Progress(tuple(dots), f"{path}H100", labels, ticks(up))


def pareto(rows: Iterable[tuple[float, float, str]], *, lower: bool, cost: str, group: str = "") -> Pareto | None:
    """Rows (cost, value, name) against their cost; None where fewer than `ENOUGH` have one, or all have the same.

    Costs lie on a logarithmic axis. A row is of the front where no row of the same cost or less is as good.

    Args:
        rows: of one table, whose numbers may be compared.
        lower: whether smaller values are better.
        cost: what the cost is, in words.
        group: which of the page's tables it is.
    """
    ordered = sorted((row for row in rows if row[0] > 0), key=lambda row: (row[0], row[1] if lower else -row[1]))
    if len(ordered) < ENOUGH or ordered[0][0] == ordered[-1][0]:
        return None
    across, up = _roomy([math.log10(row[0]) for row in ordered]), _roomy([value for _, value, _ in ordered])
    dots, path, best = [], "", math.inf if lower else -math.inf
    for spent, value, name in ordered:
        leading = value < best if lower else value > best
        x, y = across.at(math.log10(spent)), round(100 - up.at(value), 2)
        dots.append(Dot(x, y, f"{name}: {value:.4g} at {spent:.3g} {cost}", leading, name))
        if leading:
            best, path = value, f"{path}H{x:g}V{y:g}" if path else f"M{x:g} {y:g}"
    return Pareto(tuple(dots), f"{path}H100", factors(across), ticks(up), cost, group)


def factors(scale: Scale) -> tuple[Tick, ...]:
    """Round numbers inside a scale of decimal logarithms: 1, 2, 5, 10, ...; powers of ten where those are many."""
    powers = range(math.floor(scale.low), math.ceil(scale.high) + 1)
    for steps in ((1, 2, 5), (1,)):
        found = [step * 10.0**power for power in powers for step in steps]
        inside = [value for value in found if scale.low <= math.log10(value) <= scale.high]
        if len(inside) <= MANY:
            break
    return tuple(Tick(scale.at(math.log10(value)), f"{value:g}") for value in inside)


def _roomy(values: Sequence[float]) -> Scale:
    room = 0.06 * (max(values) - min(values) or 1.0)
    return Scale(min(values) - room, max(values) + room)


def _ends(score: Score) -> tuple[float, float]:
    assert score.value is not None
    low, high = score.interval or (score.value, score.value)
    return min(low, score.value), max(high, score.value)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import DataError, FacebenchError
from facebench.journal import Journal
from facebench.metric import Metric, weighted_mean
from facebench.record import read_results
from facebench.sample_table import read_table
from facebench.scoring import build_result, measure, save
from facebench.slices import MARK
from facebench.types import Dataset, Landmarks, Sample


def distance_mean(columns, weights):
    return weighted_mean(columns["error"], weights)


@dataclass
class Distance:
    """Distance of the one predicted point from the true one; counts how often it was asked."""

    name: str = "distance"
    version: int = 3
    summary: str = "toy"
    asked: list[str] = field(default_factory=list)

    def metrics(self, dataset):
        return (Metric(name="mean", unit="mm", direction="lower", reduce=distance_mean),)

    def measure(self, dataset, sample, prediction, settings):
        self.asked.append(sample.id)
        if not np.isfinite(prediction).all():
            raise DataError(f"{sample.id}: NaN in the prediction")
        return {"error": float(np.linalg.norm(prediction - sample.target.points))}


@dataclass
class Points:
    """Predictions by id; stops the world (as Ctrl-C does) at `bomb`."""

    points: dict[str, np.ndarray]
    bomb: str | None = None

    def ids(self):
        return tuple(self.points)

    def read(self, sample):
        if sample.id == self.bomb:
            raise KeyboardInterrupt
        return self.points[sample.id]

    def digest(self):
        return "d"

    def __iter__(self) -> Iterator[str]:
        return iter(self.points)


def face(i: int) -> Sample:
    subsets = frozenset({"easy"}) if i < 2 else frozenset()
    return Sample(f"s{i}", Path("p.jpg"), (0, 0, 1, 1), Landmarks(np.zeros((1, 2))), subsets, cluster=f"p{i // 2}")


FACES = [face(i) for i in range(4)]
TOY = Dataset(
    name="toy",
    title="Toy",
    task="landmarks",
    folder="Toy",
    layout=(),
    licence="none",
    citation="none",
    load=lambda root, split: FACES,
    sizes={"test": 4},
    subset_sizes={"easy": 2},
    headline=("toy/test/all/mean",),
)
# Errors 5, 10, 15, 20 (3-4-5 triangles).
POINTS = {f"s{i}": np.array([[3.0, 4.0]]) * (i + 1) for i in range(4)}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "cache"))


def run(points, evaluator=None, split="test", samples=FACES, **more):
    evaluator = evaluator or Distance()
    measured = measure(evaluator, TOY, samples, Points(points), settings={}, **more)
    fields = {"box": "unknown", "probe": "none"}
    result = build_result(
        evaluator, TOY, split, samples, measured, subject="x", protocol="none", signature_fields=fields
    )
    return result, measured


def test_whole_and_subset_scores_by_hand():
    result, _ = run(POINTS)
    assert result.score("toy/test/all/mean").value == pytest.approx(12.5)  # (5 + 10 + 15 + 20) / 4
    assert result.score("toy/test/easy/mean").value == pytest.approx(7.5)  # (5 + 10) / 2
    assert result.score("toy/test/all/mean").headline
    assert not result.score("toy/test/easy/mean").headline
    assert result.counts.complete
    assert result.dataset.official is True
    assert "|probe:none" in result.signature
    assert "eval:distance.v3" in result.signature


def test_a_subset_named_as_split_keys_as_the_subset():
    result, _ = run({k: POINTS[k] for k in ("s0", "s1")}, split="easy", samples=FACES[:2])
    assert [s.key for s in result.scores] == ["toy/test/easy/mean"]
    assert result.dataset.official is True


def test_a_failed_sample_is_counted_and_named_and_never_scored():
    result, measured = run(POINTS | {"s3": np.array([[np.nan, 0.0]])})
    assert result.score("toy/test/all/mean").value == pytest.approx(10.0)  # (5 + 10 + 15) / 3
    assert result.counts.failed == 1
    assert not result.counts.complete
    assert "NaN" in result.counts.reasons["s3"]
    assert len(measured.table.ids) == 3


def test_nothing_scored_is_an_error():
    with pytest.raises(FacebenchError, match="none of the 4 samples"):
        run({k: np.array([[np.nan, 0.0]]) for k in POINTS})


def test_a_set_of_another_size_is_said():
    result, _ = run(POINTS, samples=FACES[:3])
    assert result.dataset.official is False
    assert "not the official 4" in result.warnings[0]


def test_an_interrupted_score_goes_on_and_ends_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr("facebench.journal.FLUSH_SECONDS", 0.0)
    first, second = Distance(), Distance()
    with pytest.raises(KeyboardInterrupt):
        measure(first, TOY, FACES, Points(POINTS, bomb="s2"), settings={}, journal=Journal.of("job"))
    assert first.asked == ["s0", "s1"]
    resumed = measure(second, TOY, FACES, Points(POINTS), settings={}, journal=Journal.of("job"))
    assert second.asked == ["s2", "s3"]  # what was done is kept
    whole, _ = run(POINTS)
    fields = {"box": "unknown", "probe": "none"}
    again = build_result(second, TOY, "test", FACES, resumed, subject="x", protocol="none", signature_fields=fields)
    assert again.scores == whole.scores


def test_another_job_does_not_see_the_journal(monkeypatch):
    monkeypatch.setattr("facebench.journal.FLUSH_SECONDS", 0.0)
    measure(Distance(), TOY, FACES, Points(POINTS), settings={}, journal=Journal.of("revision 1"))
    other = Distance()
    measure(other, TOY, FACES, Points(POINTS), settings={}, journal=Journal.of("revision 2"))
    assert len(other.asked) == 4


def test_a_damaged_journal_part_is_measured_again(monkeypatch):
    monkeypatch.setattr("facebench.journal.FLUSH_SECONDS", 0.0)
    journal = Journal.of("job")
    measure(Distance(), TOY, FACES, Points(POINTS), settings={}, journal=journal)
    next(iter(sorted(journal.folder.glob("*.parquet")))).write_bytes(b"half")
    again = Distance()
    measure(again, TOY, FACES, Points(POINTS), settings={}, journal=Journal.of("job"))
    assert again.asked == ["s0"]


def test_record_and_table_are_written_side_by_side(tmp_path):
    result, measured = run(POINTS)
    save(result, measured, tmp_path / "run" / "result.json")
    (back,) = read_results(tmp_path / "run")
    assert back.samples.path == "samples.parquet"
    assert back.scores == result.scores
    assert read_table(tmp_path / "run" / back.samples.path).columns["error"].tolist() == [5.0, 10.0, 15.0, 20.0]


def test_drawn_faces_are_never_taken_for_real_ones():
    drawn = [replace(sample, synthetic=True) for sample in FACES]
    result, _ = run(POINTS, samples=drawn)
    assert "world:synthetic" in result.signature
    assert "world" not in run(POINTS)[0].signature  # so that the two are never ranked together
    assert "synthetic faces" in result.warnings[0]
    assert result.dataset.official is None
    assert "synthetic" in result.dataset.licence


def test_the_mark_of_a_drawn_set_reaches_its_samples(tmp_path):
    (tmp_path / "Toy").mkdir()
    assert not any(s.synthetic for s in TOY.samples(tmp_path, "test"))
    (tmp_path / "Toy" / MARK).write_text("{}")
    assert all(s.synthetic for s in TOY.samples(tmp_path, "test"))


@pytest.mark.parametrize("workers", [2, 4])
def test_threads_change_nothing(workers):
    points = POINTS | {"s1": np.array([[np.nan, 0.0]])}
    (_, alone), (_, together) = (run(points, unusable={"s2": "no prediction"}, workers=w) for w in (1, workers))
    assert together.table.ids == alone.table.ids == ("s0", "s3")
    assert together.failures == alone.failures
    np.testing.assert_array_equal(together.table.columns["error"], alone.table.columns["error"])


def test_a_stop_among_threads_keeps_what_was_measured():
    samples, points = [face(i) for i in range(40)], {f"s{i}": np.array([[3.0, 4.0]]) for i in range(40)}
    job = Journal.of("threads")
    with pytest.raises(KeyboardInterrupt):
        measure(Distance(), TOY, samples, Points(points, bomb="s30"), settings={}, journal=job, workers=3)
    assert list(job.rows()) == [f"s{i}" for i in range(30)]
    second = Distance()
    measured = measure(second, TOY, samples, Points(points), settings={}, journal=job, workers=3)
    assert len(measured.table.ids) == 40
    assert sorted(second.asked) == sorted(f"s{i}" for i in range(30, 40))

"""compare: verdicts against known differences, what moved, what may be the reason, and what is refused."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from facebench.cli import execute
from facebench.errors import DataError, NotComparable, UsageError
from facebench.registry import Registry
from facebench.verdicts.compare import compare
from facebench.verdicts.rows import read_rows
from tests.verdicts.made import made, noisy


def compared(base, candidate):
    return compare(read_rows(str(base)), read_rows(str(candidate)), Registry())


def test_a_true_difference_is_found_with_its_size(tmp_path):
    errors = noisy(400)
    found = compared(made(tmp_path / "a", errors), made(tmp_path / "b", errors - 0.002))
    contrast = found.reports[0].headline[0]
    assert contrast.verdict == "better"  # lower error
    assert contrast.difference.value == pytest.approx(-0.2)  # percent
    assert contrast.difference.interval.low <= -0.2 <= contrast.difference.interval.high + 1e-9
    other = compared(tmp_path / "b", tmp_path / "a").reports[0].headline[0]
    assert other.verdict == "worse"
    assert other.difference.value == pytest.approx(0.2)


def test_noise_is_not_separable_and_equal_is_equal(tmp_path):
    a, b = made(tmp_path / "a", noisy(300, seed=1)), made(tmp_path / "b", noisy(300, seed=2))
    assert compared(a, b).reports[0].headline[0].verdict == "not separable"
    same = compared(a, a).reports[0]
    assert same.headline[0].verdict == "not separable"
    assert same.headline[0].difference.value == 0
    assert same.headline[0].difference.p == 1
    assert same.moved == ()
    assert same.causes == ()


def test_a_slice_that_moved_comes_first_and_is_named(tmp_path):
    errors = noisy(200, spread=0.002)
    profile = np.arange(200) < 60
    moved = errors + np.where(profile, 0.01, 0.0)
    a = made(tmp_path / "a", errors, profile=profile)
    found = compared(a, made(tmp_path / "b", moved, profile=profile)).reports[0]
    assert found.slices[0].cell.key == "wflw/test/yaw=profile/nme-ioc"
    assert found.slices[0].verdict == "worse"
    assert found.slices[0].difference.n == 60


def test_the_faces_that_changed_most(tmp_path):
    errors = noisy(100)
    moved = errors.copy()
    moved[7] -= 0.02
    moved[9] += 0.03
    found = compared(made(tmp_path / "a", errors), made(tmp_path / "b", moved)).reports[0]
    assert [m.id for m in found.moved] == ["face7", "face9"]
    assert found.moved[0].gain == pytest.approx(2.0)
    assert found.moved[1].gain == pytest.approx(-3.0)


def test_samples_are_joined_by_id_not_by_place(tmp_path):
    errors = noisy(50)
    names = [f"face{i}" for i in range(50)]
    order = np.random.default_rng(0).permutation(50)
    a = made(tmp_path / "a", errors, ids=names)
    b = made(tmp_path / "b", errors[order], ids=[names[i] for i in order], profile=(np.arange(50) % 2 == 0)[order])
    assert compared(a, b).reports[0].headline[0].difference.value == 0
    assert compared(a, b).reports[0].moved == ()


def test_samples_of_one_side_are_left_out_and_told(tmp_path):
    errors = noisy(60)
    a = made(tmp_path / "a", errors)
    b = made(tmp_path / "b", errors[:40], expected=60)
    report = compared(a, b).reports[0]
    assert len(report.joined.ids) == 40
    assert report.headline[0].difference.value == 0
    assert "20 samples were scored by one side only" in report.doubts[0]


def test_why_it_may_have_changed(tmp_path):
    errors = noisy(30)
    a = made(tmp_path / "a", errors, environment={"packages": {"torch": "2.6.0"}, "commit": "aa"})
    b = made(tmp_path / "b", errors, sha256="ff" * 8, environment={"packages": {"torch": "2.7.0"}, "commit": "aa"})
    found = compared(a, b).reports[0].causes
    assert [(c.group, c.field) for c in found] == [("weights", "sha256"), ("software", "torch")]
    assert (found[1].base, found[1].candidate) == ("2.6.0", "2.7.0")


def test_one_training_is_a_checkpoint_and_several_are_a_method(tmp_path):
    sides = []
    for side in "ab":
        parts = [made(tmp_path / f"{side}{i}", noisy(80, seed=i), seed=i, sha256=f"{side}{i}" * 8) for i in range(3)]
        sides.append([row for part in parts for row in read_rows(str(part))])
    assert "methods" in compare(*sides, Registry()).about
    assert "not the methods" not in compare(*sides, Registry()).about
    assert "two checkpoints" in compare(sides[0][:1], sides[1], Registry()).about


def test_seeds_are_averaged(tmp_path):
    one, two, other = noisy(80, seed=1), noisy(80, seed=2), noisy(80, seed=3)
    rows = [*read_rows(str(made(tmp_path / "1", one))), *read_rows(str(made(tmp_path / "2", two, seed=1)))]
    found = compare(rows, read_rows(str(made(tmp_path / "3", other))), Registry()).reports[0].headline[0].difference
    assert found.base == pytest.approx(100 * (one.mean() + two.mean()) / 2)


@pytest.mark.parametrize("fields", [{"data": "777777"}, {"probe": "attentive.v1"}, {"box": "whole*1"}])
def test_another_signature_is_refused_by_its_field(tmp_path, fields):
    a, b = made(tmp_path / "a", noisy(30)), made(tmp_path / "b", noisy(30), fields=fields)
    name, value = next(iter(fields.items()))
    with pytest.raises(NotComparable, match=f"{name}: .* against {re.escape(value)}"):
        compared(a, b)
    assert execute(["compare", str(a), str(b)]) == 5


def test_what_cannot_be_read(tmp_path, capsys):
    a = made(tmp_path / "a", noisy(30))
    with pytest.raises(DataError, match="does not exist"):
        read_rows(str(tmp_path / "gone"))
    (tmp_path / "a" / "samples.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="sha256 differs"):
        read_rows(str(a))
    (tmp_path / "a" / "samples.parquet").unlink()
    assert execute(["compare", str(a), str(a)]) == 3
    assert "per-sample statistics" in capsys.readouterr().err


def test_of_several_subjects_one_must_be_chosen(tmp_path):
    made(tmp_path / "runs" / "a", noisy(30), subject="vit")
    made(tmp_path / "runs" / "b", noisy(30), subject="convnext")
    with pytest.raises(UsageError, match="convnext, vit; choose one"):
        read_rows(str(tmp_path / "runs"))
    assert read_rows(f"{tmp_path / 'runs'}#vi")[0].result.subject == "vit"
    with pytest.raises(UsageError, match="none of them holds 'resnet'"):
        read_rows(f"{tmp_path / 'runs'}#resnet")


def test_words_markdown_data_and_page_say_the_same(tmp_path, capsys):
    errors = noisy(100)
    a = made(tmp_path / "a", errors, subject="<b>old|")
    b = made(tmp_path / "b", errors - 0.003, subject="new\x1b[31m")
    page = tmp_path / "page.html"
    assert execute(["compare", str(a), str(b), "--html", str(page)]) == 0
    words = capsys.readouterr().out
    assert "better" in words
    assert "\x1b" not in words
    assert execute(["compare", str(a), str(b), "--md"]) == 0
    text = capsys.readouterr().out
    assert "| all nme-ioc" in text
    assert r"\<b\>old\|" in text
    assert execute(["compare", str(a), str(b), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    score = data["benchmarks"][0]["scores"][0]
    assert (score["key"], score["verdict"]) == ("wflw/test/all/nme-ioc", "better")
    assert score["difference"] == pytest.approx(-0.3)
    html = page.read_text()
    assert "<b>old" not in html
    assert "&lt;b&gt;old|" in html
    assert "<script" not in html
    assert "licence that does not let them be passed on" in html  # the record is not of drawn faces

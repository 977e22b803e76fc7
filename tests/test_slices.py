"""`slices.csv`: facts and groups of samples, read with every set, refused where it is damaged or hostile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facebench.datasets.w300 import DATASET
from facebench.errors import DataError, UsageError
from facebench.slices import FILE, Slices, read_slices, slices_text
from tests.datasets.trees import points, write_pts

NAMES = ("helen/testset/a", "lfpw/testset/b", "ibug/c")


@pytest.fixture
def root(tmp_path):
    for name in NAMES:
        write_pts(tmp_path / "300W" / f"{name}.pts", points(68))
    return tmp_path


def write(root, text):
    (root / "300W" / FILE).write_text(text)


def test_a_set_without_slices_has_none(root):
    assert read_slices(root / "300W") is None
    assert all(sample.slices == {} for sample in DATASET.samples(root, "test"))


def test_facts_and_groups_of_a_table(tmp_path):
    (tmp_path / FILE).write_text('id,yaw,hair,yaw=\na,-3.5,short,frontal\n"b,1",80,bald,profile\n')
    assert read_slices(tmp_path) == {
        "a": Slices({"yaw": -3.5, "hair": "short"}, frozenset({"yaw=frontal"})),
        "b,1": Slices({"yaw": 80.0, "hair": "bald"}, frozenset({"yaw=profile"})),
    }


def test_what_is_written_is_read_back(tmp_path):
    rows = {"a,b#1,2": {"yaw": -0.125, "hair": "long", "yaw=": "frontal"}, "c": {"yaw": 3.0, "hair": "x", "yaw=": "y"}}
    (tmp_path / FILE).write_text(slices_text(rows))
    found = read_slices(tmp_path)
    assert list(found) == list(rows)
    assert found["a,b#1,2"].facts == {"yaw": -0.125, "hair": "long"}
    assert found["c"].subsets == {"yaw=y"}


def test_samples_carry_slices_beside_their_own_subsets(root):
    write(root, "id,yaw,yaw=\n" + "".join(f"{name},{i},{'far' if i else 'near'}\n" for i, name in enumerate(NAMES)))
    by_id = {sample.id: sample for sample in DATASET.samples(root, "test")}
    assert by_id["ibug/c"].subsets == {"challenge", "yaw=far"}
    assert by_id["helen/testset/a"].slices == {"yaw": 0.0}
    assert [s.id for s in DATASET.samples(root, "yaw=near")] == ["helen/testset/a"]
    assert [s.id for s in DATASET.samples(root, "test/yaw=near")] == ["helen/testset/a"]


def test_a_group_is_a_subset_of_the_scores(root):
    from facebench.evaluators.landmarks import EVALUATOR
    from facebench.sample_table import collect
    from facebench.scoring import reduce_scores

    write(root, "id,yaw=\n" + "".join(f"{name},{'far' if i else 'near'}\n" for i, name in enumerate(NAMES)))
    samples = DATASET.samples(root, "test")
    # Every point of face i is i pixels off; the eye corners (36, 45) of tests' points are hypot(9/4, 9/2) apart.
    rows = [EVALUATOR.measure(DATASET, s, s.target.points + np.array([i, 0]), {}) for i, s in enumerate(samples)]
    scores = {
        s.key: s for s in reduce_scores(EVALUATOR.metrics(DATASET), DATASET, "test", None, collect(samples, rows))
    }
    far = scores["300w/test/yaw=far/nme-ioc"]
    assert far.n == 2
    assert far.value == pytest.approx(100 * 1.5 / np.hypot(9 / 4, 9 / 2))


def test_a_group_that_nobody_is_in_and_a_split_that_is_not(root):
    with pytest.raises(DataError, match="no sample"):
        DATASET.samples(root, "yaw=near")
    with pytest.raises(UsageError, match="unknown split"):
        DATASET.samples(root, "tets/yaw=near")


def test_a_sample_without_a_row_is_named(root):
    write(root, "id,yaw=\nhelen/testset/a,near\n")
    with pytest.raises(DataError, match=r"slices.csv has no row for 2 of 3 samples, the first is 'lfpw/testset/b'"):
        DATASET.samples(root, "test")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("name,yaw\na,1\n", "first line"),
        ("id,Yaw Angle\na,1\n", "first line"),
        ("id,yaw\na,1,2\n", "row 2 has 3 cells, expected 2"),
        ("id,yaw\na,1\na,2\n", "row 3: 'a' is doubled"),
        ("id,yaw\na,nan\n", "not a finite number"),
        ("id,yaw\na,inf\n", "not a finite number"),
        ("id,hair\na,=1+1\n", "neither a number nor a word"),
        ("id,hair\na,\n", "neither a number nor a word"),
        ("id,yaw=\na,../x\n", "no name of a subset"),
        ("id,yaw=\na,\n", "no name of a subset"),
        ('id,yaw\n"a,1\n', "not a table"),
    ],
)
def test_damage_and_hostility_are_named(tmp_path, text, said):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError, match=said):
        read_slices(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"id,yaw\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="not a table"):
        read_slices(tmp_path)


def test_slices_change_the_revision_only_through_groups(root):
    from facebench.types import revision

    bare = DATASET.samples(root, "test")
    write(root, "id,yaw\n" + "".join(f"{name},1\n" for name in NAMES))
    assert revision(DATASET.samples(root, "test")) == revision(bare)
    assert revision([replace(bare[0], subsets=frozenset({"a=b"}))]) != revision(bare[:1])

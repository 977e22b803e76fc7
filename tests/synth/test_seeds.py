"""Seeds of different worlds, purposes, splits and numbers are different."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.errors import UsageError
from facebench.synth.layouts import FACES, MODULES
from facebench.synth.seeds import PURPOSES, SPAN, SPLITS, WORLDS, face_seed

WHERE = st.tuples(
    st.integers(0, WORLDS - 1),
    st.sampled_from(sorted(PURPOSES)),
    st.sampled_from(sorted(SPLITS)),
    st.integers(0, SPAN - 1),
)


@given(WHERE, WHERE)
def test_two_places_share_no_seed(one, other):
    assert (face_seed(*one) == face_seed(*other)) == (one == other)


@given(WHERE)
def test_a_seed_fits_what_numpy_and_parquet_hold(where):
    assert 0 <= face_seed(*where) < 2**63


def test_ranges_of_one_world_do_not_touch():
    # The first and the last of each range, in order: no range begins before the one before it has ended.
    ends = sorted(
        (face_seed(0, purpose, split, 0), face_seed(0, purpose, split, SPAN - 1))
        for purpose, split in itertools.product(PURPOSES, SPLITS)
    )
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(ends))
    assert face_seed(1, "faces", "train", 0) > ends[-1][1]


def test_every_layout_has_its_own_purpose():
    assert {FACES, *MODULES} <= PURPOSES.keys()
    assert len(set(PURPOSES.values())) == len(PURPOSES)


def test_numbers_of_purposes_are_frozen():
    # A changed number would draw other faces under the same seed; new purposes go to the end.
    assert list(PURPOSES.items())[:8] == [
        ("faces", 0), ("wflw", 1), ("300w", 2), ("aflw19", 3),
        ("cofw", 4), ("lapa", 5), ("celebamask-hq", 6), ("now", 7),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ((-1, "wflw", "train", 0), "--seed -1"),
        ((WORLDS, "wflw", "train", 0), "--seed"),
        ((0, "wfwl", "train", 0), "did you mean 'wflw'"),
        ((0, "wflw", "tset", 0), "did you mean 'test'"),
        ((0, "wflw", "train", -1), "number -1"),
        ((0, "wflw", "train", SPAN), "at most"),
    ],
)
def test_what_has_no_seed_is_refused(where, said):
    with pytest.raises(UsageError, match=said):
        face_seed(*where)

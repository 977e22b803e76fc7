"""Seeds of the made world: no person and no picture is shared between worlds, purposes or splits.

A seed is a number written in four digits of mixed base, `world | purpose | split | index`, so two seeds are equal only
where all four are. Whoever draws from a seed therefore draws something that no other set ever holds: what is
pre-trained on cannot be what is tested on.
"""

from __future__ import annotations

from collections.abc import Mapping

from facebench.errors import UsageError, unknown_name

PURPOSES: Mapping[str, int] = {
    "faces": 0,
    "wflw": 1,
    "300w": 2,
    "aflw19": 3,
    "cofw": 4,
    "lapa": 5,
    "celebamask-hq": 6,
    "now": 7,
    "selftest": 8,
}
"""What a face is drawn for; a number is never given to another purpose."""

SPLITS: Mapping[str, int] = {"train": 0, "val": 1, "test": 2}

WORLDS = 2**30
"""World seeds run from 0 to one below this; every face seed then fits 63 bits."""

_PURPOSES, _SPLITS, SPAN = 2**4, 2**2, 2**26
"""Places of each digit; `SPAN` is the most faces that one split may have."""


def face_seed(world: int, purpose: str, split: str, index: int) -> int:
    """Seed of person or picture number `index` of a split; persons and pictures are numbered apart.

    Args:
        world: the seed that the user named, 0 to 2^30 - 1.
        purpose: name in `PURPOSES`.
        split: `train`, `val` or `test`.
        index: 0 to `SPAN` - 1.

    Raises:
        UsageError: for a name that is not known or a number out of range.
    """
    if purpose not in PURPOSES:
        raise unknown_name("purpose of synthetic faces", purpose, PURPOSES)
    if split not in SPLITS:
        raise unknown_name("split of synthetic faces", split, SPLITS)
    if not 0 <= world < WORLDS:
        raise UsageError(f"--seed {world} is not between 0 and {WORLDS - 1}")
    if not 0 <= index < SPAN:
        raise UsageError(f"a split of synthetic faces has at most {SPAN} of them, found number {index}")
    return ((world * _PURPOSES + PURPOSES[purpose]) * _SPLITS + SPLITS[split]) * SPAN + index

"""Landmark orders and class lists: what each index and each id of a data set means.

Flip permutations are those of HRNet-Facial-Landmark-Detection `lib/utils/transforms.py` and mmpose (identical):
landmark k of the mirrored picture is landmark `flip[k]` of the original, with x' = W - 1 - x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LandmarkScheme:
    """One order of K landmarks.

    Attributes:
        name: short name, unique: `wflw98`.
        size: K.
        flip: (K,) permutation of a horizontal flip.
        corners: indices of the outer eye corners (image left, image right): the inter-ocular distance.
        pupils: two groups of indices; each group's mean is a pupil: the inter-pupil distance. None where the field
            defines none.
    """

    name: str
    size: int
    flip: tuple[int, ...]
    corners: tuple[int, int]
    pupils: tuple[tuple[int, ...], tuple[int, ...]] | None

    def __post_init__(self) -> None:
        assert len(self.flip) == self.size, self.name
        assert all(self.flip[self.flip[k]] == k for k in range(self.size)), self.name


def _flip(size: int, *groups: tuple[range | tuple[int, ...], range | tuple[int, ...]]) -> tuple[int, ...]:
    """Permutation of `size` points that swaps each pair of groups, element by element; the rest is fixed."""
    order = list(range(size))
    for left, right in groups:
        for a, b in zip(left, right, strict=True):
            order[a], order[b] = b, a
    return tuple(order)


def _mirror(first: int, last: int) -> tuple[range, range]:
    """The groups that reverse the run first..last: first <-> last, and so on to the middle."""
    half = (last - first + 1) // 2
    return range(first, first + half), range(last, last - half, -1)


WFLW98 = LandmarkScheme(
    name="wflw98",
    size=98,
    flip=_flip(
        98,
        _mirror(0, 32),
        (range(33, 38), range(46, 41, -1)),
        (range(38, 42), (50, 49, 48, 47)),
        _mirror(55, 59),
        ((60, 61, 62, 63, 64, 65, 66, 67), (72, 71, 70, 69, 68, 75, 74, 73)),
        _mirror(76, 82),
        _mirror(83, 87),
        _mirror(88, 92),
        ((93, 96), (95, 97)),
    ),
    corners=(60, 72),  # WFLW authors (LAB#8): outer eye corners
    pupils=((96,), (97,)),  # FaRL scorers/wflw.yaml
)

IBUG68 = LandmarkScheme(
    name="ibug68",
    size=68,
    flip=_flip(
        68,
        _mirror(0, 16),
        _mirror(17, 26),
        _mirror(31, 35),
        ((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46)),
        _mirror(48, 54),
        _mirror(55, 59),
        _mirror(60, 64),
        ((65,), (67,)),
    ),
    corners=(36, 45),  # iBUG compute_error.m (Matlab 37, 46)
    pupils=(tuple(range(36, 42)), tuple(range(42, 48))),  # AWing fan_NME, FaRL scorers/ibug300w.yaml
)

COFW29 = LandmarkScheme(
    name="cofw29",
    size=29,
    flip=_flip(29, ((0, 2, 4, 5, 8, 10, 12, 13, 16, 18, 22), (1, 3, 6, 7, 9, 11, 14, 15, 17, 19, 23))),
    corners=(8, 9),  # HRNet lib/core/evaluation.py
    pupils=((16,), (17,)),  # AWing, ADNet, STAR
)

AFLW19 = LandmarkScheme(
    name="aflw19",
    size=19,
    flip=_flip(19, _mirror(0, 5), _mirror(6, 11), ((12,), (14,)), ((15,), (17,))),
    corners=(6, 11),  # FaRL scorers/aflw19.yaml
    pupils=((7,), (10,)),
)

LANDMARK_SCHEMES: Mapping[str, LandmarkScheme] = {s.name: s for s in (WFLW98, IBUG68, COFW29, AFLW19)}


@dataclass(frozen=True)
class LabelScheme:
    """One list of C classes, by id.

    Attributes:
        name: short name, unique.
        classes: (C,) names by id; id 0 is the background.
        headline: key part of the mean over the foreground, `mean-fg10`.
        groups: classes that a merged score takes as one (confusions inside a group count as correct).
        flip: pairs of class ids that a horizontal flip swaps.
    """

    name: str
    classes: tuple[str, ...]
    headline: str
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    flip: tuple[tuple[int, int], ...] = ()

    @property
    def size(self) -> int:
        """C, the number of classes, background included."""
        return len(self.classes)


# Merged scores of Helen: EAGRNet utils/miou.py. Groups never contain skin, hair or background.
_HELEN_GROUPS = {"brows": (2, 3), "eyes": (4, 5), "mouth": (7, 8, 9), "overall": (2, 3, 4, 5, 6, 7, 8, 9)}

LAPA11 = LabelScheme(
    name="lapa11",
    classes=(
        "background", "skin", "l-brow", "r-brow", "l-eye", "r-eye",
        "nose", "u-lip", "i-mouth", "l-lip", "hair",
    ),
    headline="mean-fg10",
    groups=_HELEN_GROUPS,
    flip=((2, 3), (4, 5)),
)  # fmt: skip
"""LaPa, ids of its labelmap.txt. "l-brow" is the person's or the image's left as the data set has it; see docs."""

CELEB19 = LabelScheme(
    name="celeb19",
    classes=(
        "background", "skin", "nose", "eyeglasses", "l-eye", "r-eye", "l-brow", "r-brow", "l-ear", "r-ear",
        "i-mouth", "u-lip", "l-lip", "hair", "hat", "earring", "necklace", "neck", "cloth",
    ),
    headline="mean-fg18",
    flip=((4, 5), (6, 7), (8, 9)),
)  # fmt: skip
"""CelebAMask-HQ, ids of the official `g_mask.py`."""

FARL_CELEB19 = LabelScheme(
    name="farl-celeb19",
    classes=(
        "background", "neck", "skin", "cloth", "l-ear", "r-ear", "l-brow", "r-brow", "l-eye", "r-eye",
        "nose", "i-mouth", "l-lip", "u-lip", "hair", "eyeglasses", "hat", "earring", "necklace",
    ),
    headline="mean-fg18",
    flip=((4, 5), (6, 7), (8, 9)),
)  # fmt: skip
"""CelebAMask-HQ in the class order of FaRL and SegFace."""

LABEL_SCHEMES: Mapping[str, LabelScheme] = {s.name: s for s in (LAPA11, CELEB19, FARL_CELEB19)}

NOW_LANDMARKS: tuple[str, ...] = (
    "right eye outer", "right eye inner", "left eye inner", "left eye outer",
    "nose bottom", "right mouth corner", "left mouth corner",
)  # fmt: skip
"""The seven landmarks of a NoW scan, in order (MICA; now_evaluation issue 5)."""

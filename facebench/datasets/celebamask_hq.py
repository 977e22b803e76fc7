"""CelebAMask-HQ: nineteen classes of face parsing on CelebA-HQ (Lee et al., MaskGAN, CVPR 2020).

Layout: `CelebA-HQ-img/<id>.jpg` (1024 x 1024), `CelebAMask-HQ-mask-anno/<id // 2000>/<id, five digits>_<part>.png`
(512 x 512, black and white, a file for each part that the face has), `CelebA-HQ-to-CelebA-mapping.txt`, and the
`list_eval_partition.txt` of CelebA, here or in a `CelebA` folder beside this one.

Painting: parts overlap, and the label map is what is painted last. Two orders are in use, and they make two truths:

    official   g_mask.py of the authors: neck and cloth last, over necklace, hair and earrings
    farl       FaRL, followed by SegFace and facer: accessories (glasses, hat, earring, necklace) last

`celebamask-hq` is the FaRL painting, which the published results of the last years (89.56 of FaRL and all that are
compared with it) are scored against; `celebamask-hq-official` is the authors'. A score carries the name of its truth.
Class ids are the official ones in both; predictions in FaRL's ids are translated when that order is named.

Ready label maps (`CelebAMask-HQ-label/<id>.png`, what g_mask.py writes and MaskGAN reads) are painted in the official
order, cannot be repainted, and so stand in for missing parts in `celebamask-hq-official` alone.

Scored at the stored label size, 512 x 512. Splits: the CelebA partition of the original picture (24,183 / 2,993 /
2,824). The authors' g_partition.py compares a 0-based index with 1-based bounds, but no picture lies on a bound, so its
lists are the same.

Ids: the number of the picture, `0` to `29999`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from facebench.datasets.listing import read_lines, read_text
from facebench.errors import DataError
from facebench.images import read_label_map, read_mask
from facebench.schemes import CELEB19
from facebench.shapes import BoolArray, ByteArray
from facebench.types import Dataset, LabelMap, Sample

OFFICIAL_ORDER: tuple[str, ...] = (
    "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
    "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip
"""Parts in the order of the authors' g_mask.py: painting order and, from 1, class ids."""

FARL_ORDER: tuple[str, ...] = (
    "neck", "skin", "cloth", "l_ear", "r_ear", "l_brow", "r_brow", "l_eye", "r_eye",
    "nose", "mouth", "l_lip", "u_lip", "hair", "eye_g", "hat", "ear_r", "neck_l",
)  # fmt: skip
"""Parts in the order of FaRL's datasets/celebamask_hq.py: painting order and, from 1, FaRL's class ids."""

OFFICIAL_IDS: Mapping[str, int] = {part: i for i, part in enumerate(OFFICIAL_ORDER, start=1)}
FARL_IDS: Mapping[str, int] = {part: i for i, part in enumerate(FARL_ORDER, start=1)}

_SPLITS = {"train": "0", "val": "1", "test": "2"}
_PARTS_FOLDER, _READY_FOLDER = "CelebAMask-HQ-mask-anno", "CelebAMask-HQ-label"
_PART_FILE = re.compile(r"([0-9]{5})_([a-z_]+)\.png")
_PARTITION = "list_eval_partition.txt"
_PARTITION_PLACES = (".", "Eval", "../CelebA", "../CelebA/Eval", "../CelebA/list", "..")


def paint(
    masks: Mapping[str, BoolArray], order: Sequence[str], ids: Mapping[str, int], shape: tuple[int, int]
) -> ByteArray:
    """Label map (H, W) uint8 of parts painted one over the other. Raises `DataError` for a part of another size.

    Args:
        masks: part to (H, W) bool; a part that the face does not have is left out.
        order: parts from the first painted to the last, which lies on top.
        ids: part to class id; 0 stays where nothing is painted.
        shape: (H, W).
    """
    labels = np.zeros(shape, dtype=np.uint8)
    for part in order:
        if part in masks:
            if masks[part].shape != shape:
                raise DataError(f"mask of {part} is {masks[part].shape}, the others are {shape}")
            labels[masks[part]] = ids[part]
    return labels


def read_parts(files: Mapping[str, Path], order: Sequence[str]) -> ByteArray:
    """Label map (H, W) uint8 in official ids, of the part PNGs of one face painted in `order`. Raises `DataError`."""
    masks = {part: read_mask(path) for part, path in files.items()}
    shape = next(iter(masks.values())).shape
    try:
        return paint(masks, order, OFFICIAL_IDS, (shape[0], shape[1]))
    except DataError as cause:
        raise DataError(f"{next(iter(files.values())).parent}: {cause}; copy the part PNGs again") from cause


def load_farl(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train`, `val` or `test`, painted in FaRL's order. Raises `DataError`."""
    if not (root / _PARTS_FOLDER).is_dir() and (root / _READY_FOLDER).is_dir():
        raise DataError(
            f"{root}: {_READY_FOLDER} holds ready label maps, which are painted in the official order; score them as "
            f"celebamask-hq-official, or unpack {_PARTS_FOLDER}"
        )
    return _samples(root, split, _part_targets(root, FARL_ORDER))


def load_official(root: Path, split: str) -> Sequence[Sample]:
    """Samples of `train`, `val` or `test`, painted in the authors' order. Raises `DataError`."""
    ready = root / _READY_FOLDER
    if not (root / _PARTS_FOLDER).is_dir() and ready.is_dir():
        files = {p.stem: p for p in ready.iterdir() if p.suffix == ".png" and p.stem.isdecimal()}
        targets = {int(n): LabelMap((p,), partial(read_label_map, p, CELEB19.size)) for n, p in files.items()}
        return _samples(root, split, targets)
    return _samples(root, split, _part_targets(root, OFFICIAL_ORDER))


def _samples(root: Path, split: str, targets: Mapping[int, LabelMap]) -> Sequence[Sample]:
    chosen = _ids_of(root, split)
    bare = [i for i in chosen if i not in targets]
    if bare:
        raise DataError(
            f"{root}: {len(bare)} of {len(chosen)} {split} pictures have no annotation, first number {bare[0]}; "
            f"unpack {_PARTS_FOLDER} whole"
        )
    images = root / "CelebA-HQ-img"
    return [Sample(str(i), images / f"{i}.jpg", None, targets[i], cluster=str(i)) for i in chosen]


def _part_targets(root: Path, order: Sequence[str]) -> Mapping[int, LabelMap]:
    """Label map of every face that has at least one part PNG, by number."""
    folder = root / _PARTS_FOLDER
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist; unpack CelebAMask-HQ.zip so that {root} holds it")
    parts: dict[int, dict[str, Path]] = {}
    # One listing a folder: asking for every possible file would be half a million questions.
    for group in (p for p in folder.iterdir() if p.name.isdecimal() and p.is_dir()):
        for path in group.iterdir():
            match = _PART_FILE.fullmatch(path.name)
            if match is not None and match[2] in OFFICIAL_IDS and int(match[1]) // 2000 == int(group.name):
                parts.setdefault(int(match[1]), {})[match[2]] = path
    return {i: _part_target(files, order) for i, files in parts.items()}


def _part_target(files: Mapping[str, Path], order: Sequence[str]) -> LabelMap:
    painted = {part: files[part] for part in order if part in files}
    return LabelMap(files=tuple(painted.values()), read=partial(read_parts, painted, order))


def _ids_of(root: Path, split: str) -> list[int]:
    """Numbers of the pictures of `split`, in the order of the mapping."""
    mapping = root / "CelebA-HQ-to-CelebA-mapping.txt"
    originals: dict[int, str] = {}
    for where, line in read_lines(mapping):
        words = line.split()
        if len(words) != 3 or not words[2].endswith(".jpg"):
            if words[:1] == ["idx"]:
                continue
            raise DataError(f"{where}: {line.strip()[:60]!r} is not `idx orig_idx orig_file`")
        if not words[0].isdecimal() or int(words[0]) in originals:
            raise DataError(f"{where}: {words[0][:20]!r} is doubled or not the number of a picture")
        originals[int(words[0])] = words[2]
    groups = _partition(root)
    unknown = [name for name in originals.values() if name not in groups]
    if unknown:
        raise DataError(f"{mapping}: {len(unknown)} pictures are not in {_PARTITION}, first {unknown[0]}")
    return [i for i, name in originals.items() if groups[name] == _SPLITS[split]]


def _partition(root: Path) -> Mapping[str, str]:
    """Original picture to "0", "1" or "2"."""
    path = next((p for place in _PARTITION_PLACES if (p := root / place / _PARTITION).is_file()), None)
    if path is None:
        raise DataError(
            f"{root}: no {_PARTITION}, which says what is test; it comes with CelebA (folder Eval), not with "
            f"CelebAMask-HQ: put it into {root} or into a CelebA folder beside it"
        )
    words = read_text(path).split()
    names, groups = words[::2], words[1::2]
    if len(names) != len(groups) or not set(groups) <= set(_SPLITS.values()):
        raise DataError(f"{path} is not `picture 0|1|2` on every line; fetch it again")
    return dict(zip(names, groups, strict=True))


LAYOUT = (
    "CelebA-HQ-img/<id>.jpg",
    "CelebAMask-HQ-mask-anno/{0..14}/<id, five digits>_<part>.png",
    "CelebA-HQ-to-CelebA-mapping.txt",
    "list_eval_partition.txt (from CelebA; also read from ../CelebA)",
)
SIZES = {"train": 24183, "val": 2993, "test": 2824}

DATASET = Dataset(
    name="celebamask-hq",
    title="CelebAMask-HQ",
    task="parsing",
    folder="CelebAMask-HQ",
    layout=LAYOUT,
    licence="non-commercial research; neither pictures nor masks to be passed on",
    citation="Lee et al., MaskGAN: Towards Diverse and Interactive Facial Image Manipulation, CVPR 2020",
    load=load_farl,
    sizes=SIZES,
    scheme=CELEB19,
    headline=("celebamask-hq/test/mean-fg18/f1",),
    box="whole",
)

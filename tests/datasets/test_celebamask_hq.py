"""CelebAMask-HQ: splits, painting in both orders (golden counts of both codes), ready label maps, real pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.datasets.celebamask_hq import (
    DATASET,
    FARL_IDS,
    FARL_ORDER,
    OFFICIAL_IDS,
    OFFICIAL_ORDER,
    paint,
)
from facebench.datasets.celebamask_hq_official import DATASET as OFFICIAL
from facebench.errors import DataError
from facebench.evaluators.parsing import EVALUATOR
from facebench.images import read_label_map
from facebench.predictions import open_predictions, write_label_map
from facebench.schemes import CELEB19, FARL_CELEB19
from facebench.types import Dataset, LabelMap, revision

GOLDEN = Path(__file__).parents[1] / "golden" / "protocol_golden.json"


def build(root: Path, faces: Mapping[int, int]) -> Path:
    """Mapping and partition for `faces` (number to CelebA group); original picture of number i is 1000 + i, 0-based."""
    folder = root / "CelebAMask-HQ"
    (folder / "CelebA-HQ-img").mkdir(parents=True)
    lines = ["idx  orig_idx  orig_file", *(f"{i:<8} {1000 + i:<8} {1001 + i:06d}.jpg" for i in faces)]
    (folder / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(lines) + "\n")
    # CelebA knows many more pictures than HQ has.
    names = [f"{1001 + i:06d}.jpg {group}" for i, group in faces.items()] + ["000001.jpg 2", "000002.jpg 0"]
    (folder / "list_eval_partition.txt").write_text("\n".join(names) + "\n")
    return folder


def add_parts(folder: Path, number: int, masks: Mapping[str, np.ndarray], *, channels: int = 3) -> None:
    place = folder / "CelebAMask-HQ-mask-anno" / str(number // 2000)
    place.mkdir(parents=True, exist_ok=True)
    for part, mask in masks.items():
        grey = mask.astype(np.uint8) * 255
        picture = np.repeat(grey[..., None], 3, axis=2) if channels == 3 else grey
        Image.fromarray(picture).save(place / f"{number:05d}_{part}.png")


def rectangle(x0: int, y0: int, x1: int, y1: int, size: int = 512) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def split_into_parts(labels: np.ndarray) -> dict[str, np.ndarray]:
    return {part: labels == i for part, i in OFFICIAL_IDS.items() if (labels == i).any()}


def ids(dataset: Dataset, root: Path, split: str) -> list[str]:
    return [s.id for s in dataset.samples(root, split)]


FACE = {"skin": rectangle(2, 2, 10, 10, 16), "neck": rectangle(4, 8, 8, 14, 16), "neck_l": rectangle(4, 9, 8, 11, 16)}


def golden_masks() -> tuple[dict[str, np.ndarray], Mapping[str, Mapping[str, int]]]:
    cases = {case["id"]: case for case in json.loads(GOLDEN.read_text())["cases"]}
    case = cases["celeb.paint_order"]
    assert tuple(case["inputs"]["official_order"]) == OFFICIAL_ORDER
    assert tuple(case["inputs"]["farl_order"]) == FARL_ORDER
    return {part: rectangle(*box) for part, box in case["inputs"]["mask_rects_x1y1x2y2"].items()}, case["expected"]


@pytest.mark.parametrize(
    ("order", "ids", "key"),
    [(OFFICIAL_ORDER, OFFICIAL_IDS, "official_counts"), (FARL_ORDER, FARL_IDS, "farl_counts")],
)
def test_painting_counts_what_the_two_codes_count(order: tuple[str, ...], ids: Mapping[str, int], key: str) -> None:
    masks, expected = golden_masks()
    labels = paint(masks, order, ids, (512, 512))
    got = {"background": int((labels == 0).sum())} | {part: int((labels == i).sum()) for part, i in ids.items()}
    assert got == expected[key]


def test_the_loader_gives_the_farl_painting_in_official_ids_and_the_other_its_own(tmp_path: Path) -> None:
    masks, expected = golden_masks()
    folder = build(tmp_path, {7: 2})
    add_parts(folder, 7, masks)
    for dataset, key in ((DATASET, "farl_counts"), (OFFICIAL, "official_counts")):
        target = dataset.samples(tmp_path, "test")[0].target
        assert isinstance(target, LabelMap)
        labels = target.read()
        assert {part: int((labels == i).sum()) for part, i in OFFICIAL_IDS.items()} == {
            part: n for part, n in expected[key].items() if part != "background"
        }
    # One and the same folder, two truths: nothing may take one for the other.
    assert revision(DATASET.samples(tmp_path, "test")) != revision(OFFICIAL.samples(tmp_path, "test"))
    assert not set(DATASET.headline) & set(OFFICIAL.headline)


def test_part_names_class_names_and_both_id_lists_belong_together() -> None:
    renamed = {"eye_g": "eyeglasses", "mouth": "i-mouth", "ear_r": "earring", "neck_l": "necklace"}
    for scheme, id_of in ((CELEB19, OFFICIAL_IDS), (FARL_CELEB19, FARL_IDS)):
        for part, i in id_of.items():
            assert scheme.classes[i] == renamed.get(part, part.replace("_", "-"))


def test_splits_follow_the_partition_of_the_original_picture(tmp_path: Path) -> None:
    groups = {0: 0, 1: 1, 2: 2, 1999: 0, 2000: 2, 29999: 1}
    folder = build(tmp_path, groups)
    for number in groups:
        add_parts(folder, number, FACE, channels=1 + 2 * (number % 2))
    assert ids(DATASET, tmp_path, "train") == ["0", "1999"]
    assert ids(DATASET, tmp_path, "val") == ["1", "29999"]
    assert ids(DATASET, folder, "test") == ["2", "2000"]
    assert (folder / "CelebAMask-HQ-mask-anno" / "14" / "29999_skin.png").is_file()
    assert DATASET.samples(tmp_path, "test")[1].image == folder / "CelebA-HQ-img" / "2000.jpg"


@pytest.mark.parametrize("place", ["../CelebA", "../CelebA/Eval", "Eval", ".."])
def test_the_partition_is_found_beside_the_set(tmp_path: Path, place: str) -> None:
    folder = build(tmp_path, {0: 2})
    add_parts(folder, 0, FACE)
    (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / "list_eval_partition.txt").rename(folder / place / "list_eval_partition.txt")
    assert ids(DATASET, tmp_path, "test") == ["0"]
    (folder / place / "list_eval_partition.txt").unlink()
    with pytest.raises(DataError, match="it comes with CelebA"):
        DATASET.samples(tmp_path, "test")


def test_half_copied_sets_are_not_scored_as_empty_faces(tmp_path: Path) -> None:
    folder = build(tmp_path, {0: 2, 1: 2, 2500: 2})
    with pytest.raises(DataError, match=r"unpack CelebAMask-HQ\.zip"):
        DATASET.samples(tmp_path, "test")
    add_parts(folder, 0, FACE)
    with pytest.raises(DataError, match="2 of 3 test pictures have no annotation, first number 1"):
        DATASET.samples(tmp_path, "test")
    # A part in the wrong folder is not the official layout and is not taken for it.
    place = folder / "CelebAMask-HQ-mask-anno" / "0"
    (place / "02500_skin.png").write_bytes((place / "00000_skin.png").read_bytes())
    with pytest.raises(DataError, match="2 of 3"):
        DATASET.samples(tmp_path, "test")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("CelebA-HQ-to-CelebA-mapping.txt", "0 1000\n", r":1: '0 1000' is not"),
        ("CelebA-HQ-to-CelebA-mapping.txt", "0 1000 001001.jpg\n0 1000 001001.jpg\n", ":2: '0' is doubled"),
        ("CelebA-HQ-to-CelebA-mapping.txt", "../x 1000 001001.jpg\n", "not the number"),
        ("CelebA-HQ-to-CelebA-mapping.txt", "0 1000 009999.jpg\n", "1 pictures are not in list_eval_partition"),
        ("CelebA-HQ-to-CelebA-mapping.txt", None, "does not exist"),
        ("list_eval_partition.txt", "001001.jpg 2 0\n", "fetch it again"),
        ("list_eval_partition.txt", "001001.jpg 3\n", "fetch it again"),
    ],
)
def test_damaged_lists_are_named(tmp_path: Path, name: str, text: str | None, reason: str) -> None:
    folder = build(tmp_path, {0: 2})
    add_parts(folder, 0, FACE)
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)
    with pytest.raises(DataError, match=reason):
        DATASET.samples(tmp_path, "test")


def test_parts_of_two_sizes_fail_that_picture(tmp_path: Path) -> None:
    folder = build(tmp_path, {0: 2})
    add_parts(folder, 0, FACE | {"hair": rectangle(0, 0, 4, 4, 20)})
    sample = DATASET.samples(tmp_path, "test")[0]
    with pytest.raises(DataError, match=r"sample 0: .*\(20, 20\).*\(16, 16\)|sample 0: .*\(16, 16\).*\(20, 20\)"):
        EVALUATOR.measure(DATASET, sample, np.zeros((16, 16), np.uint8), {})


def test_ready_label_maps_stand_in_only_where_their_painting_is_the_truth(tmp_path: Path) -> None:
    folder = build(tmp_path, {0: 2})
    labels = np.arange(19, dtype=np.uint8).reshape(1, 19)
    write_label_map(folder / "CelebAMask-HQ-label", "0", labels)
    with pytest.raises(DataError, match=r"official order.*celebamask-hq-official"):
        DATASET.samples(tmp_path, "test")
    target = OFFICIAL.samples(tmp_path, "test")[0].target
    assert isinstance(target, LabelMap)
    np.testing.assert_array_equal(target.read(), labels)
    add_parts(folder, 0, FACE)  # parts, once there, are the better truth
    target = OFFICIAL.samples(tmp_path, "test")[0].target
    assert isinstance(target, LabelMap)
    assert target.read().shape == (16, 16)


REAL = range(4)


@pytest.fixture(scope="session")
def real_maps(shared_data: Path) -> dict[int, np.ndarray]:
    folder = shared_data / "celebamask_hq" / "MaskGAN_demo" / "samples"
    return {i: read_label_map(folder / f"{i}.png", classes=19) for i in REAL}


@pytest.fixture(scope="session")
def real_root(real_maps: Mapping[int, np.ndarray], tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """The four real pairs in the official layout, with ready label maps and with parts."""
    root = tmp_path_factory.mktemp("real")
    folder = build(root, dict.fromkeys(REAL, 2))
    for i in REAL:
        picture = shared_data / "celebamask_hq" / "MaskGAN_demo" / "samples" / f"{i}.jpg"
        (folder / "CelebA-HQ-img" / f"{i}.jpg").symlink_to(picture)
        add_parts(folder, i, split_into_parts(real_maps[i]))
    ready = build(root / "ready", dict.fromkeys(REAL, 2))
    for i in REAL:
        write_label_map(ready / "CelebAMask-HQ-label", str(i), real_maps[i])
    return root


def scores(dataset: Dataset, root: Path, maps: Iterable[np.ndarray]) -> dict[str, float | None]:
    samples = dataset.samples(root, "test")
    rows = [EVALUATOR.measure(dataset, s, m, {}) for s, m in zip(samples, maps, strict=True)]
    columns = {"confusion": np.stack([row["confusion"] for row in rows])}
    return {f"{m.slice}/{m.name}": m.value(columns) for m in EVALUATOR.metrics(dataset)}


def cases(root: Path) -> list[tuple[Dataset, Path]]:
    return [(DATASET, root), (OFFICIAL, root), (OFFICIAL, root / "ready")]


def test_real_truth_as_its_own_prediction_is_perfect(real_root: Path, real_maps: Mapping[int, np.ndarray]) -> None:
    present = set(np.unique(np.stack(list(real_maps.values()))))
    for dataset, root in cases(real_root):
        got = scores(dataset, root, real_maps.values())
        assert got["mean-present-fg/f1"] == 100
        assert got["all/accuracy"] == 100
        for i, name in enumerate(CELEB19.classes):
            assert got[f"{name}/f1"] == (100 if i in present else None), name


def test_real_truth_moved_scores_as_counted_pixel_by_pixel(
    real_root: Path, real_maps: Mapping[int, np.ndarray]
) -> None:
    moved = {i: np.roll(m, (5, 3), axis=(0, 1)) for i, m in real_maps.items()}
    pairs = Counter(
        pair for i in REAL for pair in zip(real_maps[i].ravel().tolist(), moved[i].ravel().tolist(), strict=True)
    )
    expected = {}
    for c, name in enumerate(CELEB19.classes):
        both = sum(n for (truth, said), n in pairs.items() if truth == said == c)
        either = sum(n * ((truth == c) + (said == c)) for (truth, said), n in pairs.items())
        if either:
            expected[name] = 100 * 2 * both / either
    for dataset, root in cases(real_root):
        got = scores(dataset, root, moved.values())
        for name, value in expected.items():
            assert got[f"{name}/f1"] == pytest.approx(value, abs=1e-9), name
        fore = [value for name, value in expected.items() if name != "background"]
        assert got["mean-present-fg/f1"] == pytest.approx(sum(fore) / len(fore), abs=1e-9)
        assert 50 < sum(fore) / len(fore) < 99


def test_real_predictions_in_farls_ids_are_perfect_once_the_order_is_named(
    real_root: Path, real_maps: Mapping[int, np.ndarray], tmp_path: Path
) -> None:
    to_farl = np.array([FARL_CELEB19.classes.index(name) for name in CELEB19.classes])
    for i, labels in real_maps.items():
        write_label_map(tmp_path, str(i), to_farl[labels])
    samples = DATASET.samples(real_root, "test")
    named = open_predictions(DATASET, tmp_path, settings={"label_order": "farl-celeb19"})
    plain = open_predictions(DATASET, tmp_path)
    assert scores(DATASET, real_root, [named.read(s) for s in samples])["mean-present-fg/f1"] == 100
    wrong = scores(DATASET, real_root, [plain.read(s) for s in samples])["mean-present-fg/f1"]
    assert wrong is not None
    assert wrong < 20

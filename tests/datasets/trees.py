"""Writers of tiny trees in the official layouts, for tests; annotations only, no pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from facebench.shapes import AnyArray, FloatArray

WFLW_LISTS = Path("WFLW_annotations/list_98pt_rect_attr_train_test")


def points(size: int, x: float = 10.0, y: float = 20.0) -> FloatArray:
    """(`size`, 2) points on a slanted line from (x, y), in quarters of a pixel, so that text keeps them whole."""
    k = np.arange(size)
    return np.stack([x + k / 4, y + k / 2], axis=1)


def wflw_line(
    face: FloatArray,
    image: str,
    *,
    rect: Sequence[float] = (5, 6, 70, 80),
    attributes: Sequence[int] = (0, 0, 0, 0, 0, 0),
) -> str:
    """One line of the 207-word WFLW list."""
    words = [f"{v:f}" for v in face.ravel()] + [f"{v:g}" for v in rect] + [str(a) for a in attributes] + [image]
    return " ".join(words)


def write_wflw(root: Path, part: str, lines: Sequence[str]) -> Path:
    """Write the 207-word list of `part` below `root`; returns the file."""
    file = root / WFLW_LISTS / f"list_98pt_rect_attr_{part}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    return file


def write_subset_list(root: Path, subset: str, faces: Sequence[tuple[FloatArray, str]]) -> Path:
    """Write a 197-word WFLW subset list below `root`; returns the file."""
    file = root / "WFLW_annotations" / "list_98pt_test" / f"list_98pt_test_{subset}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(" ".join(f"{v:f}" for v in face.ravel()) + f" {image}\n" for face, image in faces))
    return file


def write_hrnet_csv(file: Path, faces: Sequence[tuple[str, AnyArray]], *, original: bool = False) -> Path:
    """Write an HRNet-style csv, with 300W's header if `original`; returns the file."""
    size = len(faces[0][1])
    if original:
        names = [f"original_{k}_{axis}" for k in range(size) for axis in "xy"]
    else:
        names = [f"{axis}{k}" for k in range(size) for axis in "xy"]
    head = ["image_name" if original else "image", "scale", "center_w", "center_h", *names]
    rows = [[image, "1.0", "50.0", "60.0", *(repr(float(v)) for v in face.ravel())] for image, face in faces]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n")
    return file


def pts_text(face: FloatArray) -> str:
    """Text of a `.pts` file."""
    body = "\n".join(f"{x:f} {y:f}" for x, y in face)
    return f"version: 1\nn_points:  {len(face)}\n{{\n{body}\n}}\n"


def write_pts(file: Path, face: FloatArray) -> Path:
    """Write a `.pts` file; returns it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(pts_text(face))
    return file


def write_aflw(root: Path, variables: Mapping[str, AnyArray]) -> Path:
    """Write `AFLWinfo_release.mat`; returns the file."""
    from scipy.io import savemat

    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "AFLWinfo_release.mat", dict(variables), do_compression=True)
    return root / "AFLWinfo_release.mat"


def write_cofw(root: Path, part: str, phis: FloatArray, boxes: FloatArray, pictures: Sequence[AnyArray]) -> Path:
    """Write a COFW file as Matlab 7.3 lays it out: transposed arrays, pictures behind references."""
    import h5py

    suffix = {"train": "Tr", "test": "T"}[part]
    root.mkdir(parents=True, exist_ok=True)
    file = root / f"COFW_{part}_color.mat"
    with h5py.File(file, "w") as out:
        out[f"phis{suffix}"] = phis.T
        out[f"bboxes{suffix}"] = boxes.T
        cells = out.create_dataset(f"Is{suffix}", (1, len(pictures)), dtype=h5py.ref_dtype)
        for i, picture in enumerate(pictures):
            out[f"#refs#/{i}"] = picture.T  # Matlab's H x W x 3 lies in the file as 3 x W x H
            cells[0, i] = out[f"#refs#/{i}"].ref
    return file


def write_cofw68(root: Path, number: int, face: FloatArray, occluded: AnyArray) -> Path:
    """Write one annotation of COFW-68; returns the file."""
    from scipy.io import savemat

    file = root / "COFW68_Data" / "test_annotations" / f"{number}_points.mat"
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {"Points": face, "Occ": occluded.reshape(1, -1)})
    return file

"""What the official packages look like on disk: tell-tale names, the pieces a set needs, and where they are had.

These tables are for `facebench data doctor`, which must recognise a set that is *not* as it should be; what a set
should be is said by its loader in `facebench.datasets`. Names are those of the official packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """Something that a set needs.

    Attributes:
        what: the piece, in words.
        any_of: glob patterns below the set's folder; one match is enough.
        source: where it is had.
        for_score: True where scoring the test split needs it, False where only `run` or another split does.
        apart: True where it is a split of its own, without which everything else works.
    """

    what: str
    any_of: tuple[str, ...]
    source: str
    for_score: bool = False
    apart: bool = False


@dataclass(frozen=True)
class Layout:
    """One data set as it may be found.

    Attributes:
        dataset: name of the set.
        folder: its official folder below the data root.
        tells: glob patterns below a folder; any match makes that folder the set's own.
        pieces: what it needs.
        archives: names of the official packages, lower-case shell patterns.
    """

    dataset: str
    folder: str
    tells: tuple[str, ...]
    pieces: tuple[Piece, ...]
    archives: tuple[str, ...]


def _each(places: tuple[str, ...], *names: str) -> tuple[str, ...]:
    """Every name in every place; the place `.` is the folder itself."""
    return tuple(name if place == "." else f"{place}/{name}" for place in places for name in names)


_WFLW = "wywu.github.io/projects/LAB/WFLW.html"
_WFLW_LISTS = tuple(
    f"{base}{folder}"
    for base in ("WFLW_annotations/", "annotations/", "")
    for folder in ("list_98pt_rect_attr_train_test/", "")
)
_WFLW_SUBSETS = tuple(
    f"{base}{folder}list_98pt_test_*.txt"
    for base in ("WFLW_annotations/", "annotations/", "")
    for folder in ("list_98pt_test/", "")
)

_IBUG = "ibug.doc.ic.ac.uk/resources/300-W (registration)"
_IBUG_WRAPS = (
    ".",
    "300w",
    "300W",
    "images",
    "Test",
    "300w/Test",
    "300W/Test",
    "images/Test",
    "images/300w",
    "annotations",
)
_PRIVATE = ("01_Indoor/*.pts", "face_landmarks_300w_test.csv")

_COFW = "data.caltech.edu, Caltech Occluded Faces in the Wild"
_COFW_PLACES = (
    ".",
    "COFW_color",
    "common/xpburgos/behavior/code/pose",
    "COFW_color/common/xpburgos/behavior/code/pose",
)

_AFLW = "TU Graz, on request (Annotated Facial Landmarks in the Wild)"
_CELEB = "github.com/switchablenorms/CelebAMask-HQ"
_NOW = "now.is.tue.mpg.de (registration)"

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        dataset="wflw",
        folder="WFLW",
        tells=(
            "WFLW_annotations",
            "WFLW_images",
            "list_98pt_rect_attr_train_test",
            "list_98pt_test",
            "list_98pt_rect_attr_*.txt",
            "list_98pt_test_*.txt",
            "face_landmarks_wflw_*.csv",
        ),
        pieces=(
            Piece(
                "test list",
                (
                    *(f"{place}list_98pt_rect_attr_test.txt" for place in _WFLW_LISTS),
                    "face_landmarks_wflw_test.csv",
                    *_WFLW_SUBSETS,
                ),
                f"WFLW_annotations.tar.gz from {_WFLW}",
                for_score=True,
            ),
            Piece(
                "training list",
                (*(f"{place}list_98pt_rect_attr_train.txt" for place in _WFLW_LISTS), "face_landmarks_wflw_train.csv"),
                f"WFLW_annotations.tar.gz from {_WFLW}",
            ),
            Piece("pictures", ("WFLW_images/*/*.jpg", "images/*/*.jpg"), f"WFLW_images.tar.gz from {_WFLW}"),
        ),
        archives=("wflw_images*", "wflw_annotations*", "wflw*"),
    ),
    Layout(
        dataset="300w",
        folder="300W",
        tells=(
            "afw/*.pts",
            "ibug/*.pts",
            "helen/testset",
            "helen/trainset",
            "lfpw/testset",
            "lfpw/trainset",
            "01_Indoor",
            "02_Outdoor",
            "face_landmarks_300w_*.csv",
        ),
        pieces=(
            Piece(
                "common set, Helen",
                _each(
                    _IBUG_WRAPS,
                    "helen/testset/*.pts",
                    "face_landmarks_300w_valid.csv",
                    "face_landmarks_300w_valid_common.csv",
                ),
                f"Helen from {_IBUG}",
                for_score=True,
            ),
            Piece(
                "common set, LFPW",
                _each(
                    _IBUG_WRAPS,
                    "lfpw/testset/*.pts",
                    "face_landmarks_300w_valid.csv",
                    "face_landmarks_300w_valid_common.csv",
                ),
                f"LFPW from {_IBUG}",
                for_score=True,
            ),
            Piece(
                "challenging set",
                _each(
                    _IBUG_WRAPS,
                    "ibug/*.pts",
                    "face_landmarks_300w_valid.csv",
                    "face_landmarks_300w_valid_challenge.csv",
                ),
                f"iBUG from {_IBUG}",
                for_score=True,
            ),
            *(
                Piece(
                    f"training set, {name}",
                    _each(_IBUG_WRAPS, f"{place}/*.pts", "face_landmarks_300w_train.csv"),
                    f"{name} from {_IBUG}",
                )
                for name, place in (("AFW", "afw"), ("Helen", "helen/trainset"), ("LFPW", "lfpw/trainset"))
            ),
            Piece("private test set", _each(_IBUG_WRAPS, *_PRIVATE), f"300W.zip.001 to .004 from {_IBUG}", apart=True),
            Piece(
                "pictures",
                _each(_IBUG_WRAPS, "ibug/*.jpg", "helen/testset/*.jpg", "lfpw/testset/*.png"),
                f"the packages from {_IBUG}",
            ),
        ),
        archives=("300w*", "afw.*", "helen.*", "lfpw.*", "ibug.*"),
    ),
    Layout(
        dataset="aflw19",
        folder="AFLW",
        tells=("AFLWinfo_release.mat", "flickr/0/image*.jpg", "data/flickr/0/image*.jpg"),
        pieces=(
            Piece(
                "annotations",
                _each((".", "data", "aflw", "annotations"), "AFLWinfo_release.mat"),
                "mmlab.ie.cuhk.edu.hk/projects/compositional.html",
                for_score=True,
            ),
            Piece(
                "pictures",
                ("flickr/*/*.jpg", "data/flickr/*/*.jpg", "aflw/data/flickr/*/*.jpg", "images/*/*.jpg"),
                _AFLW,
            ),
        ),
        archives=("aflw*",),
    ),
    Layout(
        dataset="cofw",
        folder="COFW",
        tells=("COFW_test_color.mat", "COFW_train_color.mat"),
        pieces=(
            Piece(
                "test file", _each(_COFW_PLACES, "COFW_test_color.mat"), f"COFW_color.zip from {_COFW}", for_score=True
            ),
            Piece("training file", _each(_COFW_PLACES, "COFW_train_color.mat"), f"COFW_color.zip from {_COFW}"),
        ),
        archives=("cofw.*", "cofw_color*"),
    ),
    Layout(
        dataset="cofw68",
        folder="COFW68",
        tells=("COFW68_Data", "test_annotations/*_points.mat"),
        pieces=(
            Piece(
                "test annotations",
                ("COFW68_Data/test_annotations/*_points.mat", "test_annotations/*_points.mat"),
                "github.com/golnazghiasi/cofw68-benchmark",
                for_score=True,
            ),
            Piece(
                "pictures, which are COFW's",
                (
                    *_each(_COFW_PLACES, "COFW_test_color.mat"),
                    *(f"../COFW/{p}" for p in _each(_COFW_PLACES, "COFW_test_color.mat")),
                ),
                f"COFW_color.zip from {_COFW}, unpacked into COFW beside this folder",
            ),
        ),
        archives=("cofw68*",),
    ),
    Layout(
        dataset="merl-rav",
        folder="MERL-RAV",
        tells=("merl_rav_labels", "merl_rav_organized"),
        pieces=(
            Piece(
                "labels",
                ("merl_rav_labels/frontal/testset/labels/*.pts", "merl_rav_organized/frontal/testset/*.pts"),
                "github.com/abhi1kumar/MERL-RAV_dataset",
                for_score=True,
            ),
            Piece(
                "pictures",
                ("merl_rav_organized/frontal/testset/*.jpg", "merl_rav_labels/frontal/testset/labels/*.jpg"),
                f"made by the script of MERL-RAV_dataset from the pictures of AFLW: {_AFLW}",
            ),
        ),
        archives=("merl*rav*",),
    ),
    Layout(
        dataset="lapa",
        folder="LaPa",
        tells=("train/labels/*.png", "val/labels/*.png", "test/labels/*.png", "test/landmarks/*.txt"),
        pieces=tuple(
            Piece(
                f"{what} of {split}",
                (f"{split}/{kind}/{pattern}",),
                "github.com/jd-opensource/lapa-dataset",
                for_score=(split, kind) == ("test", "labels"),
            )
            for split in ("test", "val", "train")
            for what, kind, pattern in (("label maps", "labels", "*.png"), ("pictures", "images", "*.jpg"))
        ),
        archives=("lapa*",),
    ),
    Layout(
        dataset="celebamask-hq",
        folder="CelebAMask-HQ",
        tells=("CelebAMask-HQ-mask-anno", "CelebA-HQ-img", "CelebA-HQ-to-CelebA-mapping.txt", "CelebAMask-HQ-label"),
        pieces=(
            Piece(
                "part PNGs", ("CelebAMask-HQ-mask-anno/*/*.png",), f"CelebAMask-HQ.zip from {_CELEB}", for_score=True
            ),
            Piece(
                "mapping to CelebA",
                ("CelebA-HQ-to-CelebA-mapping.txt",),
                f"CelebAMask-HQ.zip from {_CELEB}",
                for_score=True,
            ),
            Piece(
                "list_eval_partition.txt",
                _each((".", "Eval", "../CelebA", "../CelebA/Eval", "../CelebA/list", ".."), "list_eval_partition.txt"),
                "CelebA itself (mmlab.ie.cuhk.edu.hk/projects/CelebA.html, folder Eval)",
                for_score=True,
            ),
            Piece("pictures", ("CelebA-HQ-img/*.jpg",), f"CelebAMask-HQ.zip from {_CELEB}"),
        ),
        archives=("celebamask*", "celeba-hq*"),
    ),
    Layout(
        dataset="now",
        folder="NoW",
        tells=("scans_lmks_onlypp", "imagepathsvalidation.txt", "imagepathstest.txt", "final_release_version"),
        pieces=(
            Piece("list of validation pictures", ("imagepathsvalidation.txt",), _NOW, for_score=True),
            Piece("scans", ("scans/*/*.obj",), _NOW, for_score=True),
            Piece("landmarks of the scans", ("scans_lmks_onlypp/*/*.pp",), _NOW, for_score=True),
            Piece("pictures", ("final_release_version/iphone_pictures/*/*/*", "iphone_pictures/*/*/*"), _NOW),
        ),
        archives=("now*", "scans*", "final_release_version*", "iphone_pictures*"),
    ),
)

BY_NAME: Mapping[str, Layout] = {layout.dataset: layout for layout in LAYOUTS}

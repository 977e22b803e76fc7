"""How a backbone is fine-tuned: every constant, with where it comes from.

The base is FaRL's recipe (FacePerceiver/FaRL, `farl/experiments/face_alignment` and `face_parsing`; Zheng et al.,
"General Facial Representation Learning in a Visual-Linguistic Manner", CVPR 2022, appendix). What differs is OURS:

    - Crops are facebench's (`Framing`), of the size that the backbone takes, and no tanh-warp is made: a row says its
      box in the signature, and stands beside rows of the other protocols.
    - The epoch is chosen on val, never on the test set, and training stops where val has not gained for `patience`.
    - Batch normalisation is over one process; FaRL's is over eight GPUs of five pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Augment:
    """What is random about a training picture; lengths in units of the crop's side, angles in radians.

    Attributes:
        shift: of the centre: uniform within ± this.
        turn: rotation; `gaussian` says whether these are standard deviations or bounds of a uniform draw.
        zoom: of the scale around 1.
        gaussian: whether `turn` and `zoom` are standard deviations.
        grey: probability of a grey picture.
        gamma: whether intensities are squared or rooted, each one time in three.
        blur: largest side of a box blur.
        hole: whether a black box hides 10 to 40 % of the height.
        noise: probability of uniform noise, blended by up to a half.
    """

    shift: float
    turn: float
    zoom: float
    gaussian: bool
    grey: float = 0.1
    gamma: bool = True
    blur: float = 0.01
    hole: bool = False
    noise: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, on what.

    Attributes:
        epochs: passes over the training split, at most.
        patience: epochs without a gain on val that end it (OURS).
        batch: pictures a step.
        backbone_rate, head_rate: learning rates of the backbone, and of pyramid and head.
        decay: weight decay of AdamW.
        milestone: epoch at which the rates fall to a tenth.
        average: momentum of the running mean of the weights, which is what is judged.
        cells: side of the heatmaps, cells (landmarks).
        reach: R, cells: a target heatmap is exp(-8 r^2 / R^2), so its standard deviation is R / 4 (landmarks).
        augment: of the training pictures.
        width: channels of the head; None for those of the backbone's deepest map (768 for a ViT-B, as FaRL's).
    """

    epochs: int
    patience: int
    batch: int
    backbone_rate: float
    head_rate: float
    augment: Augment
    decay: float = 1e-5
    milestone: int = 200
    average: float = 0.999
    cells: int = 128
    reach: float = 5.0
    width: int | None = None


LANDMARKS = Recipe(
    epochs=150, patience=30, batch=40, backbone_rate=1e-4, head_rate=1e-2,
    augment=Augment(shift=0.05, turn=0.174, zoom=0.1, gaussian=False, hole=True, noise=0.5),
)  # fmt: skip
"""FaRL's WFLW and AFLW-19 (300W: 250 epochs, see `EPOCHS`); patience OURS."""

PARSING = Recipe(
    epochs=300, patience=40, batch=40, backbone_rate=1e-4, head_rate=1e-3,
    augment=Augment(shift=0.01, turn=0.314, zoom=0.1, gaussian=True),
)  # fmt: skip
"""FaRL's LaPa and CelebAMask-HQ; patience OURS."""

EPOCHS: Mapping[str, int] = {"300w": 250}
"""Data sets that FaRL trains for another number of epochs."""

_SMALL = {"batch": 16, "backbone_rate": 5e-4, "head_rate": 1e-2, "average": 0.95, "width": 64}
QUICK: Mapping[str, Recipe] = {
    "landmarks": replace(
        LANDMARKS, epochs=60, patience=15, milestone=45, cells=48, reach=4.0,
        augment=replace(LANDMARKS.augment, hole=False, noise=0.0), **_SMALL,  # type: ignore[arg-type]
    ),
    "parsing": replace(
        PARSING, epochs=80, patience=20, milestone=60, augment=replace(PARSING.augment, turn=0.1, zoom=0.05),
        **_SMALL,  # type: ignore[arg-type]
    ),
}  # fmt: skip
"""OURS: minutes on two cores for a small backbone and some hundred pictures; chosen on val of the synthetic faces.

With black boxes and noise on every picture, 400 of them do not suffice: after 25 epochs val's error was a third larger.
"""


def recipe_for(task: str, dataset: str, budget: str) -> Recipe:
    """The recipe of a task on a data set; `quick` is the small one, any other budget FaRL's."""
    if budget == "quick":
        return QUICK[task]
    base = {"landmarks": LANDMARKS, "parsing": PARSING}[task]
    return replace(base, epochs=EPOCHS.get(dataset, base.epochs))

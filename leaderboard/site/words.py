"""What the short words of a page mean, and which of them a record has earned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A short word and the sentence behind it."""

    label: str
    meaning: str


TIERS: Mapping[str, str] = {
    "own run": "facebench ran the backbone and scored it.",
    "rescored": "facebench scored predictions that were made elsewhere.",
    "reproduced": "Somebody else ran the authors' code and printed the number.",
    "claimed": "The number is printed by its authors, or by a paper that compares with them.",
}
"""How a number came to be, the best known first."""

SIGNATURE: Mapping[str, str] = {
    "basis": "hash of the arrays of the head model that shapes are made from",
    "box": "by which box faces were cropped, and how much it was widened; unknown for predictions",
    "budget": "full, or quick for the small run without data of one's own",
    "corrupt": "how the test pictures were made worse",
    "crop": "version of the crop's conventions",
    "data": "first digits of the data set's revision: ids, boxes, subsets and annotations",
    "eval": "evaluator and its version",
    "fit": "first digits of the revision of all that was learnt from and chosen on",
    "labels": "percent of the training labels that were used",
    "limit": "only so many samples were scored",
    "mode": "how scans and meshes were aligned",
    "probe": "what was fitted on the features; none for predictions",
    "sel": "what chose the epoch or the shrinkage: last, val or test",
    "tta": "what was averaged over at test time",
    "world": "synthetic: the faces were drawn by code",
}
"""Fields of a signature."""

BADGES: Mapping[str, Word] = {
    "floor": Word("floor", "No skill was judged: a mean shape or a majority label. It shows where the scale begins."),
    "incomplete": Word("incomplete", "Not every sample was scored, so the row is not ranked."),
    "undefined": Word("undefined", "The ranking score is not defined, so the row is not ranked."),
    "random weights": Word("random weights", "The backbone was not trained: what its architecture alone gives."),
    "sel:test": Word("test-selected", "The test set chose the checkpoint: the number is too good by an unknown part."),
    "not the official size": Word("not the official size", "The split has not its official number of samples."),
    "synthetic": Word("synthetic", "The faces were drawn by code: no number here is one on real faces."),
    "extra data": Word("extra data", "Trained with annotated faces beyond the training split of the benchmark."),
    "unfit": Word("unfit for ranking", "The number is kept as evidence and not ranked; the reason stands beside it."),
    "second hand": Word("second hand", "Read in another paper's table."),
    "aggregator": Word("from a results site", "Read on a site that collects results, which is wrong now and then."),
}
"""Badges, by what the tables call them."""

METRICS: Mapping[str, str] = {
    "nme": "mean distance of the landmarks over a size of the face",
    "fr": "share of faces whose error is above the threshold (in percent of the normaliser)",
    "auc": "area under the curve of cumulative errors up to the threshold; 1 is perfect",
    "f1": "F1 of a class, or its mean over classes, from counts pooled over the whole split",
    "miou": "intersection over union, mean over classes",
    "accuracy": "share of pixels with the right class",
    "median": "median distance from scan to mesh over all points of all scans",
    "mean": "mean distance from scan to mesh over all points of all scans",
    "std": "standard deviation of the distances",
}
"""Metrics, by the first word of their names."""

NORMALISERS: Mapping[str, str] = {
    "ioc": "outer eye corners",
    "ipupil": "pupils",
    "box": "side of the box, sqrt(w h)",
    "diag": "diagonal of the box",
    "lmkbox": "box round the true landmarks",
}

BESIDE: Mapping[str, tuple[str, ...]] = {
    "landmarks": ("fr10", "auc10"),
    "parsing": ("mean/miou", "all/accuracy"),
    "reconstruction": ("mean", "std"),
}
"""Scores that a table shows beside the ranking one, by task: metric, or subset and metric."""

_FAMILIES = (
    ("ViT", r"\b(vit|deit|beit|dinov\d|farl|paco|mae|simmim|clip)"),
    ("Swin", r"\bswin"),
    ("ConvNeXt", r"\bconvnext"),
    ("ResNet", r"\b(resnet|resnext|seresnet|r(18|34|50|101|152))\b|\bresnet"),
    ("HRNet", r"\bhrnet"),
    ("hourglass", r"hourglass"),
    ("MobileNet", r"\bmobilenet"),
    ("EfficientNet", r"\befficientnet"),
    ("pixels", r"^pixels\b"),
)
OTHER = "other"
UNKNOWN = "not recorded"


def family(name: str) -> str:
    """Family of architectures that a backbone's name tells; `other` where it tells none."""
    plain = name.lower().replace("_", " ").replace("-", " ")
    return next((family for family, pattern in _FAMILIES if re.search(pattern, plain)), OTHER)


def badge(name: str) -> Word:
    """The badge for what a table calls `name`."""
    return BADGES.get(name, Word(name, ""))


def metric(name: str) -> str:
    """What a metric measures, `nme-ioc` or `fr10-ioc`; empty where nobody has said."""
    first, _, normaliser = name.partition("-")
    known = METRICS.get(first) or METRICS.get(first.rstrip("0123456789."), "")
    by = NORMALISERS.get(normaliser.partition("-")[0], "")
    return f"{known}; divided by: {by}" if known and by else known

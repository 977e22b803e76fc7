"""The `knn` protocol: nothing is trained; a face gets what the nearest training faces, or tokens, have.

The backbone is frozen and the training split is the support set. Landmarks and heads: the weighted mean over the
nearest training crops. Parsing: the labels of the nearest training tokens. Val chooses how many neighbours, how sharply
they are weighted, and by which vector whole faces are compared; the floor is that of `linear`. It asks what the
geometry of the features says as it is: on ImageNet networks trained to tell pictures apart do well under it and
masked-image models badly, though more is in them (`linear`, `attentive`). `facebench.heads.neighbour*` hold the heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from facebench.protocols import linear_landmarks, linear_parsing, linear_reconstruction
from facebench.protocols.linear import fit_floor
from facebench.protocols.probe import Probe, Setting, fit_for

__all__ = ["NAME", "READS", "TASKS", "fit", "fit_floor"]

NAME = "knn.v1"
"""Goes up whenever a head can predict something else from the same features."""

READS: Literal["features", "crops"] = "features"


def _landmarks(setting: Setting) -> Probe:
    from facebench.heads.neighbour_mean import fit_neighbour_landmarks

    return linear_landmarks.fit(setting, fit_neighbour_landmarks)


def _parsing(setting: Setting) -> Probe:
    from facebench.heads.neighbour_labels import fit_neighbour_labels

    return linear_parsing.fit(setting, partial(fit_neighbour_labels, seed=setting.seed))


def _reconstruction(setting: Setting) -> Probe:
    from facebench.heads.neighbour_mean import fit_neighbour_shape

    return linear_reconstruction.fit(setting, fit_neighbour_shape)


_FITS: Mapping[str, Callable[[Setting], Probe]] = {
    "landmarks": _landmarks,
    "parsing": _parsing,
    "reconstruction": _reconstruction,
}
TASKS = tuple(_FITS)


def fit(setting: Setting) -> Probe:
    """The support set of the task, and what val chose.

    Raises:
        DataError: a picture of the support set cannot be read.
        FacebenchError: there is no head for this task.
    """
    return fit_for(_FITS, setting, "knn")

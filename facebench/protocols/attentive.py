"""The `attentive` protocol: the backbone is frozen, a small network reads its tokens, val chooses.

What a linear head cannot take out of frozen tokens, though it is in them: masked-image models rank lower under a linear
probe than they are. Heads start from those of `linear` and are never worse on val; the floor is that of `linear`.
`facebench.heads.attentive*` hold the heads. All training features of a split are held in memory at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from facebench.protocols import linear_landmarks, linear_parsing, linear_reconstruction
from facebench.protocols.linear import fit_floor
from facebench.protocols.probe import Probe, Setting, fit_for

__all__ = ["NAME", "READS", "TASKS", "fit", "fit_floor"]

NAME = "attentive.v1"
"""Goes up whenever a head can predict something else from the same features."""

READS: Literal["features", "crops"] = "features"


def _landmarks(setting: Setting) -> Probe:
    from facebench.heads.attentive_landmarks import fit_attentive_landmarks

    return linear_landmarks.fit(setting, partial(fit_attentive_landmarks, seed=setting.seed))


def _parsing(setting: Setting) -> Probe:
    from facebench.heads.attentive_parsing import fit_attentive_parsing

    return linear_parsing.fit(setting, partial(fit_attentive_parsing, seed=setting.seed))


def _reconstruction(setting: Setting) -> Probe:
    from facebench.heads.attentive_shape import fit_attentive_shape

    return linear_reconstruction.fit(setting, partial(fit_attentive_shape, seed=setting.seed))


_FITS: Mapping[str, Callable[[Setting], Probe]] = {
    "landmarks": _landmarks,
    "parsing": _parsing,
    "reconstruction": _reconstruction,
}
TASKS = tuple(_FITS)


def fit(setting: Setting) -> Probe:
    """The head of the task, fitted and chosen.

    Raises:
        DataError: a picture that the head should learn from cannot be read.
        FacebenchError: there is no attentive head for this task.
    """
    return fit_for(_FITS, setting, "attentive")

"""Features that are numbers: NaN stops the evaluation where it appears, not three stages later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facebench.errors import FacebenchError

if TYPE_CHECKING:
    from facebench.types import Features


def check_features(features: Features, spec: str) -> Features:
    """`features`, unchanged, where every number is finite. Raises `FacebenchError` naming the layer."""
    named = {f"map {i + 1} of {len(features.maps)}": m for i, m in enumerate(features.maps)}
    for name, tensor in (named | {"the pooled vector": features.pooled}).items():
        finite = tensor.isfinite()
        if not bool(finite.all()):
            bad = int((~finite).flatten(1).any(dim=1).sum())
            raise FacebenchError(
                f"{spec} gives NaN or infinite features in {name} for {bad} of {len(tensor)} pictures; "
                "its weights are damaged or its normalisation does not suit them"
            )
    return features

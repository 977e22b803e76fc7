"""The protocols by name."""

from __future__ import annotations

from collections.abc import Mapping

from facebench.errors import unknown_name
from facebench.protocols import attentive, finetune, knn, linear, mapping
from facebench.protocols.probe import HeadProtocol

PROTOCOLS: Mapping[str, HeadProtocol] = {
    "linear": linear,
    "attentive": attentive,
    "knn": knn,
    "mapping": mapping,
    "finetune": finetune,
}


def find_protocol(name: str) -> HeadProtocol:
    """The protocol called `name`. Raises `UsageError`."""
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]

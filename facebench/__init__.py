"""Facebench measures what a face backbone is worth, under the published protocols.

Importing the package is light: it loads neither torch nor pandas nor numpy.
"""

from __future__ import annotations

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: the look-up costs more than all other light imports together."""
    if name != "__version__":
        raise AttributeError(f"module 'facebench' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("facebench")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"

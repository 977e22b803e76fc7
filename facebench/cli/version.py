"""`facebench version`: this package, and what a number can depend on."""

from __future__ import annotations

from facebench.cli.options import Json


def version(json: Json = False) -> None:
    """Print the version; --json adds Python, packages and machine."""
    import facebench

    if not json:
        print(facebench.__version__)
        return
    from json import dumps

    from facebench.environment import describe_environment

    print(dumps(describe_environment(), indent=2))

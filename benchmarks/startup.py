"""How long the light verbs take to answer, beside a bare interpreter that imports typer.

    python benchmarks/startup.py

Prints wall and processor seconds, the median of alternating runs, and the ratio to the peer of the same run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 11
PEER = ("-c", "import typer.main")
VERBS = (("-m", "facebench", "--help"), ("-m", "facebench", "list", "datasets"), ("-c", "import facebench"))


def seconds(words: tuple[str, ...]) -> float:
    """Wall seconds of one fresh interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Alternate every verb with the peer, and print medians and ratios."""
    for verb in VERBS:
        seconds(verb)  # compiled files and the disk cache
        pairs = [(seconds(verb), seconds(PEER)) for _ in range(RUNS)]
        ours, peer = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{' '.join(verb):<32} {ours:.3f} s   import typer {peer:.3f} s   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()

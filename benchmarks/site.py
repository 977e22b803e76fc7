"""How long a site of many records takes, and how large its pages are when they are compressed.

    python benchmarks/site.py [--records 1000] [RUNS…]

Records are copies of real ones (RUNS, `facebench run`'s output) or, without RUNS, made here with as many scores as a
full WFLW record; names, weights and values differ, so that every one is a model of its own.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from facebench.record import (
    BackboneRecord,
    Counts,
    DatasetRecord,
    Result,
    Score,
    read_results,
    signature,
    write_results,
)

SUBSETS = ("all", "pose", "expression", "illumination", "makeup", "occlusion", "blur")
SLICES = tuple(f"{kind}={i}" for kind in ("yaw", "light", "skin", "occluded") for i in range(3))
METRICS = ("nme-ioc", "nme-ipupil", "nme-box", "nme-diag")
TARGET_SECONDS, TARGET_BYTES = 10.0, 2_000_000


def made() -> Result:
    scores = tuple(
        Score(key=f"wflw/test/{subset}/{metric}", value=4.0, unit="%", direction="lower", n=2500,
              headline=(subset, metric) == ("all", "nme-ioc"), interval=(3.9, 4.1))
        for subset in (*SUBSETS, *SLICES) for metric in METRICS
    )  # fmt: skip
    return Result(
        subject="made", task="landmarks", evaluator="landmarks", evaluator_version=1,
        dataset=DatasetRecord(name="wflw", split="test", revision="3fa9c1", official=None, licence="-", citation="-"),
        backbone=BackboneRecord(spec="timm:made", name="made", weights="pretrained:made", sha256="0",
                                parameters=86_000_000, input_size=224),
        predictions=None, protocol="linear.v1",
        signature=signature(box="gt*1.25", eval="landmarks.v1", probe="linear.v1"),
        counts=Counts(expected=2500, scored=2500, failed=0), scores=scores, interval_method="bootstrap",
        created="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def varied(result: Result, number: int, rng: random.Random) -> Result:
    """Another model with the same scores: one factor near 1 keeps every order between them."""
    factor = rng.uniform(0.9, 1.0)
    scores = tuple(
        s if s.value is None else s.model_copy(update={
            "value": s.value * factor,
            "interval": None if s.interval is None else (s.interval[0] * factor, s.interval[1] * factor),
        })
        for s in result.scores if not s.key.rpartition("/")[2].startswith(("fr", "auc"))
    )  # fmt: skip
    name = f"{rng.choice(('vit_base', 'resnet50', 'convnext_tiny', 'swin_small'))}_{number}"
    backbone = (
        None if result.backbone is None else result.backbone.model_copy(update={"name": name, "sha256": str(number)})
    )
    return result.model_copy(update={"subject": name, "backbone": backbone, "scores": scores, "samples": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--records", type=int, default=1000)
    options = parser.parse_args()
    originals = [r for path in options.runs for r in read_results(path)] or [made()]
    with tempfile.TemporaryDirectory() as folder:
        runs, site = Path(folder) / "runs", Path(folder) / "site"
        rng = random.Random(0)
        for number, result in zip(range(options.records), itertools.cycle(originals), strict=False):
            write_results(runs / str(number) / "result.json", [varied(result, number, rng)])
        command = [sys.executable, "-m", "facebench", "leaderboard", str(runs), "--format", "html", "-o", str(site)]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        sizes = {f.relative_to(site): len(gzip.compress(f.read_bytes(), 6)) for f in site.rglob("*") if f.is_file()}
    largest = max(sizes, key=lambda name: sizes[name])
    scores = len(originals[0].scores)
    print(f"{options.records:,} records of about {scores} scores, {len(sizes):,} files")
    print(f"build   {seconds:6.2f} s  (target {TARGET_SECONDS:g} s)")
    print(f"largest {sizes[largest] / 1e6:6.3f} MB gzipped: {largest}  (target {TARGET_BYTES / 1e6:g} MB)")
    print(f"whole   {sum(sizes.values()) / 1e6:6.1f} MB gzipped")
    if seconds > TARGET_SECONDS or sizes[largest] > TARGET_BYTES:
        sys.exit("a target is missed")


if __name__ == "__main__":
    main()

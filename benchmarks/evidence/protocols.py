"""Eight small backbones under every protocol on the embedded faces, and how far the protocols agree.

    python -m benchmarks.evidence.protocols --simmim ENCODER.safetensors [--finetune] [-o RUNS]

Rows: pixels; random ViT, ConvNeXt, ResNet and PVT v2 (timm has no Swin of at most 6 million parameters); the encoders
that ship, PaCo-FR and MAE; a SimMIM encoder of the same training (`longer.yaml`, whose file is named here). All at 96
pixels. With `--finetune` the four ViTs are fine-tuned too, but for NoW: some five minutes each on a quiet core. What
`facebench run` made before is taken as it is, so the command goes on where it was stopped; it writes
`results/protocols.csv`.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

from benchmarks.evidence.study import FOLDER
from facebench.record import Result, read_results

OTHERS = (
    "pixels",
    "timm:convnext_atto@random:0",
    "timm:resnet10t@random:0",
    "timm:pvt_v2_b0@random:0",
)
VITS = ("paco-fr:small-paco-fr@random:0", "paco-fr:small-paco-fr", "paco-fr:small-mae")
FROZEN = ("linear", "attentive", "knn")
COLUMNS = ("protocol", "subject", "key", "value", "low", "high", "unit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simmim", type=Path, required=True)
    parser.add_argument("--finetune", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs-protocols"))
    options = parser.parse_args()
    vits = (*VITS, f"paco-fr:{options.simmim}")
    _run(options.output, (*OTHERS, *vits), FROZEN, ("wflw", "lapa", "now"))
    if options.finetune:
        _run(options.output, vits, ("finetune",), ("wflw", "lapa"))
    results = read_results(options.output)
    with (FOLDER / "results" / "protocols.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sorted(_row(result) for result in results))
    subprocess.run([sys.executable, "-m", "facebench", "agreement", str(options.output)], check=True)


def _run(output: Path, backbones: tuple[str, ...], protocols: tuple[str, ...], benchmarks: tuple[str, ...]) -> None:
    words = [word for name, values in (("-b", backbones), ("--protocol", protocols), ("-e", benchmarks))
             for value in values for word in (name, value)]  # fmt: skip
    command = [sys.executable, "-m", "facebench", "run", "--size", "96", "-o", str(output), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _row(result: Result) -> tuple[str, ...]:
    score = next(score for score in result.scores if score.headline)
    low, high = score.interval or ("", "")
    name = "small-simmim" if result.subject.startswith("simmim ") else result.subject
    return (result.protocol, name, score.key, repr(score.value), repr(low), repr(high), score.unit)


if __name__ == "__main__":
    main()

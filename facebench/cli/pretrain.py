"""`facebench pretrain`: unlabelled faces in, an encoder out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facebench.cli.pretrain_prepare import prepare
from facebench.cli.progress import say
from facebench.errors import FacebenchError, UsageError

app = typer.Typer(help="Pre-train an encoder on unlabelled faces.", no_args_is_help=True)
app.command("prepare")(prepare)


class Precision(StrEnum):
    """Numbers of an exported encoder."""

    FP32 = "fp32"
    FP16 = "fp16"


@app.command("train")
def train(
    config: Annotated[str, typer.Argument(help="A shipped configuration by name, or the path of a YAML file.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="SECTION.FIELD=VALUE", help="Changes, such as optim.batch=64.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda; under torchrun each rank takes its own GPU.")] = "auto",
    patience: Annotated[float, typer.Option(min=1, help="Seconds that a rank waits for the others.")] = 600.0,
) -> None:
    """Pre-train; a run that lies in run.output already is gone on from. Under torchrun, one process a rank."""
    _check_extra()
    from pretrain.settings import as_yaml, read_config

    resolved = read_config(config, settings or ())
    from facebench.cli.pretrain_progress import watching
    from pretrain.data.source import ShardSource
    from pretrain.training.processes import joined
    from pretrain.training.train import train as run_training

    with joined(device, patience=patience) as processes:
        source = ShardSource(resolved, processes.device)
        if not processes.first:
            run_training(resolved, source, processes=processes)
            return
        say(as_yaml(resolved))
        say(f"config {resolved.digest[:12]}, data {source.digest[:12]}: {source.pictures:,} pictures")
        ranks = "one process" if processes.world == 1 else f"{processes.world} processes"
        say(f"{ranks} on {processes.device.partition(':')[0]}, writing to {resolved.run.output}")
        with watching() as watch:
            folder = run_training(resolved, source, processes=processes, watch=watch)
    encoder = sorted((folder.root / "encoders").glob("*.safetensors"))[-1]
    print(encoder)
    say(f"next: facebench run -b paco-fr:{encoder}")


@app.command("export")
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run (its newest checkpoint), or a checkpoint.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The safetensors file to write.")],
    teacher: Annotated[bool, typer.Option("--teacher", help="The running mean of the encoder instead.")] = False,
    dtype: Annotated[Precision, typer.Option(help="Numbers of the file; fp16 halves it.")] = Precision.FP32,
) -> None:
    """Write the encoder of a run, with timm's names, for `facebench run -b paco-fr:FILE`."""
    _check_extra()
    from pretrain.training.checkpoint import newest
    from pretrain.training.export import export as write
    from pretrain.training.folder import RunFolder

    path = newest(RunFolder(run), note=say) if run.is_dir() else run
    if path is None:
        raise UsageError(
            f"{run} holds no checkpoint; `facebench pretrain train` writes them every run.save_every steps"
        )
    made = write(path, output, part="teacher" if teacher else "encoder", precision=dtype.value)
    print(output)
    size = output.stat().st_size / 1e6
    say(f"{made.header['method']} {made.header['arch']}, step {made.step}, from {path}; {size:.1f} MB")


def _check_extra() -> None:
    """Raise `FacebenchError` where what pre-training needs is not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "timm", "safetensors", "yaml") if find_spec(name) is None]
    if missing:
        raise FacebenchError(f"pre-training needs {', '.join(missing)}; install it: pip install 'facebench[pretrain]'")

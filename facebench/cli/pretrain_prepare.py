"""`facebench pretrain prepare`: folders and archives of pictures into shards of face crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.cli.options import Json, registry
from facebench.cli.progress import progress, say
from facebench.errors import DataError
from pretrain.prepare.options import LEAK_DISTANCE, Options

if TYPE_CHECKING:
    from facebench.types import Dataset
    from pretrain.data.manifest import Manifest
    from pretrain.prepare.detect import Detector
    from pretrain.prepare.hashes import Evaluation

_TRAINING = frozenset({"train", "trainval"})


class Align(StrEnum):
    """How a crop lies on its face."""

    BOX = "box"
    SIMILARITY = "similarity"


def prepare(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="Folders of pictures, webdataset tars.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the shards; new or empty.")],
    faces: Annotated[Path | None, typer.Option(help="JSON lines of faces, in place of sidecars.")] = None,
    detect: Annotated[bool, typer.Option("--detect", help="Find faces by face-alignment; needs its weights.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="The pictures are crops already; take each whole.")] = False,
    parsing: Annotated[Path | None, typer.Option(help="Label maps KEY.png in LaPa's classes; supervision.")] = None,
    against: Annotated[Path | None, typer.Option(help="Data root of evaluation sets; leave out what is there.")] = None,
    leak_distance: Annotated[
        int, typer.Option(min=0, max=64, help="Bits of 64 that --against overlooks.")
    ] = LEAK_DISTANCE,
    align: Annotated[Align, typer.Option(help="box: upright square; similarity: turned by the points.")] = Align.BOX,
    size: Annotated[int, typer.Option(help="Side of the crops, pixels.")] = Options.size,
    scale: Annotated[float, typer.Option(help="Side of the crop over that of the face's box.")] = Options.scale,
    min_score: Annotated[float, typer.Option(help="A face must score above it.")] = Options.min_score,
    min_side: Annotated[
        float, typer.Option(help="Pixels that the shorter side of a face's box must have.")
    ] = Options.min_side,
    dedup: Annotated[bool, typer.Option(help="Leave out crops that look like an earlier one.")] = True,
    per_shard: Annotated[int, typer.Option(help="Pictures of a tar.")] = Options.per_shard,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; one each processor if not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier set, or begin anew.")] = False,
    json: Json = False,
) -> None:
    """Cut the faces out of pictures and store them for training; an interrupted preparation goes on."""
    from facebench.ordered import cores
    from pretrain.prepare.run import prepare as run
    from pretrain.prepare.sources import count_pictures, named_sources
    from pretrain.prepare.staging import require_free

    options = Options(
        size=size, align=align.value, scale=scale, min_score=min_score, min_side=min_side, whole=whole, detect=detect,
        dedup=dedup, per_shard=per_shard,
    )  # fmt: skip
    require_free(output, overwrite=overwrite)  # before the slow things
    named, threads = named_sources(sources), workers or cores()
    detector = _detector() if detect else None
    evaluation = None if against is None else _evaluation(against, leak_distance, threads)
    with progress("prepare", count_pictures(named)) as step:
        manifest = run(
            sources, output, options, faces=faces, parsing=parsing, evaluation=evaluation, detector=detector,
            overwrite=overwrite, workers=threads, on_picture=step,
        )  # fmt: skip
    print(manifest.text() if json else _summary(manifest), end="")
    if manifest.rejected:
        say(f"what was left out, and why: {output / 'rejected.jsonl'}")
    say(f"next: facebench pretrain train CONFIG data.shards={output}")


def _detector() -> Detector:
    import torch

    from pretrain.prepare.detect import Detector

    return Detector("cuda" if torch.cuda.is_available() else "cpu")


def _evaluation(root: Path, distance: int, workers: int) -> Evaluation:
    """Hashes of the evaluation pictures below `root`: of every set that is there, or of a plain folder of pictures."""
    from pretrain.prepare.hashes import Evaluation

    pictures = list(dict.fromkeys(_evaluation_pictures(root)))
    if not pictures:
        raise DataError(f"--against {root}: neither a data set nor a picture is there")
    with progress("evaluation pictures", len(pictures)) as step:
        evaluation = Evaluation(_stepped(pictures, step), distance=distance, workers=workers)
    for reason in evaluation.unreadable[:3]:
        say(f"not compared with: {reason}")
    if more := evaluation.unreadable[3:]:
        say(f"not compared with {len(more)} more")
    return evaluation


def _evaluation_pictures(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        raise DataError(f"--against {root}: no such folder")
    known = registry(None)
    present = False
    for entry in known.entries("datasets"):
        dataset: Dataset = known.get("datasets", entry.name)
        if root.name == dataset.folder or (root / dataset.folder).is_dir():
            present = True
            yield from _pictures_of(dataset, dataset.locate(root))
    if not present:
        from pretrain.prepare.sources import picture_files

        yield from picture_files(root)


def _pictures_of(dataset: Dataset, folder: Path) -> Iterator[Path]:
    """Pictures of every split that is not trained on; a split that is not there is named."""
    for split in dataset.sizes:
        if split not in _TRAINING:
            try:
                yield from (sample.image for sample in dataset.load(folder, split))
            except DataError as cause:
                say(f"not compared with {dataset.name}/{split}: {cause}")


def _stepped(pictures: list[Path], step: Callable[[], None]) -> Iterator[Path]:
    for picture in pictures:
        step()
        yield picture


def _summary(manifest: Manifest) -> str:
    """What was made, one thing a line."""
    rows = [
        ("seen", f"{manifest.seen:,}"),
        ("kept", f"{manifest.pictures:,} in {len(manifest.shards)} shards, {manifest.size} px"),
        *((reason, f"{count:,} left out") for reason, count in manifest.rejected.items()),
        ("landmarks", f"{manifest.points or 'none'}; {manifest.without_points:,} without, their regions by template"),
        ("supervision", manifest.supervision + _unlabelled(manifest)),
        ("digest", manifest.digest),
    ]
    return "".join(f"{name:<12}{text}\n" for name, text in rows)


def _unlabelled(manifest: Manifest) -> str:
    if manifest.supervision == "none" or not manifest.without_parsing:
        return ""
    return f"; {manifest.without_parsing:,} without a label map, their regions by landmarks"

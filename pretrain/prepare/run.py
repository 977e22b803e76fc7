"""A whole preparation: from sources to a set in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.errors import UsageError
from facebench.ordered import in_order
from pretrain.data.manifest import Manifest
from pretrain.prepare.collect import Collection
from pretrain.prepare.crops import Maker
from pretrain.prepare.finish import finish
from pretrain.prepare.metadata import FacesFile, ParsingFolder, with_metadata
from pretrain.prepare.options import Options
from pretrain.prepare.sources import named_sources, source_items
from pretrain.prepare.staging import publish, require_free, staged

if TYPE_CHECKING:
    from pretrain.prepare.detect import Detector
    from pretrain.prepare.hashes import Evaluation


def prepare(
    sources: Sequence[Path],
    out: Path,
    options: Options,
    *,
    faces: Path | None = None,
    parsing: Path | None = None,
    evaluation: Evaluation | None = None,
    detector: Detector | None = None,
    overwrite: bool = False,
    workers: int = 1,
    on_picture: Callable[[], None] = lambda: None,
) -> Manifest:
    """Prepare `sources` into the folder `out`; returns its manifest.

    Args:
        sources: folders of pictures, webdataset tars.
        out: where the set will lie; beside it while it is unfinished.
        options: what is taken, and how.
        faces: JSON lines of faces, for metadata kept apart; goes before sidecars.
        parsing: folder of label maps in LaPa's classes, which make the set a supervised one.
        evaluation: pictures that must not be in the set.
        detector: finds faces; needed where `options.detect`.
        overwrite: replace a set that lies there, forget an unfinished one of other options.
        workers: threads.
        on_picture: progress.

    Raises:
        UsageError: a source or an option makes no sense.
        DataError: nothing is left of the sources, or the set cannot be written.
    """
    assert options.detect == (detector is not None)
    named = named_sources(sources)
    _check_apart(out.resolve(), named)
    plan = {
        "sources": {name: str(path) for name, path in named.items()},
        "faces": str(faces and faces.resolve()),
        "parsing": str(parsing and parsing.resolve()),
        "against": None if evaluation is None else evaluation.check.model_dump(),
        **asdict(options),
    }
    require_free(out, overwrite=overwrite)
    known = None if faces is None else FacesFile(faces)
    maps = None if parsing is None else ParsingFolder(parsing)
    with staged(out, plan, overwrite=overwrite) as place:
        items = with_metadata(source_items(named), known, maps)
        maker = Maker(options, detector, leaks=evaluation is not None)
        with Collection(place, options, evaluation) as collection:
            collection.go_on(items, on_picture)
            for made in in_order(maker, items, workers=workers):
                collection.take(made)
                on_picture()
        manifest = finish(collection, {"sources": list(named), **asdict(options)})
        publish(place)
    return manifest


def _check_apart(out: Path, sources: Mapping[str, Path]) -> None:
    for path in sources.values():
        if path == out or path in out.parents or out in path.parents:
            raise UsageError(f"the output {out} and the source {path} lie in each other; name another output")

"""Draw the pictures of the documentation: the contact sheet, and what the default run predicts on a few faces.

    facebench run -o runs
    python docs/make_pictures.py runs

Nothing is chosen by hand: the faces lie evenly over the test list once it is sorted from frontal to profile, and the
numbers in the pictures are those of the runs' own per-sample statistics. Faces, predictions and pictures are all made
by code; no real face is among them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facebench.framing import Framing
from facebench.images import read_image
from facebench.landmark_predictions import read_landmarks
from facebench.record import Result, read_results
from facebench.registry import Registry
from facebench.sample_table import read_table
from facebench.shapes import AnyArray, ByteArray, FloatArray
from facebench.synth.embedded import BACKBONES, embedded_world
from facebench.synth.sheet import documentation_sheet
from facebench.types import LabelMap, Landmarks, Sample

PICTURES = Path(__file__).parent / "pictures"
FACES, SIDE, GAP, HEAD, FOOT = 4, 208, 6, 46, 22  # pixels, but for the number of faces
QUALITY = 90  # of the JPEG; a sheet then has about 250 kB
INK, PAPER, GREY = (25, 25, 25), (255, 255, 255), (110, 110, 110)
TRUE, FOUND, MISS = (60, 235, 110), (255, 214, 60), (255, 70, 60)
LABELS = np.array(
    [[28, 28, 34], [226, 186, 152], [240, 124, 40], [54, 120, 230], [250, 235, 70], [64, 224, 224],
     [150, 90, 200], [228, 48, 62], [96, 8, 40], [250, 120, 170], [76, 148, 76]], np.uint8
)  # fmt: skip
"""RGB of LaPa's classes, in the order of its ids."""


@dataclass(frozen=True)
class Row:
    """A finished row of a run: its folder and its result."""

    folder: Path
    result: Result

    @property
    def title(self) -> str:
        """Two short lines: who, and with what weights."""
        backbone = self.result.backbone
        if backbone is None:
            return "floor\n" + self.result.subject.partition("(")[2].rstrip(")")
        weights = "no network" if backbone.weights == "none" else f"weights {backbone.weights.replace(':', ' ')}"
        return f"{backbone.name.partition('_patch')[0].partition(' ')[0]}\n{weights}"


def rows_of(runs: Path, benchmark: str) -> list[Row]:
    """The floor and the default backbones of one benchmark, in the order of the run."""
    found = [Row(path.parent, read_results(path)[0]) for path in runs.glob(f"{benchmark}-*/result.json")]
    order = [None, *BACKBONES]
    kept = [row for row in found if spec_of(row) in order]
    assert len(kept) == len(order), f"{runs} holds {len(kept)} of {len(order)} rows of {benchmark}"
    return sorted(kept, key=lambda row: order.index(spec_of(row)))


def spec_of(row: Row) -> str | None:
    """How the backbone of a row was spelt; None for the floor."""
    return row.result.backbone.spec if row.result.backbone else None


def from_frontal_to_profile(samples: Sequence[Sample]) -> list[int]:
    """Places of `FACES` samples, spread evenly over the list sorted by how far the head is turned."""
    order = sorted(range(len(samples)), key=lambda i: abs(float(samples[i].slices["yaw"])))
    return [order[(2 * i + 1) * len(order) // (2 * FACES)] for i in range(FACES)]


def draw_landmarks(runs: Path, samples: Sequence[Sample], framing: Framing) -> Image.Image:
    """Truth and predictions on crops; a line leads from each prediction to where the point is."""
    rows, places = rows_of(runs, "wflw"), from_frontal_to_profile(samples)
    files = [read_landmarks(row.folder / "predictions.npz") for row in rows]
    errors = [read_table(row.folder / "samples.parquet").columns["error-ioc"] for row in rows]
    tiles = []
    for place in places:
        sample = samples[place]
        assert isinstance(sample.target, Landmarks), sample.id
        crop = framing.crop(sample)
        picture, truth = crop.apply(read_image(sample.image)), crop.to_crop(sample.target.points)
        found = [crop.to_crop(np.asarray(file.read(sample))) for file in files]
        line = [(points_on(picture, truth, truth, TRUE), "")]
        line += [
            (points_on(picture, truth, points, FOUND), f"{100 * error[place]:.1f} %")
            for points, error in zip(found, errors, strict=True)
        ]
        tiles.append(line)
    return sheet(["truth\n", *(row.title for row in rows)], tiles)


def points_on(picture: ByteArray, truth: FloatArray, points: FloatArray, colour: tuple[int, int, int]) -> Image.Image:
    """Points (K, 2), pixels of the crop, on the crop, with lines to the truth; drawn four times as large."""
    times = 4
    large = Image.fromarray(picture).resize((SIDE * times, SIDE * times), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(large)
    for end, start in zip((points + 0.5) * times, (truth + 0.5) * times, strict=True):
        draw.line([*start, *end], fill=MISS, width=times)
    for x, y in (points + 0.5) * times:
        draw.ellipse([x - 6, y - 6, x + 6, y + 6], fill=colour, outline=(0, 0, 0))
    return large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def draw_labels(runs: Path, samples: Sequence[Sample], framing: Framing) -> Image.Image:
    """The picture, the true label map and the predicted ones."""
    rows, places = rows_of(runs, "lapa"), from_frontal_to_profile(samples)
    counts = [read_table(row.folder / "samples.parquet").columns["confusion"] for row in rows]
    tiles = []
    for place in places:
        sample = samples[place]
        assert isinstance(sample.target, LabelMap), sample.id
        maps = [np.asarray(Image.open(row.folder / "predictions" / f"{sample.id}.png")) for row in rows]
        crop = framing.crop(sample)
        line = [(Image.fromarray(crop.apply(read_image(sample.image))), "")]
        line.append((painted(sample.target.read(), sample, framing), ""))
        for labels, count in zip(maps, counts, strict=True):
            wrong = 1 - np.trace(count[place]) / count[place].sum()
            line.append((painted(labels, sample, framing), f"{100 * wrong:.1f} % wrong"))
        tiles.append(line)
    return sheet(["picture\n", "truth\n", *(row.title for row in rows)], tiles)


def painted(labels: AnyArray, sample: Sample, framing: Framing) -> Image.Image:
    """A label map (H, W) as colours, seen through the crop."""
    return Image.fromarray(LABELS[framing.label_crop(sample, *labels.shape).warp_labels(labels, SIDE)])


def sheet(titles: Sequence[str], tiles: Sequence[Sequence[tuple[Image.Image, str]]]) -> Image.Image:
    """Lines of tiles, each with a word below it, under one line of titles."""
    width = len(titles) * (SIDE + GAP) + GAP
    whole = Image.new("RGB", (width, HEAD + len(tiles) * (SIDE + FOOT)), PAPER)
    draw = ImageDraw.Draw(whole)
    large, small = ImageFont.load_default(size=17), ImageFont.load_default(size=15)
    for i, title in enumerate(titles):
        name, _, lesser = title.partition("\n")
        x = GAP + i * (SIDE + GAP)
        draw.text((x + SIDE / 2, 14), name, fill=INK, font=large, anchor="mm")
        draw.text((x + SIDE / 2, 33), lesser, fill=GREY, font=small, anchor="mm")
        for j, line in enumerate(tiles):
            y = HEAD + j * (SIDE + FOOT)
            whole.paste(line[i][0], (x, y))
            draw.text((x + SIDE / 2, y + SIDE + FOOT / 2 - 1), line[i][1], fill=INK, font=small, anchor="mm")
    return whole


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder of a finished `facebench run`")
    runs = parser.parse_args().runs
    root = embedded_world(("wflw", "lapa"), on_face=lambda *_: None)
    pictures = {"synth_contact_sheet.jpg": Image.fromarray(documentation_sheet())}
    for name, draw, file in (("wflw", draw_landmarks, "landmarks"), ("lapa", draw_labels, "labels")):
        dataset = Registry().get("datasets", name)
        framing = Framing(dataset.box, dataset.box_scale, SIDE)
        pictures[f"run_{file}.jpg"] = draw(runs, dataset.samples(root, "test"), framing)
    for name, picture in pictures.items():
        picture.save(PICTURES / name, quality=QUALITY, subsampling=0)
        print(f"{name}: {(PICTURES / name).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()

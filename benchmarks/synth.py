"""Faces a second of the synthetic world: each stage on one core, the whole on one core and on two threads.

Run `python benchmarks/synth.py [-n 60] [--size 256]`. Stages are CPU milliseconds a face (the median over faces), so
that a busy machine disturbs them little; the totals are wall time and count drawing, all labels and encoding.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import cv2
import numpy as np

from facebench.synth import face as world
from facebench.synth.face import RenderedFace, draw_recipe, render_face
from facebench.synth.scene import build_scene

STAGES = {
    "build_scene": "geometry",
    "_landmark_points": "landmarks",
    "first_hits": "landmarks",
    "visibility": "landmarks",
    "rasterise": "raster",
    "surface": "raster",
    "vertex_normals": "raster",
    "classify": "labels",
    "label_maps": "labels",
    "part_masks": "labels",
    "cast_shadows": "shadow",
    "shade": "shade",
    "draw_background": "post",
    "resolve": "post",
    "develop": "post",
}


def encode(face: RenderedFace) -> int:
    """Bytes of a picture as JPEG and of both label maps as PNG."""
    picture = cv2.imencode(".jpg", face.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    maps = [cv2.imencode(".png", labels)[1] for labels in (face.lapa_labels, face.celeb_labels)]
    return len(picture) + sum(map(len, maps))


def make(seed: int, size: int) -> int:
    return encode(render_face(draw_recipe(seed, seed), size=size))


def stages(count: int, size: int) -> dict[str, float]:
    """Median CPU milliseconds of each stage."""
    spent: dict[str, float] = defaultdict(float)
    originals = {name: getattr(world, name) for name in STAGES}

    def timed(name):
        def call(*args, **keywords):
            start = time.thread_time()
            out = originals[name](*args, **keywords)
            spent[STAGES[name]] += time.thread_time() - start
            return out

        return call

    for name in STAGES:
        setattr(world, name, timed(name))
    table = defaultdict(list)
    try:
        for seed in range(count):
            spent.clear()
            start = time.thread_time()
            recipe = draw_recipe(seed, seed)
            spent["draw"] = time.thread_time() - start
            face = render_face(recipe, size=size)
            middle = time.thread_time()
            encode(face)
            spent["encode"] = time.thread_time() - middle
            spent["all"] = time.thread_time() - start
            for stage, seconds in spent.items():
                table[stage].append(1e3 * seconds)
    finally:
        for name, function in originals.items():
            setattr(world, name, function)
    return {stage: median(values) for stage, values in table.items()}


def rate(count: int, size: int, threads: int) -> float:
    """Faces a second of wall time."""
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda seed: make(seed, size), range(count)))
    return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=60, help="faces")
    parser.add_argument("--size", type=int, default=256, help="side of a picture, pixels")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    start = time.perf_counter()
    make(0, options.size)
    print(f"first face {time.perf_counter() - start:.1f} s (compiles, or loads what was compiled)")
    faces = build_scene(draw_recipe(0, 0)).mesh.faces
    print(f"{options.size} px, 2 x 2 samples, {len(faces)} triangles, {np.__name__} {np.__version__}")
    for stage, milliseconds in stages(options.n, options.size).items():
        print(f"  {stage:10s} {milliseconds:7.2f} ms")
    for threads in (1, 2):
        print(f"{threads} thread{'s' * (threads > 1)}: {rate(options.n, options.size, threads):.1f} faces/s")


if __name__ == "__main__":
    main()

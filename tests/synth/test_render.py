"""The rasteriser against brute force, determinism, threads, and bad input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from facebench.errors import UsageError
from facebench.synth.degrade import Degradation, develop, resolve
from facebench.synth.face import draw_recipe, render_face
from facebench.synth.head import PART_HAIR, PART_HEAD
from facebench.synth.raster import FAR, rasterise, vertex_normals
from facebench.synth.visibility import first_hits


def triangles(rng, count, side):
    screen = np.concatenate([rng.uniform(-5, side + 5, (count * 3, 2)), rng.uniform(50, 90, (count * 3, 1))], 1)
    return screen, np.arange(count * 3, dtype=np.int32).reshape(-1, 3)


def brute_force(screen, faces, parts, x, y):
    best, triangle = FAR, -1
    for t, (a, b, c) in enumerate(screen[faces]):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area >= 0 and parts[t] < PART_HAIR:
            continue
        matrix = np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]])
        weights = np.linalg.solve(matrix, [x, y, 1.0])
        depth = weights @ [a[2], b[2], c[2]]
        if (weights >= 0).all() and depth < best:
            best, triangle = depth, t
    return best, triangle


def test_the_rasteriser_draws_what_brute_force_sees():
    rng = np.random.default_rng(5)
    screen, faces = triangles(rng, 30, 24)
    parts = rng.choice([PART_HEAD, PART_HAIR], 30).astype(np.uint8)
    depth, hit = np.empty((24, 24), np.float32), np.empty((24, 24), np.int32)
    rasterise(screen, faces, parts, depth, hit)
    points = []
    for y in range(24):
        for x in range(24):
            wanted, triangle = brute_force(screen, faces, parts, x + 0.5, y + 0.5)
            assert hit[y, x] == triangle
            assert depth[y, x] == pytest.approx(wanted, rel=1e-5)
            points.append((x + 0.5, y + 0.5, 0.0))
    found, nearest = first_hits(np.array(points), screen.astype(np.float32), faces, parts, 24)
    assert np.array_equal(nearest, hit.reshape(-1))
    assert np.allclose(found[nearest >= 0], depth.reshape(-1)[nearest >= 0], rtol=1e-4)


def test_two_triangles_that_share_an_edge_leave_no_gap_and_the_nearer_wins():
    screen = np.array([[0, 0, 10], [0, 16, 10], [16, 0, 10], [16, 16, 10], [4, 4, 5], [4, 12, 5], [12, 4, 5.0]])
    faces = np.array([[0, 1, 2], [2, 1, 3], [4, 5, 6]], np.int32)
    depth, hit = np.empty((16, 16), np.float32), np.empty((16, 16), np.int32)
    rasterise(screen, faces, np.zeros(3, np.uint8), depth, hit)
    assert (hit >= 0).all()
    assert hit[5, 5] == 2
    assert depth[5, 5] == 5
    assert hit[15, 15] == 1
    rasterise(screen, faces[:, ::-1].copy(), np.zeros(3, np.uint8), depth, hit)
    assert (hit == -1).all()


def test_normals_of_a_sphere_point_outwards():
    u, v = np.meshgrid(np.linspace(0.3, 2.8, 20), np.linspace(0, 6.2, 30), indexing="ij")
    points = np.stack([np.sin(u) * np.sin(v), np.cos(u), np.sin(u) * np.cos(v)], -1).reshape(-1, 3)
    from facebench.synth.head import grid_faces

    normals = vertex_normals(points, grid_faces(20, 30))
    inner = np.arange(600).reshape(20, 30)[2:-2, 2:-2].reshape(-1)
    assert ((normals * points).sum(1)[inner] > 0.99).all()


def same(one, other):
    return (
        np.array_equal(one.image, other.image)
        and np.array_equal(one.celeb_labels, other.celeb_labels)
        and np.array_equal(one.lapa_labels, other.lapa_labels)
        and all(np.array_equal(one.landmarks[k], other.landmarks[k]) for k in one.landmarks)
        and all(np.array_equal(one.visible[k], other.visible[k]) for k in one.visible)
        and one.attributes == other.attributes
        and one.slices == other.slices
    )


def test_the_same_seeds_give_the_same_bytes_in_any_order_and_thread():
    seeds = list(range(20, 26))
    first = [render_face(draw_recipe(s, s), size=96) for s in seeds]
    again = [render_face(draw_recipe(s, s), size=96) for s in reversed(seeds)][::-1]
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(lambda s: render_face(draw_recipe(s, s), size=96), seeds))
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert all(same(a, b) for a, b in zip(first, threaded, strict=True))
    assert not same(first[0], first[1])


def test_sizes_and_supersampling_agree_on_places():
    """The same recipe at another size: points scale about the corner of the picture, labels keep their shares."""
    small, large = (render_face(draw_recipe(3, 3), size=s) for s in (96, 192))
    single = render_face(draw_recipe(3, 3), size=96, supersample=1)
    for name, points in small.landmarks.items():
        assert np.abs((points + 0.5) * 2 - 0.5 - large.landmarks[name]).max() < 0.05
        assert np.abs(points - single.landmarks[name]).max() < 0.02
    share = [(f.celeb_labels == 13).mean() for f in (small, large, single)]
    assert max(share) - min(share) < 0.02


def test_the_picture_shows_the_labels():
    """Hair, skin and clothes differ in colour more between than within: the maps lie where the picture says."""
    face = render_face(draw_recipe(7, 7, style="frontal"))
    lip = face.image[np.isin(face.lapa_labels, (7, 9))].astype(float).mean(0)
    skin = face.image[face.lapa_labels == 1].astype(float).mean(0)
    assert lip[0] / lip[1] > 1.1 * skin[0] / skin[1]


@pytest.mark.parametrize("bad", [{"size": 8}, {"size": 4096}, {"supersample": 0}, {"supersample": 9}])
def test_impossible_sizes_are_refused(bad):
    with pytest.raises(UsageError, match="found"):
        render_face(draw_recipe(1, 1), **bad)


def test_resolve_averages_samples_over_the_background():
    rgb = np.zeros((2, 2, 3), np.float32)
    rgb[0, 0], rgb[0, 1] = 1.0, 0.5
    hit = np.array([[0, 0], [-1, -1]], np.int32)
    out = np.empty((1, 1, 3), np.float32)
    resolve(rgb, hit, np.zeros((2, 2), np.uint8), 0.07, np.full((1, 1, 3), 0.2, np.float32), 2, out)
    assert np.allclose(out, (1.0 + 0.5 + 0.2 + 0.2) / 4)
    resolve(rgb, hit, np.full((2, 2), 2, np.uint8), 0.07, np.full((1, 1, 3), 0.2, np.float32), 2, out)
    assert out.max() < 0.12


def test_exposure_blur_and_noise_do_what_they_say():
    linear = np.zeros((64, 64, 3), np.float32)
    linear[:, 32:] = 0.8
    plain = develop(linear, 1.0, Degradation())
    assert develop(linear, 0.2, Degradation()).mean() < 0.7 * plain.mean()
    step = np.abs(np.diff(plain[32, :, 0].astype(int))).max()
    assert np.abs(np.diff(develop(linear, 1.0, Degradation(blur=8.0))[32, :, 0].astype(int))).max() < 0.5 * step
    noisy = develop(np.full((128, 128, 3), 0.3, np.float32), 1.0, Degradation(noise=0.02)).astype(float)
    assert noisy.std() == pytest.approx(0.02 * 255, rel=0.1)

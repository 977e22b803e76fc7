"""The head, its parameters, its expressions, the camera and the neutral scan."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.errors import UsageError
from facebench.synth.camera import Camera
from facebench.synth.deform import face_model, neutral_positions, posed_positions
from facebench.synth.expression import Expression, expression_fields
from facebench.synth.head import SEAM_Y, head
from facebench.synth.identity import identity_fields
from facebench.synth.landmarks import canonical, carry_points
from facebench.synth.person import draw_person
from facebench.synth.scan import Scan, neutral_mesh, neutral_scan


def at(x, y, face):
    return carry_points(canonical([(x, y)]), face)[0]


def test_the_parameters_are_as_many_as_promised_and_named_once():
    model = face_model()
    assert len(model.identity.names) >= 40
    assert len(model.expression.names) >= 20
    names = model.identity.names + model.expression.names
    assert len(set(names)) == len(names)


def test_the_mean_face_has_human_proportions():
    face = neutral_positions(np.zeros(40))
    outer = np.linalg.norm(at(-47.3, 1, face) - at(47.3, 1, face))
    inner = np.linalg.norm(at(-16.3, -1, face) - at(16.3, -1, face))
    mouth = np.linalg.norm(at(-25, SEAM_Y, face) - at(25, SEAM_Y, face))
    nose = np.linalg.norm(at(0, 3, face) - at(0, -49.2, face))
    tip_over_base = at(0, -36, face)[2] - at(0, -49.2, face)[2]
    # Common adult means: 90-95, 30-34, 50, 50-54, 18-21 mm.
    assert 88 < outer < 97
    assert 29 < inner < 35
    assert 47 < mouth < 53
    assert 48 < nose < 55
    assert 17 < tip_over_base < 22


def test_the_mean_head_is_its_own_mirror_image():
    x, y, z = head().mean
    columns = len(head().theta)
    # Front columns run from -90° to 90°, the back ones from there to 270°: the mirror of column j is last front - j.
    last = int(np.argmin(np.abs(head().theta - np.pi / 2)))
    mirror = np.array([(last - j) % (columns - 1) for j in range(columns)])
    assert np.abs(x + x[:, mirror]).max() < 1e-3
    assert np.abs(z - z[:, mirror]).max() < 1e-3
    assert np.abs(y - y[:, mirror]).max() < 1e-3


def test_packed_fields_add_up_to_the_dense_sum():
    rng = np.random.default_rng(0)
    shape, weight = rng.normal(size=40) * 0.5, rng.normal(size=len(expression_fields(head())))
    dense = head().mean.astype(float)
    names = {}
    for fields, weights in ((identity_fields(head()), shape), (expression_fields(head()), weight)):
        for field, w in zip(fields, weights, strict=True):
            names[field.name] = w
            for axis, values in field.moves.items():
                dense[axis] += w * values
    expression = Expression(weights={f.name: names[f.name] for f in expression_fields(head())})
    # Blocks are cut where a field falls under 1/5000 of its peak.
    assert np.abs(posed_positions(shape, expression) - dense).max() < 0.05


def test_the_open_jaw_parts_the_lips_and_does_not_tear_the_corners():
    grid = head()
    face = posed_positions(np.zeros(40), Expression(jaw=0.3))
    gap = np.linalg.norm(face[:, grid.upper_seam] - face[:, grid.lower_seam], axis=0)
    middle = int(np.argmin(np.abs(grid.theta)))
    corner = np.abs(grid.cx[grid.upper_seam]) >= 25.0
    assert gap[middle] > 15
    assert gap[corner].max() < 1e-3
    shut = neutral_positions(np.zeros(40))
    assert np.abs(shut[:, grid.upper_seam] - shut[:, grid.lower_seam]).max() < 1e-4


@pytest.mark.parametrize(("pose", "axis", "sign"), [({"yaw": 30}, 0, 1), ({"pitch": 20}, 1, -1)])
def test_yaw_turns_the_nose_to_the_image_right_and_pitch_turns_it_up(pose, axis, sign):
    points = np.array([[0.0, -36.0, 113.0], [0.0, -36.0, 20.0]])
    camera = Camera(**pose)
    tip, behind = camera.to_screen(camera.to_view(points), 256)
    assert sign * (tip[axis] - behind[axis]) > 10


def test_roll_tilts_the_top_of_the_head_to_the_image_left():
    camera = Camera(roll=20)
    top, bottom = camera.to_screen(camera.to_view(np.array([[0.0, 80.0, 20.0], [0.0, -80.0, 20.0]])), 256)
    assert top[0] < bottom[0] - 20


def test_a_nearer_camera_makes_the_nose_larger_and_keeps_the_pivot_in_the_middle():
    nose = np.array([[-18.0, -40.0, 100.0], [18.0, -40.0, 100.0]])
    widths = []
    for distance in (350.0, 1400.0):
        camera = Camera(distance=distance)
        screen = camera.to_screen(camera.to_view(nose), 256)
        widths.append(screen[1, 0] - screen[0, 0])
    assert widths[0] > 1.15 * widths[1]


def edges(scan: Scan):
    pairs = np.sort(scan.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return np.unique(pairs, axis=0, return_counts=True)


def distance_to_surface(scan: Scan, point):
    """Brute force: the nearest of all corners, and of all triangle planes that the point projects into."""
    a, b, c = (scan.vertices[scan.faces[:, k]] for k in range(3))
    best = np.linalg.norm(scan.vertices - point, axis=1).min()
    n = np.cross(b - a, c - a)
    keep = np.linalg.norm(n, axis=1) > 1e-9
    a, b, c, n = a[keep], b[keep], c[keep], n[keep] / np.linalg.norm(n[keep], axis=1, keepdims=True)
    height = ((point - a) * n).sum(1)
    foot = point - height[:, None] * n
    inside = np.ones(len(a), bool)
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(q - p, foot - p) * n).sum(1) >= -1e-9
    return min(best, np.abs(height[inside]).min()) if inside.any() else best


def test_the_neutral_mesh_is_closed_and_carries_its_landmarks():
    scan = neutral_mesh(3)
    unique, count = edges(scan)
    assert (count == 2).all()
    # Euler: a closed surface without handles has V - E + F = 2.
    assert len(scan.vertices) - len(unique) + len(scan.faces) == 2
    assert 10_000 < len(scan.vertices) < 60_000
    volume = np.einsum("ij,ij->i", scan.vertices[scan.faces[:, 0]], np.cross(
        scan.vertices[scan.faces[:, 1]], scan.vertices[scan.faces[:, 2]])).sum() / 6e3  # fmt: skip
    assert 3_000 < volume < 5_500  # cm3, outward faces
    assert max(distance_to_surface(scan, p) for p in scan.landmarks) < 1e-3
    right_outer, right_inner, left_inner, left_outer, nose, right_mouth, left_mouth = scan.landmarks
    # The person's right is on the image left of a frontal face, x < 0.
    assert right_outer[0] < right_inner[0] < left_inner[0] < left_outer[0]
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert nose[2] > right_outer[2] + 15


def test_the_mesh_is_the_same_person_whatever_the_picture():
    assert np.array_equal(neutral_mesh(5).vertices, neutral_mesh(5).vertices)
    assert np.abs(neutral_mesh(5).landmarks - neutral_mesh(6).landmarks).max() > 0.5
    assert np.array_equal(draw_person(5).shape, draw_person(5).shape)


def test_a_scan_is_the_front_of_the_face_with_noise_and_holes():
    mesh = neutral_mesh(7)
    scan = neutral_scan(7, vertices=30_000, noise_mm=0.0, holes=2)
    assert abs(len(scan.vertices) - 30_000) < 1_500
    assert np.array_equal(scan.landmarks, mesh.landmarks)
    assert scan.vertices[:, 2].min() > -15.1
    sample = scan.vertices[:: len(scan.vertices) // 40]
    assert max(distance_to_surface(mesh, p) for p in sample) < 1e-6
    noisy = neutral_scan(7, vertices=30_000, noise_mm=0.05, holes=2)
    assert noisy.vertices.shape == scan.vertices.shape
    assert (noisy.vertices - scan.vertices).std() == pytest.approx(0.05, rel=0.05)
    border = edges(scan)[1]
    assert (border <= 2).all()
    assert len(neutral_scan(7, vertices=30_000, noise_mm=0.0, holes=0).vertices) > len(scan.vertices)


@pytest.mark.parametrize("bad", [{"vertices": 10}, {"noise_mm": -1.0}, {"holes": -1}])
def test_a_scan_refuses_impossible_numbers(bad):
    with pytest.raises(UsageError, match="found"):
        neutral_scan(1, **bad)

"""People and pictures: what stays, what changes, and what the six attributes follow from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from facebench.errors import UsageError
from facebench.synth.degrade import Degradation
from facebench.synth.expression import Expression
from facebench.synth.face import STYLES, draw_recipe, render_face
from facebench.synth.labels import CLEAR_LENS, DARK_LENS


def test_a_person_is_the_same_in_every_picture():
    one, other = draw_recipe(9, 1).person, draw_recipe(9, 2, style="wild").person
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "hair":
            assert a.name == b.name
            assert np.array_equal(a.hairline, b.hairline)
        else:
            assert np.array_equal(a, b), field.name


def test_everything_else_comes_from_the_image_seed():
    one, other = draw_recipe(9, 1), draw_recipe(9, 2)
    assert one.camera != other.camera
    assert one.light != other.light
    # Two people with one image seed share pose and light.
    assert draw_recipe(10, 1).camera == one.camera
    assert draw_recipe(10, 1).light == one.light
    assert not np.array_equal(draw_recipe(10, 1).person.shape, one.person.shape)


def test_skin_tones_cover_the_whole_range():
    tones = np.array([draw_recipe(s, 0).person.tone for s in range(300)])
    assert np.histogram(tones, bins=5, range=(0, 5))[0].min() > 0.02 * 300
    dark, light = (draw_recipe(int(s), 0).person.skin for s in (tones.argmax(), tones.argmin()))
    assert light.mean() > 4 * dark.mean()


def test_poses_keep_their_limits():
    cameras = [draw_recipe(0, s, style="wild").camera for s in range(400)]
    assert max(abs(c.yaw) for c in cameras) <= 75
    assert max(max(abs(c.pitch), abs(c.roll)) for c in cameras) <= 30
    assert max(abs(c.yaw) for c in cameras) > 70


def with_(recipe, **changes):
    return render_face(dataclasses.replace(recipe, **changes), size=96)


def test_attributes_follow_from_the_recipe():
    recipe = draw_recipe(7, 7, style="frontal")
    plain = dataclasses.replace(recipe, expression=Expression())
    face = render_face(plain, size=96)
    assert not any(v for k, v in face.attributes.items() if k != "makeup")
    assert with_(plain, camera=dataclasses.replace(recipe.camera, yaw=50)).attributes["pose"]
    assert with_(plain, expression=Expression("angry", {"brow_down_r": 1.0})).attributes["expression"]
    dark = with_(plain, light=dataclasses.replace(recipe.light, exposure=0.12))
    assert dark.attributes["illumination"]
    assert dark.image.mean() < 0.6 * face.image.mean()
    blurred = with_(plain, degradation=Degradation(blur=2.0))
    assert blurred.attributes["blur"]
    assert np.abs(np.diff(blurred.image.astype(int), axis=1)).mean() < 0.8 * np.abs(
        np.diff(face.image.astype(int), axis=1)).mean()  # fmt: skip
    painted = with_(plain, paint=dataclasses.replace(recipe.paint, makeup=True))
    assert painted.attributes["makeup"]
    assert not np.array_equal(painted.image, with_(plain, paint=dataclasses.replace(recipe.paint, makeup=False)).image)


def test_occluders_hide_points_and_say_so():
    recipe = draw_recipe(7, 7, style="frontal")
    worn = recipe.accessories
    mask = with_(recipe, accessories=dataclasses.replace(worn, mask=True))
    assert mask.attributes["occlusion"]
    assert not mask.visible["wflw98"][76:96].any()
    assert mask.visible["wflw98"][60:76].all()
    assert mask.slices["occluded_share"] > 0.2
    assert not np.isin(mask.lapa_labels, (7, 8, 9)).any()
    dark = with_(recipe, accessories=dataclasses.replace(worn, lens=DARK_LENS))
    assert not dark.visible["wflw98"][60:76].any()
    assert dark.attributes["occlusion"]
    assert not np.isin(dark.celeb_labels, (4, 5)).any()
    clear = with_(recipe, accessories=dataclasses.replace(worn, lens=CLEAR_LENS))
    assert clear.visible["wflw98"][60:76].mean() > 0.8
    assert (clear.celeb_labels == 3).sum() > 50
    assert np.isin(clear.celeb_labels, (4, 5)).any()
    assert not clear.attributes["occlusion"]


def test_styles_are_known_by_name():
    assert {"mix", "frontal", "wild", "neutral", "expression", "occlusion", "selfie"} <= set(STYLES)
    assert all(draw_recipe(1, s, style="neutral").expression.name == "neutral" for s in range(20))
    assert all(draw_recipe(1, s, style="expression").expression.name != "neutral" for s in range(20))
    assert all(draw_recipe(1, s, style="selfie").camera.distance < 530 for s in range(20))
    with pytest.raises(UsageError, match="did you mean 'frontal'"):
        draw_recipe(1, 1, style="fronal")
    with pytest.raises(UsageError, match="negative"):
        draw_recipe(-1, 1)


def test_slices_tell_the_facts_of_the_picture():
    recipe = draw_recipe(12, 34)
    slices = render_face(recipe, size=64, supersample=1).slices
    assert slices["yaw"] == pytest.approx(recipe.camera.yaw, abs=1e-3)
    assert slices["skin_tone"] in ("light", "medium", "dark")
    assert slices["light"] in ("even", "side", "dim")
    assert 0 <= slices["occluded_share"] <= 1
    assert all(isinstance(v, float | str) for v in slices.values())

"""Text of meshes and of picked landmarks, as NoW keeps them."""

from __future__ import annotations

from facebench.shapes import AnyArray


def obj_text(vertices: AnyArray, faces: AnyArray) -> str:
    """Text of a Wavefront .obj: (V, 3) vertices with four decimals (a tenth of a micrometre), (F, 3) faces from 1."""
    corners = ("v %.4f %.4f %.4f\n" * len(vertices)) % tuple(vertices.ravel().tolist())
    return corners + ("f %d %d %d\n" * len(faces)) % tuple((faces + 1).ravel().tolist())


def picked_points_text(points: AnyArray, mesh: str) -> str:
    """Text of a MeshLab .pp with the `points` (n, 3) of the file `mesh`.

    The first point stands on the ninth line, where the official reader (now_evaluation @7bd1498, `load_pp`) looks for
    it. MeshLab writes date and user too; they are left empty, so that equal points are equal bytes.
    """
    head = [
        "<!DOCTYPE PickedPoints>",
        "<PickedPoints>",
        " <DocumentData>",
        '  <DateTime time="" date=""/>',
        '  <User name=""/>',
        f'  <DataFileName name="{mesh}"/>',
        '  <templateName name=""/>',
        " </DocumentData>",
    ]
    body = [
        f' <point x="{x:.5f}" y="{y:.5f}" z="{z:.5f}" active="1" name="{number}"/>'
        for number, (x, y, z) in enumerate(points.tolist())
    ]
    return "\n".join([*head, *body, "</PickedPoints>"]) + "\n"

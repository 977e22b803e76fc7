"""The synthetic face world: procedural faces with exact ground truth, made by code alone.

Every number in this package is set by hand from common anthropometry; no model, scan or picture of a real person is
read. `face.py` is the door: a recipe drawn from two seeds, and the picture with all its labels. `scan.py` gives the
neutral mesh in millimetres, `sheet.py` the contact sheet.

Frame of the head: millimetres, x to the image right of a frontal face (the person's left), y up, z to the camera;
the origin lies at the height of the eyes in the plane of the ears.
"""

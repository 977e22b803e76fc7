"""The alphabet of array shapes, and the types that use it.

One letter means one thing everywhere in the project:

    N images or samples    K landmarks     H, W height and width in pixels    S input side in pixels
    P patch side           L patches       D feature width                    C classes
    V vertices             F faces         B bootstrap resamples

Frames: a **point** is (x, y), x right, y down, in pixels of the stored image, 0-based, with pixel centres at
integers: the centre of the top left pixel is (0, 0). A **box** is (x0, y0, x1, y1) in the same frame. A **mesh** is in
its own unit, right-handed; only the NoW protocol gives it one (millimetres of the scan).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
ByteArray: TypeAlias = NDArray[np.uint8]
AnyArray: TypeAlias = NDArray[Any]

Box: TypeAlias = tuple[float, float, float, float]
"""(x0, y0, x1, y1), pixels of the stored image."""

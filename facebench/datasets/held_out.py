"""Which training faces are held out for validation, where a data set has no official validation split.

The choice hangs on the picture alone, not on the order of a list, its length or a random seed: a face is held out when
the SHA-256 of its picture's path, as the list spells it (POSIX slashes, UTF-8), falls into the first tenth. Faces
that share a picture therefore always stay together. The rule is frozen: records name `sel:val`, and a changed rule
would change what every such record means.
"""

from __future__ import annotations

import hashlib

PARTS = 10
"""One training picture in this many is held out."""


def is_held_out(key: str) -> bool:
    """Whether the picture called `key` belongs to the held-out tenth of a training list.

    Args:
        key: the picture's path as spelt in the list, `41--Swimming/41_Swimming_Swimmer_41_35.jpg`; for a list without
            paths, the position of the face in it.
    """
    head = hashlib.sha256(key.encode("utf-8")).digest()[:8]
    return int.from_bytes(head, "big") % PARTS == 0

"""What a picture costs a network: multiply-adds, counted while it passes.

Counted are the products of matrices, convolutions and attention, as torch's own counter knows them (two operations to a
multiply-add); additions, norms and activations are not, which is what papers call GMACs. Attention is taken apart into
its products for the count, since fused kernels of some devices are not known to the counter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

OPERATIONS = 2e9
"""Operations in a billion multiply-adds."""


def counted(forward: Callable[[Tensor], Any], images: Tensor) -> tuple[Any, float | None]:
    """What `forward` makes of `images`, and its 10^9 multiply-adds; None where the counter does not get through it.

    Raises whatever `forward` raises.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    try:
        with counter, sdpa_kernel(SDPBackend.MATH):
            made = forward(images)
    except Exception:  # the network's own failure comes again below; the counter's does not
        return forward(images), None
    return made, counter.get_total_flops() / OPERATIONS

"""CelebAMask-HQ painted as its authors do: neck and cloth last (g_mask.py), or from ready label maps.

Everything else is as in `celebamask_hq`, which says why the two truths have two names.
"""

from __future__ import annotations

from facebench.datasets.celebamask_hq import LAYOUT, SIZES, load_official
from facebench.schemes import CELEB19
from facebench.types import Dataset

DATASET = Dataset(
    name="celebamask-hq-official",
    title="CelebAMask-HQ, official painting",
    task="parsing",
    folder="CelebAMask-HQ",
    layout=(*LAYOUT, "CelebAMask-HQ-label/<id>.png (ready label maps, in place of the parts)"),
    licence="non-commercial research; neither pictures nor masks to be passed on",
    citation="Lee et al., MaskGAN: Towards Diverse and Interactive Facial Image Manipulation, CVPR 2020",
    load=load_official,
    sizes=SIZES,
    scheme=CELEB19,
    headline=("celebamask-hq-official/test/mean-fg18/f1",),
    box="whole",
)

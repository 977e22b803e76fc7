"""The methods by name: PaCo-FR and the baselines it is compared with."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from pretrain.config import PretrainConfig
from pretrain.method.mae import MAE
from pretrain.method.masked_model import MaskedModel
from pretrain.method.paco_fr import PacoFR
from pretrain.method.simmim import SimMIM

METHODS: Mapping[str, type[MaskedModel]] = {"paco-fr": PacoFR, "mae": MAE, "simmim": SimMIM}


def build_method(config: PretrainConfig) -> MaskedModel:
    """The method of `config` with weights drawn from `run.seed`; torch's own generator is put back as it was.

    Raises:
        UsageError: an encoder that cannot be built.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.run.seed)
        return METHODS[config.method](config)

"""Signs of collapse, each said once.

    perplexity < 0.3 K        after incubation: few tokens do all the work
    used < 0.8                the same, seen from the tokens that nobody chooses
    belief_entropy > 0.9 log K    late: the Belief Predictor has learnt no preference
    context_gain < 0.15       late: the decoder only decodes tokens and learns nothing from the rest of the picture

"Late" is the third epoch, or half of a training that is shorter than six. The bounds are OURS.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from pretrain.batch import Clock
from pretrain.config import PretrainConfig

LATE_EPOCH = 3.0


class Alarms:
    """What has been said, and what is to be said next."""

    def __init__(self, config: PretrainConfig) -> None:
        """Alarms for a run of `config`; a method without a codebook has none of them."""
        self._tokens = config.codebook.size
        self._incubation = config.incubation.epochs
        self.said: list[str] = []

    def check(self, values: Mapping[str, float], clock: Clock) -> tuple[str, ...]:
        """Sentences for what went wrong and has not been said yet."""
        fresh = [(name, text) for name, text in self._wrong(values, clock) if name not in self.said]
        self.said += [name for name, _ in fresh]
        return tuple(text for _, text in fresh)

    def load(self, said: Iterable[str]) -> None:
        """Take what an earlier call has already said."""
        self.said = list(said)

    def _wrong(self, values: Mapping[str, float], clock: Clock) -> Iterator[tuple[str, str]]:
        hatched = clock.epoch >= self._incubation
        late = clock.epoch >= min(LATE_EPOCH, 0.5 * clock.steps / clock.steps_per_epoch)
        most = math.log(self._tokens)
        bounds = (
            ("perplexity", hatched, -1, 0.3 * self._tokens, "a few tokens are chosen again and again"),
            ("used", hatched, -1, 0.8, "many tokens are never chosen"),
            ("belief_entropy", late and self._tokens > 1, 1, 0.9 * most, "the Belief Predictor prefers no token"),
            ("context_gain", late, -1, 0.15, "the decoder decodes tokens and does not use their context"),
        )
        for name, due, sign, bound, meaning in bounds:
            value = values.get(name)
            if due and value is not None and sign * (value - bound) > 0:
                side = "above" if sign > 0 else "below"
                yield name, f"{name} is {value:.3g}, {side} {bound:.3g}: {meaning} (docs/pretraining.md, alarms)"

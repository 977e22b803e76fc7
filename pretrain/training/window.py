"""Numbers of the steps since the last line of the log, added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COUNTED = ("restarts",)
"""What is summed over the steps; loss terms are averaged, and of states (perplexity) the latest is shown."""


@dataclass
class Window:
    """Sums since the last line.

    Attributes:
        steps: how many were added.
        sums: of each loss term.
        states: the latest of what a method says of itself, or its sum where it is `COUNTED`.
    """

    steps: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    states: dict[str, float] = field(default_factory=dict)

    def add(self, terms: Mapping[str, float], states: Mapping[str, float]) -> None:
        """Add one step."""
        self.steps += 1
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        for name, value in states.items():
            self.states[name] = value + (self.states.get(name, 0.0) if name in COUNTED else 0.0)

    def take(self) -> dict[str, float]:
        """Means, states and counts since the last line; the window is then empty."""
        taken = {name: total / self.steps for name, total in self.sums.items()} | self.states
        self.steps, self.sums, self.states = 0, {}, {}
        return taken

    def state(self) -> dict[str, Any]:
        """Everything, to be stored."""
        return {"steps": self.steps, "sums": dict(self.sums), "states": dict(self.states)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Put a stored state back."""
        self.steps, self.sums, self.states = state["steps"], dict(state["sums"]), dict(state["states"])

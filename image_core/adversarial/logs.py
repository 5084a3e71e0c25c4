"""Numbers worth recording, kept on the device until somebody reads them."""

from collections.abc import Mapping

from torch import Tensor

Logs = Mapping[str, Tensor]
"""Scalars by name, as in "D/accuracy"."""


class Means:
    """Means of scalars by name, each over the times it was given; nothing leaves the device."""

    def __init__(self) -> None:
        self.totals: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, values: Logs) -> None:
        """Count scalars in, detached."""
        for name, value in values.items():
            value = value.detach()
            self.totals[name] = self.totals[name] + value if name in self.totals else value.clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, Tensor]:
        """The mean of each name's scalars."""
        return {name: total / self.counts[name] for name, total in self.totals.items()}

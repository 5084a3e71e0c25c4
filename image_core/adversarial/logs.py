"""Scalars to record, kept on the device until they are read."""

from collections.abc import Mapping

from torch import Tensor

Logs = Mapping[str, Tensor]
"""Scalars by name, for example "D/accuracy"."""


class Means:
    """Means of scalars by name, each over the number of times it was added; stays on the device."""

    def __init__(self) -> None:
        self.totals: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, values: Logs) -> None:
        """Add scalars, detached.

        Args:
            values: Scalars by name.
        """
        for name, value in values.items():
            value = value.detach()
            self.totals[name] = self.totals[name] + value if name in self.totals else value.clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, Tensor]:
        """Mean of the scalars of each name."""
        return {name: total / self.counts[name] for name, total in self.totals.items()}

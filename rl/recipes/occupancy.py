"""Where policies have been: shares of visited states, for observations of two numbers."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from image_core.runs import plots

if TYPE_CHECKING:
    import matplotlib.figure

    from rl.demos import Trajectory

CELLS = 20
"""Cells along each axis."""


class Occupancy(NamedTuple):
    """Shares of the visited states in each cell of one grid.

    Args:
        shares: Share of each cell by whose states they are, each with the sum 1.
        low: Lower end of the grid along both axes.
        high: Upper end.
    """

    shares: dict[str, Float[np.ndarray, "cells cells"]]
    low: Float[np.ndarray, " 2"]
    high: Float[np.ndarray, " 2"]

    def distances(self) -> dict[str, float]:
        """Total variation of each from the first: 0 if they agree, 1 if no cell is in both.

        max over sets of cells |p - q| = sum |p - q| / 2
        """
        first, *others = self.shares
        of = self.shares[first]
        return {name: float(np.abs(self.shares[name] - of).sum() / 2) for name in others}


def occupancy_of(episodes: Mapping[str, "Sequence[Trajectory]"]) -> Occupancy | None:
    """Shares of the states that episodes visited; None unless observations are two numbers.

    Args:
        episodes: Episodes by whose they are, the expert's first.
    """
    if any(t.obs.shape[1:] != (2,) for t in chain(*episodes.values())):
        return None
    states = {name: np.concatenate([t.obs for t in some]) for name, some in episodes.items()}
    every = np.concatenate(list(states.values()))
    low, high = every.min(0), every.max(0)
    # One value alone still has a cell
    high = np.where(high > low, high, low + 1)
    ends = [(float(a), float(b)) for a, b in zip(low, high)]
    shares = {}
    for name, some in states.items():
        counts, *_ = np.histogram2d(some[:, 0], some[:, 1], bins=CELLS, range=ends)
        shares[name] = counts / counts.sum()
    return Occupancy(shares, low, high)


def draw_occupancy(found: Occupancy) -> "matplotlib.figure.Figure":
    """Draw the shares side by side in one scale of colours, cells that nobody visited left white.

    Args:
        found: Shares of the visited states.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    far = found.distances()
    figure = Figure(figsize=(2.6 * len(found.shares), 3), layout="constrained")
    panels: Any = figure.subplots(1, len(found.shares), sharex=True, sharey=True, squeeze=False)[0]
    lowest = min(share[share > 0].min() for share in found.shares.values())
    scale = LogNorm(lowest, max(share.max() for share in found.shares.values()))
    (left, bottom), (right, top) = found.low, found.high
    for axes, (name, share) in zip(panels, found.shares.items()):
        shown = axes.imshow(
            np.ma.masked_equal(share.T, 0),
            norm=scale,
            cmap="viridis",
            origin="lower",
            aspect="auto",
            extent=(left, right, bottom, top),
        )
        told = f"\n{far[name]:.2f} from the {next(iter(found.shares))}" if name in far else "\n"
        axes.set_title(f"{name}{told}", fontsize=9)
        axes.set_xlabel("first observation")
        plots.soften(axes)
    panels[0].set_ylabel("second observation")
    figure.colorbar(shown, ax=list(panels), label="share of the states")
    return figure

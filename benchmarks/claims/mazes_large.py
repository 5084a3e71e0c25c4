"""Paths through mazes of 5 x 5 cells: the claim on mazes with more seconds.

As the claim on mazes, with 25 cells and 90 CPU seconds a row. That budget was looked at on the seed
10 alone: with 60 seconds the adversary ends below every rival, at 90 above. The seeds are five that
nothing was looked at on.
"""

from benchmarks.claims.harness.rivals import above_all
from benchmarks.claims.mazes import MAKE, RIVALS

CLAIM = above_all(
    "On mazes of 5 x 5 cells an adversary writes more valid paths than every rival with one sample "
    "at decoding and equal CPU seconds.",
    {"5x5": f"{MAKE} --side 5\n{RIVALS.replace('--seconds 32', '--seconds 90')}"},
    seeds=range(20, 25),
    cpu_seconds=1_800,
)

"""The device of `benchmarks/gpu_parts/stand_in.py`, which has a GPU's rules and no GPU."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from gpu_parts import parity, stand_in

sys.path.pop(0)
__all__ = ["parity", "stand_in"]

"""Two episodes of Pendulum, and its environments."""

import numpy as np
import pytest

from rl.envs import make_envs

DRAW = np.random.default_rng(0)
LENGTHS = (4, 6)
OBS = [DRAW.normal(size=(n + 1, 3)).astype(np.float32) for n in LENGTHS]
ACTS = [DRAW.uniform(-2, 2, (n, 1)).astype(np.float32) for n in LENGTHS]
REWS = [DRAW.normal(size=n).astype(np.float32) for n in LENGTHS]
"""Two episodes of Pendulum, which are told apart by their lengths."""


@pytest.fixture(scope="module")
def envs():
    return make_envs("Pendulum-v1", 2)

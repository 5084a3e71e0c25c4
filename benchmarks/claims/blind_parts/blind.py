"""CartPole without its velocities, and demonstrations of CartPole without them.

python benchmarks/claims/blind_parts/blind.py demos.npz blind.npz
"""

import argparse
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

SEEN = [0, 2]
"""The cart's place and the pole's angle."""


class Blind(gymnasium.ObservationWrapper[np.ndarray, int, np.ndarray]):
    """Shows place and angle alone.

    Args:
        options: Keyword arguments of CartPole-v1.
    """

    def __init__(self, **options: Any):
        super().__init__(gymnasium.make("CartPole-v1", **options).unwrapped)
        space = self.env.observation_space
        assert isinstance(space, spaces.Box)
        self.observation_space = spaces.Box(space.low[SEEN], space.high[SEEN], dtype=np.float32)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        return observation[SEEN]


gymnasium.register("BlindCartPole-v0", Blind, max_episode_steps=500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demos", type=Path, help="demonstrations of CartPole, an .npz")
    parser.add_argument("out", type=Path, help="those without velocities, an .npz")
    options = parser.parse_args()
    with np.load(options.demos, allow_pickle=False) as file:
        kept = {name: file[name] for name in file.files if name not in ("env_id", "env_kwargs")}
    kept |= {name: kept[name][:, SEEN] for name in ("obs", "last_obs")}
    np.savez(options.out, **kept)


if __name__ == "__main__":
    main()

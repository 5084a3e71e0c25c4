"""Episodes of one length: an environment that stays where it ended until its time limit.

The other cure of the bias that a reward's sign has towards long or short episodes: all are equally
long, demonstrations too, so that the sign pays for nothing.
"""

from typing import Any

import gymnasium


class FixedHorizon(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Never reports termination; after it the observation is constant and the reward 0.

    Args:
        env: Environment with or without a time limit; the caller ends its episodes.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]):
        super().__init__(env)
        self._last: Any = None
        self._over = False

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        self._over = False
        return self.env.reset(**options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self._over:
            return self._last, 0.0, False, False, {}
        self._last, reward, self._over, truncated, info = self.env.step(action)
        return self._last, float(reward), False, truncated and not self._over, info

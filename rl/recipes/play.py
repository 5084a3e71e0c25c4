"""Episodes of a loaded policy in its own environment, and the film of the first."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch

from image_core.adversarial.errors import UserError
from rl.recipes.loaded import LoadedPolicy

FPS = 30.0
"""Pictures a second of an environment that says nothing of it."""


class Played(NamedTuple):
    """What was played.

    Args:
        returns: Return of each episode.
        frames: Pictures of the first episode; empty where none were asked for.
        fps: Pictures a second.
    """

    returns: np.ndarray
    frames: list[np.ndarray]
    fps: float


def play(
    loaded: LoadedPolicy, episodes: int, *, seed: int, deterministic: bool = False, film: bool
) -> Played:
    """Play whole episodes; takes no part in torch's random numbers.

    Args:
        loaded: Run with a policy.
        episodes: Number of episodes.
        seed: Seed of the first states and the actions.
        deterministic: Whether the likeliest action is taken instead of a draw.
        film: Whether the first episode is drawn.

    Raises:
        UserError: The environment cannot be drawn.
    """
    env = _drawable(loaded) if film else loaded.env()
    returns, frames = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for episode in range(episodes):
            obs, _ = env.reset(seed=seed if episode == 0 else None)
            earned, ended = 0.0, False
            draws = film and episode == 0
            while not ended:
                if draws:
                    frames.append(_drawn(env, loaded.env_id))
                obs, reward, terminated, truncated, _ = env.step(
                    loaded.predict(obs, deterministic=deterministic)
                )
                earned, ended = earned + float(reward), terminated or truncated
            if draws:
                frames.append(_drawn(env, loaded.env_id))
            returns.append(earned)
    env.close()
    return Played(np.array(returns), frames, float(env.metadata.get("render_fps") or FPS))


def _drawable(loaded: LoadedPolicy) -> gymnasium.Env[Any, Any]:
    """An environment that can be drawn.

    Raises:
        UserError: It has no such mode.
    """
    if "rgb_array" not in (loaded.env().metadata.get("render_modes") or ()):
        raise UserError(f"--video: {loaded.env_id} has no render mode rgb_array; leave --video out")
    return loaded.env("rgb_array")


def _drawn(env: gymnasium.Env[Any, Any], env_id: str) -> np.ndarray:
    """The picture of the state of an environment.

    Raises:
        UserError: It cannot be drawn.
    """
    try:
        frame = env.render()
    except Exception as error:  # whatever a display or a driver raises, nothing can be drawn
        reason = " ".join(f"{error}".split())[:200] or type(error).__name__
        raise UserError(f"--video: {env_id} cannot be drawn: {reason}") from error
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3:
        raise UserError(f"--video: {env_id} draws no pictures of height x width x 3")
    return frame.astype(np.uint8)

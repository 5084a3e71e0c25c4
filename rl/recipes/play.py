"""Episodes of a loaded policy in its own environment, and the film of the first."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from jaxtyping import UInt8

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
        UndrawableError: A film is asked for, and the environment cannot be drawn.
    """
    env = loaded.env()
    if film:
        check_drawable(env, loaded.env_id)
        env = loaded.env("rgb_array")
    returns, frames = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for episode in range(episodes):
            obs, _ = env.reset(seed=seed if episode == 0 else None)
            earned, ended = 0.0, False
            draws = film and episode == 0
            while not ended:
                if draws:
                    frames.append(drawn(env, loaded.env_id))
                obs, reward, terminated, truncated, _ = env.step(
                    loaded.predict(obs, deterministic=deterministic)
                )
                earned, ended = earned + float(reward), terminated or truncated
            if draws:
                frames.append(drawn(env, loaded.env_id))
            returns.append(earned)
    env.close()
    return Played(np.array(returns), frames, fps_of(env))


def fps_of(env: gymnasium.Env[Any, Any]) -> float:
    """Pictures a second of an environment's film."""
    return float(env.metadata.get("render_fps") or FPS)


@contextmanager
def off_screen() -> Iterator[None]:
    """Context in which SDL, which draws the classic tasks, looks for no display and tells of none.

    What the user has set is kept.
    """
    unset = "SDL_VIDEODRIVER" not in os.environ
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    try:
        yield
    finally:
        if unset:
            del os.environ["SDL_VIDEODRIVER"]


class UndrawableError(UserError):
    """An environment cannot be drawn."""


def check_drawable(env: gymnasium.Env[Any, Any], env_id: str) -> None:
    """Check that an environment has a mode that returns pictures.

    Raises:
        UndrawableError: It has none.
    """
    if "rgb_array" not in (env.metadata.get("render_modes") or ()):
        raise UndrawableError(f"{env_id} has no render mode rgb_array")


def drawn(env: gymnasium.Env[Any, Any], env_id: str) -> UInt8[np.ndarray, "height width 3"]:
    """The picture of the state of an environment.

    Raises:
        UndrawableError: It cannot be drawn.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of each library that was tried; the error says it
            with off_screen():
                frame = env.render()
    except Exception as error:  # whatever a display or a driver raises, nothing can be drawn
        reason = " ".join(f"{error}".split())[:200] or type(error).__name__
        raise UndrawableError(f"{env_id} cannot be drawn: {reason}") from error
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3:
        raise UndrawableError(f"{env_id} draws no pictures of height x width x 3")
    return frame.astype(np.uint8)

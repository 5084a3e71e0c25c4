"""Samples of a run with a policy: recorded episodes, and a film where the environment is drawn."""

import sys
from collections.abc import Sequence

import numpy as np
import torch

from rl.demos import Trajectory
from rl.envs import SyncEnvs, keywords
from rl.envs.window import WindowedEnvs
from rl.formats import save_npz
from rl.recipes.play import UndrawableError, check_drawable, drawn, fps_of
from rl.recipes.policy_run import PolicyRun
from rl.video import write_video

EPISODES = 5
"""Number of episodes that a run keeps."""
PICTURES = 200
"""Most pictures of its film."""


def write_samples(run: PolicyRun, episodes: Sequence[Trajectory]) -> None:
    """Write the first episodes as `samples/episodes.npz`, and another's start as `episode.gif`.

    `--demos` and `seqgan demos --convert` read the former. There is no film of an environment that
    cannot be drawn; where it only lacks what draws it, that is said.

    Args:
        run: Run whose policy played.
        episodes: Its episodes, of one observation at a time.
    """
    folder, c = run.folder.samples, run.config
    folder.mkdir(parents=True, exist_ok=True)
    kept, film = folder / "episodes.npz", folder / "episode.gif"
    for earlier in (kept, film):
        earlier.unlink(missing_ok=True)
    save_npz(kept, episodes[:EPISODES], run.plain_envs(1), c.env, c.env_kwargs)
    try:
        envs = drawable(run)
    except UndrawableError:
        return
    try:
        frames = filmed(run, envs)
    except UndrawableError as error:
        print(f"no film of an episode: {error}", file=sys.stderr)
        return
    write_video(film, frames, fps_of(envs.envs[0]))


def drawable(run: PolicyRun) -> SyncEnvs:
    """One environment of a run that can be drawn.

    Raises:
        UndrawableError: It has no such mode.
    """
    c = run.config
    options, limit = keywords(c.env_kwargs), c.max_episode_steps or None
    check_drawable(SyncEnvs(c.env, 1, options, limit).envs[0], c.env)
    return SyncEnvs(c.env, 1, {**options, "render_mode": "rgb_array"}, limit, c.fixed_horizon)


def filmed(run: PolicyRun, envs: SyncEnvs) -> list[np.ndarray]:
    """Pictures of one episode, each before an action; takes no part in torch's random numbers.

    Args:
        run: Run whose policy plays.
        envs: One environment that can be drawn.

    Raises:
        UndrawableError: It cannot be drawn.
    """
    policy = run.policy()
    seen = envs if run.window == 1 else WindowedEnvs(envs, run.window)
    frames: list[np.ndarray] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.config.seed + 2)
        while len(frames) < PICTURES:
            obs = torch.from_numpy(seen.current()).to(next(policy.parameters()).device)
            frames.append(drawn(envs.envs[0], run.config.env))
            step = seen.step(envs.actions.to_env(policy.act(obs)))
            if step.terminated[0] or step.truncated[0]:
                break
    return frames

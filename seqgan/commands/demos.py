"""`seqgan demos DIR --episodes N --out FILE`: record an expert's episodes."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, prepare
from seqgan.commands.recipes import open_run


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """Parse the options, and reject contradictions.

    Args:
        words: Command line after the command.

    Raises:
        UserError: An option is missing or invalid, or two options contradict each other.
    """
    parser = Parser(
        "seqgan demos",
        "Record whole episodes of a trained run (DIR), of an expert's weights (--expert FILE "
        "--env ID), or of random actions (--env ID alone).",
    )
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", help="Folder of a run of the recipe expert or imitate."
    )
    parser.add_argument(
        "--expert", default=None, help="File (.npz) with the weights of a dense network."
    )
    parser.add_argument("--env", default=None, help="Gymnasium id; with DIR it is that of the run.")
    parser.add_argument("--episodes", type=int, default=10, help="Number of episodes (10).")
    parser.add_argument(
        "--max_episode_steps", type=int, default=None, help="Time limit in steps, with --env."
    )
    parser.add_argument(
        "--fixed_horizon",
        action="store_true",
        help="Continue episodes that end in their last state up to the time limit, with --env.",
    )
    parser.add_argument("--out", required=True, help="New .npz file.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the episodes (0).")
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="Take the most likely action instead of sampling.",
    )
    options = parser.parse_args(words)
    if (options.folder is None) == (options.env is None):
        raise UserError("name either a run's DIR or an environment by --env")
    if options.folder is not None and options.expert is not None:
        raise UserError("--expert goes with --env, not with a run's DIR")
    if options.folder is not None and (options.max_episode_steps or options.fixed_horizon):
        raise UserError(
            "--max_episode_steps and --fixed_horizon go with --env; a run's DIR has its own"
        )
    limit = options.max_episode_steps
    if limit is not None and limit < 1:
        raise UserError(f"--max_episode_steps {limit}: it must be at least 1")
    if options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: record at least 1")
    if Path(options.out).suffix != ".npz":
        raise UserError(f"--out {options.out}: end the name in .npz")
    if Path(options.out).exists():
        raise UserError(f"--out {options.out} exists and nothing is overwritten; choose another")
    return options


def run(words: Sequence[str]) -> None:
    """Write whole episodes of a trained run, or of an expert's weights, to an npz file."""
    options = parsed(words)
    prepare()
    import torch

    from rl.demos import record
    from rl.envs import make_envs
    from rl.experts import load_actor
    from rl.formats import save_npz
    from rl.policies import Actor

    count = min(options.episodes, 10)
    actor: Actor | None = None
    if options.folder is not None:
        from rl.recipes import expert
        from rl.recipes.imitate import recipe as imitate

        trained = open_run(options.folder, data=False)
        if not isinstance(trained, expert.Run | imitate.Run):
            raise UserError(f"{options.folder} is a run of {trained.recipe}, which has no episodes")
        trained.load()
        actor, env = trained.policy(), trained.config.env
        envs = trained.make_envs(count)
    else:
        env, fixed = options.env, options.fixed_horizon
        envs = make_envs(env, count, max_episode_steps=options.max_episode_steps, fixed=fixed)
        if options.expert is not None:
            actor = load_actor(options.expert, envs.actions)
    torch.manual_seed(options.seed)
    found = record(envs, actor, options.episodes, deterministic=options.deterministic)
    save_npz(Path(options.out), found, envs, env)
    returns = torch.tensor([t.ret for t in found])
    steps = sum(len(t.obs) for t in found)
    print(
        f"{options.out}: {len(found)} episodes of {env}, {steps} steps, return "
        f"{returns.mean():.2f} ± {returns.std(correction=0):.2f}"
    )

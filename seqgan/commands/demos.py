"""`seqgan demos DIR --episodes N --out FILE`: record an expert's episodes, or convert a file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, prepare
from seqgan.commands.recipes import open_run

if TYPE_CHECKING:
    from rl.demos import Trajectory
    from rl.envs import Envs
    from rl.policies import Actor


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
        "--env ID), or of random actions (--env ID alone); or convert episodes of another format "
        "(--convert FILE --env ID).",
    )
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", help="Folder of a run of the recipe expert or imitate."
    )
    parser.add_argument(
        "--expert", default=None, help="File (.npz) with the weights of a dense network."
    )
    parser.add_argument(
        "--convert",
        default=None,
        metavar="FILE",
        help="File or folder of demonstrations, or id of a Minari data set, to write as .npz.",
    )
    parser.add_argument(
        "--env_kwargs",
        default="",
        help="Keyword arguments of the environment as JSON, with --env.",
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
    own = options.max_episode_steps or options.fixed_horizon or options.env_kwargs
    if options.folder is not None and (own or options.convert):
        raise UserError(
            "--convert, --env_kwargs, --max_episode_steps and --fixed_horizon go with --env; a "
            "run's DIR has its own environment"
        )
    if options.convert is not None and (options.expert or options.fixed_horizon):
        raise UserError("--convert writes the episodes of a file; it takes no --expert")
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

    from rl.envs import keywords, make_envs
    from rl.experts import load_actor
    from rl.formats import save_npz

    count = min(options.episodes, 10)
    actor: "Actor | None" = None
    if options.folder is not None:
        from rl.recipes import expert
        from rl.recipes.imitate import recipe as imitate

        trained = open_run(options.folder, data=False)
        if not isinstance(trained, expert.Run | imitate.Run):
            raise UserError(f"{options.folder} is a run of {trained.recipe}, which has no episodes")
        trained.load()
        actor, env, env_kwargs = trained.policy(), trained.config.env, trained.config.env_kwargs
        envs = trained.make_envs(count)
    else:
        env, env_kwargs = options.env, options.env_kwargs
        envs = make_envs(
            env,
            count,
            keywords(options.env_kwargs),
            max_episode_steps=options.max_episode_steps,
            fixed=options.fixed_horizon,
        )
        if options.expert is not None:
            actor = load_actor(options.expert, envs.actions)
    found = _converted(options, envs) if options.convert else _recorded(options, envs, actor)
    save_npz(Path(options.out), found, envs, env, env_kwargs)
    returns = torch.tensor([t.ret for t in found])
    earned = f"{returns.mean():.2f} ± {returns.std(correction=0):.2f}"
    steps = sum(len(t.obs) for t in found)
    print(
        f"{options.out}: {len(found)} episodes of {env}, {steps} steps, return "
        f"{'unknown' if returns.isnan().any() else earned}"
    )


def _recorded(
    options: argparse.Namespace, envs: "Envs", actor: "Actor | None"
) -> "list[Trajectory]":
    import torch

    from rl.demos import record

    torch.manual_seed(options.seed)
    return record(envs, actor, options.episodes, deterministic=options.deterministic)


def _converted(options: argparse.Namespace, envs: "Envs") -> "list[Trajectory]":
    from rl.demos import record
    from rl.envs import keywords
    from rl.formats import read_demonstrations
    from rl.formats.likeness import unlike

    found = read_demonstrations(
        options.convert,
        envs,
        options.env,
        option="--convert",
        needs_actions=False,
        env_kwargs=keywords(options.env_kwargs),
    )
    print(found.told, file=sys.stderr)
    for said in unlike(found.trajectories, record(envs, None, envs.count), envs):
        print(f"warning: --convert: {said}", file=sys.stderr)
    return found.trajectories

"""`seqgan play DIR --episodes N --video FILE`: returns and a film of a trained policy."""

from collections.abc import Sequence
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import folder_parser, prepare, saved_config
from seqgan.commands.recipes import RECIPES, load

PLAYING = ("expert", "imitate")
"""Recipes whose runs have a policy that plays."""


def run(words: Sequence[str]) -> None:
    """Play episodes, print their returns, and write a film of the first."""
    parser = folder_parser(
        "play", "Play episodes of a trained policy: their returns, and a film of the first."
    )
    parser.add_argument("--episodes", type=int, default=10, help="Number of episodes (10).")
    parser.add_argument("--video", metavar="FILE", help="New .gif or .mp4 file: the first episode.")
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="Take the likeliest action instead of sampling.",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="Seed of the first states and the actions (0)."
    )
    options = parser.parse_args(words)
    if options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: play at least 1")
    recipe, _ = saved_config(options.folder, RECIPES)
    if recipe not in PLAYING:
        raise UserError(f"{options.folder} is a run of {recipe}, which plays no episodes")
    prepare()
    from image_core.runs.options import check_seed
    from rl.metrics import mean_interval
    from rl.recipes.play import UndrawableError, play
    from rl.video import check_video, write_video

    check_seed(options.seed)
    video = None if options.video is None else Path(options.video)
    if video is not None:
        check_video(video)
    loaded = load(options.folder)
    try:
        found = play(
            loaded,
            options.episodes,
            seed=options.seed,
            deterministic=options.deterministic,
            film=video is not None,
        )
    except UndrawableError as error:
        raise UserError(f"--video: {error}; leave --video out") from error
    interval = mean_interval(found.returns)
    over = (
        "one episode"
        if interval is None
        else "95 % over episodes {:.2f} .. {:.2f}".format(*interval)
    )
    print(
        f"{options.folder}: {len(found.returns)} episodes in {loaded.env_id}, "
        f"{'likeliest' if options.deterministic else 'sampled'} actions, return "
        f"{found.returns.mean():.2f} ({over})"
    )
    print("returns: " + " ".join(f"{value:.2f}" for value in found.returns))
    if video is not None:
        write_video(video, found.frames, found.fps)
        print(f"{video}: the first episode, {len(found.frames)} pictures")

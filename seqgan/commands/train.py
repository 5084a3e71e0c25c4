"""`seqgan train RECIPE`: start a new run, or resume the one in --out."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from image_core.adversarial.errors import UserError
from image_core.runs.outside import own_fault
from image_core.runs.parsing import prepare, saved_config
from image_core.runs.stopping import Stopped, at_once
from seqgan.commands.recipes import RECIPES, parse_config, recipe_module

if TYPE_CHECKING:
    from image_core.runs.recipe import Run

HELP = """\
usage: seqgan train text --data FILE --out DIR [--preset NAME] [options]
       seqgan train oracle --out DIR [--preset NAME] [options]
       seqgan train RECIPE ...

A run's folder ends with a table, result.json, plots and samples. `seqgan train RECIPE --help`
lists the options, `seqgan list recipes` the recipes and their presets.
"""


def run(words: Sequence[str]) -> None:
    """Train, from the start or from the last checkpoint of the run in --out."""
    if words and words[0] in ("-h", "--help"):
        print(HELP, end="")
        return
    if not words or words[0] not in RECIPES:
        raise UserError(
            f"seqgan train needs one of {', '.join(RECIPES)}, for example `seqgan train text`"
        )
    with at_once():  # reading data may take long, and a signal must not end in another exit code
        _train(words)


def _train(words: Sequence[str]) -> None:
    prepare()
    module = recipe_module(words[0])
    config, resume = parse_config(words[0], words[1:])
    from image_core.adversarial import parallel
    from image_core.runs import track
    from image_core.runs.folder import RunFolder

    track.check_installed(config.track)
    folder = RunFolder(config.out)
    if resume and parallel.agree(folder.config.exists()):
        _check_same(config, saved_config(config.out, RECIPES)[1])
        go_on(config.out)
        return
    folder.check_unused()
    new = module.Run(config, data=True)
    with folder.locked():
        new.start()
        _play(new)


def go_on(folder: str, rounds: int | None = None) -> None:
    """Resume the run in a folder and train it to its end.

    Args:
        folder: Folder of the run.
        rounds: Number of adversarial rounds in all, if it is to go on past its end.

    Raises:
        UserError: The folder is no run, or another process trains it.
    """
    from image_core.adversarial import parallel
    from image_core.runs import outside, track
    from image_core.runs.folder import RunFolder

    run = RunFolder(folder)
    recorded = run.read_config().get("sources", {})
    with run.locked():
        recipe, config = saved_config(folder, RECIPES)
        track.check_installed(config.track)
        ended = config
        if rounds is not None:
            config = _with_rounds(recipe, config, rounds)
        old = recipe_module(recipe).Run(config, data=True)
        for sentence in outside.changes(recorded, old.config) if parallel.first() else ():
            print(sentence, file=sys.stderr)
        old.resume()
        if rounds is not None:
            run.write_config(recipe, config)
        if config != ended:
            run.forget_results(f"--rounds {ended.rounds}")
        _play(old)


def _with_rounds(recipe: str, config: Any, rounds: int) -> Any:
    if "rounds" not in {field.name for field in fields(config)}:
        raise UserError(
            f"--rounds {rounds}: a run of {recipe} ends by another option and cannot go on past "
            "its end; train a longer one into a new --out"
        )
    if rounds < config.rounds:
        raise UserError(f"--rounds {rounds}: the run has {config.rounds} already; give more")
    return replace(config, rounds=rounds)


def _play(run: "Run") -> None:
    """Train the run; a signal's exception names what goes on with it."""
    try:
        with at_once():
            run.train()
    except Stopped:
        raise Stopped(f"; `seqgan resume {run.config.out}` goes on where it stopped") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"; `seqgan resume {run.config.out}` resumes from the last checkpoint"
        ) from None
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if own := own_fault(error):
            raise UserError(
                f"{own}; mend it, then `seqgan resume {run.config.out}` goes on from the last "
                "checkpoint"
            ) from error
        raise


def _check_same(config: Any, saved: Any) -> None:
    if type(config) is not type(saved):
        raise UserError(f"--resume: {config.out} is a run of another recipe; choose another --out")
    for name, value in asdict(config).items():
        if value != getattr(saved, name):
            raise UserError(
                f"--resume: {config.out} was started with another --{name} "
                f"({getattr(saved, name)}); use that one or another --out"
            )

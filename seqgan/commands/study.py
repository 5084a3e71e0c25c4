"""`seqgan study`: a search over runs of any recipe, or over image GANs, by many workers."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, class_parser, prepare, told
from seqgan.commands.recipes import RECIPES, recipe_module

HELP = """\
usage: seqgan study --recipe RECIPE --search FILE.yaml --out DIR [options]   options of any recipe
       seqgan study best DIR [--points N] [--seeds M]     its best points again, with new seeds
       seqgan study --data PATH --out DIR [options]       image GANs: losses x penalties x norms

The same command with the same --out adds one more worker. Each of the first and the third takes
  --slurm N             submit N workers as an array job of Slurm, through submitit
  --slurm_options TEXT  parameters of submitit: timeout_min=240,slurm_partition=gpu,gpus_per_node=1
  --cluster NAME        slurm, or local: processes of this machine (default: slurm)
`seqgan study --recipe --help` and `seqgan study --data --help` list the options.

A file of --search:
"""


def run(words: Sequence[str]) -> None:
    """Join the study in --out, start it, submit its workers, or run its best points again."""
    if not words or words[0] in ("-h", "--help"):
        from image_core.runs.study.space import EXAMPLE

        print(HELP + EXAMPLE, end="")
        return
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("seqgan study: a worker is one process; start several of the command")
    prepare()
    _check_installed()
    if words[0] == "best":
        _best(words[1:])
        return
    early = Parser("seqgan study", "", add_help=False)
    early.add_argument("--slurm", type=int, default=0)
    early.add_argument("--slurm_options", default="")
    early.add_argument("--cluster", choices=("slurm", "local"), default="slurm")
    given, rest = early.parse_known_args(words)
    if any(word.partition("=")[0] == "--recipe" for word in rest):
        _search(rest, given)
    else:
        _image_study(rest, given)


def _check_installed() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UserError("seqgan study needs optuna: `pip install 'seqgan[study]'`") from error


def _submitted(words: Sequence[str], out: str, given: argparse.Namespace) -> bool:
    """Whether workers were submitted, instead of being one."""
    if not given.slurm:
        return False
    from image_core.runs.study.slurm import submit

    command = [sys.executable, "-m", "seqgan", "study", *words]
    submit(command, Path(out), given.slurm, given.slurm_options, given.cluster)
    return True


def _search(words: Sequence[str], given: argparse.Namespace) -> None:
    from image_core.runs.study.design import Search
    from image_core.runs.study.space import read_space

    parser = _parser("Search the options of any recipe by a tree-structured Parzen estimator.")
    parser.add_class_arguments(Search, skip={"search", "recipe"})
    parser.add_argument("--recipe", required=True, choices=list(RECIPES), help="The recipe.")
    parser.add_argument("--search", required=True, help="YAML file, see `seqgan study --help`.")
    values: Any = told(lambda: parser.parse_args(list(words)), parser.prog)
    own = {f.name: values[f.name] for f in fields(Search) if f.name != "search"}
    search = Search(**own, search=read_space(values["search"], values["recipe"]))
    from image_core.runs.study.work import check, work

    module = recipe_module(search.recipe)
    check(search, module)
    if not _submitted(words, search.out, given):
        work(search, module)


def _image_study(words: Sequence[str], given: argparse.Namespace) -> None:
    from image_core.recipes.study.design import Design

    parser = _parser("Train every combination of loss, penalty, norm and architecture.")
    parser.add_argument("--config", action="config", help="YAML file of options.")
    parser.add_class_arguments(Design)
    values: Any = told(lambda: parser.parse_args(list(words)), parser.prog)
    design = Design(**{f.name: values[f.name] for f in fields(Design)})
    from image_core.recipes.study.work import work

    if not _submitted(words, design.out, given):
        work(design)


def _best(words: Sequence[str]) -> None:
    parser = Parser("seqgan study best", "Run the best points of a study again, with new seeds.")
    parser.add_argument("folder", help="Folder of the study.")
    parser.add_argument("--points", type=int, default=1, help="Number of best points.")
    parser.add_argument("--seeds", type=int, default=5, help="New seeds of each point.")
    values = parser.parse_args(words)
    if values.points < 1 or values.seeds < 1:
        raise UserError("seqgan study best: --points and --seeds must be at least 1")
    from image_core.runs.study.agree import read
    from image_core.runs.study.best import rerun_best
    from image_core.runs.study.design import Search

    known = read(Path(values.folder))
    if "search" not in known:
        raise UserError(f"{values.folder} is no study of --search; its result.json names the best")
    names = [f.name for f in fields(Search)]
    search = Search(**{**{name: known[name] for name in names}, "out": values.folder})
    module = recipe_module(search.recipe)
    rerun_best(
        search, module, values.points, values.seeds, lambda said: print(said, file=sys.stderr)
    )


def _parser(description: str) -> Any:
    more = "The same command with the same --out adds one more worker."
    return class_parser("seqgan study", f"{description} {more}")

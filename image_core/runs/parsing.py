"""Parsers that say what is wrong in one sentence, and the configuration of a recipe."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from image_core.adversarial.errors import UserError

if TYPE_CHECKING:
    from image_core.runs.recipe import Run


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as everything else does."""

    def __init__(self, prog: str, description: str, *, add_help: bool = True):
        super().__init__(prog=prog, description=description, add_help=add_help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def folder_parser(name: str, description: str) -> Parser:
    """A parser of `seqgan NAME DIR`."""
    parser = Parser(f"seqgan {name}", description)
    parser.add_argument(
        "folder", metavar="DIR", help="folder of the run, the --out of its training"
    )
    return parser


def prepare() -> None:
    """Settings of a process that trains; one of several, as `torchrun` starts them, joins them."""
    import numpy  # noqa: F401  before torch, which would swallow an interrupt of this import

    from image_core.memory import keep_freed_memory

    keep_freed_memory()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        # Of several processes the first one speaks
        if PartialState().process_index:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  until the process ends


Recipes = Mapping[str, str]
"""The module of each recipe by its name; it holds `Config`, `PRESETS` and `Run`."""


def parse_config(recipe: str, module: Any, words: Sequence[str]) -> tuple[Any, bool]:
    """The configuration, and whether to resume.

    What is written out goes before --config, and that before the preset.

    Args:
        recipe: its name.
        module: its module; the first of its presets is the default.
        words: the command line after the recipe's name.

    Raises:
        UserError: names the option that is wrong.
    """
    early = Parser(f"seqgan train {recipe}", "", add_help=False)
    early.add_argument("--preset")
    early.add_argument("--alias")
    early.add_argument("--config", action="append", default=[])
    known, rest = early.parse_known_args(words)
    if known.preset is not None:
        rest += ["--preset", known.preset]
    if known.alias is not None:
        rest += ["--alias", known.alias]
    contents = [_read_options(file, recipe, module) for file in known.config]
    names = [known.preset, *(content.get("preset") for content in reversed(contents))]
    preset = next((name for name in names if name in module.PRESETS), next(iter(module.PRESETS)))
    parser = config_parser(recipe, module)
    aliases = [known.alias, *(content.get("alias") for content in reversed(contents))]
    parser.set_defaults(_defaults(module, preset, aliases))
    for file in reversed(known.config):
        rest = ["--config", file, *rest]
    values = told(lambda: parser.parse_args(rest), parser.prog)
    return _built(module.Config, values), values["resume"]


def _defaults(module: Any, preset: str, aliases: Sequence[str | None]) -> dict[str, Any]:
    """The preset's that a paper reads; its sizes before them, its rates and method after them."""
    values = module.PRESETS[preset]
    if "alias" not in {f.name for f in fields(module.Config)}:
        return values
    named = next((name for name in aliases if name in module.PAPERS), None)
    if named is None:
        return values
    paper = import_module(module.PAPERS[named])
    read = {name: value for name, value in values.items() if name not in paper.UNREAD}
    return {**paper.PAPER, **read, **paper.RATES, **paper.METHOD}


def config_parser(recipe: str, module: Any) -> Any:
    """The parser of a recipe's options, made from its dataclass."""
    import jsonargparse

    needed = [f.name for f in fields(module.Config) if f.default is f.default_factory]
    shown = " ".join(f"--{name} {'DIR' if name == 'out' else 'FILE'}" for name in sorted(needed))
    parser = jsonargparse.ArgumentParser(
        prog=f"seqgan train {recipe}",
        usage=f"seqgan train {recipe} {shown} [--preset NAME] [options]",
        description=(module.Config.__doc__ or "").partition("\n")[0],
        formatter_class=jsonargparse.DefaultHelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", action="config", help="YAML file of options; those written out win over it"
    )
    parser.add_argument(
        "--preset",
        default=next(iter(module.PRESETS)),
        choices=list(module.PRESETS),
        help="defaults of the other options",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --out, if there is one"
    )
    # So that the config.yaml of a run serves as a --config
    parser.add_argument("--recipe", default=recipe, choices=[recipe], help=argparse.SUPPRESS)
    parser.add_class_arguments(module.Config)
    return parser


def saved_config(folder: str, recipes: Recipes) -> tuple[str, Any]:
    """Recipe and configuration of the run in a folder.

    Args:
        folder: of the run.
        recipes: those it may be of.

    Raises:
        UserError: it is no run, or its configuration does not fit.
    """
    from image_core.runs.folder import RunFolder

    file = RunFolder(folder).config
    saved = RunFolder(folder).read_config()
    recipe = saved.pop("recipe")
    if recipe not in tuple(recipes):  # it may be a list, which no key can be
        names = ", ".join(recipes)
        raise UserError(f"{file} is of the recipe {recipe!r}, and not of {names}; name another run")
    module = import_module(recipes[recipe])
    parser = config_parser(recipe, module)
    values = {**saved, "out": folder}
    try:
        parsed = told(lambda: parser.parse_object(values), parser.prog)
        return recipe, _built(module.Config, parsed)
    except UserError as error:
        raise UserError(f"{file} does not fit: {error}") from error


def open_run(folder: str, recipes: Recipes, *, data: bool = True) -> "Run":
    """The run in a folder, built from its own configuration.

    Args:
        folder: of the run.
        recipes: those it may be of.
        data: whether it reads its data.
    """
    recipe, config = saved_config(folder, recipes)
    return import_module(recipes[recipe]).Run(config, data=data)


def _built(config_class: Any, values: Any) -> Any:
    for field in fields(config_class):
        if values[field.name] is None and field.default is not None:
            raise UserError(f"--{field.name} has no value; give it one")
    return config_class(**{f.name: values[f.name] for f in fields(config_class)})


def _read_options(file: str, recipe: str, module: Any) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"--config {file} cannot be read: {reason}") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())[:200]
        raise UserError(f"--config {file} is not valid YAML ({where})") from error
    if not isinstance(content, dict):
        raise UserError(f"--config {file} holds no options; write one a line, as in `rounds: 10`")
    if content.get("recipe", recipe) != recipe:
        raise UserError(f"--config {file} is for the recipe {content['recipe']!r}, not {recipe}")
    names = {f.name for f in fields(module.Config)} | {"preset", "recipe", "resume"}
    for name in content:
        if name not in names:
            raise UserError(f"--config {file}: there is no option {name!r}; leave it out")
    return content


def told(parse: Callable[[], Any], prog: str) -> Any:
    """What `parse` returns; the parser's complaint in one sentence that names the option."""
    try:
        return parse()
    except argparse.ArgumentError as error:
        text = " ".join(str(error).split())
    text = re.sub(r"<class '(\w+)'>", r"\1", text)
    text = re.sub(r'^(?:Parser key|argument) "?-*(\w+)"?:', r"--\1:", text)
    text = re.sub(
        r"Does not validate.*?Subtypes: \[(.*?)\].*Given value:", r"expected \1, got", text
    )
    text = re.sub(r"Expected an? (.*?)\. Got value:", r"expected \1, got", text)
    text = re.sub(r"typing\.Literal\[(.*?)\]", r"one of \1", text).replace("NoneType", "null")
    raise UserError(f"{text[:300]}; see `{prog} --help`")

"""Parsers that say what is wrong in one sentence, and the configuration of a recipe."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from image_core.adversarial.errors import UserError
from seqgan.recipes import __all__ as RECIPES

if TYPE_CHECKING:
    from seqgan.recipes.base import Run


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


def recipe_module(name: str) -> Any:
    """The module of a recipe: its `Config`, `PRESETS` (the first is the default) and `Run`."""
    return import_module(f"seqgan.recipes.{name}")


def parse_config(recipe: str, words: Sequence[str]) -> tuple[Any, bool]:
    """The configuration, and whether to resume.

    What is written out goes before --config, and that before the preset.

    Raises:
        UserError: names the option that is wrong.
    """
    module = recipe_module(recipe)
    early = Parser(f"seqgan train {recipe}", "", add_help=False)
    early.add_argument("--preset")
    early.add_argument("--alias")
    early.add_argument("--config", action="append", default=[])
    known, rest = early.parse_known_args(words)
    if known.preset is not None:
        rest += ["--preset", known.preset]
    if known.alias is not None:
        rest += ["--alias", known.alias]
    contents = [_read_options(file, recipe) for file in known.config]
    names = [known.preset, *(content.get("preset") for content in reversed(contents))]
    preset = next((name for name in names if name in module.PRESETS), next(iter(module.PRESETS)))
    parser = config_parser(recipe)
    aliases = [known.alias, *(content.get("alias") for content in reversed(contents))]
    parser.set_defaults(_defaults(module, preset, aliases))
    for file in reversed(known.config):
        rest = ["--config", file, *rest]
    values = _told(lambda: parser.parse_args(rest), parser.prog)
    return _built(module.Config, values), values["resume"]


def _defaults(module: Any, preset: str, aliases: Sequence[str | None]) -> dict[str, Any]:
    """The preset's that a paper reads; its sizes before them, its rates and method after them."""
    values = module.PRESETS[preset]
    if "alias" not in {f.name for f in fields(module.Config)}:
        return values
    from seqgan.papers import __all__ as papers

    named = next((name for name in aliases if name in papers), None)
    if named is None:
        return values
    paper = import_module(f"seqgan.papers.{named}")
    read = {name: value for name, value in values.items() if name not in paper.UNREAD}
    return {**paper.PAPER, **read, **paper.RATES, **paper.METHOD}


def config_parser(recipe: str) -> Any:
    """The parser of a recipe's options, made from its dataclass."""
    import jsonargparse

    module = recipe_module(recipe)
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


def saved_config(folder: str) -> tuple[str, Any]:
    """Recipe and configuration of the run in a folder.

    Raises:
        UserError: it is no run, or its configuration does not fit.
    """
    from seqgan.recipes.run import RunFolder

    file = RunFolder(folder).config
    saved = RunFolder(folder).read_config()
    recipe = saved.pop("recipe")
    if recipe not in RECIPES:
        raise UserError(f"{file} names the unknown recipe {recipe!r}")
    parser = config_parser(recipe)
    values = {**saved, "out": folder}
    try:
        parsed = _told(lambda: parser.parse_object(values), parser.prog)
        return recipe, _built(recipe_module(recipe).Config, parsed)
    except UserError as error:
        raise UserError(f"{file} does not fit: {error}") from error


def open_run(folder: str, *, data: bool = True) -> "Run":
    """The run in a folder, built from its own configuration."""
    recipe, config = saved_config(folder)
    return recipe_module(recipe).Run(config, data=data)


def _built(config_class: Any, values: Any) -> Any:
    for field in fields(config_class):
        if values[field.name] is None and field.default is not None:
            raise UserError(f"--{field.name} has no value; give it one")
    return config_class(**{f.name: values[f.name] for f in fields(config_class)})


def _read_options(file: str, recipe: str) -> dict[str, Any]:
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
    names = {f.name for f in fields(recipe_module(recipe).Config)} | {"preset", "recipe", "resume"}
    for name in content:
        if name not in names:
            raise UserError(f"--config {file}: there is no option {name!r}; leave it out")
    return content


def _told(parse: Callable[[], Any], prog: str) -> Any:
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

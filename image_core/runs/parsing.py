"""Command-line parsers that report errors in one sentence, and the configuration of a recipe."""

import argparse
import functools
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from image_core.adversarial.errors import UserError
from image_core.runs.groups import groups, meanings

if TYPE_CHECKING:
    from image_core.runs.papers import Papers
    from image_core.runs.recipe import Run


class Parser(argparse.ArgumentParser):
    """Reports an error as a `UserError` of one sentence.

    Args:
        prog: Name of the command.
        description: Text above the options in the help.
        add_help: Whether --help is an option.
    """

    def __init__(self, prog: str, description: str, *, add_help: bool = True):
        super().__init__(prog=prog, description=description, add_help=add_help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def folder_parser(name: str, description: str) -> Parser:
    """Parser of `seqgan NAME DIR`.

    Args:
        name: Name of the command.
        description: Description shown by --help.
    """
    parser = Parser(f"seqgan {name}", description)
    parser.add_argument(
        "folder", metavar="DIR", help="Folder of the run, the --out of its training."
    )
    return parser


def prepare() -> None:
    """Set up a training process, and join the process group if `torchrun` started it."""
    import numpy  # noqa: F401  before torch, which would swallow an interrupt during this import

    from image_core.memory import keep_freed_memory

    keep_freed_memory()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        from image_core.adversarial import parallel

        PartialState()  # joins the group; without GPUs it calls each process the only one
        if not parallel.first():  # only the first process prints
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  until the process ends


Recipes = Mapping[str, str]
"""The module of each recipe, by name.

It holds `PRESETS` (the first is the default), `Run`, and `PAPERS`, or None and a `Config`.
"""


def parse_config(recipe: str, module: Any, words: Sequence[str]) -> tuple[Any, bool]:
    """The configuration, and whether to resume.

    Options on the command line take precedence over --config, --config over the preset, and the
    preset over the paper's defaults.

    Args:
        recipe: Name of the recipe.
        module: Module of the recipe.
        words: Command line after the recipe's name.

    Raises:
        UserError: An option is invalid; the message names it.
    """
    early = Parser(f"seqgan train {recipe}", "", add_help=False)
    for name in ("preset", "paper"):
        early.add_argument(f"--{name}")
    early.add_argument("--config", action="append", default=[])
    known, rest = early.parse_known_args(words)
    empty = "no options; write one per line, for example `rounds: 10`"
    contents = [read_yaml("--config", file, recipe, empty) for file in known.config]
    chosen = {name: _chosen(name, vars(known), contents) for name in ("preset", "paper")}
    for name in ("preset", "paper"):
        if vars(known)[name] is not None:
            rest += [f"--{name}", vars(known)[name]]
    preset = chosen["preset"] if chosen["preset"] in module.PRESETS else next(iter(module.PRESETS))
    config_class, defaults = _class_and_defaults(module, chosen["paper"], preset)
    for file, content in zip(known.config, contents, strict=True):
        _check_names(f"--config {file}", content, config_class)
    if module.PAPERS is not None:
        _check_read(module.PAPERS, config_class, rest)
    parser = config_parser(recipe, module, config_class, defaults)
    for file in reversed(known.config):
        rest = ["--config", file, *rest]
    values = told(lambda: parser.parse_args(rest), parser.prog)
    return _built(config_class, values), values["resume"]


def config_of(recipe: str, module: Any, values: Mapping[str, Any], where: str) -> Any:
    """The configuration of plain values: options, paper and preset by name.

    Args:
        recipe: Name of the recipe.
        module: Module of the recipe.
        values: Value of each option that is given.
        where: Option and file that the values stand in, for messages.

    Raises:
        UserError: An option is unknown or invalid; the message names it.
    """
    preset = values.get("preset", next(iter(module.PRESETS)))
    if preset not in module.PRESETS:
        raise UserError(f"{where}: preset {preset}: choose among {', '.join(module.PRESETS)}")
    config_class, defaults = _class_and_defaults(module, values.get("paper"), preset)
    _check_names(where, values, config_class)
    parser = config_parser(recipe, module, config_class, defaults)
    parsed = told(lambda: parser.parse_object(dict(values)), parser.prog)
    return _built(config_class, parsed)


def _check_read(papers: "Papers", config_class: type, words: Sequence[str]) -> None:
    """Refuse an option that the paper does not read, and name the papers that do."""
    known = {f.name for f in fields(config_class)}
    for word in words:
        name = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and name not in known and (readers := papers.readers(name)):
            raise UserError(
                f"--{name}: this paper does not read it, see --help; {', '.join(readers)} "
                f"{'do' if len(readers) > 1 else 'does'}"
            )


def _chosen(name: str, given: Mapping[str, Any], contents: Sequence[Mapping[str, Any]]) -> Any:
    """An option's value on the command line, or else in the last --config that has it."""
    values = [given[name], *(content.get(name) for content in reversed(contents))]
    return next((value for value in values if value is not None), None)


def _class_and_defaults(module: Any, paper: str | None, preset: str) -> tuple[type, dict[str, Any]]:
    """The dataclass of a run, and its defaults under the preset."""
    values = module.PRESETS[preset]
    if module.PAPERS is None:
        return module.Config, values
    name = paper or module.PAPERS.default
    return module.PAPERS.config(name), module.PAPERS.preset(name, values, preset)


def config_parser(
    recipe: str, module: Any, config_class: type, defaults: Mapping[str, Any] = {}
) -> Any:
    """The parser of a recipe's options, made from a dataclass, in groups.

    It is made once for a dataclass, which takes as long as to parse: a study has many runs of one.

    Args:
        recipe: Name of the recipe.
        module: Module of the recipe.
        config_class: Dataclass of the options.
        defaults: Defaults in place of the dataclass's.
    """
    presets = tuple(module.PRESETS)
    parser = _made_parser(recipe, presets, config_class)
    own = {f.name: _default(f) for f in fields(config_class)}
    parser.set_defaults({**own, "preset": presets[0], **defaults})
    return parser


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


@functools.cache
def _made_parser(recipe: str, presets: tuple[str, ...], config_class: type) -> Any:
    import jsonargparse

    needed = [f.name for f in fields(config_class) if f.default is f.default_factory]
    shown = " ".join(f"--{name} {'DIR' if name == 'out' else 'FILE'}" for name in sorted(needed))
    parser = jsonargparse.ArgumentParser(
        prog=f"seqgan train {recipe}",
        usage=f"seqgan train {recipe} {shown} [--preset NAME] [options]",
        description=(config_class.__doc__ or "").partition("\n")[0],
        formatter_class=jsonargparse.DefaultHelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config",
        action="config",
        help="YAML file of options; options on the command line take precedence.",
    )
    parser.add_argument(
        "--preset",
        default=presets[0],
        choices=list(presets),
        help="Named set of defaults for the other options.",
    )
    parser.add_argument(
        "--resume", action="store_true", help="Continue the run in --out, if there is one."
    )
    # So that the config.yaml of a run can be used as a --config
    parser.add_argument("--recipe", default=recipe, choices=[recipe], help=argparse.SUPPRESS)
    parser.add_argument("--format", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--sources", type=dict, default={}, help=argparse.SUPPRESS)
    declared, told_of = {f.name: f for f in fields(config_class)}, meanings(config_class)
    for title, names in groups(config_class):
        group = parser.add_argument_group(title)
        for name in names:
            field = declared[name]
            default = {} if name in needed else {"default": field.default}
            if field.type is bool:  # its name alone says yes
                default |= {"nargs": "?", "const": True}
            group.add_argument(
                f"--{name}", type=field.type, required=name in needed, help=told_of.get(name, ""),
                **default,
            )  # fmt: skip
    return parser


def saved_config(folder: str, recipes: Recipes) -> tuple[str, Any]:
    """Recipe and configuration of the run in a folder.

    Args:
        folder: Folder of the run.
        recipes: Allowed recipes.

    Raises:
        UserError: The folder is not a run, or its configuration is invalid.
    """
    from image_core.runs.folder import FORMAT, RunFolder

    file = RunFolder(folder).config
    saved = RunFolder(folder).read_config()
    recipe = saved.pop("recipe")
    saved.pop("sources", None)
    if not isinstance(recipe, str) or recipe not in recipes:
        names = ", ".join(recipes)
        raise UserError(
            f"{file} belongs to the recipe {recipe!r}, not to {names}; name another run"
        )
    module = import_module(recipes[recipe])
    if saved.pop("format", 1) != FORMAT:
        raise UserError(
            f"{file} was written by version 0.1, whose options had other names; nothing was "
            "changed; train again in another --out"
        )
    config_class, _ = _class_and_defaults(module, saved.get("paper"), next(iter(module.PRESETS)))
    parser = config_parser(recipe, module, config_class)
    values = {**saved, "out": folder}
    try:
        parsed = told(lambda: parser.parse_object(values), parser.prog)
        return recipe, _built(config_class, parsed)
    except UserError as error:
        raise UserError(f"{file} does not fit: {error}") from error


def open_run(folder: str, recipes: Recipes, *, data: bool = True) -> "Run":
    """The run in a folder, built from its own configuration.

    Args:
        folder: Folder of the run.
        recipes: Allowed recipes.
        data: Whether to read the run's data.

    Raises:
        UserError: The folder is not a run, or its configuration is invalid.
    """
    recipe, config = saved_config(folder, recipes)
    return import_module(recipes[recipe]).Run(config, data=data)


def _built(config_class: Any, values: Any) -> Any:
    for field in fields(config_class):
        if values[field.name] is None and field.default is not None:
            raise UserError(f"--{field.name} has no value; give it one")
    return config_class(**{f.name: values[f.name] for f in fields(config_class)})


def read_yaml(option: str, file: str, recipe: str, empty: str) -> dict[str, Any]:
    """The content of a YAML file of a recipe.

    Args:
        option: Option that names the file.
        file: Path of the file.
        recipe: Name of the recipe.
        empty: What to say of a file that holds no mapping.

    Raises:
        UserError: The file cannot be read, or is for another recipe.
    """
    import yaml

    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"{option} {file} cannot be read: {reason}") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())[:200]
        raise UserError(f"{option} {file} is not valid YAML ({where})") from error
    if not isinstance(content, dict):
        raise UserError(f"{option} {file} holds {empty}")
    if content.get("recipe", recipe) != recipe:
        raise UserError(f"{option} {file} is for the recipe {content['recipe']!r}, not {recipe}")
    return content


def _check_names(where: str, content: Mapping[str, Any], config_class: type) -> None:
    names = {f.name for f in fields(config_class)} | {
        *("preset", "recipe", "resume", "format", "sources")
    }
    for name in content:
        if name not in names:
            raise UserError(f"{where}: there is no option {name!r}; leave it out")


def class_parser(prog: str, description: str) -> Any:
    """A parser for the options of a dataclass, whose errors `told` makes one sentence.

    Args:
        prog: Name of the program.
        description: What it does.
    """
    import jsonargparse

    return jsonargparse.ArgumentParser(
        prog=prog,
        description=description,
        formatter_class=jsonargparse.DefaultHelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
    )


def told(parse: Callable[[], Any], prog: str) -> Any:
    """Result of `parse`; a parser error becomes one sentence that names the option.

    Args:
        parse: Function that parses a command line.
        prog: Name of the program, for the hint at --help.

    Raises:
        UserError: The parser reports an error.
    """
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

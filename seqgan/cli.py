"""The command line. Each subcommand imports what it needs, so that help comes at once."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from image_core.adversarial.errors import UserError

if TYPE_CHECKING:
    from seqgan.recipes.sequence import SequenceRun

HELP = """\
seqgan: adversarial training where samples are discrete

usage: seqgan COMMAND ...

  seqgan train text --data FILE --out DIR      SeqGAN on your text: one sentence a line, or a table
  seqgan train oracle --out DIR                SeqGAN on a synthetic language of known density
  seqgan resume DIR                            go on exactly where a stopped run stood
  seqgan sample DIR --n 20                     write sentences
  seqgan evaluate DIR                          table, temperature sweep and plots once more
  seqgan list losses                           what there is: losses, penalties, estimators, games,
                                               recipes, metrics

`seqgan COMMAND --help` and `seqgan train text --help` list every option. Options may come from a
YAML file (--config FILE); --print_config writes one. A mistake ends with one sentence and exit
code 2.
"""

TRAIN_HELP = """\
usage: seqgan train text --data FILE --out DIR [--preset NAME] [options]
       seqgan train oracle --out DIR [--preset NAME] [options]

Maximum likelihood, then the critic's warm-up, then adversarial rounds, then a table, a temperature
sweep, plots and samples in DIR. `seqgan train text --help` and `seqgan train oracle --help` list
the options, `seqgan list recipes` the presets.
"""

RECIPES = ("oracle", "text")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 after a mistake, 130 when interrupted."""
    words = [_underscored(word) for word in (sys.argv[1:] if argv is None else argv)]
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    try:
        if words[0] not in COMMANDS:
            raise UserError(f"no command {words[0]!r}; see `seqgan --help`")
        COMMANDS[words[0]](words[1:])
        sys.stdout.flush()
    except UserError as error:
        print(f"seqgan: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our output has enough of it
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"seqgan: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"seqgan: interrupted{stop}", file=sys.stderr)
        return 130
    return 0


def _underscored(word: str) -> str:
    """--max-length as --max_length; values stay as they are."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as everything else does."""

    def __init__(self, prog: str, description: str, *, add_help: bool = True):
        super().__init__(prog=prog, description=description, add_help=add_help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def _train(words: Sequence[str]) -> None:
    if words and words[0] in ("-h", "--help"):
        print(TRAIN_HELP, end="")
        return
    if not words or words[0] not in RECIPES:
        raise UserError(
            f"seqgan train needs one of {', '.join(RECIPES)}, as in `seqgan train text`"
        )
    _prepare()
    config, resume = _parse_config(words[0], words[1:])
    from seqgan.recipes.run import RunFolder

    folder = RunFolder(config.out)
    if resume and folder.config.exists():
        _check_same(config, _saved_config(config.out)[1])
        _go_on(config.out)
        return
    folder.check_unused()
    run = _recipe(words[0])[2](config)
    run.start()
    _play(run)


def _go_on(folder: str) -> None:
    run = _open(folder)
    run.resume()
    _play(run)


def _play(run: "SequenceRun") -> None:
    try:
        run.train()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"; `seqgan resume {run.config.out}` goes on from the last checkpoint"
        ) from None


def _check_same(config: Any, saved: Any) -> None:
    if type(config) is not type(saved):
        raise UserError(f"--resume: {config.out} is a run of another recipe; choose another --out")
    for name, value in asdict(config).items():
        if value != getattr(saved, name):
            raise UserError(
                f"--resume: {config.out} was started with another --{name} "
                f"({getattr(saved, name)}); use that one or another --out"
            )


def _recipe(name: str) -> tuple[Any, dict[str, dict[str, Any]], "Callable[..., SequenceRun]"]:
    if name == "oracle":
        from seqgan.recipes import oracle

        return oracle.OracleConfig, oracle.PRESETS, oracle.OracleRun
    from seqgan.recipes import text

    return text.TextConfig, text.PRESETS, text.TextRun


def _parse_config(recipe: str, words: Sequence[str]) -> tuple[Any, bool]:
    """The configuration: what is written out goes before --config, and that before the preset."""
    config_class, presets, _ = _recipe(recipe)
    early = _Parser(f"seqgan train {recipe}", "", add_help=False)
    early.add_argument("--preset")
    early.add_argument("--config", action="append", default=[])
    known, rest = early.parse_known_args(words)
    if known.preset is not None:
        rest += ["--preset", known.preset]
    contents = [_read_options(file, recipe) for file in known.config]
    names = [known.preset, *(content.get("preset") for content in reversed(contents))]
    preset = next((name for name in names if name in presets), next(iter(presets)))
    parser = _config_parser(recipe)
    parser.set_defaults(presets[preset])
    for file in reversed(known.config):
        rest = ["--config", file, *rest]
    values = _told(lambda: parser.parse_args(rest), parser.prog)
    return _built(config_class, values), values["resume"]


def _config_parser(recipe: str) -> Any:
    import jsonargparse

    config_class, presets, _ = _recipe(recipe)
    needed = "--out DIR" if recipe == "oracle" else "--data FILE --out DIR"
    parser = jsonargparse.ArgumentParser(
        prog=f"seqgan train {recipe}",
        usage=f"seqgan train {recipe} {needed} [--preset NAME] [options]",
        description=(config_class.__doc__ or "").partition("\n")[0],
        formatter_class=jsonargparse.DefaultHelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", action="config", help="YAML file of options; those written out win over it"
    )
    parser.add_argument(
        "--preset",
        default=next(iter(presets)),
        choices=list(presets),
        help="defaults of the other options",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --out, if there is one"
    )
    # So that the config.yaml of a run serves as a --config
    parser.add_argument("--recipe", default=recipe, choices=[recipe], help=argparse.SUPPRESS)
    parser.add_class_arguments(config_class)
    return parser


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
    names = {f.name for f in fields(_recipe(recipe)[0])} | {"preset", "recipe", "resume"}
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


def _saved_config(folder: str) -> tuple[str, Any]:
    """Recipe and configuration of the run in a folder."""
    from seqgan.recipes.run import RunFolder

    file = RunFolder(folder).config
    saved = RunFolder(folder).read_config()
    recipe = saved.pop("recipe")
    if recipe not in RECIPES:
        raise UserError(f"{file} names the unknown recipe {recipe!r}")
    parser = _config_parser(recipe)
    values = {**saved, "out": folder}
    try:
        parsed = _told(lambda: parser.parse_object(values), parser.prog)
        return recipe, _built(_recipe(recipe)[0], parsed)
    except UserError as error:
        raise UserError(f"{file} does not fit: {error}") from error


def _open(folder: str, *, data: bool = True) -> "SequenceRun":
    """The run in a folder, built from its own configuration."""
    recipe, config = _saved_config(folder)
    return _recipe(recipe)[2](config, data=data)


def _folder_parser(name: str, description: str) -> _Parser:
    parser = _Parser(f"seqgan {name}", description)
    parser.add_argument(
        "folder", metavar="DIR", help="folder of the run, the --out of its training"
    )
    return parser


def _resume(words: Sequence[str]) -> None:
    parser = _folder_parser(
        "resume", "Go on exactly where a stopped run stood, with the options it was started with."
    )
    folder = parser.parse_args(words).folder
    _prepare()
    _go_on(folder)


def _evaluate(words: Sequence[str]) -> None:
    parser = _folder_parser(
        "evaluate", "Sweep a run's policies over temperature: table, result.json, plots, samples."
    )
    folder = parser.parse_args(words).folder
    _prepare()
    run = _open(folder)
    run.load()
    run.report()


def _sample(words: Sequence[str]) -> None:
    parser = _folder_parser("sample", "Write sentences of a trained run, one a line.")
    parser.add_argument("--n", type=int, default=10, help="how many sentences (10)")
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="below 1 sharpens, above 1 flattens (1.0)"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same sentences (0)")
    parser.add_argument("--prompt", default=None, help="words that every sentence begins with")
    parser.add_argument(
        "--model",
        choices=("seqgan", "mle"),
        default="seqgan",
        help="policy: after adversarial rounds, or as maximum likelihood left it (seqgan)",
    )
    parser.add_argument("--out", default=None, help="new file to write to, not the terminal")
    options = parser.parse_args(words)
    _prepare()
    from seqgan.recipes.sample import Draws, write_samples

    draws = Draws(
        options.n, options.temperature, options.seed, options.prompt, options.model, options.out
    )
    draws.check()
    run = _open(options.folder, data=False)
    run.load()
    write_samples(run, draws)


def _list(words: Sequence[str]) -> None:
    parser = _Parser("seqgan list", "What there is, with one line each.")
    kinds = ("losses", "penalties", "estimators", "games", "recipes", "metrics")
    parser.add_argument("kind", choices=kinds, metavar="KIND", help=", ".join(kinds))
    kind = parser.parse_args(words).kind
    _prepare()
    from seqgan.recipes.listing import lines

    print("\n".join(lines(kind)))


def _prepare() -> None:
    """Settings of a process that trains."""
    import numpy  # noqa: F401  before torch, which would swallow an interrupt of this import

    from image_core.memory import keep_freed_memory

    keep_freed_memory()


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": _train,
    "resume": _resume,
    "sample": _sample,
    "evaluate": _evaluate,
    "list": _list,
}

if __name__ == "__main__":
    sys.exit(main())

"""The command line. Each subcommand imports what it needs, so that help comes at once."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
YAML
file (--config FILE); --print_config writes one. A mistake ends with one sentence and exit code 2.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 after a mistake, 130 when interrupted."""
    words = [_underscored(word) for word in (sys.argv[1:] if argv is None else argv)]
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    command = COMMANDS.get(words[0])
    if command is None:
        print(f"seqgan: no command {words[0]!r}; see `seqgan --help`", file=sys.stderr)
        return 2
    from image_core.adversarial.errors import UserError

    try:
        command(words[1:])
    except UserError as error:
        print(f"seqgan: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "seqgan: interrupted; `seqgan resume` goes on from the last checkpoint", file=sys.stderr
        )
        return 130
    return 0


def _underscored(word: str) -> str:
    """--max-length as --max_length; values stay as they are."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def _train(words: Sequence[str]) -> None:
    recipes = ("oracle", "text")
    if not words or words[0] not in recipes:
        if words and words[0] in ("-h", "--help"):
            print(
                "usage: seqgan train oracle|text [options]; `seqgan train text --help` lists them"
            )
            return
        from image_core.adversarial.errors import UserError

        raise UserError(
            f"seqgan train needs one of {', '.join(recipes)}, as in `seqgan train text`"
        )
    _prepare()
    config_class, presets, run_class = _recipe(words[0])
    config, resume = _parse_config(words[0], config_class, presets, words[1:])
    if resume and (Path(config.out) / "config.yaml").exists():
        run = _open(config.out)
        differing = [
            f.name for f in fields(config) if getattr(config, f.name) != getattr(run.config, f.name)
        ]
        if differing:
            from image_core.adversarial.errors import UserError

            raise UserError(
                f"--resume: {config.out} was started with another --{differing[0]} "
                f"({getattr(run.config, differing[0])}); use that one or another --out"
            )
        run.resume()
    else:
        run = run_class(config)
        run.start()
    run.train()


def _recipe(name: str) -> tuple[Any, dict[str, dict[str, Any]], "Callable[..., SequenceRun]"]:
    if name == "oracle":
        from seqgan.recipes import oracle

        return oracle.OracleConfig, oracle.PRESETS, oracle.OracleRun
    from seqgan.recipes import text

    return text.TextConfig, text.PRESETS, text.TextRun


def _parse_config(
    recipe: str, config_class: Any, presets: dict[str, dict[str, Any]], words: Sequence[str]
) -> tuple[Any, bool]:
    import jsonargparse

    parser = jsonargparse.ArgumentParser(
        prog=f"seqgan train {recipe}",
        description=(config_class.__doc__ or "").partition("\n")[0],
        formatter_class=jsonargparse.DefaultHelpFormatter,
    )
    parser.add_argument("--config", action="config", help="YAML file of options")
    first = next(iter(presets))
    parser.add_argument(
        "--preset", default=first, choices=list(presets), help="defaults of the other options"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --out, if there is one"
    )
    parser.add_class_arguments(config_class)
    parser.set_defaults(presets[_preset(words, presets, first)])
    values = parser.parse_args(list(words))
    config = config_class(**{f.name: values[f.name] for f in fields(config_class)})
    return config, values["resume"]


def _preset(words: Sequence[str], presets: dict[str, dict[str, Any]], default: str) -> str:
    """The preset's name, looked up before the other options since it sets their defaults."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--preset")
    early.add_argument("--config")
    known, _ = early.parse_known_args(words)
    name = known.preset
    if name is None and known.config is not None and Path(known.config).is_file():
        import yaml

        try:
            content = yaml.safe_load(Path(known.config).read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            content = None  # the full parser says what is wrong with the file
        name = content.get("preset") if isinstance(content, dict) else None
    return name if name in presets else default


def _open(folder: str) -> "SequenceRun":
    """The run in a folder, built from its own configuration."""
    from image_core.adversarial.errors import UserError
    from seqgan.recipes.run import RunFolder

    saved = RunFolder(folder).read_config()
    recipe = saved.pop("recipe")
    if recipe not in ("oracle", "text"):
        raise UserError(f"{folder}/config.yaml names the unknown recipe {recipe!r}")
    config_class, _, run_class = _recipe(recipe)
    try:
        config = config_class(**{**saved, "out": folder})
    except TypeError as error:
        raise UserError(f"{folder}/config.yaml does not fit this version: {error}") from error
    return run_class(config)


def _resume(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="seqgan resume", description="Go on exactly where a stopped run stood."
    )
    parser.add_argument("folder", help="of the run")
    folder = parser.parse_args(words).folder
    _prepare()
    run = _open(folder)
    run.resume()
    run.train()


def _evaluate(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="seqgan evaluate",
        description="Sweep a run's policies over temperature: table, result.json, plots, samples.",
    )
    parser.add_argument("folder", help="of the run")
    folder = parser.parse_args(words).folder
    _prepare()
    run = _open(folder)
    run.load()
    run.report()


def _sample(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="seqgan sample", description="Write sentences of a trained run."
    )
    parser.add_argument("folder", help="of the run")
    parser.add_argument("--n", type=int, default=10, help="how many sentences (10)")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1 sharpens (1.0)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    parser.add_argument("--prompt", default=None, help="words that every sentence begins with")
    parser.add_argument("--model", choices=("seqgan", "mle"), default="seqgan", help="which policy")
    parser.add_argument("--out", default=None, help="file to write to, instead of the terminal")
    options = parser.parse_args(words)
    _prepare()
    from seqgan.recipes.sample import write_samples

    run = _open(options.folder)
    run.load()
    write_samples(
        run,
        count=options.n,
        temperature=options.temperature,
        seed=options.seed,
        prompt=options.prompt,
        model=options.model,
        out=options.out,
    )


def _list(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="seqgan list", description="What there is, with one line each."
    )
    kinds = ("losses", "penalties", "estimators", "games", "recipes", "metrics")
    parser.add_argument("kind", choices=kinds)
    kind = parser.parse_args(words).kind
    from seqgan.recipes.listing import lines

    print("\n".join(lines(kind)))


def _prepare() -> None:
    """Settings of a process that trains."""
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

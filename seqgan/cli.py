"""The command line. Each command is a module of `seqgan.commands`, imported when it is called."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from seqgan import __version__
from seqgan.neighbours import check_neighbours

HELP = """\
seqgan: adversarial training where samples are discrete

usage: seqgan COMMAND ...      or python -m seqgan COMMAND ...; seqgan --version

  seqgan train text --data FILE --out DIR      SeqGAN on your text: one sentence per line or a table
  seqgan train oracle --out DIR                SeqGAN on a synthetic language of known density
  seqgan train text --paper maligan ...        a relative of SeqGAN, see `seqgan list papers`
  seqgan train discrete --data FILE --out DIR  boundary-seeking GAN: digits, palette images, lines
  seqgan resume DIR                            resume a stopped run exactly where it stopped
  seqgan resume DIR --rounds 200               go on past the end of a run, to 200 rounds in all
  seqgan look --data FILE                      what the reader understands of a text, and examples
  seqgan sample DIR --n 20 --top_p 0.9         write sentences
  seqgan infill DIR --text "the ___ sat"       fill gaps, for a run of --paper maskgan
  seqgan evaluate DIR --sweep                  table, plots and report again; top-p as well
  seqgan evaluate --samples FILE --references FILE    text from any source
  seqgan compare DIR DIR                       the curves of several runs, or seeds, in one plot
  seqgan train retrieve --data FILE --out DIR  IRGAN: items for users, answers for questions
  seqgan recommend DIR --user U --k 10         the items a retrieval run ranks first
  seqgan rank DIR --query "..." --k 10         the documents a retrieval run ranks first
  seqgan train dialogue --data FILE --out DIR  dialogue on a language model; --data chitchat to try
  seqgan chat DIR                              talk to it; tokens coloured by the discriminator
  seqgan push DIR USER/NAME                    upload it to the model hub, with a model card
  seqgan train expert --env ID --out DIR       PPO on an environment's own reward
  seqgan demos DIR --episodes N --out FILE     record an expert's episodes
  seqgan train imitate --env ID --demos FILE --out DIR   GAIL and its family, with controls
  seqgan play DIR --episodes N --video FILE    returns of a trained policy, and a film of it
  seqgan export DIR --out FILE.onnx            a trained policy for programs without torch
  seqgan train image --data PATH --out DIR     image GANs: any loss, penalty, norm and architecture
  seqgan attack --data PATH --out DIR          changes of images that a classifier falls for
  seqgan attack --texts FILE --model DIR --out DIR    words that a text classifier falls for
  seqgan study --data PATH --out DIR           losses x penalties x norms x nets, by workers
  seqgan study --recipe NAME --search FILE --out DIR   search the options of any recipe
  seqgan study best DIR --points 3             its best points again, with new seeds
  seqgan train text2image --data PATH --out DIR    StackGAN; --data shapes to try
  seqgan sample DIR --prompt "a small red circle on blue"    pictures of a sentence, as a PNG
  seqgan sample DIR --out NEW --gif FILE.gif   single PNGs of an image run, a walk through latents
  seqgan evaluate --samples DIR --references DIR   pictures from any source
  seqgan rivals --config FILE --seeds 5 --seconds 32   an adversary against all its rivals
  seqgan demo --out DIR                        an adversary on text and on CartPole, in five minutes
  seqgan list losses                           names of losses, penalties, estimators, games,
                                               recipes, metrics, papers

`seqgan COMMAND --help` and `seqgan train text --help` list every option. Options may come from a
YAML file (--config FILE); --print_config writes one. A user error ends with one sentence and
exit code 2. SIGTERM, SIGUSR1 and ctrl-C let training save after its round and end with exit code
75, and `resume` goes on bit for bit; a second ctrl-C ends it at once, with exit code 130.
"""

COMMANDS = (
    "train",
    "resume",
    "sample",
    "evaluate",
    "compare",
    "list",
    "look",
    "recommend",
    "rank",
    "infill",
    "chat",
    "push",
    "demo",
    "demos",
    "play",
    "export",
    "study",
    "rivals",
    "attack",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    The exit code is 0, 2 after a user error, 75 when a signal has stopped a run that was saved, or
    130 when interrupted.

    Args:
        argv: Command line; None takes that of the process.
    """
    words = [_underscored(word) for word in (sys.argv[1:] if argv is None else argv)]
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if words[0] in ("--version", "-V"):
        print(f"seqgan {__version__}")
        return 0
    try:
        check_neighbours()
    except ImportError as error:
        print(f"seqgan: {error}", file=sys.stderr)
        return 2
    return _run(words)


def _run(words: Sequence[str]) -> int:
    # Imported here, once they are known to be ours
    from image_core.adversarial.errors import ArgumentError, UserError
    from image_core.runs.stopping import EXIT_CODE, Stopped

    try:
        if words[0] not in COMMANDS:
            raise UserError(f"no command {words[0]!r}; see `seqgan --help`")
        import_module(f"seqgan.commands.{words[0]}").run(words[1:])
        sys.stdout.flush()
    except ArgumentError as error:
        print(f"seqgan: {error.options}", file=sys.stderr)
        return 2
    except UserError as error:
        print(f"seqgan: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output has closed it
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Stopped as stop:
        print(f"seqgan: stopped{stop}", file=sys.stderr)
        return EXIT_CODE
    except KeyboardInterrupt as stop:
        print(f"seqgan: interrupted{stop}", file=sys.stderr)
        return 130
    except (Exception, SystemExit) as error:  # a user's code may also exit
        print(f"seqgan: {_reason(error)}", file=sys.stderr)
        return 2
    return 0


def _reason(error: BaseException) -> str:
    """One sentence on an error of the user's own code, or of a file; others are raised again."""
    from image_core.runs.outside import own_fault

    if own := own_fault(error):
        return own
    if isinstance(error, OSError):
        return f"{error.filename or 'output'}: {error.strerror or error}"
    raise error


def _underscored(word: str) -> str:
    """Convert --max-length to --max_length; values are unchanged."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


if __name__ == "__main__":
    sys.exit(main())

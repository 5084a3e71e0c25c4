"""A process with everything imported: for each line with a command it forks a child that runs it.

So a child is at work at once, and a SIGKILL at a random moment hits its work and not an import.
"""

import json
import os
import sys

import torch

import seqgan.metrics
import seqgan.recipes.oracle
import seqgan.recipes.text
from seqgan.cli import main
from seqgan.recipes import report


def warm_up() -> None:
    import datasets  # noqa: F401
    import matplotlib.backends.backend_agg
    import matplotlib.figure
    import nltk.tokenize
    import rich.progress
    import rich.table
    import tokenizers  # noqa: F401


def serve() -> None:
    torch.set_num_threads(1)
    warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            pictures, words = json.loads(line)
            if not pictures:
                report.draw = lambda *_: None
            os._exit(main(words))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()

"""Work in a process of its own that has everything imported already.

The start of a new interpreter takes longer than what most tests let it do. A process that may have
used a GPU, or macOS's libraries, is not forked: a server is that has imported the same.
"""

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import jaxtyping
import torch

PLAIN = sys.platform == "linux" and not torch.cuda.is_available()
METHOD = "fork" if PLAIN else "forkserver"


def forked(work: Callable[..., int | None], *args: Any, told: Path | None = None) -> BaseProcess:
    """A process at work; `exitcode` is what the work returns, minus a signal, None until then.

    Args:
        work: A function of a module, whose result is the exit code, None for 0.
        args: Its arguments.
        told: File of what it writes to standard error; None for nowhere.
    """
    context = multiprocessing.get_context(METHOD)
    context.set_forkserver_preload(["seqgan.text.recipe", "tests.recipes.outside"])
    process = context.Process(target=_alone, args=(work, args, told or os.devnull))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: workers of tests have one
        process.start()
    return process


def _alone(work: Callable[..., int | None], args: tuple[Any, ...], told: Path | str) -> None:
    """As a new interpreter: nothing is captured, interrupts are heard, no type is checked."""
    warnings.resetwarnings()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    jaxtyping.config.update("jaxtyping_disable", True)
    for number, file in ((1, os.devnull), (2, told)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.exit(work(*args))

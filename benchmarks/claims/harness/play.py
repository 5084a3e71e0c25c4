"""Playing one run of a claim: its commands one after the other, nice and within CPU seconds."""

import math
import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.claims.harness.results import ROOT

PROGRAMS = {"seqgan": [sys.executable, "-m", "seqgan.cli"], "python": [sys.executable]}

LIMITED = 'ulimit -t "$1"; shift; exec nice -n 10 "$@"'
"""Shell line that limits the CPU seconds of each process and gives way to other programs."""

PRINTED = "printed.txt"
"""File in {out} that holds what the commands print."""


class RunFailed(Exception):
    """A run ended without a result."""


def play(command: str, out: Path, data: Path, cpu_seconds: int) -> float:
    """Play the commands of a run; its CPU seconds.

    Args:
        command: Commands, one a line.
        out: Empty folder for {out}.
        data: Folder for {data}.
        cpu_seconds: Limit of the whole run.

    Raises:
        RunFailed: A command failed, or the run passed its limit.
    """
    began = _children_seconds()
    for line in command.splitlines():
        words = [word.replace("{out}", str(out)) for word in shlex.split(line)]
        words = [word.replace("{data}", str(data)) for word in words]
        left = cpu_seconds - (_children_seconds() - began)
        _play_line([*PROGRAMS[words[0]], *words[1:]], out, max(1, math.ceil(left)))
        used = _children_seconds() - began
        if used > cpu_seconds:
            raise RunFailed(f"it took {used:.0f} CPU seconds; its limit is {cpu_seconds}")
    return _children_seconds() - began


def _play_line(words: list[str], out: Path, cpu_seconds: int) -> None:
    limited = ["sh", "-c", LIMITED, "sh", str(cpu_seconds), *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (out / PRINTED).open("a", encoding="utf-8") as printed:
        done = subprocess.run(
            limited, cwd=ROOT, env=env, stdout=printed, stderr=subprocess.PIPE, text=True
        )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[-1] if said else f"it ended with {done.returncode}"
        killed = f"; its limit is {cpu_seconds} CPU seconds" if done.returncode < 0 else ""
        raise RunFailed(f"{reason}{killed}")


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

"""`seqgan demo --out DIR`: an adversary on text and one on CartPole, and one page about both."""

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import Parser, prepare

SEEDS = (0, 1, 2, 3, 4)
"""Seeds of imitation: each draws the demonstration and everything else."""
TEXT = "train text --preset demo --threads 1 --out {out}/text"
EXPERT = "train expert --env CartPole-v1 --threads 1 --out {out}/expert"
EPISODE = "demos {out}/expert --episodes 1 --seed {seed} --out {out}/demos{seed}.npz"
IMITATE = (
    "train imitate --preset classic --env CartPole-v1 --demos {out}/demos{seed}.npz "
    "--subsample 10 --threads 1 --seed {seed} "
)
GAIL = IMITATE + "--paper gail --env_steps 100000 --out {out}/gail{seed}"
CLONING = IMITATE + "--paper bc --bc_steps 2000 --out {out}/bc{seed}"
POLL_SECONDS = 0.2
PACKAGE = "chitchat_dataset"


def run(words: Sequence[str]) -> None:
    """Train side by side what the page compares, then write the page."""
    parser = Parser(
        "seqgan demo",
        "Train SeqGAN on chat turns and, beside it, GAIL and behavioural cloning on one episode of "
        "CartPole, with five seeds and two controls; about five minutes on two cores. Ends with "
        "DIR/report.html. The chat turns are those of `pip install chitchat-dataset`.",
    )
    parser.add_argument("--out", metavar="DIR", default="runs/demo", help="New folder (runs/demo).")
    out = Path(parser.parse_args(words).out)
    from importlib.util import find_spec

    from image_core.runs.folder import check_unused
    from seqgan.commands.demo_page import read_findings, write_page

    check_unused(out)
    if find_spec(PACKAGE) is None:
        raise UserError("seqgan demo needs the chat turns of `pip install chitchat-dataset`")
    prepare()
    out.mkdir(parents=True)
    commands = planned(out)
    side_by_side(commands, out)
    found = read_findings(out, SEEDS)
    write_page(out, found, [line for lines in commands.values() for line in lines])
    print(f"{found.told()}\nThe page of this demo, to look at or to send: {out / 'report.html'}")


def planned(out: Path) -> dict[str, list[str]]:
    """Commands of each part, in their order; the parts need nothing of one another.

    Args:
        out: Folder of the demo.
    """
    imitation = [EXPERT.format(out=out)]
    for seed in SEEDS:
        imitation += [line.format(out=out, seed=seed) for line in (EPISODE, GAIL, CLONING)]
    return {"text": [TEXT.format(out=out)], "cartpole": imitation}


def side_by_side(commands: Mapping[str, Sequence[str]], out: Path) -> None:
    """Run the parts at the same time, each its commands in turn, and say how far they are.

    Args:
        commands: Words after `seqgan` of each part's commands.
        out: Folder of the parts' logs.

    Raises:
        UserError: A command failed; the others are stopped.
    """
    began = time.monotonic()
    waiting = {part: list(lines) for part, lines in commands.items()}
    going: dict[str, subprocess.Popen[bytes]] = {}

    def say(part: str, what: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {part:<8}  {what}", flush=True)

    try:
        while waiting:
            for part, lines in list(waiting.items()):
                log = out / f"{part}.log"
                if part in going and (code := going[part].poll()) is None:
                    continue
                if part in going and code:
                    raise UserError(f"a command of the demo ended with {code}; {log} says why")
                if lines:
                    say(part, f"seqgan {lines[0]}")
                    going[part] = _start(lines.pop(0), log)
                else:
                    say(part, "done")
                    del waiting[part]
            time.sleep(POLL_SECONDS)
    finally:
        for process in going.values():
            process.terminate()
            process.wait()


def _start(line: str, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as stream:
        stream.write(f"$ seqgan {line}\n".encode())
        stream.flush()
        words = [sys.executable, "-m", "seqgan", *shlex.split(line)]
        return subprocess.Popen(words, stdout=stream, stderr=stream)

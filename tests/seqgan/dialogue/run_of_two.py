"""One of two processes that play games and whole runs together, as a launcher starts them."""

import functools
from pathlib import Path

import torch

from image_core.adversarial import parallel
from seqgan.cli import main
from seqgan.dialogue import judging, report
from seqgan.dialogue import recipe as dialogue
from tests.seqgan.dialogue import one_of_two

KILLED = 1
"""Rounds after which a run of two is left; it was saved after each."""


class Killed(Exception):
    """In place of the power going out."""


def play(words: list[str], out: Path, rounds: int | None = None) -> None:
    """A run in a folder; with `rounds` it is left before that many were played."""
    evaluate = dialogue.DialogueRun.evaluate
    if rounds is not None:

        def leave(run: dialogue.DialogueRun) -> dict[str, float]:
            if run.engine.notes["phase_round"] > rounds:
                raise Killed
            return evaluate(run)

        dialogue.DialogueRun.evaluate = leave  # type: ignore[method-assign]
    try:
        assert main([*words, "--out", str(out)]) == 0
    except Killed:
        pass
    finally:
        dialogue.DialogueRun.evaluate = evaluate  # type: ignore[method-assign]


def with_adapters(folder: Path) -> None:
    """Runs of adapters on one model, which the processes share out, or which is whole."""
    dialogue.write_report = lambda run, seconds: None
    data, model = (str(folder / name) for name in ("talks.jsonl", "adapted"))
    words = ["train", "dialogue", "--preset", "tiny", "--data", data, "--model", model]
    words += ["--lora", "2", "--rounds", "2", "--mle_steps", "8"]
    play([*words, "--shard", "true"], folder / "adapters")
    play(words, folder / "whole_adapters")


def run(folder: Path) -> None:
    """A run of shared models, the same one left and gone on with, and one of whole models."""
    torch.set_num_threads(1)
    report.TEMPERATURES = (1.0,)
    judging.judge_accuracy = functools.partial(judging.judge_accuracy, epochs=1)
    data = str(folder / "talks.jsonl")
    words = [
        "train",
        "dialogue",
        "--preset",
        "tiny",
        "--data",
        data,
        "--rounds",
        "2",
        "--mle_steps",
        "8",
    ]
    words += ["--evaluate_every", "1", "--eval_samples", "40", "--discriminator", "step"]
    words += ["--credit_assignment", "every_token", "--baseline", "none", "--d_mle_steps", "4"]
    play([*words, "--shard", "true"], folder / "sharded")
    # Judges are trained by the first process alone
    play([*words, "--test", str(folder / "test.jsonl"), "--judge_seeds", "1"], folder / "whole")
    dialogue.write_report = lambda run, seconds: None  # the same once more
    play([*words, "--shard", "true"], folder / "left", KILLED)
    assert main(["resume", str(folder / "left")]) == 0
    if (folder / "adapted").exists():
        with_adapters(folder)
    one_of_two.find(parallel.world()[0], folder)

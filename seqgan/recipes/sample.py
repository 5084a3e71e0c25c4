"""Sentences of a trained run, on the terminal or in a file."""

import sys
from pathlib import Path

import torch

from image_core.adversarial.errors import UserError
from seqgan.recipes.run import write_text
from seqgan.recipes.sequence import SequenceRun


def write_samples(
    run: SequenceRun,
    *,
    count: int,
    temperature: float,
    seed: int,
    prompt: str | None,
    model: str,
    out: str | None,
) -> None:
    """Draw sentences and write one a line.

    Args:
        run: loaded from its checkpoint.
        count: how many.
        temperature: below 1 sharpens.
        seed: of the draws.
        prompt: words that every sentence begins with.
        model: "seqgan" or "mle".
        out: a file that does not exist yet; None prints.

    Raises:
        UserError: a value makes no sense, the prompt does not fit, or the file exists.
    """
    if count < 1:
        raise UserError(f"--n {count}: it must be at least 1")
    if not 0 < temperature < float("inf"):
        raise UserError(f"--temperature {temperature}: it must be above 0")
    if out is not None and Path(out).exists():
        raise UserError(f"--out {out} exists and nothing is overwritten; name another file")
    torch.manual_seed(seed)
    policy = {"seqgan": run.game.G, "mle": run.game.mle}[model].eval()
    given = None if prompt is None else run.encode_prompt(prompt)
    tokens = run.game.sample(count, policy=policy, temperature=temperature, prompt=given)
    text = "".join(run.decode(row) + "\n" for row in tokens.tolist())
    if out is None:
        sys.stdout.write(text)
    else:
        write_text(Path(out), text)

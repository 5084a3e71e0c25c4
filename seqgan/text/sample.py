"""Sampling of sentences from a trained run, to the terminal or a file."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.folder import write_text
from seqgan.text.run import SequenceRun

HOTTEST = 1000.0
"""Maximum temperature; far above it, even tokens that a policy never draws would be drawn."""


@dataclass(frozen=True)
class Draws:
    """Options of the samples to draw.

    Args:
        count: Number of sentences.
        temperature: Temperature; values below 1 sharpen the distribution.
        seed: Seed of the draws.
        prompt: Words that every sentence begins with; None for no prompt.
        model: Policy to sample from: "seqgan" for the adversarially trained one, or "mle".
        out: Path of a new file; None prints to the terminal.
    """

    count: int
    temperature: float
    seed: int
    prompt: str | None
    model: str
    out: str | None

    def check(self) -> None:
        """Refuse invalid values before a run is loaded.

        Raises:
            UserError: A value is invalid; the message names the option.
        """
        if self.count < 1:
            raise UserError(f"--n {self.count}: it must be at least 1")
        if not 0 < self.temperature <= HOTTEST:
            raise UserError(
                f"--temperature {self.temperature}: it must be above 0 and at most {HOTTEST:g}"
            )
        options.check_seed(self.seed)
        if self.out is not None and Path(self.out).exists():
            raise UserError(
                f"--out {self.out} exists and nothing is overwritten; name another file"
            )


def write_samples(run: SequenceRun, draws: Draws) -> None:
    """Draw sentences and write one per line.

    Args:
        run: Run that is loaded from its checkpoint.
        draws: Options of the samples.

    Raises:
        UserError: A value is invalid, the prompt cannot be used, or the file exists.
    """
    draws.check()
    torch.manual_seed(draws.seed)
    policy = {"seqgan": run.game.G, "mle": run.game.mle}[draws.model].eval()
    given = None if draws.prompt is None else run.encode_prompt(draws.prompt)
    tokens = run.game.sample(
        draws.count, policy=policy, temperature=draws.temperature, never=run.never, prompt=given
    )
    text = "".join(run.decode(row) + "\n" for row in tokens.tolist())
    if draws.out is None:
        sys.stdout.write(text)
    else:
        write_text(Path(draws.out), text)

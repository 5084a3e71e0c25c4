"""Sentences of a trained run, on the terminal or in a file."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.folder import write_text
from seqgan.text.run import SequenceRun

HOTTEST = 1000.0
"""Above any use; far above it even the tokens a policy never draws would be drawn."""


@dataclass(frozen=True)
class Draws:
    """What to draw.

    Args:
        count: how many sentences.
        temperature: below 1 sharpens.
        seed: of the draws.
        prompt: words that every sentence begins with.
        model: "seqgan" or "mle".
        out: a file that does not exist yet; None prints.
    """

    count: int
    temperature: float
    seed: int
    prompt: str | None
    model: str
    out: str | None

    def check(self) -> None:
        """Refuse what makes no sense, before a run is loaded for it.

        Raises:
            UserError: names the option.
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
    """Draw sentences and write one a line.

    Args:
        run: loaded from its checkpoint.
        draws: what to draw.

    Raises:
        UserError: a value makes no sense, the prompt does not fit, or the file exists.
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

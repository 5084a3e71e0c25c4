"""Samples of a trained image run, as one picture."""

from dataclasses import dataclass
from pathlib import Path

import torch

from image_core.adversarial.errors import UserError
from image_core.recipes.image.recipe import Run
from image_core.runs import options
from image_core.runs.image_grid import to_colours, write_image_grid


@dataclass(frozen=True)
class SampleSheet:
    """What to draw.

    Args:
        count: Number of images.
        seed: Seed of the draws.
        out: Name of a .png that does not exist yet.
    """

    count: int
    seed: int
    out: str

    def check(self) -> None:
        """Refuse what makes no sense, before a run is loaded for it.

        Raises:
            UserError: Names the option.
        """
        if not 1 <= self.count <= 1024:
            raise UserError(f"--n {self.count}: it must be at least 1 and at most 1024")
        options.check_seed(self.seed)
        if Path(self.out).suffix.lower() != ".png":
            raise UserError(f"--out {self.out}: end the name in .png")
        if Path(self.out).exists():
            raise UserError(
                f"--out {self.out} exists and nothing is overwritten; name another file"
            )


def write_sheet(run: Run, sheet: SampleSheet) -> None:
    """Draw samples and write one PNG.

    Args:
        run: A run, loaded from its checkpoint.
        sheet: What to draw.

    Raises:
        UserError: The file cannot be written.
    """
    torch.manual_seed(sheet.seed)
    write_image_grid(to_colours(run.draw(sheet.count)), Path(sheet.out))

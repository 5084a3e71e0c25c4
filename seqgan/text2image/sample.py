"""Pictures of a trained run: sentences under the same noise, and between two sentences."""

from dataclasses import dataclass
from pathlib import Path

import torch

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.image_grid import to_colours, write_image_grid
from seqgan.text2image.encoders import EncodedSentences
from seqgan.text2image.recipe import Text2ImageRun


@dataclass(frozen=True)
class PictureSheet:
    """What to draw.

    Args:
        prompts: Sentences, a row of pictures each.
        count: Pictures of a row; those of one column have the same noise.
        between: Number of rows between two sentences.
        seed: Seed of the noise.
        out: Name of a .png that does not exist yet.
    """

    prompts: tuple[str, ...]
    count: int
    between: int
    seed: int
    out: str

    def check(self) -> None:
        """Refuse what makes no sense, before a run is loaded for it.

        Raises:
            UserError: An option makes no sense.
        """
        if not self.prompts:
            raise UserError('name what to draw, as in --prompt "a small red circle on blue"')
        if not 1 <= self.count <= 64:
            raise UserError(f"--n {self.count}: it must be at least 1 and at most 64")
        if not 0 <= self.between <= 64:
            raise UserError(f"--between {self.between}: it must be at least 0 and at most 64")
        if self.between and len(self.prompts) != 2:
            raise UserError(
                f"--between {self.between} is for two sentences; give --prompt twice, not "
                f"{len(self.prompts)} times"
            )
        options.check_seed(self.seed)
        if Path(self.out).suffix.lower() != ".png":
            raise UserError(f"--out {self.out}: end the name in .png")
        if Path(self.out).exists():
            raise UserError(
                f"--out {self.out} exists and nothing is overwritten; name another file"
            )


def write_drawing(run: Text2ImageRun, drawing: PictureSheet) -> None:
    """Draw sentences and write one PNG, a row a sentence with the sentence above it.

    Args:
        run: Run, loaded from its checkpoint.
        drawing: What to draw.

    Raises:
        UserError: A sentence cannot be understood, or the file cannot be written.
    """
    for prompt in drawing.prompts:
        run.encoder.check("--prompt", prompt)
    text, names = run.encode(drawing.prompts), list(drawing.prompts)
    if drawing.between:
        text = between(text, drawing.between)
        count = drawing.between + 1
        middle = [f"{round(100 * i / count)} % of the way" for i in range(1, count)]
        names = [names[0], *middle, names[1]]
    # One seed a row: noise and condition of a column are the same under every sentence
    own = [torch.full((drawing.count,), i, device=text.mask.device) for i in range(len(names))]
    images = to_colours(torch.cat([run.draw(text.pick(row), seed=drawing.seed) for row in own]))
    write_image_grid(images, Path(drawing.out), columns=drawing.count, titles=names)
    print(drawing.out)


def between(ends: EncodedSentences, count: int) -> EncodedSentences:
    """Two sentences and some on the straight line between.

    The words of both are there all the way, and count as much as their sentence does.

    Args:
        ends: Two sentences.
        count: Number of sentences between.
    """
    share = torch.linspace(0, 1, count + 2, device=ends.sentence.device)[:, None]
    line = torch.lerp(ends.sentence[:1], ends.sentence[1:], share)
    words = ends.words.flatten(0, 1).expand(len(share), -1, -1)
    counts = [(1 - share) * ends.mask[0], share * ends.mask[1]]
    return EncodedSentences(line, words, torch.cat(counts, 1))

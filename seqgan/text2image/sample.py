"""Pictures of a trained run on the disk: sentences under the same noise, and between two."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.folder import write_text
from image_core.runs.picture_files import check_new, write_gif, write_pictures
from seqgan.text2image.loaded import LoadedPictures


@dataclass(frozen=True)
class PictureSheet:
    """What to draw.

    Args:
        prompts: Sentences, a row of pictures each.
        count: Pictures of a row; those of one column have the same noise.
        between: Number of rows between two sentences.
        seed: Seed of the noise.
        out: Name of a .png or of a folder that does not exist yet; None draws no rows.
        gif: Name of a .gif that does not exist yet, for a walk; None for no walk.
        frames: Number of pictures of the walk.
    """

    prompts: tuple[str, ...]
    count: int
    between: int
    seed: int
    out: str | None
    gif: str | None = None
    frames: int = 60

    def check(self) -> None:
        """Refuse what makes no sense, before a run is loaded for it.

        Raises:
            UserError: An option makes no sense.
        """
        if not self.prompts:
            raise UserError('name what to draw, as in --prompt "a small red circle on blue"')
        grid = self.out is not None and Path(self.out).suffix != ""
        if not 1 <= self.count <= (64 if grid else 1 << 20):
            raise UserError(
                f"--n {self.count}: it must be at least 1, and at most 64 in a grid; name a folder "
                "by --out for more"
            )
        if not 0 <= self.between <= 64:
            raise UserError(f"--between {self.between}: it must be at least 0 and at most 64")
        if self.between and len(self.prompts) != 2:
            raise UserError(
                f"--between {self.between} is for two sentences; give --prompt twice, not "
                f"{len(self.prompts)} times"
            )
        options.check_seed(self.seed)
        if self.out is not None:
            check_new("out", self.out, ".png", "")
        if self.gif is not None:
            check_new("gif", self.gif, ".gif")
            if len(self.prompts) > 2 or self.frames < 4:
                raise UserError(
                    f"--gif {self.gif}: it takes one --prompt or two, and at least 4 --frames"
                )


def write_drawing(loaded: LoadedPictures, sheet: PictureSheet) -> None:
    """Draw sentences and write what is asked for.

    A grid has a row a sentence with the sentence above it; a folder has a PNG a picture and a table
    of captions that `train text2image` reads.

    Args:
        loaded: A trained run.
        sheet: What to draw.

    Raises:
        UserError: A sentence cannot be understood, or a file cannot be written.
    """
    if sheet.gif is not None:
        write_gif(loaded.walk(sheet.frames, sheet.prompts, seed=sheet.seed), Path(sheet.gif))
        print(sheet.gif)
    if sheet.out is None:
        return
    names = list(sheet.prompts)
    if sheet.between:
        count = sheet.between + 1
        middle = [f"{round(100 * i / count)} % of the way" for i in range(1, count)]
        names = [names[0], *middle, names[1]]
    images = loaded.sample(sheet.prompts, sheet.count, between=sheet.between, seed=sheet.seed)
    out = Path(sheet.out)
    files = write_pictures(images, out, columns=sheet.count, titles=names)
    if files:
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["file", "caption"])
        rows.writerows((file, names[i // sheet.count]) for i, file in enumerate(files))
        write_text(out / "captions.csv", table.getvalue())
    print(sheet.out)

"""Samples of a trained image run on the disk: a grid, single pictures, a walk as an animation."""

from dataclasses import dataclass
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.metrics.attributes import slant
from image_core.recipes.image.conditions import Condition
from image_core.recipes.image.loaded import (
    TURNS,
    Attribute,
    LoadedImages,
    check_settings,
)
from image_core.runs import options, outside
from image_core.runs.picture_files import check_new, write_gif, write_pictures

IN_GRID = 1024
"""Most images of a grid."""


@dataclass(frozen=True)
class SampleSheet:
    """What to draw.

    Args:
        count: Number of images, of each label where there are labels.
        seed: Seed of the draws.
        out: Name of a .png or of a folder that does not exist yet; None draws no samples.
        labels: Names of classes; empty takes the run's in turn.
        truncation: Bound of the latents; None for none.
        rescore: Candidates of each image.
        gif: Name of a .gif that does not exist yet, for a walk; None for no walk.
        frames: Number of images of the walk.
        turn: Attribute of a turn vector, slant or a function module:name; None draws samples.
        condition: Classifier module:name that the samples are to meet; None for the run's own.
    """

    count: int
    seed: int
    out: str | None
    labels: tuple[str, ...] = ()
    truncation: float | None = None
    rescore: int = 1
    gif: str | None = None
    frames: int = 60
    turn: str | None = None
    condition: str | None = None

    def check(self) -> None:
        """Refuse what makes no sense, before a run is loaded for it.

        Raises:
            UserError: Names the option.
        """
        check_settings(self.count, self.truncation, rescore=self.rescore)
        options.check_seed(self.seed)
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"--labels {','.join(self.labels)}: name each class once")
        if self.out is not None:
            check_new("out", self.out, ".png", "")
            if Path(self.out).suffix and self.count * max(1, len(self.labels)) > IN_GRID:
                raise UserError(
                    f"--n {self.count}: a grid holds at most {IN_GRID} images; name a folder by "
                    "--out for more"
                )
        if self.turn is not None:
            if self.truncation is not None or self.rescore > 1 or len(self.labels) > 1:
                raise UserError(
                    f"--turn {self.turn}: its rows are of one class, neither truncated nor "
                    "rescored; leave --truncation and --rescore out, and name one class at most"
                )
            if self.turn != "slant" and not outside.is_outside(self.turn):
                raise UserError(f"--turn {self.turn}: choose slant, or a function module:name")
        if self.condition is not None:
            if self.turn is not None or self.gif is not None:
                raise UserError(
                    f"--condition {self.condition}: it is of samples; leave --turn and --gif out"
                )
            if not outside.is_outside(self.condition):
                raise UserError(
                    f"--condition {self.condition}: name a classifier module:name, images in "
                    "[0, 1] -> logits"
                )
        if self.gif is not None:
            check_new("gif", self.gif, ".gif")
            if self.frames < 4:
                raise UserError(f"--frames {self.frames}: it must be at least 4")
            if len(self.labels) > 1:
                raise UserError(
                    f"--labels {','.join(self.labels)}: a walk is of one class; name one"
                )


def write_sheet(loaded: LoadedImages, sheet: SampleSheet) -> None:
    """Draw what is asked for and write it.

    Args:
        loaded: A trained run.
        sheet: What to draw.

    Raises:
        UserError: The run has no such class, or a file cannot be written.
    """
    if sheet.gif is not None:
        frames = loaded.walk(
            sheet.frames,
            label=sheet.labels[0] if sheet.labels else None,
            truncation=sheet.truncation,
            seed=sheet.seed,
        )
        write_gif(frames, Path(sheet.gif))
        print(sheet.gif)
    if sheet.out is not None and sheet.turn is not None:
        label = sheet.labels[0] if sheet.labels else None
        found = loaded.turn(_attribute(sheet.turn), sheet.count, label=label, seed=sheet.seed)
        write_pictures(found, Path(sheet.out), columns=len(TURNS))
        print(sheet.out)
        return
    if sheet.out is not None:
        images = loaded.sample(
            sheet.count,
            labels=sheet.labels,
            truncation=sheet.truncation,
            rescore=sheet.rescore,
            condition=_condition(sheet.condition),
            seed=sheet.seed,
        )
        columns = sheet.count if sheet.labels else 0
        titles = sheet.labels
        write_pictures(
            images, Path(sheet.out), columns=columns, titles=titles, folders=sheet.labels
        )
        print(sheet.out)


def _attribute(name: str) -> Attribute:
    """The attribute of --turn."""
    if name == "slant":
        return slant
    return outside.load_function("turn", name, "(images in [0, 1]) -> a number for each")


def _condition(name: str | None) -> Condition | None:
    """The classifier of --condition."""
    if name is None:
        return None
    return outside.load_function("condition", name, "(images in [0, 1]) -> logits")

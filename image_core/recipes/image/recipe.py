"""Image GANs: a paper's game, loss, penalty, norm and architecture, from one command."""

import functools
import sys

import torch
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet, Reading, read_images
from image_core.data.split import held_out
from image_core.games.common import ImageGame
from image_core.games.logit import LogitGame
from image_core.recipes.image import report as image_report
from image_core.recipes.image.build import image_data
from image_core.recipes.image.config import PAPERS as PAPERS
from image_core.recipes.image.config import PRESETS as PRESETS
from image_core.recipes.image.config import ImageOptions, LogitOptions
from image_core.recipes.image.report import ImageSubject
from image_core.runs import options, recipe
from image_core.runs.fingerprint import fingerprint
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine

HELD_OUT = 0.1
"""Share of the images of every class that is drawn to measure with."""


class Run(recipe.Run):
    """An image GAN.

    Args:
        config: Its options.
        data: Read in any case, for it says how large an image is.
    """

    recipe = "image"
    show = ("D/adversarial", "D/penalty", "D/e_real", "G/loss", "fd")
    movable = ("data", "labels")
    config: ImageOptions
    game: ImageGame

    def __init__(self, config: ImageOptions, *, data: bool = True):
        super().__init__(config)
        self.paper = PAPERS.load(config.paper)
        self.device = options.pick_device(config.device)
        self._read_images()
        self.game = self.paper.game(config, self.train_set).to(self.device)
        if config.channels_last:
            for weight in self.game.parameters():
                if weight.dim() == 4:
                    weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.engine = make_engine(
            self.game,
            self.paper.players(config),
            config.precision,
            source=self.paper.file,
            ema={"G": config.ema_decay} if config.ema_decay else {},
        )
        self.data = (self.paper.data or image_data)(config, self.train_set)
        if isinstance(config, LogitOptions) and config.compile:
            assert isinstance(self.game, LogitGame)
            self.game.compile_steps()

    def phases(self) -> list[Phase]:
        """The paper's phases; the game's own rounds where it has none."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        return [self.adversarial_phase()]

    def adversarial_phase(self) -> Phase:
        """The game's own rounds."""
        c = self.config
        return Phase("adversarial", None, c.rounds, self._look, c.evaluate_every)

    def data_fingerprint(self) -> int:
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> int:
        return fingerprint([self.train_set.images, self.test_set.images])

    def data_source(self) -> str:
        return f"--data {self.config.data}"

    def sampler(self) -> nn.Module:
        """The averaged generator, or the generator where none is kept."""
        return self.engine.ema["G"].module if self.config.ema_decay else self.game.G

    def draw(self, count: int) -> Tensor:
        """Images that the sampler makes, in [-1, 1]."""
        return self.game.sample(count, generator=self.sampler()).cpu()

    def report(self, cpu_seconds: float | None = None) -> None:
        image_report.write_report(self.subject(), cpu_seconds)

    def subject(self) -> ImageSubject:
        """What of the run its report measures, as it now is."""
        return ImageSubject(
            config=self.config,
            title=self.paper.title,
            folder=self.folder,
            train_set=self.train_set,
            test_set=self.test_set,
            fingerprint=self.data_fingerprint(),
            device=self.device,
            game=self.game,
            sampler=self.sampler(),
            draw=self.draw,
            rounds=self.engine.round,
            steps=self.engine.steps,
        )

    def _read_images(self) -> None:
        """The images to learn from and those to measure with.

        Raises:
            UserError: They are too few, or --extractor needs labels that they have not.
        """
        c = self.config
        how = Reading(size=c.size, channels=c.channels, strict=c.strict, labels=c.labels)
        every = read_images(c.data, how)
        if c.test is None:
            labels = None if every.labels is None else every.labels.tolist()
            held = held_out(len(every.images), HELD_OUT, c.split_seed, labels=labels)
            kept = torch.ones(len(every.images), dtype=torch.bool)
            kept[held] = False
            self.train_set, self.test_set = every.pick(kept.nonzero()[:, 0]), every.pick(~kept)
        else:
            size, channels = every.images.shape[2], every.images.shape[1]
            same = Reading("--test", size=size, channels=channels, strict=c.strict)
            self.train_set, self.test_set = every, read_images(c.test, same)
        if len(self.test_set.images) < 10:
            raise UserError(
                f"--data {c.data} holds {len(every.images)} images; a tenth is kept to measure "
                "with, so give at least 100, or name a --test set of at least 10"
            )
        print(
            _counts("train", self.train_set),
            _counts("test", self.test_set),
            sep="; ",
            file=sys.stderr,
        )
        if c.extractor == "clf" and every.labels is None:
            raise UserError("--extractor clf is trained on labels; use pixels or efflite0")

    def _look(self) -> dict[str, float]:
        """A grid of samples, and a Frechet distance of few of them: a cheap alarm."""
        return image_report.look(self.subject())


def _counts(role: str, images: ImageSet) -> str:
    """Number of images of a set, and the least and most of a class."""
    if images.labels is None:
        return f"{role}: {len(images.images)} images"
    found = images.labels.bincount(minlength=len(images.names))
    span = f"{int(found.min())} to {int(found.max())}"
    return f"{role}: {len(images.images)} images, {span} of each of {len(found)} classes"

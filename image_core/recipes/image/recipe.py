"""Image GANs: a paper's game, loss, penalty, norm and architecture, from one command."""

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.data.images import Reading
from image_core.games.common import ImageGame
from image_core.games.logit import LogitGame
from image_core.recipes.image import report as image_report
from image_core.recipes.image.build import image_data, limits
from image_core.recipes.image.config import PAPERS as PAPERS
from image_core.recipes.image.config import PRESETS as PRESETS
from image_core.recipes.image.config import ImageOptions, LogitOptions
from image_core.recipes.image.data import ImageForm, Sets, form_of, read_sets
from image_core.recipes.image.measure import Ruler, RulerOptions, ruler
from image_core.recipes.image.report import ImageSubject
from image_core.runs import options, recipe
from image_core.runs.fingerprint import fingerprint
from image_core.runs.form import read_form
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine


class Run(recipe.Run):
    """An image GAN.

    Args:
        config: Its options.
        data: Whether the images are read; to draw, their form in the run's folder is enough.

    Raises:
        UserError: The extractor needs labels that the data do not have.
    """

    recipe = "image"
    show = ("D/adversarial", "D/penalty", "D/e_real", "G/loss", "fd", "d_auc")
    movable = ("data", "labels", "valid", "test")
    config: ImageOptions
    game: ImageGame

    def __init__(self, config: ImageOptions, *, data: bool = True):
        super().__init__(config, data=data)
        self.paper = PAPERS.load(config.paper)
        self.device = options.pick_device(config.device)
        if data:
            self.sets = self._read_sets()
            if config.extractor == "clf" and self.sets.train.labels is None:
                raise UserError("--extractor clf is trained on labels; use pixels or efflite0")
            self.form, images = form_of(self.sets.train), self.sets.train
        else:
            self.form = ImageForm(**read_form(self.folder.folder))
            images = self.form.stand_in()
        self.game = self.paper.game(config, images).to(self.device)
        if config.channels_last:
            for weight in self.game.parameters():
                if weight.dim() == 4:
                    weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.engine = make_engine(
            self.game,
            self.paper.players(config),
            config.precision,
            source=self.paper.file,
            shard=config.shard,
            ema={"G": config.ema_decay} if config.ema_decay else {},
        )
        if data:
            self.data = (self.paper.data or image_data)(config, self.sets.train)
        if isinstance(config, LogitOptions) and config.compile:
            assert isinstance(self.game, LogitGame)
            options.check_compiler(self.device)
            self.game.compile_steps()

    def data_form(self) -> Mapping[str, Any]:
        return self.form._asdict()

    def phases(self) -> list[Phase]:
        """The paper's phases; the game's own rounds where it has none."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        return [self.adversarial_phase()]

    def adversarial_phase(self) -> Phase:
        """The game's own rounds."""
        c = self.config
        return Phase(
            "adversarial",
            None,
            c.rounds,
            self._look,
            c.evaluate_every,
            limits=limits(c, self.game),
        )

    def data_fingerprint(self) -> int:
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> int:
        return fingerprint([images.images for images in self.sets[:3]])

    def data_source(self) -> str:
        return f"--data {self.config.data}"

    def sampler(self) -> nn.Module:
        """The averaged generator, or the generator where none is kept."""
        return self.engine.ema["G"].module if self.config.ema_decay else self.game.G

    def draw(self, count: int) -> Tensor:
        """Images that the sampler makes, cut to [-1, 1] as in a file; not all nets end in tanh."""
        return self.game.sample(count, generator=self.sampler()).clamp_(-1, 1).cpu()

    def report(self, cpu_seconds: float | None = None) -> None:
        image_report.write_report(self.subject(), cpu_seconds)

    def subject(self) -> ImageSubject:
        """What of the run its report measures, as it now is."""
        return ImageSubject(
            config=self.config,
            title=self.paper.title,
            folder=self.folder,
            sets=self.sets,
            ruler=self.ruler,
            device=self.device,
            game=self.game,
            sampler=self.sampler(),
            draw=self.draw,
            alarms=self.engine.notes.get("alarms", []),
            rounds=self.engine.round,
            steps=self.engine.steps,
        )

    def ruler(self) -> Ruler:
        """What scores are made with."""
        c = self.config
        by = RulerOptions(c.extractor, c.eval_samples, c.inception)
        return ruler(by, self.sets, self._fingerprint, self.device)

    def _read_sets(self) -> Sets:
        c = self.config
        how = Reading(size=c.size, channels=c.channels, strict=c.strict, labels=c.labels, fit=c.fit)
        return read_sets(c.data, how, valid=c.valid, test=c.test, seed=c.split_seed)

    def _look(self) -> dict[str, float]:
        """A grid of samples, a Frechet distance of few of them, and the discriminator's quality."""
        return image_report.look(self.subject())

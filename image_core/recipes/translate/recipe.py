"""Translation of pictures: two domains and a paper's game, from one command."""

import functools
from collections.abc import Mapping
from typing import Any

from image_core.games.translation import DomainGame
from image_core.recipes.translate import report as translate_report
from image_core.recipes.translate.build import domain_data, limits, source_of
from image_core.recipes.translate.config import PAPERS as PAPERS
from image_core.recipes.translate.config import PRESETS as PRESETS
from image_core.recipes.translate.config import TranslateOptions
from image_core.recipes.translate.data import DomainForm, DomainSets, form_of, read_sets
from image_core.recipes.translate.measure import DomainRuler
from image_core.recipes.translate.translated import TranslateSubject
from image_core.runs import options, recipe
from image_core.runs.fingerprint import fingerprint
from image_core.runs.form import read_form
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine


class Run(recipe.Run):
    """A system that translates pictures.

    Args:
        config: Its options.
        data: Whether the pictures are read; to translate, their form in the run's folder is enough.
    """

    recipe = "translate"
    show = (
        "G/loss",
        "D/loss",
        "DB/loss",
        "C/loss",
        "l1",
        "accuracy",
        "edited_accuracy",
        "test_accuracy",
        "fd",
        "d_auc",
    )
    movable = ("data", "a", "b", "pairs", "valid", "test")
    config: TranslateOptions
    game: DomainGame
    sets: DomainSets

    def __init__(self, config: TranslateOptions, *, data: bool = True):
        super().__init__(config, data=data)
        self.paper = PAPERS.load(config.paper)
        self.device = options.pick_device(config.device)
        if data:
            self.sets = read_sets(source_of(config))
            self.form, domains = form_of(self.sets.train), self.sets.train
        else:
            self.form = DomainForm(*read_form(self.folder.folder).values())
            domains = self.form.stand_in()
        self.game = self.paper.game(config, domains).to(self.device)
        self.engine = make_engine(
            self.game,
            self.paper.players(config),
            config.precision,
            source=self.paper.file,
            shard=config.shard,
        )
        if data:
            self.data = (self.paper.data or domain_data)(config, domains)
        if config.compile:
            self.game.compile_nets()
            options.check_compiler(self.device)

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
        return Phase("adversarial", None, c.rounds, self.look, c.evaluate_every, limits=limits(c))

    def data_fingerprint(self) -> int:
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> int:
        return fingerprint([s.images for sets in self.sets[:3] for s in (sets.a, sets.b)])

    def data_source(self) -> str:
        return source_of(self.config).told()

    def look(self) -> dict[str, float]:
        """Grids of translations, scores of few of them, and the discriminators' quality."""
        return translate_report.look(self.subject())

    def report(self, cpu_seconds: float | None = None) -> None:
        translate_report.write_report(self.subject(), cpu_seconds)

    def subject(self) -> TranslateSubject:
        """What of the run its report measures, as it now is."""
        return TranslateSubject(
            config=self.config,
            title=self.paper.title,
            folder=self.folder,
            sets=self.sets,
            ruler=self.ruler,
            game=self.game,
            alarms=self.engine.notes.get("alarms", []),
            rounds=self.engine.round,
            steps=self.engine.steps,
        )

    @functools.cache  # noqa: B019  a run lives as long as its process works on it
    def ruler(self, name: str) -> DomainRuler:
        """What scores of pictures in the place of those of a domain are made with.

        Args:
            name: Name of the domain, a or b.
        """
        return DomainRuler(self.config.extractor, self.sets.train.of(name), self.device)

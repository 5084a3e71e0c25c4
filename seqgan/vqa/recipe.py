"""Visual question answering from one command: toy scenes, a game, and rivals beside it."""

import functools
import sys
from dataclasses import asdict

import torch

from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS
from image_core.adversarial.game import Turn
from image_core.adversarial.sharding import copy_weights
from image_core.runs import options, plots, recipe
from image_core.runs.batches import Batches
from image_core.runs.fingerprint import fingerprint
from image_core.runs.image_grid import Sheet
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine
from image_core.runs.run_page import told_facts, write_page
from image_core.runs.table import print_table
from seqgan.vqa.config import PAPERS as PAPERS
from seqgan.vqa.config import PRESETS as PRESETS
from seqgan.vqa.config import VqaOptions
from seqgan.vqa.data import Asked, AskedSets, deal
from seqgan.vqa.game import QuestionGame
from seqgan.vqa.measures import curves, discrimination, rows
from seqgan.vqa.questions import ANSWERS, WORDS

CURVES = ("accuracy", "mle_accuracy", "tv", "mle_tv", "G/reward", "D/loss", "D/accuracy", "d_auc")
LOOKED = 500
"""Most questions that the log measures with."""
SHOWN = 24
"""Pictures of the sheet, each under its question and answers."""


class Run(recipe.Run):
    """A system that answers questions about pictures.

    Args:
        config: Its options.
        data: Whether the scenes are drawn; to answer, the options are enough.
    """

    recipe = "vqa"
    show = ("G/reward", "D/loss", "accuracy", "mle_accuracy", "d_auc")
    config: VqaOptions
    game: QuestionGame
    sets: AskedSets

    def __init__(self, config: VqaOptions, *, data: bool = True):
        super().__init__(config, data=data)
        c, self.paper = config, PAPERS.load(config.paper)
        self.device = options.pick_device(c.device)
        self.game = self.paper.game(c).to(self.device)
        self.engine = make_engine(
            self.game,
            self.paper.players(c),
            c.precision,
            source=self.paper.file,
            shard=c.shard,
        )
        if data:
            self.sets = deal(c.questions, c.eval_samples, c.side, c.split_seed)
            self.data = Batches(self.sets.train.batch(), c.batch, seed=c.seed)

    def phases(self) -> list[Phase]:
        """The paper's phases; likelihood, the discriminator alone, and the game where it has none.

        The answerer begins the game with the weights of the one that learned by likelihood.
        """
        if self.paper.phases is not None:
            return self.paper.phases(self)
        c, game = self.config, self.game
        evaluate, every = self.look, c.evaluate_every
        limits = [DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS._replace(metric="d_accuracy")]

        def begin() -> None:
            copy_weights(game.rival, game.G)

        likelihood, alone = Turn("L", game.likelihood_move), Turn("D", game.discriminator_move)
        return [
            Phase("likelihood", [likelihood], c.mle_rounds, evaluate, every, leave=begin),
            Phase("discriminator", [alone], c.d_warmup_rounds),
            Phase("adversarial", None, c.rounds, evaluate, every, limits=limits),
        ]

    def data_fingerprint(self) -> int:
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> int:
        return fingerprint([column for own in self.sets[:3] for column in own])

    def data_source(self) -> str:
        return f"--questions {self.config.questions} --split_seed {self.config.split_seed}"

    def start(self) -> None:
        """Create the run's folder, and say what the parts hold."""
        super().start()
        print("\n".join(told_facts(self.sets.facts)), file=sys.stderr)

    def look(self) -> dict[str, float]:
        """Answers to validation questions, by likelihood too."""
        asked = self.sets.valid.rows(0, LOOKED)
        scored = rows(self.game, asked, self.paper.title)
        return {**curves(scored, self.paper.title), **self._judged(asked)}

    def _judged(self, asked: Asked) -> dict[str, float]:
        return discrimination(self.game, asked, self.config.seed + 2)

    def report(self, cpu_seconds: float | None = None) -> None:
        c, folder, asked = self.config, self.folder, self.sets.test
        scored = rows(self.game, asked, self.paper.title)
        table = {name: row.scores for name, row in scored.items()}
        ends = {name: {n: list(e) for n, e in row.ends.items()} for name, row in scored.items()}
        judged = self._judged(asked)
        folder.write_result(
            {
                "table": table,
                "intervals": {**ends, "over": "questions"},
                "kinds": {name: row.kinds for name, row in scored.items()},
                "objective": self.objective(),
                "discriminator": judged,
                "alarms": self.engine.notes.get("alarms", []),
                "data": self.sets.facts,
                "rounds": self.engine.round,
                "steps": self.engine.steps,
                "seed": c.seed,
                "config": asdict(c),
                "cpu_seconds": folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
                "versions": {"torch": torch.__version__},
            }
        )
        folder.samples.mkdir(parents=True, exist_ok=True)
        self._write_answers()
        folder.plots.mkdir(parents=True, exist_ok=True)
        plots.learning_curves(folder.log, folder.plots / "learning.png", CURVES)
        game = ", ".join(f"{name} {value}" for name, value in self.objective().items())
        what = f"{len(asked.words):,} held-out questions, one seed; {game}"
        write_page(
            folder.html,
            f"{self.paper.title} on toy shapes",
            facts=asdict(c),
            table=table,
            intervals=ends,
            notes=[
                f"{what}. accuracy: the likeliest answer is true; tv: total variation from even "
                "answers over all true ones; intervals are over questions.",
                "Discriminator on held-out answers: "
                + ", ".join(f"{name} {value:.3f}" for name, value in judged.items())
                + " (an AUC of 0.5 is chance).",
                *told_facts(self.sets.facts),
            ],
            pictures={
                "Pictures, questions, answers": folder.samples / "answers.png",
                "Curves of the log": folder.plots / "learning.png",
            },
        )
        print_table(f"{folder.folder}: {what}", table)

    def objective(self) -> dict[str, object]:
        """Loss, penalty and estimator, where the paper has them."""
        known = asdict(self.config)
        names = ("loss", "penalty", "estimator", "samples", "likelihood")
        return {name: known[name] for name in names if name in known and known[name] != ""}

    def _write_answers(self) -> None:
        asked = self.sets.test.rows(0, SHOWN)
        logits = self.game.logits(self.game.G, asked.batch())
        titles = [
            f"{' '.join(WORDS[w] for w in words if w)}? {ANSWERS[a]}"
            for words, a in zip(asked.words.tolist(), logits.argmax(1).tolist())
        ]
        Sheet(asked.pictures, titles, columns=2).write(self.folder.samples / "answers.png")

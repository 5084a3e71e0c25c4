"""IRGAN and its kind: items for users, documents for queries, answers for questions.

A start (softmax, bpr, dns, EASE or a model made elsewhere), then adversarial rounds. Validation
chooses how many of either; then both are played again on all training data, and the test set is
read once, beside the baselines and the start itself.
"""

import functools
import sys
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.adversarial.sharding import copy_weights, load_weights
from image_core.runs import options, recipe
from image_core.runs.batches import Batches
from image_core.runs.papers import Papers
from image_core.runs.phase import Phase, no_change
from image_core.runs.players import make_engine
from image_core.runs.run import Watch, play, unwatched
from seqgan.retrieval.build import item_task, read_task
from seqgan.retrieval.config import RetrievalOptions, RetrievalProblem
from seqgan.retrieval.evaluate import evaluate, means
from seqgan.retrieval.fitting import Fit, batches
from seqgan.retrieval.game import RetrievalGame
from seqgan.retrieval.kept import keep, kept
from seqgan.retrieval.report import START, RetrievalSubject, described, write_report
from seqgan.retrieval.scorers import FactorsOnPrior, MatrixFactorization, Scorer
from seqgan.retrieval.split import Split
from seqgan.retrieval.tasks import ItemTask, Sizes

SCALES = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Of EASE's scores, which are no logits: the most likely one is taken."""

PAPERS = Papers("seqgan.retrieval.papers", "irgan", shared=RetrievalOptions, own=RetrievalOptions)
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "large": {
        "scorer": "mf_ease",
        "dim": 50,
        "d_dim": 20,
        "pretrain_l2": 0.2,
        "kl_coef": 1.0,
    },
    "tiny": {
        "pretrain_epochs": 6,
        "rounds": 3,
        "dim": 4,
        "evaluate_every": 2,
        "d_steps": 1,
        "g_steps": 2,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}


class RetrievalRun(recipe.Run):
    """A run of the retrieval game.

    Args:
        config: Options of the run.
        data: False to rank with a trained run, without the files it learned from: a run on ratings
            has kept its pairs; documents and answers are read again.
    """

    recipe = "retrieve"
    show = ("ndcg@5", "map", "start/loss", "D/accuracy", "d_auc", "G/reward", "G/kl")
    movable = ("baselines",)
    config: RetrievalOptions
    game: RetrievalGame

    def __init__(self, config: RetrievalOptions, *, data: bool = True):
        super().__init__(config)
        self.paper = PAPERS.load(config.paper)
        c = config
        self.device = options.pick_device(c.device)
        own = kept(self.folder.folder) if c.task == "item" and not data else None
        self.task = read_task(c) if own is None else item_task(c, own)
        for split in self.task.splits:
            split.to(self.device)
        self.refits = self.task.train is not self.task.fit and self.paper.phases is None
        self.game = self._game(self.task.fit).to(self.device)
        self.engine = make_engine(
            self.game, self.paper.players(c), "no", source=self.paper.file, shard=c.shard
        )
        self._use(self.task.fit)

    def start(self) -> None:
        """Create the run's folder, and say what was understood of the data."""
        super().start()
        if isinstance(self.task, ItemTask):
            keep(self.task.data, self.folder.folder)
        print("\n".join(described(self.task)), file=sys.stderr)

    # -- what is trained -------------------------------------------------------------------------

    def new_scorer(self, dim: int | None = None) -> Scorer:
        """A scorer as the generator began, or of another length of vector."""
        c = self.config
        return self.task.scorer(str(c.scorer), c.sizes(dim)).to(self.device)

    def new_discriminator(self) -> Scorer:
        """The discriminator: of the generator's kind, without EASE."""
        c = self.config
        if c.scorer == "mf_ease":
            return self.task.scorer("mf", Sizes(dim=int(c.d_dim or 0))).to(self.device)
        return self.new_scorer(c.d_dim)

    def _game(self, split: Split) -> RetrievalGame:
        ranking = RetrievalProblem(self.new_scorer, self.new_discriminator, split)
        return self.paper.game(self.config, ranking)

    def _use(self, split: Split) -> None:
        """Learn from a training set from here on."""
        self.game.split = split
        for scorer in (self.game.G, self.game.start, self.game.selected, self.game.D):
            self.task.know(scorer, split)
        self.rows: Batches = batches(split, int(self.config.batch or 0), self.config.seed)

    def data(self, index: int) -> Any:
        """Rows of the training set in use."""
        return self.rows(index)

    def _begin_again(self, split: Split) -> None:
        """Everything as it was drawn at first, for a training set."""
        self._use(split)
        torch.manual_seed(self.config.seed)
        copy_weights(self._game(split), self.game)
        for optimizer in self.engine.optimizers.values():
            optimizer.state.clear()
        start = self.config.start_factors()
        if start is not None:
            self._load_start(self.game.G, start)
        self.game.keep_start()

    def _load_start(self, scorer: nn.Module, start: Mapping[str, Tensor]) -> None:
        assert isinstance(scorer, MatrixFactorization)
        size, dim = start["query"].shape[1], self.config.dim
        if size != dim:
            raise UserError(f"--start has vectors of {size}, but --dim is {dim}")
        load_weights(scorer, start)

    def _keep_start(self) -> None:
        """The start is complete: what stands on fixed scores is calibrated, and remembered."""
        scorer = self.game.G
        if isinstance(scorer, FactorsOnPrior):
            split = self.game.split
            batch = split.batch(torch.arange(len(split), device=self.device))
            with self.engine.whole():
                scorer.calibrate(SCALES, batch.queries, batch.owner, batch.column)
        self.game.keep_start()

    # -- phases ----------------------------------------------------------------------------------

    def phases(self) -> list[Phase]:
        """The paper's phases; where it has none, start and adversarial rounds.

        Validation chooses how long either is; then both are played once more on all data.
        """
        if self.paper.phases is not None:
            return self.paper.phases(self)
        first = [self.start_phase(), self.adversarial_phase()]
        if not self.refits:
            return first
        again = functools.partial(self._begin_again, self.task.train)
        on_all = self._start_turns(self.task.train)
        best = self.engine.notes.get("best", {})
        return [
            *first,
            Phase(
                "start on all", on_all, best.get("start", {}).get("round", 0),
                enter=again, leave=self._keep_start,
            ),
            Phase("adversarial on all", None, best.get("adversarial", {}).get("round", 0)),
        ]  # fmt: skip

    def start_phase(self) -> Phase:
        """Pretraining of the generator, until validation has not gained for `patience` looks."""
        c = self.config
        return Phase(
            "start",
            self._start_turns(self.task.fit),
            0 if c.pretrain == "none" else int(c.pretrain_epochs or 0),
            functools.partial(self.evaluate, "start"),
            int(c.evaluate_every or 1),
            enter=functools.partial(self._begin_again, self.task.fit),
            leave=functools.partial(self._leave, "start"),
            finished=self._impatient,
        )

    def adversarial_phase(self) -> Phase:
        """The game's own rounds; the start is round 0 of what is selected from."""
        selects = self.config.select != "last"
        return Phase(
            "adversarial",
            None,
            self.config.rounds,
            functools.partial(self.evaluate, "adversarial"),
            enter=functools.partial(self._first_look, "adversarial"),
            leave=functools.partial(self._leave, "adversarial") if selects else no_change,
            limits=(DISCRIMINATOR_WINS, DISCRIMINATOR_AT_CHANCE),
        )

    def _start_turns(self, split: Split) -> list[Turn]:
        c = self.config
        move = functools.partial(
            self.game.start_move,
            method=str(c.pretrain),
            l2=float(c.pretrain_l2 or 0),
        )
        steps = len(batches(split, int(c.batch or 0), c.seed))
        return [Turn("start", move, repeat=steps)]

    def train(self, watch: Watch = unwatched) -> None:
        """Choose; then play what was chosen on all data; then write the result, if it is wanted.

        Args:
            watch: Function called with each logged record; what it raises ends the training.
        """
        began = time.process_time()
        ended = self.engine.notes.get("phase") == len(self.phases())
        # What is chosen in the first two phases is how long the last two are
        stretches = [self.phases()[:2], None] if self.refits else [None]
        for stretch in stretches:
            play(
                self.engine,
                self.data,
                self.phases() if stretch is None else stretch,
                self.folder,
                save_seconds=self.config.save_seconds,
                show=self.show,
                track=self.config.track,
                diagnose=self.config.diagnose,
                watch=watch,
            )
        if self.config.report == "none":
            print(f"no report; `seqgan evaluate {self.config.out}` writes it", file=sys.stderr)
            return
        with self.engine.whole():
            self.report_once(None if ended else time.process_time() - began)

    def evaluate(self, phase: str) -> dict[str, float]:
        """Metrics of the generator on the set that selects, which keeps the best so far.

        Args:
            phase: Name of the phase that is evaluated.
        """
        c, notes = self.config, self.engine.notes
        split = self.task.valid or self.task.test
        values = means(
            evaluate(self.task.score(self.game.G, split), split, ties=c.ties, seed=c.seed)
        )
        if c.select != "last":
            best = notes.setdefault("best", {})
            value, done = values[c.select_metric], notes["phase_round"]
            if phase not in best or value > best[phase]["value"]:
                best[phase] = {"round": done, "value": value}
                copy_weights(self.game.G, self.game.selected)
        shown = ("p@5", "ndcg@5", "map", "mrr", c.select_metric)
        found = {name: values[name] for name in dict.fromkeys(shown)}
        if phase == "adversarial":
            found |= self.game.discrimination(split, c.seed)
        return found

    def _first_look(self, phase: str) -> None:
        with self.engine.whole():
            self.evaluate(phase)

    def _impatient(self) -> bool:
        c, notes = self.config, self.engine.notes
        if c.select == "last":
            return False
        since = notes["phase_round"] - notes["best"]["start"]["round"]
        return since >= c.patience * int(c.evaluate_every or 1)

    def _leave(self, phase: str) -> None:
        if self.config.select != "last" and phase in self.engine.notes.get("best", {}):
            copy_weights(self.game.selected, self.game.G)
        if phase == "start":
            self._keep_start()

    # -- the end ---------------------------------------------------------------------------------

    def resume(self) -> None:
        super().resume()
        self._use(self._split_in_use())

    def load(self) -> None:
        """Load the last checkpoint, to evaluate or to serve."""
        super().load()
        self._use(self._split_in_use())

    def _split_in_use(self) -> Split:
        again = self.refits and self.engine.notes.get("phase", 0) >= 2
        return self.task.train if again else self.task.fit

    def fitting(self) -> Fit:
        """How the table's trained baselines are fitted: as the start is."""
        c = self.config
        return Fit(
            method="softmax",
            epochs=int(c.pretrain_epochs or 0) or 240,
            lr=c.pretrain_lr,
            l2=float(c.pretrain_l2 or 0),
            batch=int(c.batch or 0),
            pool=c.pool,
            every=int(c.evaluate_every or 1),
            patience=c.patience,
            metric=c.select_metric,
            seed=c.seed,
        )

    def report(self, cpu_seconds: float | None = None) -> None:
        subject = RetrievalSubject(
            config=self.config,
            folder=self.folder,
            task=self.task,
            scorers=self.scorers(),
            trained=self.paper.title,
            new_scorer=self.new_scorer,
            fitting=self.fitting(),
            best=self.engine.notes.get("best", {}),
            discrimination=self.game.discrimination(self.task.test, self.config.seed),
            alarms=self.engine.notes.get("alarms", []),
            rounds=self.engine.round,
            steps=self.engine.steps,
        )
        write_report(subject, cpu_seconds)

    def scorers(self) -> Mapping[str, Scorer]:
        """The two rows of the run itself: the same generator without and with its adversary."""
        return {START: self.game.start, self.paper.title: self.game.G}

    def data_fingerprint(self) -> int:
        return self.task.fingerprint()

    def data_source(self) -> str:
        return f"--data {self.config.data}"


Run = RetrievalRun

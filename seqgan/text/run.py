"""What the oracle and the text recipe share: options, phases, policies and samples."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.discrimination import accuracy, auc
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.runs import options
from image_core.runs.batches import Batches
from image_core.runs.papers import Paper
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine
from image_core.runs.recipe import Run
from seqgan.lm.policies import SequencePolicy
from seqgan.metrics.collapse import limits_of
from seqgan.metrics.ngrams import Sentences
from seqgan.text.config import Sequences, SharedOptions
from seqgan.text.games.policy import PolicyGame


class SequenceRun(Run):
    """A run built the same way to train, resume, evaluate and sample.

    Args:
        config: its options.
        data: whether the data are read; sampling does without.
    """

    show = ("nll_oracle", "nll_test", "nll_valid", "mle/loss", "D/accuracy", "G/reward")
    movable = ("data", "valid", "test", "oracle")
    config: SharedOptions
    paper: Paper
    data: Batches
    has_data: bool
    game: PolicyGame
    never: Sequence[int] = ()
    """Ids that no sample that is measured or shown holds."""

    def build(self, sequences: Sequences) -> None:
        """The paper's game of these sequences, and its engine."""
        c = self.config
        device = options.pick_device(c.device)
        self.game = self.paper.game(c, sequences).to(device)
        if c.compile:
            if device.type != "cuda":
                raise UserError("--compile needs a CUDA device; leave it out on a CPU")
            self.game.D.compile(mode="reduce-overhead", fullgraph=True)
        players = self.paper.players(c)
        self.engine = make_engine(self.game, players, c.precision, source=self.paper.file)

    @abstractmethod
    def mle_phase(self) -> Phase:
        """Maximum likelihood."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Metrics of the policy as it is, for the log."""

    def phases(self) -> list[Phase]:
        """The paper's phases; maximum likelihood, warm-up, adversarial rounds where it has none."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        return [self.mle_phase(), self.warmup_phase(), self.adversarial_phase()]

    def warmup_phase(self) -> Phase:
        """The discriminator alone, for as many steps as the paper's options say."""
        c, game, engine = self.config, self.game, self.engine

        def move(batches: Iterator[Batch]) -> Iterator[Loss]:
            left = c.warmup_steps() - engine.steps["D"]
            return game.discriminator_steps(batches, min(c.d_steps, left))

        return Phase("warmup", [Turn("D", move)], -(-c.warmup_steps() // c.d_steps))

    def adversarial_phase(self) -> Phase:
        """The game's own rounds."""
        c = self.config
        return Phase(
            "adversarial",
            None,
            c.rounds,
            self.evaluate,
            c.evaluate_every,
            limits=() if c.alarms == "off" else limits_of(self.real_sentences()),
            stop=c.alarms == "stop",
        )

    @abstractmethod
    def real_sentences(self) -> Sentences:
        """Up to 1,000 real sentences, as the alarms compare samples with."""

    def load(self) -> None:
        """Load the last checkpoint, to sample or evaluate.

        Raises:
            UserError: there is none, or the data are not those the run began with.
        """
        if self.has_data:
            super().load()
        else:
            self.engine.load(self.folder.checkpoint)
        if "length" not in self.engine.notes:
            raise UserError(f"{self.folder.checkpoint} is of an older version; train it anew")
        self.game.length = self.engine.notes["length"]

    def _sign(self) -> None:
        super()._sign()
        self.engine.notes.setdefault("length", self.game.length)

    @abstractmethod
    def encode_prompt(self, prompt: str) -> Int64[Tensor, " P"]:
        """The tokens that samples are to begin with."""

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """A sample as text."""

    def policies(self) -> Mapping[str, SequencePolicy]:
        """The two policies every result compares."""
        return {"MLE": self.game.mle.eval(), self.paper.title: self.game.G.eval()}

    def draw(
        self, policy: SequencePolicy, count: int, temperature: float = 1.0, top_p: float = 1.0
    ) -> torch.Tensor:
        """Samples of one of the policies, in bounded pieces."""
        return self.game.sample(
            count, policy=policy, temperature=temperature, top_p=top_p, never=self.never
        )

    def discrimination(
        self, real: Int64[Tensor, "N T"], fake: Int64[Tensor, "M T"]
    ) -> dict[str, float]:
        """How well the discriminator tells whole held-out sequences from fresh samples."""
        d_real, d_fake = self.game.discriminate(real), self.game.discriminate(fake)
        return {
            "d_auc": float(auc(d_real, d_fake)),
            "d_accuracy": float(accuracy(d_real, d_fake)),
        }

    @abstractmethod
    def report(self, cpu_seconds: float | None = None, *, top_ps: Sequence[float] = ()) -> None:
        """Sweep the policies over temperature, and over top-p where asked; write the result."""

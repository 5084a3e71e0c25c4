"""Base of the oracle and text recipes: phases, policies, samples and checkpoints."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.discrimination import qualities
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.runs import options
from image_core.runs.paper import Paper
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine
from image_core.runs.recipe import Run
from seqgan.data.tokenizer import TextTokenizer
from seqgan.lm.policies import SequencePolicy
from seqgan.metrics.collapse import limits_of
from seqgan.metrics.ngrams import Sentences
from seqgan.text import controls
from seqgan.text.config import DiscriminatorOptions, Sequences, SharedOptions
from seqgan.text.games.generator import GeneratorGame, ScratchGame
from seqgan.text.games.policy import PolicyGame


class SequenceRun(Run):
    """A run that is built the same way to train, resume, evaluate and sample.

    Args:
        config: Options of the run.
        data: Whether the data are read; sampling does not need them.
    """

    show = ("nll_oracle", "nll_test", "nll_valid", "mle/loss", "D/accuracy", "G/reward")
    movable = ("data", "valid", "test", "oracle", "embeddings")
    config: SharedOptions
    paper: Paper
    data: Any
    """Batches as a function of their number, with a length; of a form that the paper reads."""
    game: GeneratorGame
    label_counts: Mapping[str, int] = MappingProxyType({})
    """Number of training sentences of each label; empty without labels."""
    never: Sequence[int] = ()
    """Ids that are never drawn in samples for evaluation or display."""

    def build(self, sequences: Sequences) -> None:
        """Build the paper's game on these sequences, and its engine.

        Raises:
            UserError: The options ask for what this device cannot do.
        """
        c = self.config
        device = options.pick_device(c.device)
        self.game = self.paper.game(c, sequences).to(device)
        if isinstance(c, DiscriminatorOptions) and c.compile:
            if device.type != "cuda":
                raise UserError("--compile needs a CUDA device; leave it out on a CPU")
            options.check_compiler(device)
            self.game.get_submodule("D").compile(mode="reduce-overhead", fullgraph=True)
        players = self.paper.players(c)
        self.engine = make_engine(
            self.game, players, c.precision, source=self.paper.file, shard=c.shard
        )

    @abstractmethod
    def mle_phase(self) -> Phase:
        """Return the phase of maximum likelihood."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Compute metrics of the current policy, for the log."""

    def phases(self) -> list[Phase]:
        """The paper's phases, or those of a control in its place."""
        return controls.controlled(self.config.control, self._phases(), self.game)

    def _phases(self) -> list[Phase]:
        """By default maximum likelihood, warm-up and adversarial rounds."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        if not isinstance(self.game, PolicyGame):
            return [self.mle_phase(), self.adversarial_phase()]
        return [self.mle_phase(), self.warmup_phase(), self.adversarial_phase()]

    def baseline_phase(self) -> Phase:
        """Maximum likelihood for the baseline, after which the policy starts from new weights."""
        phase, game = self.mle_phase(), self.game
        assert isinstance(game, ScratchGame)

        def leave() -> None:
            phase.leave()
            game.restart()

        return replace(phase, leave=leave)

    def warmup_phase(self) -> Phase:
        """Train only the discriminator, for the number of steps in the options."""
        c, game, engine = self.config, self.game, self.engine
        assert isinstance(c, DiscriminatorOptions)
        assert isinstance(game, PolicyGame)

        def move(batches: Iterator[Batch]) -> Iterator[Loss]:
            left = c.warmup_steps() - engine.steps["D"]
            return game.discriminator_steps(batches, min(c.d_steps, left))

        return Phase("warmup", [Turn("D", move)], -(-c.warmup_steps() // c.d_steps))

    def adversarial_phase(self) -> Phase:
        """Play the rounds of the game."""
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
        """Return up to 1,000 real sentences, with which the alarms compare samples."""

    def load(self) -> None:
        """Load the last checkpoint, for sampling or evaluation.

        Raises:
            UserError: There is no checkpoint, or the data differ from those at the start of the
                run.
        """
        super().load()
        if "length" not in self.engine.notes:
            raise UserError(f"{self.folder.checkpoint} is of an older version; train it anew")
        self.game.length = self.engine.notes["length"]

    def _sign(self) -> None:
        super()._sign()
        self.engine.notes.setdefault("length", self.game.length)

    @abstractmethod
    def encode_prompt(self, prompt: str, option: str = "prompt") -> Int64[Tensor, " P"]:
        """Encode the tokens that samples begin with, or others that an option names."""

    @abstractmethod
    def encode_sentences(self, sentences: Sequence[str]) -> Int64[Tensor, "N T"]:
        """Encode whole sentences, each with its end, at least as wide as the run's sequences."""

    @abstractmethod
    def text_tokenizer(self) -> TextTokenizer:
        """Return the tokenizer of text."""

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """Convert a sample to text."""

    def policies(self) -> Mapping[str, SequencePolicy]:
        """Return the two policies that every result compares."""
        return {"MLE": self.game.mle.eval(), self.paper.title: self.game.writer()}

    def draw(
        self, policy: SequencePolicy, count: int, temperature: float = 1.0, top_p: float = 1.0
    ) -> torch.Tensor:
        """Draw samples from one of the policies, in batches of bounded size."""
        return self.game.sample(
            count, policy=policy, temperature=temperature, top_p=top_p, never=self.never
        )

    def discrimination(
        self, real: Int64[Tensor, "N T"], fake: Int64[Tensor, "M T"]
    ) -> dict[str, float]:
        """AUC and accuracy of the discriminator on whole held-out sequences and new samples."""
        if self.config.control == "more_mle":
            return {}  # it has no discriminator that was trained
        d_real, d_fake = self.game.discriminate(real), self.game.discriminate(fake)
        if d_real is None or d_fake is None:
            return {}
        return qualities(d_real, d_fake, diagnose=self.config.diagnose)

    def quality(
        self, drawn: Mapping[str, Int64[Tensor, "M T"]], held_out: Int64[Tensor, "N T"], real: str
    ) -> dict[str, dict[str, float]]:
        """AUC and accuracy of the discriminator, against each model and against real sequences.

        The held-out sequences are drawn into two halves: one is the real side of every row, the
        other stands in the generator's place in the last row. Empty for a game without one.

        Args:
            drawn: Samples of each model.
            held_out: Real sequences that no player was trained on.
            real: Name of the row of real sequences.
        """
        order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))
        one, again = (held_out[part.to(held_out.device)] for part in order.chunk(2))
        rows = {**drawn, real: again} if len(held_out) > 1 else drawn
        found = {name: self.discrimination(one, fake) for name, fake in rows.items()}
        return {name: row for name, row in found.items() if row}

    def control_facts(self) -> tuple[list[str], str]:
        """Controls that the result table holds, and a sentence on them."""
        c = self.config
        swept = [controls.SWEPT] if c.report != "short" else []
        return swept, controls.told(c.control, c.controls(), bool(swept))

    @abstractmethod
    def report(self, cpu_seconds: float | None = None, *, top_ps: Sequence[float] = ()) -> None:
        """Sweep the policies over temperature, and over top-p if given, and write the result."""

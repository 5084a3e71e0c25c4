"""What the oracle and the text recipe share: options, phases, policies and samples."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.runs import options
from image_core.runs.batches import Batches
from image_core.runs.phase import Phase
from image_core.runs.recipe import Run
from seqgan.lm.policies import RecurrentPolicy, SequencePolicy
from seqgan.metrics.collapse import limits_of
from seqgan.metrics.ngrams import Sentences
from seqgan.text.config import SequenceConfig
from seqgan.text.games.policy import PolicyGame


class SequenceRun(Run):
    """A run built the same way to train, resume, evaluate and sample.

    Args:
        config: its options.
        data: whether the data are read; sampling does without.
    """

    show = ("nll_oracle", "nll_test", "nll_valid", "mle/loss", "D/accuracy", "G/reward")
    movable = ("data", "valid", "test", "oracle")
    config: SequenceConfig
    data: Batches
    has_data: bool
    game: PolicyGame

    def build(self, policy: RecurrentPolicy, length: int, real: Callable[[], Tensor]) -> None:
        """Game and engine around a policy of sequences of a length; `real` if they are needed."""
        c = self.config
        device = options.pick_device(c.device)
        self.game = c.paper.game(policy, length, real, c).to(device)
        if c.compile:
            if device.type != "cuda":
                raise UserError("--compile needs a CUDA device; leave it out on a CPU")
            self.game.D.compile(mode="reduce-overhead", fullgraph=True)
        rates = {"mle": c.mle_lr, "G": c.policy_lr, "D": c.critic_lr}
        clip = {"mle": c.clip, "G": c.clip}
        self.engine = options.make_engine(self.game, rates, clip, c.precision)

    @abstractmethod
    def mle_phase(self) -> Phase:
        """Maximum likelihood."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Metrics of the policy as it is, for the log."""

    def phases(self) -> list[Phase]:
        """Maximum likelihood, critic warm-up, adversarial rounds."""
        c = self.config
        return [
            self.mle_phase(),
            Phase("critic", [Turn("D", self.game.critic_move)], c.critic_rounds),
            Phase(
                "adversarial",
                None,
                c.rounds,
                self.evaluate,
                c.evaluate_every,
                limits=() if c.alarms == "off" else limits_of(self.real_sentences()),
                stop=c.alarms == "stop",
            ),
        ]

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
        return {"MLE": self.game.mle.eval(), self.config.paper.NAME: self.game.G.eval()}

    def draw(
        self, policy: SequencePolicy, count: int, temperature: float = 1.0, top_p: float = 1.0
    ) -> torch.Tensor:
        """Samples of one of the policies, in bounded pieces."""
        return self.game.sample(count, policy=policy, temperature=temperature, top_p=top_p)

    @abstractmethod
    def report(self, cpu_seconds: float | None = None, *, top_ps: Sequence[float] = ()) -> None:
        """Sweep the policies over temperature, and over top-p where asked; write the result."""

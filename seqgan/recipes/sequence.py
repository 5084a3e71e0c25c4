"""What the oracle and the text recipe share: options, phases, policies and samples."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.data import Batches
from seqgan.critics import SEQGAN_FILTERS, CNNCritic
from seqgan.games.sequence import SequenceGame, seqgan
from seqgan.policies import LSTMPolicy, SequencePolicy
from seqgan.recipes import options
from seqgan.recipes.base import Run, RunConfig
from seqgan.recipes.run import Phase

FILTERS = {
    "seqgan": SEQGAN_FILTERS,
    "small": ((1, 50), (2, 100), (3, 100), (4, 100), (5, 50), (6, 50), (8, 50), (10, 50)),
}
"""The released critic's filters, and a third of them (550 features)."""

TEMPERATURES = tuple(1 / a for a in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.6, 2.0))
"""Of the standard sweep: inverse temperatures from 1/2 to 2."""


@dataclass(kw_only=True)
class SequenceConfig(RunConfig):
    """Options of every sequence run.

    Args:
        batch: sequences of a step; a critic step takes half of them real, half generated.
        embedding: token vector of the policy.
        hidden: LSTM state of the policy.
        critic: filters of the critic: "seqgan" for the released ones, "small" for a third.
        critic_dropout: of the critic's features.
        critic_l2: of the critic's output layer.
        mle_epochs: most passes of maximum likelihood.
        mle_lr: Adam rate of maximum likelihood.
        critic_rounds: critic moves before the adversarial rounds.
        critic_epochs: passes over a critic move's negatives.
        negatives: sequences the policy draws for one critic move.
        critic_lr: Adam rate of the critic.
        rounds: adversarial rounds.
        policy_steps: policy steps a round.
        critic_steps: critic moves a round.
        samples: sequences of a policy step.
        rollouts: completions of each prefix of a sample; their mean verdict rewards its last token.
        policy_lr: Adam rate of the policy in adversarial rounds.
        clip: greatest gradient norm of the policy.
        loss: of the critic, see `seqgan list losses`.
        penalty: of the critic, as in r1=10 or r1=1,r2=1, see `seqgan list penalties`.
        estimator: of the policy's gradient: reinforce, importance, boundary_seeking or clipped, see
            `seqgan list estimators`.
        baseline: of reinforce: none, position_mean, leave_one_out or moving_average.
        reduction: of reinforce over batch and time: sum or mean.
        evaluate_every: rounds between evaluations.
        precision: no (float32) or bf16; in YAML write 'no' in quotes.
        compile: the critic's training step with torch.compile and CUDA graphs; needs a CUDA device.
    """

    batch: int = 64
    embedding: int = 32
    hidden: int = 32
    critic: str = "seqgan"
    critic_dropout: float = 0.25
    critic_l2: float = 0.2
    mle_epochs: int = 120
    mle_lr: float = 1e-2
    critic_rounds: int = 50
    critic_epochs: int = 3
    negatives: int = 10_000
    critic_lr: float = 1e-4
    rounds: int = 200
    policy_steps: int = 1
    critic_steps: int = 5
    samples: int = 64
    rollouts: int = 16
    policy_lr: float = 1e-2
    clip: float = 5.0
    loss: str = "non_saturating"
    penalty: str = ""
    estimator: str = "reinforce"
    baseline: str = "none"
    reduction: str = "sum"
    evaluate_every: int = 5
    precision: str = "no"
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = ("embedding", "hidden", "samples", "rollouts", "evaluate_every", "critic_epochs")
        options.check_least(self, 1, *counts)
        options.check_least(self, 1, "policy_steps", "critic_steps")
        options.check_least(self, 0, "mle_epochs", "critic_rounds", "rounds")
        options.check_least(self, 0, "critic_l2", "critic_dropout")
        options.check_least(self, 2, "batch")
        options.check_above_zero(self, "mle_lr", "policy_lr", "critic_lr", "clip")
        options.check_choice("critic", self.critic, tuple(FILTERS))
        options.check_choice("loss", self.loss, losses.__all__)
        options.check_choice("precision", self.precision, ("no", "bf16"))
        options.make_penalty(self.penalty)
        options.make_estimator(self.estimator, self.baseline, self.reduction)
        if not self.mle_epochs + self.critic_rounds + self.rounds:
            raise UserError("--mle_epochs, --critic_rounds and --rounds are all 0: nothing to do")
        if self.samples < 2 and self.baseline in ("position_mean", "leave_one_out"):
            raise UserError(f"--baseline {self.baseline} compares samples: --samples must be 2")
        if self.critic_dropout >= 1:
            raise UserError(f"--critic_dropout {self.critic_dropout}: it must be below 1")
        if self.negatives < self.batch // 2:
            raise UserError(
                f"--negatives {self.negatives} do not fill the generated half of a critic step, "
                f"{self.batch // 2} of --batch {self.batch}"
            )


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
    game: SequenceGame

    def build(self, policy: LSTMPolicy, length: int) -> None:
        """Game and engine around a policy of sequences of a length."""
        c = self.config
        critic = CNNCritic(
            policy.vocab,
            filters=FILTERS[c.critic],
            end=policy.end,
            dropout=c.critic_dropout,
            l2=c.critic_l2,
        )
        device = options.pick_device(c.device)
        if c.compile:
            if device.type != "cuda":
                raise UserError("--compile needs a CUDA device; leave it out on a CPU")
            critic.compile(mode="reduce-overhead", fullgraph=True)
        self.game = seqgan(
            policy,
            critic,
            length,
            rollouts=c.rollouts,
            estimator=options.make_estimator(c.estimator, c.baseline, c.reduction),
            loss=getattr(losses, c.loss),
            penalty=options.make_penalty(c.penalty),
            samples=c.samples,
            policy_steps=c.policy_steps,
            critic_steps=c.critic_steps,
            critic_epochs=c.critic_epochs,
            negatives=c.negatives,
        ).to(device)
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
            Phase("adversarial", None, c.rounds, self.evaluate, c.evaluate_every),
        ]

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
        return {"MLE": self.game.mle.eval(), "SeqGAN": self.game.G.eval()}

    def draw(self, policy: SequencePolicy, count: int, temperature: float = 1.0) -> torch.Tensor:
        """Samples of one of the policies, in bounded pieces."""
        return self.game.sample(count, policy=policy, temperature=temperature)

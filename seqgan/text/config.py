"""Options of every sequence run."""

from dataclasses import dataclass, fields
from importlib import import_module
from types import ModuleType
from typing import Any

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import Estimator
from image_core.runs import options
from image_core.runs.penalties import make_penalty
from image_core.runs.recipe import RunConfig
from seqgan.lm.policies import SequencePolicy
from seqgan.text import estimation
from seqgan.text.discriminators import SEQGAN_FILTERS, CNNCritic
from seqgan.text.papers import __all__ as NAMES

PAPERS = {name: f"seqgan.text.papers.{name}" for name in NAMES}
"""The module of each paper that --alias takes."""
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
        alias: the paper, see `seqgan list papers`. It brings defaults of its own.
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
        beta_max: inverse temperature of relgan's samples in the last policy step.
        loss: of the critic, see `seqgan list losses`.
        penalty: of the critic, as in r1=10 or r1=1,r2=1, see `seqgan list penalties`.
        estimator: of the policy's gradient: reinforce, importance (reads D/(1-D)), boundary_seeking
            (reads the logit of whole sequences) or clipped; of relgan's samples gumbel_softmax,
            gumbel_hard, straight_through or reinmax.
        baseline: of reinforce: none, position_mean, leave_one_out, moving_average, log_z or learned
            (a number a position).
        reduction: of reinforce over batch and time: sum or mean.
        evaluate_every: rounds between evaluations.
        alarms: what to do about signs of collapse (few different samples, low entropy of tokens, a
            critic that is right in over 98 % for three rounds): warn, stop or off.
        precision: no (float32) or bf16; in YAML write 'no' in quotes.
        compile: the critic's training step with torch.compile and CUDA graphs; needs a CUDA device.
    """

    alias: str = "seqgan"
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
    beta_max: float = 100.0
    loss: str = "non_saturating"
    penalty: str = ""
    estimator: str = "reinforce"
    baseline: str = "none"
    reduction: str = "sum"
    evaluate_every: int = 5
    alarms: str = "warn"
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
        options.check_above_zero(self, "mle_lr", "policy_lr", "critic_lr", "clip", "beta_max")
        options.check_choice("alias", self.alias, tuple(PAPERS))
        for name, value in self.paper.METHOD.items():
            if getattr(self, name) != value:
                raise UserError(
                    f"--{name} {getattr(self, name)} does not go with --alias {self.alias}, "
                    f"which is --{name} {value}; leave it out"
                )
        defaults = {field.name: field.default for field in fields(self)}
        for name in self.paper.UNREAD:
            if getattr(self, name) != defaults[name]:
                raise UserError(
                    f"--{name} {getattr(self, name)} does nothing with --alias {self.alias}; "
                    "leave it out"
                )
        options.check_choice("critic", self.critic, tuple(FILTERS))
        options.check_choice("loss", self.loss, losses.__all__)
        options.check_choice("alarms", self.alarms, ("warn", "stop", "off"))
        options.check_choice("precision", self.precision, ("no", "bf16"))
        make_penalty(self.penalty)
        if self.paper.GAME == "sequence":
            self.score_function(1)
        else:
            estimation.check(self.paper.GAME, self.estimator)
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

    @property
    def paper(self) -> ModuleType:
        """The module of the alias."""
        return import_module(PAPERS[self.alias])

    def make_critic(self, policy: SequencePolicy) -> CNNCritic:
        """SeqGAN's critic of the chosen size."""
        return CNNCritic(
            policy.vocab,
            filters=FILTERS[self.critic],
            end=policy.end,
            dropout=self.critic_dropout,
            l2=self.critic_l2,
        )

    def score_function(self, length: int) -> Estimator:
        """The estimator of a game of drawn sequences."""
        return estimation.of_sequences(self.estimator, self.baseline, self.reduction, length=length)

    def shared_options(self) -> dict[str, Any]:
        """What any game of sequences is made with besides its players."""
        return {
            "loss": getattr(losses, self.loss),
            "penalty": make_penalty(self.penalty),
            "policy_steps": self.policy_steps,
            "critic_steps": self.critic_steps,
        }

    def game_options(self, length: int) -> dict[str, Any]:
        """What a game of drawn sequences is made with besides its players and its reward."""
        return {
            **self.shared_options(),
            "estimator": self.score_function(length),
            "samples": self.samples,
            "critic_epochs": self.critic_epochs,
            "negatives": self.negatives,
        }

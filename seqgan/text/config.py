"""Options of sequence runs: those common to all papers, and mixins for some of them."""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import Estimator
from image_core.runs import options, outside
from image_core.runs.losses import make_loss
from image_core.runs.penalties import make_penalty
from image_core.runs.players import Player, adam
from image_core.runs.shared_options import AlarmOptions, PrecisionOptions, ShardOptions
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text import estimation, own, policies
from seqgan.text.discriminators import SEQGAN_FILTERS, CNNDiscriminator, SequenceDiscriminator
from seqgan.text.sequences import Sequences as Sequences

FILTERS = {
    "seqgan": SEQGAN_FILTERS,
    "small": ((1, 50), (2, 100), (3, 100), (4, 100), (5, 50), (6, 50), (8, 50), (10, 50)),
}
"""The released discriminator's filters, and about a third of them (550 features)."""

TEMPERATURES = tuple(1 / a for a in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.6, 2.0))
"""Temperatures of the standard sweep: their inverses range from 1/2 to 2."""


@dataclass(kw_only=True)
class SharedOptions(PrecisionOptions, ShardOptions, AlarmOptions):
    """Training.

    Args:
        paper: Paper that is trained, see `seqgan list papers`; or a module of your own, as in
            mypackage.mygan.
        batch: Sequences in a step; in a discriminator step half of them are real, half generated.
        policy: Policy: lstm, transformer, in `train text` the folder or hub name of a causal
            language model of transformers, or your own, as in mypackage.mine:policy, a function
            from the `Sequences` of the run to a `SequencePolicy`; empty for the paper's.
        embedding: Size of a token's vector in the policy.
        hidden: Size of each layer of the policy.
        layers: Number of stacked layers of the policy.
        dropout: Dropout of the policy in maximum likelihood.
        mle_epochs: Most epochs of maximum likelihood before the adversarial rounds.
        mle_lr: Adam's learning rate in maximum likelihood.
        rounds: Number of adversarial rounds.
        g_steps: Optimizer steps of the policy in a round.
        g_lr: Adam's learning rate of the policy in the adversarial rounds.
        max_grad_norm: Greatest norm of the policy's gradient; longer gradients are scaled down.
        evaluate_every: Rounds between two evaluations.
        control: Control in the paper's place: permuted (rewards or weights shuffled over the rows
            of a batch), none_real (samples of the policy in place of real sequences) or more_mle
            (as many steps of maximum likelihood); none for the paper itself.
        report: Report at the end of training: full, short (temperature 1 alone, without the sweep)
            or none; `seqgan evaluate DIR` writes the full one later.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    batch: int = 64
    policy: str = ""
    embedding: int = 32
    hidden: int = 32
    layers: int = 1
    dropout: float = 0.0
    mle_epochs: int = 120
    mle_lr: float = 1e-2
    rounds: int = 200
    g_steps: int = 1
    g_lr: float = 1e-2
    max_grad_norm: float = 5.0
    evaluate_every: int = 5
    control: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "embedding", "hidden", "layers", "evaluate_every", "g_steps")
        options.check_least(self, 0, "mle_epochs", "rounds", "dropout")
        options.check_least(self, 2, "batch")
        options.check_above_zero(self, "mle_lr", "g_lr", "max_grad_norm")
        if self.control not in ("none", *self.controls()):
            choices = ", ".join(("none", *self.controls()))
            raise UserError(f"--control {self.control}: choose one of {choices} for this paper")
        if outside.is_outside(self.policy):
            own.function("policy", self.policy)
        if self.dropout >= 1:
            raise UserError(f"--dropout {self.dropout}: it must be below 1")
        if not self.mle_epochs + self.rounds + self.warmup_steps():
            raise UserError("--mle_epochs and --rounds are 0: there is nothing to do")

    def reports(self) -> tuple[str, ...]:
        return ("full", "short", "none")

    def controls(self) -> tuple[str, ...]:
        """Controls of the paper, see `seqgan.text.controls`; papers override it."""
        return ("none_real", "more_mle")

    def warmup_steps(self) -> int:
        """Discriminator steps before the adversarial rounds; mixins override it."""
        return 0

    def shortest(self) -> int:
        """Minimum number of tokens that the discriminator needs; mixins override it."""
        return 1

    def method(self) -> dict[str, str]:
        """Reward, loss and estimator of the paper, named beside its results; papers override it."""
        own_policy = {"policy": self.policy} if self.policy else {}
        return {**own_policy, "reward": "none", "estimator": "none"}

    def build_policy(self, s: Sequences) -> SequencePolicy:
        """Build the policy that --policy names; an LSTM if it names none."""
        return policies.build(self, s)

    def lstm(self, s: Sequences) -> LSTMPolicy:
        """Build an LSTM policy of the chosen size."""
        return policies.lstm(self, s)

    def g_moves(self) -> int:
        """Number of policy steps in the whole run, at least one."""
        return max(1, self.rounds * self.g_steps)


@dataclass(kw_only=True)
class DiscriminatorOptions(SharedOptions):
    """Discriminator.

    Args:
        discriminator: Convolutions of the discriminator: "seqgan" for the released filters, "small"
            for about a third of them. In papers whose discriminator classifies whole sentences it
            may be one of your own, as in mypackage.mine:discriminator, a function from the policy
            to a `SequenceDiscriminator`.
        d_dropout: Dropout of the discriminator's features.
        penalty: Penalties of the discriminator, as in r1=10 or r1=1,r2=1; for the names see
            `seqgan list penalties`. Your own: module:name.
        d_steps: Optimizer steps of the discriminator in a round.
        d_lr: Adam's learning rate of the discriminator.
        compile: Whether the discriminator's training step runs through torch.compile and CUDA
            graphs; this needs a CUDA device.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    discriminator: str = "seqgan"
    d_dropout: float = 0.25
    penalty: str = ""
    d_steps: int = 4_680
    d_lr: float = 1e-4
    compile: bool = False

    def __post_init__(self) -> None:
        self.check_discriminator()
        super().__post_init__()
        options.check_least(self, 0, "d_dropout")
        options.check_least(self, 1, "d_steps")
        options.check_above_zero(self, "d_lr")
        make_penalty(self.penalty)
        if self.d_dropout >= 1:
            raise UserError(f"--d_dropout {self.d_dropout}: it must be below 1")

    def check_discriminator(self) -> None:
        """Refuse a discriminator that there is not; mixins that take the user's own override it."""
        options.check_choice("discriminator", self.discriminator, tuple(FILTERS))

    def shortest(self) -> int:
        if self.discriminator not in FILTERS:
            return super().shortest()
        return max(width for width, _ in FILTERS[self.discriminator])

    def method(self) -> dict[str, str]:
        found = super().method()
        if self.discriminator not in FILTERS:
            found["discriminator"] = self.discriminator
        return {**found, "penalty": self.penalty} if self.penalty else found

    def adversarial(self) -> dict[str, Any]:
        """Arguments of a game for its penalty and steps, and its loss where that is an option."""
        return {
            "penalty": make_penalty(self.penalty),
            "g_steps": self.g_steps,
            "d_steps": self.d_steps,
        }


@dataclass(kw_only=True)
class LossOptions(DiscriminatorOptions):
    """Loss.

    Args:
        loss: Adversarial loss, see `seqgan list losses`. Your own: module:name.
    """

    loss: str = "non_saturating"

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss)

    def method(self) -> dict[str, str]:
        return {**super().method(), "loss": self.loss}

    def adversarial(self) -> dict[str, Any]:
        return {**super().adversarial(), "loss": make_loss(self.loss)}


@dataclass(kw_only=True)
class SampledOptions(DiscriminatorOptions):
    """Discrete samples.

    Args:
        d_warmup_steps: Optimizer steps of the discriminator before the adversarial rounds.
        negatives: Sequences that the policy draws at once for the discriminator to learn from.
        d_epochs: Passes over the negatives before new ones are drawn.
        samples: Sequences in a policy step.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    d_warmup_steps: int = 46_800
    negatives: int = 10_000
    d_epochs: int = 3
    samples: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "samples", "d_epochs")
        options.check_least(self, 0, "d_warmup_steps")
        if self.negatives < self.batch // 2:
            raise UserError(
                f"--negatives {self.negatives} do not fill the generated half of a discriminator "
                f"step, {self.batch // 2} of --batch {self.batch}"
            )

    def warmup_steps(self) -> int:
        return self.d_warmup_steps

    def controls(self) -> tuple[str, ...]:
        return ("permuted", *super().controls())

    def cnn(self, policy: SequencePolicy, l2: float = 0.0) -> CNNDiscriminator:
        """Build SeqGAN's discriminator of the chosen size.

        Args:
            policy: Policy whose vocabulary and end id are used.
            l2: Weight of the squared norm of its output layer.
        """
        return CNNDiscriminator(
            policy.vocab,
            filters=FILTERS[self.discriminator],
            end=policy.end,
            dropout=self.d_dropout,
            l2=l2,
        )

    def sampled(self) -> dict[str, Any]:
        """Arguments of a game of drawn sequences, except players, reward and estimator."""
        return {
            **self.adversarial(),
            "samples": self.samples,
            "d_epochs": self.d_epochs,
            "negatives": self.negatives,
        }


@dataclass(kw_only=True)
class ClassifierOptions(SampledOptions, LossOptions):
    """Discriminator that classifies.

    Args:
        d_l2: Weight of the squared norm of the discriminator's output layer.
    """

    d_l2: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "d_l2")

    def check_discriminator(self) -> None:
        if outside.is_outside(self.discriminator):
            own.function("discriminator", self.discriminator)
        else:
            super().check_discriminator()

    def build_discriminator(self, policy: SequencePolicy) -> SequenceDiscriminator:
        """Build the discriminator: the user's own, or else SeqGAN's of the chosen size.

        Args:
            policy: Policy whose vocabulary and end id are used.
        """
        if self.discriminator in FILTERS:
            return self.cnn(policy, self.d_l2)
        discriminator: SequenceDiscriminator = own.build(
            "discriminator", self.discriminator, SequenceDiscriminator, policy
        )
        return discriminator


@dataclass(kw_only=True)
class ScoreOptions(ClassifierOptions):
    """Gradient of the policy.

    Args:
        estimator: Estimator of the policy's gradient: reinforce, importance (which reads the ratio
            D / (1 - D)), boundary_seeking (which reads the logit of whole sequences) or clipped.
            Your own: module:name.
        baseline: Baseline of reinforce: none, position_mean, leave_one_out, moving_average, log_z,
            learned (a number for each position) or auto (position_mean, and none of other
            estimators).
        reduction: Reduction of reinforce over batch and time, sum or mean; null means sum, as in
            the released code. Other estimators take means.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    estimator: str = "reinforce"
    baseline: str = "none"
    reduction: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.score_function(1)
        if self.samples < 2 and self.subtracted() in ("position_mean", "leave_one_out"):
            raise UserError(f"--baseline {self.baseline} compares samples: --samples must be 2")

    def subtracted(self) -> str:
        """The baseline, with what auto stands for."""
        if self.baseline != "auto":
            return self.baseline
        return "position_mean" if self.estimator == "reinforce" else "none"

    def method(self) -> dict[str, str]:
        baseline = self.subtracted()
        baseline = "" if baseline == "none" else f", baseline {baseline}"
        return {**super().method(), "estimator": self.estimator + baseline}

    def score_function(self, length: int) -> Estimator:
        """Build the estimator of a game of drawn sequences."""
        reduction = self.reduction or ("sum" if self.estimator == "reinforce" else "mean")
        return estimation.of_sequences(self.estimator, self.subtracted(), reduction, length=length)


@dataclass(kw_only=True)
class SelfPlayOptions(SharedOptions):
    """Self-play.

    Args:
        refresh: Policy steps between two copies of the policy to its frozen twin.
    """

    g_lr: float = 1e-3
    refresh: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "refresh")

    def self_play(self) -> dict[str, Any]:
        """Arguments of a self-play game, except policy, length and loss."""
        return {"refresh": self.refresh, "g_steps": self.g_steps}


def one_player(o: SharedOptions) -> list[Player]:
    """The policy with Adam; it has a separate optimizer in "mle".

    Args:
        o: Options of the run.
    """
    return [
        Player("mle", adam(o.mle_lr), max_grad_norm=o.max_grad_norm),
        Player("G", adam(o.g_lr), max_grad_norm=o.max_grad_norm),
    ]


def two_players(o: DiscriminatorOptions) -> list[Player]:
    """Policy and discriminator with Adam.

    Args:
        o: Options of the run.
    """
    return [*one_player(o), Player("D", adam(o.d_lr))]

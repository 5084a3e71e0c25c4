"""Options of discrete runs: what every paper shares, and the estimator of the gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from image_core.adversarial import divergences, losses
from image_core.adversarial.discrete_variables import DiscreteVariables
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.losses import make_loss
from image_core.runs.outside import is_outside
from image_core.runs.penalties import make_penalty
from image_core.runs.players import Player, adam
from image_core.runs.recipe import RunConfig
from image_core.runs.shared_options import PrecisionOptions, ShardOptions
from seqgan.discrete import gradients
from seqgan.discrete.gradients import GradientEstimator

LOSSES = {
    name: getattr(module, name)
    for module in (divergences, losses)
    for name in module.__all__
    if getattr(module, name).reward
}
"""Losses whose reward moves a generator of discrete samples; a divergence's is log w."""


class DiscreteProblem(NamedTuple):
    """What a paper's game is about.

    Args:
        generator: Makes a generator of the chosen net and size.
        discriminator: Makes a discriminator of the chosen net and size.
        variables: What the generator's logits mean.
        read: Turns a batch of data into samples.
    """

    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    variables: DiscreteVariables
    read: Callable[[Tensor], Tensor]


@dataclass(kw_only=True)
class DiscreteDataOptions(RunConfig):
    """Data.

    Args:
        data: What to learn from: IDX images (made binary anew in every batch: a grey level is the
            probability of 1), an .npz of palette images, or text, a line a row; packed or not.
        labels: IDX labels of --data; they train the classifier that judges.
        valid: More of the same that nothing learns from, for the log to measure with; the rows of
            --test when left out.
        test: More of the same that nothing learns from, to judge with, or the same .npz file if it
            has `packed_test` too; left out, a sixth of the rows of each label is drawn.
        split_seed: Seed of that draw.
        length: Number of characters of a line.
    """

    data: str
    labels: str | None = None
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    length: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "length")
        options.check_least(self, 0, "split_seed")


@dataclass(kw_only=True)
class DiscreteOptions(DiscreteDataOptions, PrecisionOptions, ShardOptions):
    """Training.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own, as in
            mypackage.mygan.
        net: Networks: dense, or conv for the released convolutional ones.
        channels: Channels of --net conv next to images, or along lines; 0 for the released 64 and
            256.
        latent: Size of z, uniform in (0, 1).
        batch: Latents of a step, and real rows of a discriminator step.
        rounds: Number of rounds.
        d_steps: Optimizer steps of the discriminator in a round; the generator takes one.
        g_lr: Adam's learning rate of the generator.
        d_lr: Adam's learning rate of the discriminator.
        beta1: Adam's decay of the first moment, of both.
        ema_decay: Decay of the average of the generator's weights, which is evaluated; 0 evaluates
            the generator itself.
        evaluate_every: Rounds between two evaluations.
        eval_samples: Maximum number of held-out and of generated samples of the judge: two fifths
            are its training set, a tenth its validation set, and half its test set. If fewer are
            held out, its training set includes rows of the generator's training set.
        judge_steps: Maximum number of steps of the judge; the classifier takes four times as many.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    net: str = "dense"
    channels: int = 0
    latent: int = 64
    batch: int = 64
    rounds: int = 2_000
    d_steps: int = 1
    g_lr: float = 4e-3
    d_lr: float = 4e-3
    beta1: float = 0.5
    ema_decay: float = 0.98
    evaluate_every: int = 200
    eval_samples: int = 10_000
    judge_steps: int = 400

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "latent", "rounds", "d_steps", "evaluate_every", "judge_steps")
        options.check_least(self, 2, "batch")
        options.check_least(self, 40, "eval_samples")
        options.check_least(self, 0, "channels")
        options.check_above_zero(self, "g_lr", "d_lr")
        options.check_choice("net", self.net, ("dense", "conv"))
        if self.channels and self.net == "dense":
            raise UserError(f"--channels {self.channels} is of --net conv; leave it out, or use it")
        for name in ("beta1", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it lies in [0, 1)")


@dataclass(kw_only=True)
class EstimatorOptions(DiscreteOptions):
    """Gradient of the generator.

    Args:
        estimator: Estimator of the generator's gradient: bgan, bgan_batch, bgan_reinforce, maligan,
            reinforce, moving_average, learned_baseline, leave_one_out, straight_through, reinmax,
            gumbel_softmax, gumbel_hard, rebar, relax, taylor or disarm. Your own: module:name.
        samples: Number of samples of each latent.
        loss: Loss of the discriminator: a divergence, whose reward is the log importance weight, or
            any loss with a reward.
        penalty: Penalties of the discriminator, as in r1=10, see `seqgan list penalties`. Your own:
            module:name.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    estimator: str = "taylor"
    samples: int = 20
    loss: str = "jensen_shannon"
    penalty: str = "r1=0.1"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "samples")
        options.check_estimator(self.estimator, gradients.__all__, gradients.REASONS)
        if self.loss in {*losses.__all__, *divergences.__all__} - {*LOSSES}:
            raise UserError(
                f"--loss {self.loss} compares a sample with the rest of its batch, so that no "
                "sample has a reward of its own to move the generator by; use --loss non_saturating"
            )
        if make_loss(self.loss, LOSSES).reward is None:
            raise UserError(f"--loss {self.loss} has no reward to move the generator by; give one")
        make_penalty(self.penalty)
        if self.samples < 2 and self.estimator in ("bgan", "leave_one_out", "disarm", "taylor"):
            raise UserError(f"--estimator {self.estimator} needs --samples of at least 2")
        if self.samples % 2 and self.estimator == "disarm":
            raise UserError(f"--estimator disarm draws pairs: --samples {self.samples} is odd")

    def gradient(self) -> GradientEstimator:
        """The estimator of the chosen name."""
        if is_outside(self.estimator):
            return options.own_estimator(self.estimator, self.samples, self.latent, takes=4)
        return getattr(gradients, self.estimator)(self.samples, self.latent)

    def adversarial(self) -> dict[str, Any]:
        """Loss, penalty, batch and steps of a game."""
        return {
            "loss": make_loss(self.loss, LOSSES),
            "penalty": make_penalty(self.penalty),
            "batch": self.batch,
            "d_steps": self.d_steps,
        }


def two_players(o: DiscreteOptions) -> list[Player]:
    """Generator and discriminator by Adam.

    Args:
        o: Options of the run.
    """
    rates = {"G": o.g_lr, "D": o.d_lr}
    return [Player(name, adam(lr, (o.beta1, 0.999))) for name, lr in rates.items()]

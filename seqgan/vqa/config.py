"""Options of visual question answering."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from image_core.adversarial import divergences, estimators, losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import CONTROL_VARIATES, RELAXATIONS, Estimator
from image_core.adversarial.losses import AdversarialLoss, density_ratio
from image_core.runs import options
from image_core.runs.losses import make_loss
from image_core.runs.outside import is_outside
from image_core.runs.papers import Papers
from image_core.runs.penalties import make_penalty
from image_core.runs.shared_options import AdamDecays, PrecisionOptions, ShardOptions

LOSSES = {
    name: getattr(module, name)
    for module in (divergences, losses)
    for name in module.__all__
    if getattr(module, name).reward
}
"""Losses whose reward is of one answer; a divergence's is log w."""
SERVED = ("leave_one_out", "reinforce", "importance", "boundary_seeking")
_DRAWN = "answers are drawn here, and every estimator weighs drawn ones; pass leave_one_out"
REASONS: dict[tuple[str, ...], str] = {
    ("clipped",): "it is for several steps on the same samples; here each takes one",
    RELAXATIONS: _DRAWN,
    CONTROL_VARIATES: _DRAWN,
}
"""Why other estimators are refused."""


@dataclass(kw_only=True)
class VqaOptions(PrecisionOptions, ShardOptions, AdamDecays):
    """Questions, networks, training and evaluation.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own.
        side: Height of a picture in pixels, a multiple of 4; it is twice as wide.
        questions: Questions to learn from, each of a picture of its own.
        eval_samples: Questions of the log, and of the report.
        split_seed: Seed of scenes, questions and answers.
        width: Features of a network, a multiple of 4.
        dropout: Share of the discriminator's and the answerers' features left out in training.
        batch: Questions of a step.
        mle_rounds: Rounds of maximum likelihood before the game; the answerer begins where they
            end.
        d_warmup_rounds: Rounds of the discriminator alone before the game.
        rounds: Rounds of the game; the answerers by likelihood alone go on learning in them.
        g_lr: Adam's learning rate of the answerer in the game.
        d_lr: Adam's learning rate of the discriminator.
        mle_lr: Adam's learning rate of maximum likelihood.
        evaluate_every: Rounds between two measurements.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    side: int = 16
    questions: int = 4_000
    eval_samples: int = 1_000
    split_seed: int = 0
    width: int = 64
    dropout: float = 0.2
    batch: int = 64
    mle_rounds: int = 1_000
    d_warmup_rounds: int = 200
    rounds: int = 1_000
    g_lr: float = 1e-4
    d_lr: float = 1e-3
    mle_lr: float = 1e-3
    evaluate_every: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "split_seed", "mle_rounds", "d_warmup_rounds")
        options.check_least(self, 1, "questions", "batch", "rounds", "evaluate_every")
        options.check_least(self, 4, "side", "width", "eval_samples")
        options.check_above_zero(self, "g_lr", "d_lr", "mle_lr")
        options.check_below_one(self, "dropout")
        for name in ("side", "width"):
            if getattr(self, name) % 4:
                raise UserError(f"--{name} {getattr(self, name)}: give a multiple of 4")
        if self.questions < self.batch:
            raise UserError(
                f"--questions {self.questions} do not fill one batch; lower --batch {self.batch}"
            )


@dataclass(kw_only=True)
class GameOptions(VqaOptions):
    """Loss and gradient.

    Args:
        loss: Loss of the discriminator, whose reward moves the answerer; a divergence's is the log
            importance weight.
        penalty: Gradient penalties of the discriminator on answers, as in r1=1.
        estimator: Estimator of the answerer's gradient: leave_one_out, reinforce, importance or
            boundary_seeking; the latter two read the logit in place of the loss's reward. Your own:
            module:name.
        samples: Number of answers drawn to each question.
        likelihood: Weight of the likelihood of the answers in the answerer's loss.
        d_steps: Optimizer steps of the discriminator in a round.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    loss: str = "non_saturating"
    penalty: str = ""
    estimator: str = "leave_one_out"
    samples: int = 8
    likelihood: float = 1.0
    d_steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 2, "samples")
        options.check_least(self, 1, "d_steps")
        options.check_least(self, 0, "likelihood")
        options.check_estimator(self.estimator, SERVED, REASONS)
        if self.loss in {*losses.__all__, *divergences.__all__} - {*LOSSES}:
            raise UserError(
                f"--loss {self.loss} compares a sample with the rest of its batch, so that no "
                "answer has a reward of its own; use --loss non_saturating"
            )
        self.adversarial()

    def adversarial(self) -> dict[str, Any]:
        """Loss, penalty, estimator, reward and steps of a game."""
        loss = make_loss(self.loss, LOSSES)
        return {
            "loss": loss,
            "penalty": make_penalty(self.penalty),
            "estimator": of_answers(self.estimator, self.samples),
            "reward": reward_of(self.estimator, loss),
            "samples": self.samples,
            "likelihood": self.likelihood,
            "d_steps": self.d_steps,
        }


def of_answers(name: str, samples: int) -> Estimator:
    """The score function of a name.

    Args:
        name: Value of --estimator.
        samples: Answers to each question.
    """
    if is_outside(name):
        return options.own_estimator(name, samples)
    match name:
        case "leave_one_out":
            return estimators.reinforce(baseline="leave_one_out", samples=samples)
        case "reinforce":
            return estimators.reinforce(baseline="moving_average")
        case "importance":
            return estimators.importance(samples)
        case _:
            return estimators.boundary_seeking(samples)


def reward_of(name: str, loss: AdversarialLoss) -> Callable[[Tensor], Tensor]:
    """What an estimator reads of the discriminator's logit.

    Args:
        name: Value of --estimator.
        loss: Loss of the discriminator.

    Raises:
        UserError: The loss has no reward.
    """
    if name == "importance":
        return density_ratio
    if name == "boundary_seeking":
        return torch.Tensor.detach
    if loss.reward is None:
        raise UserError("this --loss has no reward to move the answerer by; give one")
    return loss.reward


PAPERS = Papers("seqgan.vqa.papers", "answer_gan", shared=VqaOptions, own=VqaOptions)

PRESETS: dict[str, dict[str, Any]] = {
    "shapes": {},
    "tiny": {
        "questions": 24,
        "eval_samples": 12,
        "width": 8,
        "batch": 6,
        "mle_rounds": 2,
        "d_warmup_rounds": 1,
        "rounds": 3,
        "evaluate_every": 2,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}

"""Kinds and shapes at the border of the core: each wrong one is a sentence that says what to do."""

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn

from image_core.adversarial import divergences, estimators, fgan, losses, penalties, returns
from image_core.adversarial.discrete_variables import Bernoulli
from image_core.adversarial.errors import UserError
from tests.image_core.adversarial.toys import (
    linear,
)


@pytest.fixture(autouse=True)
def _unchecked():
    """As users run it: the annotations of shapes are checked in tests only."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# -------------------------------------------------------------------------------------- estimators

SCORES = {name: getattr(estimators, name) for name in estimators.SCORE_FUNCTIONS}
FIVE, MASK = torch.zeros(5, 5), torch.ones(5, 5, dtype=torch.bool)
SAMPLES = {
    "a reward of each sample": (FIVE, FIVE[0], MASK, r"reward \(5,\).*give equal shapes"),
    "a column of rewards": (FIVE, FIVE[:, :1], MASK, r"reward \(5, 1\)"),
    "a mask of each sample": (FIVE, FIVE, MASK[0], r"mask \(5,\)"),
    "no time": (FIVE[0], FIVE[0], MASK[0], r"of shape \(5,\); give \(batch, time\)"),
    "a mask of numbers": (FIVE, FIVE, FIVE, "a mask of torch.float32; give bool"),
    "rewards of whole numbers": (FIVE, FIVE.long(), MASK, "reward of torch.int64"),
    "a number as reward": (FIVE, 1.0, MASK, "reward as a float; give a tensor"),
    "an array as mask": (FIVE, FIVE, np.ones((5, 5), bool), "mask as a ndarray"),
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("wrong", SAMPLES)
def test_samples_of_other_shapes(name, wrong):
    *given, says = SAMPLES[wrong]
    with pytest.raises(UserError, match=says):
        SCORES[name]()(*given)


def test_a_learned_baseline_of_another_shape():
    value = nn.Sequential(nn.Embedding(5, 1))
    with pytest.raises(UserError, match=r"learned baseline got value \(5, 5, 1\), reward \(5, 5\)"):
        estimators.reinforce("learned", value=value)(FIVE, FIVE, MASK)


@pytest.mark.parametrize("name", ["rebar", "relax", "disarm", "taylor"])
def test_a_reward_that_is_a_column(name):
    logits = torch.zeros(4, 3, 2)
    call = {
        "rebar": lambda reward: estimators.rebar(logits, reward),
        "relax": lambda reward: estimators.relax()(logits, reward),
        "disarm": lambda reward: estimators.disarm(logits[..., 0], reward),
        "taylor": lambda reward: estimators.taylor(2)(Bernoulli(), logits[..., 0], reward),
    }[name]
    call(lambda x: x.flatten(1).sum(1))
    with pytest.raises(UserError, match=r"of [48] samples is \([48], 1\); return one number"):
        call(lambda x: x.flatten(1).sum(1, keepdim=True))


def test_returns_of_other_shapes():
    with pytest.raises(UserError, match=r"gae got reward \(5, 5\), value \(5,\)"):
        returns.gae(FIVE, FIVE[0], FIVE, MASK, MASK, 0.9, 0.9)
    with pytest.raises(UserError, match=r"discounted got reward \(5, 5\), mask \(5,\)"):
        returns.discounted(FIVE, MASK[0], 0.9)


# --------------------------------------------------------------------------- losses and penalties

SIDES = [
    (side, module, name)
    for module in (losses, divergences, fgan)
    for name in module.__all__
    for side in ("d", "g")
]


@pytest.mark.parametrize(("side", "module", "name"), SIDES)
def test_logits_of_another_kind(side, module, name):
    loss, good = getattr(getattr(module, name), side), torch.zeros(3)
    loss(good, good)
    for bad, says in (
        (torch.zeros(3, dtype=torch.long), "logits of torch.int64; give floating"),
        ([0.0, 0.0], "logits as a list; give a tensor"),
        (torch.zeros(0), "no (real|fake) logits"),
    ):
        for pair in ((bad, good), (good, bad)):
            with pytest.raises(UserError, match=says):
                loss(*pair)


SLOPES = ["dragan", "gradient_penalty", "js_reg", "lipschitz", "r1", "r2"]


@pytest.mark.parametrize("name", SLOPES)
def test_penalties_without_a_slope(name):
    penalty, net, x = getattr(penalties, name)(), linear(2, 1), torch.zeros(3, 2)
    assert penalty(net, x, x).requires_grad
    for block in (torch.no_grad, torch.inference_mode):
        with block(), pytest.raises(UserError, match=r"call it outside torch\.no_grad"):
            penalty(net, x, x)
    for constant in (lambda x: torch.zeros(3), lambda x: net(x.detach()), torch.no_grad()(net)):
        with pytest.raises(UserError, match="do not depend on the input of a penalty"):
            penalty(constant, x, x)
    # Of tokens there is no slope
    if name not in ("dragan", "gradient_penalty", "lipschitz"):
        with pytest.raises(UserError, match=r"a penalty got real of torch\.int64"):
            penalty(net, x.long(), x.long())


@pytest.mark.parametrize("name", ["gradient_penalty", "lipschitz", "mixup"])
def test_penalties_between_batches_of_different_sizes(name):
    with pytest.raises(UserError, match=r"got \(3, 2\) and \(1, 2\); give equal shapes"):
        getattr(penalties, name)()(linear(2, 1), torch.zeros(3, 2), torch.zeros(1, 2))

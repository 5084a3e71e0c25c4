"""The discrete game: every estimator against enumeration, and what it logs."""

import itertools
import math

import pytest
import torch
from torch import nn

from image_core.adversarial import divergences, losses
from image_core.adversarial.discrete_variables import Bernoulli, Categorical
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from seqgan.discrete import gradients, recipe
from seqgan.discrete.game import DiscreteGame, tiny, weight_statistics
from seqgan.discrete.papers.bgan import bgan
from tests.image_core.adversarial.enumerated import (
    binary_states,
    estimates,
    exact_gradient,
    standard_errors,
    tanh_reward,
)

UNBIASED = {
    "bgan_reinforce": 2,
    "disarm": 2,
    "learned_baseline": 2,
    "leave_one_out": 3,
    "moving_average": 1,
    "rebar": 1,
    "reinforce": 1,
    "relax": 1,
    "taylor": 3,
}
BIASED = {"straight_through": 1, "reinmax": 1, "gumbel_softmax": 1, "gumbel_hard": 1}


def problem():
    torch.manual_seed(1)
    logits, reward = torch.randn(4, dtype=torch.float64), tanh_reward(4, 1)
    return logits, reward, exact_gradient(Bernoulli(), logits, binary_states(4), reward)


def found(name, samples, logits, reward, count=60_000):
    """Estimates of one latent each; a batch shares no state that its rows could bias."""
    estimator = getattr(gradients, name)(samples, 3).double()
    z = torch.rand(count, 3, dtype=torch.float64)
    return estimates(lambda rows: estimator(Bernoulli(), rows, reward, z), logits, count)


def test_every_estimator_is_told_apart():
    importance = {"bgan", "bgan_batch", "maligan"}
    assert set(gradients.__all__) == {*UNBIASED, *BIASED, *importance}


@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_estimators_have_the_gradient_of_the_expected_reward(name):
    logits, reward, truth = problem()
    assert truth.abs().max() > 0.1
    assert standard_errors(found(name, UNBIASED[name], logits, reward), truth) < 4


@pytest.mark.parametrize("name", BIASED)
def test_biased_estimators_are_biased_but_point_uphill(name):
    logits, reward, truth = problem()
    mean = found(name, BIASED[name], logits, reward).mean(0)
    assert (mean - truth).norm() > 0.03 * truth.norm()
    assert torch.cosine_similarity(mean, truth, dim=0) > 0.8


def test_bgan_has_the_expected_gradient_of_its_own_weights():
    """M = 2 samples of two variables: all 16 pairs, each with its probability."""
    logits = torch.tensor([0.3, -0.8], dtype=torch.float64)
    reward, states = tanh_reward(2, 3), binary_states(2)
    p = Bernoulli().log_prob(logits[None], states[None])[0].exp()
    score = states - logits.sigmoid()
    expected = torch.zeros(2, dtype=torch.float64)
    for i, j in itertools.product(range(4), repeat=2):
        w = reward(states[[i, j]]).softmax(0)
        expected += p[i] * p[j] * (w[0] * score[i] + w[1] * score[j])
    assert standard_errors(found("bgan", 2, logits, reward), expected) < 4


def test_bgan_descends_on_the_divergence_to_the_tilted_distribution():
    """At M = 400 the gradient is that of -KL(p~ || g), p~ = w g / Z, up to a bias of 1/M."""
    logits, reward, _ = problem()
    states = binary_states(4)
    p = Bernoulli().log_prob(logits[None], states[None])[0].exp()
    tilted = (p * reward(states).exp()) / (p * reward(states).exp()).sum()
    expected = (tilted[:, None] * states).sum(0) - logits.sigmoid()
    mean = found("bgan", 400, logits, reward, count=2_000).mean(0)
    assert (mean - expected).norm() < 0.03 * expected.norm()


@pytest.mark.parametrize("name", ["bgan_batch", "maligan"])
def test_weights_over_the_batch_reach_the_same_direction(name):
    logits, reward, _ = problem()
    states = binary_states(4)
    p = Bernoulli().log_prob(logits[None], states[None])[0].exp()
    tilted = (p * reward(states).exp()) / (p * reward(states).exp()).sum()
    expected = (tilted[:, None] * states).sum(0) - logits.sigmoid()
    mean = found(name, 4, logits, reward, count=20_000).mean(0)
    assert torch.cosine_similarity(mean, expected, dim=0) > 0.99


def test_weight_statistics_by_hand():
    log_weight = torch.tensor([0.0, 0.0, math.log(3.0), 0.0])
    found = weight_statistics(log_weight, 2)
    assert float(found["ess"]) == pytest.approx((2 + 1 / (0.75**2 + 0.25**2)) / 2)
    assert float(found["log_z"]) == pytest.approx(math.log(6 / 4))
    assert float(found["log_weight_variance"]) == pytest.approx(math.log(3) ** 2 * 3 / 16)
    assert float(weight_statistics(log_weight, 1)["ess"]) == pytest.approx(36 / 12)


@pytest.mark.parametrize("name", [n for n in gradients.__all__ if n != "disarm"])
def test_every_estimator_plays_on_multinomial_variables(name):
    """Three variables of four colours, dense nets: each player moves and everything is finite."""
    G = nn.Sequential(nn.Linear(3, 12), nn.Unflatten(1, (3, 4)))
    D = nn.Sequential(nn.Flatten(1), nn.Linear(12, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    D.append(nn.Flatten(0))
    estimator = getattr(gradients, name)(2, 3)
    game = DiscreteGame(G, D, Categorical(), estimator, 3, batch=4)
    engine = Engine(game, dict.fromkeys(("G", "D"), lambda p: torch.optim.Adam(p, lr=0.01)))
    data = nn.functional.one_hot(torch.randint(0, 4, (4, 3)), 4)
    (logs,) = engine.rounds(lambda index: data, 1)
    assert all(math.isfinite(float(value)) for value in logs.values())
    assert float(logs["G/grad_norm"]) > 0
    one_hot = game.sample(5)
    assert one_hot.shape == (5, 3, 4)
    assert torch.equal(one_hot.sum(-1), torch.ones(5, 3))


def test_disarm_is_for_binary_sites_and_pairs():
    with pytest.raises(UserError, match="even"):
        gradients.disarm(3, 1)
    with pytest.raises(UserError, match="0 or 1"):
        gradients.disarm(2, 1)(Categorical(), torch.zeros(1, 2, 3), torch.sum, torch.zeros(1, 1))


def test_what_a_estimator_learns_is_the_generators():
    game, data = tiny()
    game.estimator = gradients.relax(2, 4)
    engine = Engine(game, dict.fromkeys(("G", "D"), lambda p: torch.optim.SGD(p, lr=0.1)))
    before = game.estimator.estimator.eta.item()
    list(engine.rounds(lambda index: data, 2))
    assert game.estimator.estimator.eta.item() != before


def test_a_loss_without_reward_is_refused():
    game, _ = tiny()
    for loss in (divergences.boundary_normalised, losses.relativistic):
        with pytest.raises(UserError, match=r"no sample has a reward.*non_saturating"):
            bgan(game.G, game.D, Bernoulli(), 4, loss=loss)
    for name in ("relativistic", "relativistic_average", "boundary_normalised"):
        with pytest.raises(UserError, match=f"--loss {name} compares.*non_saturating"):
            recipe.PAPERS.config("gan")(out="run", data="x", loss=name)


def test_bgan_learns_that_two_halves_agree():
    """The data's three last bits repeat the first; at the start one sample in eight does."""
    torch.manual_seed(0)
    game, data = tiny()
    engine = Engine(
        game, dict.fromkeys(("G", "D"), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.999)))
    )

    def agreeing():
        x = game.sample(2_000)
        return float((x[:, :3] == x[:, 3:]).all(1).float().mean())

    before = agreeing()
    list(
        engine.rounds(
            lambda index: data, 300, turns=[*game.turns(), Turn("D", game.discriminator_move)]
        )
    )
    assert before < 0.25
    assert agreeing() > 0.5

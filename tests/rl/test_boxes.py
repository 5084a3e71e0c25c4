"""The units of actions change nothing: one task in three boxes is learned alike."""

import functools
import math

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from image_core.adversarial.engine import Engine
from image_core.runs.players import make_engine
from rl.demos import expert, random_actions, record
from rl.discriminators import DenseDiscriminator, Transitions
from rl.envs import make_envs
from rl.envs.spaces import Actions, Observations, actions
from rl.games.control import ControlGame
from rl.metrics import returns_of
from rl.nets import Normaliser
from rl.policies import Actor, GaussianPolicy
from rl.ppo import PPO
from rl.recipes.imitate.build import ImitationTask
from rl.recipes.imitate.recipe import PAPERS
from tests.rl.made import parts
from tests.rl.recipes.imitate.made import options_of

BOXES = {"Unit-v0": (-1.0, 1.0), "Small-v0": (-0.01, 0.01), "Large-v0": (0.0, 100.0)}
for name, (low, high) in BOXES.items():
    gymnasium.register(
        name, "tests.rl.made:Aim", max_episode_steps=10, kwargs={"low": low, "high": high}
    )
THREE = Observations(None, (3,))
SMALL = {"hidden": 8, "d_hidden": 8, "envs": 4, "rollout": 16, "minibatch": 16, "epochs": 2}
adam = functools.partial(torch.optim.Adam, lr=1e-2)


def uniform(index):
    return torch.rand(16, generator=torch.Generator().manual_seed(index))


class Good(Actor):
    """Aims right, in the environment's units; now and then at the edge."""

    def __init__(self, acts):
        super().__init__()
        self.acts = acts

    def act(self, obs, deterministic=False):
        u = torch.where(obs[:, 1:] > 0.7, 1.0, 0.5 * obs[:, :1])
        return self.acts.clip(self.acts.middle + self.acts.half_width * u)


def played(paper, env):
    """Logs of three rounds of a paper in one of the boxes."""
    torch.manual_seed(0)
    envs = make_envs(env, 4)
    rows = expert(record(make_envs(env, 2), Good(envs.actions), 2))
    normaliser = Normaliser(envs.observations)
    normaliser.see(rows.steps().obs)
    task = ImitationTask(envs, rows, normaliser, True, lambda *_: Good(envs.actions))
    change = {n: v for n, v in SMALL.items() if n in PAPERS.config(paper).__dataclass_fields__}
    o, own = options_of(paper, **change), PAPERS.load(paper)
    game = own.game(o, task)
    engine = make_engine(game, own.players(o), "no")
    found = [{n: float(v) for n, v in logs.items()} for logs in engine.rounds(uniform, 3)]
    return found, returns_of(game.policy, make_envs(env, 4), 4, seed=1)


@pytest.mark.parametrize("paper", ["gail", "airl", "bc", "dagger", "dac"])
def test_every_paper_plays_the_same_rounds_in_each_box(paper):
    unit, returns = played(paper, "Unit-v0")
    for env in ("Small-v0", "Large-v0"):
        found, others = played(paper, env)
        for one, other in zip(unit, found, strict=True):
            assert other == pytest.approx(one, rel=1e-3, abs=1e-4)
        np.testing.assert_allclose(others, returns, rtol=1e-3)


def test_ppo_learns_the_same_in_each_box():
    found = {}
    for env in BOXES:
        torch.manual_seed(0)
        _, normaliser, policy, value, collector = parts(env, 8, 20, (16, 16))
        learner = PPO(policy, value, 8, gamma=0.1, epochs=4, minibatch=64)
        start = returns_of(policy, make_envs(env, 8), 8, seed=1).mean()
        engine = Engine(ControlGame(learner, collector, normaliser), {"G": adam})
        list(engine.rounds(uniform, 10))
        end = returns_of(policy, make_envs(env, 8), 8, seed=1).mean()
        found[env] = (start, end)
        assert start < 5.5
        assert end > 7.5
    assert found["Small-v0"] == pytest.approx(found["Unit-v0"], rel=0.01)
    assert found["Large-v0"] == pytest.approx(found["Unit-v0"], rel=0.01)


# ------------------------------------------------------------------------------------------ spaces


def box(low, high, dtype=np.float32):
    return actions(spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype))


def test_finite_half_open_and_open_boxes_are_scaled_as_they_say():
    inf = np.inf
    made = box([-0.01, 0, -2, 5, -inf, -inf, 3], [0.01, 100, 2, inf, 7, inf, 3])
    torch.testing.assert_close(made.middle, torch.tensor([0.0, 50, 0, 6, 6, 0, 3]))
    torch.testing.assert_close(made.half_width, torch.tensor([0.01, 50, 2, 1, 1, 1, 1]))
    ends = torch.stack([made.low, made.high])
    expected = [[-1.0, -1, -1, -1, -inf, -inf, 0], [1.0, 1, 1, inf, 1, inf, 0]]
    torch.testing.assert_close(made.encode(ends), torch.tensor(expected))


def test_ends_that_no_float_reaches_are_open_and_others_are_never_left():
    most = np.finfo(np.float32).max
    made = box([-most, -0.1], [most, 0.1], np.float64)
    assert made.low[0] == -np.inf
    assert made.high[0] == np.inf
    acts = made.to_env(torch.tensor([[1e9, 5.0], [-1e9, -5.0]]))
    assert (np.abs(acts[:, 1].astype(np.float64)) <= 0.1).all()
    assert acts[:, 0].tolist() == [1e9, -1e9]


@pytest.mark.parametrize("ends", [(-0.01, 0.01), (-1, 1), (0, 100)])
def test_policies_are_scaled_and_their_densities_are_of_the_scaled_action(ends):
    torch.manual_seed(0)
    made = box([ends[0]] * 2, [ends[1]] * 2)
    policy = GaussianPolicy(THREE, made, Normaliser(THREE), (8, 8), log_std=-1.0)
    obs = torch.randn(20_000, 3)
    said = policy.parameters_of(obs)
    drawn = policy.draw(said)
    u = (drawn - made.middle) / made.half_width
    torch.testing.assert_close((u - said).std(0), torch.full((2,), math.exp(-1)), rtol=0.02, atol=0)
    normal = torch.distributions.Normal(said, policy.log_std.exp())
    expected = normal.log_prob(u).sum(1)
    torch.testing.assert_close(policy.log_prob(obs, drawn), expected, rtol=1e-3, atol=1e-3)


def test_what_is_received_has_the_mass_of_all_that_is_clipped_to_it():
    """Inside the box the density, at its edges the tails: together they are 1."""
    torch.manual_seed(0)
    made = box([-3.0], [1.0])
    policy = GaussianPolicy(THREE, made, Normaliser(THREE), (8, 8), log_std=0.2)
    obs = torch.randn(1, 3)
    said = policy.requires_grad_(False).parameters_of(obs)
    grid = torch.linspace(-3, 1, 4003)[1:-1, None]
    inside = policy.log_prob_received_of(said.expand(len(grid), -1), grid).exp()
    density = inside.mean() * 2  # of u, whose box is 2 wide
    edges = policy.log_prob_received_of(said.expand(2, -1), torch.tensor([[-3.0], [1.0]])).exp()
    assert float(density + edges.sum()) == pytest.approx(1, abs=1e-3)
    normal = torch.distributions.Normal(said, policy.log_std.exp())
    torch.testing.assert_close(edges[0], normal.cdf(torch.tensor(-1.0)).squeeze())
    # However far beyond the edge a draw was, the environment received the same
    far = policy.log_prob_received_of(said.expand(2, -1), torch.tensor([[-99.0], [99.0]])).exp()
    torch.testing.assert_close(far, edges)
    open_ = GaussianPolicy(THREE, box([-np.inf], [np.inf]), Normaliser(THREE), (8, 8))
    act = torch.tensor([[40.0]])
    whole = open_.log_prob(obs, act)
    torch.testing.assert_close(open_.log_prob_received_of(open_.parameters_of(obs), act), whole)


def test_airl_reads_the_policy_at_the_action_that_was_received():
    """Drawn far outside or shown at the edge: one row for the discriminator, one logit."""
    torch.manual_seed(0)
    envs = make_envs("Large-v0", 2)
    rows = expert(record(make_envs("Large-v0", 2), None, 2))
    normaliser = Normaliser(envs.observations)
    task = ImitationTask(envs, rows, normaliser, True, lambda *_: Good(envs.actions))
    game = PAPERS.load("airl").game(options_of("airl", **{**SMALL, "envs": 2}), task)
    obs, no = torch.randn(1, 2).expand(3, -1), torch.zeros(3, dtype=torch.bool)
    act = torch.tensor([[100.0], [130.0], [99.0]])
    logit = game.logit(Transitions(obs, act, obs, no, no))
    assert logit[0] == logit[1] != logit[2]


def test_random_actions_fill_closed_boxes_and_are_gaussian_in_open_ones():
    torch.manual_seed(0)
    found = random_actions(box([-0.01, 5, -np.inf], [0.03, np.inf, np.inf]), 20_000)
    assert -0.01 <= float(found[:, 0].min()) < -0.0099
    assert 0.0299 < float(found[:, 0].max()) <= 0.03
    torch.testing.assert_close(found[:, 0].mean(), torch.tensor(0.01), atol=4e-4, rtol=0)
    torch.testing.assert_close(found[:, 1:].mean(0), torch.tensor([6.0, 0.0]), atol=0.03, rtol=0)
    torch.testing.assert_close(found[:, 1:].std(0), torch.ones(2), atol=0.03, rtol=0)


def test_a_discriminator_sees_half_open_boxes_from_their_end():
    made = Actions(0, 0, torch.tensor([2.0]), torch.tensor([torch.inf]))
    D = DenseDiscriminator(THREE, made, Normaliser(THREE), hidden=(4, 4))
    obs, no = torch.zeros(2, 3), torch.zeros(2, dtype=torch.bool)
    x = D.encode(Transitions(obs, torch.tensor([[-7.0], [3.5]]), obs, no, no))
    assert x[:, -1].tolist() == [-1.0, 0.5]

"""Discriminator-actor-critic: densities, targets, the absorbing state, the replay, learning."""

import functools

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from rl.critics import Transitions
from rl.games.off_policy import tiny
from rl.nets import Normaliser
from rl.sac import Replay, SquashedPolicy, transitions
from rl.spaces import Actions, Observations
from tests.rl.made import rollout

THREE = Observations(None, (3,))
BOX = Actions(0, 0, torch.tensor([-2.0]), torch.tensor([2.0]))
adam = functools.partial(torch.optim.Adam, lr=3e-3)


def rows_of(count, absorbing=False, next_absorbing=False):
    flags = (torch.full((count,), f) for f in (absorbing, next_absorbing))
    act = 2 * torch.rand(count, 1) - 1
    return Transitions(torch.randn(count, 3), act, torch.randn(count, 3), *flags)


def test_densities_of_squashed_actions_integrate_to_one_and_match_torch():
    torch.manual_seed(0)
    policy = SquashedPolicy(THREE, BOX, Normaliser(THREE), (8, 8))
    obs = torch.randn(5, 3)
    mean, log_std = policy.net(obs).chunk(2, dim=1)
    act, log_prob = policy.draw(obs)
    normal = torch.distributions.Normal(mean, log_std.exp())
    squash = torch.distributions.TanhTransform()
    expected = torch.distributions.TransformedDistribution(normal, squash).log_prob(act).sum(1)
    torch.testing.assert_close(log_prob, expected, rtol=1e-3, atol=1e-3)
    assert policy.act(obs).abs().max() <= 2


def test_choices_and_open_boxes_are_refused():
    for actions in (
        Actions(2, 0, torch.zeros(0), torch.zeros(0)),
        Actions(0, 0, torch.tensor([-torch.inf]), torch.tensor([torch.inf])),
    ):
        with pytest.raises(UserError, match="dac"):
            SquashedPolicy(THREE, actions, Normaliser(THREE), (8, 8))


def test_the_absorbing_state_bootstraps_itself_without_entropy():
    """Its target reads neither the policy nor what stands in its observation."""
    torch.manual_seed(0)
    game, _ = tiny()
    rows = rows_of(4, True, True)
    found = game.targets(rows)
    flag, zero = torch.ones(1, 1), torch.zeros(1, 3)
    x = torch.cat([zero, flag, torch.zeros(1, 1)], 1)
    value = torch.minimum(game.target.one(x), game.target.two(x)).squeeze()
    reward = game.reward(game.D.score(game.D.encode(rows)))
    torch.testing.assert_close(found, reward + 0.99 * value)
    assert float((found - found[0]).abs().max()) < 1e-6


def test_targets_of_living_rows_are_the_soft_bellman_equation():
    torch.manual_seed(0)
    game, _ = tiny()
    rows = rows_of(6)
    state = torch.get_rng_state()
    found = game.targets(rows)
    torch.set_rng_state(state)
    act, log_prob = game.G.draw(rows.next_obs)
    seen = game.normaliser(rows.next_obs)
    x = torch.cat([seen, torch.zeros(6, 1), act], 1)
    soft = torch.minimum(game.target.one(x), game.target.two(x)).squeeze(1) - 0.1 * log_prob
    expected = game.D.score(game.D.encode(rows)) + 0.99 * soft
    torch.testing.assert_close(found, expected)


def test_the_replay_overwrites_the_oldest_and_draws_all():
    replay = Replay(THREE, BOX, 10)
    parts = [rows_of(7), rows_of(7)]
    for part in parts:
        replay.add(part)
    every = torch.cat([p.obs for p in parts])[-10:]
    drawn = replay.draw(500).obs
    found = {tuple(row.tolist()) for row in drawn}
    assert found == {tuple(row.tolist()) for row in every}


def test_rollouts_become_rows_without_resets_and_with_flags():
    ends, valid = torch.zeros(4, 2, dtype=torch.bool), torch.ones(4, 2, dtype=torch.bool)
    ends[1, 0], valid[2, 0] = True, False
    rows = transitions(rollout(4, 2, terminated=ends, valid=valid), absorbing=True)
    assert len(rows.obs) == 7
    assert rows.next_absorbing.sum() == 1
    assert not rows.absorbing.any()


def test_values_learn_a_constant_reward():
    """A critic that says 1 of everything is worth 1 / (1 - gamma), less nothing without entropy."""
    torch.manual_seed(0)
    game, _ = tiny()
    game.gamma, game.tau, game.updates, game.batch = 0.5, 0.2, 50, 32
    game.reward = torch.ones_like
    with torch.no_grad():
        game.log_alpha.fill_(-30.0)
    game.replay.add(rows_of(64))
    engine = Engine(game, dict.fromkeys(game.players(), adam))
    for _ in range(8):
        engine.play(Turn("Q", game.value_move), iter(()))
    rows = game.replay.draw(32)
    values = game.Q(rows.obs, rows.absorbing, rows.act).detach()
    torch.testing.assert_close(values, torch.full((2, 32), 2.0), atol=0.25, rtol=0)


def test_the_policy_climbs_the_values():
    """Q is highest at the right end of the box; so are the actions after some steps."""
    torch.manual_seed(0)
    game, _ = tiny()

    class Right(torch.nn.Module):
        def forward(self, obs, absorbing, act):
            return act.sum(1).expand(2, -1)

    engine = Engine(game, dict.fromkeys(game.players(), adam))
    game.Q, game.updates, game.batch = Right(), 100, 32
    game.replay.add(rows_of(64))
    engine.play(Turn("G", game.policy_move), iter(()))
    assert game.G.act(torch.randn(200, 3)).mean() > 0.6

"""Discriminator-actor-critic: densities, targets, the absorbing state, the replay, learning."""

import functools

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from rl.discriminators import FLAG, Transitions
from rl.envs.spaces import Actions, Observations
from rl.games.off_policy import OffPolicyImitation, tiny
from rl.nets import Normaliser
from rl.sac import Rows, SquashedPolicy, TransitionBuffer, TwinValues, transitions
from tests.rl.made import rollout

THREE = Observations(None, (3,))
BOX = Actions(0, 0, torch.tensor([-2.0]), torch.tensor([2.0]))
adam = functools.partial(torch.optim.Adam, lr=3e-3)


def rows_of(count, absorbing=False, next_absorbing=False):
    """Rows of three observed numbers, the flag and one action."""
    now, after = torch.randn(count, 5).clamp(-1, 1), torch.randn(count, 4)
    now[:, 3], after[:, 3] = 0, 0
    gone = torch.tensor([0.0, 0, 0, 1, 0]).repeat(count, 1)
    own = torch.zeros(count)
    return Rows(gone if absorbing else now, gone[:, :4] if next_absorbing else after, own)


def test_densities_of_squashed_actions_integrate_to_one_and_match_torch():
    torch.manual_seed(0)
    policy = SquashedPolicy(THREE, BOX, Normaliser(THREE), (8, 8))
    obs = torch.randn(5, 3)
    mean, log_std = policy.dense(obs).chunk(2, dim=1)
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
        with pytest.raises(UserError, match="continuous actions"):
            SquashedPolicy(THREE, actions, Normaliser(THREE), (8, 8))


def test_targets_are_the_soft_bellman_equation_and_absorbing_states_end_it():
    """Where a row leads to the absorbing state, neither policy nor values have a say."""
    torch.manual_seed(0)
    game, _ = tiny()
    rows, reward = rows_of(6), torch.randn(6)
    rows.after[2] = torch.tensor([0.0, 0, 0, 1])
    state = torch.get_rng_state()
    found = game.targets(*game.following(rows.after), reward, torch.tensor(-7.0))
    torch.set_rng_state(state)
    act, log_prob = game.G.draw(rows.after[:, :3])
    soft = torch.minimum(*game.target(torch.cat([rows.after, act], 1))) - 0.1 * log_prob
    soft[2] = -7.0
    torch.testing.assert_close(found, reward + 0.99 * soft)


def test_the_absorbing_state_is_worth_its_reward_for_ever():
    """It solves V = r + gamma V with the reward that rows of the replay get there."""
    torch.manual_seed(0)
    game, _ = tiny()
    flags = torch.ones(1, dtype=torch.bool)
    gone = Transitions(torch.randn(1, 3), torch.randn(1, 1), torch.randn(1, 3), flags, flags)
    reward = game.rewards(game.D.encode(gone), torch.zeros(1)).squeeze()
    assert reward != 0
    torch.testing.assert_close(game.forever(), reward + 0.99 * game.forever())


def test_twin_values_are_two_plain_networks():
    torch.manual_seed(0)
    values = TwinValues(5, (8, 6))
    x = torch.randn(7, 5)
    for i, found in enumerate(values(x)):
        h = x
        for layer, (weight, bias) in enumerate(zip(values.weights, values.biases)):
            h = torch.nn.functional.linear(h.relu() if layer else h, weight[i].T, bias[i, 0])
        torch.testing.assert_close(found, h.squeeze(1))
    assert not torch.equal(values(x)[0], values(x)[1])


def test_what_is_kept_is_what_the_discriminator_reads():
    """Normalised once; terminal states lead to a flag and zeros, which lead to themselves."""
    torch.manual_seed(0)
    game, _ = tiny()
    ends = torch.zeros(2, 4, dtype=torch.bool)
    ends[1, 2] = True
    roll = rollout(2, 4, features=3, act=torch.full((2, 4, 1), 9.0), terminated=ends)
    game.collector.collect = lambda policy: roll
    game._collect()
    kept = Rows(game.replay.now[:9], game.replay.after[:9], game.replay.own[:9])
    seen = game.normaliser(roll.obs.flatten(0, 1))
    expected = torch.cat([seen, torch.zeros(8, 1), torch.ones(8, 1)], 1)
    torch.testing.assert_close(kept.now[:8], expected)
    gone = torch.tensor([0.0, 0, 0, FLAG])
    torch.testing.assert_close(kept.after[6], gone)
    torch.testing.assert_close(kept.now[8], torch.cat([gone, torch.zeros(1)]))
    torch.testing.assert_close(kept.after[8], gone)
    assert int(game.replay.count) == 9


def test_the_replay_overwrites_the_oldest_and_draws_all():
    replay = TransitionBuffer(5, 4, 10)
    parts = [rows_of(7), rows_of(7)]
    for part in parts:
        replay.add(part)
    every = torch.cat([p.now for p in parts])[-10:]
    drawn = replay.draw(500).now
    found = {tuple(row.tolist()) for row in drawn}
    assert found == {tuple(row.tolist()) for row in every}


def test_each_batch_of_values_and_policy_holds_the_experts_share():
    """6 rows done and 2 of the expert's, with what followed them, in every batch of 8."""
    torch.manual_seed(0)
    game, _ = tiny()
    game.expert_share = 0.25
    mine = rows_of(50)
    game.replay.add(mine)
    drawn = game._draw(3)
    done = {(*now.tolist(), *after.tolist()) for now, after in zip(mine.now, mine.after)}
    shown = game.expert.rows
    after = game.D.encode_state(shown.next_obs, shown.next_absorbing)
    theirs = {(*a.tolist(), *b.tolist()) for a, b in zip(game.D.encode(shown), after, strict=True)}
    for now, following in zip(drawn.now.split(8), drawn.after.split(8), strict=True):
        rows = [(*a.tolist(), *b.tolist()) for a, b in zip(now, following, strict=True)]
        assert [row in done for row in rows] == [True] * 6 + [False] * 2
        assert [row in theirs for row in rows] == [False] * 6 + [True] * 2


def test_a_reward_of_ones_own_is_kept_with_each_row_and_mixed_in():
    """What the function says of rows done and of the expert's, and 0 in the absorbing state."""
    torch.manual_seed(0)
    game, _ = tiny()
    game.expert_share = 0.25
    before = game.forever()
    game.add_reward(lambda rows: (7 + rows.obs[:, 0]).masked_fill(rows.absorbing, 0), 0.2)
    ends = torch.zeros(2, 4, dtype=torch.bool)
    ends[1, 2] = True
    roll = rollout(2, 4, features=3, act=torch.zeros(2, 4, 1), terminated=ends)
    game.collector.collect = lambda policy: roll
    game._collect()
    paid = torch.cat([7 + roll.obs[..., 0].flatten(), torch.zeros(1)])
    torch.testing.assert_close(game.replay.own[:9], paid)
    drawn, normaliser = game._draw(20), game.normaliser
    alive = drawn.now[:, 3] == 0
    raw = drawn.now[:, 0] * normaliser.var[0].sqrt() + normaliser.mean[0]
    near = drawn.now[:, 0].abs() < 4  # the normaliser cuts what is far
    torch.testing.assert_close(drawn.own[alive & near], 7 + raw[alive & near], atol=1e-3, rtol=0)
    expected = 0.8 * game.reward(game.D.score(drawn.now)) + 0.2 * drawn.own
    torch.testing.assert_close(game.rewards(drawn.now, drawn.own), expected)
    torch.testing.assert_close(game.forever(), 0.8 * before)


def test_rollouts_become_rows_without_resets_and_with_flags():
    ends, valid = torch.zeros(4, 2, dtype=torch.bool), torch.ones(4, 2, dtype=torch.bool)
    ends[1, 0], valid[2, 0] = True, False
    rows = transitions(rollout(4, 2, terminated=ends, valid=valid), absorbing=True)
    assert len(rows.obs) == 7
    assert rows.next_absorbing.sum() == 1
    assert not rows.absorbing.any()


def test_values_learn_a_constant_reward():
    """A discriminator that says 1 of everything is worth 1 / (1 - gamma), without entropy."""
    torch.manual_seed(0)
    game, _ = tiny()
    game.gamma, game.tau, game.gradient_steps, game.batch = 0.5, 0.2, 25, 32
    game.reward = torch.ones_like
    with torch.no_grad():
        game.log_alpha.fill_(-30.0)
    game.replay.add(rows_of(64))
    engine = Engine(game, dict.fromkeys(game.players(), adam))
    for _ in range(16):
        engine.play(Turn("Q", game.value_move), iter(()))
    rows = game.replay.draw(32)
    values = game.Q(rows.now).detach()
    torch.testing.assert_close(values, torch.full((2, 32), 2.0), atol=0.25, rtol=0)


def test_alpha_falls_while_the_entropy_is_above_what_is_wanted():
    """Its gradient is the entropy minus two nats below zero for the one component."""
    torch.manual_seed(0)
    made, _ = tiny()
    parts = (made.G, made.Q, made.D, made.collector, made.expert, made.normaliser)
    game = OffPolicyImitation(*parts, buffer_size=64, target_entropy=-2.0)
    game.replay.add(rows_of(64))
    loss = next(game.policy_move(iter(())))
    (slope,) = torch.autograd.grad(loss.total, game.log_alpha)
    torch.testing.assert_close(slope, loss.logs["entropy"] + 2.0)


def test_the_policy_climbs_the_values():
    """Q is highest at the right end of the box; so are the actions after some steps."""
    torch.manual_seed(0)
    game, _ = tiny()

    class Right(torch.nn.Module):
        def forward(self, x):
            return x[:, 4].expand(2, -1)

    engine = Engine(game, dict.fromkeys(game.players(), adam))
    game.Q, game.gradient_steps, game.batch = Right(), 100, 32
    game.replay.add(rows_of(64))
    engine.play(Turn("G", game.policy_move), iter(()))
    assert game.G.act(torch.randn(200, 3)).mean() > 0.6

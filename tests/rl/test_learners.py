"""PPO and TRPO: what they are told to learn from, and what their steps do."""

import functools

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game, Turn
from rl.advantages import prepare
from rl.envs import make_envs
from rl.envs.spaces import Actions, Observations
from rl.games.control import ControlGame
from rl.nets import Normaliser
from rl.policies import make_policy, value_net
from rl.ppo import PPO
from rl.returns import ReturnScale
from rl.rollout import Collector
from rl.trpo import TRPO, conjugate_gradient, sum_of_products
from tests.rl.made import parts, rollout

gymnasium.register("Pays-v0", "tests.rl.made:Several", max_episode_steps=4)
TWO = Observations(None, (2,))
CHOICES = Actions(2, 0, torch.zeros(0), torch.zeros(0))
SEVERAL = Actions(5, np.zeros(2, np.int64), torch.zeros(0), torch.zeros(0), (2, 3))
BOX = Actions(0, 0, -torch.ones(3), torch.ones(3))
adam = functools.partial(torch.optim.Adam, lr=1e-2)


class First(torch.nn.Module):
    """A value that can be read off: the first feature."""

    def forward(self, obs):
        return obs[:, :1]


def policy_of(actions):
    made = make_policy(TWO, actions, Normaliser(TWO), (8, 8))
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return made


def by_hand(roll, reward, gamma, gae_lambda):
    """GAE from its definition, one environment after another."""
    time, envs = reward.shape
    expected = torch.zeros(time, envs)
    for n in range(envs):
        running = 0.0
        for t in reversed(range(time)):
            after = 0.0 if roll.terminated[t, n] else float(roll.next_obs[t, n, 0])
            ends = bool(roll.terminated[t, n] | roll.truncated[t, n])
            delta = float(reward[t, n]) + gamma * after - float(roll.obs[t, n, 0])
            running = delta + (0.0 if ends else gamma * gae_lambda * running)
            expected[t, n] = running
    return expected


def test_advantages_bootstrap_time_limits_and_not_terminal_states():
    """Where an episode goes on, the next row shows what followed; elsewhere it must be kept."""
    terminated, truncated = torch.zeros(6, 3, dtype=torch.bool), torch.zeros(6, 3, dtype=torch.bool)
    terminated[2, 0] = truncated[3, 1] = True
    roll = rollout(terminated=terminated, truncated=truncated)
    goes_on = ~(terminated | truncated)[:-1]
    roll.next_obs[:-1][goes_on] = roll.obs[1:][goes_on]
    reward = torch.randn(6, 3)
    found = prepare(policy_of(CHOICES), First(), roll, reward, 0.9, 0.8)
    expected = by_hand(roll, reward, 0.9, 0.8)
    torch.testing.assert_close(found.advantage, expected.flatten())
    torch.testing.assert_close(found.target, (expected + roll.obs[..., 0]).flatten())


def test_a_reset_that_is_no_transition_changes_nothing():
    """A phantom row, however wild, is left out, and what is around it stays as it is."""
    terminated, valid = torch.zeros(6, 3, dtype=torch.bool), torch.ones(6, 3, dtype=torch.bool)
    terminated[2, 1], valid[3, 1] = True, False
    roll = rollout(terminated=terminated, valid=valid)
    reward = torch.randn(6, 3)
    policy = policy_of(CHOICES)
    found = prepare(policy, First(), roll, reward, 0.9, 0.8)
    wild = reward.clone()
    wild[3, 1] = 1e6
    roll.obs[3, 1], roll.next_obs[3, 1] = 77.0, -77.0
    again = prepare(policy, First(), roll, wild, 0.9, 0.8)
    assert len(found.target) == 17
    for x, y in zip(found, again, strict=True):
        assert torch.equal(x, y)


def test_return_scale_neither_shifts_nor_mixes_environments():
    torch.manual_seed(0)
    scale = ReturnScale(2, 0.5, decay=0.0)
    reward = torch.tensor([[1.0, 3.0], [1.0, 3.0], [1.0, 3.0]])
    ended = torch.tensor([[False, False], [True, False], [False, False]])
    found = scale(reward, ended, torch.ones_like(ended))
    returns = torch.tensor([1.0, 1.5, 1.0, 3.0, 4.5, 5.25])  # starts anew after the end
    torch.testing.assert_close(found, reward / returns.square().mean().sqrt())
    assert scale.running.tolist() == [1.0, 5.25]


@pytest.mark.parametrize("actions", [CHOICES, BOX])
def test_densities_entropies_and_divergences_agree_with_torch(actions):
    torch.manual_seed(0)
    policy, other = policy_of(actions), policy_of(actions)
    said, new = (p.parameters_of(torch.randn(5, 2)) for p in (policy, other))
    if actions.discrete:
        kind = torch.distributions.Categorical
        old, now = kind(logits=said), kind(logits=new)
    else:
        kind = torch.distributions.Normal
        old = torch.distributions.Independent(kind(said, policy.log_std.exp()), 1)
        now = torch.distributions.Independent(kind(new, other.log_std.exp()), 1)
    act = old.sample()
    torch.testing.assert_close(policy.log_prob_of(said, act), old.log_prob(act))
    torch.testing.assert_close(policy.entropy_of(said), old.entropy())
    expected = torch.distributions.kl_divergence(old, now)
    torch.testing.assert_close(other.kl_of(policy.snapshot(said), new), expected)


@pytest.mark.parametrize("actions", [CHOICES, BOX])
def test_draws_follow_the_density(actions):
    torch.manual_seed(0)
    policy = policy_of(actions)
    said = policy.parameters_of(torch.randn(1, 2)).detach().expand(20_000, -1)
    drawn = policy.draw(said)
    if actions.discrete:
        frequency = torch.bincount(drawn, minlength=2) / len(drawn)
        torch.testing.assert_close(frequency, said[0].softmax(0), atol=0.015, rtol=0)
    else:
        torch.testing.assert_close(drawn.mean(0), said[0], atol=0.05, rtol=0)
        torch.testing.assert_close(drawn.std(0), policy.log_std.exp(), atol=0.05, rtol=0)


def test_several_choices_are_independent_categoricals():
    torch.manual_seed(0)
    policy, other = policy_of(SEVERAL), policy_of(SEVERAL)
    said, new = (p.parameters_of(torch.randn(5, 2)) for p in (policy, other))
    kind = torch.distributions.Categorical
    old, now = ([kind(logits=part) for part in x.split([2, 3], 1)] for x in (said, new))
    act = torch.stack([one.sample() for one in old], 1)
    expected = sum(one.log_prob(a) for one, a in zip(old, act.T, strict=True))
    torch.testing.assert_close(policy.log_prob_of(said, act), expected)
    torch.testing.assert_close(policy.log_prob_received_of(said, act), expected)
    torch.testing.assert_close(policy.entropy_of(said), sum(one.entropy() for one in old))
    kl = sum(map(torch.distributions.kl_divergence, old, now))
    torch.testing.assert_close(other.kl_of(policy.snapshot(said), new), kl)
    expected = torch.stack([one.probs.argmax(1) for one in old], 1)
    assert torch.equal(policy.best(said), expected)
    many = policy.draw(said[:1].detach().expand(20_000, -1))
    for i, one in enumerate(old):
        frequency = torch.bincount(many[:, i], minlength=i + 2) / len(many)
        torch.testing.assert_close(frequency, one.probs[0].detach(), atol=0.015, rtol=0)
    rows = SEVERAL.encode(torch.tensor([[1, 0], [0, 2]]))
    assert rows.tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]]


def test_several_choices_are_learned():
    """Each component's first choice pays; within a few rounds both are what the policy does."""
    torch.manual_seed(0)
    act = spaces.MultiDiscrete([3, 2], start=[5, -1])
    envs = make_envs("Pays-v0", 4, {"act": act})
    normaliser = Normaliser(envs.observations)
    policy = make_policy(envs.observations, envs.actions, normaliser, (8, 8))
    value = value_net(envs.observations, normaliser, (8, 8))
    learner = PPO(policy, value, 4, gamma=0.1, minibatch=32, epochs=5)
    game = ControlGame(learner, Collector(envs, 16), normaliser)
    list(Engine(game, {"G": adam}).rounds(lambda i: torch.zeros(1), 8))
    assert Collector(envs, 32).collect(policy).reward.mean() > 0.85


def test_conjugate_gradients_solve():
    torch.manual_seed(0)
    root = torch.randn(6, 6)
    matrix = root @ root.T + torch.eye(6)
    b = [torch.randn(2), torch.randn(4)]

    def product(v):
        return list((matrix @ torch.cat(v)).split([2, 4]))

    found = torch.cat(conjugate_gradient(product, b, 20))
    torch.testing.assert_close(
        found, torch.linalg.solve(matrix, torch.cat(b)), rtol=1e-3, atol=1e-4
    )


class Learns(Game):
    """A learner on one made rollout."""

    def __init__(self, learner, roll):
        super().__init__()
        self.learner, self.roll = learner, roll

    def players(self):
        return self.learner.players()

    def turns(self):
        def prepared(turn):
            def move(batches):
                self.learner.prepare(self.roll, self.roll.reward)
                yield from turn.move(batches)

            return move

        first, *others = self.learner.turns()
        return [Turn(first.player, prepared(first)), *others]


@pytest.mark.parametrize("actions", [CHOICES, BOX])
def test_a_trust_region_step_improves_and_stays_inside(actions):
    """The step has the length that the quadratic model of the divergence allows."""
    torch.manual_seed(0)
    policy = policy_of(actions)
    roll = rollout(time=200, envs=4)
    with torch.no_grad():
        act = policy.act(roll.obs.flatten(0, 1))
    roll = roll._replace(act=act.unflatten(0, (200, 4)))
    reward = roll.act.float() if actions.discrete else roll.act[..., 0]
    learner = TRPO(policy, torch.nn.Linear(2, 1), 4, max_kl=0.001, damping=1e-3, epochs=1)
    game = Learns(learner, roll._replace(reward=reward))
    sgd = functools.partial(torch.optim.SGD, lr=1.0)
    engine = Engine(game, {"V": adam, "G": sgd})
    obs = roll.obs.flatten(0, 1)
    old = policy.snapshot(policy.parameters_of(obs))
    before = policy.best(policy.parameters_of(obs)).float().mean()
    (logs,) = engine.rounds(lambda i: torch.zeros(1), 1)
    kl = float(policy.kl_of(old, policy.parameters_of(obs)).mean().detach())
    assert float(logs["G/share"]) == 1.0
    assert 0.0002 < kl < 0.0015
    assert float(logs["G/kl"]) == pytest.approx(kl, rel=1e-3)
    assert policy.best(policy.parameters_of(obs)).float().mean() > before - 1e-6


def test_the_trust_region_step_is_the_natural_gradient():
    """Against a Fisher matrix formed outright."""
    torch.manual_seed(0)
    policy = policy_of(CHOICES)
    roll = rollout(time=50, envs=4)
    learner = TRPO(policy, First(), 4, damping=0.1, cg_steps=200, max_kl=1e-6)
    learner.prepare(roll, roll.reward)
    step, _ = learner._step(learner.samples)
    parameters = list(policy.parameters())
    s = learner.samples
    said = policy.parameters_of(s.obs)
    advantage = (s.advantage - s.advantage.mean()) / s.advantage.std()
    log_prob = policy.log_prob_of(said, s.act)
    gain = torch.autograd.grad((log_prob * advantage).mean(), parameters, retain_graph=True)
    g = torch.cat([x.flatten() for x in gain]).double()
    every = said.log_softmax(1)
    fisher = torch.zeros(len(g), len(g), dtype=torch.float64)
    for row in range(len(every)):
        for choice in range(2):
            grad = torch.autograd.grad(every[row, choice], parameters, retain_graph=True)
            score = torch.cat([x.flatten() for x in grad]).double()
            fisher += every[row, choice].exp().item() * torch.outer(score, score)
    expected = torch.linalg.solve(fisher / len(every) + 0.1 * torch.eye(len(g)), g)
    found = torch.cat([x.flatten() for x in step]).double()
    cosine = torch.nn.functional.cosine_similarity(found, expected, dim=0)
    assert cosine > 0.999


@pytest.mark.parametrize("kind", ["ppo", "trpo"])
def test_learners_learn_what_is_rewarded(kind):
    """Choice 1 earns; within a few rounds it is what the policy does."""
    torch.manual_seed(0)
    _, _, policy, value, collector = parts("CartPole-v1", 4, 32)
    learner = (PPO if kind == "ppo" else TRPO)(policy, value, 4, gamma=0.1, minibatch=64)

    class Game1(Learns):
        def turns(self):
            def fresh(batches):
                roll = collector.collect(policy)
                self.learner.prepare(roll, roll.act.float())
                yield from first.move(batches)

            first, *others = self.learner.turns()
            return [Turn(first.player, fresh), *others]

    rate = {"G": adam if kind == "ppo" else functools.partial(torch.optim.SGD, lr=1.0), "V": adam}
    game = Game1(learner, None)
    engine = Engine(game, {p: rate[p] for p in game.players()})
    list(engine.rounds(lambda i: torch.zeros(1), 8))
    assert collector.collect(policy).act.float().mean() > 0.8


def test_returns_of_finished_episodes_are_counted_across_rollouts():
    torch.manual_seed(0)
    _, _, policy, _, collector = parts("CartPole-v1", 3, 7)
    rolls = [collector.collect(policy) for _ in range(40)]
    reward, ended = (torch.cat([getattr(r, n) for r in rolls]) for n in ("reward", "ended"))
    expected = []
    for t in range(len(reward)):
        for n in range(3):
            if ended[t, n]:
                before = ended[:t, n].nonzero()
                start = int(before[-1]) + 1 if len(before) else 0
                expected.append(float(reward[start : t + 1, n].sum()))
    found = torch.cat([r.returns for r in rolls]).tolist()
    assert found == expected
    assert len(found) > 20


def test_inner_products():
    assert (
        float(sum_of_products([torch.ones(2), torch.ones(1)], [torch.ones(2), torch.ones(1)])) == 3
    )
    assert np.isfinite(float(sum_of_products([torch.zeros(1)], [torch.zeros(1)])))


def test_a_reward_that_is_no_number_is_refused_and_its_place_named():
    *_, policy, _, collector = parts(count=2, steps=3)
    inner = collector.envs.step
    left = iter([0.0, float("nan"), 0.0])

    def step(act):
        found = inner(act)
        found.reward[1] = next(left)
        return found

    object.__setattr__(collector.envs, "step", step)
    with pytest.raises(UserError, match="environment 2 of 2 paid nan at step 2"):
        collector.collect(policy)

"""DAgger: what it keeps, whom it asks, and that it mends what cloning alone cannot know."""

import functools

import torch

from image_core.adversarial.engine import Engine
from rl.discriminators import Transitions
from rl.games.dagger import Dagger, tiny
from rl.policies import Actor
from tests.rl.made import parts

adam = functools.partial(torch.optim.Adam, lr=1e-2)


class Sign(Actor):
    """Pushes the cart where the pole leans; a rule that holds it up for good."""

    def act(self, obs, deterministic=False):
        return (obs[:, 2] + 0.3 * obs[:, 3] + 0.02 * obs[:, 0] + 0.05 * obs[:, 1] > 0).long()


def uniform(index):
    return torch.rand(256, generator=torch.Generator().manual_seed(index))


def game_of(steps, buffer_size=10_000, gradient_steps=20):
    envs, normaliser, policy, _, collector = parts("CartPole-v1", 8, 64, (32, 32))
    normaliser.see(steps.obs)
    game = Dagger(
        policy,
        Sign(),
        collector,
        steps,
        normaliser,
        buffer_size=buffer_size,
        gradient_steps=gradient_steps,
    )
    return game, envs


def few_steps(count=8):
    """The pole leans to one side only: nothing of the other action is shown."""
    obs = 0.01 * torch.rand(count, 4)
    no = torch.zeros(count, dtype=torch.bool)
    return Transitions(obs, Sign().act(obs), obs, no, no)


def test_the_learners_states_are_kept_with_the_teachers_actions():
    torch.manual_seed(0)
    game, _ = game_of(few_steps(), buffer_size=700, gradient_steps=1)
    engine = Engine(game, {"G": adam})
    for rounds in (1, 2):
        list(engine.rounds(uniform, 1))
        assert int(game.count) == 512 * rounds
        kept = min(512 * rounds, 700)
        assert torch.equal(game.act[:kept], Sign().act(game.obs[:kept]))
        assert game.obs[:kept].abs().sum(1).min() > 0
    # The second rollout overwrote the first 324 rows, as a ring does
    assert int(game.count) % game.buffer_size == 324


def test_a_learner_that_is_told_everywhere_balances_and_a_clone_of_little_does_not():
    from rl.bc import BehaviouralCloning
    from rl.envs import make_envs
    from rl.metrics import returns_of

    torch.manual_seed(0)
    steps = few_steps()
    game, _ = game_of(steps)
    list(Engine(game, {"G": adam}).rounds(uniform, 10))
    told = returns_of(game.policy, make_envs("CartPole-v1", 10), 10, seed=5, deterministic=True)
    _, normaliser, policy, *_ = parts("CartPole-v1", hidden=(32, 32))
    normaliser.see(steps.obs)
    cloned = BehaviouralCloning(policy, steps, normaliser)
    list(Engine(cloned, {"G": adam}).rounds(uniform, 200))  # as many steps
    alone = returns_of(policy, make_envs("CartPole-v1", 10), 10, seed=5, deterministic=True)
    assert told.mean() > 450
    assert alone.mean() < 400


def test_it_says_how_often_the_learner_agrees():
    torch.manual_seed(0)
    game, data = tiny()
    (logs,) = Engine(game, {"G": adam}).rounds(data, 1)
    rows, right = game.obs[:32], game.act[:32]
    assert torch.equal(right, game.expert_policy.act(rows, deterministic=True))
    assert 0 <= float(logs["G/accuracy"]) <= 1

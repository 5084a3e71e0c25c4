"""SQIL and IQ-Learn: values of states, objectives by hand, the absorbing state, what they learn."""

import functools
import math

import numpy as np
import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from rl.demos import expert
from rl.discriminators import FLAG, Encoding
from rl.envs.spaces import Actions, Observations
from rl.games.soft import SoftImitation, inverse, regression, tiny
from rl.nets import Normaliser
from rl.rollout import Collector
from rl.sac import Rows
from rl.soft import SoftBox, SoftChoices
from tests.rl.made import parts, some_expert, trajectory

THREE = Observations(None, (3,))
CHOICES = Actions(2, 0, torch.zeros(0), torch.zeros(0))
SEVERAL = Actions(5, np.zeros(2, np.int64), torch.zeros(0), torch.zeros(0), (2, 3))
PIXELS = Observations(None, (3, 8, 8))


def game_of(objective, collects=True, data=None, temperature=0.5):
    envs, normaliser, *_ = parts()
    seen = (envs.observations, envs.actions, normaliser)
    torch.manual_seed(0)
    return SoftImitation(
        SoftChoices(*seen, (8, 8), temperature=temperature),
        Encoding(*seen),
        Collector(envs, 4) if collects else None,
        some_expert() if data is None else data,
        normaliser,
        objective=objective,
        buffer_size=64,
        gamma=0.9,
        gradient_steps=2,
    )


def rows_of(game, count=5):
    state = torch.randn(count, game.encoding.state)
    state[:, -1] = 0
    act = torch.eye(2)[torch.randint(2, (count,))]
    after = torch.randn(count, game.encoding.state)
    after[:, -1] = 0
    return Rows(torch.cat([state, act], 1), after, torch.zeros(count))


def test_choices_are_drawn_from_the_softmax_of_their_values():
    """V(s) = E[Q - T log pi] with pi = softmax(Q / T), which is T log sum exp(Q / T)."""
    torch.manual_seed(0)
    values = SoftChoices(THREE, CHOICES, Normaliser(THREE), (8, 8), temperature=0.5)
    state = torch.tensor([[0.3, -1.0, 0.5, 0.0]])
    q = values.quick(state).detach()
    pi = (q / 0.5).softmax(1)
    torch.testing.assert_close(values.v(state).detach(), (pi * (q - 0.5 * pi.log())).sum(1))
    drawn = values.policy.act(state[:, :3].repeat(4000, 1))
    assert float(drawn.float().mean()) == pytest.approx(float(pi[0, 1]), abs=0.03)
    assert int(values.policy.act(state[:, :3], deterministic=True)) == int(q.argmax())


def test_values_of_choices_begin_near_0_so_that_no_choice_is_likelier():
    torch.manual_seed(0)
    values = SoftChoices(THREE, CHOICES, Normaliser(THREE), (8, 8), temperature=0.5)
    assert float(values.quick(3 * torch.randn(100, 4)).detach().abs().max()) < 0.1


def test_a_policy_of_a_box_moves_and_the_values_do_not():
    torch.manual_seed(0)
    box = Actions(0, 0, -torch.ones(1), torch.ones(1))
    values = SoftBox(THREE, box, Normaliser(THREE), (8, 8), temperature=0.5, target_entropy=-1.0)
    state = torch.cat([torch.randn(4, 3), torch.zeros(4, 1)], 1)
    values.policy_loss(state).total.backward()
    assert all(p.grad is None for p in values.quick.parameters())
    assert all(bool(p.grad.abs().sum() > 0) for p in values.policy.parameters())


def test_sqil_regresses_on_ones_for_the_expert_and_zeros_for_its_own_steps():
    game = game_of(regression)
    shown, own = rows_of(game), rows_of(game)
    own.after[1, -1] = FLAG
    own.now[2, 4] = FLAG
    found = game.objective.loss(game, shown, own, torch.tensor(7.0)).total
    expected = 0.0
    for rows, reward in ((shown, 1.0), (own, 0.0)):
        q = (game.values.quick(rows.now[:, :5]) * rows.now[:, 5:]).sum(1)
        v = 0.5 * (game.values.slow(rows.after) / 0.5).logsumexp(1)
        v = torch.where(rows.after[:, -1] > 0, 7.0, v)
        errors = (q - reward - 0.9 * v).square() * (rows.now[:, 4] == 0)
        expected = expected + errors.mean()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("shown", "own", "sqil", "iq"),
    [(True, False, 10.0, 10.0), (False, True, 0.0, -10.0), (True, True, 5.0, 0.0)],
)
def test_the_absorbing_state_is_worth_its_reward_for_ever(shown, own, sqil, iq):
    """By the expert's share x of its rows: SQIL's regression finds x there, and what IQ-Learn says
    of one reward, -x r + (r + r^2 / (4 alpha)) / 2, is least at 2 alpha (2 x - 1)."""
    data = expert([trajectory(5, terminated=shown)] * 2)
    for objective, worth in ((regression, sqil), (inverse(0.5), iq)):
        game = game_of(objective, data=data)
        rows = rows_of(game, 6)  # as many as the expert's with its absorbing one
        if own:
            rows.now[0, 4] = FLAG
        game.replay.add(rows)
        assert float(game.forever()) == pytest.approx(worth)  # r / (1 - 0.9)
    assert float(game_of(inverse(0.5), collects=False, data=data).forever()) == 0


def test_iq_learn_by_hand_and_its_reward_is_that_of_its_values():
    game = game_of(inverse(0.25))
    shown, own = rows_of(game), rows_of(game)
    own.after[0, -1] = FLAG
    own.now[1, 4] = FLAG
    both = Rows(*(torch.cat(pair) for pair in zip(shown, own)))
    q = (game.values.quick(both.now[:, :5]) * both.now[:, 5:]).sum(1)
    v, after = (
        0.5 * (game.values.quick(x) / 0.5).logsumexp(1) for x in (both.now[:, :5], both.after)
    )
    after = 0.9 * torch.where(both.after[:, -1] > 0, -7.0, after)
    lives = both.now[:, 4] == 0
    r = (q - after) * lives
    expected = -r[:5].mean() + ((v - after) * lives).mean() + r.square().mean()
    found = game.objective.loss(game, shown, own, torch.tensor(-7.0)).total
    torch.testing.assert_close(found, expected)
    weights = list(game.values.quick.parameters())
    for mine, wanted in zip(*(torch.autograd.grad(x, weights) for x in (found, expected))):
        torch.testing.assert_close(mine, wanted)  # V' learns too
    data = game.expert.steps()
    rows = game._rows(data)
    implied = game.values.q(rows.now)[0] - 0.9 * game.values.v(rows.after) * ~data.next_absorbing
    torch.testing.assert_close(game.reward_of(data), implied.detach())


def test_the_best_reward_of_iq_learn_is_bounded_by_its_divergence():
    """Where V and V' are 0 the loss of one row is -r + r^2 / (4 alpha), least at r = 2 alpha."""
    game = game_of(inverse(0.25), collects=False)
    rows, zero = rows_of(game), torch.tensor(0.0)
    game.values.v = lambda state, slow=False: torch.zeros(len(state))
    game.values.q = lambda now: free
    free = torch.zeros(1, 5, requires_grad=True)
    (slope,) = torch.autograd.grad(game.objective.loss(game, rows, None, zero).total, free)
    torch.testing.assert_close(slope, torch.full((1, 5), -0.2))
    free = torch.full((1, 5), 2 * 0.25, requires_grad=True)
    (slope,) = torch.autograd.grad(game.objective.loss(game, rows, None, zero).total, free)
    torch.testing.assert_close(slope, torch.zeros(1, 5))


def test_iq_learns_values_telescope_to_that_of_the_first_state():
    """Over an episode, each step by gamma^t, E[V(s) - gamma V(s')] is V of its first state: without
    a reward the loss moves nothing else."""
    game = game_of(inverse(0.5))
    states = torch.randn(6, 5)
    states[:, 4] = 0
    states[5, 4] = FLAG
    first, *_ = states
    value = lambda state, slow=False: 0.5 * (net(state) / 0.5).logsumexp(1)  # noqa: E731
    net, forever = game.values.quick, torch.tensor(-3.0)
    after = game.next_value(Rows(states[:5], states[1:], torch.zeros(5)), forever)
    total = ((value(states[:5]) - 0.9 * after) * 0.9 ** torch.arange(5)).sum()
    torch.testing.assert_close(total, value(first[None])[0] - 0.9**5 * forever)


@pytest.mark.parametrize("objective", [regression, inverse(0.5)])
def test_the_shown_choice_becomes_likely(objective):
    """One choice was shown everywhere; it is taken after some hundred steps."""
    data = some_expert()
    ones = data._replace(rows=data.rows._replace(act=torch.ones_like(data.rows.act)))
    game = game_of(objective, data=ones, temperature=0.05)
    engine = Engine(game, {"G": functools.partial(torch.optim.Adam, lr=1e-2)})
    before = float(game.policy.act(data.rows.obs).float().mean())
    stream = lambda i: torch.rand(32, generator=torch.Generator().manual_seed(i))  # noqa: E731
    list(engine.rounds(stream, 40))
    found = float(game.policy.act(data.rows.obs).float().mean())
    assert found > max(0.85, before), (before, found)


def test_what_cannot_be_valued_is_refused():
    with pytest.raises(UserError, match="one choice at a time"):
        SoftChoices(THREE, SEVERAL, Normaliser(THREE), (8, 8), temperature=0.5)
    with pytest.raises(UserError, match="not images"):
        SoftChoices(PIXELS, CHOICES, Normaliser(PIXELS), (8, 8), temperature=0.5)


def test_rows_of_an_end_lead_to_the_absorbing_state():
    torch.manual_seed(0)
    game, stream = tiny()
    engine = Engine(game, {"G": functools.partial(torch.optim.Adam, lr=1e-3)})
    (logs,) = engine.rounds(stream, 1)
    assert math.isfinite(float(logs["G/forever"]))
    assert int(game.replay.count) == 16

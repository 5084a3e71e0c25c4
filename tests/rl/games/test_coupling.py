"""PWIL: what a step is worth by hand, in which order rows are used up, and what an end earns."""

import math

import pytest
import torch

from rl.demos import expert
from rl.discriminators import Encoding
from rl.games.coupling import CouplingImitation
from rl.ppo import PPO
from tests.rl.made import parts, trajectory

ALPHA, BETA, STEPS, GAMMA = 5.0, 2.0, 4, 0.9


def game_of(rows, steps=STEPS):
    envs, normaliser, policy, value, collector = parts(count=2)
    learner = PPO(policy, value, 2, gamma=GAMMA)
    encoding = Encoding(envs.observations, envs.actions, normaliser)
    return CouplingImitation(
        learner, encoding, collector, rows, normaliser, steps=steps, alpha=ALPHA, beta=BETA
    )


def worth(distance, features):
    """Reward of a mass of 1 / T that goes so far."""
    return ALPHA * math.exp(-BETA * distance / math.sqrt(features))


def test_masses_go_to_the_nearest_rows_that_have_room_and_all_are_free_again_after_an_end():
    """Four rows and four steps: each row takes exactly one step."""
    game = game_of(expert([trajectory(4, terminated=False)]))
    features = game.atoms.shape[1]
    torch.testing.assert_close(game.room, torch.full((4,), 0.25))
    near = torch.tensor([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    yes, no = torch.ones(2, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)
    for distance in (1.0, 2.0, 3.0):
        found = game.step(near, yes, no, no)
        torch.testing.assert_close(found, torch.full((2,), worth(distance, features)))
    # The first is cut by its time limit, the second's reset is no step
    found = game.step(near, ~no, no, torch.tensor([True, False]))
    torch.testing.assert_close(found, torch.full((2,), worth(4.0, features)))
    found = game.step(near, torch.tensor([True, False]), no, no)
    torch.testing.assert_close(found, torch.tensor([worth(1.0, features), 0.0]))


def test_a_step_is_split_where_the_nearest_row_has_too_little_room():
    """Eight rows, four steps: each step fills two rows, and its cost is the mean distance."""
    game = game_of(expert([trajectory(8, terminated=False)]), steps=4)
    near = torch.arange(8.0).repeat(2, 1)
    no = torch.zeros(2, dtype=torch.bool)
    found = game.step(near, ~no, no, no)
    torch.testing.assert_close(found, torch.full((2,), worth(0.5, game.atoms.shape[1])))


@pytest.mark.parametrize("ends", [True, False])
def test_an_end_is_worth_what_the_demonstrations_that_end_leave_to_it(ends):
    """Demonstrations that end are filled up by the absorbing state, which costs nothing then."""
    game = game_of(expert([trajectory(2, terminated=ends)]))
    absorbing = float(game.room[-1]) if ends else 0.0
    assert absorbing == pytest.approx(0.5 if ends else 0.0)
    yes = torch.ones(2, dtype=torch.bool)
    near = torch.tensor([[0.0, 1.0, 9.0]] * 2)[:, : len(game.room)]
    first = game.step(near, yes, ~yes, ~yes)
    second = game.step(near, yes, yes, ~yes)
    rest = second - (worth(1.0, game.atoms.shape[1]) if ends else second)
    if ends:
        assert float(first[0]) == pytest.approx(worth(0.0, 1))
        expected = ALPHA * (GAMMA + GAMMA**2)
        torch.testing.assert_close(rest, torch.full((2,), expected))
    else:  # both rows are half full, and far from the absorbing state
        best = ALPHA * (GAMMA + GAMMA**2)
        assert float(second[0]) < 0.1 * best + ALPHA


def test_the_experts_own_episode_earns_the_most():
    """By rewards of whole rollouts: its rows against others in the same order."""
    shown = trajectory(4, terminated=False)
    game = game_of(expert([shown]))
    obs = torch.from_numpy(shown.obs)[:, None].repeat(1, 2, 1)
    obs[:, 1] += 1.0
    from tests.rl.made import rollout

    act = torch.from_numpy(shown.act)[:, None].repeat(1, 2)
    roll = rollout(4, 2, 4, obs=obs, act=act)
    found = game.rewards(roll)
    torch.testing.assert_close(found[:, 0], torch.full((4,), ALPHA), rtol=1e-3, atol=1e-3)
    assert bool((found[:, 1] < found[:, 0] - 0.1).all())

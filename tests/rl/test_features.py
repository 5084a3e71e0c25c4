"""AMP: its discriminator sees features alone, and the task's reward is mixed in."""

import pytest
import torch

from image_core.adversarial.errors import UserError
from rl.discriminators import Transitions
from rl.features import FeatureDiscriminator
from rl.recipes.imitate.papers import amp
from tests.rl.made import rollout
from tests.rl.recipes.imitate.made import options_of, task_of


def first(obs):
    """The first number, doubled."""
    return 2 * obs[:, :1]


def one_number(obs):
    return obs[:, 0]


def rows_of(obs):
    no = torch.zeros(len(obs), dtype=torch.bool)
    return Transitions(obs, torch.zeros(len(obs), dtype=torch.int64), obs + 1, no, no)


def test_only_features_are_seen_normalised_by_those_of_the_demonstrations():
    task = task_of()
    shown = task.expert.steps().obs
    D = FeatureDiscriminator.of(first, *task.parts, shown, (8, 8))
    found = D.encode(rows_of(shown))
    assert found.shape[1] == 4  # one feature and the flag, now and next
    seen = (2 * shown[:, 0] - 2 * shown[:, 0].mean()) / (2 * shown[:, 0]).std(correction=0)
    torch.testing.assert_close(found[:, 0], seen, rtol=1e-3, atol=1e-3)
    other = shown.clone()
    other[:, 1:] += 1
    torch.testing.assert_close(D.score(D.encode(rows_of(other))), D.score(found))


def test_style_and_task_are_mixed_by_their_shares():
    torch.manual_seed(0)
    o = options_of("amp", features="tests.rl.test_features:first", env_weight=0.25)
    game = amp.game(o, task_of())
    roll = rollout(features=4)
    d = game.D.score(game.D.encode(game._transitions(roll))).view(roll.reward.shape)
    style = (1 - (d - 1).square() / 4).clamp(min=0)
    torch.testing.assert_close(game.rewards(roll), (0.75 * style + 0.25 * roll.reward).detach())


def test_what_makes_no_features_is_refused():
    o = options_of("amp", features="tests.rl.test_features:one_number")
    with pytest.raises(UserError, match=r"must make a tensor \(\d+, F\)"):
        amp.game(o, task_of())
    with pytest.raises(UserError, match="has no 'none'"):
        options_of("amp", features="tests.rl.test_features:none")

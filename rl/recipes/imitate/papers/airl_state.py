"""State-only AIRL (Fu, Luo & Levine 2018, section 5): AIRL whose reward g(s) sees states alone.

Such a reward is what carries over to other dynamics.
"""

from dataclasses import dataclass

from rl.discriminators import ShapedDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.papers import airl

PRESETS = airl.PRESETS


@dataclass(kw_only=True)
class Options(airl.Options):
    """State-only AIRL."""

    past_rollouts: int = 20


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = ShapedDiscriminator(
        *task.parts, o.gamma, o.d_layers(), state_only=True, spectral=o.spectral
    )
    return make_game(o, task, learner, D, **o.reward_and_loss(), past_rollouts=o.past_rollouts)


players = on_policy_players

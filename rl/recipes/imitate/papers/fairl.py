"""FAIRL (Ghasemipour, Zemel & Gu 2019): GAIL with the reward -l e^l of the logit l.

It leads to the forward divergence KL(expert, policy). Logits are cut at +-5.
"""

from dataclasses import dataclass

from rl.discriminators import DenseDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """FAIRL."""

    reward: str = "forward_kl"
    loss: str = "non_saturating"
    penalty: str = "r1=1"


PRESETS = {"paper": {"penalty": ""}}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = DenseDiscriminator(*task.parts, hidden=o.d_layers(), spectral=o.spectral)
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players

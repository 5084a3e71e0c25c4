"""FAIRL (Ghasemipour, Zemel & Gu 2019): GAIL down the forward divergence KL(expert, policy).

The published reward of the logit l is -l e^l (`--reward forward_kl`, in the preset paper). It falls
where l > -1: the expert's rows earn less than the policy's, and where episodes end, ending at once
earns most. The default is e^l, the derivative of the same divergence. Logits are cut at +-5.
The discriminator takes three times the relatives' steps: a policy that is ahead of it finds rows
that it takes for better than the expert's, and e^l pays for them without bound.
"""

from dataclasses import dataclass

from rl.discriminators import DenseDiscriminator
from rl.games.imitation import ImitationGame
from rl.recipes.imitate.build import ImitationTask, make_game, make_learner, on_policy_players
from rl.recipes.imitate.config import OnPolicyOptions, RewardOptions


@dataclass(kw_only=True)
class Options(OnPolicyOptions, RewardOptions):
    """FAIRL."""

    reward: str = "density_ratio"
    loss: str = "non_saturating"
    penalty: str = "r1=1"
    d_steps: int = 24


PRESETS = {
    "paper": {"penalty": "", "reward": "forward_kl", "d_steps": 1},
    "tiny": {"d_steps": 2},
}


def game(o: Options, task: ImitationTask) -> ImitationGame:
    """The game of a run's options."""
    learner = make_learner(o, task)
    D = DenseDiscriminator(*task.parts, hidden=o.d_layers(), spectral=o.spectral)
    return make_game(o, task, learner, D, **o.reward_and_loss())


players = on_policy_players

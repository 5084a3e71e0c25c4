"""Named papers: each is a critic, a reward and a loss for one `ImitationGame`.

`__all__` is what `seqgan train imitate --algorithm` takes.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.losses import AdversarialLoss
from rl import rewards
from rl.discriminators import BottleneckCritic, DenseCritic, Discriminator, ShapedCritic
from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser

__all__ = ["airl", "airl_state", "fairl", "gaifo", "gail", "vail", "wail"]

DEFAULT_PENALTY = "r1=1"


class Algorithm(NamedTuple):
    """What a paper changes in the game.

    Args:
        critic: (observations, actions, normaliser, gamma, hidden, spectral) -> critic.
        reward: of a logit.
        loss: of the critic.
        penalty: as `seqgan` writes it; the loss may mean nothing without one.
    """

    critic: Callable[[Observations, Actions, Normaliser, float, Sequence[int], bool], Discriminator]
    reward: Callable[[Tensor], Tensor]
    loss: AdversarialLoss = losses.non_saturating
    penalty: str = DEFAULT_PENALTY


def _dense(
    obs: Observations, act: Actions, n: Normaliser, gamma: float, hidden: Sequence[int], sn: bool
) -> Discriminator:
    return DenseCritic(obs, act, n, hidden=hidden, spectral=sn)


def _of_states(
    obs: Observations, act: Actions, n: Normaliser, gamma: float, hidden: Sequence[int], sn: bool
) -> Discriminator:
    return DenseCritic(obs, act, n, "state_next", hidden, sn)


def _shaped(
    obs: Observations, act: Actions, n: Normaliser, gamma: float, hidden: Sequence[int], sn: bool
) -> Discriminator:
    return ShapedCritic(obs, act, n, gamma, hidden, spectral=sn)


def _shaped_by_state(
    obs: Observations, act: Actions, n: Normaliser, gamma: float, hidden: Sequence[int], sn: bool
) -> Discriminator:
    return ShapedCritic(obs, act, n, gamma, hidden, state_only=True, spectral=sn)


def _bottleneck(
    obs: Observations, act: Actions, n: Normaliser, gamma: float, hidden: Sequence[int], sn: bool
) -> Discriminator:
    return BottleneckCritic(obs, act, n, hidden=hidden, spectral=sn)


gail = Algorithm(_dense, rewards.positive)
"""Generative adversarial imitation (Ho & Ermon 2016): D(s, a), reward -log(1 - D)."""

airl = Algorithm(_shaped, rewards.log_ratio)
"""Adversarial inverse RL (Fu, Luo & Levine 2018): D = e^f / (e^f + pi), reward f - log pi."""

airl_state = Algorithm(_shaped_by_state, rewards.log_ratio)
"""AIRL whose reward g(s) sees states alone, which is what carries to other dynamics (section 5)."""

fairl = Algorithm(_dense, rewards.forward_kl)
"""Forward KL (Ghasemipour, Zemel & Gu 2019): reward -l e^l."""

gaifo = Algorithm(_of_states, rewards.positive)
"""From observations alone (Torabi, Warnell & Stone 2018): D(s, s'), actions unseen."""

vail = Algorithm(_bottleneck, rewards.positive)
"""Information bottleneck (Peng et al. 2019): the critic may learn only so much of each row."""

wail = Algorithm(_dense, rewards.log_ratio, losses.wasserstein, "lipschitz=10")
"""Wasserstein critic (Xiao et al. 2019): reward is the critic itself, its slope held below 1."""

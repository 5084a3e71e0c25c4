"""What papers of imitation build their games from."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from image_core.adversarial.losses import AdversarialLoss
from image_core.runs.penalties import make_penalty
from image_core.runs.players import Player, adam
from rl.demos import Expert
from rl.discriminators import Discriminator
from rl.envs import Envs
from rl.envs.spaces import Actions, Observations
from rl.games.imitation import ImitationGame
from rl.learner import Learner
from rl.nets import Normaliser
from rl.policies import Actor, make_policy, value_net
from rl.ppo import PPO
from rl.recipes.imitate.config import OnPolicyOptions, PolicyGradientOptions
from rl.recipes.rates import policy_adam, to_zero
from rl.rollout import Collector
from rl.trpo import TRPO


class ImitationTask(NamedTuple):
    """What a paper's game is about.

    Args:
        envs: Environments that the policy acts in.
        expert: Rows to be imitated.
        normaliser: Normaliser of observations, which has seen the expert's.
        trained: Whether the discriminator learns; it does not in a control.
        load_policy: Loads the policy of a run's folder or of a file of weights; takes the name of
            the option, for complaints, and its value.
    """

    envs: Envs
    expert: Expert
    normaliser: Normaliser
    trained: bool
    load_policy: Callable[[str, str], Actor]

    @property
    def parts(self) -> tuple[Observations, Actions, Normaliser]:
        """What policies and discriminators are built from."""
        return self.envs.observations, self.envs.actions, self.normaliser


def make_learner(o: PolicyGradientOptions, task: ImitationTask) -> Learner:
    """A policy and its values of the chosen size, and how they learn from rewards."""
    policy = make_policy(*task.parts, o.layers())
    value = value_net(task.envs.observations, task.normaliser, o.layers())
    make = functools.partial(PPO, entropy=o.entropy) if o.learner == "ppo" else TRPO
    return make(
        policy,
        value,
        o.envs,
        gamma=o.gamma,
        gae_lambda=o.gae_lambda,
        epochs=o.epochs,
        minibatch=o.minibatch,
    )


def make_game(
    o: OnPolicyOptions,
    task: ImitationTask,
    learner: Learner,
    D: Discriminator,
    *,
    reward: Callable[[Tensor], Tensor],
    loss: AdversarialLoss,
    past_rollouts: int = 1,
) -> ImitationGame:
    """The imitation game of a learner and a discriminator.

    Args:
        o: Options of the run.
        task: What the game is about.
        learner: Policy and values, and how they learn.
        D: Discriminator.
        reward: Reward of a logit.
        loss: Loss of the discriminator.
        past_rollouts: Number of newest rollouts that it learns against.
    """
    return ImitationGame(
        learner,
        D,
        Collector(task.envs, o.rollout),
        task.expert,
        task.normaliser,
        reward=reward,
        loss=loss,
        penalty=make_penalty(o.penalty),
        absorbing=o.absorbing,
        d_steps=o.d_steps if task.trained else 0,
        env_weight=o.env_weight,
        past_rollouts=past_rollouts,
    )


def policy_players(o: PolicyGradientOptions) -> list[Player]:
    """Policy and values by PPO, whose rates fall to 0 over the run, or by TRPO."""
    if o.learner == "trpo":
        step = functools.partial(torch.optim.SGD, lr=1.0)
        return [Player("V", policy_adam(o.g_lr)), Player("G", step)]
    return [Player("G", policy_adam(o.g_lr), max_grad_norm=0.5, schedule=to_zero(o.g_moves()))]


def on_policy_players(o: OnPolicyOptions) -> list[Player]:
    """Policy, values and discriminator by PPO or TRPO.

    PPO's rates fall to 0 over the steps that will be taken, and the discriminator's with them: one
    that goes on alone learns the few demonstrations by heart, and the policy, whose rate is gone,
    cannot answer.
    """
    falls = to_zero(o.rounds() * o.d_steps) if o.learner == "ppo" else None
    return [*policy_players(o), Player("D", adam(o.d_lr), schedule=falls)]

"""The games that the recipe imitate plays, built from its options."""

from typing import TYPE_CHECKING

import torch

from image_core.adversarial import losses
from image_core.runs.penalties import make_penalty
from rl.recipes.imitate.config import Config

if TYPE_CHECKING:
    from rl.demos import Expert
    from rl.envs import Envs
    from rl.games.dagger import Dagger
    from rl.games.imitation import ImitationGame
    from rl.games.off_policy import OffPolicyImitation
    from rl.nets import Normaliser
    from rl.policies import Actor


def adversarial(
    c: Config, envs: "Envs", expert: "Expert", device: torch.device, train_critic: bool
) -> "ImitationGame":
    """GAIL or a relative, by PPO or TRPO; behavioural cloning alone plays nothing of it."""
    from rl import algorithms, rewards
    from rl.games.imitation import ImitationGame
    from rl.policies import make_policy, value_net
    from rl.ppo import PPO
    from rl.rollout import Collector
    from rl.trpo import TRPO

    named = getattr(algorithms, "gail" if c.algorithm == "bc" else c.algorithm)
    normaliser, sizes = _normaliser(envs, expert, device), (c.hidden, c.hidden)
    policy = make_policy(envs.observations, envs.actions, normaliser, sizes)
    value = value_net(envs.observations, normaliser, sizes)
    shared = {"gamma": c.gamma, "lam": c.lam, "epochs": c.epochs, "minibatch": c.minibatch}
    learner = (
        PPO(policy, value, c.envs, entropy=c.entropy, **shared)  # type: ignore[arg-type]
        if c.learner == "ppo"
        else TRPO(policy, value, c.envs, **shared)  # type: ignore[arg-type]
    )
    judge = (c.critic_hidden, c.critic_hidden)
    text = "" if c.penalty == "none" else c.penalty or named.penalty
    return ImitationGame(
        learner,
        named.critic(envs.observations, envs.actions, normaliser, c.gamma, judge, c.spectral),
        Collector(envs, c.rollout),
        expert,
        normaliser,
        reward=getattr(rewards, c.reward) if c.reward else named.reward,
        loss=getattr(losses, c.loss) if c.loss else named.loss,
        penalty=make_penalty(text),
        absorbing=c.absorbing,
        critic_steps=c.critic_steps if train_critic else 0,
        env_weight=c.env_weight,
    )


def off_policy(
    c: Config, envs: "Envs", expert: "Expert", device: torch.device, train_critic: bool
) -> "OffPolicyImitation":
    """Discriminator-actor-critic."""
    from rl import rewards
    from rl.discriminators import DenseCritic
    from rl.games.off_policy import OffPolicyImitation
    from rl.rollout import Collector
    from rl.sac import SquashedPolicy, TwinValues

    normaliser, sizes = _normaliser(envs, expert, device), (c.hidden, c.hidden)
    text = "" if c.penalty == "none" else c.penalty or "r1=1"
    critic = DenseCritic(
        envs.observations,
        envs.actions,
        normaliser,
        hidden=(c.critic_hidden, c.critic_hidden),
        spectral=c.spectral,
    )
    return OffPolicyImitation(
        SquashedPolicy(envs.observations, envs.actions, normaliser, sizes),
        TwinValues(critic.features, sizes),
        critic,
        Collector(envs, c.rollout),
        expert,
        normaliser,
        capacity=c.capacity,
        reward=getattr(rewards, c.reward or "log_ratio"),
        loss=getattr(losses, c.loss or "non_saturating"),
        penalty=make_penalty(text),
        gamma=c.gamma,
        updates=c.updates,
        train_critic=train_critic,
        batch=c.minibatch,
        expert_share=c.expert_share,
        target_entropy=c.target_entropy,
    )


def dagger(
    c: Config, envs: "Envs", expert: "Expert", device: torch.device, teacher: "Actor"
) -> "Dagger":
    """The learner acts, the teacher says what it would have done."""
    from rl.games.dagger import Dagger
    from rl.policies import make_policy
    from rl.rollout import Collector

    normaliser = _normaliser(envs, expert, device)
    return Dagger(
        make_policy(envs.observations, envs.actions, normaliser, (c.hidden, c.hidden)),
        teacher,
        Collector(envs, c.rollout),
        expert.steps(),
        normaliser,
        capacity=c.capacity,
        updates=c.updates,
    )


def _normaliser(envs: "Envs", expert: "Expert", device: torch.device) -> "Normaliser":
    from rl.nets import Normaliser

    normaliser = Normaliser(envs.observations).to(device)
    normaliser.see(expert.steps().obs)
    return normaliser

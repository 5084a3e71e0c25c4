"""Options of imitation: what every paper shares, and parts that a paper takes or leaves."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.runs import options, outside
from image_core.runs.losses import PLAIN_LOSSES, make_loss
from image_core.runs.penalties import make_penalty
from image_core.runs.phase import Phase
from image_core.runs.shared_options import ShardOptions
from rl.recipes.policy_run import PolicyRun

ESTIMATORS = {
    "ppo": "clipped ratio of PPO on generalised advantages",
    "trpo": "natural gradient of TRPO on generalised advantages",
}
LEARNERS = tuple(ESTIMATORS)


class Cloning(NamedTuple):
    """Behavioural cloning before everything else.

    Args:
        steps: Optimizer steps; with 0 nothing is cloned.
        lr: Adam's learning rate.
    """

    steps: int = 0
    lr: float = 1e-3


class PhasedRun(PolicyRun):
    """A run as the `phases` of a paper see it."""

    @abstractmethod
    def phase(self, game: str, rounds: int, every: int, *, title: str = "") -> Phase:
        """Rounds of one of the run's games, with evaluations of its policy."""


@dataclass(kw_only=True)
class ImitationOptions(ShardOptions):
    """Imitation.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own, as in
            mypackage.mygail.
        env: Id of a gymnasium environment, as in CartPole-v1 or module:Env-v0.
        env_kwargs: Keyword arguments of the environment as JSON, as in {"gravity": 9.0}.
        demos: File or folder of demonstrations; see docs/demonstrations.md.
        valid: File or folder of demonstrations that nothing is learned from, by which the
            discriminator is judged; an empty text takes those of --demos beyond --trajectories.
        trajectories: Number of demonstrations to use, drawn always alike; 0 uses all.
        subsample: Distance between the steps of a trajectory that are kept, in steps; the first one
            is drawn at random.
        max_episode_steps: Time limit of an episode in steps; 0 keeps the environment's own.
        fixed_horizon: Whether episodes that end go on at their end, without reward, to the time
            limit.
        stepping: How environments are stepped: auto (the fastest way that is exact), sync (one by
            one) or envpool (a package in C++).
        hidden: Width of both layers of the policy and of the values.
        ema_decay: Decay of the average of the policy's weights per step, which is then what is
            evaluated and recorded; 0 keeps the weights as they are.
        eval_episodes: Number of episodes of each evaluation at the end.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    env: str
    env_kwargs: str = ""
    demos: str
    valid: str = ""
    trajectories: int = 0
    subsample: int = 1
    max_episode_steps: int = 0
    fixed_horizon: bool = False
    stepping: str = "auto"
    hidden: int = 64
    ema_decay: float = 0.0
    eval_episodes: int = 50

    def __post_init__(self) -> None:
        from rl.envs import STEPPING, keywords

        super().__post_init__()
        keywords(self.env_kwargs)
        options.check_least(self, 1, "subsample", "hidden", "eval_episodes")
        options.check_least(self, 0, "trajectories", "max_episode_steps")
        options.check_choice("stepping", self.stepping, STEPPING)
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"--ema_decay {self.ema_decay}: it must be at least 0 and below 1")

    def layers(self) -> tuple[int, int]:
        """Widths of the policy's and the values' layers."""
        return self.hidden, self.hidden

    def stream_rows(self) -> int:
        """Uniform numbers of a batch of the data stream; a part overrides it."""
        return 256

    def seen_at_once(self) -> int:
        """Newest observations of an episode that the policy reads at once; a part overrides it."""
        return 1

    def env_count(self) -> int:
        """Environments that are stepped side by side; a part overrides it."""
        return 1

    def rounds(self) -> int:
        """Rounds in the environments; a part overrides it."""
        return 0

    def round_steps(self) -> int:
        """Environment steps of a round; a part overrides it."""
        return 0

    def round_evaluations(self) -> int:
        """Rounds between two evaluations; a part overrides it."""
        return 1

    def cloning(self) -> Cloning:
        """Behavioural cloning before the rounds; a part overrides it."""
        return Cloning()

    def reads_absorbing(self) -> bool:
        """Whether demonstrations hold the absorbing state; a part overrides it."""
        return True

    def reads_actions(self) -> bool:
        """Whether demonstrations must hold actions; a part overrides it."""
        return True

    def controls_played(self) -> Sequence[str]:
        """Names of the controls as which the game is played again; a part overrides it."""
        return ()

    def objective(self) -> dict[str, str]:
        """What is learned from, as the result names it; a part overrides it."""
        return {}


@dataclass(kw_only=True)
class RolloutOptions(ImitationOptions):
    """Environment steps.

    Args:
        env_steps: Environment steps of the whole run, of all environments together.
        envs: Number of environments that are stepped side by side.
        rollout: Steps of each environment in a round.
        minibatch: Rows of an optimizer step of the policy.
        g_lr: Adam's learning rate of the policy and the values; it falls to 0 over the run.
        evaluate_every: Rounds between two evaluations of 10 episodes.
    """

    env_steps: int = 400_000
    envs: int = 16
    rollout: int = 256
    minibatch: int = 512
    g_lr: float = 3e-4
    evaluate_every: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "env_steps", "envs", "rollout", "minibatch", "evaluate_every")
        options.check_above_zero(self, "g_lr")

    def env_count(self) -> int:
        return self.envs

    def rounds(self) -> int:
        return math.ceil(self.env_steps / self.round_steps())

    def round_steps(self) -> int:
        return self.envs * self.rollout

    def round_evaluations(self) -> int:
        return self.evaluate_every


@dataclass(kw_only=True)
class WindowOptions(ImitationOptions):
    """Window of observations.

    Args:
        window: Newest observations of an episode that policy and values read one after another by
            a GRU, for tasks that hide a part of their state; discriminators see all of them side by
            side. With 1 they have no memory.
    """

    window: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "window")

    def seen_at_once(self) -> int:
        return self.window


@dataclass(kw_only=True)
class CloningOptions(WindowOptions):
    """Behavioural cloning.

    Args:
        bc_steps: Optimizer steps of behavioural cloning before everything else.
        bc_lr: Adam's learning rate of behavioural cloning.
    """

    bc_steps: int = 0
    bc_lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "bc_steps")
        options.check_above_zero(self, "bc_lr")

    def cloning(self) -> Cloning:
        return Cloning(self.bc_steps, self.bc_lr)


@dataclass(kw_only=True)
class DiscountOptions(RolloutOptions):
    """Discount.

    Args:
        gamma: Discount per step.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    gamma: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self, "gamma")


@dataclass(kw_only=True)
class RandomControlOptions(DiscountOptions):
    """Control.

    Args:
        controls: Whether the game is played once more, with demonstrations of a random policy.
    """

    controls: bool = True

    def controls_played(self) -> Sequence[str]:
        return ("random",) if self.controls else ()


@dataclass(kw_only=True)
class TransitionDiscriminatorOptions(DiscountOptions):
    """Discriminator.

    Args:
        penalty: Penalties of the discriminator, as in r1=1 or r1=1,r2=1; an empty text is none. See
            `seqgan list penalties`. Your own: module:name.
        spectral: Whether the discriminator's weights are divided by their largest singular value.
        d_batch: Rows of the expert in an optimizer step of the discriminator, and as many of the
            policy.
        d_lr: Adam's learning rate of the discriminator.
        d_hidden: Width of both layers of the discriminator.
        controls: Whether the game is played twice more: with a discriminator that is never trained,
            and with demonstrations of a random policy.
    """

    penalty: str = "r1=1"
    spectral: bool = False
    d_batch: int = 256
    d_lr: float = 1e-3
    d_hidden: int = 64
    controls: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "d_batch", "d_hidden")
        options.check_above_zero(self, "d_lr")
        make_penalty(self.penalty)

    def stream_rows(self) -> int:
        return self.d_batch

    def controls_played(self) -> Sequence[str]:
        return ("untrained", "random") if self.controls else ()

    def objective(self) -> dict[str, str]:
        return {**super().objective(), "penalty": self.penalty or "none"}

    def d_layers(self) -> tuple[int, int]:
        """Widths of the discriminator's layers."""
        return self.d_hidden, self.d_hidden


@dataclass(kw_only=True)
class RewardOptions(TransitionDiscriminatorOptions):
    """Reward and loss.

    Args:
        reward: Reward of the discriminator's logit: positive, negative, log_ratio, forward_kl,
            density_ratio, discovered or quadratic. A function of your own may stand beside it, from
            (obs, act, next_obs, done) in the environment's form to a number for each, as in
            log_ratio,mypackage.mine:bonus; without a name before it, the discriminator's reward is
            the paper's.
        reward_weight: Share of the reward of your own, from 0 to 1; the rest is as without it.
        loss: Adversarial loss of the discriminator, see `seqgan list losses`. Your own:
            module:name.
    """

    reward: str = "positive"
    reward_weight: float = 0.5
    loss: str = "non_saturating"

    def __post_init__(self) -> None:
        from rl import rewards
        from rl.recipes.imitate.own import SIGNATURE

        super().__post_init__()
        options.check_choice("reward", self.d_reward(), rewards.__all__)
        options.check_share(self, "reward_weight")
        options.check_own_weight(self, self.own_reward())
        if own := self.own_reward():
            outside.load_function("reward", own, SIGNATURE, 4)
        make_loss(self.loss, PLAIN_LOSSES)

    def d_reward(self) -> str:
        """Name of the reward of the discriminator's logit."""
        return outside.plain_and_own("reward", self.reward)[0] or type(self).reward

    def own_reward(self) -> str:
        """The user's own reward beside it, `module:function`; empty for none."""
        return outside.plain_and_own("reward", self.reward)[1]

    def objective(self) -> dict[str, str]:
        reward = self.d_reward()
        if own := self.own_reward():
            reward = f"{1 - self.reward_weight:g} x {reward} + {self.reward_weight:g} x {own}"
        return {"reward": reward, "loss": self.loss, **super().objective()}

    def reward_and_loss(self) -> dict[str, Any]:
        """Both as functions, as a game takes them."""
        from rl import rewards

        loss = make_loss(self.loss, PLAIN_LOSSES)
        return {"reward": getattr(rewards, self.d_reward()), "loss": loss}


@dataclass(kw_only=True)
class PolicyGradientOptions(DiscountOptions, CloningOptions):
    """Policy gradient.

    Args:
        learner: How the policy learns from rewards: ppo or trpo.
        gae_lambda: Decay of generalised advantage estimates.
        epochs: Passes of the learner over a round.
        entropy: Weight of the policy's entropy, in PPO alone.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    learner: str = "ppo"
    gae_lambda: float = 0.95
    epochs: int = 10
    entropy: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "epochs")
        options.check_least(self, 0, "entropy")
        options.check_choice("learner", self.learner, LEARNERS)
        check_between(self, "gae_lambda")
        if self.entropy and self.learner != "ppo":
            raise UserError(f"--entropy is for --learner ppo, not for {self.learner}; pass 0")

    def objective(self) -> dict[str, str]:
        return {**super().objective(), "estimator": ESTIMATORS[self.learner]}

    def g_moves(self) -> int:
        """Optimizer steps of PPO in the whole run."""
        rows = self.round_steps()
        return self.rounds() * self.epochs * max(1, rows // min(self.minibatch, rows))


@dataclass(kw_only=True)
class OnPolicyOptions(TransitionDiscriminatorOptions, PolicyGradientOptions):
    """Rounds of policy and discriminator.

    Args:
        absorbing: Whether the discriminator sees terminal states, which removes the bias to long or
            to short episodes that the sign of a reward has.
        d_steps: Optimizer steps of the discriminator in a round.
        env_weight: Share of the environment's own reward, from 0 to 1.
    """

    absorbing: bool = True
    d_steps: int = 8
    env_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "d_steps")
        options.check_share(self, "env_weight")

    def reads_absorbing(self) -> bool:
        return self.absorbing


def check_between(config: Any, *names: str) -> None:
    """Refuse options that do not lie above 0 and below 1.

    Raises:
        UserError: Names the option.
    """
    for name in names:
        if not 0 < getattr(config, name) < 1:
            raise UserError(f"--{name} {getattr(config, name)}: it must lie above 0 and below 1")

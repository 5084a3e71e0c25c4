"""Options of the recipe imitate, and its presets."""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.penalties import make_penalty
from image_core.runs.recipe import RunConfig

LEARNERS = ("ppo", "trpo")
OTHERS = ("bc", "dac", "dagger")
"""Algorithms that are games of their own."""
DAC_FIXED = {"learner": "ppo", "entropy": 0.0, "bc_steps": 0, "env_weight": 0.0, "absorbing": True}
"""Options that are for the other algorithms, at their defaults."""


@dataclass(kw_only=True)
class Config(RunConfig):
    """Imitation of an expert's demonstrations.

    Args:
        env: gymnasium id, as in CartPole-v1 or module:Env-v0.
        demos: file or folder of demonstrations; see docs/demonstrations.md.
        algorithm: gail, airl, airl_state (its reward sees states alone), fairl, gaifo, vail, wail;
            dac, off-policy, for continuous actions; bc for behavioural cloning alone; dagger,
            which asks --teacher.
        teacher: whom dagger asks: DIR of a run of expert or imitate, or an .npz of weights.
        trajectories: how many of the demonstrations to use, the first ones; 0 = all.
        subsample: keep every k-th step of a trajectory, from a random first one.
        steps: of the environments, all together.
        envs: stepped side by side.
        rollout: steps of each environment in a round.
        horizon: time limit of an episode; 0 = the environment's own.
        fixed_horizon: episodes that end go on at their end, without reward, to the time limit.
        stepping: auto, the fastest that is exact; sync, one by one; envpool, a package in C++.
        learner: ppo or trpo.
        gamma: discount a step.
        lam: of generalised advantage estimates.
        epochs: passes of the learner over a round.
        minibatch: rows of a learner's step.
        policy_lr: Adam rate of policy and values; falls to 0 over the run.
        entropy: weight of the policy's entropy, ppo only.
        hidden: width of both layers of policy and value.
        reward: positive, negative, log_ratio or forward_kl; empty = the algorithm's own.
        loss: of the critic; empty = the algorithm's own.
        penalty: of the critic, as in r1=1; empty = the algorithm's own, none = no penalty.
        spectral: divide the critic's weights by their largest singular value.
        absorbing: let the critic judge terminal states, which removes the bias to long or to short
            episodes that a reward's sign has.
        critic_steps: a round.
        critic_batch: rows of each side.
        critic_lr: Adam rate.
        critic_hidden: width of both layers of the critic.
        env_weight: share of the environment's own reward, in [0, 1].
        bc_steps: optimizer steps of behavioural cloning before everything else.
        bc_lr: Adam rate of behavioural cloning.
        updates: steps of dac's critic and policy a round, its values take twice as many; of
            dagger's policy.
        target_entropy: that dac's policy keeps, nats a component of its squashed action.
        expert_share: of the rows that dac's values and policy learn from, those of the expert.
        capacity: transitions that dac or dagger keeps.
        average: decay, a step, of the average of the policy's weights, which is then what is
            evaluated and recorded; 0 = the policy as it stands.
        controls: play the two controls too.
        episodes: of each evaluation at the end.
        evaluate_every: rounds between two evaluations of 10 episodes.
    """

    env: str
    demos: str
    algorithm: str = "gail"
    teacher: str = ""
    trajectories: int = 0
    subsample: int = 1
    steps: int = 400_000
    envs: int = 16
    rollout: int = 256
    horizon: int = 0
    fixed_horizon: bool = False
    stepping: str = "auto"
    learner: str = "ppo"
    gamma: float = 0.99
    lam: float = 0.95
    epochs: int = 10
    minibatch: int = 512
    policy_lr: float = 3e-4
    entropy: float = 0.0
    hidden: int = 64
    reward: str = ""
    loss: str = ""
    penalty: str = ""
    spectral: bool = False
    absorbing: bool = True
    critic_steps: int = 8
    critic_batch: int = 256
    critic_lr: float = 1e-3
    critic_hidden: int = 64
    env_weight: float = 0.0
    bc_steps: int = 0
    bc_lr: float = 1e-3
    updates: int = 16
    target_entropy: float = -1.0
    expert_share: float = 0.0
    capacity: int = 300_000
    average: float = 0.0
    controls: bool = True
    episodes: int = 50
    evaluate_every: int = 10

    def __post_init__(self) -> None:
        from rl import algorithms, rewards
        from rl.envs import STEPPING

        super().__post_init__()
        options.check_least(self, 1, "subsample", "steps", "envs", "rollout", "epochs", "minibatch")
        options.check_least(self, 1, "hidden", "critic_hidden", "critic_steps", "critic_batch")
        options.check_least(self, 1, "episodes", "evaluate_every", "updates", "capacity")
        options.check_least(self, 0, "trajectories", "horizon", "entropy", "bc_steps", "env_weight")
        options.check_above_zero(self, "policy_lr", "critic_lr", "bc_lr")
        options.check_choice("algorithm", self.algorithm, (*algorithms.__all__, *OTHERS))
        options.check_choice("learner", self.learner, LEARNERS)
        options.check_choice("stepping", self.stepping, STEPPING)
        if self.reward:
            options.check_choice("reward", self.reward, rewards.__all__)
        if self.loss:
            options.check_choice("loss", self.loss, losses.__all__)
        if self.penalty not in ("", "none"):
            make_penalty(self.penalty)
        if not 0 <= self.average < 1:
            raise UserError(f"--average {self.average}: a decay is at least 0 and below 1")
        if not 0 <= self.expert_share < 1:
            raise UserError(f"--expert_share {self.expert_share}: a share, at least 0, below 1")
        if self.algorithm != "dac":
            for name, default in {"expert_share": 0.0, "target_entropy": -1.0}.items():
                if getattr(self, name) != default:
                    raise UserError(f"--{name} is for --algorithm dac, not for {self.algorithm}")
        for name in ("gamma", "lam"):
            if not 0 < getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it lies above 0 and below 1")
        if self.env_weight > 1:
            raise UserError(f"--env_weight {self.env_weight}: it is a share, at most 1")
        if self.entropy and self.learner != "ppo":
            raise UserError(f"--entropy is for --learner ppo, not for {self.learner}; pass 0")
        if self.algorithm == "dac":
            for name, wanted in DAC_FIXED.items():
                if getattr(self, name) != wanted:
                    raise UserError(f"--algorithm dac has no use for --{name}; leave it out")
        if (self.algorithm == "dagger") != bool(self.teacher):
            raise UserError("--algorithm dagger and --teacher DIR|FILE.npz go together")
        if self.algorithm == "bc" and not self.bc_steps:
            raise UserError("--algorithm bc needs --bc_steps, as in --bc_steps 2000")


PRESETS: dict[str, dict[str, Any]] = {
    "classic": {"steps": 1_000_000, "reward": "log_ratio", "policy_lr": 1e-3},
    "mujoco": {
        "steps": 2_000_000,
        "rollout": 256,
        "minibatch": 1024,
        "gamma": 0.99,
        "subsample": 20,
        "episodes": 20,
    },
    "dac": {
        "algorithm": "dac",
        "steps": 320_000,
        "envs": 8,
        "rollout": 8,
        "updates": 8,
        "capacity": 100_000,
        "expert_share": 0.25,
        "target_entropy": -2.0,
        "average": 0.999,
        "minibatch": 256,
        "policy_lr": 1e-3,
        "hidden": 128,
        "critic_batch": 128,
        "critic_lr": 3e-4,
        "penalty": "interpolated=10",
        "subsample": 20,
        "episodes": 20,
        "evaluate_every": 400,
        "save_seconds": 300.0,
    },
    "paper": {
        "learner": "trpo",
        "steps": 1_500_000,
        "envs": 10,
        "rollout": 500,
        "gamma": 0.995,
        "lam": 0.97,
        "hidden": 100,
        "critic_hidden": 100,
        "critic_steps": 1,
        "critic_batch": 5_000,
        "critic_lr": 1e-2,
        "penalty": "none",
        "absorbing": False,
    },
    "tiny": {
        "steps": 128,
        "envs": 4,
        "rollout": 16,
        "minibatch": 32,
        "epochs": 2,
        "hidden": 8,
        "critic_hidden": 8,
        "critic_steps": 2,
        "critic_batch": 8,
        "bc_steps": 2,
        "episodes": 2,
        "evaluate_every": 2,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}

"""LeakGAN (Guo, Lu, Cai, Zhang, Yu & Wang 2018): D's features are leaked to a hierarchical policy.

    L_manager = -mean_t Q_t cos(f_(t+c) - f_t, g_t),   Q_t = sigmoid(12 (1/2 - rank(D) / B))
    L_worker  = -mean_t r_t log G(y_t | y_<t),   r_t = mean_i cos(f_t - f_(t-i), g_(t-i))

A manager reads the discriminator's features f of each prefix and sets goals g, which a worker turns
into tokens. Its adversarial step in the released code does not use D's output: the manager's loss
is the sum of all rewards times the mean cosine, rewards are ranks whose sum is the same in each
batch, and the worker's reward is one number for the batch (--credit_assignment released). There a
permuted control changes nothing. The released features pass a highway layer (--highway); here they
are the maxima over time, which a step of a rollout updates instead of computing them anew.
"""

from dataclasses import dataclass, replace
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam
from seqgan.text.config import FILTERS, LossOptions, SampledOptions, Sequences
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.hierarchical import CREDITS, HierarchicalGame
from seqgan.text.leak import HierarchicalPolicy
from seqgan.text.rewards import rollout_reward

LEAKS = ("discriminator", "random")


@dataclass(kw_only=True)
class Options(SampledOptions, LossOptions):
    """LeakGAN.

    The discriminator's steps before the adversarial rounds are spread over the epochs of maximum
    likelihood.

    Args:
        rollouts: Completions of each prefix of a sample, whose mean D is ranked.
        goal_horizon: Number of goals that direct a token, of tokens over which a goal is followed,
            and of those that share a reward of D.
        goal_size: Number of values to which the goals are projected.
        mle_every: Rounds from one epoch of maximum likelihood to the next; 0 for none.
        credit_assignment: "paper" for a reward of each token, "released" for one of the batch.
        highway: Whether features pass a highway layer before they are leaked.
        leak: Network whose features are leaked: "discriminator", or "random" for one of the same
            form that is never trained, which shows what the discriminator's features are worth.
        d_l2: Weight of the squared norm of the discriminator's output layer.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    g_lr: float = 1e-3
    d_lr: float = 1e-4
    d_dropout: float = 0.0
    rollouts: int = 4
    goal_horizon: int = 4
    goal_size: int = 16
    mle_every: int = 15
    credit_assignment: str = "paper"
    highway: bool = False
    leak: str = "discriminator"
    d_l2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "rollouts", "goal_horizon", "goal_size")
        options.check_least(self, 0, "mle_every", "d_l2")
        options.check_choice("credit_assignment", self.credit_assignment, CREDITS)
        options.check_choice("leak", self.leak, LEAKS)
        if self.policy:
            raise UserError(
                f"--policy {self.policy}: LeakGAN's policy is a manager and a worker; leave it out"
            )
        if self.layers != 1:
            raise UserError(f"--layers {self.layers}: LeakGAN's manager and worker have one layer")

    def method(self) -> dict[str, str]:
        whole = " (the batch's mean)" if self.credit_assignment == "released" else ""
        manager = f"manager: rank of the mean D of {self.rollouts} completions{whole}"
        reward = f"{manager}; worker: cosine of features and goals{whole}"
        leak = (
            {} if self.leak == "discriminator" else {"leak": f"features of a {self.leak} network"}
        )
        return {**super().method(), "reward": reward, "estimator": "reinforce", **leak}

    def network(self, s: Sequences) -> CNNDiscriminator:
        """Build SeqGAN's convolutions, which the discriminator is linear in."""
        return CNNDiscriminator(
            s.vocab,
            filters=FILTERS[self.discriminator],
            end=s.end,
            dropout=self.d_dropout,
            l2=self.d_l2,
            highway=self.highway,
        )


PRESETS = {"tiny": {"rollouts": 2, "goal_horizon": 2, "goal_size": 4}}


def game(o: Options, s: Sequences) -> HierarchicalGame:
    """Build the game from a run's options."""
    discriminator = o.network(s)
    leaking = discriminator
    if o.leak == "random":
        leaking = o.network(s).requires_grad_(False)
    policy = HierarchicalPolicy(
        leaking,
        s.vocab,
        o.embedding,
        o.hidden,
        goal_horizon=o.goal_horizon,
        goal_size=o.goal_size,
        start=s.start,
        end=s.end,
        pad=s.pad,
        worker_dropout=o.dropout,
    )
    return HierarchicalGame(
        policy,
        s.length,
        reward=rollout_reward(o.rollouts, every=o.goal_horizon),
        credit_assignment=o.credit_assignment,
        mle_every=o.mle_every,
        D=discriminator,
        **o.sampled(),
    )


def players(o: Options) -> list[Player]:
    """Manager, worker, both together in maximum likelihood, and the discriminator, with Adam."""
    clipped = {"mle": o.mle_lr, "manager": o.g_lr, "worker": o.g_lr}
    made = [Player(n, adam(lr), max_grad_norm=o.max_grad_norm) for n, lr in clipped.items()]
    return [*made, Player("D", adam(o.d_lr))]


def phases(run: Any) -> list[Phase]:
    """Maximum likelihood in turn with the discriminator, then the rounds."""
    o, made, phase = run.config, run.game, run.mle_phase()
    made.epoch = len(run.data)
    steps = -(-o.d_warmup_steps // max(1, o.mle_epochs))

    def discriminate(batches: Any) -> Any:
        return made.discriminator_steps(batches, steps)

    turns = [*([Turn("D", discriminate)] if steps else []), *phase.turns]
    return [replace(phase, turns=turns), run.adversarial_phase()]

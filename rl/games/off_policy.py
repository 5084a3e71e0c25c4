"""Discriminator-actor-critic: the imitation game with soft actor-critic and all that was ever done.

Kostrikov, Agrawal, Dwibedi, Levine & Tompson 2019. Symbols: G policy, Q twin values, D critic.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial import losses, penalties
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from rl import rewards
from rl.critics import Critic, DenseCritic, Transitions, with_absorbing
from rl.demos import Expert
from rl.nets import Normaliser
from rl.rollout import Collector
from rl.sac import Replay, SquashedPolicy, TwinValues, transitions


class OffPolicyImitation(Game):
    """Players "D", "Q", "G" and "A", which holds the policy's entropy at its target.

    The data stream yields uniform numbers (B,) that pick the expert's rows. The normaliser stays as
    the demonstrations left it: rows are kept for long, and values read them through it.

    Nothing here is terminal: a terminal state leads to the absorbing state, whose reward is learned
    and whose value is r / (1 - gamma) by its own Bellman equation.

    Args:
        policy: G.
        values: Q.
        D: the critic.
        collector: steps the environments.
        expert: rows to be imitated.
        normaliser: of observations.
        capacity: rows kept.
        reward: of a logit.
        loss: of the critic.
        penalty: of the critic.
        gamma: discount a step.
        updates: steps of each player a round.
        train_critic: False = the critic is never trained (a control).
        batch: rows of a step.
        tau: how far the target values follow in a step.
    """

    def __init__(
        self,
        policy: SquashedPolicy,
        values: TwinValues,
        D: Critic,
        collector: Collector,
        expert: Expert,
        normaliser: Normaliser,
        *,
        capacity: int = 1_000_000,
        reward: Callable[[Tensor], Tensor] = rewards.log_ratio,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        gamma: float = 0.99,
        updates: int = 16,
        train_critic: bool = True,
        batch: int = 256,
        tau: float = 0.005,
    ):
        super().__init__()
        self.G, self.Q, self.D = policy, values, D
        self.target = copy.deepcopy(values).requires_grad_(False)
        self.target.normaliser = normaliser
        self.normaliser, self.collector, self.expert = normaliser, collector, expert
        self.replay = Replay(collector.envs.observations, policy.actions, capacity)
        self.reward, self.loss, self.penalty = reward, loss, penalty
        self.gamma, self.updates, self.batch, self.tau = gamma, updates, batch, tau
        self.train_critic = train_critic
        self.log_alpha = nn.Parameter(torch.tensor(math.log(0.1)))
        self.wanted = -float(policy.actions.features)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            "D": list(self.D.parameters()),
            "Q": [*self.Q.one.parameters(), *self.Q.two.parameters()],
            "G": list(self.G.parameters()),
            "A": [self.log_alpha],
        }

    def turns(self) -> Sequence[Turn]:
        return [
            *([Turn("D", self.critic_move)] if self.train_critic else []),
            Turn("Q", self.value_move),
            Turn("G", self.policy_move),
            Turn("A", self.entropy_move),
        ]

    def critic_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """A few more steps of the environments; the critic against everything kept."""
        logs = self._collect()
        for _ in range(self.updates):
            expert = self.expert.pick(next(batches))
            real = self.D.encode(expert)
            fake = self.D.encode(self.replay.draw(len(real)))
            d_real, d_fake = self.D.score(torch.cat([real, fake])).chunk(2)
            total = self.loss.d(d_real, d_fake)
            if self.penalty is not None:
                total = total + self.penalty(self.D.score, real, fake)
            yield Loss(total, {**logs, "d_real": d_real.mean(), "d_fake": d_fake.mean()})

    def value_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Regress both values on r + gamma V(s'), the target values following each step."""
        if not self.train_critic:
            self._collect()
        for _ in range(self.updates):
            rows = self.replay.draw(self.batch)
            wanted = self.targets(rows)
            found = self.Q(rows.obs, rows.absorbing, self._inside(rows.act))
            yield Loss((found - wanted).square().mean(1).sum(), {"value": found.mean()})
            with torch.no_grad():
                for mine, slow in zip(self._values(self.Q), self._values(self.target)):
                    slow.lerp_(mine, self.tau)

    @torch.no_grad()
    def targets(self, rows: Transitions) -> Float[Tensor, " batch"]:
        """r(s, a) + gamma V(s'); V is min Q - alpha log pi, and in the absorbing state min Q.

        Args:
            rows: of the replay.
        """
        act, log_prob = self.G.draw(rows.next_obs)
        after = self.target(rows.next_obs, rows.next_absorbing, act).amin(0)
        after = after - (self.log_alpha.exp() * log_prob).masked_fill(rows.next_absorbing, 0)
        return self.reward(self.D.score(self.D.encode(rows))) + self.gamma * after

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Raise Q minus alpha log pi; in the absorbing state nothing is chosen or learned."""
        for _ in range(self.updates):
            rows = self.replay.draw(self.batch)
            act, log_prob = self.G.draw(rows.obs)
            value = self.Q(rows.obs, rows.absorbing, act).amin(0)
            lives = ~rows.absorbing
            cost = (self.log_alpha.detach().exp() * log_prob - value) * lives
            logs = {"entropy": -(log_prob * lives).sum() / lives.sum().clamp(min=1)}
            yield Loss(cost.sum() / lives.sum().clamp(min=1), logs)

    def entropy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Raise alpha while the policy is surer than wanted, and lower it otherwise."""
        for _ in range(self.updates):
            rows = self.replay.draw(self.batch)
            with torch.no_grad():
                _, log_prob = self.G.draw(rows.obs)
                excess = (log_prob + self.wanted).masked_fill(rows.absorbing, 0).mean()
            yield Loss(-self.log_alpha * excess, {"alpha": self.log_alpha.detach().exp()})

    def _collect(self) -> dict[str, Tensor]:
        roll = self.collector.collect(self.G)
        self.replay.add(with_absorbing(transitions(roll, absorbing=True)))
        return {"return": roll.returns.mean()} if len(roll.returns) else {}

    @property
    def policy(self) -> SquashedPolicy:
        """G."""
        return self.G

    def _inside(self, act: Tensor) -> Tensor:
        """Actions of the box in [-1, 1]."""
        return self.G.actions.encode(act)

    @staticmethod
    def _values(values: TwinValues) -> list[Tensor]:
        return [*values.one.parameters(), *values.two.parameters()]


def tiny() -> tuple[OffPolicyImitation, Callable[[int], Tensor]]:
    """A game of seconds and its stream, for tests."""
    from rl.demos import expert, record
    from rl.envs import make_envs

    envs = make_envs("Pendulum-v1", 4)
    normaliser = Normaliser(envs.observations)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        data = expert(record(make_envs("Pendulum-v1", 2), None, 2))
    normaliser.see(data.steps().obs)
    parts = (envs.observations, envs.actions, normaliser, (8, 8))
    critic = DenseCritic(envs.observations, envs.actions, normaliser, hidden=(8, 8))
    game = OffPolicyImitation(
        SquashedPolicy(*parts),
        TwinValues(*parts),
        critic,
        Collector(envs, 4),
        data,
        normaliser,
        capacity=64,
        penalty=penalties.interpolated(10.0),
        updates=2,
        batch=8,
    )
    return game, lambda index: torch.rand(8, generator=torch.Generator().manual_seed(index))

"""Imitation by soft values alone, without a discriminator: SQIL and IQ-Learn.

Symbols: G soft values Q and the policy that they are of, V(s) value of a state. Batches are half
the expert's rows and half the policy's own, from a replay buffer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss, Turn
from rl.demos import Expert
from rl.discriminators import Encoding, Transitions, with_absorbing
from rl.imitator import Imitator
from rl.nets import Normaliser
from rl.policies import Actor
from rl.rollout import Collector
from rl.sac import Rows, TransitionBuffer, transitions
from rl.soft import SoftValues


class Objective(NamedTuple):
    """What the values minimise.

    Args:
        loss: Loss of the game, the expert's rows, as many of the policy's, or None where nothing is
            collected, and the value of the absorbing state.
        absorbing_reward: What the absorbing state earns in a step, of the expert's share of its
            rows.
    """

    loss: Callable[["SoftImitation", Rows, Rows | None, Tensor], Loss]
    absorbing_reward: Callable[[Tensor], Tensor]


@final
class SoftImitation(Imitator):
    """Player "G": soft values, and the policy beside them where actions are in a box.

    The data stream yields uniform numbers (B,) that pick the expert's rows. Terminal states lead to
    the absorbing state, so nothing is terminal and time limits bootstrap. Nothing is chosen there:
    its value is solved and not learned, and its rows only count. The normaliser stays as the
    demonstrations left it.

    Args:
        values: Soft values and their policy.
        encoding: How transitions are read.
        collector: Collector of the policy's rollouts; None learns from the demonstrations alone.
        expert: Rows to be imitated.
        normaliser: Normaliser of observations.
        objective: What the values minimise.
        buffer_size: Rows that are kept, the oldest overwritten.
        gamma: Discount per step.
        gradient_steps: Optimizer steps in a round.
    """

    expert: Expert

    def __init__(
        self,
        values: SoftValues,
        encoding: Encoding,
        collector: Collector | None,
        expert: Expert,
        normaliser: Normaliser,
        *,
        objective: Objective,
        buffer_size: int = 100_000,
        gamma: float = 0.99,
        gradient_steps: int = 8,
    ):
        super().__init__()
        self.values, self.encoding, self.collector = values, encoding, collector
        self.expert, self.normaliser, self.objective = expert, normaliser, objective
        self.gamma, self.gradient_steps = gamma, gradient_steps
        size = buffer_size if collector is not None else 1
        self.replay = TransitionBuffer(encoding.features, encoding.state, size)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": [p for p in self.values.parameters() if p.requires_grad]}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.value_move)]

    @property
    def policy(self) -> Actor:
        return self.values.policy

    def value_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """A few more steps of the environments, and the objective on both halves of each batch."""
        logs = {} if self.collector is None else self._collect(self.collector)
        forever = self.forever()
        for _ in range(self.gradient_steps):
            expert = self._rows(self.expert.pick(next(batches)))
            own = None if self.collector is None else self.replay.draw(len(expert.now))
            loss = self.objective.loss(self, expert, own, forever)
            shown = [rows.now[:, : self.encoding.state] for rows in (expert, own) if rows]
            acts = self.values.policy_loss(torch.cat(shown))
            if acts is not None:
                loss = Loss(loss.total + acts.total, {**loss.logs, **acts.logs})
            yield Loss(loss.total, {**loss.logs, **logs, "forever": forever})
            self.values.follow()

    def next_value(
        self, rows: Rows, forever: Tensor, *, slow: bool = False
    ) -> Float[Tensor, " batch"]:
        """V(s'), by the values that learn or by their slow copy; the absorbing state's is given."""
        after = self.values.v(rows.after, slow=slow)
        return torch.where(rows.after[:, -1] > 0, forever, after)

    def living(self, rows: Rows) -> Float[Tensor, " batch"]:
        """1 for each row but those of the absorbing state, where it is 0."""
        return (rows.now[:, self.encoding.state - 1] == 0).float()

    @torch.no_grad()
    def forever(self) -> Float[Tensor, ""]:
        """Value of the absorbing state, r / (1 - gamma): its own Bellman equation solved.

        Learned from its own target it would be some 20,000 steps behind.
        """
        return self.objective.absorbing_reward(self.absorbing_share()) / (1 - self.gamma)

    @torch.no_grad()
    def absorbing_share(self) -> Float[Tensor, ""]:
        """The expert's share of the absorbing rows, both sides weighing alike; a half offline."""
        flag = self.encoding.state - 1
        weight = torch.diff(self.expert.weight, prepend=self.expert.weight.new_zeros(1))
        shown = (weight * self.expert.rows.absorbing).sum()
        if self.collector is None:
            return torch.full_like(shown, 0.5)
        kept = self.replay.now[: min(int(self.replay.count), self.replay.buffer_size), flag]
        return shown / (shown + (kept > 0).float().mean()).clamp(min=1e-8)

    @torch.no_grad()
    def reward_of(self, t: Transitions) -> Float[Tensor, " batch"]:
        """The reward Q(s, a) - gamma V(s') that the values stand for.

        One that leads to the absorbing state also earns what follows, gamma V: Q(s, a) in all.
        """
        rows = self._rows(t)
        after = self.values.v(rows.after) * ~t.next_absorbing
        return self.values.q(rows.now).mean(0) - self.gamma * after

    def _rows(self, t: Transitions) -> Rows:
        after = self.encoding.encode_state(t.next_obs, t.next_absorbing)
        return Rows(self.encoding.encode(t), after, after.new_zeros(len(after)))

    def _collect(self, collector: Collector) -> dict[str, Tensor]:
        roll = collector.collect(self.policy)
        self.replay.add(self._rows(with_absorbing(transitions(roll, absorbing=True))))
        return {"return": roll.returns.mean()} if len(roll.returns) else {}


def _squared_errors(game: SoftImitation, expert: Rows, own: Rows | None, forever: Tensor) -> Loss:
    assert own is not None, "SQIL learns from steps of its own"

    def error(rows: Rows, reward: float) -> Tensor:
        with torch.no_grad():
            wanted = reward + game.gamma * game.next_value(rows, forever, slow=True)
        return ((game.values.q(rows.now) - wanted).square() * game.living(rows)).mean(1).sum()

    return Loss(error(expert, 1.0) + error(own, 0.0))


regression = Objective(_squared_errors, lambda share: share)
"""SQIL: regression on r + gamma V(s'), where r is 1 for the expert's rows and 0 for all others.

E_expert[(Q - 1 - gamma V')^2] + E_own[(Q - gamma V')^2]

V' is of the slow copy. The absorbing state earns what the regression would find there, the expert's
share of its rows.

Source: Reddy, Dragan & Levine 2019, eq. 6.
"""


def inverse(alpha: float = 0.5) -> Objective:
    """IQ-Learn: the reward r = Q(s, a) - gamma V(s') that fits the demonstrations best.

    -E_expert[r] + E[V(s) - gamma V(s')] + E[r^2] / (4 alpha)

    The second and the third mean are over all rows; where nothing is collected, over the expert's.
    V' learns too: along a trajectory the second mean telescopes to (1 - gamma) V of its first state
    only with the gradient of both. In the absorbing state V(s) - gamma V(s') is r, and the
    objective is least at r = 2 alpha (2 share - 1), by the expert's share of its rows.

    Args:
        alpha: Weight of the divergence: a small one holds rewards near 0.

    Source: Garg et al. 2021, eq. 9 and 10, with the chi^2 divergence.
    """

    def loss(game: SoftImitation, expert: Rows, own: Rows | None, forever: Tensor) -> Loss:
        rows = expert if own is None else Rows(*(torch.cat(pair) for pair in zip(expert, own)))
        living, after = game.living(rows), game.gamma * game.next_value(rows, forever)
        reward = (game.values.q(rows.now) - after) * living
        value = (game.values.v(rows.now[:, : game.encoding.state]) - after) * living
        shown = reward[:, : len(expert.now)]
        total = value.mean() - shown.mean(1) + reward.square().mean(1) / (4 * alpha)
        logs = {"reward_expert": shown.mean(), "reward": reward.mean(), "value": value.mean()}
        return Loss(total.sum(), logs)

    return Objective(loss, lambda share: 2 * alpha * (2 * share - 1))


def tiny() -> tuple[SoftImitation, Callable[[int], Tensor]]:
    """A game of seconds and its stream, for tests."""
    from rl.demos import expert, record
    from rl.envs import make_envs
    from rl.soft import SoftBox

    envs = make_envs("Pendulum-v1", 4)
    normaliser = Normaliser(envs.observations)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        data = expert(record(make_envs("Pendulum-v1", 2), None, 2))
    normaliser.see(data.steps().obs)
    parts = (envs.observations, envs.actions, normaliser)
    game = SoftImitation(
        SoftBox(*parts, (8, 8), temperature=0.1, target_entropy=-1.0),
        Encoding(*parts),
        Collector(envs, 4),
        data,
        normaliser,
        objective=regression,
        buffer_size=64,
        gradient_steps=2,
    )
    return game, lambda index: torch.rand(8, generator=torch.Generator().manual_seed(index))

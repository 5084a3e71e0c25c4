"""Imitation by a greedy coupling of each episode with the demonstrations (PWIL).

Nothing is learned but the policy.
"""

import math
from collections.abc import Mapping, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from image_core.adversarial.game import Turn
from rl.demos import Expert
from rl.discriminators import FLAG, Encoding, Transitions
from rl.imitator import LearnerImitator
from rl.learner import Learner
from rl.nets import Normaliser
from rl.rollout import Collector, Rollout


@final
class CouplingImitation(LearnerImitator):
    """Players of the learner.

    Each step of an episode carries the mass 1 / T to the nearest of the expert's rows that still
    have room; the distance c that the mass goes is its cost, and the reward is
    alpha exp(-beta T c / sqrt(d)). All rows are free again when an episode begins.

    Such a reward is never negative and pays for long episodes, whatever the demonstrations show. So
    demonstrations that end before T are filled up with the absorbing state, and so are the policy's
    episodes: a terminal step also earns what the rest of its mass, put down there, will earn.

    Args:
        learner: Policy and values, and how they learn from rewards.
        encoding: How transitions are read; frozen at the demonstrations' mean and deviation.
        collector: Collector of the policy's rollouts.
        expert: Rows to be imitated.
        normaliser: Normaliser of the policy's observations.
        steps: Steps T of an episode that is not cut short.
        alpha: Greatest reward of a step.
        beta: How fast the reward falls with the distance.

    Source: Dadashi et al. 2021, algorithm 1.
    """

    atoms: Tensor
    room: Tensor
    left: Tensor
    played: Tensor
    scale: Tensor

    def __init__(
        self,
        learner: Learner,
        encoding: Encoding,
        collector: Collector,
        expert: Expert,
        normaliser: Normaliser,
        *,
        steps: int,
        alpha: float = 5.0,
        beta: float = 5.0,
    ):
        super().__init__(learner, collector, normaliser)
        self.encoding, self.steps, self.alpha, self.beta = encoding, steps, alpha, beta
        atoms, room = encoding.encode(expert.rows), _rooms(expert, steps)
        alive = atoms[~expert.rows.absorbing]
        deviation = alive.std(0, correction=0)
        envs = collector.envs.count
        self.register_buffer("scale", torch.where(deviation > 1e-6, deviation, 1.0).reciprocal())
        self.register_buffer("atoms", atoms * self.scale)
        self.register_buffer("room", room)
        self.register_buffer("left", room.expand(envs, -1).clone())
        self.register_buffer("played", torch.zeros(envs, dtype=torch.int64))

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return self.learner.players()

    def turns(self) -> Sequence[Turn]:
        return self.learner_turns()

    @torch.no_grad()
    def rewards(self, roll: Rollout) -> Float[Tensor, "time envs"]:
        """Of each row, in the order in which they were played."""
        no = torch.zeros_like(roll.terminated)
        flat = (x.flatten(0, 1) for x in (roll.obs, roll.act, roll.next_obs, no, no))
        distances = torch.cdist(self._scaled(Transitions(*flat)), self.atoms)
        found = torch.zeros_like(roll.reward)
        for t, near in enumerate(distances.view(*roll.reward.shape, -1)):
            found[t] = self.step(near, roll.valid[t], roll.terminated[t], roll.truncated[t])
        return found

    def step(
        self,
        near: Float[Tensor, "envs atoms"],
        valid: Bool[Tensor, " envs"],
        terminated: Bool[Tensor, " envs"],
        truncated: Bool[Tensor, " envs"],
    ) -> Float[Tensor, " envs"]:
        """Rewards of one step of each environment; the expert's rows keep what room is left.

        Args:
            near: Distance of the step to each of the expert's rows.
            valid: Whether it is a step and no reset.
            terminated: Whether it ends in a terminal state.
            truncated: Whether it ends by a time limit.
        """
        reward, left = self._put_down(near, self.left)
        self.left = torch.where(valid[:, None], left, self.left)
        self.played += valid
        for n in terminated.nonzero().flatten().tolist():
            reward[n] += self._rest(self.left[n], int(self.played[n]))
        ended = terminated | truncated
        self.left = torch.where(ended[:, None], self.room, self.left)
        self.played.masked_fill_(ended, 0)
        return torch.where(valid, reward, 0.0)

    def _put_down(self, near: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        """Reward of one mass of 1 / T each, and what room it leaves."""
        near, order = near.sort(1)
        room = left.gather(1, order)
        before = room.cumsum(1) - room
        taken = (1 / self.steps - before).clamp(min=0).minimum(room)
        reward = self._of_cost((taken * near).sum(1))
        return reward, left.scatter(1, order, room - taken)

    def _rest(self, left: Tensor, played: int) -> Tensor:
        """Discounted rewards of the absorbing state from here to step T."""
        count = self.steps - played
        if count <= 0:
            return left.new_zeros(())
        gone = torch.zeros_like(self.atoms[:1])
        gone[:, self.encoding.state - 1] = FLAG  # which is not scaled: it does not vary
        near, order = torch.cdist(gone, self.atoms).squeeze(0).sort()
        room = left[order]
        ends = torch.arange(count + 1, device=left.device) / self.steps
        before = room.cumsum(0) - room
        taken = (ends[:, None] - before).clamp(min=0).minimum(room)
        rewards = self._of_cost((taken * near).sum(1).diff())
        powers = torch.arange(1, count + 1, device=left.device)
        return (rewards * self.learner.gamma**powers).sum()

    def _of_cost(self, cost: Tensor) -> Tensor:
        far = self.beta * self.steps / math.sqrt(self.atoms.shape[1])
        return self.alpha * (-far * cost).exp()

    def _scaled(self, rows: Transitions) -> Tensor:
        return self.encoding.encode(rows) * self.scale


def _rooms(expert: Expert, steps: int) -> Float[Tensor, " rows"]:
    """Mass that each of the expert's rows takes, 1 in all; episodes that end are filled up to T."""
    absorbing, lengths = expert.rows.absorbing, expert.weight.double()
    share = torch.diff(lengths, prepend=lengths.new_zeros(1))
    alive = share[~absorbing].sum()
    found = share.clone()
    if bool(absorbing.any()):
        # A row of the absorbing state weighs as one step, so the lightest one is the unit
        whole = len(expert.returns) * steps * float(share[absorbing].min())
        found[absorbing] = (whole - alive).clamp(min=0) / absorbing.sum()
    return (found / found.sum()).float()

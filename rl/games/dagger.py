"""DAgger: the learner acts, the expert says what it would have done there, and all is learned from.

Ross, Gordon & Bagnell 2011. Behavioural cloning learns from states that the expert visits; this
learns from those that the learner visits, so that small mistakes do not add up. Symbol: G policy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss, Turn
from rl.discriminators import Transitions
from rl.imitator import Imitator
from rl.nets import Normaliser
from rl.policies import Actor, Policy
from rl.rollout import Collector


class Dagger(Imitator):
    """Player "G", which maximises the likelihood of what the expert did or would have done.

    Each round adds a rollout of the learner, labelled by the expert's likeliest actions, to all
    that was seen before; the demonstrations are the first round (beta_i = I(i = 1), section 3).
    The data stream yields uniform numbers (B,), one a row of a step.

    Args:
        policy: Policy G.
        expert_policy: Expert that says the right action at any state.
        collector: Collector of G's rollouts.
        steps: Demonstrations to begin with.
        normaliser: Normaliser of observations, which stays as the demonstrations left it.
        buffer_size: Rows of the learner that are kept, the oldest overwritten.
        gradient_steps: Optimizer steps in a round.
    """

    obs: Tensor
    act: Tensor
    count: Tensor

    def __init__(
        self,
        policy: Policy,
        expert_policy: Actor,
        collector: Collector,
        steps: Transitions,
        normaliser: Normaliser,
        *,
        buffer_size: int,
        gradient_steps: int,
    ):
        super().__init__()
        self.G, self.expert_policy, self.collector = policy, expert_policy, collector
        self.steps, self.normaliser = steps, normaliser
        self.buffer_size, self.gradient_steps = buffer_size, gradient_steps
        for name, first in (("obs", steps.obs), ("act", steps.act)):
            self.register_buffer(name, first.new_zeros((buffer_size, *first.shape[1:])))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "Dagger":
        super()._apply(fn, recurse)
        self.steps = self.steps.to(self.obs.device)
        return self

    @property
    def policy(self) -> Policy:
        return self.G

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.dagger_move)]

    def dagger_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """A rollout, the expert's answer to it, and steps on rows of everything."""
        logs = self._ask()
        demonstrated = len(self.steps.obs)
        kept = min(int(self.count), self.buffer_size)
        for _ in range(self.gradient_steps):
            rows = (next(batches) * (demonstrated + kept)).long().clamp(max=demonstrated + kept - 1)
            new = rows >= demonstrated
            old, mine = self.steps.pick(rows[~new]), rows[new] - demonstrated
            obs = torch.cat([old.obs, self.obs[mine]])
            act = torch.cat([old.act, self.act[mine]])
            yield Loss(-self.G.log_prob(obs, act).mean(), logs)

    @torch.no_grad()
    def _ask(self) -> dict[str, Tensor]:
        roll = self.collector.collect(self.G)
        rows = roll.valid.flatten()
        obs, act = roll.obs.flatten(0, 1)[rows], roll.act.flatten(0, 1)[rows]
        right = self.G.actions.clip(self.expert_policy.act(obs, deterministic=True)).to(self.act)
        place = (int(self.count) + torch.arange(len(obs), device=obs.device)) % self.buffer_size
        self.obs[place], self.act[place] = obs, right
        self.count += len(obs)
        logs = {"return": roll.returns.mean()} if len(roll.returns) else {}
        if self.G.actions.discrete:
            logs["accuracy"] = (act == right).float().mean()
        return logs


def tiny() -> tuple[Dagger, Callable[[int], Tensor]]:
    """A game of seconds and its stream, for tests."""
    from rl.demos import expert, record
    from rl.envs import make_envs
    from rl.policies import make_policy

    envs = make_envs("CartPole-v1", 4)
    normaliser = Normaliser(envs.observations)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        steps = expert(record(make_envs("CartPole-v1", 2), None, 2)).steps()
    normaliser.see(steps.obs)
    parts = (envs.observations, envs.actions, normaliser, (8, 8))
    policy, expert_policy = make_policy(*parts), make_policy(*parts).requires_grad_(False)
    collector = Collector(envs, 8)
    game = Dagger(
        policy, expert_policy, collector, steps, normaliser, buffer_size=48, gradient_steps=2
    )
    return game, lambda index: torch.rand(8, generator=torch.Generator().manual_seed(index))

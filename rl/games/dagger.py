"""DAgger: the learner acts, the expert says what it would have done there, and all is learned from.

Ross, Gordon & Bagnell 2011. Behavioural cloning learns from states that the expert visits; this
learns from those that the learner visits, so that small mistakes do not add up. Symbol: G policy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Game, Loss, Turn
from rl.discriminators import Transitions
from rl.nets import Normaliser
from rl.policies import Actor, Policy
from rl.rollout import Collector


class Dagger(Game):
    """Player "G", which maximises the likelihood of what the expert did or would have done.

    Each round adds a rollout of the learner, labelled by the teacher's likeliest actions, to all
    that was seen before; the demonstrations are the first round (beta_i = I(i = 1), section 3).
    The data stream yields uniform numbers (B,), one a row of a step.

    Args:
        policy: G.
        teacher: says the right action at any state.
        collector: steps the environments by G.
        steps: demonstrations to begin with.
        normaliser: of observations; stays as the demonstrations left it.
        capacity: rows of the learner that are kept, the oldest overwritten.
        updates: optimizer steps a round.
    """

    obs: Tensor
    act: Tensor
    count: Tensor

    def __init__(
        self,
        policy: Policy,
        teacher: Actor,
        collector: Collector,
        steps: Transitions,
        normaliser: Normaliser,
        *,
        capacity: int,
        updates: int,
    ):
        super().__init__()
        self.policy, self.teacher, self.collector = policy, teacher, collector
        self.steps, self.normaliser = steps, normaliser
        self.capacity, self.updates = capacity, updates
        for name, first in (("obs", steps.obs), ("act", steps.act)):
            self.register_buffer(name, first.new_zeros((capacity, *first.shape[1:])))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.policy.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.dagger_move)]

    def dagger_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """A rollout, the teacher's answer to it, and steps on rows of everything."""
        logs = self._ask()
        demonstrated = len(self.steps.obs)
        kept = min(int(self.count), self.capacity)
        for _ in range(self.updates):
            rows = (next(batches) * (demonstrated + kept)).long().clamp(max=demonstrated + kept - 1)
            new = rows >= demonstrated
            old, mine = self.steps.pick(rows[~new]), rows[new] - demonstrated
            obs = torch.cat([old.obs, self.obs[mine]])
            act = torch.cat([old.act, self.act[mine]])
            yield Loss(-self.policy.log_prob(obs, act).mean(), logs)

    @torch.no_grad()
    def _ask(self) -> dict[str, Tensor]:
        roll = self.collector.collect(self.policy)
        rows = roll.valid.flatten()
        obs, act = roll.obs.flatten(0, 1)[rows], roll.act.flatten(0, 1)[rows]
        right = self.policy.actions.clip(self.teacher.act(obs, deterministic=True)).to(self.act)
        place = (int(self.count) + torch.arange(len(obs), device=obs.device)) % self.capacity
        self.obs[place], self.act[place] = obs, right
        self.count += len(obs)
        logs = {"return": roll.returns.mean()} if len(roll.returns) else {}
        if self.policy.actions.discrete:
            logs["agreement"] = (act == right).float().mean()
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
    policy, teacher = make_policy(*parts), make_policy(*parts).requires_grad_(False)
    collector = Collector(envs, 8)
    game = Dagger(policy, teacher, collector, steps, normaliser, capacity=48, updates=2)
    return game, lambda index: torch.rand(8, generator=torch.Generator().manual_seed(index))

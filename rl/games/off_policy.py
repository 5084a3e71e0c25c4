"""Discriminator-actor-critic: the imitation game with soft actor-critic and a replay buffer.

Kostrikov, Agrawal, Dwibedi, Levine & Tompson 2019. Symbols: G policy, Q twin values, D
discriminator.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial import losses, parallel, penalties
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from rl import rewards
from rl.demos import Expert
from rl.discriminators import DenseDiscriminator, Discriminator, Transitions, with_absorbing
from rl.imitator import AdversarialImitator
from rl.nets import Normaliser
from rl.rollout import Collector
from rl.sac import Rows, SquashedPolicy, TransitionBuffer, TwinValues, transitions


class OffPolicyImitation(AdversarialImitator):
    """Players "D", "Q", and "G": the policy, and alpha, which holds its entropy at the target.

    The data stream yields uniform numbers (B,) that pick the expert's rows. The normaliser stays as
    the demonstrations left it: rows are kept for long, and values read them through it.

    Nothing here is terminal: a terminal state leads to the absorbing state, whose reward is learned
    and whose value is r / (1 - gamma) by its own Bellman equation.

    Args:
        policy: Policy G.
        values: Twin values Q.
        D: Discriminator.
        collector: Collector of the policy's rollouts.
        expert: Rows to be imitated.
        normaliser: Normaliser of observations.
        buffer_size: Rows that are kept, the oldest overwritten.
        reward: Reward of a logit.
        loss: Loss of the discriminator.
        penalty: Penalty of the discriminator.
        gamma: Discount per step.
        gradient_steps: Optimizer steps of discriminator and policy in a round; the values take
            twice as many.
        train_discriminator: Whether the discriminator learns; it does not in a control.
        batch: Rows of an optimizer step, which processes share.
        expert_share: Share of the expert's rows among those that values and policy learn from.
            Where the expert's moves lead is then known before the policy finds them.
        target_entropy: Entropy of the squashed action, in nats per component. It falls without
            bound where a component lies at an end of its box: what demands much keeps the policy
            away from there.
        tau: Share of the way that the target values follow in a step.
    """

    expert: Expert
    _own_shown: Tensor

    def __init__(
        self,
        policy: SquashedPolicy,
        values: TwinValues,
        D: Discriminator,
        collector: Collector,
        expert: Expert,
        normaliser: Normaliser,
        *,
        buffer_size: int = 1_000_000,
        reward: Callable[[Tensor], Tensor] = rewards.log_ratio,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        gamma: float = 0.99,
        gradient_steps: int = 16,
        train_discriminator: bool = True,
        batch: int = 256,
        expert_share: float = 0.0,
        target_entropy: float = -1.0,
        tau: float = 0.005,
    ):
        super().__init__()
        self.G, self.Q, self.D = policy, values, D
        self.target = copy.deepcopy(values).requires_grad_(False)
        self.normaliser, self.collector, self.expert = normaliser, collector, expert
        self.replay = TransitionBuffer(D.features, D.state, buffer_size)
        self.reward, self.loss, self.penalty = reward, loss, penalty
        self.absorbing = True
        self.gamma, self.gradient_steps, self.tau = gamma, gradient_steps, tau
        self.batch = parallel.portion(batch, "rows of a step (--batch)")
        self.train_discriminator, self.expert_share = train_discriminator, expert_share
        self.log_alpha = nn.Parameter(torch.tensor(math.log(0.1)))
        self.wanted = target_entropy * policy.actions.features
        self._own: Callable[[Transitions], Tensor] | None = None
        self._own_weight = 0.0
        shown = torch.zeros(len(expert.weight), device=expert.weight.device)
        self.register_buffer("_own_shown", shown, persistent=False)

    def add_reward(self, own: Callable[[Transitions], Tensor], weight: float) -> None:
        self._own, self._own_weight = own, weight
        self._own_shown = own(self.expert.rows)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            "D": list(self.D.parameters()),
            "Q": list(self.Q.parameters()),
            "G": [*self.G.parameters(), self.log_alpha],
        }

    def turns(self) -> Sequence[Turn]:
        discriminator = self.discriminator_move if self.train_discriminator else None
        return [
            *([Turn("D", discriminator)] if discriminator else []),
            Turn("Q", self.value_move),
            Turn("G", self.policy_move),
        ]

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """A few more steps of the environments; the discriminator against everything kept."""
        logs = self._collect()
        for _ in range(self.gradient_steps):
            real = self.D.encode(self.expert.pick(next(batches)))
            fake = self.replay.draw(len(real)).now
            d_real, d_fake = self.D.score(torch.cat([real, fake])).chunk(2)
            total = self.loss.d(d_real, d_fake)
            if self.penalty is not None:
                total = total + self.penalty(self.D.score, real, fake)
            yield Loss(total, {**logs, "d_real": d_real.mean(), "d_fake": d_fake.mean()})

    def value_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Regress both values on r + gamma V(s'), the target values following each step.

        Rewards and what is done next are found for the whole move at once: discriminator and policy
        stand still in it.
        """
        if not self.train_discriminator:
            self._collect()
        drawn = self._draw(2 * self.gradient_steps)
        rewards, forever = self.rewards(drawn.now, drawn.own), self.forever()
        then, bonus = self.following(drawn.after)
        mine: list[Tensor] = list(self.Q.parameters())
        slow: list[Tensor] = list(self.target.parameters())
        parts = zip(*(x.split(self.batch) for x in (drawn.now, then, bonus, rewards)))
        for now, next_, extra, reward in parts:
            wanted = self.targets(next_, extra, reward, forever)
            found = self.Q(now)
            logs = {"value": found.mean(), "reward": reward.mean(), "forever": forever}
            yield Loss((found - wanted).square().mean(1).sum(), logs)
            with torch.no_grad():
                torch._foreach_lerp_(slow, mine, self.tau)

    @torch.no_grad()
    def rewards(
        self, now: Float[Tensor, "batch inputs"], own: Float[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """Of each row, by the discriminator as it is now, and the share of the user's own."""
        return (1 - self._own_weight) * self.reward(self.D.score(now)) + self._own_weight * own

    def logit(self, rows: Transitions) -> Float[Tensor, " batch"]:
        return self.D.score(self.D.encode(rows))

    @torch.no_grad()
    def forever(self) -> Float[Tensor, ""]:
        """Value of the absorbing state: r / (1 - gamma), its own Bellman equation solved.

        Bootstrapped from itself it would lag 1 / (tau (1 - gamma)) steps, 20,000, behind.
        """
        obs = self.normaliser.mean.new_zeros(1, self.D.state - 1)
        gone = self.D.encode_state(obs, torch.ones_like(obs[:, 0], dtype=torch.bool))
        still = gone.new_zeros(1, self.D.features - self.D.state)
        paid = self.rewards(torch.cat([gone, still], 1), gone.new_zeros(1))
        return paid.squeeze(0) / (1 - self.gamma)

    @torch.no_grad()
    def following(
        self, after: Float[Tensor, "batch state"]
    ) -> tuple[Float[Tensor, "batch inputs"], Float[Tensor, " batch"]]:
        """What the policy does next, as the values read it, and -alpha log pi of it."""
        act, log_prob = self.G.draw(after[:, :-1])
        return torch.cat([after, act], 1), -self.log_alpha.exp() * log_prob

    @torch.no_grad()
    def targets(
        self,
        then: Float[Tensor, "batch inputs"],
        bonus: Float[Tensor, " batch"],
        reward: Float[Tensor, " batch"],
        forever: Float[Tensor, ""],
    ) -> Float[Tensor, " batch"]:
        """r(s, a) + gamma V(s'), where V is min Q - alpha log pi, or the absorbing state's.

        Args:
            then: State that followed and the action there.
            bonus: Entropy bonus -alpha log pi of that action.
            reward: Reward of each row.
            forever: Value of the absorbing state.
        """
        value = torch.minimum(*self.target(then)) + bonus
        return reward + self.gamma * torch.where(then[:, self.D.state - 1] > 0, forever, value)

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Raise Q minus alpha log pi; in the absorbing state nothing is chosen or learned.

        alpha rises while the policy is surer than wanted, and falls otherwise.
        """
        drawn = self._draw(self.gradient_steps).now[:, : self.D.state]
        for state in drawn.split(self.batch):
            act, log_prob = self.G.draw(state[:, :-1])
            lives = (state[:, -1] == 0).float()
            value = torch.minimum(*self.Q(torch.cat([state, act], 1)))
            alpha, living = self.log_alpha.exp(), lives.sum().clamp(min=1)
            cost = ((alpha.detach() * log_prob - value) * lives).sum() / living
            entropy = -(log_prob.detach() * lives).sum() / living
            total = cost + self.log_alpha * (entropy - self.wanted)
            yield Loss(total, {"entropy": entropy, "alpha": alpha.detach()})

    def _draw(self, batches: int) -> Rows:
        """Rows of values and policy: of what was done, and in each batch the expert's share."""
        shown = round(self.expert_share * self.batch)
        kept = self.replay.draw(batches * (self.batch - shown))
        if not shown:
            return kept
        places = self.expert.places(torch.rand(batches * shown, device=kept.now.device))
        parts = zip(kept, self._rows(self.expert.rows.pick(places), self._own_shown[places]))
        mixed = (torch.cat([x.unflatten(0, (batches, -1)) for x in pair], 1) for pair in parts)
        return Rows(*(x.flatten(0, 1) for x in mixed))

    def _rows(self, t: Transitions, own: Float[Tensor, " batch"]) -> Rows:
        after = self.D.encode_state(t.next_obs, t.next_absorbing)
        return Rows(self.D.encode(t), after, own)

    def _collect(self) -> dict[str, Tensor]:
        roll = self.collector.collect(self.G)
        done = with_absorbing(transitions(roll, absorbing=True))
        own = (
            torch.zeros(len(done.obs), device=done.obs.device)
            if self._own is None
            else self._own(done)
        )
        self.replay.add(self._rows(done, own))
        return {"return": roll.returns.mean()} if len(roll.returns) else {}

    @property
    def policy(self) -> SquashedPolicy:
        """G."""
        return self.G


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
    discriminator = DenseDiscriminator(envs.observations, envs.actions, normaliser, hidden=(8, 8))
    game = OffPolicyImitation(
        SquashedPolicy(*parts),
        TwinValues(discriminator.features, (8, 8)),
        discriminator,
        Collector(envs, 4),
        data,
        normaliser,
        buffer_size=64,
        penalty=penalties.gradient_penalty(10.0),
        gradient_steps=2,
        batch=8,
    )
    return game, lambda index: torch.rand(8, generator=torch.Generator().manual_seed(index))

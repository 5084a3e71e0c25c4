"""The hierarchical game: a manager is rewarded by the discriminator, a worker by the manager.

    L_manager = -mean_t Q_t cos(f_(t+c) - f_t, g_t)
    L_worker  = -mean_t r_t log G(y_t | y_<t),   r_t = mean_i cos(f_t - f_(t-i), g_(t-i))

f are the discriminator's features of a prefix, g the manager's goals, Q rewards of D that were
rescaled by their rank. The worker never sees D's output; goals and features carry no gradient.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.game import Batch, Loss, Turn
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.sampled import SampledGame
from seqgan.text.leak import HierarchicalPolicy, intrinsic_reward, rescaled, towards
from seqgan.text.rewards import Reward, rollout_reward

CREDITS = ("paper", "released")


class _Sampled(NamedTuple):
    """What the worker's move leaves for the manager's.

    Args:
        features: Features after 0 to T tokens, (B, T + 1, F).
        reward: Rescaled rewards, (B, T).
        mask: True = counts, (B, T).
    """

    features: Float[Tensor, "B T1 F"]
    reward: Float[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]


class HierarchicalGame(SampledGame):
    """Players "manager", "worker", "mle" (both with a separate optimizer) and "D".

    Args:
        G: The policy; what it reads is D, unless another is given.
        length: Tokens of a sequence, including padding.
        reward: Function that returns the reward of each token of a sample, for the manager.
        credit_assignment: "paper" for a reward of each token; "released" for the batch's mean,
            which is what the released code comes to: its manager's loss is a product of two sums,
            its worker's reward one number.
        mle_every: Rounds from one epoch of maximum likelihood to the next; 0 for none.
        epoch: Steps of that epoch.
        D: Discriminator, if the policy reads the features of another network, which stays as it is.
        options: Further arguments of `SampledGame`.
    """

    G: HierarchicalPolicy
    D: CNNDiscriminator

    def __init__(
        self,
        G: HierarchicalPolicy,
        length: int,
        *,
        reward: Reward,
        credit_assignment: str = "paper",
        mle_every: int = 0,
        epoch: int = 1,
        D: CNNDiscriminator | None = None,
        **options: Any,
    ):
        super().__init__(G, G.leaking if D is None else D, length, **options)
        self.reward, self.credit_assignment = reward, credit_assignment
        self.mle_every, self.epoch = mle_every, epoch
        self._sampled: _Sampled | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        manager, worker = self.G.managing(), self.G.working()
        discriminator = list(self.D.parameters())
        both = {"manager": manager, "worker": worker, "mle": [*manager, *worker]}
        return {**both, "D": discriminator}

    def turns(self) -> Sequence[Turn]:
        steps = [Turn("worker", self.policy_move), Turn("manager", self.manager_move)]
        likelihood = Turn("mle", self.mle_move, repeat=self.epoch, every=max(1, self.mle_every))
        interleaved = [likelihood] if self.mle_every else []
        return [*steps * self.g_steps, Turn("D", self.discriminator_move), *interleaved]

    def likelihood_turns(self) -> Sequence[Turn]:
        return [Turn("mle", self.mle_move, repeat=self.g_steps)]

    def mle_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Maximum likelihood of the worker; the manager's goals follow the features of real text.

        L = -mean_t log G(y_t | y_<t) - mean_t cos(f_(t+c) - f_t, g_t)
        """
        self.G.train()
        real = self.G.trim(next(batches))
        mask = self.G.mask(real)
        features = self.features(real, mask)
        goals = self.G.goals(features[:, :-1])
        likelihood = self.G.nll_of(self.G.hidden(real, goals), real)
        cosine = _mean(towards(features, goals, self.G.goal_horizon), mask)
        yield Loss(likelihood - cosine, {"cosine": cosine})

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Sample, and train the worker on how well it followed the goals."""
        self.G.eval()
        count = parallel.portion(self.samples, "samples")
        tokens = self.G.trim(self.G.sample(count, self.length))
        mask = self.G.mask(tokens)
        features = self.features(tokens, mask)
        with torch.no_grad():
            goals = self.G.goals(features[:, :-1])
            inner = intrinsic_reward(features, goals, self.G.goal_horizon)
        told = self.told(self.reward(self.G, self.D, tokens), mask)
        outer = rescaled(told, mask)
        logs = {"reward": _mean(told, mask), "intrinsic": _mean(inner, mask)}
        if self.credit_assignment == "released":
            inner, outer = (_mean(part, mask).expand_as(part) for part in (inner, outer))
        self._sampled = _Sampled(features, outer, mask)
        log_prob = self.G.log_prob_of(self.G.hidden(tokens, goals), tokens)
        yield Loss(-_mean(inner * log_prob, mask), logs)

    def manager_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Train the manager on the sample of the worker's move."""
        assert self._sampled is not None
        features, reward, mask = self._sampled
        cosine = towards(features, self.G.goals(features[:, :-1]), self.G.goal_horizon)
        yield Loss(-_mean(reward * cosine, mask), {"cosine": _mean(cosine, mask)})

    def features(self, tokens: Tensor, mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T1 F"]:
        """Features after 0 to T tokens; after the end of a sequence those of the whole.

        Args:
            tokens: Sequences, (B, T).
            mask: True up to their end, (B, T).
        """
        found = self.G.features(tokens)
        place = torch.arange(found.shape[1], device=tokens.device)
        last = torch.minimum(place, mask.sum(1, keepdim=True))
        return found.gather(1, last[:, :, None].expand_as(found))


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()


def tiny() -> tuple[HierarchicalGame, Tensor]:
    """A game that runs in seconds and data for it, for tests: up to six tokens with ends."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    D = CNNDiscriminator(12, 8, ((1, 4), (2, 4), (3, 4)), end=2, dropout=0.0, highway=False)
    G = HierarchicalPolicy(D, 12, 8, 8, goal_horizon=2, goal_size=3, start=1, end=2, pad=0)
    sizes: dict[str, Any] = {"samples": 8, "d_steps": 2, "d_epochs": 1, "negatives": 8}
    return HierarchicalGame(G, 6, reward=rollout_reward(2), mle_every=1, **sizes), data

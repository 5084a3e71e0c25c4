"""Behavioural cloning: maximum likelihood of the expert's actions."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.adversarial.game import Batch, Loss, Turn
from rl.discriminators import Transitions
from rl.imitator import Imitator
from rl.nets import Normaliser
from rl.policies import Policy

HELD_OUT = 0.3
"""Share of the rows that stops the training, as in the GAIL paper."""


class BehaviouralCloning(Imitator):
    """Player "G", which maximises the likelihood of demonstrated actions.

    The data stream yields uniform numbers (B,) that pick rows.

    Args:
        policy: Policy G.
        steps: Transitions to learn from.
        normaliser: Normaliser of observations, saved with the game.
        seed: Seed of the split into learned and held-out rows.
    """

    def __init__(self, policy: Policy, steps: Transitions, normaliser: Normaliser, seed: int = 0):
        super().__init__()
        self.G, self.normaliser = policy, normaliser
        order = torch.randperm(len(steps.obs), generator=torch.Generator().manual_seed(seed))
        held = int(HELD_OUT * len(order))
        self.held_out, self.learned = steps.pick(order[:held]), steps.pick(order[held:])

    @property
    def policy(self) -> Policy:
        return self.G

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.clone_move)]

    def clone_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One step on rows drawn with replacement."""
        rows = (next(batches) * len(self.learned.obs)).long()
        yield Loss(self.nll(self.learned.pick(rows)))

    def nll(self, rows: Transitions) -> Tensor:
        """Mean negative log likelihood of actions, nats."""
        return -self.G.log_prob(rows.obs, rows.act).mean()

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Negative log likelihood of the rows that nothing learned from."""
        return float(self.nll(self.held_out if len(self.held_out.obs) else self.learned))

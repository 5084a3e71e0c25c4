"""A game with one player: maximum likelihood. It trains the language models that score samples."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from image_core.adversarial.arguments import python_call
from image_core.adversarial.game import Batch, Game, Loss, Turn
from seqgan.lm.policies import LSTMPolicy, SequencePolicy


class LikelihoodGame(Game):
    """Maximum likelihood: min_G -E_real log G(y), in nats per token.

    Args:
        G: Policy to train.

    Raises:
        UserError: G is no policy.
    """

    @python_call()
    def __init__(self, G: SequencePolicy):
        super().__init__()
        self.G = G

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.move)]

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One optimizer step on one batch of real sequences."""
        self.G.train()
        yield Loss(self.G.nll(self.G.trim(next(batches))))


def tiny() -> tuple[LikelihoodGame, Tensor]:
    """A small game and data for tests; it trains in seconds."""
    data = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    data[:, 4], data[:, 5] = 2, 0
    return LikelihoodGame(LSTMPolicy(12, 8, 8, start=1, end=2)), data

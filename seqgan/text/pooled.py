"""A discriminator that judges every position of an answer on its own, and pools the outputs."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from seqgan.data.encode import mask_of
from seqgan.text.discriminators import Scorer, SequenceDiscriminator
from seqgan.text.features import Features
from seqgan.text.prompts import answered

POOLING = ("sum", "mean")


class PooledDiscriminator(SequenceDiscriminator):
    """A logit of features of each position of the answer and its token, summed or averaged.

    D(y) = sum_t f(phi(y_<t), y_t)   or   (1 / |answer|) sum_t f(phi(y_<t), y_t)

    Without features, phi are the embeddings of the tokens before it. Such a discriminator can rank
    what it has not seen whole, since it only learns which steps are real ones. A sum pays for
    longer answers where f is positive, a mean does not.

    Args:
        vocab: Number of token ids.
        mark: Id that ends a prompt; None judges whole sequences.
        start: Id before the first token.
        end: Id that ends a sequence; None if all sequences have one length.
        features: Features phi of prefixes; None embeds the tokens before each.
        window: Number of embedded tokens, the position's own included.
        embedding: Size of a token's vector.
        hidden: Size of the two hidden layers of f.
        pooling: Name of the pooling: sum or mean.
    """

    def __init__(
        self,
        vocab: int,
        *,
        mark: int | None,
        start: int,
        end: int | None,
        features: Features | None = None,
        window: int = 3,
        embedding: int = 16,
        hidden: int = 32,
        pooling: str = "sum",
    ):
        super().__init__()
        self.mark, self.start, self.end, self.pooling = mark, start, end, pooling
        self.features, self.window = features, 1 if features is not None else window
        self.embedding = nn.Parameter(torch.empty(vocab, embedding).normal_())
        size = self.window * embedding + (features.size if features is not None else 0)
        self.f = nn.Sequential(
            *(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()),
            nn.Linear(hidden, 1),
        )

    def counted(self, tokens: Int64[Tensor, "B T"]) -> Bool[Tensor, "B T"]:
        """Positions that are judged.

        Args:
            tokens: Token ids, (B, T).
        """
        if self.mark is None:
            return mask_of(tokens, self.end)
        return answered(tokens, self.mark, self.end)

    def embed(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        """Inputs of f at each position, and 1 where the position counts; zero elsewhere."""
        padded = F.pad(tokens, (self.window - 1, 0), value=self.start)
        windows = F.embedding(padded.unfold(1, self.window, 1), self.embedding).flatten(2)
        known = [] if self.features is None else [self.features.of(tokens, self.start)]
        counted = self.counted(tokens)[:, :, None].to(windows.dtype)
        return torch.cat([windows, *known, counted], 2) * counted

    def score(
        self, embedded: Float[Tensor, "B T E"], lengths: Int64[Tensor, " B"] | None
    ) -> Float[Tensor, " B"]:
        values, counted = embedded[:, :, :-1], embedded[:, :, -1]
        total = (self.f(values)[:, :, 0] * counted).sum(1)
        return total / counted.sum(1).clamp(min=1) if self.pooling == "mean" else total

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        return self.score(self.embed(tokens), None)

    def regularizer(self) -> Float[Tensor, ""]:
        return self.embedding.new_zeros(())

    def scorer(self) -> Scorer:
        @torch.no_grad()
        def score(tokens: Tensor) -> Tensor:
            return torch.cat([self.forward(part) for part in tokens.split(1024)])

        return score

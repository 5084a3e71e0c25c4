"""RelGAN (Nie, Narodytska & Patel 2019): relaxed samples, a relational memory, many embeddings.

The policy is a relational memory; samples are concrete, with an inverse temperature that ends at
beta_max; the discriminator has S embeddings of one or more dimensions each, and its loss is
relativistic. The released code schedules the temperature over 5,000 steps but takes only 2,000
(3,000 on the oracle), so that beta_max is never reached; here it is.
"""

from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.runs import options
from seqgan.data.encode import mask_of
from seqgan.lm.policies import RecurrentPolicy
from seqgan.lm.relational import RelationalPolicy
from seqgan.text import estimation, own
from seqgan.text.config import LossOptions, Sequences, two_players
from seqgan.text.discriminators import Scorer, SequenceDiscriminator
from seqgan.text.games.relaxed import RelaxedGame


@dataclass(kw_only=True)
class Options(LossOptions):
    """RelGAN.

    Args:
        estimator: Relaxation of the samples: gumbel_softmax, gumbel_hard, straight_through or
            reinmax.
        beta_max: Inverse temperature of the samples in the last policy step.
    """

    loss: str = "relativistic"
    g_lr: float = 1e-4
    d_lr: float = 1e-4
    d_steps: int = 5
    estimator: str = "gumbel_softmax"
    beta_max: float = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        estimation.check("relaxed", self.estimator)
        options.check_above_zero(self, "beta_max")

    def method(self) -> dict[str, str]:
        reward = "none: the gradient of the loss passes through relaxed samples"
        return {**super().method(), "reward": reward, "estimator": self.estimator}


PRESETS = {
    "paper": {
        "hidden": 512,
        "mle_epochs": 150,
        "mle_lr": 1e-2,
        "rounds": 2_000,
        "evaluate_every": 50,
    }
}
SIZES = {"seqgan": (64, 300), "small": (16, 50)}
"""(embeddings, filters of each width) for each size of SeqGAN's discriminator."""


@final
class ManyEmbeddingsDiscriminator(SequenceDiscriminator):
    """Mean logit over S embeddings of the same tokens, each read by the same convolutions.

    E_s in R^(V x size / S),  h_s = max over time of relu(conv(E_s y)),  logit = mean_s f(h_s)

    f is a highway layer, a layer of 100 and an output. The S views of a sequence are rows of one
    batch.

    Args:
        vocab: Number of token ids.
        size: Total size of all embeddings, a multiple of `views`.
        views: Number S of embeddings.
        filters: Number of filters of each width.
        widths: Widths of the convolutions, in tokens.
        end: Id that ends a sequence; None if all sequences have one length.
        dropout: Dropout of the highway layer's output.

    Raises:
        UserError: The views do not divide the embedding.

    Source: Nie et al. 2019, section 3.3.
    """

    def __init__(
        self,
        vocab: int,
        size: int = 64,
        views: int = 64,
        filters: int = 300,
        widths: tuple[int, ...] = (2, 3, 4, 5),
        *,
        end: int | None = None,
        dropout: float = 0.25,
    ):
        super().__init__()
        if size % views:
            raise UserError(f"{views} views do not divide an embedding of {size}")
        self.views, self.end, self.dropout, self.widths = views, end, dropout, widths
        self.embedding = nn.Parameter(torch.empty(vocab, size).uniform_(-1, 1))
        convolutions = [nn.Conv1d(size // views, filters, width) for width in widths]
        self.convolutions = nn.ModuleList(convolutions)
        features = filters * len(widths)
        self.highway = nn.Linear(features, 2 * features)
        self.last = nn.Sequential(nn.Linear(features, 100), nn.ReLU(), nn.Linear(100, 1))

    def embed(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        x = F.embedding(tokens, self.embedding)
        return x if self.end is None else x * mask_of(tokens, self.end)[:, :, None]

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        return self.score(self.embed(tokens), self.lengths(tokens))

    def score(
        self, embedded: Float[Tensor, "B T E"], lengths: Int64[Tensor, " B"] | None
    ) -> Float[Tensor, " B"]:
        """Compute logits; tokens past the end are zero already, so windows need no mask."""
        rows = embedded.unflatten(2, (self.views, -1)).permute(0, 2, 3, 1).flatten(0, 1)
        short = max(self.widths) - rows.shape[2]
        if short > 0:
            rows = F.pad(rows, (0, short))
        features = torch.cat([conv(rows).amax(2).relu() for conv in self.convolutions], 1)
        plain, gate = self.highway(features).chunk(2, 1)
        x = features + gate.sigmoid() * (plain.relu() - features)
        x = F.dropout(x, self.dropout, self.training)
        return self.last(x).view(-1, self.views).mean(1)

    def regularizer(self) -> Float[Tensor, ""]:
        return self.embedding.new_zeros(())

    def scorer(self) -> Scorer:
        training = self.training

        def score(tokens: Tensor) -> Tensor:
            self.eval()
            try:
                with torch.no_grad():
                    return torch.cat([self.forward(part) for part in tokens.split(64)])
            finally:
                self.train(training)

        return score


@python_call()
def relgan(
    G: RecurrentPolicy, D: SequenceDiscriminator, length: int, *, moves: int, **options: object
) -> RelaxedGame:
    """RelGAN: concrete samples and a relativistic discriminator.

    Args:
        G: The policy; in the paper a `RelationalPolicy`.
        D: The discriminator; in the paper a `ManyEmbeddingsDiscriminator`.
        length: Tokens of a sequence, including padding.
        moves: Number of policy moves in the whole run, over which the temperature is scheduled.
        options: Further arguments of `RelaxedGame`; `beta_max` is 100 or 1,000 in the paper, 1 or 2
            on its oracle.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Nie et al. 2019.
    """
    return RelaxedGame(G, D, length, moves=moves, **options)  # type: ignore[arg-type]


def _relational(o: Options, s: Sequences) -> RelationalPolicy:
    return RelationalPolicy(
        s.vocab,
        o.embedding,
        o.hidden,
        layers=o.layers,
        start=s.start,
        end=s.end,
        pad=s.pad,
        dropout=o.dropout,
    )


def game(o: Options, s: Sequences) -> RelaxedGame:
    """Build the game from a run's options."""
    policy = own.recurrent(o.build_policy(s) if o.policy else _relational(o, s))
    views, filters = SIZES[o.discriminator]
    discriminator = ManyEmbeddingsDiscriminator(
        s.vocab, views, views, filters, end=s.end, dropout=o.d_dropout
    )
    return relgan(
        policy,
        discriminator,
        s.length,
        moves=o.g_moves(),
        beta_max=o.beta_max,
        relaxation=estimation.relaxation(o.estimator),
        **o.adversarial(),
    )


players = two_players

"""Bayesian GAN: posterior samples of generators and of discriminators that name classes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid, softplus

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import logistic_d
from image_core.adversarial.tricks import match_features
from image_core.games.common import (
    Images,
    LatentGame,
    Prior,
    Told,
    evaluating,
    lifted,
    to_images,
)
from image_core.games.conditional import labels_of
from image_core.nets.discriminators import ClassDiscriminator
from image_core.nets.mixture import MixtureGenerator

BURN_IN = "_start"
"""End of the name of a player that moves the weights of another before these are samples."""


@final
class BayesianGAN(LatentGame):
    """Every discriminator meets every generator; each side averages over samples of the other.

    With l_j the K class logits of discriminator j, the fake's at 0, and d_j = log sum exp l_j:

        d_j: CE(l_j(labelled), y) + 1/2 (E_r[softplus(-d_j)] + mean_i E_f_i[softplus(d_j)])

        g_i: mean_j (E_f_i[softplus(-d_j)] + w |E_r f_j - E_f_i f_j|^2),    f_j features of j

    These are negative log-likelihoods of a row, which the players' optimizers make posteriors of,
    see `sghmc.SGHMC`. Without labels there is one class, and l is a plain logit. "G" and "D" are
    sampled; "G_start" and "D_start" move the same weights to where sampling begins.

    Args:
        G: Generators, whose shares stay equal.
        D: Discriminators of classes.
        latent: Size of z.
        labelled: Whether batches hold labelled images.
        feature_matching: Weight w of matched features, which stand in the authors' code alone.
        d_steps: Optimizer steps of the discriminators in a round.
        batch: Samples of each generator in a step.
        prior: Distribution of z.

    Source: Saatci & Wilson 2017, eq. 1, 2 and 5.
    """

    G: MixtureGenerator
    D: nn.ModuleList

    def __init__(
        self,
        G: MixtureGenerator,
        D: Sequence[ClassDiscriminator],
        latent: int,
        *,
        labelled: bool = True,
        feature_matching: float = 1.0,
        d_steps: int = 1,
        batch: int = 64,
        prior: Prior = "uniform",
    ):
        super().__init__(G, nn.ModuleList(D), latent, d_steps, batch, prior)
        self.labelled, self.feature_matching = labelled, feature_matching
        G.alpha.requires_grad_(False)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        own = {"G": list(self.G.members.parameters()), "D": list(self.D.parameters())}
        return own | {name + BURN_IN: weights for name, weights in own.items()}

    def turns(self) -> Sequence[Turn]:
        return self.turns_of("")

    def turns_of(self, end: str) -> list[Turn]:
        """Turns of the players that sample, or of those that move the weights before.

        Args:
            end: End of the players' names, "" or `BURN_IN`.
        """
        return [Turn(turn.player + end, *turn[1:]) for turn in super().turns()]

    def d_scores(self, images: Images, told: Told) -> Tensor:
        """Log odds of the mean probability that an image is real."""
        with evaluating(self.D):
            d = torch.stack([lifted(D(images)[0]).logsumexp(1) for D in self.D])
        return logsigmoid(d).logsumexp(0) - logsigmoid(-d).logsumexp(0)

    # -- moves -----------------------------------------------------------------------------------

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Each names the labelled, and tells the others from every generator's images."""
        batch = next(batches)
        real = to_images(batch)
        self.G.train()
        with torch.no_grad():
            fakes = [G(self.draw(len(real))) for G in self.G.members]
        supervised, adversarial = real.new_zeros(()), real.new_zeros(())
        logs: dict[str, list[Tensor]] = {"d_real": [], "d_fake": []}
        for D in self.D:
            d_real = lifted(D(real)[0]).logsumexp(1)
            for fake in fakes:
                d_fake = lifted(D(fake)[0]).logsumexp(1)
                adversarial = adversarial + logistic_d(d_real, d_fake) / 2 / len(fakes)
                logs["d_fake"].append(d_fake.mean())
            logs["d_real"].append(d_real.mean())
            if self.labelled:
                named = lifted(D(to_images({"images": batch["labelled"]}))[0])
                supervised = supervised + cross_entropy(named, labels_of(batch))
        means = {name: torch.stack(values).mean() for name, values in logs.items()}
        known = {"supervised": supervised} if self.labelled else {}
        yield Loss(supervised + adversarial, {"adversarial": adversarial, **known, **means})

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Each is to be taken for real by the discriminators on average."""
        self.G.train()
        real = to_images(next(batches)) if self.feature_matching else None
        fakes = [G(self.draw(self.share())) for G in self.G.members]
        fooled = matched = fakes[0].new_zeros(())
        for D in self.D:
            with torch.no_grad():
                wanted = None if real is None else lifted(D(real)[1])
            for fake in fakes:
                logits, features = map(lifted, D(fake))
                fooled = fooled + softplus(-logits.logsumexp(1)).mean() / len(self.D)
                if wanted is not None:
                    matched = matched + match_features(wanted, features) / len(self.D)
        total = fooled + self.feature_matching * matched
        yield Loss(total, {"fooled": fooled, "feature_matching": matched})

    # -- classes ---------------------------------------------------------------------------------

    @torch.no_grad()
    def probabilities(self, images: Images) -> Float[Tensor, "J N K"]:
        """Probabilities of the classes by each discriminator, in evaluation mode."""
        with evaluating(self.D):
            each = [torch.cat([D(part)[0] for part in images.split(500)]) for D in self.D]
        return torch.stack(each).softmax(2)


def tiny() -> tuple[BayesianGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    pairs = [dcgan(8, 1, 4, width=0.1, norm="weight") for _ in range(2)]
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"images": images, "labelled": images[:3] + 0.1, "labels": torch.arange(3)}
    Ds = [ClassDiscriminator(D, 3) for _, D in pairs]
    return BayesianGAN(MixtureGenerator([G for G, _ in pairs]), Ds, 4, batch=6), batch

"""Three players on pairs of picture and label: generator, classifier, discriminator."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.games.common import evaluating, lifted, to_images
from image_core.games.conditional import LabelledGenerator, labels_of
from image_core.games.translation import ClassifyingGame, DrawingGame, domain
from image_core.nets.discriminators import ClassDiscriminator, ProjectionDiscriminator


class TripleWeights(NamedTuple):
    """Weights of the terms of a three-player game.

    Args:
        share: Share alpha of the classifier's pairs among those that are not real.
        entropy: Weight of the entropy of the classes of unlabelled pictures.
        balance: Weight of the cross-entropy of an even law and the mean prediction.
        pseudo: Weight of generated pictures as further labelled ones.
    """

    share: float = 0.5
    entropy: float = 0.3
    balance: float = 1e-3
    pseudo: float = 0.1


@final
class TripleGAN(DrawingGame, ClassifyingGame):
    """Players "D", "G", "C", and "alone". The stream yields {"b", "labelled", "labels"}.

    x_u unlabelled, p = softmax C(x_u), k = argmax p, x~ = G(z, y), a the share:

        d: E[softplus(-D(x_l, y_l))] + a E[softplus(D(x_u, k))] + (1 - a) E[softplus(D(x~, y))]
        g: (1 - a) E[softplus(-D(x~, y))]
        c: CE(C(x_l), y_l) + a E[p_k softplus(-D(x_u, k))] + w_e H(p) + w_b B + w_p CE(C(x~), y)
        B = CE(1/K, mean p)

    The argmax has no gradient: p_k carries it. "alone" is a classifier of C's form that sees the
    same labelled pictures and nothing else, a control of equal steps.

    Args:
        G: Generator, latents and labels -> pictures.
        C: Classifier, pictures -> class logits and features.
        alone: Another classifier of its form.
        D: Discriminator, pictures and labels -> logits.
        latent: Size of z.
        pseudo_from: Step of C from which generated pictures count as labelled.
        weights: Weights of the terms; None for those of `TripleWeights`.

    Source: Li, Xu, Zhu & Zhang 2017, algorithm 1 and section 3.3; p_k as in the authors' code.
    """

    step: Tensor

    def __init__(
        self,
        G: LabelledGenerator,
        C: ClassDiscriminator,
        alone: ClassDiscriminator,
        D: ProjectionDiscriminator,
        latent: int,
        *,
        pseudo_from: int = 0,
        weights: TripleWeights | None = None,
    ):
        super().__init__()
        self.G, self.C, self.alone, self.D, self.latent = G, C, alone, D, latent
        self.pseudo_from, self.weights = pseudo_from, weights or TripleWeights()
        self.register_buffer("step", torch.zeros(()))

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        nets = {"D": self.D, "G": self.G, "C": self.C, "alone": self.alone}
        return {name: list(net.parameters()) for name, net in nets.items()}

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("D", self.discriminator_move),
            Turn("G", self.generator_move),
            Turn("C", self.classifier_move),
            Turn("alone", self.control_move),
        ]

    @torch.no_grad()
    def draw(self, labels: Int64[Tensor, " N"]) -> Float[Tensor, "N C H W"]:
        z = torch.randn(len(labels), self.latent, device=self.device)
        with evaluating(self.G):
            return self.G(z, labels.to(self.device))

    @torch.no_grad()
    def classify(
        self, a: Float[Tensor, "N C H W"], b: Float[Tensor, "N D G F"]
    ) -> Mapping[str, Int64[Tensor, " N"]]:
        found = {}
        for name, net in (("", self.C), ("labels alone", self.alone)):
            with evaluating(net):
                found[name] = net(b)[0].argmax(1)
        return found

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell labelled pictures from the classifier's pairs and from the generator's."""
        x, labelled, labels = _parts(next(batches))
        fake, told = self._made(len(x))
        with torch.no_grad():
            named = self.C.train()(x)[0].argmax(1)
        parts = [len(labelled), len(x), len(fake)]
        pairs = torch.cat([labelled, x, fake.detach()]), torch.cat([labels, named, told])
        real, of_c, of_g = lifted(self.D(*pairs)).split(parts)
        a = self.weights.share
        total = softplus(-real).mean() + a * softplus(of_c).mean() + (1 - a) * softplus(of_g).mean()
        yield Loss(total, {"d_real": real.mean(), "d_fake": of_g.mean(), "d_named": of_c.mean()})

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Make pairs that look real."""
        count = len(domain(next(batches), "b"))
        fake, told = self._made(count, graph=True)
        logits = lifted(self.D(fake, told))
        yield Loss((1 - self.weights.share) * softplus(-logits).mean(), {"d_fake": logits.mean()})

    def classifier_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Name the labelled, make pairs that look real, be sure and even, learn from the fakes."""
        x, labelled, labels = _parts(next(batches))
        fake, told = self._made(len(x))
        w, n = self.weights, len(labelled)
        found = lifted(self.C.train()(torch.cat([labelled, x, fake]))[0])
        of_l, of_u, of_g = found.split([n, len(x), len(fake)])
        p = of_u.softmax(1)
        sure, named = p.max(1)
        logs = {
            "supervised": cross_entropy(of_l, labels),
            "adversarial": (sure * softplus(-lifted(self.D(x, named)))).mean(),
            "entropy": -(p * of_u.log_softmax(1)).sum(1).mean(),
            "balance": -p.mean(0).log().mean(),
            "pseudo": cross_entropy(of_g, told),
        }
        learns = (self.step >= self.pseudo_from).to(x)
        total = logs["supervised"] + w.share * logs["adversarial"] + w.entropy * logs["entropy"]
        total = total + w.balance * logs["balance"] + w.pseudo * learns * logs["pseudo"]
        yield Loss(total, logs)
        self.step += 1

    def pretrain_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The classifier learns from the labelled pictures alone."""
        yield Loss(_supervised(self.C, next(batches)))

    def control_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The control learns from the labelled pictures alone."""
        yield Loss(_supervised(self.alone, next(batches)))

    def _made(self, count: int, *, graph: bool = False) -> tuple[Tensor, Tensor]:
        """Generated pictures and their labels, drawn evenly."""
        labels = torch.randint(self.G.classes, (count,), device=self.device)
        z = torch.randn(count, self.latent, device=self.device)
        self.G.train()
        with torch.set_grad_enabled(graph):
            return self.G(z, labels), labels


def _parts(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Unlabelled pictures, labelled ones, and their labels."""
    return domain(batch, "b"), to_images({"images": batch["labelled"]}), labels_of(batch)


def _supervised(net: nn.Module, batch: Batch) -> Tensor:
    _, labelled, labels = _parts(batch)
    return cross_entropy(lifted(net.train()(labelled)[0]), labels)


def tiny() -> tuple[TripleGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    (G, D), (_, c), (_, s) = (dcgan(8, 1, 4 + 3, width=0.1, norm="none") for _ in "GCS")
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"b": images, "labelled": images[:3] + 0.1, "labels": torch.arange(3)}
    classifiers = ClassDiscriminator(c, 3), ClassDiscriminator(s, 3)
    judge = ProjectionDiscriminator(D, 3)
    return TripleGAN(LabelledGenerator(G, 3), *classifiers, judge, 4), batch

"""Pictures taken apart into tags and the rest, and put together again under other tags."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import softplus

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.games.common import evaluating, lifted, to_images
from image_core.games.conditional import labels_of
from image_core.games.translation import Direction, EditingGame, TranslationGame, domain
from image_core.nets.discriminators import ImageDiscriminator
from image_core.nets.joint import CodeEncoder, Redraw

Images = Float[Tensor, "N C H W"]


class TagWeights(NamedTuple):
    """Weights of the terms of a game of tags.

    Args:
        consistency: Weight of the squared distance of the tags' codes of picture and of words.
        reconstruction: Weight of squared differences of pictures drawn again.
        adversarial: Weight of the adversarial term.
    """

    consistency: float = 1.0
    reconstruction: float = 10.0
    adversarial: float = 1.0


@final
class TagCodes(nn.Module):
    """A code for each value of each tag, one behind the other.

    Args:
        tags: Number of each class's value of each tag, (K, T).
        size: Size of the code of a tag.
    """

    tags: Tensor

    def __init__(self, tags: Int64[Tensor, "K T"], size: int):
        super().__init__()
        self.register_buffer("tags", tags, persistent=False)
        self.codes = nn.ModuleList(nn.Embedding(int(v.max()) + 1, size) for v in tags.T)
        self.width = size * len(self.codes)

    def forward(self, labels: Int64[Tensor, " N"]) -> Float[Tensor, "N width"]:
        values = self.tags[labels]
        return torch.cat([code(values[:, i]) for i, code in enumerate(self.codes)], 1)


@final
class TagGAN(TranslationGame, EditingGame):
    """Players "RgG" and "D". The stream yields {"b", "labelled", "labels"}.

    R gives t(x), codes of the tags, and r(x), the rest; g(c) are codes of the tags of class c; x_l
    are the pictures with labels c, x any; means over elements:

        rgg: w_1 f1 + w_2 f2 + w_3 f3
        d:   softplus(-D(x)) + the mean of softplus(D) of both kinds of f3
        f1 = |t(x_l) - g(c)|^2
        f2 = |G(R(x)) - x|^2 + |G(g(c), r(x_l)) - x_l|^2
        f3 = softplus(-D(G(R(x)))) + softplus(-D(G(g(c'), r(x_l))))

    The classes c' are drawn evenly.

    Disentangling network R, tag network g and generator G make one step together, for each sees the
    others as they are.

    Args:
        R: Network from pictures to codes.
        g: Codes of the classes' tags.
        G: Generator, codes -> pictures.
        D: Discriminator.
        side: Side of the pictures in pixels.
        weights: Weights of the terms; None for those of `TagWeights`.

    Source: Wang, Wang, Xu & Tao 2017 (TD-GAN), section 3; the weights are ours.
    """

    def __init__(
        self,
        R: CodeEncoder,
        g: TagCodes,
        G: nn.Module,
        D: ImageDiscriminator,
        side: int,
        *,
        weights: TagWeights | None = None,
    ):
        super().__init__()
        self.redraw, self.g, self.D = Redraw(R, G, side), g, D
        self.weights = weights or TagWeights()
        self._made: tuple[Tensor, Tensor] | None = None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        learns = [*self.redraw.parameters(), *self.g.parameters()]
        return {"RgG": learns, "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("RgG", self.generator_move), Turn("D", self.discriminator_move)]

    def translators(self) -> Mapping[Direction, nn.Module]:
        return {"ab": self.redraw}

    def d_scores(self, direction: Direction, source: Tensor, images: Tensor) -> Tensor:
        with evaluating(self.D):
            return lifted(self.D(images))

    @torch.no_grad()
    def edit(self, a: Images, b: Float[Tensor, "N D G F"], targets: Int64[Tensor, " N"]) -> Images:
        return self.retagged(a, targets, range(len(self.g.codes)))

    @torch.no_grad()
    def retagged(self, images: Images, targets: Int64[Tensor, " N"], tags: Sequence[int]) -> Images:
        """Pictures with some tags of other classes, in evaluation mode, on the CPU.

        Args:
            images: Pictures in [-1, 1].
            targets: Number of the class that each takes tags of.
            tags: Numbers of these tags; the other tags are read from the picture.
        """
        made, size = [], self.g.width // len(self.g.codes)
        with evaluating(self.redraw):
            for x, t in zip(images.split(250), targets.split(250)):
                code = self.redraw.E(x.to(self.device))
                wanted = self.g(t.to(self.device))
                for tag in tags:
                    part = slice(tag * size, (tag + 1) * size)
                    code[:, part] = wanted[:, part]
                made.append(self.redraw.G(code).cpu())
        return torch.cat(made)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Codes that agree, pictures drawn again, and pictures under other tags that look real."""
        batch = next(batches)
        x, labelled, labels = domain(batch, "b"), to_images(batch["labelled"]), labels_of(batch)
        self.redraw.train()
        n, width = len(x), self.g.width
        code = self.redraw.E(torch.cat([x, labelled]))
        told, rest = self.g(labels), code[n:, width:]
        drawn = self.g(torch.randint(len(self.g.tags), (len(labels),), device=x.device))
        codes = [code[:n], torch.cat([told, rest], 1), torch.cat([drawn, rest], 1)]
        made = self.redraw.G(torch.cat(codes))
        again, own, other = made.split([n, len(labels), len(labels)])
        fakes = lifted(self.D(torch.cat([again, other])))
        gaps = (lifted(again) - x).square().mean(), (lifted(own) - labelled).square().mean()
        logs = {
            "consistency": (lifted(code[n:, :width]) - told).square().mean(),
            "reconstruction": gaps[0] + gaps[1],
            "adversarial": softplus(-fakes[:n]).mean() + softplus(-fakes[n:]).mean(),
        }
        w = self.weights
        total = w.consistency * logs["consistency"] + w.reconstruction * logs["reconstruction"]
        self._made = x, torch.cat([again, other]).detach()
        yield Loss(total + w.adversarial * logs["adversarial"], logs)

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell pictures from those drawn again and those under other tags."""
        assert self._made is not None
        (x, fakes), self._made = self._made, None
        real, again, other = lifted(self.D(torch.cat([x, fakes]))).split(
            [len(x), len(x), len(fakes) - len(x)]
        )
        fake = (softplus(again).mean() + softplus(other).mean()) / 2
        total = softplus(-real).mean() + fake
        yield Loss(total, {"d_real": real.mean(), "d_fake": other.mean()})


def tags_of(names: Sequence[str]) -> Int64[Tensor, "K T"]:
    """Tags of classes: the words of their names, numbered in alphabetical order at each place.

    Args:
        names: Names of the classes, such as "red disc".

    Raises:
        UserError: They are of different numbers of words.
    """
    words = [name.replace("_", " ").split() for name in names]
    for name, own in zip(names, words):
        if len(own) != len(words[0]):
            raise UserError(
                f"the words of a class's name are its tags, and {names[0]!r} has {len(words[0])} "
                f"of them and {name!r} {len(own)}; give every class as many"
            )
    places = [sorted({own[i] for own in words}) for i in range(len(words[0]))]
    return torch.tensor([[values.index(w) for w, values in zip(own, places)] for own in words])


def tiny() -> tuple[TagGAN, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    from image_core.nets.dcgan import dcgan

    g = TagCodes(tags_of(["red disc", "red ring", "blue disc", "blue ring"]), 2)
    (G, D), (_, towards) = (dcgan(8, 1, g.width + 3, width=0.1, norm="none") for _ in "GR")
    R = CodeEncoder(towards.trunk, towards.features, g.width + 3, sampled=False)
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    batch = {"b": images, "labelled": images[:4] + 0.1, "labels": torch.arange(4)}
    return TagGAN(R, g, G, D, 8), batch

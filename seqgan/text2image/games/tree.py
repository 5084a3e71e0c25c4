"""A tree: one generator draws a picture of every side at once, each side has a discriminator.

Nothing waits for an earlier stage. Discriminators judge pictures with their sentence and alone.
StackGAN v2 is this game; AttnGAN is it with word attention and a matcher that guides the generator.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_fields
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game, Loss, Outsider, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from seqgan.text2image.encoders import EncodedSentences, TextEncoder
from seqgan.text2image.games.stack import (
    alike,
    as_floats,
    check_penalty,
    discriminator_loss,
    evaluated,
    generator_loss,
    match,
    shrink,
)
from seqgan.text2image.matching import Matcher
from seqgan.text2image.nets.stack import MatchingDiscriminator
from seqgan.text2image.nets.tree import TreeGenerator, colour_distance


class TreeGame(Game):
    """Players "match" (encoder and matcher), "D1" (the discriminators of all sides), "G1".

    A batch is that of `StackGame`, and holds `sentence` (B, E), `words` (B, T, E) and `mask`
    (B, T): what the encoder makes of the right sentence, T = 0 where no words are asked for.

    Args:
        encoder: Encoder of sentences, trained by "match" alone; a frozen one is in no checkpoint.
        matcher: Encoder of pictures; it judges R-precision.
        G1: Generator from sentence and noise to a picture of each side.
        discriminators: Discriminators of each side, small to large.
        loss: Loss of discriminators and generator.
        penalty: Penalty of the discriminators, on pictures beside their right sentences.
        wrong_pairs: Whether the discriminators see real pictures with wrong sentences.
        kl_coef: Weight of the divergence of conditions.
        colour_weight: Weight of the colour distance of neighbouring sides; the authors take 1
            without sentences and 0 with them.
        damsm_weight: Weight of the matcher's loss in the generator's (AttnGAN's lambda).

    Raises:
        UserError: A discriminator with batch norm is to be penalised.

    Source: Zhang et al. 2018, "StackGAN++", section 4.
    """

    @python_call()
    def __init__(
        self,
        encoder: TextEncoder,
        matcher: Matcher,
        G1: TreeGenerator,
        discriminators: Sequence[MatchingDiscriminator],
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        wrong_pairs: bool = True,
        kl_coef: float = 2.0,
        colour_weight: float = 0.0,
        damsm_weight: float = 0.0,
    ):
        super().__init__()
        check_within(0, kl_coef=kl_coef, colour_weight=colour_weight, damsm_weight=damsm_weight)
        if not discriminators:
            raise UserError("there are no discriminators; give one for each side")
        check_penalty(penalty, *discriminators)
        self.encoder = Outsider(encoder) if encoder.frozen else encoder
        self.matcher, self.G1 = matcher, G1
        self.D1 = nn.ModuleList(discriminators)
        self.loss, self.penalty, self.wrong_pairs = loss, penalty, wrong_pairs
        self.kl_coef, self.colour_weight = kl_coef, colour_weight
        self.damsm_weight = damsm_weight

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        learned = [p for p in self.encoder.parameters() if p.requires_grad]
        return {
            "match": [*learned, *self.matcher.parameters()],
            "G1": list(self.G1.parameters()),
            "D1": list(self.D1.parameters()),
        }

    def turns(self) -> Sequence[Turn]:
        """Everybody once; a recipe plays `match_turns` before all others."""
        return [*self.match_turns(), *self.stage_turns(1)]

    def match_turns(self) -> Sequence[Turn]:
        """Of the encoder, before everything else."""
        return [Turn("match", self.match_move)]

    def stage_turns(self, stage: int) -> Sequence[Turn]:
        """Of all sides at once.

        Args:
            stage: Stage; a tree has one.
        """
        return [Turn("D1", self.discriminator_move), Turn("G1", self.generator_move)]

    def match_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell which sentence of a batch is of which picture."""
        yield match(self.encoder, self.matcher, next(batches))

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The sum over sides of `discriminator_loss`; logs are the largest side's.

        Raises:
            UserError: The batch lacks a tensor that is read.
        """
        batch = next(batches)
        check_fields("TreeGame", batch, ("image", "text", "wrong", "sentence", "words", "mask"))
        with torch.no_grad():
            fakes, _ = self.generate(batch)
        pictures = as_floats(batch["image"])
        wrong = batch["wrong"] if self.wrong_pairs else None
        found = []
        for D, fake in zip(self.D1.train(), fakes, strict=True):
            assert isinstance(D, MatchingDiscriminator)
            real = shrink(pictures, fake.shape[-1])
            parts = (real, fake, batch["text"], wrong)
            found.append(discriminator_loss(D, self.loss, self.penalty, *parts))
        yield Loss(torch.stack([loss.total for loss in found]).sum(), found[-1].logs)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Please the discriminator of every side; keep colours; be found by the matcher.

        sum_s L_G(D_s(G_s(z, t), t)) + kl_coef KL + colour_weight L_C + damsm_weight L_match(G)

        L_C is the sum over neighbouring sides of the distance of their colours.

        Raises:
            UserError: The batch lacks a tensor that is read.
        """
        batch = next(batches)
        check_fields("TreeGame", batch, ("image", "text", "wrong", "sentence", "words", "mask"))
        fakes, kl = self.generate(batch)
        total, logs = self.kl_coef * kl, {"kl": kl}
        for D, fake in zip(self.D1, fakes, strict=True):
            assert isinstance(D, MatchingDiscriminator)
            total = total + generator_loss(D, self.loss, batch["image"], fake, batch["text"])
        if self.colour_weight:
            apart = [colour_distance(small, large) for small, large in pairwise(fakes)]
            logs["colour"] = torch.stack(apart).sum()
            total = total + self.colour_weight * logs["colour"]
        if self.damsm_weight:
            text = EncodedSentences(batch["sentence"], batch["words"], batch["mask"])
            found = self.matcher.eval().compare(fakes[-1], text, alike(batch))
            logs |= {"match": found.loss, "right": found.right}
            total = total + self.damsm_weight * found.loss
        yield Loss(total, logs)

    @torch.no_grad()
    def pair_logits(
        self, stage: int, images: Float[Tensor, "B 3 S S"], text: Float[Tensor, "B E"]
    ) -> Float[Tensor, " B"]:
        """Logits of whole pairs by the discriminator of the largest side in evaluation mode.

        Args:
            stage: Stage; a tree has one.
            images: Pictures of the largest side, (B, 3, S, S), in [-1, 1].
            text: Vectors of their sentences, (B, E).
        """
        D = self.D1[-1]
        assert isinstance(D, MatchingDiscriminator)
        return evaluated(D, images, text)

    def generate(self, batch: Mapping[str, Tensor]) -> tuple[list[Tensor], Float[Tensor, ""]]:
        """Pictures of every side in training, and the divergence of their conditions.

        Args:
            batch: Batch, see the class.
        """
        z = self.G1.draw(len(batch["text"]), batch["text"].device)
        return self.G1.train()(z, batch["text"], batch["words"], batch["mask"])

    @staticmethod
    def paint(
        nets: Mapping[str, nn.Module], z: Float[Tensor, "B Z"], text: EncodedSentences, stage: int
    ) -> Float[Tensor, "B 3 S S"]:
        """Pictures of the largest side by generators of one's choice.

        Args:
            nets: "G1".
            z: Noise of the pictures.
            text: Sentences, as the generator sees them.
            stage: Number of the stage, of which there is one.
        """
        images, _ = nets["G1"](z, *text)
        return images[-1]

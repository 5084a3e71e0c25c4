"""StackGAN v2: one generator draws a picture of every side at once, each side has its own critic.

Nothing waits for an earlier stage. Every critic judges pictures with their sentence and alone.
AttnGAN (`attn.py`) is this game with word attention and a matcher that guides the generator.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from seqgan.text2image.encoders import EncodedSentences, TextEncoder
from seqgan.text2image.games.stack import (
    alike,
    as_floats,
    check_penalty,
    critic_loss,
    generator_loss,
    match,
    shrink,
)
from seqgan.text2image.games.stack import tiny as tiny_stack
from seqgan.text2image.matching import Matcher
from seqgan.text2image.nets.stack import MatchingCritic
from seqgan.text2image.nets.tree import TreeGenerator, colour_distance


class TreeGame(Game):
    """Players "match" (encoder and matcher), "D1" (the critics of all sides), "G1".

    A batch is that of `StackGame`, and holds `sentence` (B, E), `words` (B, T, E) and `mask`
    (B, T): what the encoder makes of the right sentence, T = 0 where no words are asked for.

    Args:
        encoder: of sentences; trained by "match" alone.
        matcher: of pictures; it judges R-precision.
        G1: sentence and noise to a picture of each side.
        critics: of each side, small to large.
        loss: of critics and generator.
        penalty: of the critics, on pictures beside their right sentences.
        matching: show the critics real pictures with wrong sentences.
        kl: weight of the divergence of conditions.
        colour: weight of the colour distance of neighbouring sides; the authors take 1 without
            sentences and 0 with them.
        guide: weight of the matcher's loss in the generator's (AttnGAN's lambda).

    Raises:
        UserError: a critic with batch norm is to be penalised.

    Source: Zhang et al. 2018, "StackGAN++", section 4.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        matcher: Matcher,
        G1: TreeGenerator,
        critics: Sequence[MatchingCritic],
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        matching: bool = True,
        kl: float = 2.0,
        colour: float = 0.0,
        guide: float = 0.0,
    ):
        super().__init__()
        check_penalty(penalty, *critics)
        self.encoder, self.matcher, self.G1 = encoder, matcher, G1
        self.D1 = nn.ModuleList(critics)
        self.loss, self.penalty, self.matching = loss, penalty, matching
        self.kl, self.colour, self.guide = kl, colour, guide

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
        """Of all sides at once."""
        return [Turn("D1", self.critic_move), Turn("G1", self.generator_move)]

    def match_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell which sentence of a batch is of which picture."""
        yield match(self.encoder, self.matcher, next(batches))

    def critic_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The sum over sides of `critic_loss`; logs are the largest side's."""
        batch = next(batches)
        with torch.no_grad():
            fakes, _ = self.generate(batch)
        pictures = as_floats(batch["image"])
        wrong = batch["wrong"] if self.matching else None
        found = []
        for D, fake in zip(self.D1.train(), fakes, strict=True):
            assert isinstance(D, MatchingCritic)
            real = shrink(pictures, fake.shape[-1])
            parts = (real, fake, batch["text"], wrong)
            found.append(critic_loss(D, self.loss, self.penalty, *parts))
        yield Loss(torch.stack([loss.total for loss in found]).sum(), found[-1].logs)

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Please the critic of every side; keep colours; be found by the matcher.

        sum_s L_G(D_s(G_s(z, t), t)) + kl KL + colour sum_s L_C(G_s, G_(s-1)) + guide L_match(G)
        """
        batch = next(batches)
        fakes, kl = self.generate(batch)
        total, logs = self.kl * kl, {"kl": kl}
        for D, fake in zip(self.D1, fakes, strict=True):
            assert isinstance(D, MatchingCritic)
            total = total + generator_loss(D, self.loss, batch["image"], fake, batch["text"])
        if self.colour:
            apart = [colour_distance(small, large) for small, large in pairwise(fakes)]
            logs["colour"] = torch.stack(apart).sum()
            total = total + self.colour * logs["colour"]
        if self.guide:
            text = EncodedSentences(batch["sentence"], batch["words"], batch["mask"])
            found = self.matcher.eval().compare(fakes[-1], text, alike(batch))
            logs |= {"match": found.loss, "right": found.right}
            total = total + self.guide * found.loss
        yield Loss(total, logs)

    def generate(self, batch: Mapping[str, Tensor]) -> tuple[list[Tensor], Float[Tensor, ""]]:
        """Pictures of every side in training, and the divergence of their conditions."""
        z = self.G1.draw(len(batch["text"]), batch["text"].device)
        return self.G1.train()(z, batch["text"], batch["words"], batch["mask"])

    @staticmethod
    def paint(
        nets: Mapping[str, nn.Module], z: Float[Tensor, "B Z"], text: EncodedSentences, stage: int
    ) -> Float[Tensor, "B 3 S S"]:
        """Pictures of the largest side by generators of one's choice.

        Args:
            nets: "G1".
            z: noise.
            text: sentences, as the generator sees them.
            stage: there is one.
        """
        images, _ = nets["G1"](z, *text)
        return images[-1]


def stackgan_v2(
    encoder: TextEncoder,
    matcher: Matcher,
    small: int,
    side: int,
    *,
    condition: int = 128,
    noise: int = 100,
    width: int = 16,
    critic_width: int = 64,
    noisy: bool = True,
    norm: str = "batch",
    project: bool = False,
    changes: str = "",
    words: int = 0,
    **options: Any,
) -> TreeGame:
    """StackGAN v2: a picture of each side from `small` to `side`, a critic for each.

    Args:
        encoder: of sentences.
        matcher: of pictures.
        small: smallest side.
        side: largest side.
        condition: length of the generator's condition; critics compress to twice of it.
        noise: length of z.
        width: channels of the generator's last map.
        critic_width: channels of each critic's first map.
        noisy: whether conditions are augmented.
        norm: of the critics.
        project: whether critics also multiply sentence and picture.
        changes: random changes of every picture the critics look at.
        words: length of a word's vector, for attention; 0 = none.
        options: of `TreeGame`.

    Source: Zhang et al. 2018, "StackGAN++".
    """
    text = encoder.features
    sizes: dict[str, Any] = {"condition": condition, "noise": noise, "width": width}
    G = TreeGenerator(small, side, text, **sizes, noisy=noisy, words=words)
    sides = [small << i for i in range(len(G.to_image))]
    heads: dict[str, Any] = {"condition": 2 * condition, "width": critic_width, "norm": norm}
    heads |= {"project": project, "changes": changes}
    critics = [MatchingCritic(own, text, **heads, whole=True) for own in sides]
    return TreeGame(encoder, matcher, G, critics, **options)


def tiny_batch() -> dict[str, Tensor]:
    """Data of seconds, for tests: three words a sentence, one of them not there."""
    _, batch = tiny_stack()
    draw = torch.Generator().manual_seed(2)
    words = torch.randn(8, 3, 6, generator=draw)
    mask = torch.tensor([True, True, False]).expand(8, 3).clone()
    return {**batch, "sentence": batch["text"], "words": words, "mask": mask}


def tiny() -> tuple[TreeGame, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    stack, _ = tiny_stack()
    sizes: dict[str, Any] = {"condition": 4, "noise": 4, "width": 4, "critic_width": 4}
    game = stackgan_v2(stack.encoder, stack.matcher, 8, 16, **sizes, colour=1.0)
    return game, tiny_batch()

"""StackGAN: a first generator draws a small picture of a sentence, a second one redraws it large.

StackGAN (Zhang et al. 2017) is this game with conditioning augmentation and two stages, one after
the other; GAN-INT-CLS (Reed et al. 2016) is its first stage without augmentation, with interpolated
sentences. Symbols: x picture, t the sentence's vector, z noise, c = mu + sigma eps its condition.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.adversarial import losses
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_fields
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game, Loss, Outsider, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from seqgan.data.tokenizer import TextTokenizer
from seqgan.text2image.encoders import EncodedSentences, TextEncoder, WordEncoder
from seqgan.text2image.matching import Matcher, PictureEncoder
from seqgan.text2image.nets.df import FusionGenerator
from seqgan.text2image.nets.stack import FirstStage, MatchingDiscriminator, SecondStage

Stage = Literal[1, 2]


class JudgedPictures(NamedTuple):
    """What a discriminator makes of real pictures with their sentences.

    Args:
        seen: Maps of the pictures.
        logit: Logit of each pair.
        penalty: Penalty to add to the discriminator's loss; None adds nothing.
    """

    seen: Float[Tensor, "B C H W"]
    logit: Float[Tensor, " B"]
    penalty: Float[Tensor, ""] | None


PairPenalty = Callable[[MatchingDiscriminator, Tensor, Tensor], JudgedPictures]
"""(D, real pictures, their sentences): judges them itself, so that nobody does so twice."""


class StackGame(Game):
    """Players "match" (encoder of sentences and its matcher), "D1", "G1", "D2", "G2".

    A batch holds `image` (B, 3, S, S) bytes, `tokens` (B, T), `caption` and `picture` (B,), the
    numbers of both, `text` and `wrong` (B, E), the vectors of the right sentence and of one that is
    of another picture. Beside a frozen encoder it holds `sentence`, `words` and `mask` too, what
    that made of the right sentence. A first stage of a smaller side sees means of blocks of pixels.

    Args:
        encoder: Encoder of sentences, trained by "match" alone; a frozen one is in no checkpoint.
        matcher: Encoder of pictures, which judges R-precision; nobody else learns from it.
        G1: Generator from sentence and noise, of small pictures where there is a second stage.
        D1: Discriminator of small pictures.
        G2: Generator from small picture and sentence to a large one; None where there is one stage.
        D2: Discriminator of large pictures.
        loss: Loss of both discriminators and both generators.
        penalty: Penalty of both discriminators, on pictures beside their right sentences.
        pair_penalty: Penalty of both discriminators, on real pictures and their sentences at once
            (DF-GAN).
        wrong_pairs: Whether discriminators see real pictures with wrong sentences (GAN-CLS).
        interpolation: Whether generators also learn from means of two sentences (GAN-INT).
        kl_coef: Weight of the divergence of conditions; the paper has 1, its code 2.

    Raises:
        UserError: One of G2 and D2 is missing, or one with batch norm is to be penalised.

    Source: Zhang et al. 2017, "StackGAN", equations 3 to 6.
    """

    @python_call()
    def __init__(
        self,
        encoder: TextEncoder,
        matcher: Matcher,
        G1: FirstStage | FusionGenerator,
        D1: MatchingDiscriminator,
        G2: SecondStage | None = None,
        D2: MatchingDiscriminator | None = None,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        pair_penalty: PairPenalty | None = None,
        wrong_pairs: bool = True,
        interpolation: bool = False,
        kl_coef: float = 2.0,
    ):
        super().__init__()
        if (G2 is None) != (D2 is None):
            raise UserError("stage II needs both G2 and D2; give both or none")
        check_within(0, kl_coef=kl_coef)
        check_penalty(penalty or pair_penalty, D1, *([] if D2 is None else [D2]))
        self.encoder = Outsider(encoder) if encoder.frozen else encoder
        self.matcher = matcher
        self.G1, self.D1, self.G2, self.D2 = G1, D1, G2, D2
        self.loss, self.kl_coef = loss, kl_coef
        self.penalty, self.pair_penalty = penalty, pair_penalty
        self.wrong_pairs, self.interpolation = wrong_pairs, interpolation

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        learned = [p for p in self.encoder.parameters() if p.requires_grad]
        nets = {"G1": self.G1, "D1": self.D1, "G2": self.G2, "D2": self.D2}
        return {
            "match": [*learned, *self.matcher.parameters()],
            **{name: list(net.parameters()) for name, net in nets.items() if net is not None},
        }

    def turns(self) -> Sequence[Turn]:
        """Everybody once; a recipe plays `match_turns`, then each stage's turns, one by one."""
        second = [] if self.G2 is None else self.stage_turns(2)
        return [*self.match_turns(), *self.stage_turns(1), *second]

    def match_turns(self) -> Sequence[Turn]:
        """Of the encoder, before everything else."""
        return [Turn("match", self.match_move)]

    def stage_turns(self, stage: Stage) -> Sequence[Turn]:
        """Of one stage; the earlier one stands still.

        Args:
            stage: Stage, 1 or 2.
        """
        return [
            Turn(f"D{stage}", partial(self.discriminator_move, stage)),
            Turn(f"G{stage}", partial(self.generator_move, stage)),
        ]

    def match_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell which sentence of a batch is of which picture."""
        yield match(self.encoder, self.matcher, next(batches))

    def discriminator_move(self, stage: Stage, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Real with the right sentence, against real with a wrong one and generated.

        1/2 [L_D(D(x, t), D(x, t')) + L_D(D(x, t), D(G(z, t), t))]

        Args:
            stage: Stage, 1 or 2.
            batches: Batches, see the class.

        Raises:
            UserError: The batch lacks a tensor that is read.
        """
        batch = next(batches)
        check_fields("StackGame", batch, ("image", "text", "wrong"))
        D, text = self.discriminator(stage), batch["text"]
        with torch.no_grad():
            fake, _ = self.generate(stage, text)
        real = shrink(as_floats(batch["image"]), fake.shape[-1])
        D.train()
        wrong = batch["wrong"] if self.wrong_pairs else None
        judge = judge_pairs if self.pair_penalty is None else self.pair_penalty
        yield discriminator_loss(D, self.loss, self.penalty, real, fake, text, wrong, judge)

    def generator_move(self, stage: Stage, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Please the discriminator; keep the conditions near N(0, I).

        L_G(D(G(z, t), t)) + kl_coef KL, and with interpolation as much for (t + t') / 2

        Args:
            stage: Stage, 1 or 2.
            batches: Batches, see the class.

        Raises:
            UserError: The batch lacks a tensor that is read.
        """
        batch = next(batches)
        check_fields("StackGame", batch, ("image", "text", "wrong"))
        text = batch["text"]
        D = self.discriminator(stage)
        fake, kl = self.generate(stage, text)
        total = generator_loss(D, self.loss, batch["image"], fake, text)
        if self.interpolation:
            between = (text + batch["wrong"]) / 2
            mixed, _ = self.generate(stage, between)
            total = total + generator_loss(D, self.loss, batch["image"], mixed, between)
        yield Loss(total + self.kl_coef * kl, {"kl": kl})

    def generate(
        self, stage: Stage, text: Float[Tensor, "B E"]
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, ""]]:
        """Pictures of the stage in training, and the divergence of its conditions.

        Args:
            stage: Stage, 1 or 2.
            text: Vectors of the sentences, (B, E).
        """
        z = self.G1.draw(len(text), text.device)
        if stage == 1:
            return self.G1.train()(z, text)
        assert self.G2 is not None
        with torch.no_grad():
            small, _ = self.G1.eval()(z, text)
        return self.G2.train()(small, text)

    @staticmethod
    def paint(
        nets: Mapping[str, nn.Module], z: Float[Tensor, "B Z"], text: EncodedSentences, stage: int
    ) -> Float[Tensor, "B 3 S S"]:
        """Pictures of a stage by generators of one's choice.

        Args:
            nets: "G1", and for stage II "G2".
            z: Noise of the pictures.
            text: Sentences, as the generators see them.
            stage: 1 or 2.
        """
        images, _ = nets["G1"](z, text.sentence)
        if stage == 2:
            images, _ = nets["G2"](images, text.sentence)
        return images

    @torch.no_grad()
    def pair_logits(
        self, stage: int, images: Float[Tensor, "B 3 S S"], text: Float[Tensor, "B E"]
    ) -> Float[Tensor, " B"]:
        """Logits of whole pairs by a stage's discriminator in evaluation mode, high = real.

        Args:
            stage: Stage, 1 or 2.
            images: Pictures of the stage, (B, 3, S, S), in [-1, 1].
            text: Vectors of their sentences, (B, E).
        """
        return evaluated(self.discriminator(2 if stage == 2 else 1), images, text)

    def discriminator(self, stage: Stage) -> MatchingDiscriminator:
        """Of a stage.

        Args:
            stage: Stage, 1 or 2.
        """
        if stage == 1:
            return self.D1
        assert self.D2 is not None
        return self.D2


def evaluated(
    D: MatchingDiscriminator, images: Float[Tensor, "B 3 S S"], text: Float[Tensor, "B E"]
) -> Float[Tensor, " B"]:
    """Logits of pairs in evaluation mode.

    Args:
        D: Discriminator of pairs.
        images: Pictures in [-1, 1], (B, 3, S, S).
        text: Vectors of sentences, (B, E).
    """
    training = D.training
    D.eval()
    logits = D(images, text).float()
    D.train(training)
    return logits


def match(encoder: TextEncoder | Outsider, matcher: Matcher, batch: Mapping[str, Tensor]) -> Loss:
    """What encoder and matcher learn from: telling which sentence is of which picture.

    A frozen encoder has read the sentences before: the batch holds what it made of them.

    Args:
        encoder: Encoder of sentences.
        matcher: Network that compares both.
        batch: Pictures and sentences.

    Raises:
        UserError: The batch lacks a tensor that is read.
    """
    frozen = isinstance(encoder, Outsider)
    read = ("sentence", "words", "mask") if frozen else ("tokens",)
    check_fields("a matcher", batch, ("image", *read))
    matcher.train()
    if isinstance(encoder, Outsider):
        text = EncodedSentences(batch["sentence"], batch["words"], batch["mask"])
    else:
        text = encoder.train()(batch["tokens"])
    loss, right = matcher.compare(as_floats(batch["image"]), text, alike(batch))
    return Loss(loss, {"right": right})


def check_penalty(
    penalty: Penalty | PairPenalty | None, *discriminators: MatchingDiscriminator
) -> None:
    """Refuse a penalty on a discriminator in which samples meet.

    Args:
        penalty: Penalty; None for none.
        discriminators: Discriminators that it is of.

    Raises:
        UserError: A discriminator has batch norm.
    """
    if penalty is not None and any(D.norm == "batch" for D in discriminators):
        raise UserError(
            "a penalty is the slope of one sample's logit, and batch norm mixes samples; build the "
            "discriminator with norm none or spectral, or leave the penalty out"
        )


def judge_pairs(
    D: MatchingDiscriminator, real: Float[Tensor, "B 3 S S"], text: Float[Tensor, "B E"]
) -> JudgedPictures:
    """Plainly, without a penalty.

    Args:
        D: Discriminator of pairs.
        real: Pictures in [-1, 1], (B, 3, S, S).
        text: Vectors of sentences, (B, E).
    """
    seen = D.look(real)
    return JudgedPictures(seen, D.judge(seen, text), None)


def discriminator_loss(
    D: MatchingDiscriminator,
    loss: AdversarialLoss,
    penalty: Penalty | None,
    real: Float[Tensor, "B 3 S S"],
    fake: Float[Tensor, "B 3 S S"],
    text: Float[Tensor, "B E"],
    wrong: Float[Tensor, "B E"] | None,
    judge: PairPenalty = judge_pairs,
) -> Loss:
    """The loss of D on pairs, and on pictures alone if it judges them; its trunk looks once.

    Args:
        D: Discriminator of pairs.
        loss: Loss of logits.
        penalty: Penalty on pictures beside their right sentences.
        real: Real pictures.
        fake: Generated pictures of the same sentences.
        text: Sentences of the pictures.
        wrong: Sentences of other pictures; with None the discriminator never sees wrong pairs.
        judge: Judges real pictures, perhaps with a penalty of its own.
    """
    seen, d_real, flat = judge(D, real, text)
    made = D.look(fake)
    d_fake = D.judge(made, text)
    total = loss.d(d_real, d_fake)
    logs = {"d_real": d_real.mean(), "d_fake": d_fake.mean()}
    if wrong is not None:
        d_wrong = D.judge(seen, wrong)
        total = (total + loss.d(d_real, d_wrong)) / 2
        logs["d_wrong"] = d_wrong.mean()
    if D.alone is not None:
        total = total + loss.d(D.judge_alone(seen), D.judge_alone(made))
    if flat is not None:
        logs["pair_penalty"] = flat
        total = total + flat
    if penalty is not None:
        logs["penalty"] = penalty(lambda x: D(x, text), real, fake)
        total = total + logs["penalty"]
    return Loss(total, logs)


def generator_loss(
    D: MatchingDiscriminator,
    loss: AdversarialLoss,
    real: UInt8[Tensor, "B 3 S S"],
    fake: Float[Tensor, "B 3 H H"],
    text: Float[Tensor, "B E"],
) -> Float[Tensor, ""]:
    """The generator's loss; the discriminator looks at real pictures only for relative losses.

    Args:
        D: Discriminator of pairs.
        loss: Loss of logits.
        real: Pictures as bytes, of the fakes' side or larger.
        fake: Generated pictures of the same sentences.
        text: Sentences of the pictures.
    """
    made = D.look(fake)
    seen = made  # a loss with a reward ignores real logits
    if loss.reward is None:
        seen = D.look(shrink(as_floats(real), fake.shape[-1]))
    total = loss.g(D.judge(seen, text), D.judge(made, text))
    if D.alone is not None:
        total = total + loss.g(D.judge_alone(seen), D.judge_alone(made))
    return total


def as_floats(images: UInt8[Tensor, "B 3 S S"]) -> Float[Tensor, "B 3 S S"]:
    """Bytes to [-1, 1].

    Args:
        images: Pictures as bytes, (B, 3, S, S).
    """
    return images.float() / 127.5 - 1


def shrink(images: Float[Tensor, "B 3 S S"], side: int) -> Float[Tensor, "B 3 H H"]:
    """Means of blocks of pixels.

    Args:
        images: Pictures, (B, 3, S, S).
        side: Side H in pixels, which divides S.
    """
    times = images.shape[-1] // side
    return images if times == 1 else F.avg_pool2d(images, times)


def alike(batch: Mapping[str, Tensor]) -> Tensor:
    """Pairs (i, j) of a batch with equal captions or equal pictures.

    Args:
        batch: Pictures and sentences.
    """
    caption, picture = batch["caption"], batch["picture"]
    return (caption[:, None] == caption) | (picture[:, None] == picture)


def tiny_encoder() -> TextEncoder:
    """An encoder of eight words, for tests."""
    return WordEncoder(TextTokenizer.train(["a b c d e f g h"], "word"), 6, 4)


def tiny() -> tuple[StackGame, dict[str, Tensor]]:
    """A game of seconds and data for it, for tests."""
    draw = torch.Generator().manual_seed(1)
    nets: dict[str, Any] = {"condition": 4, "width": 4}
    game = StackGame(
        tiny_encoder(),
        PictureEncoder(6, 4),
        FirstStage(8, 6, noise=4, **nets),
        MatchingDiscriminator(8, 6, **nets),
        SecondStage(8, 16, 6, blocks=1, **nets),
        MatchingDiscriminator(16, 6, **nets),
    )
    batch = {
        "image": torch.randint(0, 256, (8, 3, 16, 16), generator=draw, dtype=torch.uint8),
        "tokens": torch.arange(4, 12)[:, None].expand(8, 4).clone(),
        "caption": torch.arange(8),
        "picture": torch.arange(8),
        "text": torch.randn(8, 6, generator=draw),
    }
    batch["wrong"] = batch["text"].roll(1, 0)
    return game, batch

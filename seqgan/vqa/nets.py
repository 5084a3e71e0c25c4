"""Networks on a picture and a question: an answerer, and a discriminator of answers."""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from seqgan.vqa.questions import BLANK


@final
class Reader(nn.Module):
    """A picture and a question to features of both.

    tanh(W v) * tanh(U q) beside tanh(U q), v of two convolutions, q the sum of the words' vectors

    Args:
        side: Height of a picture in pixels; it is twice as wide.
        words: Number of words.
        width: Number of features.
        dropout: Share of the joint features that are left out in training.
        blind: Whether the picture is not looked at.
    """

    def __init__(self, side: int, words: int, width: int, *, dropout: float, blind: bool = False):
        super().__init__()
        self.picture = None if blind else _convolutions(side, width)
        self.words = nn.EmbeddingBag(words, width, mode="sum", padding_idx=BLANK)
        self.joint = nn.Sequential(
            nn.Linear(2 * width, width), nn.LeakyReLU(0.2), nn.Dropout(dropout)
        )

    def forward(
        self, pictures: Float[Tensor, "N 3 S W"], words: Int64[Tensor, "N T"]
    ) -> Float[Tensor, "N width"]:
        asked = self.words(words).tanh()
        seen = torch.ones_like(asked) if self.picture is None else self.picture(pictures)
        return self.joint(torch.cat([seen * asked, asked], 1))


def _convolutions(side: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, width // 4, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width // 4, width // 2, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(width // 2 * (side // 4) * (side // 2), width),
        nn.Tanh(),
    )


@final
class Answerer(nn.Module):
    """A picture and a question to the logits of all answers.

    Args:
        reader: Network that reads both.
        width: Number of its features.
        answers: Number A of answers.
    """

    def __init__(self, reader: Reader, width: int, answers: int):
        super().__init__()
        self.reader, self.answers = reader, nn.Linear(width, answers)

    def forward(
        self, pictures: Float[Tensor, "N 3 S W"], words: Int64[Tensor, "N T"]
    ) -> Float[Tensor, "N A"]:
        return self.answers(self.reader(pictures, words))


@final
class AnswerDiscriminator(nn.Module):
    """A picture, a question and answers, of one word each or mixed ones, to logits.

    l(x, q, a) = a^T V f(x, q) + b^T f(x, q) + c

    The picture is read once for all answers to a question.

    Args:
        reader: Network f that reads picture and question.
        width: Number of its features.
        answers: Number A of answers.

    Source: Miyato & Koyama 2018, eq. 4, for the form of the condition.
    """

    def __init__(self, reader: Reader, width: int, answers: int):
        super().__init__()
        self.reader = reader
        self.by_answer, self.common = nn.Linear(width, answers), nn.Linear(width, 1)

    def forward(
        self,
        pictures: Float[Tensor, "N 3 S W"],
        words: Int64[Tensor, "N T"],
        answers: Float[Tensor, "N M A"],
    ) -> Float[Tensor, "N M"]:
        features = self.reader(pictures, words)
        each = torch.bmm(answers, self.by_answer(features)[:, :, None])[:, :, 0]
        return each + self.common(features)

"""The game of answers: an answerer against a discriminator of (picture, question, answer).

An answer is one discrete variable, so that the discriminator's output reaches the answerer as a
reward. Symbols: G answerer, D discriminator, l its logit, a an answer, M answers of each question.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from image_core.adversarial import losses
from image_core.adversarial.discrete_variables import Categorical
from image_core.adversarial.estimators import Estimator, reinforce
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.games.common import evaluating, to_images
from seqgan.vqa.nets import AnswerDiscriminator, Answerer, Reader

VARIABLES = Categorical()


class QuestionGame(Game):
    """Players "G", "D", and "L": an answerer by likelihood alone, and one that sees no picture.

    The stream yields {"pictures", "words", "answers"}. D reads a person's answer and G's to the
    same questions, so that neither pictures nor questions tell it which is which.

    G: estimator of -E_(a ~ G) reward(l(x, q, a)) - w mean log G(a | x, q), a person's a in the
       second
    D: d(l(x, q, a), l(x, q, a')), a a person's answer, a' of G
    L: mean -log L(a | x, q), a a person's answer

    Args:
        G: Answerer, from pictures and words to logits of answers.
        D: Discriminator, from pictures, words and answers to logits.
        rival: Answerer that learns by likelihood alone.
        blind: Answerer that learns by likelihood and sees no picture.
        estimator: Score function of G's answers.
        reward: Reward of an answer by its logit.
        samples: Number M of answers of each question.
        loss: Loss of the discriminator.
        penalty: Penalty of the discriminator, on answers to one question.
        likelihood: Weight w of the likelihood of people's answers.
        d_steps: Optimizer steps of the discriminator in a round.
    """

    def __init__(
        self,
        G: Answerer,
        D: AnswerDiscriminator,
        rival: Answerer,
        blind: Answerer,
        *,
        estimator: Estimator,
        reward: Callable[[Tensor], Tensor],
        samples: int,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        likelihood: float = 0.0,
        d_steps: int = 1,
    ):
        super().__init__()
        self.G, self.D, self.rival, self.blind = G, D, rival, blind
        self.estimator, self.reward, self.samples = estimator, reward, samples
        self.loss, self.penalty = loss, penalty
        self.likelihood, self.d_steps = likelihood, d_steps

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            "G": list(self.G.parameters()),
            "D": list(self.D.parameters()),
            "L": [*self.rival.parameters(), *self.blind.parameters()],
        }

    def turns(self) -> Sequence[Turn]:
        return [
            Turn("D", self.discriminator_move, repeat=self.d_steps),
            Turn("G", self.generator_move),
            Turn("L", self.likelihood_move),
        ]

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Answers to a batch of questions, moved as the estimator says."""
        self.G.train()
        rows = next(batches)
        x, q = _seen(rows)
        logits = self.G(x, q)
        drawn = VARIABLES.sample(logits, self.samples)
        with torch.no_grad():
            earned = self.reward(self.D(x, q, drawn)).flatten()[:, None]
        log_prob = VARIABLES.log_prob(logits, drawn).flatten()[:, None]
        total = self.estimator(log_prob, earned, torch.ones_like(earned, dtype=torch.bool))
        logs = {"reward": earned.mean()}
        if self.likelihood:
            logs["nll"] = cross_entropy(logits, rows["answers"])
            total = total + self.likelihood * logs["nll"]
        yield Loss(total, logs)

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """People's answers against G's, to the same questions; each is read once."""
        self.G.train()
        rows = next(batches)
        x, q = _seen(rows)
        with torch.no_grad():
            fake = VARIABLES.sample(self.G(x, q), self.samples)
        real = self.one_hot(rows["answers"])
        d_real, d_fake = self.D(x, q, torch.cat([real, fake], 1)).split([1, self.samples], 1)
        total = self.loss.d(d_real, d_fake)
        logs = {
            "d_real": d_real.mean(),
            "d_fake": d_fake.mean(),
            "accuracy": 0.5 * ((d_real > 0).float().mean() + (d_fake < 0).float().mean()),
        }
        if self.penalty is not None:
            logs["penalty"] = self.penalty(lambda a: self.D(x, q, a)[:, 0], real, fake[:, :1])
            total = total + logs["penalty"]
        yield Loss(total, logs)

    def likelihood_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Both answerers by likelihood, on a batch of people's answers."""
        self.rival.train()
        self.blind.train()
        rows = next(batches)
        own, unseen = answer_loss(self.rival, rows), answer_loss(self.blind, rows)
        yield Loss(own + unseen, {"nll": own, "blind_nll": unseen})

    def one_hot(self, answers: Int64[Tensor, " N"]) -> Float[Tensor, "N 1 A"]:
        """Numbers of answers as a discriminator reads them."""
        return one_hot(answers, self.G.answers.out_features).float()[:, None]

    @torch.no_grad()
    def logits(self, answerer: Answerer, rows: Mapping[str, Tensor]) -> Float[Tensor, "N A"]:
        """Logits of all answers, in evaluation mode.

        Args:
            answerer: One of the game's answerers.
            rows: Pictures as bytes and words, on any device.
        """
        with evaluating(answerer):
            return torch.cat([answerer(*_seen(part)).cpu() for part in self._parts(rows)])

    @torch.no_grad()
    def scores(
        self, rows: Mapping[str, Tensor], answers: Int64[Tensor, " N"]
    ) -> Float[Tensor, " N"]:
        """Discriminator's logits of answers, in evaluation mode.

        Args:
            rows: Pictures as bytes and words, on any device.
            answers: Numbers of the answers.
        """
        with evaluating(self.D):
            parts = self._parts({**rows, "answers": answers})
            found = [self.D(*_seen(part), self.one_hot(part["answers"])) for part in parts]
            return torch.cat(found)[:, 0].cpu()

    def _parts(self, rows: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
        device = next(self.D.parameters()).device
        for start in range(0, len(rows["words"]), 500):
            yield {name: own[start : start + 500].to(device) for name, own in rows.items()}


def answer_loss(answerer: Answerer, rows: Mapping[str, Tensor]) -> Float[Tensor, ""]:
    """Mean negative log-likelihood of people's answers in nats.

    Args:
        answerer: Network from pictures and words to logits.
        rows: Pictures as bytes, words and answers.
    """
    return cross_entropy(answerer(*_seen(rows)), rows["answers"])


def _seen(rows: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    return to_images(rows["pictures"]), rows["words"]


def tiny() -> tuple[QuestionGame, Mapping[str, Tensor]]:
    """A game of seconds and one batch, for tests."""
    draw = torch.Generator().manual_seed(1)
    pictures = torch.randint(256, (6, 3, 4, 8), generator=draw, dtype=torch.uint8)
    rows = {
        "pictures": pictures,
        "words": torch.randint(1, 7, (6, 3), generator=draw),
        "answers": torch.randint(5, (6,), generator=draw),
    }

    def reader(blind: bool = False) -> Reader:
        return Reader(4, 7, 8, dropout=0.0, blind=blind)

    game = QuestionGame(
        Answerer(reader(), 8, 5),
        AnswerDiscriminator(reader(), 8, 5),
        Answerer(reader(), 8, 5),
        Answerer(reader(blind=True), 8, 5),
        estimator=reinforce(baseline="leave_one_out", samples=4),
        reward=nn.functional.logsigmoid,
        samples=4,
    )
    return game, rows

"""RankGAN (Lin, Li, He, Zhang & Sun 2017): a ranker in place of the discriminator.

    a(s | u) = cos(phi(s), phi(u)),   a(s) = gamma mean_(u in U) a(s | u)
    R(s | U, C) = exp a(s) / (exp a(s) + sum_(c in C) exp a(c))

phi are the critic's features, U real references, C what s is compared with. The ranker raises
log R of real sentences among generated ones and lowers log R of generated among real ones; the
policy's reward is the mean R of the completions of each prefix among real sentences.

The paper averages the softmax over references; here, as in the released code, the relevances are
averaged first. With the released code's loss over one batch the normaliser cancels, and what is
left is the difference of mean relevances; here each kind is compared with the other, as in the
paper. A position baseline is subtracted, since R is about 1 / (1 + |C|) for every sample.
"""

import functools
from typing import TYPE_CHECKING, Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial import estimators
from image_core.adversarial.game import Game
from image_core.adversarial.losses import AdversarialLoss, Logits, Scalar
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.discriminators import CNNCritic, Scorer, SequenceCritic
from seqgan.text.games.sequence import SequenceGame
from seqgan.text.papers import RealRows
from seqgan.text.rewards import rollout_reward

if TYPE_CHECKING:
    from seqgan.text.config import SequenceConfig

NAME = "RankGAN"
METHOD: dict[str, Any] = {"estimator": "reinforce", "baseline": "position_mean"}
RATES: dict[str, Any] = {}
GAME = "sequence"
PAPER: dict[str, Any] = {}
UNREAD = ("loss", "critic_l2", "beta_max")
REFERENCES, COMPARED, GAMMA, POOL = 16, 64, 1.0, 2_000
"""|U| and gamma of the released code; |C|; real sequences that both are drawn from."""
policy = LSTMPolicy


def ranking_d(real: Logits, fake: Logits) -> Scalar:
    """-E_real log R(s | fakes) + E_fake log R(s | reals), relevances in, eqs. 3 and 4."""
    among_fakes = real - torch.logaddexp(real, fake.logsumexp(0))
    among_reals = fake - torch.logaddexp(fake, real.logsumexp(0))
    return among_reals.mean() - among_fakes.mean()


def ranking_g(real: Logits, fake: Logits) -> Scalar:
    """-E_fake R(s | reals), of which the reward is one term."""
    return -torch.sigmoid(fake - real.logsumexp(0)).mean()


ranking = AdversarialLoss(ranking_d, ranking_g, torch.sigmoid)
"""Of relevances; its reward reads relevances less log sum exp of those compared with."""


@final
class Ranker(SequenceCritic):
    """Relevance to real references drawn anew at each call.

    Args:
        cnn: gives the features.
        pool: tells the real sequences that references and comparisons are drawn from; asked once.
        references: |U|.
        compared: |C|, of `scorer`.
        gamma: scale of the relevance.
    """

    def __init__(
        self,
        cnn: CNNCritic,
        pool: RealRows,
        *,
        references: int = REFERENCES,
        compared: int = COMPARED,
        gamma: float = GAMMA,
    ):
        super().__init__()
        self.cnn, self.references, self.compared, self.gamma = cnn, references, compared, gamma
        self.pool = functools.cache(pool)

    @property
    def embedding(self) -> Tensor:  # type: ignore[override]
        """The features' own."""
        return self.cnn.embedding

    def embed(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        return self.cnn.embed(tokens)

    def lengths(self, tokens: Int64[Tensor, "B T"]) -> Int64[Tensor, " B"] | None:
        return self.cnn.lengths(tokens)

    def score(
        self, embedded: Float[Tensor, "B T E"], lengths: Int64[Tensor, " B"] | None
    ) -> Float[Tensor, " B"]:
        features = self.cnn.represent_embedded(embedded, lengths)
        return self._relevance(features, self.cnn.represent(self._drawn(self.references)))

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """gamma times the mean cosine with the references, high = real.

        In training less the mean of the batch, half of it real: the loss compares relevances and
        does not see it, and what is told apart lies to either side of 0, as with other critics.
        """
        drawn = self._drawn(self.references)
        width = max(tokens.shape[1], drawn.shape[1])
        both = torch.cat([F.pad(t, (0, width - t.shape[1])) for t in (tokens, drawn)])
        own, given = self.cnn.represent(both).split([len(tokens), len(drawn)])
        relevance = self._relevance(own, given)
        return relevance - relevance.detach().mean() if self.training else relevance

    def regularizer(self) -> Float[Tensor, ""]:
        return self.cnn.embedding.new_zeros(())

    @torch.no_grad()
    def scorer(self) -> Scorer:
        """Relevance less log sum exp of that of |C| real sequences: its sigmoid is R."""
        represent = self.cnn.representer()
        drawn = represent(self._drawn(self.references + self.compared))
        given, compared = drawn.split([self.references, self.compared])
        level = self._relevance(compared, given).logsumexp(0)
        return lambda tokens: self._relevance(represent(tokens), given) - level

    def _drawn(self, count: int) -> Int64[Tensor, "N T"]:
        pool = self.pool()
        return pool[torch.randint(len(pool), (count,))].to(self.cnn.embedding.device)

    def _relevance(
        self, own: Float[Tensor, "B F"], given: Float[Tensor, "U F"]
    ) -> Float[Tensor, " B"]:
        """A mean of cosines is a product with the mean of unit vectors."""
        return self.gamma * F.normalize(own, dim=1) @ F.normalize(given, dim=1).mean(0)


def rankgan(
    G: SequencePolicy,
    D: CNNCritic,
    length: int,
    real: RealRows,
    *,
    rollouts: int = 16,
    **options: object,
) -> SequenceGame:
    """RankGAN: rollouts rewarded by their rank among real sequences.

    Args:
        G: the policy.
        D: features of the ranker.
        length: tokens of a sequence.
        real: tells the references and comparisons.
        rollouts: completions of each prefix.
        options: of `SequenceGame`.

    Source: Lin et al. 2017.
    """
    defaults = {
        "reward": rollout_reward(rollouts),
        "estimator": estimators.reinforce("position_mean"),
    }
    ranked = {"loss": ranking}
    return SequenceGame(G, Ranker(D, real), length, **{**defaults, **options, **ranked})  # type: ignore[arg-type]


def game(policy: LSTMPolicy, length: int, real: RealRows, options: "SequenceConfig") -> Game:
    """The game of a run's options."""

    def pool() -> Tensor:
        rows = real()
        return rows[torch.linspace(0, len(rows) - 1, min(POOL, len(rows))).long()]

    critic, others = options.make_critic(policy), options.game_options(length)
    return rankgan(policy, critic, length, pool, rollouts=options.rollouts, **others)

"""RankGAN (Lin, Li, He, Zhang & Sun 2017): a ranker in place of the discriminator.

    a(s | u) = cos(phi(s), phi(u)),   a(s) = gamma mean_(u in U) a(s | u)
    R(s | U, C) = exp a(s) / (exp a(s) + sum_(c in C) exp a(c))

phi are the discriminator's features, U the real references, and C the sentences that s is compared
with. The ranker raises log R of real sentences among generated ones and lowers log R of generated
sentences among real ones; the policy's reward is the mean R of the completions of each prefix among
real sentences.

The paper averages the softmax over references; here, as in the released code, the relevances are
averaged first. In the released code the loss is computed over one batch, so that the normaliser
cancels and only the difference of mean relevances remains; here, as in the paper, real and
generated sentences are each compared with the other kind. A position baseline is subtracted, since
R is about 1 / (1 + |C|) for every sample.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial import estimators
from image_core.adversarial.arguments import python_call
from image_core.adversarial.losses import AdversarialLoss, Logits, Scalar
from image_core.runs import options
from seqgan.lm.policies import SequencePolicy
from seqgan.text.config import SampledOptions, Sequences, two_players
from seqgan.text.discriminators import CNNDiscriminator, Scorer, SequenceDiscriminator
from seqgan.text.games.sequence import SequenceGame
from seqgan.text.rewards import rollout_reward


@dataclass(kw_only=True)
class Options(SampledOptions):
    """RankGAN.

    Args:
        rollouts: Completions of each prefix of a sample; their mean R is the reward of its last
            token.
        references: Number of real references U that a relevance is averaged over.
        compared: Number of sentences C that a sentence is ranked among.
        gamma: Scale of the relevance.
        reduction: Reduction of the policy's gradient over batch and time: sum or mean.
    """

    rollouts: int = 16
    references: int = 16
    compared: int = 64
    gamma: float = 1.0
    reduction: str = "sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "rollouts", "references", "compared")
        options.check_above_zero(self, "gamma")
        options.check_choice("reduction", self.reduction, estimators.REDUCTIONS)

    def method(self) -> dict[str, str]:
        reward = f"mean rank R of {self.rollouts} completions"
        estimator = "reinforce, baseline position_mean"
        return {**super().method(), "reward": reward, "loss": "ranking", "estimator": estimator}


PRESETS = {
    "default": {"reduction": "mean"},
    "demo": {"reduction": "mean", "rollouts": 8},
    "tiny": {"rollouts": 2},
}
POOL = 2_000
"""Number of real sequences from which references and comparisons are drawn."""


def ranking_d(real: Logits, fake: Logits) -> Scalar:
    """-E_real log R(s | fakes) + E_fake log R(s | reals), from relevances, eqs. 3 and 4.

    Args:
        real: Relevances of data.
        fake: Relevances of samples.
    """
    among_fakes = real - torch.logaddexp(real, fake.logsumexp(0))
    among_reals = fake - torch.logaddexp(fake, real.logsumexp(0))
    return among_reals.mean() - among_fakes.mean()


def ranking_g(real: Logits, fake: Logits) -> Scalar:
    """-E_fake R(s | reals); the reward is one term of this mean.

    Args:
        real: Relevances of data; ignored.
        fake: Relevances of samples.
    """
    return -torch.sigmoid(fake - real.logsumexp(0)).mean()


ranking = AdversarialLoss(ranking_d, ranking_g, torch.sigmoid)
"""Loss on relevances; its reward reads the relevance minus the log-sum-exp of the comparisons."""


@final
class Ranker(SequenceDiscriminator):
    """Relevance to real references that are redrawn at each call.

    Args:
        cnn: Network that computes the features.
        pool: Function that returns the real sequences (N, T) from which references and comparisons
            are drawn; it is called once.
        references: Number |U| of references.
        compared: Number |C| of comparisons in `scorer`.
        gamma: Scale of the relevance.
    """

    def __init__(
        self,
        cnn: CNNDiscriminator,
        pool: Callable[[], Tensor],
        *,
        references: int = 16,
        compared: int = 64,
        gamma: float = 1.0,
    ):
        super().__init__()
        self.cnn, self.references, self.compared, self.gamma = cnn, references, compared, gamma
        self.pool = functools.cache(pool)

    @property
    def embedding(self) -> Tensor:  # type: ignore[override]
        """Embedding of the network that computes the features."""
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
        """Compute gamma times the mean cosine with the references, high = real.

        In training mode the mean of the batch, half of it real, is subtracted. The loss compares
        relevances and does not depend on this mean, and after the subtraction real and generated
        sentences lie on opposite sides of 0, as with other discriminators.
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
        """Relevance minus the log-sum-exp of those of |C| real sequences: its sigmoid is R."""
        represent = self.cnn.representer()
        drawn = represent(self._drawn(self.references + self.compared))
        given, compared = drawn.split([self.references, self.compared])
        level = self._relevance(compared, given).logsumexp(0)
        return lambda tokens: self._relevance(represent(tokens), given) - level

    def _drawn(self, count: int) -> Int64[Tensor, "N T"]:
        pool = self.pool()
        rows = torch.randint(len(pool), (count,)).to(pool.device, non_blocking=True)
        return pool[rows].to(self.cnn.embedding.device, non_blocking=True)

    def _relevance(
        self, own: Float[Tensor, "B F"], given: Float[Tensor, "U F"]
    ) -> Float[Tensor, " B"]:
        """Mean cosine, computed as the product with the mean of unit vectors."""
        return self.gamma * F.normalize(own, dim=1) @ F.normalize(given, dim=1).mean(0)


@python_call()
def rankgan(
    G: SequencePolicy,
    D: CNNDiscriminator,
    length: int,
    real: Callable[[], Tensor],
    *,
    rollouts: int = 16,
    references: int = 16,
    compared: int = 64,
    gamma: float = 1.0,
    **options: object,
) -> SequenceGame:
    """RankGAN: rollouts, rewarded by their rank among real sequences.

    Args:
        G: The policy.
        D: Network that computes the features of the ranker.
        length: Tokens of a sequence, including padding.
        real: Function that returns the real sequences (N, T) of references and comparisons.
        rollouts: Completions of each prefix.
        references: Number of real references.
        compared: Number of sentences that one is ranked among.
        gamma: Scale of the relevance.
        options: Further arguments of `SequenceGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Lin et al. 2017.
    """
    defaults = {
        "reward": rollout_reward(rollouts),
        "estimator": estimators.reinforce("position_mean"),
    }
    ranked = {"loss": ranking}
    ranker = Ranker(D, real, references=references, compared=compared, gamma=gamma)
    return SequenceGame(G, ranker, length, **{**defaults, **options, **ranked})  # type: ignore[arg-type]


def game(o: Options, s: Sequences) -> SequenceGame:
    """Build the game from a run's options."""

    def pool() -> Tensor:
        rows = s.real()
        return rows[torch.linspace(0, len(rows) - 1, min(POOL, len(rows))).long()]

    policy = o.build_policy(s)
    return rankgan(
        policy,
        o.cnn(policy),
        s.length,
        pool,
        rollouts=o.rollouts,
        references=o.references,
        compared=o.compared,
        gamma=o.gamma,
        estimator=estimators.reinforce("position_mean", reduction=o.reduction),
        **o.sampled(),
    )


players = two_players

"""Residual energy model (Deng, Bakhtin, Ott, Szlam & Ranzato 2020): a discriminator beside a model.

    P(y) = G(y) exp(d(y)) / Z,   d the logit of a discriminator of real sequences and samples of G

The language model G is fitted by maximum likelihood and then fixed; only D is trained, by
noise-contrastive estimation with G as noise, which is the ordinary loss of a discriminator. A
sample is one of several candidates of G, chosen by softmax(d). It is a test of what D knows and G
does not. The negative log-likelihoods use an estimate of Z from 10,000 samples of G. They are of
the density, which samples of few candidates do not follow: on an oracle there is no jsd of this
row. A D that has learned its training set by heart raises them: watch its AUC on held-out text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import nn

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.runs import options
from image_core.runs.players import Player
from seqgan.lm.policies import SequencePolicy
from seqgan.text.config import ClassifierOptions, Sequences, two_players
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.games.sampled import SampledGame
from seqgan.text.residual import ResidualPolicy


@dataclass(kw_only=True)
class Options(ClassifierOptions):
    """Residual energy model.

    Args:
        candidates: Candidates of the language model for each sample.
    """

    candidates: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "candidates")

    def controls(self) -> tuple[str, ...]:
        return ("none_real",)

    def method(self) -> dict[str, str]:
        samples = f"one of {self.candidates} candidates, by softmax of the logit"
        none = {"reward": "none", "estimator": "none"}
        return {**super().method(), **none, "samples": samples}


PRESETS = {"tiny": {"candidates": 4}}


@final
class ResidualGame(SampledGame):
    """Players "mle" (the language model) and "D"; the language model is fixed in the rounds.

    Args:
        G: The language model.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        candidates: Candidates of the language model for each sample.
        options: Further arguments of `SampledGame`.
    """

    def __init__(
        self,
        G: SequencePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        candidates: int,
        **options: Any,
    ):
        super().__init__(G, D, length, **options)
        self.candidates = candidates

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {name: ps for name, ps in super().players().items() if name != "G"}

    def turns(self) -> Sequence[Turn]:
        return [Turn("D", self.discriminator_move)]

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take no step: the language model is fixed."""
        return iter(())

    def writer(self) -> ResidualPolicy:
        """Return the language model corrected by the discriminator."""
        return ResidualPolicy(self.G.eval(), self.D, self.length, candidates=self.candidates)


def game(o: Options, s: Sequences) -> ResidualGame:
    """Build the game from a run's options."""
    policy = o.build_policy(s)
    discriminator = o.build_discriminator(policy)
    return ResidualGame(policy, discriminator, s.length, candidates=o.candidates, **o.sampled())


def players(o: Options) -> list[Player]:
    """The language model in maximum likelihood, and the discriminator."""
    return [player for player in two_players(o) if player.name != "G"]

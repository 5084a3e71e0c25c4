"""GAN (Goodfellow et al. 2014): on discrete variables, by any estimator of the gradient.

The estimator is an option, so that estimators are compared with everything else equal.
"""

from dataclasses import dataclass

from seqgan.discrete.config import DiscreteProblem, EstimatorOptions, two_players
from seqgan.discrete.game import DiscreteGame


@dataclass(kw_only=True)
class Options(EstimatorOptions):
    """GAN."""


def game(o: Options, p: DiscreteProblem) -> DiscreteGame:
    """The game of a run's options."""
    G, D = p.generator(), p.discriminator()
    return DiscreteGame(G, D, p.variables, o.gradient(), o.latent, read=p.read, **o.adversarial())


players = two_players

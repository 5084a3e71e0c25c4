"""BGAN (Hjelm et al. 2018): boundary-seeking weights, normalised over the samples of each latent.

The REINFORCE form and weights over the whole batch are its other estimators. The f-divergences are
losses of the core; the released code has no penalty and draws from the generator without averaging
its weights.
"""

from dataclasses import dataclass

from torch import nn

from image_core.adversarial.arguments import python_call
from image_core.adversarial.discrete_variables import DiscreteVariables
from image_core.runs import options
from seqgan.discrete import gradients
from seqgan.discrete.config import DiscreteProblem, EstimatorOptions, two_players
from seqgan.discrete.game import DiscreteGame

__all__ = ["Options", "bgan", "game", "players"]

FORMS = ("bgan", "bgan_batch", "bgan_reinforce")


@dataclass(kw_only=True)
class Options(EstimatorOptions):
    """BGAN.

    Args:
        estimator: Estimator of the generator's gradient: bgan, bgan_batch or bgan_reinforce.
    """

    estimator: str = "bgan"
    samples: int = 20
    penalty: str = ""
    g_lr: float = 1e-4
    d_lr: float = 1e-4
    ema_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("estimator", self.estimator, FORMS)


@python_call()
def bgan(
    G: nn.Module,
    D: nn.Module,
    variables: DiscreteVariables,
    latent: int,
    *,
    samples: int = 20,
    **options: object,
) -> DiscreteGame:
    """Boundary-seeking GAN: importance weights normalised over the samples of each latent.

    Args:
        G: Generator, from latents to logits.
        D: Discriminator, from samples to logits.
        variables: What G's logits mean.
        latent: Size of z.
        samples: Number M of samples of each latent.
        options: Any of `DiscreteGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Hjelm et al. 2018, eq. 8.
    """
    estimator = gradients.bgan(samples, latent)
    return DiscreteGame(G, D, variables, estimator, latent, **options)  # type: ignore[arg-type]


def game(o: Options, p: DiscreteProblem) -> DiscreteGame:
    """The game of a run's options."""
    G, D = p.generator(), p.discriminator()
    return DiscreteGame(G, D, p.variables, o.gradient(), o.latent, read=p.read, **o.adversarial())


players = two_players

"""IRGAN, pairwise (Wang et al. 2017, section 2.3): the discriminator says which of two is better.

    loss of D = -log sigmoid(f(d+) - f(d)),   reward of G = log sigmoid(f(d) - f(d+))

The loss is the core's paired relativistic loss. There is no importance sampling, and positives are
no negatives.
"""

from dataclasses import dataclass

from image_core.adversarial import losses
from image_core.adversarial.arguments import python_call
from seqgan.retrieval.config import RetrievalProblem, SoftmaxOptions, three_players
from seqgan.retrieval.game import RetrievalGame
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.split import Split

__all__ = ["Options", "game", "irgan_pairwise", "players"]


@dataclass(kw_only=True)
class Options(SoftmaxOptions):
    """IRGAN, pairwise."""

    loss: str = "relativistic"
    reward: str = "log_sigmoid"
    mixture: float = 0.0


@python_call()
def irgan_pairwise(G: Scorer, D: Scorer, split: Split, **options: object) -> RetrievalGame:
    """IRGAN, pairwise: D says which of two documents is better, G is paid by the margin.

    Args:
        G: Network whose scores are the generator's.
        D: Network whose scores are the discriminator's logits.
        split: Queries, candidates and positives to learn from.
        options: Any of `RetrievalGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Wang et al. 2017, section 2.3, and the released code.
    """
    defaults = {
        "loss": losses.relativistic,
        "reward": losses.non_saturating.reward,
        "pairwise": True,
        "mixture": 0.0,
        "unlabelled_only": True,
    }
    return RetrievalGame(G, D, split, **{**defaults, **options})  # type: ignore[arg-type]


def game(o: Options, r: RetrievalProblem) -> RetrievalGame:
    """The game of a run's options."""
    return irgan_pairwise(r.scorer(), r.discriminator(), r.split, **o.adversarial())


players = three_players

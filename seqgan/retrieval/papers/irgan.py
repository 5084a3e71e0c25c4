"""IRGAN (Wang et al. 2017, SIGIR): a softmax over documents against a judge of one at a time.

The discriminator tells positives from generated documents; the generator is paid 2 sigmoid(f) - 1,
as in the released code.
"""

from dataclasses import dataclass

from image_core.adversarial.arguments import python_call
from seqgan.retrieval.config import RetrievalProblem, SoftmaxOptions, three_players
from seqgan.retrieval.game import RetrievalGame
from seqgan.retrieval.scorers import Scorer
from seqgan.retrieval.split import Split

__all__ = ["Options", "game", "irgan", "players"]


@dataclass(kw_only=True)
class Options(SoftmaxOptions):
    """IRGAN."""

    loss: str = "non_saturating"
    reward: str = "sigmoid"
    mixture: float = 0.2


@python_call()
def irgan(G: Scorer, D: Scorer, split: Split, **options: object) -> RetrievalGame:
    """IRGAN, pointwise: D tells positives from generated documents one by one.

    Args:
        G: Network whose scores are the generator's.
        D: Network whose scores are the discriminator's logits.
        split: Queries, candidates and positives to learn from.
        options: Any of `RetrievalGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Wang et al. 2017, with the released code's reward 2 sigmoid(f) - 1.
    """
    return RetrievalGame(G, D, split, **options)  # type: ignore[arg-type]


def game(o: Options, r: RetrievalProblem) -> RetrievalGame:
    """The game of a run's options."""
    return irgan(r.scorer(), r.discriminator(), r.split, **o.adversarial())


players = three_players

"""A game of one player that tells classes apart, as judges and extractors of features learn to.

It lies at the bottom, since metrics of images train with it and stand below the other games.
"""

from collections.abc import Iterator, Mapping, Sequence

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from image_core.adversarial.game import Batch, Game, Loss, Turn

__all__ = ["ClassifierGame"]


class ClassifierGame(Game):
    """Player "C" minimises cross entropy; the data stream yields {x, y}.

    Args:
        C: from x to logits (B, K) of K classes, or (B,) of class 1 against class 0.
    """

    def __init__(self, C: nn.Module):
        super().__init__()
        self.C = C

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"C": list(self.C.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("C", self.move)]

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One batch of samples and their classes."""
        self.C.train()
        batch = next(batches)
        yield Loss(class_loss(self.C(batch["x"]), batch["y"]))


def class_loss(
    logits: Float[Tensor, "B K"] | Float[Tensor, " B"], classes: Int64[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Mean cross entropy, in nats; of one logit a sample, that of the two classes."""
    if logits.dim() == 1:
        return binary_cross_entropy_with_logits(logits, classes.to(logits.dtype))
    return cross_entropy(logits, classes)

"""A game with one player that learns to classify, for judges and feature extractors.

It is part of the core because image metrics train with it, and they may not import other games.
"""

from collections.abc import Iterator, Mapping, Sequence

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from image_core.adversarial.game import Batch, Game, Loss, Turn

__all__ = ["ClassifierGame"]


class ClassifierGame(Game):
    """Player "C" minimises the cross entropy; the data stream yields {x, y}.

    -E log softmax(C(x))_y

    Args:
        C: Network from x to logits, (B, K) for K classes or (B,) for class 1 against class 0.
    """

    def __init__(self, C: nn.Module):
        super().__init__()
        self.C = C

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"C": list(self.C.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("C", self.move)]

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One optimizer step on one batch of samples and their classes."""
        self.C.train()
        batch = next(batches)
        yield Loss(class_loss(self.C(batch["x"]), batch["y"]))


def class_loss(
    logits: Float[Tensor, "B K"] | Float[Tensor, " B"], classes: Int64[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Mean cross entropy in nats; with one logit per sample, that of the two classes.

    -(1/B) sum_b log softmax(logits_b)_(y_b)

    Args:
        logits: Logits of K classes, (B, K), or of class 1 against class 0, (B,).
        classes: Class of each sample, (B,).
    """
    if logits.dim() == 1:
        return binary_cross_entropy_with_logits(logits, classes.to(logits.dtype))
    return cross_entropy(logits, classes)

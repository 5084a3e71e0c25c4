"""Wrong sentences of a batch: of another picture, perhaps the one most like the right one."""

from collections.abc import Sequence
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError


def wrong_rows(
    captions: Sequence[int],
    pictures: Sequence[int],
    sentences: Float[Tensor, "B E"] | None = None,
    candidates: int = 1,
) -> list[int]:
    """For each row of a batch one of another caption and another picture.

    It is the next such row, cyclically; of several candidates the one whose sentence is most like
    the row's own. A discriminator soon tells a random wrong sentence by its loudest word, and
    learns nothing more of the others; but the more candidates, the likelier one is true by
    accident.

    Args:
        captions: Number of the caption of each row.
        pictures: Number of the picture of each row.
        sentences: Vector of each row's sentence; needed for more than one candidate.
        candidates: Number of rows to choose among.

    Raises:
        UserError: All rows are of one caption or one picture.
    """
    count, found = len(captions), []
    likeness = None if sentences is None else _cosines(sentences)
    for row in range(count):
        others = ((row + step) % count for step in range(1, count))
        fitting = (
            o for o in others if captions[o] != captions[row] and pictures[o] != pictures[row]
        )
        some = list(islice(fitting, candidates))
        if not some:
            raise UserError(
                "a batch holds one caption alone, so no sentence is wrong for a picture; give "
                "pictures with different captions or raise --batch"
            )
        found.append(some[0] if likeness is None else max(some, key=likeness[row].__getitem__))
    return found


def _cosines(sentences: Float[Tensor, "B E"]) -> list[list[float]]:
    unit = torch.nn.functional.normalize(sentences, dim=1)
    return (unit @ unit.T).tolist()

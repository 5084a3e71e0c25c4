"""Conditions of samples: any classifier of images, checked before chains are drawn by it."""

from collections.abc import Callable

import torch
from torch import Tensor

from image_core.adversarial.attacks.victim import Victim
from image_core.adversarial.errors import UserError
from image_core.runs.outside import own_fault

Condition = Callable[[Tensor], Tensor]
"""Classifier: images in [0, 1] to logits of classes."""


def classes_of(condition: Condition, images: Tensor, wanted: Tensor) -> int:
    """Number of classes of a condition.

    Args:
        condition: Classifier of images in [0, 1].
        images: Some images of the run.
        wanted: Classes that are asked for.

    Raises:
        UserError: It fails on images of the run, gives no logits or no gradient, or has no such
            class.
    """
    try:
        most = int(wanted.max()) if len(wanted) else 0
        Victim(condition).check(images, torch.full((len(images),), most))
        return condition(images).shape[1]
    except UserError as error:
        raise UserError(f"--condition: {error}") from error
    except Exception as error:  # whatever a user's classifier raises
        reason = own_fault(error) or " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"--condition: it fails on images of shape {tuple(images.shape)} in [0, 1]: {reason}"
        ) from error

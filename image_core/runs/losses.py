"""Every adversarial loss of logits that --loss names."""

from collections.abc import Mapping

from image_core.adversarial import divergences, fgan, losses
from image_core.adversarial.losses import AdversarialLoss
from image_core.runs.options import check_choice

LOSSES: Mapping[str, AdversarialLoss] = {
    **{name: getattr(losses, name) for name in losses.__all__},
    **{name: getattr(fgan, name) for name in fgan.__all__},
}
"""Losses by name: the plain ones and those of f-GAN."""

CONTINUOUS: Mapping[str, AdversarialLoss] = {
    **LOSSES,
    **{name: getattr(divergences, name) for name in ("boundary", "boundary_normalised")},
}
"""With boundary seeking for samples that can be differentiated."""


def make_loss(name: str, known: Mapping[str, AdversarialLoss] = LOSSES) -> AdversarialLoss:
    """The loss of a name.

    Args:
        name: Value of --loss.
        known: Losses that the recipe takes.

    Raises:
        UserError: There is no such loss.
    """
    check_choice("loss", name, tuple(known))
    return known[name]

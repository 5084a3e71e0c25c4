"""Every adversarial loss of logits that --loss names."""

from collections.abc import Mapping

from image_core.adversarial import divergences, fgan, losses
from image_core.adversarial.capsules import capsule_margin
from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import AdversarialLoss
from image_core.runs import outside
from image_core.runs.options import check_choice

PLAIN_LOSSES: Mapping[str, AdversarialLoss] = {
    name: getattr(losses, name) for name in losses.__all__
}
"""Losses by name, without those of f-GAN."""

LOSSES: Mapping[str, AdversarialLoss] = {
    **PLAIN_LOSSES,
    **{name: getattr(fgan, name) for name in fgan.__all__},
}
"""Losses by name: the plain ones and those of f-GAN."""

CONTINUOUS: Mapping[str, AdversarialLoss] = {
    **LOSSES,
    **{name: getattr(divergences, name) for name in ("boundary", "boundary_normalised")},
    "capsule_margin": capsule_margin,
}
"""With boundary seeking for samples that can be differentiated, and the loss of capsules."""


def make_loss(name: str, known: Mapping[str, AdversarialLoss] = LOSSES) -> AdversarialLoss:
    """The loss of a name.

    Args:
        name: Value of --loss; `module:name` is an `AdversarialLoss` of the user's own.
        known: Losses that the recipe takes.

    Raises:
        UserError: There is no such loss.
    """
    if outside.is_outside(name):
        own = outside.load("loss", name)
        if not isinstance(own, AdversarialLoss):
            raise UserError(
                f"--loss {name}: it is a {type(own).__name__}; make it AdversarialLoss(d, g, "
                "reward), two functions of (real, fake) logits and one of logits, or None"
            )
        return own
    check_choice("loss", name, (*known, "module:name of your own"))
    return known[name]

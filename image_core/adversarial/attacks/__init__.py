"""Adversarial examples: inputs near given ones that a classifier, the victim, takes for others.

Every attack takes the victim, images and their classes, and returns images of the same shape. None
changes a weight. The victim gives logits; images lie in its range, [0, 1] unless said otherwise.
"""

from image_core.adversarial.attacks.carlini_wagner import carlini_wagner
from image_core.adversarial.attacks.deepfool import deepfool
from image_core.adversarial.attacks.descent import fgsm, pgd
from image_core.adversarial.attacks.one_pixel import one_pixel
from image_core.adversarial.attacks.universal import universal
from image_core.adversarial.attacks.victim import Victim, margin

__all__ = [
    "Victim",
    "carlini_wagner",
    "deepfool",
    "fgsm",
    "margin",
    "one_pixel",
    "pgd",
    "universal",
]

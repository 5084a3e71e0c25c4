"""Measures of sets of images, on features or class probabilities, and scores with honest names."""

from image_core.metrics.distances import frechet as frechet
from image_core.metrics.distances import kernel as kernel
from image_core.metrics.distances import kernel_subsets as kernel_subsets
from image_core.metrics.manifold import density_coverage as density_coverage
from image_core.metrics.manifold import memorisation as memorisation
from image_core.metrics.manifold import precision_recall as precision_recall
from image_core.metrics.modes import birthday_support as birthday_support
from image_core.metrics.modes import class_score as class_score
from image_core.metrics.modes import mode_score as mode_score
from image_core.metrics.modes import modes_covered as modes_covered
from image_core.metrics.modes import near_modes as near_modes
from image_core.metrics.paired import psnr as psnr
from image_core.metrics.paired import sharpness as sharpness
from image_core.metrics.paired import ssim as ssim
from image_core.metrics.scores import Score as Score
from image_core.metrics.scores import difference as difference

__all__ = [
    "birthday_support",
    "class_score",
    "density_coverage",
    "difference",
    "frechet",
    "kernel",
    "kernel_subsets",
    "memorisation",
    "mode_score",
    "modes_covered",
    "near_modes",
    "precision_recall",
    "psnr",
    "sharpness",
    "ssim",
]

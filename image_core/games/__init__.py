"""Image games by shape: plain, of energies, conditional, informative."""

from image_core.games.auxiliary import AuxiliaryGAN as AuxiliaryGAN
from image_core.games.conditional import ConditionalGAN as ConditionalGAN
from image_core.games.energy import EnergyGAN as EnergyGAN
from image_core.games.info import InfoGAN as InfoGAN
from image_core.games.plain import PlainGAN as PlainGAN
from image_core.games.semi import SemiSupervisedGAN as SemiSupervisedGAN

__all__ = [
    "AuxiliaryGAN",
    "ConditionalGAN",
    "EnergyGAN",
    "InfoGAN",
    "PlainGAN",
    "SemiSupervisedGAN",
]

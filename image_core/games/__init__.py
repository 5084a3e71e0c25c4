"""Image games by shape: plain, of energies, conditional, informative; of two domains; joint."""

from image_core.games.auxiliary import AuxiliaryGAN as AuxiliaryGAN
from image_core.games.conditional import ConditionalGAN as ConditionalGAN
from image_core.games.coupled import CoupledGAN as CoupledGAN
from image_core.games.cycle import CycleGAN as CycleGAN
from image_core.games.energy import EnergyGAN as EnergyGAN
from image_core.games.ensemble import MixtureGAN as MixtureGAN
from image_core.games.info import InfoGAN as InfoGAN
from image_core.games.joint import JointGAN as JointGAN
from image_core.games.paired import PairedGAN as PairedGAN
from image_core.games.perceptual import PerceptualGAN as PerceptualGAN
from image_core.games.plain import PlainGAN as PlainGAN
from image_core.games.progressive import ProgressiveGAN as ProgressiveGAN
from image_core.games.semi import SemiSupervisedGAN as SemiSupervisedGAN
from image_core.games.shared import SharedCodeGAN as SharedCodeGAN
from image_core.games.triangle import TriangleGAN as TriangleGAN
from image_core.games.triple import TripleGAN as TripleGAN
from image_core.games.unrolled import UnrolledGAN as UnrolledGAN
from image_core.games.variational import VariationalGAN as VariationalGAN

__all__ = [
    "AuxiliaryGAN",
    "ConditionalGAN",
    "CoupledGAN",
    "CycleGAN",
    "EnergyGAN",
    "InfoGAN",
    "JointGAN",
    "MixtureGAN",
    "PairedGAN",
    "PerceptualGAN",
    "PlainGAN",
    "ProgressiveGAN",
    "SemiSupervisedGAN",
    "SharedCodeGAN",
    "TriangleGAN",
    "TripleGAN",
    "UnrolledGAN",
    "VariationalGAN",
]

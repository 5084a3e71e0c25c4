"""Triple-GAN (Li, Xu, Zhu & Zhang 2017): generator, classifier and discriminator on few labels.

Networks are DCGAN's, the discriminator's with a projection and spectral norm; no average of the
classifier's weights. A classifier that learns from the labels alone is trained beside it.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from image_core.adversarial.game import Turn
from image_core.adversarial.stream import Data
from image_core.data.domains import Domains
from image_core.games.conditional import LabelledGenerator
from image_core.games.triple import TripleGAN, TripleWeights
from image_core.nets.dcgan import dcgan
from image_core.nets.discriminators import (
    ClassDiscriminator,
    ImageDiscriminator,
    ProjectionDiscriminator,
)
from image_core.recipes.translate.build import (
    check_labelled,
    classes_of,
    few_labels_data,
    form,
    player,
)
from image_core.recipes.translate.config import AdamOfAll
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player

__all__ = ["PRESETS", "Options", "data", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOfAll):
    """Triple-GAN.

    Args:
        c_lr: Learning rate of the classifier.
        labelled: Number of pictures whose label is seen, of every class equally many.
        latent: Size of z.
        width: Channels of the networks, as a multiple of DCGAN's.
        dropout: Probability of dropout before the classifier's last layer.
        pretrain: Rounds in which the classifier learns from the labels alone, before --rounds.
        pseudo_from: Share of the rounds after which generated pictures count as labelled.
        share: Share of the classifier's pairs among those that are not real.
        entropy: Weight of the entropy of the classes of unlabelled pictures.
        balance: Weight of the cross-entropy of an even law and the mean prediction.
        pseudo: Weight of generated pictures as further labelled ones.
    """

    domains: str = "same"
    d_lr: float = 2e-4
    c_lr: float = 1e-3
    labelled: int = 100
    latent: int = 32
    width: float = 0.25
    dropout: float = 0.3
    pretrain: int = 300
    pseudo_from: float = 0.3
    share: float = 0.5
    entropy: float = 0.3
    balance: float = 1e-3
    pseudo: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "labelled", "latent")
        options.check_least(self, 0, "pretrain", "entropy", "balance", "pseudo")
        options.check_above_zero(self, "c_lr", "width")
        options.check_below_one(self, "dropout", "pseudo_from", "share")


PRESETS = {"tiny": {"width": 0.06, "latent": 4, "pretrain": 1, "labelled": 20}}


def game(o: Options, domains: Domains) -> TripleGAN:
    """The game of a run's options."""
    n, (channels, side) = classes_of(o, domains.b), form(domains.b)
    check_labelled(o.labelled, domains)
    G, _ = dcgan(side, channels, o.latent + n, width=o.width, norm="none")
    _, D = dcgan(side, channels, 1, width=o.width, norm="spectral")
    return TripleGAN(
        LabelledGenerator(G, n),
        _classifier(o, side, channels, n),
        _classifier(o, side, channels, n),
        ProjectionDiscriminator(D, n, "spectral"),
        o.latent,
        pseudo_from=round(o.pseudo_from * o.rounds),
        weights=TripleWeights(o.share, o.entropy, o.balance, o.pseudo),
    )


def _classifier(o: Options, side: int, channels: int, classes: int) -> ClassDiscriminator:
    _, D = dcgan(side, channels, 1, width=o.width, norm="batch")
    trunk = nn.Sequential(D.trunk, nn.Dropout(o.dropout))
    return ClassDiscriminator(ImageDiscriminator(trunk, D.features), classes)


def players(o: Options) -> list[Player]:
    """Discriminator, generator, classifier and control."""
    rates = {"D": o.d_lr, "G": o.g_lr, "C": o.c_lr, "alone": o.c_lr}
    return [player(o, name, lr) for name, lr in rates.items()]


def phases(run: Any) -> list[Phase]:
    """The classifier and its control alone; then the three players and the control."""
    o, moves = run.config, {"C": run.game.pretrain_move, "alone": run.game.control_move}
    turns = [Turn(name, move) for name, move in moves.items()]
    alone = Phase("pretrain", turns, o.pretrain, run.look, o.evaluate_every)
    return [*([alone] if o.pretrain else []), run.adversarial_phase()]


def data(o: Options, domains: Domains) -> Data:
    """Batches {"b", "labelled", "labels"}: any pictures, and those whose label is seen."""
    return few_labels_data(o, domains, o.labelled)

"""PPGN (Nguyen et al. 2017): a generator that any classifier conditions afterwards, by chains.

This is the noiseless joint variant. A small classifier of the run's own labels is the encoder: it
learns first, and is fixed when the generator learns to invert its last features. A class is met at
sampling, by steps along the gradient of log C(y | G(h)), and C may be another classifier than the
run's own, see `seqgan sample --condition`. No class is told to the generator.
"""

import functools
from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.adversarial.input_search import ChainSteps
from image_core.data.images import ImageSet
from image_core.games.plug_and_play import PlugAndPlayGAN
from image_core.metrics.features import FEATURES, SmallClassifier
from image_core.nets.dcgan import dcgan
from image_core.nets.layers import NORMS
from image_core.recipes.image.build import adam_players, classes_of, labelled_data
from image_core.recipes.image.config import AdamOptions, AnyLossOptions
from image_core.runs import options
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam

__all__ = ["PRESETS", "Options", "data", "game", "phases", "players"]


@dataclass(kw_only=True)
class Options(AdamOptions, AnyLossOptions):
    """PPGN.

    Args:
        width: Channels of generator and discriminator, as a multiple of DCGAN's.
        norm: Norm of the discriminator: none, batch, layer, instance, pixel, spectral, weight or
            equalised.
        encoder_rounds: Rounds in which the encoder learns to classify, before the others begin.
        encoder_lr: Learning rate of the encoder.
        chain_steps: Number of steps of a chain that draws an image.
        eps1: Share of the way from a code to what the encoder reads off its image, in each step;
            without it codes leave the data, with too much the class is ignored.
        eps2: Length of each step's move along the gradient of the class.
        eps3: Standard deviation of each step's noise.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    width: float = 0.25
    norm: str = "batch"
    encoder_rounds: int = 900
    encoder_lr: float = 1e-3
    chain_steps: int = 80
    eps1: float = 0.03
    eps2: float = 1.0
    eps3: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "encoder_rounds", "chain_steps")
        options.check_least(self, 0, "eps1", "eps2", "eps3")
        options.check_above_zero(self, "width", "encoder_lr")
        options.check_choice("norm", self.norm, NORMS)
        if self.norm == "virtual":
            raise UserError("--norm virtual: --paper ppgn has no reference batch; use another")
        if self.eps1 > 1:
            raise UserError(f"--eps1 {self.eps1}: it is a share of at most 1")


PRESETS = {
    "tiny": {"encoder_rounds": 2, "chain_steps": 2, "width": 0.06},
    "paper": {"width": 1.0, "chain_steps": 200},
}


def game(o: Options, images: ImageSet) -> PlugAndPlayGAN:
    """The game of a run's options."""
    _, channels, size, _ = images.images.shape
    classes = classes_of(o, images)
    G, D = dcgan(size, channels, FEATURES, width=o.width, norm=o.norm)
    return PlugAndPlayGAN(
        SmallClassifier(channels, classes),
        G,
        D,
        classes,
        loss=make_loss(o.loss, CONTINUOUS),
        steps=ChainSteps(o.chain_steps, o.eps1, o.eps2, o.eps3),
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """Generator and discriminator by Adam, and the encoder by its defaults."""
    return [*adam_players(o), Player("E", adam(o.encoder_lr))]


data = labelled_data


def phases(run: Any) -> list[Phase]:
    """The encoder, whose codes of the data are summed up at its end; then the other two."""
    game: PlugAndPlayGAN = run.game
    own: Phase = run.adversarial_phase()
    return [
        Phase(
            "encoder",
            [Turn("E", game.encoder_move)],
            run.config.encoder_rounds,
            leave=functools.partial(_keep_codes, run),
        ),
        Phase(
            "adversarial",
            game.adversarial_turns(),
            own.rounds,
            own.evaluate,
            own.evaluate_every,
            limits=own.limits,
        ),
    ]


def _keep_codes(run: Any) -> None:
    run.game.keep_codes(run.sets.train.images)

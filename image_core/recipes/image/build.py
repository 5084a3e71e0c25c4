"""Parts that papers on images are built from: networks, terms of the loss, players, batches."""

import functools
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from image_core.adversarial import regularizers, tricks
from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS, Limit
from image_core.adversarial.engine import OptimizerFactory
from image_core.adversarial.errors import UserError
from image_core.adversarial.stream import Data
from image_core.data.images import ImageSet
from image_core.games import PlainGAN
from image_core.games.bayesian import BayesianGAN
from image_core.games.common import ImageGame, JudgedGame, Prior, draw, to_images
from image_core.games.energy import EnergyGAN
from image_core.games.logit import Coupling, LogitGame
from image_core.games.semi import SemiSupervisedGAN
from image_core.nets import AutoEncoder, ImageDiscriminator, dcgan, resnet19, resnet_cifar, sndcgan
from image_core.nets.augment import augment
from image_core.nets.autoencoder import Distance
from image_core.nets.discriminators import with_minibatch
from image_core.nets.layers import Referenced
from image_core.recipes.image.config import (
    AdamLogitOptions,
    AdamOptions,
    AnyLossOptions,
    ArchitectureOptions,
    AutoencoderOptions,
    ImageOptions,
    LatentOptions,
    LogitOptions,
    PlainOptions,
    TrunkOptions,
)
from image_core.runs.batches import Batches
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.players import Player, adam

ARCHITECTURES = {
    "dcgan": dcgan,
    "sndcgan": sndcgan,
    "resnet_cifar": resnet_cifar,
    "resnet19": resnet19,
}
REFERENCE = 64
"""Images, or latents, that virtual batch norms are set by."""

# ------------------------------------------------------------------------------------- networks


def networks(
    o: ArchitectureOptions,
    images: ImageSet,
    *,
    generator_norm: str = "batch",
    named: int = 0,
    codes: int = 0,
    classes: int = 0,
    planes: int = 0,
) -> tuple[nn.Module, ImageDiscriminator]:
    """Generator and discriminator of the chosen architecture.

    Args:
        o: Architecture and sizes.
        images: Images of the size and colours that are made.
        generator_norm: Norm of the generator.
        named: Values of a category that the generator reads one-hot behind z.
        codes: Numbers in (-1, 1) that it reads behind these.
        classes: Labels of conditional batch norms in the generator; 0 = it has none.
        planes: Channels that the discriminator reads beside the colours, one a label.
    """
    arch: Any = ARCHITECTURES[o.arch]
    how = {"how": o.ablations()} if o.ablation else {}
    _, channels, size, _ = images.images.shape
    G, D = arch(
        size,
        channels,
        o.latent + named + codes,
        width=o.width,
        norm=o.norm,
        generator=generator_norm,
        classes=classes,
        planes=planes,
        **how,
    )
    if generator_norm == "virtual":
        G = Referenced(G, _reference_latents(o, named, codes))
    if o.norm == "virtual":
        D.trunk = Referenced(D.trunk, _reference_images(images, planes))
    return G, D


def with_trunk(
    o: TrunkOptions, nets: tuple[nn.Module, ImageDiscriminator]
) -> tuple[nn.Module, ImageDiscriminator]:
    """Networks whose discriminator has the features of --minibatch."""
    G, D = nets
    return G, with_minibatch(D, o.minibatch, o.norm)


def autoencoder(o: AutoencoderOptions, images: ImageSet, distance: Distance) -> AutoEncoder:
    """A discriminator that redraws images.

    Args:
        o: Width, norm and size of the code.
        images: Images of the size and colours that are redrawn.
        distance: What the energy is, see `AutoEncoder`.
    """
    _, channels, size, _ = images.images.shape
    return AutoEncoder(size, channels, o.bottleneck, width_of(o), o.norm, distance)


def width_of(o: LatentOptions) -> int:
    """Channels of an autoencoder's first layer."""
    return max(4, round(64 * o.width))


def _reference_latents(o: LatentOptions, named: int, codes: int) -> Tensor:
    """Latents with the values of a category in turn, and codes."""
    z = draw(REFERENCE, o.latent, prior_of(o), torch.device("cpu"))
    return torch.cat([z, _in_turn(REFERENCE, named), 2 * torch.rand(REFERENCE, codes) - 1], 1)


def _reference_images(images: ImageSet, planes: int) -> Tensor:
    # Drawn: the first ones may all be of one class
    rows = torch.randperm(len(images.images), generator=torch.Generator().manual_seed(0))
    some = to_images(images.images[rows[:REFERENCE]])
    told = _in_turn(len(some), planes)[:, :, None, None]
    return torch.cat([some, told.expand(-1, -1, *some.shape[2:])], 1)


def _in_turn(count: int, classes: int) -> Tensor:
    """The classes in turn, one-hot; nothing where there are none."""
    return torch.eye(classes)[torch.arange(count) % classes] if classes else torch.zeros(count, 0)


# ---------------------------------------------------------------------------------------- games


def prior_of(o: LatentOptions) -> Prior:
    """The distribution of z."""
    return "normal" if o.prior == "normal" else "uniform"


def played(o: LatentOptions) -> dict[str, Any]:
    """Steps, samples and prior of a game with latents."""
    return {"d_steps": o.d_steps, "batch": o.batch, "prior": prior_of(o)}


def adversarial(o: LogitOptions) -> dict[str, Any]:
    """Loss, penalties and tricks of a game of logits, and what `played` gives."""
    _warn_of_slopes(o)
    named, loss, steps = o.terms(), make_loss(o.loss, CONTINUOUS), o.rounds * o.d_steps
    transform = functools.partial(augment, policy=o.augment) if o.augment else None
    consistency = None
    if named.consistency and transform is not None:
        consistency, transform = regularizers.consistency(named.consistency, transform), None
    if o.real_target < 1:
        loss = regularizers.smoothed(loss, o.real_target)
    if o.drift:
        loss = regularizers.with_drift(loss, o.drift)
    terms = [getattr(regularizers, name)(weight) for name, weight in named.weights]
    return {
        **played(o),
        "loss": loss,
        "penalty": named.slope_penalty(),
        "regularizer": regularizers.total(*terms) if terms else None,
        "consistency": consistency,
        "coupling": Coupling(*named.coupling) if named.coupling else None,
        "feature_matching": o.feature_matching,
        "historical_averaging": o.historical_averaging,
        "lazy": o.lazy,
        "weight_clip": o.weight_clip,
        "noise": tricks.linear(o.noise, 0.0, max(1, steps // 2)) if o.noise else None,
        "anneal": tricks.exponential(1.0, o.anneal, steps) if o.anneal != 1 else None,
        "transform": transform,
    }


def _warn_of_slopes(o: LogitOptions) -> None:
    bounded = o.norm == "spectral" or o.terms().slopes or o.weight_clip
    if o.loss == "wasserstein" and not bounded:
        print(
            "seqgan: nothing bounds the slope of this Wasserstein critic, so its loss has no "
            "minimum; --penalty gradient_penalty=10, --norm spectral or --weight_clip would",
            file=sys.stderr,
        )


def plain_game(o: PlainOptions, images: ImageSet) -> PlainGAN:
    """One generator and one discriminator with logits, and nothing else known of an image."""
    G, D = with_trunk(o, networks(o, images, generator_norm=o.generator_norm))
    return PlainGAN(G, D, o.latent, **adversarial(o))


# -------------------------------------------------------------------------------------- players

RMS_DECAY = 0.9
"""Decay of RMSprop's mean of squared gradients."""


def two_players(o: ImageOptions, G: OptimizerFactory, D: OptimizerFactory) -> list[Player]:
    """Generator and discriminator.

    Args:
        o: Norm of the gradients.
        G: Optimizer of the generator.
        D: Optimizer of the discriminator.
    """
    return [
        Player("G", G, max_grad_norm=o.max_grad_norm),
        Player("D", D, max_grad_norm=o.max_grad_norm),
    ]


def adam_players(o: AdamOptions) -> list[Player]:
    """Generator and discriminator by Adam."""
    betas = (o.beta1, o.beta2)
    return two_players(o, adam(o.g_lr, betas), adam(o.d_lr, betas))


def logit_players(o: AdamLogitOptions) -> list[Player]:
    """Generator and discriminator by Adam, the extra steps of a lazy penalty allowed for."""
    betas = (o.beta1, o.beta2)
    d_lr, d_betas = tricks.lazy_rates(o.d_lr, betas, o.lazy * o.d_steps)
    return two_players(o, adam(o.g_lr, betas), adam(d_lr, d_betas))


def rmsprop_players(o: LogitOptions) -> list[Player]:
    """Generator and discriminator by RMSprop, the extra steps of a lazy penalty allowed for."""
    d_lr, _ = tricks.lazy_rates(o.d_lr, (0.0, RMS_DECAY), o.lazy * o.d_steps)
    made = [functools.partial(torch.optim.RMSprop, lr=lr, alpha=RMS_DECAY) for lr in (o.g_lr, d_lr)]
    return two_players(o, *made)


# ----------------------------------------------------------------------------------------- data


def classes_of(o: ImageOptions, images: ImageSet) -> int:
    """Number of labels.

    Raises:
        UserError: The images have none.
    """
    if images.labels is None:
        raise UserError(
            f"--paper {o.paper} needs labels: give --data with class folders, --labels FILE, or "
            "use digits or shapes"
        )
    return len(images.names)


def image_data(o: ImageOptions, images: ImageSet) -> Data:
    """Batches {"images"}."""
    return Batches({"images": images.images}, o.batch, seed=o.seed)


def labelled_data(o: ImageOptions, images: ImageSet) -> Data:
    """Batches {"images", "labels"}."""
    assert images.labels is not None
    return Batches({"images": images.images, "labels": images.labels}, o.batch, seed=o.seed)


def few_labels(o: ImageOptions, images: ImageSet, labelled: int) -> Data:
    """Batches {"images", "labelled", "labels"}: any images, and those whose label is seen.

    Args:
        o: Batch and seed.
        images: Images and labels.
        labelled: Number of images, drawn by the seed, whose label is seen.

    Raises:
        UserError: There are fewer images.
    """
    assert images.labels is not None
    if labelled > len(images.images):
        raise UserError(
            f"--labelled {labelled}: there are only {len(images.images)} images to learn from"
        )
    every = Batches(images.images, o.batch, seed=o.seed)
    drawn = torch.Generator().manual_seed(o.seed)
    seen = torch.randperm(len(images.images), generator=drawn)[:labelled]
    rows = {"labelled": images.images[seen], "labels": images.labels[seen]}
    few = Batches(rows, min(o.batch, labelled), seed=o.seed + 1)

    def both(index: int) -> Mapping[str, Tensor]:
        some, known = every(index), few(index)
        assert isinstance(some, Tensor)
        assert isinstance(known, Mapping)
        return {"images": some, **known}

    return both


# ------------------------------------------------------------------------------------ telling


def limits(o: ImageOptions, game: ImageGame) -> list[Limit]:
    """Alarms of the discriminator: at chance; and too strong, where 0 is the logit of even odds."""
    if not isinstance(game, JudgedGame):
        return []
    at_zero = isinstance(game, SemiSupervisedGAN | BayesianGAN) or (
        isinstance(game, LogitGame)
        and isinstance(o, LogitOptions)
        and game.loss.reward is not None
        and o.loss != "wasserstein"
    )
    wins = [DISCRIMINATOR_WINS._replace(metric="d_accuracy")] if at_zero else []
    return [DISCRIMINATOR_AT_CHANCE, *wins]


def objective(o: ImageOptions, game: ImageGame) -> dict[str, str]:
    """Names of loss and penalty, as tables print them; nothing of a game that is not known."""
    if isinstance(o, LogitOptions):
        return {"loss": o.loss, "penalty": o.penalty or "none"}
    if isinstance(o, AnyLossOptions):
        return {"loss": o.loss, "penalty": "none"}
    if isinstance(game, EnergyGAN):
        pull = ", pulling away" if game.pull else ""
        return {"loss": f"energies, {game.rule.name}{pull}", "penalty": "none"}
    if isinstance(game, SemiSupervisedGAN):
        return {"loss": "classes and fakes; feature matching", "penalty": "none"}
    if isinstance(game, BayesianGAN):
        return {"loss": "classes and fakes, by samples of weights", "penalty": "none"}
    return {}

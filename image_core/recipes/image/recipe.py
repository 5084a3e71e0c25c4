"""Image GANs: any game, loss, penalty, normalisation and architecture, from one command."""

import functools
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from image_core.adversarial import regularizers, tricks
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.adversarial.stream import Data
from image_core.data.images import ImageSet, Reading, read_images
from image_core.games import auxiliary, common, conditional, energy, info, plain, semi
from image_core.games.critic import Coupling, CriticGame
from image_core.games.energy import EnergyGAN, FallingMargin
from image_core.nets import AutoEncoder, dcgan, resnet19, resnet_cifar, sndcgan
from image_core.nets.augment import augment
from image_core.nets.critics import (
    ChargingCritic,
    ClassCritic,
    Critic,
    HeadsCritic,
    PlanesCritic,
    ProjectionCritic,
    with_minibatch,
)
from image_core.nets.layers import Referenced
from image_core.recipes.image import report as image_report
from image_core.recipes.image.config import PRESETS as PRESETS
from image_core.recipes.image.config import Config as Config
from image_core.recipes.image.games import AUTOENCODERS, LABELLED, LOSSES
from image_core.recipes.image.report import ImageSubject
from image_core.runs import options, recipe
from image_core.runs.batches import Batches
from image_core.runs.fingerprint import fingerprint
from image_core.runs.phase import Phase

ARCHITECTURES = {
    "dcgan": dcgan,
    "sndcgan": sndcgan,
    "resnet_cifar": resnet_cifar,
    "resnet19": resnet19,
}
HELD_OUT = 10
"""Every tenth image is kept to judge with."""
REFERENCE = 64
"""Images, or latents, that virtual batch norms are set by."""
CPU = torch.device("cpu")


PAPERS = None


class Run(recipe.Run):
    """An image GAN.

    Args:
        config: its options.
        data: read in any case, for it says how large an image is.
    """

    recipe = "image"
    show = ("D/critic", "D/penalty", "D/e_real", "G/loss", "fd")
    movable = ("data", "labels")
    config: Config

    def __init__(self, config: Config, *, data: bool = True):
        super().__init__(config)
        self.device = options.pick_device(config.device)
        how = Reading(
            size=config.size, channels=config.channels, strict=config.strict, labels=config.labels
        )
        every = read_images(config.data, how)
        place = torch.arange(len(every.images))
        self.train_set = every.pick(place[place % HELD_OUT != HELD_OUT - 1])
        self.test_set = every.pick(place[place % HELD_OUT == HELD_OUT - 1])
        self._check_data()
        self.game = build_game(config, self.train_set).to(self.device)
        if config.channels_last:
            for weight in self.game.parameters():
                if weight.dim() == 4:
                    weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        ema = {"G": config.average} if config.average else {}
        accelerator = options.mixed_precision(config.precision, self.device)
        clip = {} if config.grad_clip is None else dict.fromkeys("GD", config.grad_clip)
        self.engine = Engine(
            self.game, optimizers(config), ema=ema, accelerator=accelerator, clip=clip
        )
        self.data = self._stream()
        if config.compile:
            assert isinstance(self.game, CriticGame)
            self.game.compile_steps()

    def phases(self) -> list[Phase]:
        c, turns = self.config, None
        adversarial = Phase("adversarial", turns, c.rounds, self._look, c.evaluate_every)
        if isinstance(self.game, EnergyGAN) and isinstance(self.game.rule, FallingMargin):
            learn = [Turn("D", self.game.pretrain_move)]
            return [Phase("pretrain", learn, c.pretrain, leave=self._set_margin), adversarial]
        return [adversarial]

    def data_fingerprint(self) -> int:
        return self._fingerprint

    @functools.cached_property
    def _fingerprint(self) -> int:
        return fingerprint([self.train_set.images, self.test_set.images])

    def data_source(self) -> str:
        return f"--data {self.config.data}"

    def sampler(self) -> nn.Module:
        """The averaged generator, or the generator where none is kept."""
        return self.engine.ema["G"].module if self.config.average else self.game.G

    def draw(self, count: int) -> Tensor:
        """Images that the sampler makes, in [-1, 1]."""
        return self.game.sample(count, generator=self.sampler()).cpu()

    def report(self, cpu_seconds: float | None = None) -> None:
        image_report.write_report(self.subject(), cpu_seconds)

    def subject(self) -> ImageSubject:
        """What of the run its report measures, as it now is."""
        return ImageSubject(
            config=self.config,
            folder=self.folder,
            train_set=self.train_set,
            test_set=self.test_set,
            fingerprint=self.data_fingerprint(),
            device=self.device,
            game=self.game,
            sampler=self.sampler(),
            draw=self.draw,
            rounds=self.engine.round,
            steps=self.engine.steps,
        )

    def _check_data(self) -> None:
        c, count = self.config, len(self.train_set.images)
        if len(self.test_set.images) < 10:
            raise UserError(
                f"--data {c.data} holds {count + len(self.test_set.images)} images; every tenth is "
                "kept to judge with, so give at least 100"
            )
        if c.game in LABELLED and self.train_set.labels is None:
            raise UserError(
                f"--game {c.game} needs labels: give --data with class folders, --labels FILE, or "
                "use digits or shapes"
            )
        if c.game == "semi_supervised" and c.labelled > count:
            raise UserError(f"--labelled {c.labelled}: there are only {count} images to learn from")
        if c.extractor == "clf" and self.train_set.labels is None:
            raise UserError("--extractor clf is trained on labels; use pixels or efflite0")
        if c.loss == "wasserstein" and c.norm != "spectral" and not c.terms().slopes and not c.clip:
            print(
                "seqgan: nothing bounds the slope of this Wasserstein critic, so its loss has no "
                "minimum; --penalty interpolated=10, --norm spectral or --clip would",
                file=sys.stderr,
            )

    def _stream(self) -> Data:
        c, data = self.config, self.train_set
        rows = {"images": data.images}
        if c.game in LABELLED and data.labels is not None:
            rows["labels"] = data.labels
        every = Batches(rows, c.batch, seed=c.seed)
        if c.game != "semi_supervised":
            return every
        draw = torch.Generator().manual_seed(c.seed)
        known = torch.randperm(len(data.images), generator=draw)[: c.labelled]
        named = {name: values[known] for name, values in rows.items()}
        labelled = Batches(named, min(c.batch, c.labelled), seed=c.seed + 1)

        def both(index: int) -> Mapping[str, Tensor]:
            some, few = every(index), labelled(index)
            assert isinstance(some, Mapping)
            assert isinstance(few, Mapping)
            return {
                "images": some["images"],
                "labelled": few["images"],
                "labels": few["labels"],
            }

        return both

    def _look(self) -> dict[str, float]:
        """A grid of samples, and a Frechet distance of few of them: a cheap alarm."""
        return image_report.look(self.subject())

    @torch.no_grad()
    def _set_margin(self) -> None:
        assert isinstance(self.game, EnergyGAN)
        assert isinstance(self.game.rule, FallingMargin)
        state = self.game.rule.state
        state.sums.zero_()
        state.counts.zero_()
        for part in self.train_set.images.split(250):
            state.add(0, self.game.D(common.to_images(part.to(self.device))))
        state.set_to_mean()


def optimizers(c: Config) -> dict[str, Callable[..., torch.optim.Optimizer]]:
    """How each player learns; a lazy penalty's extra steps are allowed for."""
    made: dict[str, Callable[..., torch.optim.Optimizer]] = {}
    for player, rate in (("G", c.generator_lr), ("D", c.critic_lr)):
        assert rate is not None
        assert c.beta1 is not None
        assert c.beta2 is not None
        assert c.critic_steps is not None
        lazy = c.lazy * c.critic_steps if player == "D" else 0
        lr, betas = tricks.lazy_rates(rate, (c.beta1, c.beta2), lazy)
        match c.optimizer:
            case "adam":
                made[player] = functools.partial(torch.optim.Adam, lr=lr, betas=betas, fused=True)
            case "adamax":
                made[player] = functools.partial(torch.optim.Adamax, lr=lr, betas=betas)
            case _:
                made[player] = functools.partial(torch.optim.RMSprop, lr=lr, alpha=0.9)
    return made


def build_game(c: Config, data: ImageSet) -> common.ImageGame:
    """Networks and game of the options, for images of one kind."""
    if c.game in AUTOENCODERS:
        return _autoencoder_game(c, data)
    classes = len(data.names) if data.labels is not None else 0
    G, D = _nets(c, data, classes)
    shared: dict[str, Any] = {"critic_steps": c.critic_steps, "batch": c.batch, "prior": c.prior}
    if c.game == "semi_supervised":
        return semi.SemiSupervisedGAN(G, ClassCritic(D, classes), c.latent, **shared)
    if c.game == "loss_sensitive":
        charging = ChargingCritic(D)
        return energy.loss_sensitive(G, charging, c.latent, c.distance_scale, **shared)
    shared |= _terms(c)
    match c.game:
        case "cgan":
            return conditional.cgan(G, PlanesCritic(D, classes), c.latent, classes, **shared)
        case "projection":
            told = ProjectionCritic(D, classes, "spectral" if c.norm == "spectral" else "none")
            return conditional.projection(G, told, c.latent, classes, **shared)
        case "acgan":
            generator = conditional.LabelledGenerator(G, classes)
            heads = HeadsCritic(D, classes)
            return auxiliary.AuxiliaryGAN(generator, heads, c.latent, classes, **shared)
        case "info":
            heads = HeadsCritic(D, c.categories + c.codes, hidden=128)
            return info.InfoGAN(G, heads, c.latent, c.categories, c.codes, **shared)
    return plain.PlainGAN(G, D, c.latent, **shared)


def _nets(c: Config, data: ImageSet, classes: int) -> tuple[nn.Module, Critic]:
    """Generator and critic, with what they read beside latents and colours."""
    arch: Any = ARCHITECTURES[str(c.arch)]
    how = {"how": c.ablations()} if c.ablation else {}
    more = {"cgan": classes, "acgan": classes, "info": c.categories + c.codes}.get(c.game, 0)
    planes = classes if c.game == "cgan" else 0
    size, channels = data.images.shape[2], data.images.shape[1]
    G, D = arch(
        size,
        channels,
        c.latent + more,
        width=c.width,
        norm=c.norm,
        generator=c.generator_norm,
        classes=classes if c.game == "projection" else 0,
        planes=planes,
        **how,
    )
    if c.generator_norm == "virtual":
        G = Referenced(G, _reference_latents(c, more))
    if c.norm == "virtual":
        some = common.to_images(data.images[:REFERENCE])
        told = [] if not planes else [_one_hot(len(some), planes)[:, :, None, None]]
        D.trunk = Referenced(
            D.trunk, torch.cat([some, *(t.expand(-1, -1, size, size) for t in told)], 1)
        )
    return G, with_minibatch(D, c.minibatch, str(c.norm))


def _reference_latents(c: Config, more: int) -> Tensor:
    """Latents with classes in turn, or with categories in turn and codes."""
    codes = c.codes if c.game == "info" else 0
    z = common.draw(REFERENCE, c.latent, "normal" if c.prior == "normal" else "uniform", CPU)
    named = _one_hot(REFERENCE, more - codes)
    return torch.cat([z, named, 2 * torch.rand(REFERENCE, codes) - 1], 1)


def _one_hot(count: int, classes: int) -> Tensor:
    """The classes in turn; nothing where there are none."""
    return torch.eye(classes)[torch.arange(count) % classes] if classes else torch.zeros(count, 0)


def _terms(c: Config) -> dict[str, Any]:
    """Loss, penalties and tricks of a game of logits."""
    named, loss = c.terms(), LOSSES[str(c.loss)]
    transform = functools.partial(augment, policy=c.augment) if c.augment else None
    agreement = None
    if named.consistency and transform is not None:
        agreement, transform = regularizers.consistency(named.consistency, transform), None
    if c.real_target < 1:
        loss = regularizers.smoothed(loss, c.real_target)
    if c.drift:
        loss = regularizers.with_drift(loss, c.drift)
    terms = [getattr(regularizers, name)(weight) for name, weight in named.weights]
    assert c.critic_steps is not None
    steps = c.rounds * c.critic_steps
    return {
        "loss": loss,
        "penalty": named.slope_penalty(),
        "regularizer": regularizers.total(*terms) if terms else None,
        "agreement": agreement,
        "coupling": Coupling(*named.coupling) if named.coupling else None,
        "matching": c.matching,
        "history": c.history,
        "lazy": c.lazy,
        "clip": c.clip,
        "noise": tricks.linear(c.noise, 0.0, max(1, steps // 2)) if c.noise else None,
        "anneal": tricks.exponential(1.0, c.anneal, steps) if c.anneal != 1 else None,
        "transform": transform,
    }


def _autoencoder_game(c: Config, data: ImageSet) -> EnergyGAN:
    channels, size = data.images.shape[1], data.images.shape[2]
    shared: dict[str, Any] = {"critic_steps": c.critic_steps, "batch": c.batch, "prior": c.prior}
    width, norm = max(4, round(64 * c.width)), str(c.norm)

    def redraws(distance: Any) -> AutoEncoder:
        return AutoEncoder(size, channels, c.bottleneck, width, norm, distance)

    if c.game == "began":
        # Both of the paper's networks end in one decoder's form, without batch norm
        decoder = AutoEncoder(size, channels, c.latent, width).decoder
        return energy.began(
            nn.Sequential(decoder, nn.Tanh()),
            redraws("l1"),
            c.latent,
            c.gamma,
            c.balance_rate,
            **shared,
        )
    G, _ = _nets(c, data, 0)
    if c.game == "ebgan":
        return energy.ebgan(G, redraws("mean_square"), c.latent, c.margin, **shared)
    epoch = math.ceil(len(data.images) / c.batch)
    return energy.magan(G, redraws("sum_square"), c.latent, epoch, **shared)

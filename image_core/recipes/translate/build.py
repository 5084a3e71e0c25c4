"""Parts that papers of translation are built from: networks, losses, players, batches."""

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS, Limit
from image_core.adversarial.engine import ScheduleFactory
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch
from image_core.adversarial.stream import Data
from image_core.data.domains import Domains
from image_core.data.images import ImageSet, Reading
from image_core.games.common import Prior
from image_core.games.cycle import CycleGAN
from image_core.games.joint import JointGAN
from image_core.nets.joint import joint_networks
from image_core.nets.patch import MultiScale, PatchDiscriminator, patch_side
from image_core.nets.translator import Translator
from image_core.nets.unet import UNet
from image_core.recipes.translate.config import (
    AdamOfAll,
    AdversarialOptions,
    CycleOptions,
    JointOptions,
    PatchOptions,
    TranslateOptions,
    TranslatorOptions,
    UNetOptions,
)
from image_core.recipes.translate.data import DomainSource
from image_core.runs.batches import Batches
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.penalties import make_penalty
from image_core.runs.players import Player, adam

# ------------------------------------------------------------------------------------- networks


def form(images: ImageSet) -> tuple[int, int]:
    """Colours and side of pictures."""
    _, channels, side, _ = images.images.shape
    return int(channels), int(side)


def unet(o: UNetOptions, source: ImageSet, target: ImageSet) -> UNet:
    """A U-Net from pictures of one domain to those of another.

    Args:
        o: Width, depth, norm and dropout.
        source: Pictures to translate.
        target: Pictures like the translations.

    Raises:
        UserError: The side of the pictures cannot be halved so often, or differs.
    """
    side = same_side(source, target)
    check_side(side, 1 << o.levels, f"--levels {o.levels}")
    channels, out = form(source)[0], form(target)[0]
    return UNet(channels, out, o.levels, o.g_width, o.generator_norm, o.dropout)


def translator(o: TranslatorOptions, source: ImageSet, target: ImageSet) -> Translator:
    """A residual network from pictures of one domain to those of another.

    Args:
        o: Width, depth and norm.
        source: Pictures to translate.
        target: Pictures like the translations.

    Raises:
        UserError: The side of the pictures cannot be halved so often, or differs.
    """
    check_side(same_side(source, target), 1 << o.halvings, f"--halvings {o.halvings}")
    channels, out = form(source)[0], form(target)[0]
    return Translator(channels, out, o.g_width, o.halvings, o.blocks, o.generator_norm)


def patch(o: PatchOptions, channels: int, side: int) -> PatchDiscriminator:
    """A discriminator of patches.

    Args:
        o: Width, depth and norm.
        channels: Channels of what it reads.
        side: Side of the pictures.

    Raises:
        UserError: The pictures are too small for so many layers.
    """
    if patch_side(side, o.patch_layers) < 1:
        raise UserError(
            f"--patch_layers {o.patch_layers}: pictures of {side} pixels leave no map of logits; "
            "use fewer layers or scales, or a greater --size"
        )
    return PatchDiscriminator(channels, o.d_width, o.patch_layers, o.norm)


def patches(o: AdversarialOptions, channels: int, side: int) -> PatchDiscriminator | MultiScale:
    """A discriminator of patches, or several of them at smaller and smaller sizes.

    Args:
        o: Width, depth, norm and number of scales.
        channels: Channels of what it reads.
        side: Side of the pictures.

    Raises:
        UserError: The pictures are too small for so many layers or scales.
    """
    made = []
    for _ in range(o.scales):
        made.append(patch(o, channels, side))
        side = (side + 1) // 2
    return MultiScale(made) if len(made) > 1 else made[0]


def check_side(side: int, multiple: int, option: str) -> None:
    """Refuse a side that a network cannot halve.

    Args:
        side: Side of the pictures.
        multiple: Number that has to divide the side.
        option: Option that decides the number, and its value.

    Raises:
        UserError: The side is no multiple.
    """
    if side % multiple:
        raise UserError(
            f"{option}: the side of the pictures, {side}, is no multiple of {multiple}; give "
            f"--size {max(1, round(side / multiple)) * multiple}"
        )


def same_side(a: ImageSet, b: ImageSet) -> int:
    """The side of both domains.

    Raises:
        UserError: They differ.
    """
    one, other = form(a)[1], form(b)[1]
    if one != other:
        raise UserError(
            f"the pictures of A are of {one} pixels and those of B of {other}; give --size to "
            "scale both to one size"
        )
    return one


def joint_game(o: JointOptions, domains: Domains, *, sampled: bool) -> JointGAN:
    """A game of pictures and their codes.

    Args:
        o: Sizes, prior and loss.
        domains: Domains of which B is learned.
        sampled: Whether codes of pictures are drawn.
    """
    channels, side = form(domains.b)
    same_side(domains.a, domains.b)
    made = joint_networks(side, channels, o.latent, o.width, sampled=sampled)
    prior: Prior = "normal" if o.prior == "normal" else "uniform"
    loss = make_loss(o.loss, CONTINUOUS)
    return JointGAN(*made, o.latent, side, loss=loss, d_steps=o.d_steps, prior=prior)


def joint_players(o: JointOptions) -> list[Player]:
    """Generator and encoder as one player, and the discriminator."""
    return [player(o, "GE", o.g_lr), player(o, "D", o.d_lr, o.d_steps)]


def cycle_game(
    o: CycleOptions, domains: Domains, ab: nn.Module, ba: nn.Module, **own: Any
) -> CycleGAN:
    """A game of round trips.

    Args:
        o: Weights, loss, penalty, pools and discriminators.
        domains: Domains A and B.
        ab: Generator, pictures of A -> pictures of B.
        ba: Generator, pictures of B -> pictures of A.
        own: What the paper adds, as `CycleGAN` takes it.
    """
    return CycleGAN(
        ab,
        ba,
        patches(o, *form(domains.a)),
        patches(o, *form(domains.b)),
        pool=o.pool,
        rows=rows_of(domains),
        adversarial=o.adversarial,
        cycle=o.cycle,
        identity=o.identity,
        **adversarial(o),
        **own,
    )


# ----------------------------------------------------------------------------- losses and players


def adversarial(o: AdversarialOptions) -> dict[str, Any]:
    """Loss, penalty and steps of a game of discriminators."""
    return {
        "loss": make_loss(o.loss, CONTINUOUS),
        "penalty": make_penalty(o.penalty),
        "d_steps": o.d_steps,
    }


def falls(o: TranslateOptions, steps: int) -> ScheduleFactory | None:
    """Learning rate that is constant at first and then falls linearly to 0; None if it never does.

    Args:
        o: Share of the rounds after which it falls.
        steps: Optimizer steps of the player in all rounds.
    """
    if o.decay_from == 1:
        return None
    first = round(o.decay_from * steps)

    def factor(step: int) -> float:
        return min(1.0, max(0.0, (steps - step) / max(1, steps - first)))

    return lambda optimizer: LambdaLR(optimizer, factor)


def player(o: AdamOfAll, name: str, lr: float, steps: int = 1) -> Player:
    """A player that learns by Adam.

    Args:
        o: Decays, schedule and norm of the gradients.
        name: Name of the player in the game.
        lr: Learning rate.
        steps: Optimizer steps in a round.
    """
    schedule = falls(o, steps * o.rounds)
    return Player(name, adam(lr, (o.beta1, o.beta2)), o.max_grad_norm, schedule)


RMS_DECAY = 0.9
"""Decay of RMSprop's mean of squared gradients."""


def rmsprop_player(o: TranslateOptions, name: str, lr: float, steps: int = 1) -> Player:
    """A player that learns by RMSprop.

    Args:
        o: Schedule and norm of the gradients.
        name: Name of the player in the game.
        lr: Learning rate.
        steps: Optimizer steps in a round.
    """
    rms = functools.partial(torch.optim.RMSprop, lr=lr, alpha=RMS_DECAY)
    return Player(name, rms, o.max_grad_norm, falls(o, steps * o.rounds))


# ------------------------------------------------------------------------------------------ data


def source_of(o: TranslateOptions) -> DomainSource:
    """Where the domains of a run come from."""
    how = Reading("--data", o.size, o.channels, o.strict, fit=o.fit)
    places = o.data, o.domains, o.a, o.b, o.pairs, o.swap, o.split_seed
    held = {role: place for role, place in (("valid", o.valid), ("test", o.test)) if place}
    return DomainSource(*places, how, o.learns_pairs(), o.masks(), held)


def domain_data(o: TranslateOptions, domains: Domains) -> Data:
    """Batches {"a", "b"}: pairs where the paper learns from pairs, else each domain by itself."""
    if domains.paired and o.learns_pairs():
        rows = {"a": domains.a.images, "b": domains.b.images}
        return Batches(rows, o.batch, seed=o.seed)
    a = Batches(domains.a.images, o.batch, seed=o.seed)
    b = Batches(domains.b.images, o.batch, seed=o.seed + 1)

    def both(index: int) -> Batch:
        return {"a": a(index), "b": b(index)}

    return both


def classes_of(o: TranslateOptions, images: ImageSet) -> int:
    """Number of labels.

    Raises:
        UserError: The pictures have none.
    """
    if images.labels is None:
        raise UserError(
            f"--paper {o.paper} needs labels: give pictures in class folders, or --data digits or "
            "shapes"
        )
    return len(images.names)


def labelled_data(o: TranslateOptions, domains: Domains) -> Data:
    """Batches {"b", "labels"}."""
    assert domains.b.labels is not None
    rows = {"b": domains.b.images, "labels": domains.b.labels}
    return Batches(rows, o.batch, seed=o.seed)


def check_labelled(labelled: int, domains: Domains) -> None:
    """Refuse a number of labels that does not reach every class, or exceeds the pictures.

    Args:
        labelled: Number of pictures whose label is seen.
        domains: Domains of which B has labels.

    Raises:
        UserError: There are too few pictures or labels.
    """
    n, count = len(domains.b.names), len(domains.b.images)
    if not n <= labelled <= count:
        raise UserError(
            f"--labelled {labelled}: give at least one for each of the {n} classes, and at most "
            f"the {count} pictures to learn from"
        )


def few_labels_data(o: TranslateOptions, domains: Domains, labelled: int) -> Data:
    """Batches {"b", "labelled", "labels"}: any pictures, and those whose label is seen.

    Args:
        o: Size of a batch, and seed of the draws.
        domains: Domains of which B has labels.
        labelled: Number of pictures whose label is seen, of every class equally many.
    """
    images, labels = domains.b.images, domains.b.labels
    assert labels is not None
    seen = even_rows(labels, labelled, o.seed)
    every = Batches({"b": images}, o.batch, seed=o.seed)
    rows = {"labelled": images[seen], "labels": labels[seen]}
    few = Batches(rows, min(o.batch, len(seen)), seed=o.seed + 1)

    def both(index: int) -> Batch:
        some, known = every(index), few(index)
        assert isinstance(some, Mapping)
        assert isinstance(known, Mapping)
        return {**some, **known}

    return both


def even_rows(labels: Tensor, count: int, seed: int) -> Tensor:
    """So many rows, of every class equally many or one more.

    Args:
        labels: Label of each row.
        count: Number of rows.
        seed: Seed of the draw.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    drawn = labels[order]
    earlier = (drawn[:, None] == torch.arange(int(labels.max()) + 1)).cumsum(0)
    rank = earlier.gather(1, drawn[:, None])[:, 0]  # 1 for the first of a class
    return order[rank.argsort(stable=True)[:count]]


# --------------------------------------------------------------------------------------- telling


def limits(o: TranslateOptions) -> list[Limit]:
    """Alarms of the discriminator: at chance; and too strong, where 0 is the logit of even odds."""
    at_zero = (
        isinstance(o, (AdversarialOptions, JointOptions))
        and o.loss != "wasserstein"
        and make_loss(o.loss, CONTINUOUS).reward is not None
    )
    wins = [DISCRIMINATOR_WINS._replace(metric="d_accuracy")] if at_zero else []
    return [DISCRIMINATOR_AT_CHANCE, *wins]


def objective(o: TranslateOptions) -> dict[str, str]:
    """Names of loss and penalty, as tables print them."""
    if isinstance(o, AdversarialOptions):
        return {"loss": o.loss, "penalty": o.penalty or "none"}
    if isinstance(o, JointOptions):
        return {"loss": f"{o.loss}, for both sides the discriminator's", "penalty": "none"}
    return {}


def rows_of(domains: Domains) -> tuple[Tensor, Tensor]:
    """One picture of A and one of B as a network sees them, whose shapes pools take."""
    channels, sides = zip(form(domains.a), form(domains.b))
    return (
        torch.zeros(channels[0], sides[0], sides[0]),
        torch.zeros(channels[1], sides[1], sides[1]),
    )

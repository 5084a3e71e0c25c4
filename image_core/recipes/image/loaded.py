"""A trained image run to work with, without its training data."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32, Shaped, UInt8
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import logistic_d
from image_core.games.common import JudgedGame, PriorGame, evaluating, to_images
from image_core.games.conditional import LabelledGAN
from image_core.games.latents import truncate, turn_vector, walk
from image_core.games.plug_and_play import PlugAndPlayGAN
from image_core.games.stacked import StackedGAN
from image_core.recipes.image.conditions import Condition, classes_of
from image_core.recipes.image.config import LogitOptions
from image_core.recipes.image.recipe import Run
from image_core.runs import options
from image_core.runs.loaded import LoadedRun
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.picture_files import to_bytes, to_pictures

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK = 250
"""Images in memory at once."""

TURNS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Multiples of the turn vector in a row."""

Attribute = Callable[[Tensor], Tensor]
"""Images in [0, 1] to a number for each."""


Label = str | int
"""Name of a class, or its number from 0."""


ALONE = (
    "--condition: images of a condition are neither truncated nor rescored; leave --truncation and "
    "--rescore out"
)


def check_settings(
    n: int, truncation: float | None = None, steps: int = 2, through: int = 2, rescore: int = 1
) -> None:
    """Refuse settings of `LoadedImages` that are out of range.

    Args:
        n: Number of images.
        truncation: Bound of the latents.
        steps: Number of images of a walk.
        through: Number of latents that a walk passes.
        rescore: Candidates of an image.

    Raises:
        UserError: A value is invalid; the message names the option.
    """
    for name, value in (("n", n), ("rescore", rescore)):
        if value < 1:
            raise UserError(f"--{name} {value}: it must be at least 1")
    if truncation is not None and not truncation > 0:
        raise UserError(f"--truncation {truncation}: it must be above 0")
    if not 2 <= through <= steps:
        raise UserError(
            f"a walk of {steps} images through {through} latents: give at least 2 latents, and at "
            "least as many images"
        )


class LoadedImages(LoadedRun[Run]):
    """A trained image run: its averaged generator where it has one, and its discriminator.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    @property
    def classes(self) -> list[str]:
        """Names of the classes that samples can be of; empty where none can be chosen."""
        told = isinstance(self._run.game, LabelledGAN | StackedGAN | PlugAndPlayGAN)
        return list(self._run.form.names or []) if told else []

    @python_call()
    def sample(
        self,
        n: int = 10,
        *,
        labels: Sequence[Label] = (),
        truncation: float | None = None,
        rescore: int = 1,
        condition: Condition | None = None,
        seed: int | None = None,
    ) -> UInt8[np.ndarray, "N C H W"]:
        """Draw images; with labels, n of each of them in their order.

        Rescored, an image x_i is one of R candidates, drawn with probability
        exp(d_i) / sum_j exp(d_j), d the discriminator's logit: at the best d, where it is
        log p(x)/q(x), and for many candidates, that is a draw from the data.

        Args:
            n: Number of images, or of images of each label.
            labels: Names or numbers of classes; empty takes the classes of the run in turn.
            truncation: Bound of the latents, above 0: less variety, clearer images; None for none.
            rescore: Candidates R of each image; 1 takes every image.
            condition: For a run of `ppgn`, a classifier of your own from images in [0, 1] to
                logits, in place of the run's; labels are then numbers of its classes.
            seed: Seed of the draws; None continues torch's random numbers.

        Raises:
            UserError: A value is invalid, the generator is told no such class, images are to be
                rescored by a discriminator whose output is no logarithm of a ratio, or the run
                takes no condition.

        Source: Rubin 1988; with a GAN's discriminator Azadi et al. 2019. Conditions: Nguyen et al.
        2017.
        """
        check_settings(n, truncation, rescore=rescore)
        if condition is not None:
            if truncation is not None or rescore > 1:
                raise UserError(ALONE)
            with options.seeded(seed):
                return self._conditioned(n, labels, condition)
        wanted = self._numbers(labels).repeat_interleave(n)
        with options.seeded(seed):
            z, *told = self._inputs(len(wanted) or n, truncation)
            told = [wanted.to(z.device)] if len(wanted) else told
            if rescore == 1:
                return self._paint(z, told)
            return self._rescored(len(z), told if self.classes else [], truncation, rescore)

    @python_call()
    def pictures(
        self,
        n: int = 10,
        *,
        labels: Sequence[Label] = (),
        truncation: float | None = None,
        rescore: int = 1,
        seed: int | None = None,
    ) -> "list[Image]":
        """The images of `sample` as objects of Pillow.

        Args:
            n: Number of images, or of images of each label.
            labels: Names or numbers of classes.
            truncation: Bound of the latents.
            rescore: Candidates of each image.
            seed: Seed of the draws.

        Raises:
            UserError: As `sample`.
        """
        drawn = self.sample(n, labels=labels, truncation=truncation, rescore=rescore, seed=seed)
        return to_pictures(drawn)

    @python_call()
    def walk(
        self,
        steps: int = 60,
        *,
        through: int = 4,
        label: Label | None = None,
        truncation: float | None = None,
        seed: int | None = None,
    ) -> UInt8[np.ndarray, "N C H W"]:
        """Images along a closed way through latents, on the sphere where these are normal.

        Every (steps / through)-th image is one of `sample(through, labels=[label])` of that seed.

        Args:
            steps: Number of images.
            through: Number of drawn latents that the way passes.
            label: Class of all images; None for the first class.
            truncation: Bound of the drawn latents, as in `sample`.
            seed: Seed of the draws; None continues torch's random numbers.

        Raises:
            UserError: A value is invalid, or the run has no latents to walk through.
        """
        check_settings(1, truncation, steps, through)
        game = self._latent_game()
        chosen = self._numbers([] if label is None else [label])
        with options.seeded(seed):
            stops, *told = self._inputs(through, truncation)
        way = walk(stops[:, : game.latent], steps, game.prior)
        codes = stops[:1, game.latent :].expand(steps, -1)  # InfoGAN's stay as they are
        labels = [chosen[:1].to(x) if len(chosen) else x[:1] for x in told]
        held = [x.expand(steps, *x.shape[1:]) for x in labels]
        return self._paint(torch.cat([way, codes], 1), held)

    @python_call()
    def turn(
        self,
        attribute: Attribute,
        n: int = 8,
        *,
        label: Label | None = None,
        draws: int = 4_000,
        seed: int | None = None,
    ) -> UInt8[np.ndarray, "N C H W"]:
        """Rows of images whose latents are moved along the turn vector of an attribute.

        z + a (mean z of the most - mean z of the least),    a = -1, -1/2, 0, 1/2, 1

        The means are of a twentieth of the draws each.

        Args:
            attribute: Function from images in [0, 1] to a number for each.
            n: Number of rows.
            label: Class of all images; None for the first class.
            draws: Number of images that the vector is found from, at least 20.
            seed: Seed of the draws; None continues torch's random numbers.

        Raises:
            UserError: A value is invalid, the function does not give a number for each image, or
                the run has no latents to move.
        """
        check_settings(n)
        if draws < 20:
            raise UserError(f"{draws} draws: a turn vector needs at least 20")
        size, chosen = self._latent_game().latent, self._numbers([] if label is None else [label])
        with options.seeded(seed):
            z, *told = self._inputs(draws, None)
            rows, *_ = self._inputs(n, None)
        labels = [chosen[:1].to(x) if len(chosen) else x[:1] for x in told]
        held = [x.expand(draws, *x.shape[1:]) for x in labels]
        parts = [attribute(((x + 1) / 2).clamp(0, 1)) for x in self._made(z, held)]
        values = torch.cat([torch.as_tensor(part).cpu().reshape(-1) for part in parts])
        if values.shape != (draws,) or not values.isfinite().all():
            raise UserError(
                f"the attribute of {draws} images has the shape {tuple(values.shape)} or a number "
                "that is not finite; give a function with a number for each image"
            )
        way = torch.zeros_like(rows[0])
        way[:size] = turn_vector(z[:, :size], values.to(z.device), draws // 20)
        share = torch.tensor(TURNS, device=z.device)[None, :, None]
        moved = (rows[:, None] + share * way).flatten(0, 1)
        return self._paint(moved, [x.expand(len(moved), *x.shape[1:]) for x in labels])

    @python_call()
    def discriminate(
        self, images: Shaped[np.ndarray, "N C H W"], labels: Sequence[Label] = ()
    ) -> Float32[np.ndarray, " N"]:
        """What the discriminator says of each image; high = real.

        Logits, or minus the energies of a paper of energies.

        Args:
            images: Images as bytes, of the run's size and colours.
            labels: Class of each image, where the run has classes.

        Raises:
            UserError: The images are of another form, or labels lack or are too many.
        """
        game, given = self._judge(), torch.from_numpy(np.asarray(images))
        form = self._run.form
        if given.dtype != torch.uint8 or given.shape[1:] != (form.channels, form.size, form.size):
            raise UserError(
                f"these images are {given.dtype} {tuple(given.shape)}, and the run judges bytes "
                f"(N, {form.channels}, {form.size}, {form.size})"
            )
        told = self._numbers(labels)
        wanted = len(given) if self.classes else 0
        if len(told) != wanted:
            raise UserError(f"{len(told)} labels for {len(given)} images: give {wanted}")
        parts = []
        with torch.no_grad():
            for start in range(0, len(given), CHUNK):
                rows = slice(start, start + CHUNK)
                some = to_images(given[rows]).to(game.device)
                parts.append(
                    game.d_scores(some, (told[rows].to(game.device),) if wanted else ()).cpu()
                )
        return torch.cat(parts).float().numpy()

    def _latent_game(self) -> PriorGame:
        if not isinstance(self._run.game, PriorGame):
            raise UserError(f"{self.folder} draws images from no latents that can be changed")
        return self._run.game

    def _judge(self) -> JudgedGame:
        if not isinstance(self._run.game, JudgedGame):
            raise UserError(f"{self.folder} has no discriminator of images alone")
        return self._run.game

    def _numbers(self, labels: Sequence[Label]) -> Tensor:
        """Numbers of classes."""
        names = self.classes
        if len(labels) and not names:
            raise UserError(
                f"{self.folder}: its generator is told no classes, so that none can be chosen; "
                "leave the labels out, or train with --paper cgan, acgan or projection"
            )
        found = []
        for label in labels:
            number = names.index(label) if label in names else label
            if isinstance(number, str) or not 0 <= int(number) < len(names):
                shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
                raise UserError(f"label {label!r} is none of the run's classes: {shown}")
            found.append(int(number))
        return torch.tensor(found, dtype=torch.int64)

    def _inputs(self, count: int, truncation: float | None) -> tuple[Tensor, ...]:
        """What the generator is called with."""
        inputs = self._run.game.inputs(count)
        if truncation is None:
            return inputs
        game = self._latent_game()
        z, codes = inputs[0][:, : game.latent], inputs[0][:, game.latent :]
        return torch.cat([truncate(z, truncation, game.prior), codes], 1), *inputs[1:]

    def _paint(self, z: Tensor, told: Sequence[Tensor]) -> UInt8[np.ndarray, "N C H W"]:
        return np.concatenate([to_bytes(images) for images in self._made(z, told)])

    @torch.no_grad()
    def _made(self, z: Tensor, told: Sequence[Tensor]) -> Iterator[Tensor]:
        """Images of the averaged generator in [-1, 1], a few at a time."""
        generator = self._run.sampler()
        for start in range(0, len(z), CHUNK):
            with evaluating(generator):
                given = (x[start : start + CHUNK] for x in (z, *told))
                yield self._run.game.render(generator, *given)

    @torch.no_grad()
    def _conditioned(
        self, n: int, labels: Sequence[Label], condition: Condition
    ) -> UInt8[np.ndarray, "N C H W"]:
        """Images that meet a classifier of the user's, whose classes have numbers alone."""
        game, generator = self._run.game, self._run.sampler()
        if not isinstance(game, PlugAndPlayGAN):
            raise UserError(
                f"--condition: {self.folder} has no sampler that a classifier could condition; "
                "leave it out, or train with --paper ppgn"
            )
        for label in labels:
            if not str(label).isdecimal():
                raise UserError(f"--labels {label}: classes of a condition are numbers from 0")
        wanted = torch.tensor([int(label) for label in labels], dtype=torch.int64)
        start = game.start(max(1, len(wanted)) * n)
        with evaluating(generator):
            classes = classes_of(condition, (generator(start[:8]) + 1) / 2, wanted)
            told = wanted.repeat_interleave(n) if len(wanted) else torch.arange(n) % classes
            parts = [
                game.chain(generator, some, lambda x: condition((x + 1) / 2), own)
                for some, own in zip(start.split(CHUNK), told.to(start.device).split(CHUNK))
            ]
        return to_bytes(torch.cat(parts))

    @torch.no_grad()
    def _rescored(
        self, count: int, told: Sequence[Tensor], truncation: float | None, candidates: int
    ) -> UInt8[np.ndarray, "N C H W"]:
        """Images drawn among candidates by the softmax of their logits."""
        game, config = self._judge(), self._run.config
        if (
            not isinstance(config, LogitOptions)
            or make_loss(config.loss, CONTINUOUS).d is not logistic_d
        ):
            raise UserError(
                f"--rescore {candidates}: {self.folder} has no logistic discriminator, whose logit "
                "would be the logarithm of a ratio of densities; leave it out"
            )
        chosen = []
        for i in range(count):
            z, *own = self._inputs(candidates, truncation)
            same = [x[i : i + 1].expand(candidates) for x in told] or own
            images = torch.cat(list(self._made(z, same)))
            d = game.d_scores(images, tuple(same) if told else ())
            chosen.append(images[torch.multinomial(d.softmax(0), 1)])
        return to_bytes(torch.cat(chosen))


Loaded = LoadedImages

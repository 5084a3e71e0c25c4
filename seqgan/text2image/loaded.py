"""A trained run of text to image to work with, without its training data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32, Shaped, UInt8

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.games.latents import walk
from image_core.runs import options
from image_core.runs.loaded import LoadedRun
from image_core.runs.picture_files import to_bytes, to_pictures
from seqgan.text2image.encoders import EncodedSentences
from seqgan.text2image.games.stack import as_floats, shrink
from seqgan.text2image.recipe import Text2ImageRun

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK = 250
"""Pictures in memory at once."""


class LoadedPictures(LoadedRun[Text2ImageRun]):
    """A trained run of text to image: its averaged generators, and its discriminators.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    @python_call(prompt="caption")
    def check(self, caption: str, option: str = "prompt") -> None:
        """Make sure that a caption can be drawn.

        Args:
            caption: Caption to draw.
            option: Option that it comes from, for messages.

        Raises:
            UserError: It is empty or too long, or holds words that were never seen.
        """
        self._run.encoder.check(f"--{option}", caption)

    @python_call(prompt="captions")
    def sample(
        self,
        captions: Sequence[str],
        n: int = 1,
        *,
        between: int = 0,
        seed: int | None = None,
    ) -> UInt8[np.ndarray, "N 3 S S"]:
        """Draw captions, n pictures of each in their order.

        The i-th picture of every caption has the same noise.

        Args:
            captions: Captions to draw.
            n: Number of pictures of each caption.
            between: Number of places on the line between two captions that are drawn as well.
            seed: Seed of the noise; None takes it from torch's random numbers.

        Raises:
            UserError: A value is invalid, or a caption cannot be understood.
        """
        if n < 1:
            raise UserError(f"--n {n}: it must be at least 1")
        text = self._encode(captions)
        if between:
            if len(captions) != 2 or between < 0:
                raise UserError(
                    f"--between {between} is a number of places between two captions; give two"
                )
            text = line_between(text, between)
        seed = _seed(seed)
        rows = [torch.full((n,), i, device=text.mask.device) for i in range(len(text.sentence))]
        # One seed a row: noise and condition of a column are the same under every caption
        made = [to_bytes(self._run.draw(text.pick(row), seed=seed)) for row in rows]
        return np.concatenate(made)

    @python_call(prompt="captions")
    def pictures(
        self, captions: Sequence[str], n: int = 1, *, seed: int | None = None
    ) -> "list[Image]":
        """The pictures of `sample` as objects of Pillow.

        Args:
            captions: Captions to draw.
            n: Number of pictures of each caption.
            seed: Seed of the noise.

        Raises:
            UserError: As `sample`.
        """
        return to_pictures(self.sample(captions, n, seed=seed))

    @python_call(prompt="captions")
    def walk(
        self, steps: int, captions: Sequence[str], *, through: int = 4, seed: int | None = None
    ) -> UInt8[np.ndarray, "N 3 S S"]:
        """Pictures along a way: of one caption through noise, of two from one to the other.

        Noise is changed along a closed way on the sphere.

        Args:
            steps: Number of pictures.
            captions: One caption, or two.
            through: Number of noise vectors that the way of one caption passes.
            seed: Seed of the noise; None takes it from torch's random numbers.

        Raises:
            UserError: A value is invalid, or a caption cannot be understood.
        """
        if not 2 <= through <= steps or len(captions) not in (1, 2):
            raise UserError(
                f"a walk of {steps} pictures through {through} noise vectors of {len(captions)} "
                "captions: give one caption or two, and at least as many pictures as vectors"
            )
        seed = _seed(seed)
        if len(captions) == 2:
            return self.sample(captions, between=steps - 2, seed=seed)
        text = self._encode(captions)
        with options.seeded(seed):
            stops = self._run.game.G1.draw(through, self._run.device)
        # One by one, so that the condition's own noise stays the same all the way
        made = [self._run.draw(text, seed=seed, z=z[None]) for z in walk(stops, steps, "normal")]
        return to_bytes(torch.cat(made))

    @python_call(prompt="captions")
    def discriminate(
        self, images: Shaped[np.ndarray, "N C H W"], captions: Sequence[str]
    ) -> Float32[np.ndarray, " N"]:
        """The last discriminator's logit of each pair; high = real and of its caption.

        Args:
            images: Pictures as bytes, of the side that the last stage draws.
            captions: Caption of each.

        Raises:
            UserError: Their numbers or sizes differ, or a caption cannot be understood.
        """
        given, stage = torch.from_numpy(np.asarray(images)), self._run.stages_done()
        side = self._run.config.side
        if given.dtype != torch.uint8 or given.shape[1:] != (3, side, side):
            raise UserError(
                f"these pictures are {given.dtype} {tuple(given.shape)}, and the run judges bytes "
                f"(N, 3, {side}, {side})"
            )
        text, parts = self._encode(captions), []
        if len(captions) != len(given):
            raise UserError(f"{len(captions)} captions for {len(given)} pictures: give one each")
        own = self._run.draw(text.pick(slice(0, 1)), seed=0).shape[-1]
        for start in range(0, len(given), CHUNK):
            rows = slice(start, start + CHUNK)
            real = shrink(as_floats(given[rows]), own).to(self._run.device)
            parts.append(self._run.game.pair_logits(stage, real, text.sentence[rows]).cpu())
        return torch.cat(parts).float().numpy()

    def _encode(self, captions: Sequence[str]) -> EncodedSentences:
        if not captions:
            raise UserError('name what to draw, as in "a small red circle on blue"')
        for caption in captions:
            self._run.encoder.check("--prompt", caption)
        return self._run.encode(captions)


def _seed(seed: int | None) -> int:
    if seed is None:
        return int(torch.randint(1 << 31, ()))
    options.check_seed(seed)
    return seed


def line_between(ends: EncodedSentences, count: int) -> EncodedSentences:
    """Two sentences and some on the straight line between.

    The words of both are there all the way, and count as much as their sentence does.

    Args:
        ends: Two sentences.
        count: Number of sentences between.
    """
    share = torch.linspace(0, 1, count + 2, device=ends.sentence.device)[:, None]
    line = torch.lerp(ends.sentence[:1], ends.sentence[1:], share)
    words = ends.words.flatten(0, 1).expand(len(share), -1, -1)
    counts = [(1 - share) * ends.mask[0], share * ends.mask[1]]
    return EncodedSentences(line, words, torch.cat(counts, 1))


Loaded = LoadedPictures

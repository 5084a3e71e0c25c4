"""Options of text to image: what every paper shares, and parts that a paper takes or leaves."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.optim.lr_scheduler import StepLR

from image_core.adversarial.errors import UserError
from image_core.data.pictures import FITS
from image_core.nets.augment import augment
from image_core.runs import options
from image_core.runs.losses import PLAIN_LOSSES, make_loss
from image_core.runs.penalties import make_penalty
from image_core.runs.players import Player, adam
from image_core.runs.recipe import RunConfig
from image_core.runs.shared_options import PrecisionOptions, ShardOptions
from seqgan.text2image.captions import SHAPES
from seqgan.text2image.nets.stack import NORMS

MATCH_LR = 2e-3
"""Adam's learning rate of encoder and matcher."""
ENCODERS = {"gru": 24, "char": 120, "minilm": 48}
"""Encoders of sentences by name, and the tokens they read; any other name is a folder."""


@dataclass(kw_only=True)
class CaptionOptions(RunConfig):
    """Data.

    Args:
        data: What to learn from: "shapes"; a folder or zip of pictures and captions; an .npz or
            .npy; a .parquet; or a hub data set.
        captions: File of the captions, where the data do not say.
        valid: Pictures and captions that the log measures with, named like --data; those of the
            data, or a tenth that the split seed draws, when left out.
        test: Pictures and captions that the result measures with, named like --data; those of the
            data, or a tenth that the split seed draws, when left out.
        split_seed: Seed of the draw of these sets; equal pictures, and those of one `group` or
            `base` in the table of captions, stay in one set.
        size: Number of shapes that are drawn to learn from.
        side: Side of the pictures; those of another side are resized.
        fit: What is done to pictures that are no squares: crop (to the middle), pad (with white)
            or stretch.
        encoder: Encoder of sentences: gru, char, minilm, or a folder that transformers reads.
        features: Length of a sentence's vector, of gru and char.
        longest: Most tokens that the encoder reads; 0 for its kind's (24 words, 120 characters,
            48).
        wrong_pairs: Whether discriminators see real pictures with wrong sentences.
        hard_negatives: Whether wrong sentences of shapes are the right ones with one attribute
            changed.
        candidates: Number of rows among which the wrong sentence most like the right one is chosen;
            1 for the next row's, as in the papers.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    data: str
    captions: str | None = None
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    size: int = 6000
    side: int = 32
    fit: str = "crop"
    encoder: str = "gru"
    features: int = 64
    longest: int = 0
    wrong_pairs: bool = True
    hard_negatives: bool = False
    candidates: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "size", "candidates", "features")
        options.check_least(self, 0, "longest", "split_seed")
        options.check_choice("fit", self.fit, tuple(FITS))
        if self.data == SHAPES and (self.valid or self.test):
            name = "valid" if self.valid else "test"
            raise UserError(
                f"--{name} is for data of your own; --data shapes draws its sets by --seed"
            )
        lone = self.data != SHAPES or not self.wrong_pairs or self.candidates > 1
        if self.hard_negatives and lone:
            raise UserError(
                "--hard_negatives are wrong sentences of shapes: use it with --data shapes, "
                "--wrong_pairs true and --candidates 1, or leave it out"
            )
        check_side("side", self.side)
        if self.encoder in ("gru", "char") and self.features % 2:
            raise UserError(f"--features {self.features}: it must be even")

    def tokens(self) -> int:
        """Tokens the encoder reads at most."""
        return self.longest or ENCODERS.get(self.encoder, 48)


@dataclass(kw_only=True)
class Text2ImageOptions(CaptionOptions, PrecisionOptions, ShardOptions):
    """Training.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own, as in
            mypackage.mygan.
        match_rounds: Rounds in which encoder and matcher learn which sentence is of which picture.
        rounds: Number of rounds of the first stage, or of all that the paper has.
        steps: Optimizer steps of each player in a round.
        batch: Pairs of a step.
        g_lr: Adam's learning rate of the generators.
        d_lr: Adam's learning rate of the discriminators.
        beta1: Adam's decay of the first moment, of both.
        halve_every: Steps of a stage after which its learning rates are halved, again and again; 0
            for never.
        ema_decay: Decay of the generators' weight average, which draws all pictures.
        max_grad_norm: Greatest norm of a gradient; longer ones are scaled down.
        evaluate_every: Rounds between two measurements, on sentences that the result does not use.
        eval_samples: Number of pictures of a measurement.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    match_rounds: int = 35
    rounds: int = 250
    steps: int = 20
    batch: int = 64
    g_lr: float = 2e-4
    d_lr: float = 2e-4
    beta1: float = 0.5
    halve_every: int = 0
    ema_decay: float = 0.995
    max_grad_norm: float = 10.0
    evaluate_every: int = 25
    eval_samples: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "steps", "evaluate_every", "rounds")
        options.check_least(self, 2, "batch", "eval_samples")
        options.check_least(self, 0, "match_rounds", "halve_every")
        options.check_above_zero(self, "g_lr", "d_lr", "max_grad_norm")
        for name in ("beta1", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it must be in [0, 1)")
        if self.encoder in ("gru", "char") and not self.match_rounds:
            raise UserError(
                f"--match_rounds 0 leaves --encoder {self.encoder} untrained; use minilm or "
                "train it"
            )

    def stage_rounds(self) -> tuple[int, ...]:
        """Rounds of each stage, one after the other; a part overrides it."""
        return (self.rounds,)

    def reads_words(self) -> bool:
        """Whether the generator attends to words; a paper overrides it."""
        return False


@dataclass(kw_only=True)
class PairOptions(Text2ImageOptions):
    """Discriminators of pairs.

    Args:
        loss: Loss of discriminators and generators, see `seqgan list losses`. Your own:
            module:name.
        penalty: Penalties of the discriminators, as in r1=1 or r1=1,r2=1; they need a norm that is
            not batch.
        augment: Random changes of all that the discriminators see: colour, translation and cutout,
            with commas between.
        noise: Length of the noise.
        width: Channels of the generator's last map; earlier ones have more.
        d_width: Channels of the discriminator's first map; later ones have more.
    """

    loss: str = "non_saturating"
    penalty: str = ""
    augment: str = ""
    noise: int = 16
    width: int = 16
    d_width: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, PLAIN_LOSSES)
        make_penalty(self.penalty)
        augment(torch.zeros(1, 3, 8, 8), self.augment)
        options.check_least(self, 1, "noise", "width", "d_width")

    def adversarial(self) -> dict[str, Any]:
        """Loss, penalty and wrong pairs of a game."""
        return {
            "loss": make_loss(self.loss, PLAIN_LOSSES),
            "penalty": make_penalty(self.penalty),
            "wrong_pairs": self.wrong_pairs,
        }


@dataclass(kw_only=True)
class HeadOptions(PairOptions):
    """Heads of the discriminators.

    Args:
        condition: Length of the generator's condition; discriminators compress to twice of it.
        norm: Norm of the discriminators: none, batch or spectral.
        projection: Whether the product of sentence and picture is added to the discriminators'
            logits.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    condition: int = 32
    norm: str = "batch"
    projection: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("norm", self.norm, NORMS)
        options.check_least(self, 1, "condition")
        if self.penalty and self.norm == "batch":
            raise UserError(
                f"--penalty {self.penalty} is the slope of one picture's logit, and --norm batch "
                "mixes pictures; choose --norm none or --norm spectral"
            )

    def heads(self) -> dict[str, Any]:
        """What a discriminator of any side is made with."""
        return {
            "condition": 2 * self.condition,
            "width": self.d_width,
            "norm": self.norm,
            "project": self.projection,
            "changes": self.augment,
        }


@dataclass(kw_only=True)
class AugmentedOptions(HeadOptions):
    """Conditions of the generators.

    Args:
        augmentation: Whether conditions are drawn from a Gaussian of the sentence.
        kl_coef: Weight of the divergence of conditions.
    """

    augmentation: bool = True
    kl_coef: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "kl_coef")


@dataclass(kw_only=True)
class StagedOptions(AugmentedOptions):
    """Two stages.

    Args:
        small: Side of stage I, which stage II redraws at --side; 0 where there is one stage.
        refine_rounds: Number of rounds of stage II; 0 where there is one stage, of side --small.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    small: int = 0
    refine_rounds: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "refine_rounds")
        check_small(self.small, self.side)

    def stage_rounds(self) -> tuple[int, ...]:
        two = self.small and self.refine_rounds
        return (self.rounds, self.refine_rounds) if two else (self.rounds,)


@dataclass(kw_only=True)
class TreeOptions(AugmentedOptions):
    """Several sides at once.

    Args:
        small: Smallest side, from which pictures are refined; 0 for half of --side.
        colour_weight: Weight of the distance of colours of neighbouring sides.
        damsm_weight: Weight of the matcher's loss in the generator's.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    small: int = 0
    colour_weight: float = 0.0
    damsm_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "colour_weight", "damsm_weight")
        check_small(self.small, self.side)
        if self.small == 0 and self.side < 16:
            raise UserError(f"--side {self.side}: --paper {self.paper} needs at least 16")

    def sides(self) -> tuple[int, int]:
        """The smallest side and the largest."""
        return self.small or self.side // 2, self.side

    def tree(self) -> dict[str, Any]:
        """What a game of several sides is made with."""
        return {
            **self.adversarial(),
            "condition": self.condition,
            "noise": self.noise,
            "width": self.width,
            "d_width": self.d_width,
            "noisy": self.augmentation,
            "norm": self.norm,
            "project": self.projection,
            "changes": self.augment,
            "kl_coef": self.kl_coef,
            "colour_weight": self.colour_weight,
            "damsm_weight": self.damsm_weight,
        }


def check_side(option: str, value: int) -> None:
    """Refuse a side that is no power of two of at least 8.

    Args:
        option: Name of the option.
        value: Side in pixels.

    Raises:
        UserError: The side is none that pictures can have.
    """
    if value < 8 or value & (value - 1):
        raise UserError(f"--{option} {value}: it must be a power of two, at least 8")


def check_small(small: int, side: int) -> None:
    """Refuse a smaller side that is none; 0 is.

    Args:
        small: Smaller side in pixels.
        side: Larger side in pixels.

    Raises:
        UserError: The smaller side is no power of two, or not smaller.
    """
    if small:
        check_side("small", small)
    if small >= side:
        raise UserError(f"--small {small} must be below --side {side}")


def stage_players(o: Text2ImageOptions) -> list[Player]:
    """Encoder with matcher, and the generator and discriminator of each stage, by Adam.

    Args:
        o: Options of the run.
    """
    found = [Player("match", adam(MATCH_LR))]
    schedule = partial(StepLR, step_size=o.halve_every, gamma=0.5) if o.halve_every else None
    for stage in range(1, len(o.stage_rounds()) + 1):
        for name, lr in (("G", o.g_lr), ("D", o.d_lr)):
            optimizer = adam(lr, (o.beta1, 0.99))
            found.append(Player(f"{name}{stage}", optimizer, o.max_grad_norm, schedule))
    return found

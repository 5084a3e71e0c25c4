"""Options of `seqgan train text2image`: what to read, which paper, how large and how long."""

from dataclasses import dataclass
from typing import Any

import torch

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.nets.augment import augment
from image_core.runs import options
from image_core.runs.penalties import make_penalty
from image_core.runs.recipe import RunConfig
from seqgan.text2image.captions import SHAPES
from seqgan.text2image.nets.stack import NORMS

ENCODERS = {"gru": 24, "char": 120, "minilm": 48}
"""Encoders of sentences by name, and the tokens they read; any other name is a folder."""

ALIASES: dict[str, dict[str, Any]] = {
    "stackgan": {
        "loss": "non_saturating",
        "penalty": "",
        "norm": "batch",
        "kl": 2.0,
        "augmentation": True,
        "interpolation": False,
        "beta1": 0.5,
        "g_lr": 2e-4,
        "d_lr": 2e-4,
    },
    "gan_int_cls": {
        "loss": "non_saturating",
        "penalty": "",
        "norm": "batch",
        "kl": 0.0,
        "augmentation": False,
        "interpolation": True,
        "beta1": 0.5,
        "g_lr": 2e-4,
        "d_lr": 2e-4,
    },
    "dfgan": {
        "loss": "hinge",
        "penalty": "",
        "norm": "none",
        "kl": 0.0,
        "augmentation": False,
        "interpolation": False,
        "beta1": 0.0,
        "g_lr": 1e-4,
        "d_lr": 4e-4,
    },
    "stackgan_v2": {
        "loss": "non_saturating",
        "penalty": "",
        "norm": "batch",
        "kl": 2.0,
        "augmentation": True,
        "interpolation": False,
        "beta1": 0.5,
        "g_lr": 2e-4,
        "d_lr": 2e-4,
    },
    "attngan": {
        "loss": "non_saturating",
        "penalty": "",
        "norm": "batch",
        "kl": 2.0,
        "augmentation": True,
        "interpolation": False,
        "beta1": 0.5,
        "g_lr": 2e-4,
        "d_lr": 2e-4,
        "guide": 5.0,
    },
}
"""What a paper decides; an option that is written out wins."""


@dataclass(kw_only=True)
class Text2ImageConfig(RunConfig):
    """Pictures from sentences.

    Args:
        data: "shapes"; a folder of pictures and captions; an .npz; a hub data set.
        captions: file of the captions, where the data does not say.
        size: shapes drawn to learn from.
        alias: the paper: stackgan, gan_int_cls, dfgan, stackgan_v2 or attngan.
        side: of the pictures; those of another side are resized.
        small: side of stage I, which stage II redraws at `side`; 0 = there is one stage. Of
            stackgan_v2 and attngan the smallest side, from which they refine; 0 = half the side.
        encoder: of sentences: gru, char, minilm, or a folder that transformers reads.
        features: length of a sentence's vector, of gru and char.
        longest: tokens the encoder reads at most; 0 = as its kind (24 words, 120 characters, 48).
        match_rounds: rounds in which encoder and matcher learn which sentence is of which picture.
        rounds: of stage I.
        refine_rounds: of stage II; 0 = there is one stage, and it draws at the side `small`.
        steps: steps of each player in a round.
        batch: pairs of a step.
        matching: show the critic real pictures with wrong sentences.
        near_misses: of shapes: wrong sentences are the right ones with one attribute changed.
        candidates: rows among which the wrong sentence most like the right one is chosen; 1 = the
            next row's, as in the papers.
        projection: add the product of sentence and picture to the critics' logits.
        augment: colour, translation, cutout, with commas, on all that the critics see.
        loss: of critics and generators; None = of the paper, as all that follow.
        penalty: of the critics, as in r1=1 or r1=1,r2=1; needs a norm that is not batch.
        norm: of the critics: none, batch or spectral.
        kl: weight of the divergence of conditions.
        augmentation: draw conditions from a Gaussian of the sentence.
        interpolation: also train the generator on means of two sentences.
        colour: weight of the distance of colours of neighbouring sides (stackgan_v2, attngan).
        guide: weight of the matcher's loss in the generator's (attngan, stackgan_v2).
        condition: length of a condition.
        noise: length of the noise.
        width: channels of the generator's last map; earlier ones have more.
        critic_width: channels of the critic's first map; later ones have more.
        g_lr: Adam's rate of generators.
        d_lr: Adam's rate of critics.
        beta1: of both.
        match_lr: of encoder and matcher.
        halve_every: steps of a stage after which its rates are halved, again and again; 0 = never.
        average: decay of the generators' weight average, which draws all pictures.
        clip: greatest gradient norm.
        precision: no or bf16.
        evaluate_every: rounds between two measurements, on sentences that the result does not use.
        judged: pictures of a measurement.
    """

    data: str
    captions: str | None = None
    size: int = 6000
    alias: str = "stackgan"
    side: int = 32
    small: int = 0
    encoder: str = "gru"
    features: int = 64
    longest: int = 0
    match_rounds: int = 35
    rounds: int = 250
    refine_rounds: int = 100
    steps: int = 20
    batch: int = 64
    matching: bool = True
    near_misses: bool = False
    candidates: int = 1
    projection: bool = False
    augment: str = ""
    loss: str | None = None
    penalty: str | None = None
    norm: str | None = None
    kl: float | None = None
    augmentation: bool | None = None
    interpolation: bool | None = None
    colour: float = 0.0
    guide: float | None = None
    condition: int = 32
    noise: int = 16
    width: int = 16
    critic_width: int = 32
    g_lr: float | None = None
    d_lr: float | None = None
    beta1: float | None = None
    match_lr: float = 2e-3
    halve_every: int = 0
    average: float = 0.995
    clip: float = 10.0
    precision: str = "no"
    evaluate_every: int = 25
    judged: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("alias", self.alias, list(ALIASES))
        for name, value in ALIASES[self.alias].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        options.check_choice("loss", str(self.loss), losses.__all__)
        options.check_choice("norm", str(self.norm), NORMS)
        options.check_choice("precision", self.precision, ("no", "bf16"))
        make_penalty(str(self.penalty))
        augment(torch.zeros(1, 3, 8, 8), self.augment)
        if self.penalty and self.norm == "batch":
            raise UserError(
                f"--penalty {self.penalty} is the slope of one picture's logit, and --norm batch "
                "mixes pictures; choose --norm none or --norm spectral"
            )
        options.check_least(self, 1, "size", "steps", "evaluate_every", "condition", "noise")
        options.check_least(self, 1, "candidates")
        if self.near_misses and (self.data != SHAPES or not self.matching or self.candidates > 1):
            raise UserError(
                "--near_misses are wrong sentences of shapes: use it with --data shapes, "
                "--matching true and --candidates 1, or leave it out"
            )
        options.check_least(self, 1, "width", "critic_width", "features", "rounds")
        options.check_least(self, 2, "batch", "judged")
        options.check_least(self, 0, "match_rounds", "refine_rounds", "longest", "kl", "small")
        options.check_least(self, 0, "halve_every")
        options.check_above_zero(self, "g_lr", "d_lr", "match_lr", "clip")
        for name in ("beta1", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it must be in [0, 1)")
        self._check_sides()
        self._check_tree()
        self._check_encoder()

    def _check_sides(self) -> None:
        for name in ("side", "small"):
            value = getattr(self, name)
            if value and (value < 8 or value & (value - 1)):
                raise UserError(f"--{name} {value}: it must be a power of two, at least 8")
        if not self.side:
            raise UserError("--side 0: it must be a power of two, at least 8")
        own = (self.small, self.norm != "none", self.augmentation, self.projection)
        if self.alias == "dfgan" and any(own):
            raise UserError(
                "--alias dfgan has one stage, no norm, no augmentation and no projection; leave "
                "out --small, --norm, --augmentation and --projection"
            )
        if self.small >= self.side:
            raise UserError(f"--small {self.small} must be below --side {self.side}")

    def _check_tree(self) -> None:
        self.guide = self.guide or 0.0
        options.check_least(self, 0, "colour", "guide")
        if self.is_tree:
            if self.interpolation:
                raise UserError(
                    f"--alias {self.alias} has no interpolated sentences; leave --interpolation "
                    "out or choose stackgan or gan_int_cls"
                )
            if self.small == 0 and self.side < 16:
                raise UserError(f"--side {self.side}: --alias {self.alias} needs at least 16")
            return
        for name in ("colour", "guide"):
            if getattr(self, name):
                raise UserError(
                    f"--{name} is of generators of several sides; leave it out or choose "
                    "--alias stackgan_v2 or attngan"
                )

    def _check_encoder(self) -> None:
        if self.encoder in ("gru", "char"):
            if self.features % 2:
                raise UserError(f"--features {self.features}: it must be even")
            if not self.match_rounds:
                raise UserError(
                    f"--match_rounds 0 leaves --encoder {self.encoder} untrained; use minilm or "
                    "train it"
                )

    @property
    def is_tree(self) -> bool:
        """Whether one generator draws pictures of every side at once."""
        return self.alias in ("stackgan_v2", "attngan")

    @property
    def stages(self) -> int:
        """Stages that are trained one after the other."""
        return 2 if self.small and self.refine_rounds and not self.is_tree else 1

    @property
    def tokens(self) -> int:
        """Tokens the encoder reads at most."""
        return self.longest or ENCODERS.get(self.encoder, 48)


HINGE: dict[str, Any] = {"loss": "hinge", "norm": "none", "kl": 0.2, "beta1": 0.0}
FAST: dict[str, Any] = {"g_lr": 1e-3, "d_lr": 1e-3}
# "small": any small set of 32 pixels. "shapes": the same with what only shapes have, wrong
# sentences that miss by one attribute, and critics that multiply. "pictures": a few thousand
# pictures of 64 pixels. "emoji": the same, small and with pictures that differ much, meant for one
# hour of a GPU. "paper": 600 epochs of CUB's 8,855 pictures in batches of 64, rates halved every 50
# epochs.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "data": "shapes",
        **HINGE,
        **FAST,
        "candidates": 8,
        "halve_every": 1400,
        "rounds": 200,
    },
    "shapes": {
        "data": "shapes",
        **HINGE,
        **FAST,
        "candidates": 1,
        "near_misses": True,
        "projection": True,
        "halve_every": 1500,
        "rounds": 250,
    },
    "pictures": {
        "side": 64,
        "small": 32,
        "features": 128,
        "condition": 64,
        "noise": 32,
        "width": 32,
        "critic_width": 64,
        **HINGE,
        "g_lr": 4e-4,
        "d_lr": 4e-4,
        "match_rounds": 150,
        "rounds": 1500,
        "refine_rounds": 1500,
        "halve_every": 12_000,
    },
    "emoji": {
        "side": 64,
        "small": 32,
        "features": 128,
        "condition": 64,
        "noise": 32,
        **HINGE,
        **FAST,
        "candidates": 8,
        "projection": True,
        "augment": "translation,cutout",
        "match_rounds": 30,
        "rounds": 2000,
        "refine_rounds": 2000,
        "halve_every": 13_000,
        "evaluate_every": 50,
    },
    "paper": {
        "side": 256,
        "small": 64,
        "features": 1024,
        "condition": 128,
        "noise": 100,
        "width": 64,
        "critic_width": 64,
        "match_rounds": 200,
        "rounds": 4140,
        "refine_rounds": 4140,
        "halve_every": 6900,
        "average": 0.0,
    },
    "tiny": {
        "data": "shapes",
        "size": 64,
        "side": 32,
        "small": 16,
        "features": 8,
        "match_rounds": 1,
        "rounds": 2,
        "refine_rounds": 2,
        "steps": 2,
        "batch": 8,
        "condition": 4,
        "noise": 4,
        "width": 4,
        "critic_width": 4,
        "evaluate_every": 1,
        "judged": 8,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}

"""Options of translation runs: what every paper shares, and parts that a paper takes or leaves."""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.data.domains import KINDS
from image_core.data.pictures import FITS
from image_core.nets.layers import NORMS
from image_core.runs import options
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.papers import Papers
from image_core.runs.penalties import make_penalty
from image_core.runs.shared_options import AdamDecays, PrecisionOptions, ShardOptions

EXTRACTORS = ("auto", "clf", "pixels", "efflite0")
"""Names of features; auto is clf where labels are known, else pixels."""
OWN_NORMS = tuple(norm for norm in NORMS if norm != "virtual")
"""Norms of networks without a reference batch."""


@dataclass(kw_only=True)
class TranslateOptions(PrecisionOptions, ShardOptions):
    """Domains, training and evaluation.

    Rates are such that pictures of 16 to 32 pixels are translated after 1,000 rounds, not after
    100,000; the papers' are mostly 2e-4.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own, as in
            mypackage.mygan.
        data: The pictures that --domains makes two domains of, as `seqgan train image` reads them.
        domains: Domains A and B that are made of --data: edges (outlines and pictures), negative,
            rotation (by 90 degrees), colours (grey, and in an ink drawn for each), blocks (means of
            4x4 pixels), small (a quarter of the side), same, mosaics (label maps of 2x2 objects,
            and the objects) or objects (on a textured ground, and their masks).
        a: Pictures of domain A: a folder or zip, an IDX, .npz, .npy or .parquet file, or OWNER/NAME
            of a data set; with --b, in place of --domains.
        b: Pictures of domain B, likewise; pairs have equal names, or rows in arrays.
        pairs: Folder or zip of pictures with A on the left and B on the right, or an .npz of arrays
            a and b, in place of --domains.
        swap: Whether A and B are exchanged, however they are given.
        valid: Pictures that the log measures with, named like --data or --pairs; beside --a and --b
            two places with a comma between; those of the data, or a tenth of every class, drawn by
            the split seed, when left out.
        test: Pictures that the report measures with, likewise.
        split_seed: Seed of the draws of pictures to measure with, equal ones in one set, and of
            what --domains draws.
        size: Side of the pictures; 0 = that of the data, rounded up to a power of two.
        fit: What is done to pictures that are no squares: crop (to the middle), pad (with white) or
            stretch.
        channels: Colours of the pictures, 1 or 3; 0 = those of the data.
        strict: Whether one unreadable picture of a folder is refused.
        batch: Pictures of either domain in a step.
        rounds: Number of rounds: steps of the generator, then of the discriminator.
        g_lr: Learning rate of the generators.
        d_lr: Learning rate of the discriminators.
        decay_from: Share of the rounds after which the rates fall linearly to 0; at 1 they do not.
        max_grad_norm: Greatest norm of each player's gradient; longer gradients are scaled down.
        evaluate_every: Rounds between two grids of translations.
        eval_samples: Most pictures that the scores use.
        extractor: Features that the Frechet distance reads: auto (clf where labels are known, else
            pixels), clf, pixels or efflite0.
        compile: Whether each network becomes a graph by torch.compile; the first rounds take half a
            minute, the others less. It goes without --penalty and spectral norm.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    data: str = "digits"
    domains: str = "edges"
    a: str | None = None
    b: str | None = None
    pairs: str | None = None
    swap: bool = False
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    size: int = 0
    fit: str = "crop"
    channels: int = 0
    strict: bool = False
    batch: int = 32
    rounds: int = 1_000
    g_lr: float = 5e-4
    d_lr: float = 5e-4
    decay_from: float = 1.0
    max_grad_norm: float | None = None
    evaluate_every: int = 250
    eval_samples: int = 1_000
    extractor: str = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "size", "split_seed")
        options.check_least(self, 1, "batch", "rounds", "evaluate_every")
        options.check_least(self, 10, "eval_samples")
        options.check_above_zero(self, "g_lr", "d_lr", "decay_from")
        if self.max_grad_norm is not None:
            options.check_above_zero(self, "max_grad_norm")
        if self.decay_from > 1:
            raise UserError(f"--decay_from {self.decay_from}: it is a share, at most 1")
        options.check_choice("domains", self.domains, KINDS)
        options.check_choice("extractor", self.extractor, EXTRACTORS)
        options.check_choice("fit", self.fit, tuple(FITS))
        if self.channels not in (0, 1, 3):
            raise UserError(f"--channels {self.channels}: choose 1 or 3, or 0 for the data's own")
        if (self.a is None) != (self.b is None):
            raise UserError("--a and --b belong together: the pictures of either domain")
        if self.a is not None and self.pairs is not None:
            raise UserError("--pairs holds both domains; leave out --a and --b")

    def learns_pairs(self) -> bool:
        """Whether training shows picture i of A with picture i of B."""
        return True

    def masks(self) -> bool:
        """Whether B is masks of the objects in A."""
        return False


@dataclass(kw_only=True)
class AdamOfAll(AdamDecays, TranslateOptions):
    """Translation by players that learn by Adam."""


@dataclass(kw_only=True)
class PatchOptions(TranslateOptions):
    """Discriminator.

    Args:
        d_steps: Optimizer steps of each discriminator in a round.
        d_width: Channels of the first layer of a discriminator; 64 in the papers.
        patch_layers: Strided layers of a discriminator: a logit sees 1, 16, 34 or 70 pixels with 0
            to 3 of them.
        norm: Norm of the discriminators: none, batch, layer, instance, pixel, spectral, weight or
            equalised.
    """

    d_steps: int = 1
    d_width: int = 24
    patch_layers: int = 1
    norm: str = "instance"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "d_steps", "d_width")
        options.check_least(self, 0, "patch_layers")
        options.check_choice("norm", self.norm, OWN_NORMS)


@dataclass(kw_only=True)
class AdversarialOptions(PatchOptions):
    """Loss and penalty of the discriminators.

    Args:
        loss: Adversarial loss, see `seqgan list losses`; those that begin with f_ are of f-GAN.
            Your own: module:name.
        penalty: Gradient penalties of the discriminators, as in r1=10 or gradient_penalty=10.
        scales: Discriminators of the picture, of its half, of its quarter and so on.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    loss: str = "non_saturating"
    penalty: str = ""
    scales: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, CONTINUOUS)
        options.check_least(self, 1, "scales")
        if make_penalty(self.penalty) is not None and self.compile:
            raise UserError(
                f"--compile with --penalty {self.penalty}: torch differentiates a compiled network "
                "once, and a penalty does so twice; leave out one of them"
            )
        if make_penalty(self.penalty) is not None and self.norm == "batch":
            raise UserError(
                f"--norm batch with --penalty {self.penalty}: batch norm mixes the pictures of a "
                "batch, and the penalty reads the slope of each alone; use --norm instance, layer "
                "or none"
            )


@dataclass(kw_only=True)
class UNetOptions(TranslateOptions):
    """U-Net generator.

    Args:
        g_width: Channels of the first layer of a generator; 64 in the papers.
        levels: Halvings of the U-Net; the side of the pictures is a multiple of 2^levels.
        dropout: Probability of dropout in the inner layers of the decoder. It is the generator's
            noise and stays on after training.
        generator_norm: Norm of the generators, one of those of --norm.
    """

    g_width: int = 24
    levels: int = 3
    dropout: float = 0.2
    generator_norm: str = "instance"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "g_width", "levels")
        options.check_below_one(self, "dropout")
        options.check_choice("generator_norm", self.generator_norm, OWN_NORMS)


@dataclass(kw_only=True)
class TranslatorOptions(TranslateOptions):
    """Residual generator.

    Args:
        g_width: Channels of the first layer of a generator; 64 in the papers.
        halvings: Strided convolutions; the side of the pictures is a multiple of 2^halvings.
        blocks: Residual blocks.
        generator_norm: Norm of the generators, one of those of --norm.
    """

    g_width: int = 16
    halvings: int = 1
    blocks: int = 2
    generator_norm: str = "instance"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "g_width")
        options.check_least(self, 0, "halvings", "blocks")
        options.check_choice("generator_norm", self.generator_norm, OWN_NORMS)


@dataclass(kw_only=True)
class PairedOptions(AdversarialOptions):
    """Pairs.

    Args:
        adversarial: Weight of the adversarial term of the generator.
        reconstruction: Weight of the generator's distance from the true picture.
        feature_matching: Weight of the distance of the discriminators' features of translations
            from those of the true pictures; 40 for the 10 of pix2pixHD, which multiplies by 4.
    """

    adversarial: float = 1.0
    reconstruction: float = 100.0
    feature_matching: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "adversarial", "reconstruction", "feature_matching")


@dataclass(kw_only=True)
class CycleOptions(AdversarialOptions):
    """Round trips.

    Args:
        adversarial: Weight of the adversarial terms of the generators.
        cycle: Weight of the distance of a round trip from where it began.
        identity: Weight of the distance of a picture from its translation into its own domain.
        pool: Earlier translations of either domain that its discriminator still sees; 0 = none.
    """

    adversarial: float = 1.0
    cycle: float = 10.0
    identity: float = 0.0
    pool: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "adversarial", "cycle", "identity", "pool")

    def learns_pairs(self) -> bool:
        return False


@dataclass(kw_only=True)
class JointOptions(AdamOfAll):
    """Codes.

    Args:
        loss: Adversarial loss, see `seqgan list losses`, of which the discriminator's side is used.
            Your own: module:name.
        d_steps: Optimizer steps of the discriminator in a round.
        latent: Size of a code.
        prior: Distribution of codes, normal or uniform.
        width: Channels of the networks, as a multiple of DCGAN's.
    """

    domains: str = "same"
    g_lr: float = 2e-4
    d_lr: float = 2e-4
    loss: str = "non_saturating"
    d_steps: int = 1
    latent: int = 32
    prior: str = "normal"
    width: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, CONTINUOUS)
        options.check_least(self, 1, "d_steps", "latent")
        options.check_above_zero(self, "width")
        options.check_choice("prior", self.prior, ("normal", "uniform"))


PAPERS = Papers(
    "image_core.recipes.translate.papers", "pix2pix", shared=TranslateOptions, own=TranslateOptions
)

PRESETS: dict[str, dict[str, Any]] = {
    "digits": {},
    "shapes": {"data": "shapes"},
    "tiny": {
        "batch": 6,
        "rounds": 3,
        "evaluate_every": 2,
        "eval_samples": 20,
        "extractor": "pixels",
        "save_seconds": 0.0,
        "device": "cpu",
        "g_width": 3,
        "d_width": 3,
        "pool": 8,
        "width": 0.06,
        "latent": 4,
    },
}

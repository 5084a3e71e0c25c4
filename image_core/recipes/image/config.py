"""Options of image runs: what every paper shares, and parts that a paper takes or leaves."""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import logistic_d
from image_core.data.pictures import FITS
from image_core.nets import augment
from image_core.nets.discriminators import MINIBATCH
from image_core.nets.layers import NORMS
from image_core.nets.resnet import Ablation
from image_core.recipes.image.measure import EXTRACTORS
from image_core.runs import options
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.papers import Papers
from image_core.runs.penalties import Terms, parse_penalties
from image_core.runs.shared_options import AdamDecays, PrecisionOptions, ShardOptions

ARCHITECTURES = ("dcgan", "sndcgan", "resnet_cifar", "resnet19")


@dataclass(kw_only=True)
class ImageOptions(PrecisionOptions, ShardOptions):
    """Images, training and evaluation.

    Rates are such that images of 16 to 32 pixels come out in 2,000 rounds, not in 100,000; the
    papers' are mostly 2e-4 and 1e-4 for both players.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own, as in
            mypackage.mygan.
        data: The images: digits, shapes, a folder or zip of pictures, of class folders or of train
            and test folders, an IDX, .npz, .npy or .parquet file, or OWNER/NAME of a data set.
        labels: File of labels: IDX or .npy beside arrays, or a table of pictures and labels beside
            a folder or zip.
        valid: Images that the log measures with, named like --data; those of the data, or a tenth
            of every class, drawn by the split seed, when left out.
        test: Images that the report measures with, named like --data; those of the data, or a
            tenth of every class, drawn by the split seed, when left out.
        split_seed: Seed of the draw of the images to measure with; equal ones stay in one set.
        size: Side of the images, a power of two, or with most architectures 5 to 7 times one, such
            as 28 and 48; 0 = that of the data, rounded up to a power of two.
        fit: What is done to images that are no squares: crop (to the middle), pad (with white) or
            stretch.
        channels: Colours of the images, 1 or 3; 0 = those of the data.
        strict: Whether one unreadable picture of a folder is refused.
        batch: Images of a step.
        rounds: Number of rounds: discriminator steps, then one generator step.
        d_steps: Optimizer steps of the discriminator in a round.
        g_lr: Learning rate of the generator.
        d_lr: Learning rate of the discriminator.
        max_grad_norm: Greatest norm of each player's gradient; longer gradients are scaled down.
        ema_decay: Decay of the average of the generator's weights that is sampled and measured; at
            0 the last weights are.
        evaluate_every: Rounds between two grids of samples.
        eval_samples: Most images of either kind that the scores use.
        extractor: Features that the scores read: auto (clf where labels are known, else pixels),
            clf, pixels, efflite0 or inception.
        inception: File of FID's own weights, for --extractor inception.
        channels_last: Whether images and weights lie in memory as a GPU's bfloat16 convolutions
            like them.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    data: str = "digits"
    labels: str | None = None
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    size: int = 0
    fit: str = "crop"
    channels: int = 0
    strict: bool = False
    batch: int = 64
    rounds: int = 2_000
    d_steps: int = 1
    g_lr: float = 1e-3
    d_lr: float = 2e-4
    max_grad_norm: float | None = None
    ema_decay: float = 0.995
    evaluate_every: int = 250
    eval_samples: int = 1_000
    extractor: str = "auto"
    inception: str | None = None
    channels_last: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "size", "split_seed")
        options.check_least(self, 1, "rounds", "d_steps", "evaluate_every")
        options.check_least(self, 2, "batch")
        options.check_least(self, 10, "eval_samples")
        options.check_above_zero(self, "g_lr", "d_lr")
        if self.max_grad_norm is not None:
            options.check_above_zero(self, "max_grad_norm")
        options.check_below_one(self, "ema_decay")
        options.check_choice("extractor", self.extractor, EXTRACTORS)
        options.check_choice("fit", self.fit, tuple(FITS))
        if self.channels not in (0, 1, 3):
            raise UserError(f"--channels {self.channels}: choose 1 or 3, or 0 for the data's own")
        if (self.inception is None) == (self.extractor == "inception"):
            raise UserError("--extractor inception and --inception FILE belong together")


def check_left_out(config: Any, *names: str) -> None:
    """Refuse terms that a paper with steps of its own does not read.

    Args:
        config: Holds the options.
        names: Names of the options.

    Raises:
        UserError: Names the option.
    """
    for name in names:
        if getattr(config, name):
            raise UserError(
                f"--{name} {getattr(config, name)}: --paper {config.paper} has steps of its own, "
                f"which know nothing of it; leave out --{name}"
            )


@dataclass(kw_only=True)
class AdamOptions(AdamDecays, ImageOptions):
    """Images by players that learn by Adam."""


@dataclass(kw_only=True)
class LatentOptions(ImageOptions):
    """Networks.

    Args:
        latent: Size of z.
        prior: Distribution of z, normal or uniform.
        width: Channels of the networks, as a multiple of the published ones.
        norm: Norm of the discriminator: none, batch, layer, instance, virtual, pixel, spectral,
            weight or equalised.
    """

    latent: int = 64
    prior: str = "normal"
    width: float = 0.25
    norm: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "latent")
        options.check_above_zero(self, "width")
        options.check_choice("prior", self.prior, ("normal", "uniform"))
        options.check_choice("norm", self.norm, NORMS)


@dataclass(kw_only=True)
class ArchitectureOptions(LatentOptions):
    """Architecture.

    Args:
        arch: Architecture of the networks: dcgan, sndcgan, resnet_cifar or resnet19.
        ablation: Changes of the residual nets, with commas: skip, narrow, optimised, sum_pool,
            tanh, eps.
    """

    arch: str = "dcgan"
    ablation: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("arch", self.arch, ARCHITECTURES)
        self.ablations()

    def ablations(self) -> Ablation:
        """The changes named by --ablation.

        Raises:
            UserError: One is unknown, or the architecture has none.
        """
        named = [n for n in self.ablation.split(",") if n]
        for name in named:
            options.check_choice("ablation", name, tuple(Ablation.__dataclass_fields__))
        if named and not self.arch.startswith("resnet"):
            raise UserError(f"--ablation is for --arch resnet_cifar and resnet19, not {self.arch}")
        return Ablation(**dict.fromkeys(named, True))


@dataclass(kw_only=True)
class GeneratorNormOptions(ArchitectureOptions):
    """Generator.

    Args:
        generator_norm: Norm of the generator, one of those of --norm.
    """

    generator_norm: str = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("generator_norm", self.generator_norm, NORMS)


@dataclass(kw_only=True)
class AutoencoderOptions(LatentOptions):
    """Autoencoder.

    Args:
        bottleneck: Size of the code of the discriminator's autoencoder.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    bottleneck: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "bottleneck")
        if self.norm == "virtual":
            raise UserError(
                "--norm virtual: this paper's discriminator is an autoencoder, which has no place "
                "for a reference batch; use another norm, or a paper of logits as dcgan"
            )


@dataclass(kw_only=True)
class TrunkOptions(ArchitectureOptions):
    """Discriminator.

    Args:
        minibatch: Features that tell how much the images of a batch differ: none, std or
            discrimination.
    """

    minibatch: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("minibatch", self.minibatch, MINIBATCH)


@dataclass(kw_only=True)
class LogitOptions(TrunkOptions):
    """Loss, penalties and tricks of a discriminator with logits.

    Args:
        norm: Norm of the discriminator: auto (batch; layer with a gradient penalty), none, batch,
            layer, instance, virtual, pixel, spectral, weight or equalised.
        loss: Adversarial loss, see `seqgan list losses`; those that begin with f_ are of f-GAN.
            Your own: module:name.
        penalty: Penalties of the discriminator, as in r1=10 or gradient_penalty=10,l2=0.01:
            gradient penalties, l2, orthogonal, consistency (of --augment), look_ahead, consensus.
        lazy: Rounds between two steps of the gradient penalty alone, so many times as strong; 0
            takes it in each discriminator step.
        weight_clip: Bound of each weight of the discriminator.
        feature_matching: Weight of matched features in the generator's loss.
        historical_averaging: Weight of either player's distance from the mean of its past.
        noise: Standard deviation of instance noise at the start; it falls to 0 over half the
            rounds.
        anneal: Factor of the gradient penalty at the end; it starts at 1.
        augment: Random changes of all images that the discriminator sees, with commas: colour,
            translation, cutout.
        real_target: Target of a logistic discriminator on real images; 0.9 smooths one side.
        drift: Weight of the squared logits of real images.
        compile: Whether each step's networks become one graph by torch.compile, penalties inside;
            it starts slowly.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    norm: str = "auto"
    loss: str = "non_saturating"
    penalty: str = ""
    lazy: int = 0
    weight_clip: float | None = None
    feature_matching: float = 0.0
    historical_averaging: float = 0.0
    noise: float = 0.0
    anneal: float = 1.0
    augment: str = ""
    real_target: float = 1.0
    drift: float = 0.0
    compile: bool = False

    def __post_init__(self) -> None:
        if self.norm == "auto":  # where samples meet, no slope is one sample's own
            self.norm = "layer" if self.terms().slopes else "batch"
        super().__post_init__()
        make_loss(self.loss, CONTINUOUS)
        options.check_least(self, 0, "lazy", "noise", "drift")
        options.check_least(self, 0, "feature_matching", "historical_averaging")
        options.check_above_zero(self, "anneal")
        for name in filter(None, self.augment.split(",")):
            options.check_choice("augment", name, augment.__all__)
        if self.weight_clip is not None:
            options.check_above_zero(self, "weight_clip")
        if not 0 < self.real_target <= 1:
            raise UserError(f"--real_target {self.real_target}: it lies in (0, 1]")
        self._check_slopes(self.terms())
        self._check_logistic(self.terms())
        self._check_compiled(self.terms())

    def terms(self) -> Terms:
        """The terms of --penalty."""
        return parse_penalties(self.penalty)

    def _check_slopes(self, terms: Terms) -> None:
        """What contradicts a gradient penalty, or needs one."""
        if terms.consistency and not self.augment:
            raise UserError("--penalty consistency compares augmented images; name an --augment")
        if not terms.slopes:
            if self.lazy:
                raise UserError("--lazy needs a gradient penalty to delay, as in --penalty r1=10")
            if self.anneal != 1:
                raise UserError("--anneal needs a gradient penalty to scale, as in --penalty r1=10")
            return
        name = terms.slopes[0][0]
        if self.norm == "batch":
            raise UserError(
                f"--norm batch with --penalty {name}: batch norm mixes the samples of a batch, and "
                "the penalty reads the slope of each alone; use --norm layer, spectral or none"
            )
        if self.minibatch != "none":
            raise UserError(
                f"--minibatch {self.minibatch} with --penalty {name}: the discriminator compares "
                "the samples of a batch, and the penalty reads the slope of each alone; leave one "
                "of them out"
            )

    def _check_logistic(self, terms: Terms) -> None:
        """What is derived for logistic discriminators."""
        if make_loss(self.loss, CONTINUOUS).d is logistic_d:
            return
        if any(name == "js_reg" for name, _ in terms.slopes):
            raise UserError(
                f"--penalty js_reg with --loss {self.loss}: its weights are those of a logistic "
                "discriminator; use --loss non_saturating or minimax, or --penalty r1"
            )
        if self.real_target < 1:
            raise UserError(
                f"--real_target {self.real_target} with --loss {self.loss}: only a logistic "
                "discriminator has a target to smooth; use --loss non_saturating or minimax"
            )

    def _check_compiled(self, terms: Terms) -> None:
        if self.compile and (terms.coupling is not None or self.feature_matching):
            raise UserError(
                "--compile goes with neither --penalty look_ahead or consensus nor "
                "--feature_matching, which take the discriminator apart; leave out one of them"
            )


@dataclass(kw_only=True)
class AnyLossOptions(ImageOptions):
    """Loss.

    Args:
        loss: Adversarial loss, see `seqgan list losses`; those that begin with f_ are of f-GAN.
            Your own: module:name.
    """

    loss: str = "non_saturating"

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, CONTINUOUS)


@dataclass(kw_only=True)
class AdamLogitOptions(AdamOptions, LogitOptions):
    """Discriminator with logits that learns by Adam."""


@dataclass(kw_only=True)
class PlainOptions(GeneratorNormOptions, LogitOptions):
    """Image GAN of logits."""


@dataclass(kw_only=True)
class AdamPlainOptions(AdamLogitOptions, PlainOptions):
    """Image GAN of logits that learns by Adam."""


PAPERS = Papers("image_core.recipes.image.papers", "sngan", shared=ImageOptions, own=ImageOptions)

STUDY = {"arch": "sndcgan", "g_lr": 2e-4, "d_lr": 2e-4}
"""What the preset "study" makes of a paper's architecture and rates (Kurach et al. 2019)."""

PRESETS: dict[str, dict[str, Any]] = {
    "digits": {},
    "shapes": {"data": "shapes", "rounds": 3_000},
    "study": {
        **STUDY,
        "width": 1.0,
        "latent": 128,
        "prior": "uniform",
        "rounds": 40_000,
        "ema_decay": 0.0,
    },
    "paper": {
        "width": 1.0,
        "latent": 128,
        "g_lr": 2e-4,
        "d_lr": 2e-4,
        "rounds": 100_000,
        "evaluate_every": 5_000,
        "eval_samples": 10_000,
        "ema_decay": 0.0,
    },
    "tiny": {
        "width": 0.06,
        "latent": 4,
        "batch": 8,
        "rounds": 4,
        "evaluate_every": 2,
        "eval_samples": 40,
        "extractor": "pixels",
        "save_seconds": 0.0,
        "device": "cpu",
    },
}

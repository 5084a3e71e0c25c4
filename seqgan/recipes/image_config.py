"""Options of the image recipe: what each game brings along, and which parts contradict others."""

import math
from dataclasses import dataclass
from typing import Any

from image_core.adversarial import divergences, fgan, losses, penalties, regularizers
from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import AdversarialLoss, logistic_d
from image_core.games.plain import Coupling
from image_core.nets.layers import NORMS
from image_core.nets.resnet import Ablation
from seqgan.recipes import options
from seqgan.recipes.base import RunConfig

LOSSES: dict[str, AdversarialLoss] = {
    **{n: getattr(losses, n) for n in losses.__all__},
    **{n: getattr(fgan, n) for n in fgan.__all__},
    **{n: getattr(divergences, n) for n in ("boundary", "boundary_normalised")},
}
"""Losses by name: the plain ones, those of f-GAN, and boundary seeking for continuous samples."""

COUPLINGS = ("look_ahead", "consensus")
PENALTIES = (*penalties.__all__, *regularizers.__all__, "consistency", *COUPLINGS)
ARCHITECTURES = ("dcgan", "sndcgan", "resnet_cifar", "resnet19")
ENERGY = ("ebgan", "began", "magan", "loss_sensitive")
LABELLED = ("cgan", "projection", "acgan", "semi_supervised")

_PLAIN: dict[str, Any] = {
    "loss": "non_saturating",
    "penalty": "",
    "norm": "batch",
    "arch": "dcgan",
    "critic_steps": 1,
    "optimizer": "adam",
    "generator_lr": 1e-3,
    "critic_lr": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
}
_ENERGY = {**_PLAIN, "loss": "own", "norm": "none"}
_CRITIC = {"norm": "none", "generator_lr": 1e-3, "critic_lr": 1e-3}

GAMES: dict[str, dict[str, Any]] = {
    "dcgan": _PLAIN,
    "lsgan": {**_PLAIN, "loss": "least_squares"},
    "wgan": {
        **_PLAIN,
        "loss": "wasserstein",
        "critic_steps": 5,
        "optimizer": "rmsprop",
        "generator_lr": 5e-5,
        "critic_lr": 5e-5,
        "clip": 0.01,
    },
    "wgan_gp": {
        **_PLAIN,
        **_CRITIC,
        "loss": "wasserstein",
        "penalty": "interpolated=10",
        "critic_steps": 5,
        "beta1": 0.0,
        "beta2": 0.9,
    },
    "wgan_lp": {
        **_PLAIN,
        **_CRITIC,
        "loss": "wasserstein",
        "penalty": "lipschitz=10",
        "critic_steps": 5,
        "beta1": 0.0,
        "beta2": 0.9,
    },
    "dragan": {**_PLAIN, **_CRITIC, "penalty": "dragan=10", "beta2": 0.9},
    "sngan": {
        **_PLAIN,
        "loss": "hinge",
        "norm": "spectral",
        "critic_lr": 4e-4,
        "beta1": 0.0,
        "beta2": 0.9,
    },
    "f_gan": {**_PLAIN, "loss": "f_kullback_leibler"},
    "r3gan": {
        **_PLAIN,
        "loss": "relativistic",
        "penalty": "r1=1,r2=1",
        "norm": "none",
        "critic_lr": 1e-3,
        "beta1": 0.0,
        "beta2": 0.99,
    },
    "ebgan": {**_ENERGY, "generator_lr": 1e-3, "critic_lr": 1e-3},
    "began": {**_ENERGY, "generator_lr": 1e-3, "critic_lr": 1e-3},
    "magan": {**_ENERGY, "optimizer": "adamax", "generator_lr": 5e-4, "critic_lr": 5e-4},
    "loss_sensitive": {**_ENERGY, "norm": "batch"},
    "cgan": _PLAIN,
    "projection": {
        **_PLAIN,
        "loss": "hinge",
        "norm": "spectral",
        "critic_lr": 4e-4,
        "beta1": 0.0,
        "beta2": 0.9,
    },
    "acgan": _PLAIN,
    "semi_supervised": {
        **_PLAIN,
        "loss": "own",
        "norm": "weight",
        "generator_lr": 3e-4,
        "critic_lr": 3e-4,
    },
    "info": _PLAIN,
}
"""Each paper's parts; rates that train images of 16 to 32 pixels in 2,000 rounds, not in 100,000.

Every value is an option; the papers' rates are mostly 2e-4 and 1e-4 for both players.
"""


@dataclass(frozen=True)
class Parts:
    """Terms of --penalty, by what they act on.

    Args:
        slopes: gradient penalties, name and weight.
        weights: regularizers of the critic's weights.
        coupling: of the game's gradients.
        consistency: weight of the augmentation's.
    """

    slopes: tuple[tuple[str, float], ...]
    weights: tuple[tuple[str, float], ...]
    coupling: Coupling | None
    consistency: float


def parse_penalties(text: str) -> Parts:
    """Read "NAME=WEIGHT,NAME=WEIGHT".

    Raises:
        UserError: a name is unknown, a weight is no positive number, or two couplings are named.
    """
    slopes, weights, couplings, consistency = [], [], [], 0.0
    for part in filter(None, text.replace(" ", ",").split(",")):
        name, _, weight = part.partition("=")
        options.check_choice("penalty", name, PENALTIES)
        try:
            value = float(weight) if weight else 10.0
        except ValueError:
            value = math.nan
        if not value > 0 or not math.isfinite(value):
            raise UserError(f"--penalty {part}: the weight must be a positive number, as in r1=10")
        if name in penalties.__all__:
            slopes.append((name, value))
        elif name in regularizers.__all__:
            weights.append((name, value))
        elif name == "consistency":
            consistency = value
        else:
            couplings.append(Coupling("look_ahead" if name == "look_ahead" else "consensus", value))
    if len(couplings) > 1:
        raise UserError("--penalty names look_ahead and consensus; both steer the game, choose one")
    coupling = couplings[0] if couplings else None
    return Parts(tuple(slopes), tuple(weights), coupling, consistency)


@dataclass(kw_only=True)
class Config(RunConfig):
    """An image GAN of any loss, penalty, normalisation and architecture, judged on unseen images.

    What is left out is what the paper of --game chose, see `image_config.GAMES`.

    Args:
        data: digits, shapes, a folder of pictures or of class folders, an IDX or .npz file, gzipped
            or not, or OWNER/NAME of a data set.
        labels: IDX labels of an IDX --data.
        size: side of the images, a power of two; 0 = that of the data, rounded up.
        channels: 1 or 3; 0 = those of the data.
        strict: refuse a folder for one unreadable picture.
        game: dcgan, lsgan, wgan, wgan_gp, wgan_lp, dragan, sngan, f_gan, r3gan, ebgan, began,
            magan, loss_sensitive, cgan, projection, acgan, semi_supervised or info.
        loss: any of `seqgan list losses`; boundary, boundary_normalised; of f-GAN f_alpha, f_gan,
            f_jensen_shannon, f_kullback_leibler, f_neyman, f_pearson, f_reverse_kullback_leibler,
            f_squared_hellinger or f_total_variation.
        penalty: on the critic, as in r1=10 or interpolated=10,l2=0.01: gradient penalties, l2,
            orthogonal, consistency (of --augment), look_ahead, consensus.
        norm: of the critic: none, batch, layer, instance, spectral or weight; with a gradient
            penalty layer stands in for the batch norm of a paper.
        arch: dcgan, sndcgan, resnet_cifar or resnet19; energies of ebgan, began and magan are an
            autoencoder's.
        ablation: of the residual nets, with commas: skip, narrow, optimised, sum_pool, tanh, eps.
        width: times the published channels.
        latent: size of z.
        prior: of z, normal or uniform.
        batch: images of a step.
        rounds: of critic steps and one generator step.
        critic_steps: a round.
        optimizer: adam, rmsprop or adamax.
        generator_lr: its rate.
        critic_lr: its rate.
        beta1: of Adam.
        beta2: of Adam.
        lazy: the gradient penalty has a step of its own each so many rounds, and is so much
            stronger; 0 = in each critic step.
        clip: bound of the critic's weights.
        noise: deviation of instance noise at the start, falling to 0 over half the rounds.
        anneal: what is left of the penalty at the end.
        augment: colour, translation, cutout, with commas, on all that the critic sees.
        real_target: of a logistic critic on real images; 0.9 smooths one side.
        drift: weight of the squared logits of real images.
        margin: of ebgan, in mean squares of pixels.
        gamma: diversity ratio of began.
        balance_rate: of began's k; the paper's 0.001 is for 200,000 rounds, too slow for 2,000.
        distance_scale: of loss_sensitive's margin, in the L1 distance.
        labelled: images whose label semi_supervised sees.
        categories: of info's categorical code.
        codes: how many uniform codes info has.
        average: decay of the weight average that is sampled and judged; 0 = the last weights.
        evaluate_every: rounds between two grids of samples.
        judge_samples: most images of either kind that the scores use.
        extractor: of the scores' features: auto (clf where labels are known, else pixels), clf,
            pixels, efflite0 or inception.
        inception: file of FID's own weights, for --extractor inception.
        precision: no, or bf16 for networks; penalties and losses stay in float32.
    """

    data: str = "digits"
    labels: str | None = None
    size: int = 0
    channels: int = 0
    strict: bool = False
    game: str = "sngan"
    loss: str | None = None
    penalty: str | None = None
    norm: str | None = None
    arch: str | None = None
    ablation: str = ""
    width: float = 0.25
    latent: int = 64
    prior: str = "normal"
    batch: int = 64
    rounds: int = 2_000
    critic_steps: int | None = None
    optimizer: str | None = None
    generator_lr: float | None = None
    critic_lr: float | None = None
    beta1: float | None = None
    beta2: float | None = None
    lazy: int = 0
    clip: float | None = None
    noise: float = 0.0
    anneal: float = 1.0
    augment: str = ""
    real_target: float = 1.0
    drift: float = 0.0
    margin: float = 0.5
    gamma: float = 0.5
    balance_rate: float = 0.05
    distance_scale: float = 1e-2
    labelled: int = 100
    categories: int = 10
    codes: int = 2
    average: float = 0.995
    evaluate_every: int = 250
    judge_samples: int = 1_000
    extractor: str = "auto"
    inception: str | None = None
    precision: str = "no"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("game", self.game, tuple(GAMES))
        given = {n for n in GAMES[self.game] if getattr(self, n) is not None}
        for name, value in GAMES[self.game].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        if "norm" not in given and self.norm == "batch" and self.parts().slopes:
            self.norm = "layer"  # where samples meet, no slope is one sample's own
        self._check_numbers()
        for name, choices in (
            ("norm", NORMS),
            ("arch", ARCHITECTURES),
            ("prior", ("normal", "uniform")),
            ("optimizer", ("adam", "rmsprop", "adamax")),
            ("extractor", ("auto", "clf", "pixels", "efflite0", "inception")),
            ("precision", ("no", "bf16")),
        ):
            options.check_choice(name, getattr(self, name), choices)
        if self.channels not in (0, 1, 3):
            raise UserError(f"--channels {self.channels}: choose 1 or 3, or 0 for the data's own")
        if (self.inception is None) == (self.extractor == "inception"):
            raise UserError("--extractor inception and --inception FILE belong together")
        self.ablations()
        self._check_parts(given)

    def _check_numbers(self) -> None:
        options.check_least(self, 1, "latent", "rounds", "critic_steps", "evaluate_every")
        options.check_least(self, 2, "batch")
        options.check_least(self, 10, "judge_samples")
        options.check_least(self, 0, "size", "lazy", "noise", "drift", "codes", "categories")
        options.check_least(self, 1, "labelled")
        options.check_above_zero(self, "generator_lr", "critic_lr", "width", "anneal", "margin")
        options.check_above_zero(self, "distance_scale", "balance_rate")
        for name in ("beta1", "beta2", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it lies in [0, 1)")
        if self.clip is not None:
            options.check_above_zero(self, "clip")
        if not 0 < self.real_target <= 1:
            raise UserError(f"--real_target {self.real_target}: it lies in (0, 1]")

    def ablations(self) -> Ablation:
        """Those of --ablation.

        Raises:
            UserError: one is unknown, or the architecture has none.
        """
        named = [n for n in self.ablation.split(",") if n]
        for name in named:
            options.check_choice("ablation", name, tuple(Ablation.__dataclass_fields__))
        if named and not str(self.arch).startswith("resnet"):
            raise UserError(f"--ablation is for --arch resnet_cifar and resnet19, not {self.arch}")
        return Ablation(**dict.fromkeys(named, True))

    def parts(self) -> Parts:
        """The terms of --penalty."""
        return parse_penalties(self.penalty or "")

    def _check_parts(self, given: set[str]) -> None:
        parts = self.parts()
        own = self.game in ENERGY or self.game == "semi_supervised"
        if own:
            self._check_own(given, parts)
            return
        options.check_choice("loss", str(self.loss), tuple(LOSSES))
        logistic = LOSSES[str(self.loss)].d is logistic_d
        if parts.slopes and self.norm == "batch":
            name = parts.slopes[0][0]
            raise UserError(
                f"--norm batch with --penalty {name}: batch norm mixes the samples of a batch, and "
                "the penalty reads the slope of each alone; use --norm layer, spectral or none"
            )
        if any(name == "js_reg" for name, _ in parts.slopes) and not logistic:
            raise UserError(
                f"--penalty js_reg with --loss {self.loss}: its weights are those of a logistic "
                "critic; use --loss non_saturating or minimax, or --penalty r1"
            )
        if self.real_target < 1 and not logistic:
            raise UserError(
                f"--real_target {self.real_target} with --loss {self.loss}: only a logistic critic "
                "has a target to smooth; use --loss non_saturating or minimax"
            )
        if self.lazy and not parts.slopes:
            raise UserError("--lazy needs a gradient penalty to delay, as in --penalty r1=10")
        if parts.consistency and not self.augment:
            raise UserError("--penalty consistency compares augmented images; name an --augment")
        if self.game in (*LABELLED, "info"):
            self._check_simple(parts)

    def _check_own(self, given: set[str], parts: Parts) -> None:
        """Games whose loss is their own take no other, nor what belongs to logits."""
        if self.loss != "own" or ("penalty" in given and self.penalty):
            raise UserError(
                f"--game {self.game} has a loss of its own and no logits for --loss or --penalty; "
                "leave them out, or use a plain game as dcgan"
            )
        self._check_simple(parts)

    def _check_simple(self, parts: Parts) -> None:
        if parts.weights or parts.coupling or parts.consistency:
            raise UserError(
                f"--penalty {self.penalty}: --game {self.game} takes gradient penalties alone; "
                "l2, orthogonal, consistency, look_ahead and consensus are for the plain games"
            )
        off = {"lazy": 0, "clip": None, "noise": 0.0, "anneal": 1.0, "augment": ""}
        off |= {"real_target": 1.0, "drift": 0.0}
        for name, value in off.items():
            if getattr(self, name) != value:
                raise UserError(
                    f"--{name} is for the plain games (dcgan, lsgan, wgan, ...), not {self.game}"
                )


PRESETS: dict[str, dict[str, Any]] = {
    "digits": {},
    "shapes": {"data": "shapes", "rounds": 3_000},
    "study": {
        "arch": "sndcgan",
        "generator_lr": 2e-4,
        "critic_lr": 2e-4,
        "width": 1.0,
        "latent": 128,
        "prior": "uniform",
        "rounds": 40_000,
        "average": 0.0,
    },
    "tiny": {
        "width": 0.06,
        "latent": 4,
        "batch": 8,
        "rounds": 4,
        "evaluate_every": 2,
        "judge_samples": 40,
        "extractor": "pixels",
        "save_seconds": 0.0,
        "device": "cpu",
    },
}

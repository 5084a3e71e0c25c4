"""Options of the image recipe: what each game brings along, and which parts contradict others."""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import logistic_d
from image_core.nets.critics import MINIBATCH
from image_core.nets.layers import NORMS
from image_core.nets.resnet import Ablation
from image_core.recipes.image.games import AUTOENCODERS, ENERGY, GAMES, LOSSES
from image_core.runs import options
from image_core.runs.penalties import Terms, parse_penalties
from image_core.runs.recipe import RunConfig

ARCHITECTURES = ("dcgan", "sndcgan", "resnet_cifar", "resnet19")


@dataclass(kw_only=True)
class Config(RunConfig):
    """An image GAN of any loss, penalty, normalisation and architecture, judged on unseen images.

    What is left out is what the paper of --game chose, see `image_games.GAMES`.

    Args:
        data: digits, shapes, a folder of pictures or of class folders, an IDX or .npz file, gzipped
            or not, or OWNER/NAME of a data set.
        labels: IDX labels of an IDX --data.
        size: side of the images, a power of two; 0 = that of the data, rounded up.
        channels: 1 or 3; 0 = those of the data.
        strict: refuse a folder for one unreadable picture.
        game: dcgan, lsgan, wgan, wgan_gp, wgan_lp, dragan, sngan, f_gan, r3gan, ebgan, began,
            magan, loss_sensitive, cgan, projection, acgan, semi_supervised or info.
        loss: any of `seqgan list losses`, f_... are those of f-GAN.
        penalty: on the critic, as in r1=10 or interpolated=10,l2=0.01: gradient penalties, l2,
            orthogonal, consistency (of --augment), look_ahead, consensus.
        norm: of the critic: none, batch, layer, instance, virtual, pixel, spectral, weight or
            equalised; with a gradient penalty layer stands in for the batch norm of a paper.
        generator_norm: of the generator, one of the same.
        minibatch: features of how much a batch differs: none, std or discrimination.
        arch: dcgan, sndcgan, resnet_cifar or resnet19; energies of ebgan, began and magan are an
            autoencoder's.
        ablation: of the residual nets, with commas: skip, narrow, optimised, sum_pool, tanh, eps.
        width: times the published channels.
        latent: size of z; 0 = 64, or for began that of its code, as in the paper.
        bottleneck: size of the code of ebgan's, began's and magan's autoencoder; 0 = 16, so that
            what is no image is redrawn badly, or 64 for ebgan, whose margin sees to that.
        pretrain: rounds in which magan's critic learns to redraw the data, before its margin is
            set; the authors' two epochs are 52 rounds of the digits.
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
        grad_clip: greatest norm of either player's gradient.
        matching: weight of matched features in the generator's loss.
        history: weight of either player's distance from the average of its past.
        noise: deviation of instance noise at the start, falling to 0 over half the rounds.
        anneal: what is left of the penalty at the end.
        augment: colour, translation, cutout, with commas, on all that the critic sees.
        real_target: of a logistic critic on real images; 0.9 smooths one side.
        drift: weight of the squared logits of real images.
        margin: of ebgan, in mean squares of pixels.
        gamma: diversity ratio of began.
        balance_rate: of began's k; the paper's 0.001 is for 200,000 rounds: in 1,000, k stays
            near 0, where no fake costs the critic anything.
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
        channels_last: of images and weights in memory, as a GPU's bfloat16 convolutions like them.
        compile: each step's networks into one graph by torch.compile, penalties inside; games of
            logits only. It starts slowly.
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
    generator_norm: str = "batch"
    minibatch: str = "none"
    arch: str | None = None
    ablation: str = ""
    width: float = 0.25
    latent: int = 0
    bottleneck: int = 0
    pretrain: int = 250
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
    grad_clip: float | None = None
    matching: float = 0.0
    history: float = 0.0
    noise: float = 0.0
    anneal: float = 1.0
    augment: str = ""
    real_target: float = 1.0
    drift: float = 0.0
    margin: float = 0.1
    gamma: float = 0.95
    balance_rate: float = 0.5
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
    channels_last: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("game", self.game, tuple(GAMES))
        given = {n for n in GAMES[self.game] if getattr(self, n) is not None}
        for name, value in GAMES[self.game].items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        if self.bottleneck == 0:
            self.bottleneck = 64 if self.game == "ebgan" else 16
        if self.latent == 0:
            self.latent = self.bottleneck if self.game == "began" else 64
        if "norm" not in given and self.norm == "batch" and self.terms().slopes:
            self.norm = "layer"  # where samples meet, no slope is one sample's own
        self._check_numbers()
        for name, choices in (
            ("norm", NORMS),
            ("generator_norm", NORMS),
            ("minibatch", MINIBATCH),
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
        options.check_least(
            self, 1, "latent", "bottleneck", "pretrain", "rounds", "critic_steps", "evaluate_every"
        )
        options.check_least(self, 2, "batch")
        options.check_least(self, 10, "judge_samples")
        options.check_least(self, 0, "size", "lazy", "noise", "drift", "codes", "categories")
        options.check_least(self, 0, "matching", "history")
        options.check_least(self, 1, "labelled")
        options.check_above_zero(self, "generator_lr", "critic_lr", "width", "anneal", "margin")
        options.check_above_zero(self, "distance_scale", "balance_rate")
        for name in ("beta1", "beta2", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it lies in [0, 1)")
        for name in ("clip", "grad_clip"):
            if getattr(self, name) is not None:
                options.check_above_zero(self, name)
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

    def terms(self) -> Terms:
        """The terms of --penalty."""
        return parse_penalties(self.penalty or "")

    def _check_parts(self, given: set[str]) -> None:
        terms = self.terms()
        self._check_nets()
        if self.game in ENERGY or self.game == "semi_supervised":
            self._check_own(given)
            return
        options.check_choice("loss", str(self.loss), tuple(LOSSES))
        if terms.slopes and self.norm == "batch":
            name = terms.slopes[0][0]
            raise UserError(
                f"--norm batch with --penalty {name}: batch norm mixes the samples of a batch, and "
                "the penalty reads the slope of each alone; use --norm layer, spectral or none"
            )
        if terms.slopes and self.minibatch != "none":
            raise UserError(
                f"--minibatch {self.minibatch} with --penalty {terms.slopes[0][0]}: the critic "
                "compares the samples of a batch, and the penalty reads the slope of each alone; "
                "leave one of them out"
            )
        self._check_logistic(terms)
        if self.lazy and not terms.slopes:
            raise UserError("--lazy needs a gradient penalty to delay, as in --penalty r1=10")
        if terms.consistency and not self.augment:
            raise UserError("--penalty consistency compares augmented images; name an --augment")

    def _check_logistic(self, terms: Terms) -> None:
        """What is derived for logistic critics."""
        if LOSSES[str(self.loss)].d is logistic_d:
            return
        if any(name == "js_reg" for name, _ in terms.slopes):
            raise UserError(
                f"--penalty js_reg with --loss {self.loss}: its weights are those of a logistic "
                "critic; use --loss non_saturating or minimax, or --penalty r1"
            )
        if self.real_target < 1:
            raise UserError(
                f"--real_target {self.real_target} with --loss {self.loss}: only a logistic critic "
                "has a target to smooth; use --loss non_saturating or minimax"
            )

    def _check_nets(self) -> None:
        """Norms that a game's networks have no place for."""
        if self.generator_norm != "batch" and self.game in ("projection", "began"):
            own = "batch norm by class" if self.game == "projection" else "none, as a decoder"
            raise UserError(
                f"--generator_norm {self.generator_norm}: the generator of --game {self.game} has "
                f"a norm of its own ({own}); leave it out"
            )
        if self.game in AUTOENCODERS and (self.norm == "virtual" or self.minibatch != "none"):
            raise UserError(
                f"--game {self.game} has an autoencoder for a critic, which takes neither --norm "
                "virtual nor --minibatch; use them with a game of logits as dcgan"
            )

    def _check_own(self, given: set[str]) -> None:
        """Games whose loss is their own take no other, nor what belongs to logits."""
        if self.loss != "own" or ("penalty" in given and self.penalty):
            raise UserError(
                f"--game {self.game} has a loss of its own and no logits for --loss or --penalty; "
                "leave them out, or use a plain game as dcgan"
            )
        off = {"lazy": 0, "clip": None, "noise": 0.0, "anneal": 1.0, "augment": ""}
        off |= {"real_target": 1.0, "drift": 0.0, "matching": 0.0, "history": 0.0}
        off |= {"compile": False}
        for name, value in off.items():
            if getattr(self, name) != value:
                raise UserError(
                    f"--{name} is for games of logits (dcgan, wgan, cgan, info, ...), not "
                    f"{self.game}"
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
        "pretrain": 2,
        "batch": 8,
        "rounds": 4,
        "evaluate_every": 2,
        "judge_samples": 40,
        "extractor": "pixels",
        "save_seconds": 0.0,
        "device": "cpu",
    },
}

"""What a study tries: combinations of parts, and for each the points of a grid or of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.recipes.image.config import Config
from image_core.runs import options

RATES = (2e-4, 1e-4, 1e-3)
WEIGHTS = (1.0, 10.0)
MOMENTS = ((0.5, 0.9, 5), (0.5, 0.999, 1), (0.5, 0.999, 5), (0.9, 0.999, 5))
"""beta1, beta2 and critic steps of the grid."""

RANGES = {"rate": (1e-5, 1e-2), "weight": (1e-1, 1e2), "l2_weight": (1e-4, 1e1)}
"""Of the search, on a logarithmic scale; beta1 and beta2 run over [0, 1)."""


@dataclass(kw_only=True)
class Design:
    """A study of image GANs: every combination of parts is searched alike.

    Args:
        out: folder of the study; who names one that exists joins it.
        data: of every run, see `seqgan train image`.
        labels: IDX labels of --data.
        size: of the images.
        design: grid (24 points, fewer without a penalty) or search (GP-UCB).
        losses: of the combinations, with commas.
        penalties: of the combinations; none, or names of gradient penalties or l2.
        norms: of the critic.
        archs: of the networks.
        critic_steps: of the search; the grid has its own.
        search_rounds: of the search.
        points: of a round of the search, chosen without each other's results.
        best: points of the search, of all combinations together, that are run with every seed when
            the search has ended.
        seeds: runs of each point of the grid, and of the best of a search.
        rounds: of each run: generator steps.
        width: times the published channels.
        latent: size of z.
        batch: images of a step.
        judge_samples: of the Frechet distance.
        extractor: of its features, see `seqgan train image`.
        storage: of optuna, a database URL that other machines reach too; a file in --out if left
            out.
        most: runs of this worker; 0 = until nothing is left.
        heartbeat: seconds between signs of life; a run silent for three times as long is begun
            again by another worker.
        seed: of everything.
        device: auto, cpu or cuda.
        threads: of torch on the CPU.
    """

    out: str
    data: str = "shapes"
    labels: str | None = None
    size: int = 0
    design: str = "grid"
    losses: str = "non_saturating"
    penalties: str = "none,interpolated"
    norms: str = "none,spectral"
    archs: str = "sndcgan"
    critic_steps: int = 1
    search_rounds: int = 12
    points: int = 10
    best: int = 0
    seeds: int = 5
    rounds: int = 40_000
    width: float = 1.0
    latent: int = 128
    batch: int = 64
    judge_samples: int = 10_000
    extractor: str = "auto"
    storage: str | None = None
    most: int = 0
    heartbeat: int = 60
    seed: int = 0
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        options.check_choice("design", self.design, ("grid", "search"))
        options.check_least(self, 1, "critic_steps", "search_rounds", "points", "seeds", "rounds")
        options.check_least(self, 1, "heartbeat")
        options.check_least(self, 0, "most", "best")
        options.check_seed(self.seed)
        self.combinations()

    def combinations(self) -> list["Combination"]:
        """Those whose parts go together; what the recipe refuses is left out.

        Raises:
            UserError: a name is unknown, or nothing is left.
        """
        lists = [self.losses, self.penalties, self.norms, self.archs]
        named = [[name.strip() for name in text.split(",") if name.strip()] for text in lists]
        found, refused = [], ""
        for parts in product(*named):
            combination = Combination(*parts)
            try:
                self.config(combination, self.grid(combination)[0], "-")
            except UserError as error:
                if not str(error).startswith("--norm batch with"):
                    raise
                refused = str(error)
                continue
            found.append(combination)
        if not found:
            raise UserError(refused or "--losses, --penalties, --norms and --archs name nothing")
        return found

    def grid(self, combination: "Combination") -> list[dict[str, Any]]:
        """Points of the fixed grid; without a penalty its weight does not matter."""
        weights = WEIGHTS if combination.penalty != "none" else WEIGHTS[:1]
        return [
            {"rate": r, "weight": w, "beta1": b1, "beta2": b2, "critic_steps": n}
            for r, w, (b1, b2, n) in product(RATES, weights, MOMENTS)
        ]

    def config(self, parts: "Combination", point: Mapping[str, Any], out: str) -> Config:
        """The run of a point."""
        penalty = "" if parts.penalty == "none" else f"{parts.penalty}={point['weight']:g}"
        return Config(
            out=out,
            data=self.data,
            labels=self.labels,
            size=self.size,
            game="dcgan",
            loss=parts.loss,
            penalty=penalty,
            norm=parts.norm,
            arch=parts.arch,
            width=self.width,
            latent=self.latent,
            prior="uniform",
            batch=self.batch,
            rounds=self.rounds,
            critic_steps=int(point["critic_steps"]),
            generator_lr=float(point["rate"]),
            critic_lr=float(point["rate"]),
            beta1=float(point["beta1"]),
            beta2=float(point["beta2"]),
            average=0.0,
            evaluate_every=self.rounds,
            judge_samples=self.judge_samples,
            extractor=self.extractor,
            seed=self.seed + int(point.get("repeat", 0)),
            device=self.device,
            threads=self.threads,
        )

    def same(self) -> dict[str, Any]:
        """What workers must agree on."""
        own = ("out", "most", "device", "threads", "storage", "heartbeat")
        return {name: value for name, value in asdict(self).items() if name not in own}


@dataclass(frozen=True)
class Combination:
    """One cell of the study.

    Args:
        loss: of the game.
        penalty: of the critic, or none.
        norm: of the critic.
        arch: of both networks.
    """

    loss: str
    penalty: str
    norm: str
    arch: str

    @property
    def name(self) -> str:
        """As tables show it."""
        return "/".join((self.loss, self.penalty, self.norm, self.arch))


@dataclass
class Outcome:
    """What is known of a combination.

    Args:
        name: of the combination.
        scores: one a point, the median over its repeats, low = good.
        repeats: all runs of each point.
        points: parameters of each.
    """

    name: str
    scores: Sequence[float] = field(default_factory=list)
    repeats: Sequence[Sequence[float]] = field(default_factory=list)
    points: Sequence[Mapping[str, Any]] = field(default_factory=list)

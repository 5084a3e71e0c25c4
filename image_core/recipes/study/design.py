"""What a study tries: combinations of parts, and for each the points of a grid or of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.recipes.image.config import PAPERS
from image_core.runs import options

RATES = (2e-4, 1e-4, 1e-3)
WEIGHTS = (1.0, 10.0)
MOMENTS = ((0.5, 0.9, 5), (0.5, 0.999, 1), (0.5, 0.999, 5), (0.9, 0.999, 5))
"""beta1, beta2 and discriminator steps of the grid."""

PAPER = "dcgan"
"""The paper of every run, one of logits and Adam; a point sets what the study varies."""

RANGES = {"rate": (1e-5, 1e-2), "weight": (1e-1, 1e2), "l2_weight": (1e-4, 1e1)}
"""Of the search, on a logarithmic scale; beta1 and beta2 run over [0, 1)."""


@dataclass(kw_only=True)
class Design:
    """A study of image GANs with the same search for every combination of parts.

    Args:
        out: Folder of the study; a process that is given an existing one joins it.
        data: Images of every run, see `seqgan train image`.
        labels: File of labels of --data, see `seqgan train image`.
        valid: Images of the runs' logs, named like --data.
        test: Images that every run is measured with, named like --data.
        split_seed: Seed of the draw of the sets that are not named, the same in every run.
        size: Side of the images; 0 = that of the data, rounded up.
        design: How points are chosen: grid (24 points, fewer without a penalty) or search (GP-UCB).
        losses: Losses of the combinations, with commas.
        penalties: Penalties of the combinations: none, or names of gradient penalties or l2.
        norms: Norms of the discriminator.
        archs: Architectures of the networks.
        d_steps: Optimizer steps of the discriminator in a round of the search's runs; the grid has
            its own.
        search_rounds: Rounds of the search.
        points: Points of a round of the search, chosen without each other's results.
        best: Number of points of the search, of all combinations together, that are run with every
            seed when the search has ended.
        seeds: Runs of each point of the grid, and of the best of a search.
        rounds: Generator steps of each run.
        width: Channels of the networks, as a multiple of the published ones.
        latent: Size of z.
        batch: Images of a step.
        eval_samples: Samples of the Frechet distance.
        extractor: Features that the distance reads, see `seqgan train image`.
        storage: Database URL of optuna that other machines reach too; a file in --out if left out.
        most: Most runs of this worker; 0 = until nothing is left.
        heartbeat: Seconds between signs of life; a run silent for three times as long is begun
            again by another worker.
        seed: Seed of everything.
        device: Where it runs: auto, cpu or cuda.
        threads: Threads of torch on the CPU; 0 leaves torch's own number.
    """

    out: str
    data: str = "shapes"
    labels: str | None = None
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    size: int = 0
    design: str = "grid"
    losses: str = "non_saturating"
    penalties: str = "none,gradient_penalty"
    norms: str = "none,spectral"
    archs: str = "sndcgan"
    d_steps: int = 1
    search_rounds: int = 12
    points: int = 10
    best: int = 0
    seeds: int = 5
    rounds: int = 40_000
    width: float = 1.0
    latent: int = 128
    batch: int = 64
    eval_samples: int = 10_000
    extractor: str = "auto"
    storage: str | None = None
    most: int = 0
    heartbeat: int = 60
    seed: int = 0
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        options.check_choice("design", self.design, ("grid", "search"))
        options.check_least(self, 1, "d_steps", "search_rounds", "points", "seeds", "rounds")
        options.check_least(self, 1, "heartbeat")
        options.check_least(self, 0, "most", "best", "split_seed")
        options.check_seed(self.seed)
        self.combinations()

    def combinations(self) -> list["Combination"]:
        """Those whose parts go together; what the recipe refuses is left out.

        Raises:
            UserError: A name is unknown, or nothing is left.
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
            {"rate": r, "weight": w, "beta1": b1, "beta2": b2, "d_steps": n}
            for r, w, (b1, b2, n) in product(RATES, weights, MOMENTS)
        ]

    def config(self, parts: "Combination", point: Mapping[str, Any], out: str) -> Any:
        """Options of the run of a point."""
        penalty = "" if parts.penalty == "none" else f"{parts.penalty}={point['weight']:g}"
        return PAPERS.config(PAPER)(
            out=out,
            data=self.data,
            labels=self.labels,
            valid=self.valid,
            test=self.test,
            split_seed=self.split_seed,
            size=self.size,
            loss=parts.loss,
            penalty=penalty,
            norm=parts.norm,
            arch=parts.arch,
            width=self.width,
            latent=self.latent,
            prior="uniform",
            batch=self.batch,
            rounds=self.rounds,
            d_steps=int(point["d_steps"]),
            g_lr=float(point["rate"]),
            d_lr=float(point["rate"]),
            beta1=float(point["beta1"]),
            beta2=float(point["beta2"]),
            ema_decay=0.0,
            evaluate_every=self.rounds,
            eval_samples=self.eval_samples,
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
        loss: Loss of the game.
        penalty: Penalty of the discriminator, or none.
        norm: Norm of the discriminator.
        arch: Architecture of both networks.
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
        name: Name of the combination.
        scores: One score a point, the median over its repeats (of two their mean), low = good.
        repeats: Scores of all runs of each point.
        points: Parameters of each point.
    """

    name: str
    scores: Sequence[float] = field(default_factory=list)
    repeats: Sequence[Sequence[float]] = field(default_factory=list)
    points: Sequence[Mapping[str, Any]] = field(default_factory=list)

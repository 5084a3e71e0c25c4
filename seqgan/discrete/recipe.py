"""GANs of images or lines whose pixels or characters are discrete, by any gradient estimator.

One or more discriminator steps and one generator step a round, no pretraining. The result is judged
by networks that had no part in it: a discriminator trained anew, and where labels are given a
classifier.
"""

import functools
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS
from image_core.adversarial.discrete_variables import Bernoulli, Categorical
from image_core.adversarial.discrimination import qualities
from image_core.adversarial.errors import UserError
from image_core.runs import options, plots, recipe
from image_core.runs.batches import Batches
from image_core.runs.fingerprint import fingerprint
from image_core.runs.folder import write_text
from image_core.runs.form import read_form
from image_core.runs.image_grid import write_image_grid
from image_core.runs.papers import Papers
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine
from image_core.runs.run_page import told_facts, write_page
from image_core.runs.table import print_table
from seqgan.discrete import nets
from seqgan.discrete.config import DiscreteOptions, DiscreteProblem
from seqgan.discrete.data import DiscreteForm, form_of
from seqgan.discrete.game import DiscreteGame
from seqgan.discrete.measures import REAL_AGAIN, Measures, withheld
from seqgan.discrete.splits import read_splits, split_facts, told

PAPERS = Papers("seqgan.discrete.papers", "gan", shared=DiscreteOptions, own=DiscreteOptions)
PRESETS: dict[str, dict[str, Any]] = {
    "dense": {},
    "paper": {"net": "conv", "rounds": 93_700},
    "tiny": {
        "latent": 8,
        "batch": 8,
        "samples": 4,
        "rounds": 6,
        "evaluate_every": 3,
        "eval_samples": 40,
        "judge_steps": 4,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}

LOOKED_AT = 500
"""Held-out and generated samples of a look during training."""
GAME = ("loss", "estimator", "samples", "penalty")
"""Options that say what a paper's game is; the reward is that of the loss."""


def binarised(levels: Tensor) -> Tensor:
    """A fresh draw: each pixel is 1 with its grey level over 255 as probability.

    Args:
        levels: Grey levels from 0 to 255, (N, ...).
    """
    levels = levels.float() / 255
    return (torch.rand_like(levels) < levels).float()


class Run(recipe.Run):
    """A run on discrete variables.

    Args:
        config: Options of the run.
        data: Whether the data are read; to draw, their form in the run's folder is enough.

    Raises:
        UserError: The network does not fit the data.
    """

    recipe = "discrete"
    show = ("D/accuracy", "d_auc", "D/ess", "D/log_z", "mean_gap")
    movable = ("data", "valid", "test", "labels")
    config: DiscreteOptions
    game: DiscreteGame

    def __init__(self, config: DiscreteOptions, *, data: bool = True):
        super().__init__(config, data=data)
        self.paper = PAPERS.load(config.paper)
        if data:
            self.splits = read_splits(
                config.data,
                config.labels,
                config.valid,
                config.test,
                length=config.length,
                seed=config.split_seed,
            )
            self.form = form_of(self.splits.train)
        else:
            self.form = DiscreteForm(**read_form(self.folder.folder))
        self._check_net()
        classes, self.shape = self.form.classes, self.form.shape
        self.read_batch = (
            binarised if classes is None else functools.partial(_one_hot, classes=classes)
        )
        variables = Bernoulli() if classes is None else Categorical()
        problem = DiscreteProblem(self._generator, self._discriminator, variables, self.read_batch)
        self.device = options.pick_device(config.device)
        self.game = self.paper.game(config, problem).to(self.device)
        self.engine = make_engine(
            self.game,
            self.paper.players(config),
            config.precision,
            source=self.paper.file,
            shard=config.shard,
            ema={"G": config.ema_decay} if config.ema_decay else {},
        )
        if data:
            self.data = Batches(self.splits.train.rows, config.batch, seed=config.seed)

    def data_form(self) -> Mapping[str, Any]:
        return self.form._asdict()

    def phases(self) -> list[Phase]:
        """The paper's phases; adversarial rounds alone where it has none."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        c = self.config
        limits = (DISCRIMINATOR_WINS, DISCRIMINATOR_AT_CHANCE)
        return [Phase("adversarial", None, c.rounds, self._look, c.evaluate_every, limits=limits)]

    def data_fingerprint(self) -> int:
        return fingerprint([each.rows for each in self.splits])

    def data_source(self) -> str:
        c = self.config
        named = {"valid": c.valid, "test": c.test}
        return f"--data {c.data}" + "".join(f" with --{n} {v}" for n, v in named.items() if v)

    def draw(self, count: int) -> Tensor:
        """Samples of the averaged generator, or of the generator where none is kept."""
        average = self.engine.ema["G"].module if self.config.ema_decay else None
        return self.game.sample(count, generator=average).cpu()

    def start(self) -> None:
        """Create the run's folder, and say what the splits hold."""
        super().start()
        said = [f"data: {self.splits.train.told}"]
        said += [f"valid: {self.splits.valid.told}"] if self.config.valid else []
        said += [f"test: {self.splits.test.told}"] if self.config.test else []
        print("\n".join([*said, told(self.facts)]), file=sys.stderr)

    @functools.cached_property
    def facts(self) -> dict[str, object]:
        """Sizes, counts of labels and overlap of the splits."""
        return split_facts(self.splits)

    def report(self, cpu_seconds: float | None = None) -> None:
        c = self.config
        torch.manual_seed(c.seed + 1)
        measure = Measures(
            self.splits.train,
            self.splits.test,
            self.read_batch,
            most=c.eval_samples,
            steps=c.judge_steps,
            seed=c.seed,
        )
        independent = self.game.variables.sample(self._independent_logits()[None], measure.size)[0]
        rows = {
            self.paper.title: self.draw(measure.size),
            REAL_AGAIN: measure.again,
            "independent variables": independent,
        }
        found = {name: measure(x) for name, x in rows.items()}
        options_of_game = self.as_dict()
        result: dict[str, Any] = {
            "table": {name: each.figures for name, each in found.items()},
            "intervals_95_over_samples": {name: each.intervals for name, each in found.items()},
            "withheld": withheld(found[REAL_AGAIN].intervals),
            "data": self.facts,
            "game": {n: options_of_game[n] for n in GAME if n in options_of_game},
            **self.discrimination(measure.real),
            "alarms": self.engine.notes.get("alarms", []),
            "rounds": self.engine.round,
            "steps": self.engine.steps,
            "seed": c.seed,
            "judge": f"{measure.count} samples of either kind: .4 to learn, .1 to choose, .5 "
            f"judged; {measure.spare} more to learn",
            "config": self.as_dict(),
            "cpu_seconds": self.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
            "versions": {"torch": torch.__version__},
        }
        for figures in result["table"].values():
            for name in result["withheld"]:
                del figures[name]
        self.folder.write_result(result)
        self._write_samples(rows[self.paper.title][:100], "samples")
        self._write_samples(measure.real[:100], "real")
        self.folder.plots.mkdir(parents=True, exist_ok=True)
        keys = ["D/accuracy", "d_auc", "D/ess", "D/log_weight_variance", "D/log_z", "mean_gap"]
        plots.learning_curves(self.folder.log, self.folder.plots / "learning.png", keys)
        self._write_page(result)
        self._print(result)

    def _write_page(self, result: dict[str, Any]) -> None:
        c, game = self.config, ", ".join(f"{n} {v}" for n, v in result["game"].items())
        write_page(
            self.folder.html,
            f"{self.paper.title} on {c.data}",
            facts=result["config"],
            table=result["table"],
            intervals=result["intervals_95_over_samples"],
            notes=[
                f"{game}; one seed; intervals of 95 %, over samples.",
                f"{REAL_AGAIN}: real rows in the generator's place.",
                f"Judged by fresh networks: {result['judge']}.",
                f"Discriminator on held-out rows: d_auc {result['d_auc']:.3f}, d_accuracy "
                f"{result['d_accuracy']:.3f} (0.5 is chance).",
                *(f"{name} is not shown: {why}." for name, why in result["withheld"].items()),
                *told_facts(result["data"]),
            ],
            pictures={
                "Samples of the generator": self.folder.samples / "samples.png",
                "Real rows": self.folder.samples / "real.png",
                "Curves of the log": self.folder.plots / "learning.png",
            },
        )

    def _print(self, result: dict[str, Any]) -> None:
        for name, why in result["withheld"].items():
            print(f"{name} is not shown: {why}", file=sys.stderr)
        game = ", ".join(f"{name} {value}" for name, value in result["game"].items())
        shown: dict[str, dict[str, float | str]] = {}
        for row, figures in result["table"].items():
            bands = result["intervals_95_over_samples"][row]
            shown[row] = dict(figures)
            for name in bands.keys() & figures.keys():
                low, high = bands[name]
                shown[row][name] = f"{figures[name]:.3f} ({low:.2f}, {high:.2f})"
        print_table(
            f"{self.folder.folder}, judged by fresh networks; one seed ({self.config.seed}), "
            f"intervals of 95 % over samples; {self.paper.title}: {game}; its discriminator on "
            f"held-out rows: AUC {result['d_auc']:.3f}, accuracy {result['d_accuracy']:.3f}",
            shown,
        )

    def _check_net(self) -> None:
        sides = self.form.variables
        if self.config.net == "conv" and not self.form.alphabet and any(n % 4 for n in sides):
            raise UserError(
                f"--net conv halves images twice, but these are {tuple(sides)}; use --net dense"
            )

    def _width(self) -> dict[str, int]:
        return {"channels": self.config.channels} if self.config.channels else {}

    def _generator(self) -> nn.Module:
        latent, shape = self.config.latent, self.shape
        if self.config.net == "dense":
            return nets.dense_generator(latent, shape)
        make = nets.line_generator if self.form.alphabet else nets.image_generator
        return make(latent, *shape, **self._width())

    def _discriminator(self) -> nn.Module:
        if self.config.net == "dense":
            return nets.dense_discriminator(self.shape)
        make = nets.line_discriminator if self.form.alphabet else nets.image_discriminator
        return make(*self.shape, **self._width())

    def _look(self) -> dict[str, float]:
        """Cheap alarms: distance of the variables' frequencies, and the discriminator's quality."""
        rows = self.splits.valid.rows
        real = self.read_batch(rows[torch.randperm(len(rows))[:LOOKED_AT]])
        gap = self.draw(LOOKED_AT).mean(0) - real.mean(0)
        return {"mean_gap": float(gap.abs().mean()), **self.discrimination(real)}

    @torch.no_grad()
    def discrimination(self, real: Tensor) -> dict[str, float]:
        """AUC and accuracy of the discriminator on held-out samples against as many new ones."""
        d_real, d_fake = (
            torch.cat([self.game.D(part.to(self.device)) for part in x.split(500)]).cpu()
            for x in (real, self.game.sample(len(real)))
        )
        return qualities(d_real, d_fake, diagnose=self.config.diagnose)

    def _independent_logits(self) -> Tensor:
        """Logits of independent variables at the training rows' own frequencies."""
        rows, classes = self.splits.train.rows, self.splits.train.classes
        if classes is None:
            return (rows.float().mean(0) / 255).clamp(1e-4, 1 - 1e-4).logit()
        shares = [(rows == k).float().mean(0) for k in range(classes)]
        return torch.stack(shares, -1).clamp(1e-4, 1 - 1e-4).log()

    def _write_samples(self, x: Tensor, name: str) -> None:
        if self.form.alphabet:
            text = "".join(line + "\n" for line in self.form.lines(x))
            write_text(self.folder.samples / f"{name}.txt", text)
            return
        pixels = self.form.colours(x).permute(0, 2, 3, 1) / 255
        shown = pixels.expand(*pixels.shape[:-1], 3)
        write_image_grid(shown, self.folder.samples / f"{name}.png", scale=2)


def _one_hot(rows: Tensor, classes: int) -> Tensor:
    return one_hot(rows.long(), classes).float()

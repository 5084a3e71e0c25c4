"""GANs of images or lines whose pixels or characters are discrete, by any gradient estimator.

One or more discriminator steps and one generator step a round, no pretraining. The result is judged
by networks that had no part in it: a discriminator trained anew, and where labels are given a
classifier.
"""

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from image_core.adversarial.discrete_variables import Bernoulli, Categorical
from image_core.adversarial.errors import UserError
from image_core.runs import options, plots, recipe
from image_core.runs.batches import Batches
from image_core.runs.fingerprint import fingerprint
from image_core.runs.folder import write_text
from image_core.runs.image_grid import write_image_grid
from image_core.runs.papers import Papers
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine
from image_core.runs.table import print_table
from seqgan.discrete import judge as sample_judge
from seqgan.discrete import nets
from seqgan.discrete.config import DiscreteOptions, DiscreteProblem
from seqgan.discrete.data import BLANK, DiscreteData, read_discrete, read_labels
from seqgan.discrete.game import DiscreteGame

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


def binarised(levels: Tensor) -> Tensor:
    """A fresh draw: each pixel is 1 with its grey level over 255 as probability."""
    levels = levels.float() / 255
    return (torch.rand_like(levels) < levels).float()


class Run(recipe.Run):
    """A run on discrete variables.

    Args:
        config: Options of the run.
        data: Ignored: the data say what a sample is, so they are read in any case.
    """

    recipe = "discrete"
    show = ("D/accuracy", "D/ess", "D/log_z", "mean_gap")
    movable = ("data", "test", "labels")
    config: DiscreteOptions
    game: DiscreteGame

    def __init__(self, config: DiscreteOptions, *, data: bool = True):
        super().__init__(config)
        self.paper = PAPERS.load(config.paper)
        self.train_set, self.test_set = self._read(config)
        rows, classes = self.train_set.rows, self.train_set.classes
        self.shape = (*rows.shape[1:], *(() if classes is None else (classes,)))
        self.read_batch = (
            binarised if classes is None else functools.partial(_one_hot, classes=classes)
        )
        variables = Bernoulli() if classes is None else Categorical()
        problem = DiscreteProblem(self._generator, self._discriminator, variables, self.read_batch)
        self.game = self.paper.game(config, problem).to(options.pick_device(config.device))
        self.engine = make_engine(
            self.game,
            self.paper.players(config),
            config.precision,
            source=self.paper.file,
            ema={"G": config.ema_decay} if config.ema_decay else {},
        )
        self.data = Batches(rows, config.batch, seed=config.seed)

    def phases(self) -> list[Phase]:
        """The paper's phases; adversarial rounds alone where it has none."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        c = self.config
        return [Phase("adversarial", None, c.rounds, self._look, c.evaluate_every)]

    def data_fingerprint(self) -> int:
        return fingerprint([self.train_set.rows, self.test_set.rows])

    def data_source(self) -> str:
        c = self.config
        return f"--data {c.data}" + (f" with --test {c.test}" if c.test else "")

    def draw(self, count: int) -> Tensor:
        """Samples of the averaged generator, or of the generator where none is kept."""
        average = self.engine.ema["G"].module if self.config.ema_decay else None
        return self.game.sample(count, generator=average).cpu()

    def report(self, cpu_seconds: float | None = None) -> None:
        torch.manual_seed(self.config.seed + 1)
        known, kept = self.train_set.rows, self.test_set.rows
        count = min(self.config.eval_samples, len(kept), len(known))
        spare = min(self.config.eval_samples - count, (len(known) - count) // 2)
        real = self.read_batch(kept[torch.randperm(len(kept))[:count]])
        other, more = known[torch.randperm(len(known))[: count + 2 * spare]].split(
            [count + spare, spare]
        )
        rows = {
            self.paper.title: self.draw(count + spare),
            "real": self.read_batch(other),
            "independent variables": self.game.variables.sample(
                self._independent_logits()[None], count + spare
            )[0],
        }
        classifier = self._classifier()
        table = {name: self._judged(x, real, self.read_batch(more)) for name, x in rows.items()}
        for name, x in {**rows, "real": real}.items():  # real rows that nothing learned from
            table[name] |= self._recognised(x[:count], classifier)
        self.folder.write_result(
            {
                "table": table,
                "rounds": self.engine.round,
                "steps": self.engine.steps,
                "seed": self.config.seed,
                "judge": f"{count} samples of either kind: .4 to learn, .1 to choose, .5 judged; "
                f"{spare} more to learn",
                "config": self.as_dict(),
                "cpu_seconds": self.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
                "versions": {"torch": torch.__version__},
            }
        )
        self._write_samples(rows[self.paper.title][:100])
        self.folder.plots.mkdir(parents=True, exist_ok=True)
        keys = ["D/accuracy", "D/ess", "D/log_weight_variance", "D/log_z", "mean_gap"]
        plots.learning_curves(self.folder.log, self.folder.plots / "learning.png", keys)
        print_table(f"{self.folder.folder}, judged by fresh networks", table)

    def _read(self, config: DiscreteOptions) -> tuple[DiscreteData, DiscreteData]:
        """What is learned from, and what is kept from everything but the judges."""
        data = read_discrete("--data", config.data, config.length)
        if config.labels is not None:
            labels = read_labels("--labels", config.labels, len(data.rows))
            data = data._replace(labels=labels)
        if config.test is not None:
            test = read_discrete("--test", config.test, config.length, data.alphabet or None)
            if test.rows.shape[1:] != data.rows.shape[1:] or test.classes != data.classes:
                raise UserError(
                    f"--test {config.test} holds {tuple(test.rows.shape[1:])} variables a row, but "
                    f"--data {tuple(data.rows.shape[1:])}; give more of the same"
                )
        else:
            position = torch.arange(len(data.rows))
            test, data = (
                data.pick(position[position % 6 == 5]),
                data.pick(position[position % 6 < 5]),
            )
        if len(test.rows) < 40:
            raise UserError(f"{len(test.rows)} rows to judge with are too few; give at least 40")
        if config.net == "conv" and not data.alphabet and any(n % 4 for n in data.rows.shape[1:]):
            raise UserError(
                f"--net conv halves images twice, but these are {tuple(data.rows.shape[1:])}; "
                "use --net dense"
            )
        return data, test

    def _width(self) -> dict[str, int]:
        return {"channels": self.config.channels} if self.config.channels else {}

    def _generator(self) -> nn.Module:
        latent, shape = self.config.latent, self.shape
        if self.config.net == "dense":
            return nets.dense_generator(latent, shape)
        make = nets.line_generator if self.train_set.alphabet else nets.image_generator
        return make(latent, *shape, **self._width())

    def _discriminator(self) -> nn.Module:
        if self.config.net == "dense":
            return nets.dense_discriminator(self.shape)
        make = nets.line_discriminator if self.train_set.alphabet else nets.image_discriminator
        return make(*self.shape, **self._width())

    def _look(self) -> dict[str, float]:
        """Mean distance of each variable's frequency from the data's: a cheap alarm of collapse."""
        gap = self.draw(500).mean(0) - self._frequency
        return {"mean_gap": float(gap.abs().mean())}

    @functools.cached_property
    def _frequency(self) -> Tensor:
        rows, classes = self.train_set.rows, self.train_set.classes
        if classes is None:
            return rows.float().mean(0) / 255
        return torch.stack([(rows == k).float().mean(0) for k in range(classes)], -1)

    def _independent_logits(self) -> Tensor:
        """Logits of independent variables at the data's own frequencies."""
        frequency = self._frequency.clamp(1e-4, 1 - 1e-4)
        return frequency.logit() if self.train_set.classes is None else frequency.log()

    def _classifier(self) -> nn.Module | None:
        if self.train_set.labels is None:
            return None
        classes = int(self.train_set.labels.max()) + 1
        features = int(torch.tensor(self.shape).prod())
        net = nn.Sequential(
            nn.Flatten(1), nn.Linear(features, 256), nn.ReLU(), nn.Linear(256, classes)
        )
        x, y = self.read_batch(self.train_set.rows).byte(), self.train_set.labels
        steps, seed = 4 * self.config.judge_steps, self.config.seed
        return sample_judge.fit_classifier(net, x, y, steps=steps, seed=seed, batch=64)

    def _judged(self, x: Tensor, real: Tensor, more: Tensor) -> dict[str, float]:
        net, c, size = self._judge_net(), self.config, len(real)
        found = sample_judge.judged(
            real, x[:size], net, more=(more, x[size:]), steps=c.judge_steps, seed=c.seed
        )
        classes, ids = self.train_set.classes or 2, self._ids(x[:size])
        found["pair_jsd"] = sample_judge.pair_divergence(self._ids(real), ids, classes)
        return {**found, "mean_gap": float((x.mean(0) - self._frequency).abs().mean())}

    def _recognised(self, x: Tensor, classifier: nn.Module | None) -> dict[str, float]:
        """What a classifier makes of samples, and which words are the text's."""
        found: dict[str, float] = {}
        if classifier is not None:
            found |= sample_judge.class_statistics(sample_judge.predict(classifier, x))
        if self.train_set.alphabet:
            lines, learned = self._lines(self._ids(x)), self._lines(self.train_set.rows)
            found["known_words"] = sample_judge.known_words(lines, learned)
        return found

    def _lines(self, ids: Tensor) -> list[str]:
        return ["".join(self.train_set.alphabet[k] for k in row) for row in ids.tolist()]

    def _ids(self, x: Tensor) -> Tensor:
        """Class of each variable."""
        return x.long() if self.train_set.classes is None else x.argmax(-1)

    def _judge_net(self) -> nn.Module:
        """Small: two convolutions and a dense layer, over the plane or along the line."""
        colours = 1 if self.train_set.classes is None else self.train_set.classes
        if self.train_set.alphabet:
            front: list[nn.Module] = [nets.Transposed(), nn.Conv1d(colours, 64, 5, padding=2)]
            front += [nn.LeakyReLU(0.2), nn.Conv1d(64, 32, 5, 2, 2)]
        else:
            front = [nets.ChannelsFirst(), nn.Conv2d(colours, 16, 5, 2, 2)]
            front += [nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 5, 2, 2)]
        front += [nn.LeakyReLU(0.2), nn.Flatten(1)]
        with torch.no_grad():
            features = nn.Sequential(*front)(torch.zeros(1, *self.shape)).shape[1]
        return nn.Sequential(*front, nn.Linear(features, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2))

    def _write_samples(self, x: Tensor) -> None:
        if self.train_set.alphabet:
            text = "".join(line.rstrip(BLANK) + "\n" for line in self._lines(x.argmax(-1)))
            write_text(self.folder.samples / "samples.txt", text)
            return
        classes, palette = self.train_set.classes, self.train_set.palette
        if classes is None:
            pixels = x[..., None].expand(*x.shape, 3)
        elif palette is None:
            pixels = (x.argmax(-1, keepdim=True) / (classes - 1)).expand(*x.shape[:-1], 3)
        else:
            pixels = palette[x.argmax(-1)] / 255
        write_image_grid(pixels, self.folder.samples / "samples.png", scale=2)


def _one_hot(rows: Tensor, classes: int) -> Tensor:
    return one_hot(rows.long(), classes).float()

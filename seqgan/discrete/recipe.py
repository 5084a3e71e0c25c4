"""Boundary-seeking GAN and every other estimator on images or lines whose sites are discrete.

One critic step and one generator step a round, no pretraining. The result is judged by networks
that had no part in it: a discriminator trained anew, and where labels are given a classifier.
"""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from image_core.adversarial import divergences, losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.sites import Bernoulli, Categorical
from image_core.runs import options, plots, recipe
from image_core.runs.batches import Batches
from image_core.runs.fingerprint import fingerprint
from image_core.runs.folder import write_text
from image_core.runs.image_grid import write_image_grid
from image_core.runs.penalties import make_penalty
from image_core.runs.phase import Phase
from image_core.runs.recipe import RunConfig
from image_core.runs.table import print_table
from seqgan.discrete import directions
from seqgan.discrete import judge as sample_judge
from seqgan.discrete import nets as site_nets
from seqgan.discrete.data import BLANK, SiteData, read_labels, read_sites
from seqgan.discrete.game import DiscreteGame

LOSSES = (
    *(n for n in divergences.__all__ if getattr(divergences, n).reward),
    *(n for n in losses.__all__ if getattr(losses, n).reward),
)
"""Losses whose reward moves a generator of discrete samples; a divergence's is log w."""


@dataclass(kw_only=True)
class Config(RunConfig):
    """A generator of discrete samples against a critic, by any estimator.

    Args:
        data: IDX images (made binary anew in every batch: a grey level is the probability of 1), an
            .npz of palette images, or text, a line a row; gzipped or not.
        labels: IDX labels of --data; they train the classifier that judges.
        test: more of the same that nothing learns from, to judge with, or the same .npz file if it
            has `packed_test` too; else every 6th row is kept.
        length: characters of a line.
        estimator: of the generator's gradient: bgan, bgan_batch, bgan_reinforce, maligan,
            reinforce, moving_average, learned_baseline, leave_one_out, straight_through, reinmax,
            gumbel_softmax, gumbel_hard, rebar, relax, taylor or disarm.
        samples: of each latent.
        loss: a divergence, whose reward is the log importance weight, or any loss with a reward.
        penalty: of the critic, as in r1=10, see `seqgan list penalties`.
        net: dense, or conv for the released convolutional nets.
        channels: of --net conv next to images, or along lines; 0 = as released, 64 and 256.
        latent: size of z, uniform in (0, 1).
        batch: latents of a step, and real rows of a critic step.
        rounds: of a critic step or several and one generator step.
        critic_steps: a round.
        generator_lr: Adam rate.
        critic_lr: Adam rate.
        beta1: of both.
        average: decay of the moving average of the generator's weights, which is what is judged; 0
            judges the generator as it stands.
        evaluate_every: rounds between two looks at the samples.
        judge_samples: real and generated samples of the judge: two fifths teach it, a tenth tells
            when it is best, half are judged. Where fewer are kept for that, it learns from rows
            that the generator learned from too.
        judge_steps: most steps of the judge; the classifier takes four times as many.
        precision: no (float32) or bf16; in YAML write 'no' in quotes.
    """

    data: str
    labels: str | None = None
    test: str | None = None
    length: int = 32
    estimator: str = "taylor"
    samples: int = 20
    loss: str = "jensen_shannon"
    penalty: str = "r1=0.1"
    net: str = "dense"
    channels: int = 0
    latent: int = 64
    batch: int = 64
    rounds: int = 2_000
    critic_steps: int = 1
    generator_lr: float = 4e-3
    critic_lr: float = 4e-3
    beta1: float = 0.5
    average: float = 0.98
    evaluate_every: int = 200
    judge_samples: int = 10_000
    judge_steps: int = 400
    precision: str = "no"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(
            self, 1, "samples", "latent", "rounds", "critic_steps", "evaluate_every"
        )
        options.check_least(self, 1, "judge_steps", "length")
        options.check_least(self, 2, "batch")
        options.check_least(self, 40, "judge_samples")
        options.check_above_zero(self, "generator_lr", "critic_lr")
        options.check_estimator(self.estimator, directions.__all__, directions.REASONS)
        if self.loss in {*losses.__all__, *divergences.__all__} - {*LOSSES}:
            raise UserError(
                f"--loss {self.loss} compares a sample with the rest of its batch, so that no "
                "sample has a reward of its own to move the generator by; use --loss non_saturating"
            )
        options.check_choice("loss", self.loss, LOSSES)
        options.check_choice("net", self.net, ("dense", "conv"))
        options.check_choice("precision", self.precision, ("no", "bf16"))
        options.check_least(self, 0, "channels")
        if self.channels and self.net == "dense":
            raise UserError(f"--channels {self.channels} is of --net conv; leave it out, or use it")
        make_penalty(self.penalty)
        for name in ("beta1", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: it lies in [0, 1)")
        if self.samples < 2 and self.estimator in ("bgan", "leave_one_out", "disarm", "taylor"):
            raise UserError(f"--estimator {self.estimator} needs --samples of at least 2")
        if self.samples % 2 and self.estimator == "disarm":
            raise UserError(f"--estimator disarm draws pairs: --samples {self.samples} is odd")


PRESETS: dict[str, dict[str, Any]] = {
    "dense": {},
    "paper": {
        "estimator": "bgan",
        "samples": 20,
        "net": "conv",
        "penalty": "",
        "generator_lr": 1e-4,
        "critic_lr": 1e-4,
        "average": 0.0,
        "rounds": 93_700,
    },
    "tiny": {
        "latent": 8,
        "batch": 8,
        "samples": 4,
        "rounds": 6,
        "evaluate_every": 3,
        "judge_samples": 40,
        "judge_steps": 4,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}


def binarised(levels: Tensor) -> Tensor:
    """A fresh draw: each pixel is 1 with its grey level over 255 as probability."""
    levels = levels.float() / 255
    return (torch.rand_like(levels) < levels).float()


PAPERS = None


class Run(recipe.Run):
    """A run on discrete sites.

    Args:
        config: its options.
        data: read in any case, for it says what a sample is.
    """

    recipe = "discrete"
    show = ("D/accuracy", "D/ess", "D/log_z", "mean_gap")
    movable = ("data", "test", "labels")
    config: Config

    def __init__(self, config: Config, *, data: bool = True):
        super().__init__(config)
        self.train_set, self.test_set = self._read(config)
        rows, classes = self.train_set.rows, self.train_set.classes
        self.shape = (*rows.shape[1:], *(() if classes is None else (classes,)))
        sites = Bernoulli() if classes is None else Categorical()
        self.read_batch = (
            binarised if classes is None else functools.partial(_one_hot, classes=classes)
        )
        generator, critic = self._nets()
        self.game = DiscreteGame(
            generator,
            critic,
            sites,
            getattr(directions, config.estimator)(config.samples, config.latent),
            config.latent,
            loss=_loss(config.loss),
            penalty=make_penalty(config.penalty),
            batch=config.batch,
            critic_steps=config.critic_steps,
            read=self.read_batch,
        ).to(options.pick_device(config.device))
        self.engine = options.make_engine(
            self.game,
            {"G": config.generator_lr, "D": config.critic_lr},
            {},
            config.precision,
            betas=dict.fromkeys("GD", (config.beta1, 0.999)),
            ema={"G": config.average} if config.average else {},
        )
        self.data = Batches(rows, config.batch, seed=config.seed)

    def phases(self) -> list[Phase]:
        c = self.config
        return [Phase("adversarial", None, c.rounds, self._look, c.evaluate_every)]

    def data_fingerprint(self) -> int:
        return fingerprint([self.train_set.rows, self.test_set.rows])

    def data_source(self) -> str:
        c = self.config
        return f"--data {c.data}" + (f" with --test {c.test}" if c.test else "")

    def draw(self, count: int) -> Tensor:
        """Samples of the averaged generator, or of the generator where none is kept."""
        average = self.engine.ema["G"].module if self.config.average else None
        return self.game.sample(count, generator=average).cpu()

    def report(self, cpu_seconds: float | None = None) -> None:
        torch.manual_seed(self.config.seed + 1)
        known, kept = self.train_set.rows, self.test_set.rows
        count = min(self.config.judge_samples, len(kept), len(known))
        spare = min(self.config.judge_samples - count, (len(known) - count) // 2)
        real = self.read_batch(kept[torch.randperm(len(kept))[:count]])
        other, more = known[torch.randperm(len(known))[: count + 2 * spare]].split(
            [count + spare, spare]
        )
        rows = {
            self.config.estimator: self.draw(count + spare),
            "real": self.read_batch(other),
            "independent sites": self.game.sites.sample(self._site_means()[None], count + spare)[0],
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
        self._write_samples(rows[self.config.estimator][:100])
        self.folder.plots.mkdir(parents=True, exist_ok=True)
        keys = ["D/accuracy", "D/ess", "D/log_weight_variance", "D/log_z", "mean_gap"]
        plots.learning_curves(self.folder.log, self.folder.plots / "learning.png", keys)
        print_table(f"{self.folder.folder}, judged by fresh networks", table)

    def _read(self, config: Config) -> tuple[SiteData, SiteData]:
        """What is learned from, and what is kept from everything but the judges."""
        data = read_sites("--data", config.data, config.length)
        if config.labels is not None:
            labels = read_labels("--labels", config.labels, len(data.rows))
            data = data._replace(labels=labels)
        if config.test is not None:
            test = read_sites("--test", config.test, config.length, data.alphabet or None)
            if test.rows.shape[1:] != data.rows.shape[1:] or test.classes != data.classes:
                raise UserError(
                    f"--test {config.test} holds {tuple(test.rows.shape[1:])} sites a row, but "
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

    def _nets(self) -> tuple[nn.Module, nn.Module]:
        latent, shape = self.config.latent, self.shape
        if self.config.net == "dense":
            return site_nets.dense_generator(latent, shape), site_nets.dense_critic(shape)
        width = {"channels": self.config.channels} if self.config.channels else {}
        if self.train_set.alphabet:
            line = site_nets.line_generator(latent, *shape, **width)
            return line, site_nets.line_critic(*shape, **width)
        image = site_nets.image_generator(latent, *shape, **width)
        return image, site_nets.image_critic(*shape, **width)

    def _look(self) -> dict[str, float]:
        """Mean distance of each site's frequency from the data's: a cheap alarm of collapse."""
        gap = self.draw(500).mean(0) - self._frequency
        return {"mean_gap": float(gap.abs().mean())}

    @functools.cached_property
    def _frequency(self) -> Tensor:
        rows, classes = self.train_set.rows, self.train_set.classes
        if classes is None:
            return rows.float().mean(0) / 255
        return torch.stack([(rows == k).float().mean(0) for k in range(classes)], -1)

    def _site_means(self) -> Tensor:
        """Logits of independent sites at the data's own frequencies."""
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
        """Class of each site."""
        return x.long() if self.train_set.classes is None else x.argmax(-1)

    def _judge_net(self) -> nn.Module:
        """Small: two convolutions and a dense layer, over the plane or along the line."""
        colours = 1 if self.train_set.classes is None else self.train_set.classes
        if self.train_set.alphabet:
            front: list[nn.Module] = [site_nets.Transposed(), nn.Conv1d(colours, 64, 5, padding=2)]
            front += [nn.LeakyReLU(0.2), nn.Conv1d(64, 32, 5, 2, 2)]
        else:
            front = [site_nets.ChannelsFirst(), nn.Conv2d(colours, 16, 5, 2, 2)]
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


def _loss(name: str) -> AdversarialLoss:
    return getattr(divergences if name in divergences.__all__ else losses, name)

"""What samples are worth: measures of any samples against held-out rows, all rows alike.

Nothing that measures has learned from the held-out rows or from the rows that stand for real
samples in the generator's place: that row tells what each figure is where there is no difference.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.metrics.manifold import compare_nearest
from seqgan.discrete import judge, nets
from seqgan.discrete.data import DiscreteData

REAL_AGAIN = "real again"
"""Row of real samples in the generator's place."""
SAME = {"jsd_bound": 0.0, "judge_accuracy": 0.5}
"""What the judge says where there is no difference."""
ERRORS = {"jsd_bound": "jsd_error", "judge_accuracy": "accuracy_error"}
COMPARED, AMONG = 500, 5_000
"""Samples of which the nearest training row is looked for, and training rows among which."""
RESAMPLES = 200
"""Draws of a bootstrap interval."""

Interval = tuple[float, float]


class Measured(NamedTuple):
    """Figures of one row of the table, and 95 % intervals over samples of some of them.

    Args:
        figures: Figures by name.
        intervals: Intervals by the names of figures.
    """

    figures: dict[str, float]
    intervals: dict[str, Interval]


class Measures:
    """Held-out rows, real rows in the generator's place, and what has learned from the others.

    Args:
        train: Rows that the generator learned from.
        test: Rows that nothing learned from.
        read: Turns rows into samples.
        most: Most held-out and most generated samples.
        steps: Steps of a judge; the classifier takes four times as many.
        seed: Seed of the networks.
    """

    def __init__(
        self,
        train: DiscreteData,
        test: DiscreteData,
        read: Callable[[Tensor], Tensor],
        *,
        most: int,
        steps: int,
        seed: int,
    ):
        self.train, self.read, self.steps, self.seed = train, read, steps, seed
        known = len(train.rows)
        self.count = min(most, len(test.rows), known // 2)
        """Samples of either kind, of which .4 teach a judge, .1 choose and .5 are judged."""
        self.spare = min(most - self.count, (known - self.count) // 2)
        """Further samples of either kind that teach a judge."""
        self.real = read(test.rows[torch.randperm(len(test.rows))[: self.count]])
        order = torch.randperm(known)
        again, more, _ = order.tensor_split([self.size, self.size + self.spare])
        self.again, self.more = read(train.rows[again]), read(train.rows[more])
        self.learned = train.pick(order[self.count :])
        """Rows that the classifier and the list of words are made from."""
        self.classifier = self._classifier()
        self.own = self._nearest(self.real)
        """Distance of each held-out row from the training row most like it."""

    @property
    def size(self) -> int:
        """Number of samples that a row of the table needs."""
        return self.count + self.spare

    def __call__(self, x: Float[Tensor, "N ..."]) -> Measured:
        """Measure `size` samples.

        Returns:
            jsd_bound: Lower bound of the Jensen-Shannon divergence by a judge, in nats.
            judge_accuracy: Accuracy of that judge.
            pair_jsd: Divergence of neighbouring variables.
            mean_gap: Mean distance of the variables' frequencies from those of held-out rows.
            copied: Share of samples that are training rows, or nearer to one than the nearest 1 %
                of held-out rows; of more than `AMONG` training rows copies of others are missed.
            classifier_score, class_kl: How clear and how varied samples are, where there are
                labels.
            known_words, covered_words: Share of the words of samples that training lines have, and
                of the words of held-out lines that samples have, for text.
        """
        judge_net = _judge_net(tuple(self.real.shape[1:]), bool(self.train.alphabet))
        told = judge.judged(
            self.real,
            x[: self.count],
            judge_net,
            more=(self.more, x[self.count :]),
            steps=self.steps,
            seed=self.seed,
        )
        figures = {name: told[name] for name in SAME}
        intervals = {n: (told[n] - 1.96 * told[e], told[n] + 1.96 * told[e])
                     for n, e in ERRORS.items()}  # fmt: skip
        x = x[: self.count]
        real_ids, ids, classes = self._ids(self.real), self._ids(x), self.train.classes or 2
        figures["pair_jsd"] = judge.pair_divergence(real_ids, ids, classes)
        figures["mean_gap"] = float((x.mean(0) - self.real.mean(0)).abs().mean())
        figures["copied"] = compare_nearest(self.own, self._nearest(x))["copied"]
        if self.classifier is not None:
            logits = judge.predict(self.classifier, x)
            found = judge.class_statistics(logits)
            figures |= found
            intervals |= _bootstrap(logits, self.seed)
        if self.train.alphabet:
            lines, learned, held = map(self.lines, (ids, self.learned.rows, real_ids))
            figures["known_words"] = judge.known_words(lines, learned)
            figures["covered_words"] = judge.known_words(held, lines)
        return Measured(figures, intervals)

    def lines(self, ids: Int64[Tensor, "N T"] | Tensor) -> list[str]:
        """Text of rows of characters.

        Args:
            ids: Ids of characters, (N, T).
        """
        return ["".join(self.train.alphabet[k] for k in row) for row in ids.tolist()]

    def _ids(self, x: Tensor) -> Tensor:
        """Class of each variable."""
        return x.long() if self.train.classes is None else x.argmax(-1)

    def _nearest(self, x: Float[Tensor, "N ..."]) -> Float[Tensor, " N"]:
        """Distance of the first `COMPARED` samples from the nearest of `AMONG` training rows.

        |x - r|^2 = |x|^2 + |r|^2 - 2 x r, whole numbers that a float holds exactly
        """
        rows, own = self.learned.rows[:AMONG], x[:COMPARED].flatten(1)
        least = torch.full((len(own),), torch.inf)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for part in rows.split(1000):
                r = self.read(part).flatten(1)
                apart = own.square().sum(1)[:, None] + r.square().sum(1) - 2 * own @ r.T
                least = torch.minimum(least, apart.amin(1))
        return least.clamp(min=0).sqrt()

    def _classifier(self) -> nn.Module | None:
        if self.learned.labels is None or self.train.labels is None:
            return None
        classes, shape = int(self.train.labels.max()) + 1, self.real.shape[1:]
        net = nn.Sequential(
            nn.Flatten(1), nn.Linear(shape.numel(), 256), nn.ReLU(), nn.Linear(256, classes)
        )
        x, y = self.read(self.learned.rows).byte(), self.learned.labels
        return judge.fit_classifier(net, x, y, steps=4 * self.steps, seed=self.seed, batch=64)


def _bootstrap(logits: Float[Tensor, "N K"], seed: int) -> dict[str, Interval]:
    """95 % percentile intervals of what a classifier says, over samples."""
    generator = torch.Generator().manual_seed(seed)
    count = len(logits)
    places = torch.randint(count, (RESAMPLES, count), generator=generator)
    drawn = [judge.class_statistics(logits[some]) for some in places]
    tails = torch.tensor([0.025, 0.975], dtype=torch.float64)
    found = {}
    for name in drawn[0]:
        values = torch.tensor([each[name] for each in drawn], dtype=torch.float64)
        low, high = values.quantile(tails).tolist()
        found[name] = (low, high)
    return found


def withheld(real_again: Mapping[str, Interval]) -> dict[str, str]:
    """Figures of a judge that tells real samples from real ones, and what it says of them.

    Below the value of no difference a judge has only learned by heart, which no bound is above.

    Args:
        real_again: Intervals of the figures of real samples in the generator's place.
    """
    return {
        name: f"real samples in the generator's place have {low:.3f} to {high:.3f}, where no "
        f"difference has {SAME[name]:g}"
        for name, (low, high) in real_again.items()
        if name in SAME and low > SAME[name]
    }


def _judge_net(shape: tuple[int, ...], lines: bool) -> nn.Module:
    """Small: two convolutions and a dense layer, over the plane or along the line."""
    colours = shape[-1] if lines or len(shape) == 3 else 1
    if lines:
        front: list[nn.Module] = [nets.Transposed(), nn.Conv1d(colours, 64, 5, padding=2)]
        front += [nn.LeakyReLU(0.2), nn.Conv1d(64, 32, 5, 2, 2)]
    else:
        front = [nets.ChannelsFirst(), nn.Conv2d(colours, 16, 5, 2, 2)]
        front += [nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 5, 2, 2)]
    front += [nn.LeakyReLU(0.2), nn.Flatten(1)]
    with torch.no_grad():
        features = nn.Sequential(*front)(torch.zeros(1, *shape)).shape[1]
    return nn.Sequential(*front, nn.Linear(features, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2))

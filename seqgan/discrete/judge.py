"""Judges of samples that a discriminator in training cannot be: fresh networks, unseen samples.

A discriminator trained anew on some of the samples bounds the divergence from the others:

    JS(p, q) >= log 2 + 1/2 E_p[log D] + 1/2 E_q[log(1 - D)]         in nats, at most log 2 = .693

and a classifier of what real samples show tells how clear and how varied they are. It is the
protocol of Hjelm et al. 2018, section 4.3, with the score of Salimans et al. 2016. A discriminator
that learns a few thousand samples by heart bounds nothing (real images against real ones: -1.7), so
a third part of the samples tells when it is best, and how sure of itself it may be.

Beside it stands a number without a network, for samples that every judge tells at once:
`pair_divergence` of variables that stand side by side.
"""

import copy
import functools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import softplus

from image_core.adversarial.classifier import ClassifierGame
from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Batch
from image_core.adversarial.stream import Data
from image_core.runs.batches import Batches

LOOK_EVERY = 20
"""Steps of a judge between two looks at the samples that choose."""

SCALES = tuple(i / 20 for i in range(21))
"""Factors of a judge's logit; 0 is a judge that says nothing."""


def fit_classifier(
    net: nn.Module,
    x: Tensor,
    y: Int64[Tensor, " N"],
    *,
    steps: int,
    seed: int,
    batch: int = 128,
    lr: float = 1e-3,
) -> nn.Module:
    """Train it in place and return it, in evaluation mode.

    Args:
        net: Network from samples to logits of classes.
        x: Samples (N, ...).
        y: Classes of the samples.
        steps: Number of Adam's steps.
        seed: Seed of the shuffles.
        batch: Samples of a step.
        lr: Adam's learning rate.
    """
    engine, data = _engine(net, x, y, seed, batch, lr)
    engine.run(data, steps)
    return net.eval()


def _engine(
    net: nn.Module, x: Tensor, y: Tensor, seed: int, batch: int, lr: float
) -> tuple[Engine, Data]:
    adam = functools.partial(torch.optim.Adam, lr=lr, fused=True)
    compact = Batches({"x": x.cpu(), "y": y.cpu()}, min(batch, len(x)), seed=seed)

    def data(index: int) -> dict[str, Tensor]:
        rows: Batch = compact(index)
        return {"x": rows["x"].float(), "y": rows["y"]}

    return Engine(ClassifierGame(net), {"C": adam}), data


def judged(
    real: Float[Tensor, " N *variables"],
    fake: Float[Tensor, " N *variables"],
    net: nn.Module,
    *,
    more: tuple[Tensor, Tensor] | None = None,
    steps: int = 400,
    seed: int = 0,
) -> dict[str, float]:
    """What a discriminator of one's choice, trained on some samples, makes of others.

    Two fifths of either kind train it; a tenth chooses the step, a look every 20, and the factor
    in [0, 1] of its logit at which it predicts best; the bound is of the other half, which had no
    part in either. Any factor and any step give a bound, so that nothing is clamped: where the
    tenth finds nothing that holds, the factor falls towards 0 and so does the bound.

    Args:
        real: Samples of the data that the generator did not learn from, in random order.
        fake: As many samples of the generator; 20 of either at least.
        net: Fresh network from samples to logits (N, 2), the second for real.
        more: Further training samples of the judge, as many real as generated; the generator may
            have been trained on these real ones, since they are not in the test set.
        steps: Number of Adam's steps, on batches of 64 of either kind; it stops sooner if it is
            best sooner.
        seed: Seed of the shuffles.

    Returns:
        jsd_bound: Lower bound of the Jensen-Shannon divergence, in nats; low is good. It is an
            estimate from a finite sample, hence slightly above or below 0 if there is no
            divergence.
        jsd_error: Standard error of this estimate.
        judge_accuracy: Accuracy of the judge on unseen samples; 1/2 is good.
        accuracy_error: Standard error of this accuracy.
    """
    count = len(real)
    learn, choose, unseen = count * 2 // 5, count // 10, count - count * 2 // 5 - count // 10
    parts = [
        (torch.cat([r, f]), torch.arange(2).flip(0).repeat_interleave(len(r)))
        for r, f in zip(*(x.split([learn, choose, unseen]) for x in (real, fake)), strict=True)
    ]
    learned = parts[0]
    if more is not None:
        kinds = torch.arange(2).flip(0).repeat_interleave(len(more[0]))
        learned = torch.cat([learned[0], *more]), torch.cat([learned[1], kinds])
    scale = _fit_judge(net, learned, parts[1], steps, seed)
    x, y = parts[2]
    logit = scale * _logit(net, x)
    # log 2 + log D of a real sample, log 2 + log(1 - D) of a generated one
    gain = math.log(2) - softplus(torch.where(y == 1, -logit, logit))
    right = torch.where(logit == 0, 0.5, ((logit > 0) == (y == 1)).float())
    return {
        "jsd_bound": float(gain.mean()),
        "jsd_error": _error(gain),
        "judge_accuracy": float(right.mean()),
        "accuracy_error": _error(right),
    }


def _error(values: Float[Tensor, " N"]) -> float:
    """Standard error of a mean over two halves, real and generated, that are drawn apart."""
    return math.sqrt(sum(float(part.var()) / len(part) for part in values.chunk(2)) / 4)


def _fit_judge(
    net: nn.Module,
    learn: tuple[Tensor, Tensor],
    choose: tuple[Tensor, Tensor],
    steps: int,
    seed: int,
) -> float:
    """Train it, leave it as it chose best, and tell the factor of its logit."""
    engine, data = _engine(net, *learn, seed, 128, 1e-3)
    factors = torch.tensor(SCALES)[:, None]
    least, found, kept = math.inf, 0.0, copy.deepcopy(net.state_dict())
    for step in range(LOOK_EVERY, steps + LOOK_EVERY, LOOK_EVERY):
        engine.run(data, min(LOOK_EVERY, steps - step + LOOK_EVERY))
        logit = _logit(net.eval(), choose[0])
        signed = torch.where(choose[1] == 1, -logit, logit)
        losses = softplus(factors * signed).mean(1)
        at = int(losses.argmin())
        if float(losses[at]) < least:
            least, found = float(losses[at]), SCALES[at]
            kept = copy.deepcopy(net.state_dict())
    net.load_state_dict(kept)
    net.eval()
    return found


def _logit(net: nn.Module, x: Tensor) -> Float[Tensor, " N"]:
    """High = real."""
    both = predict(net, x).cpu()
    return both[:, 1] - both[:, 0]


@torch.no_grad()
def predict(net: nn.Module, x: Tensor) -> Tensor:
    """Logits of many samples, a thousand at a time.

    Args:
        net: Network of samples.
        x: Samples, (N, ...).
    """
    return torch.cat([net(part.float()) for part in x.split(1000)])


def class_statistics(logits: Float[Tensor, "N K"]) -> dict[str, float]:
    """How clear and how varied samples are to a classifier.

    classifier_score = exp E KL(c(k | x), c(k)), from 1 to K (Salimans et al. 2016); high is good
    class_kl = KL(c(k), uniform), 0 where each class comes as often; low is good

    Args:
        logits: Logits of the classifier.
    """
    log_c = logits.log_softmax(1)
    c = log_c.exp()
    mean = c.mean(0)
    divergence = (c * (log_c - mean.log())).sum(1).mean()
    uniform = (mean * (mean * len(mean)).log()).sum()
    return {"classifier_score": float(divergence.exp()), "class_kl": float(uniform)}


def known_words(lines: Sequence[str], learned: Sequence[str]) -> float:
    """Share of the words between blanks that the text learned from has too; 0 to 1.

    The last word of a line may be cut off, and counts on neither side.

    Args:
        lines: Lines as long as each other, filled with blanks.
        learned: Lines that were learned from, likewise.
    """
    known = {word for line in learned for word in line.split(" ")[:-1]}
    words = [word for line in lines for word in line.split(" ")[:-1] if word]
    return sum(word in known for word in words) / max(1, len(words))


def pair_divergence(
    real: Int64[Tensor, " N *variables"], fake: Int64[Tensor, " M *variables"], classes: int
) -> float:
    """JS(p, q) of the classes of two neighbouring variables, wherever they are; nats, at most .693.

    p and q are frequencies of ordered pairs along each axis of the variables; their mean over axes.
    It saturates far later than a judge: independent variables have it too, and so has any good
    model. Few samples of many classes push it up, so compare with what real samples reach.

    Args:
        real: Classes of real samples.
        fake: Classes of generated ones.
        classes: Number V of classes.
    """
    found = []
    for axis in range(1, real.dim()):
        p, q = (_pairs(x, axis, classes) for x in (real, fake))
        middle = (p + q) / 2
        found.append(sum(float(torch.special.xlogy(f, f / middle).nansum()) for f in (p, q)) / 2)
    return sum(found) / len(found)


def _pairs(x: Tensor, axis: int, classes: int) -> Float[Tensor, " V2"]:
    first, second = x.narrow(axis, 0, x.shape[axis] - 1), x.narrow(axis, 1, x.shape[axis] - 1)
    count = torch.bincount((first * classes + second).flatten(), minlength=classes**2)
    return count.double() / count.sum()

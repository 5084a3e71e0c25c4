"""Judges of samples that a discriminator in training cannot be: fresh networks, unseen samples.

A discriminator trained anew on half of the samples bounds the divergence from the other half:

    JS(p, q) >= log 2 + 1/2 E_p[log D] + 1/2 E_q[log(1 - D)]         in nats, at most log 2 = .693

and a classifier of what real samples show tells how clear and how varied they are. It is the
protocol of Hjelm et al. 2018, section 4.3, with the score of Salimans et al. 2016.
"""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.data import Batches


class ClassifierGame(Game):
    """Cross entropy, one player.

    Args:
        net: from samples to logits of classes.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"net": list(self.net.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("net", self.move)]

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One batch of {x, y}."""
        self.net.train()
        batch = next(batches)
        yield Loss(cross_entropy(self.net(batch["x"].float()), batch["y"]))


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
        net: from samples to logits of classes.
        x: samples (N, ...).
        y: their classes.
        steps: of Adam.
        seed: of the shuffles.
        batch: samples a step.
        lr: Adam's rate.
    """
    adam = functools.partial(torch.optim.Adam, lr=lr, fused=True)
    engine = Engine(ClassifierGame(net), {"net": adam})
    data = Batches({"x": x.cpu(), "y": y.cpu()}, min(batch, len(x)), seed=seed)
    engine.run(data, steps)
    return net.eval()


def judged(
    real: Float[Tensor, " N *sites"],
    fake: Float[Tensor, " N *sites"],
    net: nn.Module,
    *,
    steps: int = 400,
    seed: int = 0,
) -> dict[str, float]:
    """What a discriminator of one's choice, trained on the first halves, makes of the second.

    Args:
        real: samples of the data that the generator did not learn from, in random order.
        fake: as many samples of the generator.
        net: fresh; from samples to logits (N, 2), the second for real.
        steps: of Adam, on batches of 64 of either kind.
        seed: of the shuffles.

    Returns:
        jsd_bound: lower bound of the Jensen-Shannon divergence, in nats; low is good. May be below
            0, where the judge learned nothing that holds on unseen samples.
        judge_accuracy: of the judge on unseen samples; 1/2 is good.
    """
    half = len(real) // 2
    x = torch.cat([real[:half], fake[:half]])
    y = torch.arange(2).flip(0).repeat_interleave(half)
    fit_classifier(net, x, y, steps=steps, seed=seed)
    unseen = torch.cat([real[half : 2 * half], fake[half : 2 * half]])
    logits = predict(net, unseen).cpu()
    return {
        "jsd_bound": math.log(2) - float(cross_entropy(logits, y)),
        "judge_accuracy": float((logits.argmax(1) == y).float().mean()),
    }


@torch.no_grad()
def predict(net: nn.Module, x: Tensor) -> Tensor:
    """Logits of many samples, a thousand at a time."""
    return torch.cat([net(part.float()) for part in x.split(1000)])


def class_statistics(logits: Float[Tensor, "N K"]) -> dict[str, float]:
    """How clear and how varied samples are to a classifier.

    classifier_score = exp E KL(c(k | x), c(k)), from 1 to K (Salimans et al. 2016); high is good
    class_kl = KL(c(k), uniform), 0 where each class comes as often; low is good

    Args:
        logits: of the classifier.
    """
    log_c = logits.log_softmax(1)
    c = log_c.exp()
    mean = c.mean(0)
    divergence = (c * (log_c - mean.log())).sum(1).mean()
    uniform = (mean * (mean * len(mean)).log()).sum()
    return {"classifier_score": float(divergence.exp()), "class_kl": float(uniform)}

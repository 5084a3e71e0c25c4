"""Fresh judges: classifiers that learn to tell two kinds of text apart, measured on unseen text.

A weak judge is fooled by anything, so its accuracy is never printed without what it makes of pairs
whose answer is known (ERE), and never from one seed.
"""

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.classifier import ClassifierGame
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch
from image_core.runs.batches import Batches

LEAST = 20
"""Rows of each kind: a tenth of the half that is learned from decides when to stop."""

__all__ = ["adversuc", "judge_accuracy"]


class Judge(nn.Module):
    """Reads one or more utterances, and says how surely they are of the first kind.

    Utterance vectors u_1..u_K are the means of a bidirectional GRU; logit = MLP of the last, of the
    mean of those before it, of their product and of their distance (nothing before it: of the last)

    Args:
        vocab: Number of token ids.
        size: Of embeddings and of the GRU's state, each way.
        pad: id that does not count.
    """

    def __init__(self, vocab: int, size: int = 64, *, pad: int = 0):
        super().__init__()
        self.pad = pad
        self.embedding = nn.Embedding(vocab, size)
        self.gru = nn.GRU(size, size, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(8 * size, size), nn.ReLU(), nn.Linear(size, 1))

    def forward(self, tokens: Int64[Tensor, "B K T"]) -> Float[Tensor, " B"]:
        """Logits; high = the first kind."""
        rows = tokens.flatten(0, 1)
        counts = rows != self.pad
        hidden, _ = self.gru(F.dropout(self.embedding(rows), 0.2, self.training))
        vectors = (hidden * counts[:, :, None]).sum(1) / counts.sum(1, True).clamp(min=1)
        vectors = vectors.view(*tokens.shape[:2], -1)
        last, before = vectors[:, -1], vectors[:, :-1].sum(1) / max(1, tokens.shape[1] - 1)
        features = torch.cat([last, before, last * before, (last - before).abs()], 1)
        return self.head(F.dropout(features, 0.2, self.training))[:, 0]


class Accuracy(NamedTuple):
    """Of judges of several seeds, on texts that they did not learn from.

    Args:
        mean: Share told rightly; 0.5 = the two kinds cannot be told apart.
        deviation: Standard deviation over the seeds; 0 for one seed.
    """

    mean: float
    deviation: float


class AdverSuc(NamedTuple):
    """Adversarial evaluation of replies; no figure of it stands alone.

    Args:
        success: 1 - a judge's accuracy on machine replies against human ones; 0.5 is ideal.
        deviation: Of `success`, over seeds.
        error: Evaluator reliability error (ERE): mean distance of the same judge's accuracy from
            what it should be in `checks`; low = `success` can be believed.
        machine_vs_random: Accuracy on machine replies against random human ones; high = the machine
            answers its context.
        checks: Accuracy in each of the four checks.
    """

    success: float
    deviation: float
    error: float
    machine_vs_random: float
    checks: Mapping[str, float]


CHECKS = {
    "human_vs_human": 0.5,
    "machine_vs_machine": 0.5,
    "human_vs_random": 1.0,
    "human_vs_random_reply": 1.0,
}
"""What a perfect judge's accuracy would be."""


def judge_accuracy(
    first: Int64[Tensor, "..."],
    second: Int64[Tensor, "..."],
    *,
    vocab: int,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 10,
) -> Accuracy:
    """How well fresh judges tell two kinds of text apart; high = easily.

    Half of each kind is learned from, a tenth of that half chooses the epoch, the other half is
    judged. Both kinds are cut to the number of the rarer one, so that guessing gives 0.5.

    Args:
        first: Token ids (N, T), or utterances (N, K, T) of which the last answers the others.
        second: The same, padded to the same width with 0.
        vocab: Number of token ids.
        seeds: Of halves and weights, one judge each.
        epochs: Most passes.

    Raises:
        UserError: Fewer than 20 rows of a kind.
    """
    rows = min(len(first), len(second))
    if rows < LEAST:
        raise UserError(f"a judge needs {LEAST} texts of each kind: got {rows}")
    values = torch.tensor([_one(first, second, rows, vocab, s, epochs) for s in seeds]).double()
    return Accuracy(float(values.mean()), float(values.std()) if len(seeds) > 1 else 0.0)


def adversuc(
    contexts: Int64[Tensor, "N T"],
    human: Int64[Tensor, "N T"],
    machine: Int64[Tensor, "N T"],
    *,
    vocab: int,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 10,
) -> AdverSuc:
    """Adversarial success with the reliability of its judge, and machine against random replies.

    Args:
        contexts: What is answered, padded with 0.
        human: people's replies.
        machine: The model's.
        vocab: Number of token ids.
        seeds: Of the judges, whose accuracies are averaged.
        epochs: Most passes of a judge.

    Raises:
        UserError: Fewer than 40 pairs.

    Source: Li et al. 2017, "Adversarial Learning for Neural Dialogue Generation", section 5; there
        the judge reads the whole dialogue and the checks draw random dialogues as we do.
    """
    if len(contexts) < 2 * LEAST:
        raise UserError(f"adversarial evaluation needs {2 * LEAST} pairs: got {len(contexts)}")
    generator = torch.Generator().manual_seed(0)
    # A cyclic shift of a shuffle gives everyone a reply, and nobody the own one
    order = torch.randperm(len(human), generator=generator)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    utterances = torch.cat([contexts, human])
    picked = torch.randint(len(utterances), (2, len(human)), generator=generator)
    pairs = {
        "human": torch.stack([contexts, human], 1),
        "machine": torch.stack([contexts, machine], 1),
        "random_reply": torch.stack([contexts, human[other]], 1),
        "random": torch.stack([utterances[picked[0]], utterances[picked[1]]], 1),
    }

    def told(one: Tensor, two: Tensor) -> Accuracy:
        return judge_accuracy(one, two, vocab=vocab, seeds=seeds, epochs=epochs)

    checks = {
        "human_vs_human": told(*pairs["human"][order].chunk(2)).mean,
        "machine_vs_machine": told(*pairs["machine"][order].chunk(2)).mean,
        "human_vs_random": told(pairs["human"], pairs["random"]).mean,
        "human_vs_random_reply": told(pairs["human"], pairs["random_reply"]).mean,
    }
    accuracy = told(pairs["human"], pairs["machine"])
    return AdverSuc(
        1 - accuracy.mean,
        accuracy.deviation,
        sum(abs(checks[name] - right) for name, right in CHECKS.items()) / len(CHECKS),
        told(pairs["machine"], pairs["random_reply"]).mean,
        checks,
    )


def _one(first: Tensor, second: Tensor, rows: int, vocab: int, seed: int, epochs: int) -> float:
    """Accuracy of the judge of one seed on the half it has not seen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kinds = [_utterances(kind)[torch.randperm(len(kind))[:rows]] for kind in (first, second)]
        half, held_out = rows // 2, max(1, rows // 20)
        learned = {name: k[held_out:half] for name, k in zip(("first", "second"), kinds)}
        chooses = [kind[:held_out] for kind in kinds]
        judge = Judge(vocab)
        adam = functools.partial(torch.optim.Adam, lr=2e-3, fused=True)
        engine = Engine(ClassifierGame(judge), {"C": adam}, clip={"C": 2.5})
        data = Batches(learned, min(32, half - held_out), seed=seed)
        best, best_loss = copy.deepcopy(judge), float("inf")
        for _ in range(epochs):
            engine.run(lambda index: _labelled(data(index)), len(data))
            loss = _judged(judge, *chooses)[1]
            if loss < best_loss:
                best.load_state_dict(judge.state_dict())
                best_loss = loss
        return _judged(best, *(kind[half:] for kind in kinds))[0]


def _labelled(batch: Batch) -> dict[str, Tensor]:
    """As many of either kind, with class 1 for the first."""
    x = torch.cat([batch["first"], batch["second"]])
    return {"x": x, "y": torch.arange(2).flip(0).repeat_interleave(len(x) // 2)}


def _utterances(tokens: Tensor) -> Int64[Tensor, "N K T"]:
    return tokens if tokens.ndim == 3 else tokens[:, None]


@torch.no_grad()
def _judged(judge: Judge, first: Tensor, second: Tensor) -> tuple[float, float]:
    """Accuracy and loss; a logit of 0 is half right."""
    judge.eval()
    logits = [torch.cat([judge(part) for part in kind.split(512)]) for kind in (first, second)]
    margins = torch.cat([logits[0], -logits[1]])
    right = (margins > 0).float() + 0.5 * (margins == 0).float()
    return float(right.mean()), float(F.softplus(-margins).mean())

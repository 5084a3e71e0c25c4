"""Newly trained judges: classifiers of two kinds of text, evaluated on held-out text.

A weak judge is fooled by anything, so its accuracy is never reported without its accuracy on pairs
with a known answer (ERE), and never for a single seed.
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
"""Minimum number of rows per kind: a tenth of the training half decides when to stop."""

__all__ = ["adversuc", "judge_accuracy"]


class Judge(nn.Module):
    """Reads one or more utterances, and returns the logit of the first kind.

    Utterance vectors u_1..u_K are the means of a bidirectional GRU. The logit is an MLP of the last
    one, of the mean of those before it, of their product and of their distance (or of the last one
    alone if there is nothing before it).

    Args:
        vocab: Number of token ids.
        size: Size of the embeddings and of the GRU's state in each direction.
        pad: Token id that does not count.
    """

    def __init__(self, vocab: int, size: int = 64, *, pad: int = 0):
        super().__init__()
        self.pad = pad
        self.embedding = nn.Embedding(vocab, size)
        self.gru = nn.GRU(size, size, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(8 * size, size), nn.ReLU(), nn.Linear(size, 1))

    def forward(self, tokens: Int64[Tensor, "B K T"]) -> Float[Tensor, " B"]:
        """Logits; high = the first kind.

        Args:
            tokens: Token ids of K utterances, (B, K, T).
        """
        rows = tokens.flatten(0, 1)
        counts = rows != self.pad
        hidden, _ = self.gru(F.dropout(self.embedding(rows), 0.2, self.training))
        vectors = (hidden * counts[:, :, None]).sum(1) / counts.sum(1, True).clamp(min=1)
        vectors = vectors.view(*tokens.shape[:2], -1)
        last, before = vectors[:, -1], vectors[:, :-1].sum(1) / max(1, tokens.shape[1] - 1)
        features = torch.cat([last, before, last * before, (last - before).abs()], 1)
        return self.head(F.dropout(features, 0.2, self.training))[:, 0]


class Accuracy(NamedTuple):
    """Accuracy of judges of several seeds on held-out texts.

    Args:
        mean: Share of correct decisions; 0.5 = the two kinds cannot be distinguished.
        deviation: Standard deviation over the seeds; 0 for one seed.
    """

    mean: float
    deviation: float


class AdverSuc(NamedTuple):
    """Adversarial evaluation of replies; its numbers must be read together.

    Args:
        success: Adversarial success, 1 - the judge's accuracy on machine replies against human
            ones; 0.5 is ideal.
        deviation: Standard deviation of `success` over seeds.
        error: Evaluator reliability error (ERE): mean deviation of the same judge's accuracy from
            its expected value in `checks`; low = `success` is reliable.
        machine_vs_random: Accuracy on machine replies against random human ones; high = the machine
            responds to its context.
        checks: Accuracy in each of the four checks.
        control: Accuracy with other real replies in the machine's place; 0.5 is right.
    """

    success: float
    deviation: float
    error: float
    machine_vs_random: float
    checks: Mapping[str, float]
    control: Accuracy


CHECKS = {
    "human_vs_human": 0.5,
    "machine_vs_machine": 0.5,
    "human_vs_random": 1.0,
    "human_vs_random_reply": 1.0,
}
"""Accuracy of a perfect judge in each check."""


def judge_accuracy(
    first: Int64[Tensor, "..."],
    second: Int64[Tensor, "..."],
    *,
    vocab: int,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 10,
) -> Accuracy:
    """Accuracy of newly trained judges of two kinds of text; high = easy to distinguish.

    Half of each kind is used for training, of which a tenth selects the epoch; the other half is
    classified. Both kinds are reduced to the size of the smaller one, so that guessing gives 0.5.

    Args:
        first: Token ids (N, T), or utterances (N, K, T) of which the last answers the others.
        second: Token ids of the second kind, padded to the same width with 0.
        vocab: Number of token ids.
        seeds: Seeds of the splits and weights, one judge each.
        epochs: Maximum number of epochs.

    Raises:
        UserError: There are fewer than 20 rows of a kind.
    """
    rows = min(len(first), len(second))
    if rows < LEAST:
        raise UserError(f"a judge needs {LEAST} texts of each kind: got {rows}")
    values = torch.tensor([_one(first, second, rows, vocab, s, epochs) for s in seeds]).double()
    return Accuracy(float(values.mean()), float(values.std()) if len(seeds) > 1 else 0.0)


class HumanPairs(NamedTuple):
    """Contexts with replies of people.

    Args:
        human: Contexts with their own replies.
        random_reply: Contexts with the replies of other contexts.
        random: Pairs of random utterances.
        order: Random permutation of the pairs.
    """

    human: Int64[Tensor, "N 2 T"]
    random_reply: Int64[Tensor, "N 2 T"]
    random: Int64[Tensor, "N 2 T"]
    order: Int64[Tensor, " N"]


def human_pairs(contexts: Int64[Tensor, "N T"], human: Int64[Tensor, "N T"]) -> HumanPairs:
    """The pairs of people's utterances that adversarial evaluation needs, by a fixed draw.

    Args:
        contexts: Contexts of the replies, padded with 0.
        human: Replies of people.
    """
    generator = torch.Generator().manual_seed(0)
    # A cyclic shift of a permutation assigns each context the reply of another one
    order = torch.randperm(len(human), generator=generator)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    utterances = torch.cat([contexts, human])
    picked = torch.randint(len(utterances), (2, len(human)), generator=generator)
    return HumanPairs(
        torch.stack([contexts, human], 1),
        torch.stack([contexts, human[other]], 1),
        torch.stack([utterances[picked[0]], utterances[picked[1]]], 1),
        order,
    )


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
        contexts: Contexts of the replies, (N, T), padded with 0.
        human: Replies of people, (N, T).
        machine: Replies of the model, (N, T).
        vocab: Number of token ids.
        seeds: Seeds of the judges, whose accuracies are averaged.
        epochs: Maximum number of epochs per judge.

    Raises:
        UserError: There are fewer than 40 pairs.

    Source: Li et al. 2017, "Adversarial Learning for Neural Dialogue Generation", section 5; there
        the judge reads the whole dialogue, and the checks draw random dialogues as here.
    """
    if len(contexts) < 2 * LEAST:
        raise UserError(f"adversarial evaluation needs {2 * LEAST} pairs: got {len(contexts)}")
    pairs = {
        **human_pairs(contexts, human)._asdict(),
        "machine": torch.stack([contexts, machine], 1),
    }
    order = pairs.pop("order")

    def told(one: Tensor, two: Tensor) -> Accuracy:
        return judge_accuracy(one, two, vocab=vocab, seeds=seeds, epochs=epochs)

    control = told(*pairs["human"][order].chunk(2))
    checks = {
        "human_vs_human": control.mean,
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
        control,
    )


def _one(first: Tensor, second: Tensor, rows: int, vocab: int, seed: int, epochs: int) -> float:
    """Accuracy of the judge of one seed on its held-out half."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Replies to one context are in one half: a judge that remembers the context of one of them
        # would take the other for the same kind
        orders = {len(kind): torch.randperm(len(kind)) for kind in (first, second)}
        kinds = [_utterances(kind)[orders[len(kind)][:rows]] for kind in (first, second)]
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
    """The same number of each kind, with class 1 for the first."""
    x = torch.cat([batch["first"], batch["second"]])
    return {"x": x, "y": torch.arange(2).flip(0).repeat_interleave(len(x) // 2)}


def _utterances(tokens: Tensor) -> Int64[Tensor, "N K T"]:
    return tokens if tokens.ndim == 3 else tokens[:, None]


@torch.no_grad()
def _judged(judge: Judge, first: Tensor, second: Tensor) -> tuple[float, float]:
    """Accuracy and loss; a logit of 0 counts as half correct."""
    judge.eval()
    logits = [torch.cat([judge(part) for part in kind.split(512)]) for kind in (first, second)]
    margins = torch.cat([logits[0], -logits[1]])
    right = (margins > 0).float() + 0.5 * (margins == 0).float()
    return float(right.mean()), float(F.softplus(-margins).mean())

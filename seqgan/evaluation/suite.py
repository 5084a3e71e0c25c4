"""The metrics of `seqgan evaluate --samples`, with their names in --metrics.

Each measures one row of a case: the samples, or real text as if it were samples. It returns nothing
for a row to which it does not apply. The names of metrics that compare with real text include all
settings that they depend on.
"""

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan import metrics
from seqgan.evaluation.case import Case, Side
from seqgan.evaluation.language import padded
from seqgan.judges.judge import adversuc as adversarial_success
from seqgan.judges.judge import judge_accuracy
from seqgan.metrics.bootstrap import Band, Figure, mean_figure, seeds_reach

__all__ = [
    "adversuc",
    "bleu",
    "copied",
    "corpus_bleu",
    "distinct",
    "embedding",
    "entropy",
    "frechet",
    "judge",
    "lengths",
    "lm",
    "mauve",
    "repetition",
    "self_bleu",
    "unique",
]

DEFAULT = ("bleu", "self_bleu", "distinct", "entropy", "unique", "lengths", "repetition")
"""Metrics measured if --metrics is left out: they take seconds for 10,000 sentences."""


OVER_SEEDS = ("adversuc", "judge_accuracy")
"""Metrics whose intervals are over the seeds of judges; those of others are over sentences."""
JUDGES = 3
"""Number of seeds of a judge."""

Figures = dict[str, Figure]


def bleu(case: Case, side: Side) -> Figures:
    """BLEU-2..5: mean sentence BLEU against all references.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    if case.is_references(side):
        return {}
    return _scores("bleu", metrics.bleu_per_sentence(side.ids, case.references.ids))


def self_bleu(case: Case, side: Side) -> Figures:
    """Self-BLEU-2..5: mean BLEU of each sentence against all others of its row.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    if side is not case.samples and len(side.ids) < 2:
        return {}
    return _scores("self_bleu", metrics.self_bleu_per_sentence(side.ids))


def distinct(case: Case, side: Side) -> Figures:
    """distinct-1 and -2, plain and adjusted for the expectation under uniform draws.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    plain = {f"distinct{n}": metrics.distinct(side.ids, n) for n in (1, 2)}
    adjusted = {
        f"adjusted_distinct{n}": metrics.adjusted_distinct(side.ids, n, max(1, case.vocabulary))
        for n in (1, 2)
    }
    return _plain({**plain, **adjusted})


def entropy(case: Case, side: Side) -> Figures:
    """Entropy of unigrams and of 4-grams, in nats.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    return _plain({f"entropy{n}": metrics.ngram_entropy(side.ids, n) for n in (1, 4)})


def unique(case: Case, side: Side) -> Figures:
    """Share of different sentences.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    return _plain({"unique": metrics.unique_share(side.ids)})


def copied(case: Case, side: Side) -> Figures:
    """Share of sentences copied from training, and the longest copied n-gram as a share.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    assert case.train is not None
    if side.name == "human (train)":
        return {}
    whole = metrics.copied_share(side.ids, case.train.ids)
    part = metrics.copied_ngrams(side.ids, case.train.ids)
    return _plain({"copied": whole, "copied_ngram": part})


def lengths(case: Case, side: Side) -> Figures:
    """Tokens per sentence: mean, standard deviation, minimum, median and maximum.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    found = metrics.lengths(side.ids)._asdict()
    return _plain({f"length_{name}": float(value) for name, value in found.items()})


def repetition(case: Case, side: Side) -> Figures:
    """Share of a sentence's words, and of its 4-grams, that occur earlier in it.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    return _plain({f"repetition{n}": metrics.repetition_share(side.ids, n) for n in (1, 4)})


def corpus_bleu(case: Case, side: Side) -> Figures:
    """Corpus BLEU of sample i against reference i, by sacrebleu, its signature in the name.

    Args:
        case: Sentences and options.
        side: Row of the table.

    Raises:
        UserError: Samples and references do not have as many lines.
    """
    if side is not case.samples:
        return {}
    pairs = _paired(case, "corpus_bleu")
    found = metrics.corpus_bleu(side.lines, [pairs.lines], lowercase=case.config.lowercase)
    return {f"corpus_bleu {found.signature}": Figure(found.score)}


def embedding(case: Case, side: Side) -> Figures:
    """Embedding average, greedy and extrema of sample i and reference i.

    Args:
        case: Sentences and options.
        side: Row of the table.

    Raises:
        UserError: Samples and references do not have as many lines.
    """
    if side is not case.samples:
        return {}
    pairs = _paired(case, "embedding")
    found = metrics.embedding_similarity(side.words, pairs.words, case.encoder.words)
    name = case.encoder.name
    return _plain({f"embedding_{kind} {name}": v for kind, v in found._asdict().items()})


def frechet(case: Case, side: Side) -> Figures:
    """Frechet distance of sentence vectors to half of the references; the other is the floor.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    one, half = case.vectors(side)
    name = f"frechet {case.encoder.name} N={len(half)} d={half.shape[1]}"
    return {name: Figure(metrics.frechet_distance(one, half))}


def mauve(case: Case, side: Side) -> Figures:
    """MAUVE of sentence vectors against half of the references; the other half is the ceiling.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    one, half = case.vectors(side)
    name = f"mauve {case.encoder.name} N={len(half)} d={half.shape[1]}"
    return {name: Figure(metrics.mauve(half, one))}


def judge(case: Case, side: Side) -> Figures:
    """Accuracy of new judges that distinguish a row from the references, over three seeds.

    Args:
        case: Sentences and options.
        side: Row of the table.
    """
    one, half = case.against_half(side)
    found = judge_accuracy(*_matrices([one, half]), vocab=case.vocabulary + 1)
    return {"judge_accuracy": _over_seeds(found.mean, found.deviation)}


def adversuc(case: Case, side: Side) -> Figures:
    """Adversarial success of replies with its judge's error, and machine against random.

    The row of the references is people's own replies in the machine's place, the judge's control.

    Args:
        case: Sentences and options.
        side: Row of the table.

    Raises:
        UserError: Samples and references do not have as many lines.
    """
    if side is not case.samples and not case.is_references(side):
        return {}
    assert case.contexts is not None
    if case.adversuc is None:
        sides = [case.contexts, _paired(case, "adversuc"), case.samples]
        case.adversuc = adversarial_success(*_matrices(sides), vocab=case.vocabulary + 1)
    found = case.adversuc
    control = _over_seeds(1 - found.control.mean, found.control.deviation)
    assert control.band is not None
    if case.is_references(side):
        return {"adversuc": control}
    if not control.band.low <= 0.5 <= control.band.high:
        print(
            f"adversuc is not given: real replies in the machine's place score {control.value:.3f}"
            ", and 0.5 is not within its interval over seeds",
            file=sys.stderr,
        )
        return {"adversuc_ere": Figure(found.error)}
    return {
        "adversuc": _over_seeds(found.success, found.deviation),
        "adversuc_ere": Figure(found.error),
        "machine_vs_random": Figure(found.machine_vs_random),
    }


def lm(case: Case, side: Side) -> Figures:
    """LM score: nats per token under a model of real text; reverse LM: real text under the row's.

    Words that real text lacks are not scored; their share stands beside it.

    The model of real text is trained on the training text, or else on one half of the references;
    real text under a model is the references, or else their other half. One row has real text in
    the samples' place: its LM score is that of unseen text, its reverse score that of a model of as
    much real text as there are samples.

    Args:
        case: Sentences and options.
        side: Row of the table.

    Raises:
        UserError: There are fewer than 20 samples.
    """
    language, unseen = case.language, case.unseen.ids
    if side is not case.samples:
        if (case.train is None) is not case.is_references(side):
            return {}
        again = side.ids if case.train is not None else case.halves[0].ids
        return {
            "lm": language.score(language.model, unseen).figure(),
            "lm_unknown": Figure(language.unknown(unseen)),
            "reverse_lm": language.score(language.fit(again), unseen).figure(),
        }
    if len(side.ids) < 20:
        raise UserError(f"--metrics lm trains on the samples and needs 20: got {len(side.ids)}")
    return {
        "lm": language.score(language.model, side.ids).figure(),
        "lm_unknown": Figure(language.unknown(side.ids)),
        "reverse_lm": language.score(language.fit(side.ids), unseen).figure(),
    }


def _scores(name: str, scores: Mapping[int, np.ndarray]) -> Figures:
    return {f"{name}{n}": mean_figure(s) for n, s in scores.items()}


def _over_seeds(mean: float, deviation: float) -> Figure:
    """A judge's figure with its 95 % interval over seeds."""
    reach = seeds_reach(deviation, JUDGES)
    return Figure(mean, Band(mean - reach, mean + reach))


def _plain(values: Mapping[str, float]) -> Figures:
    return {name: Figure(value) for name, value in values.items()}


def _paired(case: Case, metric: str) -> Side:
    if case.paired is None:
        raise UserError(
            f"--metrics {metric} compares line by line: --samples and --references must have "
            "the same number of lines"
        )
    return case.paired


def _matrices(sides: Sequence[Side]) -> list[Tensor]:
    """Ids from 1 up, padded with 0 to one width."""
    rows = [padded(side.ids, add=1) for side in sides]
    width = max(matrix.shape[1] for matrix in rows)
    return [F.pad(matrix, (0, width - matrix.shape[1])) for matrix in rows]

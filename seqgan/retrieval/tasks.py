"""The three tasks behind one face: items for users, documents for queries, answers.

A task knows two training sets: `fit`, learned from while settings are chosen on `valid`, and
`train`, learned from once they are; they are one where nothing is chosen or a validation set is
given.
"""

import copy
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.archives import check_numbers, npz_arrays, npz_names
from seqgan.retrieval.answers import Answers
from seqgan.retrieval.baselines import ease
from seqgan.retrieval.evaluate import ScoreRows
from seqgan.retrieval.interactions import Interactions
from seqgan.retrieval.judged import Judged
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import (
    FactorsOnPrior,
    FeatureMLP,
    MatrixFactorization,
    Scorer,
    TwoTower,
)
from seqgan.retrieval.split import Split


@dataclass(kw_only=True)
class Sizes:
    """Sizes of a scorer.

    Args:
        dim: Length of a vector.
        encoder: Name or folder of a transformers encoder.
    """

    dim: int = 5
    encoder: str | None = None


class Task(ABC):
    """Data of a task, split, and the scorers that fit it."""

    fit: Split
    train: Split
    valid: Split | None
    test: Split
    query_names: Sequence[str]
    document_names: Sequence[str]
    dropped: dict[str, int]
    noted: dict[str, int]
    told: list[str]
    facts: dict[str, Any]

    @abstractmethod
    def scorer(self, name: str, sizes: Sizes) -> Scorer:
        """A new scorer, knowing what `fit` knows."""

    def know(self, scorer: Scorer, split: Split) -> None:
        """Let a scorer that reads histories read those of a training set; others read none."""
        return

    @property
    def splits(self) -> list[Split]:
        """All that differ."""
        found = {id(s): s for s in (self.fit, self.train, self.valid, self.test) if s is not None}
        return list(found.values())

    @abstractmethod
    def trec_ids(self) -> tuple[list[str], list[str]]:
        """Ids of all queries and documents, without blanks."""

    def score(self, scorer: Scorer, split: Split) -> ScoreRows:
        """Scores of all columns for rows of a split."""

        def score(rows: Tensor) -> Tensor:
            return split.batch(rows).scores(scorer.eval())

        return score

    def fingerprint(self) -> int:
        """A number that changes with the data."""
        sum_ = 0
        for split in self.splits:
            for tensor in (split.queries, split.positives.offsets, split.positives.values):
                sum_ = zlib.crc32(tensor.cpu().numpy().tobytes(), sum_)
        return sum_


class ItemTask(Task):
    """Items for users, from relevant pairs.

    Args:
        data: Relevant pairs.
        choose: Whether settings are chosen on a validation share.
        eval_samples: Most users that validation and test read, drawn at random; 0 reads all.
        seed: Seed of that draw.
    """

    def __init__(self, data: Interactions, *, choose: bool, eval_samples: int = 0, seed: int = 0):
        self.data, self.dropped, self.noted = data, data.dropped, data.noted
        self.query_names, self.document_names = data.users, data.items
        self.told, self.facts = data.told, data.facts()
        self.train = data.learn(data.train)
        self.fit = data.learn(data.fit) if choose else self.train
        self.fit_history = data.fit if choose else data.train
        generator = torch.Generator().manual_seed(seed)

        def drawn(relevant: Ragged) -> Tensor:
            users = torch.nonzero(relevant.counts > 0)[:, 0]
            if eval_samples:
                users = users[torch.randperm(len(users), generator=generator)[:eval_samples]]
            return users.sort().values

        self.test = data.measure(data.test, data.train, drawn(data.test))
        self.valid = data.measure(data.valid, data.fit, drawn(data.valid)) if choose else None
        self.everybody = data.measure(data.test, data.train)
        self._priors: dict[Split, Tensor] = {}

    def scorer(self, name: str, sizes: Sizes) -> Scorer:
        users, items = len(self.data.users), len(self.data.items)
        if name == "mf_ease":
            return FactorsOnPrior(self.prior(self.fit), sizes.dim)
        if name == "two_tower":
            return TwoTower(self.fit_history, items, sizes.dim)
        return MatrixFactorization(users, items, sizes.dim)

    def trec_ids(self) -> tuple[list[str], list[str]]:
        return _bare(self.data.users), _bare(self.data.items)

    def history(self, split: Split) -> Ragged:
        """Positives of every user in a training set."""
        return self.data.train if split is self.train else self.data.fit

    def prior(self, split: Split) -> Tensor:
        """EASE's scores of all items for every user, made once."""
        if split not in self._priors:
            score = ease(self.history(split), len(self.data.items))
            everybody = torch.arange(len(self.data.users))
            self._priors[split] = score(everybody).to(split.queries.device)
        return self._priors[split]

    def know(self, scorer: Scorer, split: Split) -> None:
        if isinstance(scorer, TwoTower):
            # A copy: the data themselves stay on the CPU
            scorer.history = copy.deepcopy(self.history(split)).to(split.queries.device)
        if isinstance(scorer, FactorsOnPrior):
            scorer.know(self.prior(split))


class WebTask(Task):
    """Judged documents with features, for queries that are not those of the test set.

    Args:
        train: Judged documents to learn from.
        test: Judged documents to measure on.
        valid: Judged documents to choose settings on; None holds out a share of the training
            queries.
        share: Size of that share.
        label_fraction: Share of the training labels that the game sees.
        seed: Seed of both shares.
        choose: Whether settings are chosen.
        graded: Whether NDCG weighs documents by their label; else all relevant ones count the same.

    Raises:
        UserError: The sets do not agree, or hold too few queries.
    """

    def __init__(
        self,
        train: Judged,
        test: Judged,
        valid: Judged | None,
        *,
        share: float,
        label_fraction: float,
        seed: int,
        choose: bool,
        graded: bool,
    ):
        self.dropped, self.noted = {}, {}
        random = np.random.default_rng(seed)
        self.hidden = random.random(len(train.label)) < 1 - label_fraction
        seen = train.relevant_queries(self.hidden)
        if not len(seen):
            raise UserError(
                f"--label_fraction {label_fraction} hides every relevant label; raise it"
            )
        shuffled = random.permutation(seen)
        first = (len(train.names), len(train.label))
        sets = [train]
        self.train = train.split(np.sort(shuffled), hidden=self.hidden)
        self.fit, self.valid = self.train, None
        if choose and valid is not None:
            sets.append(valid)
            self.valid = valid.split(valid.relevant_queries(), first, graded=graded)
            first = (first[0] + len(valid.names), first[1] + len(valid.label))
        elif choose:
            held = max(1, int(share * len(seen)))
            if held >= len(seen):
                raise UserError("too few training queries to hold some out; use --select last")
            self.fit = train.split(np.sort(shuffled[held:]), hidden=self.hidden)
            self.valid = train.split(np.sort(shuffled[:held]), hidden=self.hidden, graded=graded)
        sets.append(test)
        self.test = test.split(test.relevant_queries(), first, graded=graded)
        self.query_names = [name for each in sets for name in each.names]
        self.document_names = [
            f"query {each.names[query]}, row {row}"
            for each in sets
            for row, query in enumerate(each.query, 1)
        ]
        self.noted["test queries without a relevant document, not measured"] = len(
            test.names
        ) - len(self.test)
        self.noted["training queries without a visible relevant document"] = len(train.names) - len(
            seen
        )
        width = {each.features.shape[1] for each in sets if each.features is not None}
        if len(width) != 1:
            raise UserError(f"the sets have {sorted(width)} features; they must agree")
        self.features = torch.from_numpy(np.concatenate([s.features for s in sets]))
        self.labels = np.concatenate([s.label for s in sets])
        self.sets = sets
        roles = ("train", "valid", "test") if len(sets) == 3 else ("train", "test")
        self.told = [f"{role}: {each.told}" for role, each in zip(roles, sets)]
        self.facts = self._facts(dict(zip(roles, sets)))

    def trec_ids(self) -> tuple[list[str], list[str]]:
        return numbered([(each.names, each.query) for each in self.sets])

    def _facts(self, sets: Mapping[str, Judged]) -> dict[str, Any]:
        """Sizes, counts of labels, and documents whose features training has: all, to two digits.

        A validation set that was held out of the training queries is counted with them.
        """
        found: dict[str, Any] = {}
        for role, each in sets.items():
            found |= {f"{role}_queries": len(each.names), f"{role}_rows": len(each.label)}
            found[f"{role}_classes"] = each.classes()
        train = sets["train"].features
        for role in set(sets) - {"train"}:
            for name, digits in (("in", None), ("near", 2)):
                held = _rows_of(sets[role].features, digits)
                known = set(_rows_of(train, digits))
                found[f"{role}_{name}_train"] = sum(row in known for row in held) / len(held)
        return found

    def scorer(self, name: str, sizes: Sizes) -> Scorer:
        return FeatureMLP(self.features)


class AnswerTask(Task):
    """Answers for questions that are not those of the test set.

    Args:
        answers: Texts of all sets.
        choose: Whether settings are chosen on the validation set.
    """

    def __init__(self, answers: Answers, *, choose: bool):
        self.answers, self.dropped, self.noted = answers, answers.dropped, answers.noted
        self.query_names, self.document_names = answers.questions, answers.texts
        self.told, self.facts = answers.told, answers.facts
        self.train, self.test = answers.train, answers.test
        self.fit = answers.fit if choose else answers.train
        self.valid = answers.valid if choose else None

    def scorer(self, name: str, sizes: Sizes) -> Scorer:
        return self.answers.scorer(name, sizes.dim, sizes.encoder)

    def trec_ids(self) -> tuple[list[str], list[str]]:
        return numbered([(each.ids, each.query) for each in self.answers.sets])


def _bare(names: Sequence[str]) -> list[str]:
    """Names without blanks, which end a field of a TREC file."""
    return ["_".join(name.split()) or "_" for name in names]


def numbered(sets: Sequence[tuple[Sequence[str], np.ndarray]]) -> tuple[list[str], list[str]]:
    """Ids of queries, and of their documents in order: the query's id and a number from 1.

    Args:
        sets: Names of the queries and query of each document, for each set.
    """
    queries, documents = [], []
    for names, query in sets:
        bare = _bare(names)
        queries += bare
        first = np.searchsorted(query, query)  # documents of a query stand together
        places = np.arange(len(query)) - first + 1
        documents += [f"{bare[q]}-{place}" for q, place in zip(query.tolist(), places.tolist())]
    return queries, documents


def _rows_of(features: np.ndarray | None, digits: int | None) -> list[bytes]:
    """Features of each document, comparable, rounded if digits are given."""
    assert features is not None
    rounded = features if digits is None else np.round(features, digits)
    return [row.tobytes() for row in rounded + 0.0]  # -0 is 0


def read_start(source: str, prefix: str = "") -> dict[str, Tensor]:
    """A matrix factorisation made elsewhere: arrays {user, item, bias} of an .npz.

    Args:
        source: File to read.
        prefix: Prefix of the names, as in dns_user, where the file holds several models.

    Raises:
        UserError: The file is missing, or its arrays do not fit together.
    """
    if not Path(source).is_file():
        raise UserError(f"--start: there is no file {source}; check the path")
    names = {"query": f"{prefix}user", "document": f"{prefix}item", "bias": f"{prefix}bias"}
    there = npz_names(f"--start {source}", Path(source))
    found = npz_arrays(f"--start {source}", Path(source), {*names.values()} & {*there})
    arrays = {key: found[name] for key, name in names.items() if name in found}
    if len(arrays) < 3:
        raise UserError(
            f"--start {source} holds {', '.join(there)}, not {', '.join(names.values())}; name "
            "them so, or begin them with the prefix that the paper names"
        )
    check_numbers(f"--start {source}", {names[key]: array for key, array in arrays.items()})
    made = {key: torch.from_numpy(array).float() for key, array in arrays.items()}
    query, document, bias = made["query"], made["document"], made["bias"]
    fits = query.ndim == document.ndim == 2 and query.shape[1:] == document.shape[1:]
    if not fits or bias.shape != document.shape[:1]:
        shapes = ", ".join(f"{names[key]} {tuple(a.shape)}" for key, a in made.items())
        raise UserError(f"--start {source}: shapes do not fit together: {shapes}")
    if not all(bool(torch.isfinite(a).all()) for a in made.values()):
        raise UserError(f"--start {source} holds numbers that are not finite")
    return made

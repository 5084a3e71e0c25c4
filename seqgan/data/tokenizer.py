"""Text to ids and back: words, characters or byte pairs. No tensors; see `encode.py`."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, final, get_args

from image_core.adversarial.errors import UserError
from image_core.data.hub_request import ask_hub_for_model
from seqgan.data.counting import frequent_tokens
from seqgan.data.errors import reason
from seqgan.data.pretrained import check_has_tokens
from seqgan.data.treebank import word_splitter

PAD, START, END, UNK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<start>", "<end>", "<unk>")
"""Spelling of ids 0 to 3, in this order, in every vocabulary of this toolkit."""

Level = Literal["word", "blank", "char", "bpe", "model"]

_FORMAT = 1
_BYTES = 256
_PRE_TOKENIZERS = {
    "word": "WhitespaceSplit",
    "blank": "WhitespaceSplit",
    "char": "Split",
    "bpe": "ByteLevel",
}
# Encodings carry offsets and masks, hundreds of bytes per token: only a slice is kept in memory
_SLICE = 4096


@final
class TextTokenizer:
    """A vocabulary around `tokenizers.Tokenizer`; ids 0 to 3 are pad, start, end and unknown.

    word: NLTK's Treebank rules, as in the published COCO figures. blank: what stands between
    blanks. Decoding of both joins with blanks. char: every code point, including blanks. bpe: byte
    pairs, without unknown tokens. Both decode to exactly the encoded text, if its characters are
    known. model: the tokens of a pretrained language model, whose ids follow the special ones here.

    Args:
        tokenizer: Tokenizer that turns a list of words (word, blank) or a text (char, bpe) into
            ids.
        level: Unit of a token: word, blank, char, bpe or model.
        lowercase: Whether texts are lower-cased first.
    """

    def __init__(self, tokenizer: Any, level: Level, lowercase: bool) -> None:
        self._shift = len(SPECIALS) if level == "model" else 0
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True  # "<end>" written in a text is text
        self.level = level
        self.lowercase = lowercase
        self._number = {t: n for t, n in tokenizer.get_vocab().items() if n >= len(SPECIALS)}

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        level: Level,
        min_count: int = 1,
        vocab_size: int = 8000,
        lowercase: bool = True,
    ) -> "TextTokenizer":
        """Build the vocabulary of some texts; equal texts give equal ids, in any process.

        Word and character ids are sorted by decreasing count, then by spelling. A word of the
        texts that is spelled like a special token, such as <unk>, is unknown.

        Args:
            texts: Sentences.
            level: Unit of a token: word, blank, char or bpe.
            min_count: Minimum count; rarer words or characters are unknown, rarer byte pairs are
                not merged.
            vocab_size: Maximum number of ids at level bpe, of which 260 are special tokens and
                bytes.
            lowercase: Whether to lower-case the texts first.

        Raises:
            UserError: No token is that frequent, `vocab_size` is too small for the bytes, or the
                level is model, whose tokens are not made from texts.
        """
        if level == "model":
            raise UserError("--level model is for `train text` with a language model as --policy")
        if level == "bpe":
            return cls(
                _train_bpe(_lower(texts, lowercase), min_count, vocab_size), level, lowercase
            )
        frequent = frequent_tokens(
            _split(_lower(texts, lowercase), level), min_count, level, without=SPECIALS
        )
        return cls(_word_level(frequent, level), level, lowercase)

    @classmethod
    def of_model(cls, name: str, lowercase: bool = False) -> "TextTokenizer":
        """The tokenizer of a pretrained model.

        Args:
            name: Folder or name on the hub.
            lowercase: Whether to lower-case the texts first.

        Raises:
            UserError: There is none, or it has no fast form.
        """
        from transformers import AutoTokenizer

        try:
            ask_hub_for_model(name)
            tokenizer = AutoTokenizer.from_pretrained(name)
            inner = tokenizer.backend_tokenizer
        except Exception as error:  # transformers and the hub raise many kinds
            raise UserError(
                f"--policy {name}: no tokenizer of tokens can be read there ({reason(error)}); "
                "save one beside the model"
            ) from error
        check_has_tokens(tokenizer, name)
        return cls(inner, "model", lowercase)

    @property
    def vocab_size(self) -> int:
        """Number of ids, the four special ones included."""
        return self._tokenizer.get_vocab_size() + self._shift

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Convert every text to ids, without start, end or padding.

        Args:
            texts: Sentences.

        Raises:
            UserError: The texts are one string.
        """
        lowered = _lower(texts, self.lowercase)
        if self.level not in ("bpe", "model"):
            # The library is ten times slower where it only looks ids up
            number = self._number
            return [[number.get(t, UNK) for t in row] for row in _split(lowered, self.level)]
        ids: list[list[int]] = []
        while part := list(islice(lowered, _SLICE)):
            batch = self._tokenizer.encode_batch_fast(part, add_special_tokens=False)
            ids.extend(encoding.ids for encoding in batch)
        return [[i + self._shift for i in row] for row in ids] if self._shift else ids

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The tokens of every text as written, unknown ones too; words for bpe and model.

        Args:
            texts: Texts to cut.

        Raises:
            UserError: The texts are one string.
        """
        lowered = list(_lower(texts, self.lowercase))
        if self.level in ("bpe", "model"):
            return [text.split() for text in lowered]
        if self.level == "char":
            return [list(text) for text in lowered]
        return [list(tokens) for tokens in _split(lowered, self.level)]

    def ids(self) -> dict[str, int]:
        """The id of each token of the vocabulary."""
        return {token: i + self._shift for token, i in self._tokenizer.get_vocab().items()}

    def decode(self, ids: Sequence[int]) -> str:
        """Convert ids to text, up to the first end token; pad and start are left out.

        Args:
            ids: Token ids.

        Raises:
            UserError: An id is outside the vocabulary.
        """
        kept, size = [], self.vocab_size
        for token in ids:
            if not 0 <= token < size:
                raise UserError(
                    f"token {token} is outside this vocabulary of {size}; "
                    "decode with the tokenizer the model was trained with"
                )
            if token == END:
                break
            if token not in (PAD, START) and token >= self._shift:
                kept.append(token - self._shift)
        return self._tokenizer.decode(kept, skip_special_tokens=False)

    def save(self, folder: str | Path) -> None:
        """Write `tokenizer.json`, in the format of `tokenizers`, and `tokenizer_options.json`.

        Args:
            folder: Destination folder.

        Raises:
            UserError: The folder cannot be written.
        """
        folder = Path(folder)
        options = {"format": _FORMAT, "level": self.level, "lowercase": self.lowercase}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "tokenizer.json").write_text(self._tokenizer.to_str(), encoding="utf-8")
            (folder / "tokenizer_options.json").write_text(json.dumps(options), encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"no tokenizer can be written to {folder} ({reason(error)}); choose another folder"
            ) from error

    @classmethod
    def load(cls, folder: str | Path) -> "TextTokenizer":
        """Read the files written by `save`.

        Args:
            folder: Folder of a saved tokenizer.

        Raises:
            UserError: A file is missing, corrupt, or was not written by this toolkit.
        """
        from tokenizers import Tokenizer

        place = Path(folder) / "tokenizer_options.json"
        options = _read_options(place)
        file = Path(folder) / "tokenizer.json"
        text = _read(file)
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # `tokenizers` raises no narrower type
            raise UserError(
                f"{file} is corrupt ({reason(error)}); copy it again or train again"
            ) from error
        if options["level"] == "model":
            return cls(tokenizer, "model", options["lowercase"])
        vocabulary = tokenizer.get_vocab()
        ordered = sorted(vocabulary, key=vocabulary.__getitem__)
        whole = sorted(vocabulary.values()) == list(range(len(vocabulary)))
        if not whole or tuple(ordered[: len(SPECIALS)]) != SPECIALS:
            raise UserError(
                f"{file} does not begin its vocabulary with {', '.join(SPECIALS)}; "
                "name a folder written by this toolkit"
            )
        if type(tokenizer.pre_tokenizer).__name__ != _PRE_TOKENIZERS[options["level"]]:
            raise UserError(f"{place} and {file} belong to two tokenizers; copy both from one")
        return cls(tokenizer, options["level"], options["lowercase"])


def _lower(texts: Iterable[str], lowercase: bool) -> Iterator[str]:
    if isinstance(texts, str):  # its characters would be read as texts
        raise UserError(f"texts is one string, {texts[:40]!r}; put it in [ ]")
    # Not the library's own, which differs for non-Latin text: the published protocol uses Python's
    return (text.lower() for text in texts) if lowercase else iter(texts)


def _split(texts: Iterable[str], level: Level) -> Iterable[list[str]]:
    if level == "word":
        return map(word_splitter(), texts)
    return map(str.split if level == "blank" else list, texts)


def _word_level(tokens: Sequence[str], level: Literal["word", "blank", "char"]) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {token: index for index, token in enumerate([*SPECIALS, *tokens])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIALS[UNK]))
    if level in ("word", "blank"):
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def _train_bpe(texts: Iterable[str], min_count: int, vocab_size: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    least = len(SPECIALS) + _BYTES
    if vocab_size < least:
        raise UserError(
            f"--vocab_size {vocab_size} is too small for level bpe, whose bytes and special tokens "
            f"alone are {least}; raise it, or choose level char"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_count,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{file} is missing; name a folder with a saved tokenizer") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read ({reason(error)}); copy it again") from error


def _read_options(file: Path) -> dict[str, Any]:
    text = _read(file)
    try:
        options = json.loads(text)
        if options["format"] != _FORMAT:
            raise UserError(f"{file} has format {options['format']}, not {_FORMAT}; update seqgan")
        sound = options["level"] in get_args(Level) and isinstance(options["lowercase"], bool)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} is corrupt ({reason(error)}); copy it again or train again"
        ) from error
    if not sound:
        raise UserError(f"{file} names an unknown level; copy it again or train again")
    return options

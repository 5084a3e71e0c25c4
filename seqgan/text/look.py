"""What the reader of text understood: one line a set, and examples as tokens."""

from seqgan.data.tokenizer import UNK, TextTokenizer
from seqgan.text.corpus import read_corpus
from seqgan.text.splits import CorpusConfig

SHOWN = 5
"""Number of examples."""


def look(config: CorpusConfig) -> None:
    """Print what was read, and the first training sentences with their tokens.

    Args:
        config: Options of a run on text.

    Raises:
        UserError: The text cannot be read.
    """
    corpus = read_corpus(config)
    print(f"vocabulary: {corpus.tokenizer.vocab_size} ids, level {corpus.tokenizer.level}")
    lines = corpus.train_text[:SHOWN]
    for line in lines:
        print(f"  {line}\n    {_as_tokens(corpus.tokenizer, line)}")


def _as_tokens(tokenizer: TextTokenizer, line: str) -> str:
    """Tokens with bars between; unknown ones in angle brackets."""
    (ids,) = tokenizer.encode([line])
    names = {number: token for token, number in tokenizer.ids().items()}
    if tokenizer.level in ("bpe", "model"):
        return " | ".join(tokenizer.decode([number]) for number in ids)
    (words,) = tokenizer.split([line])
    return " | ".join(
        f"<unknown: {word}>" if number == UNK else names[number]
        for word, number in zip(words, ids, strict=True)
    )

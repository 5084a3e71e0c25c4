"""Windows of letters: plain ones, enciphered others, and held-out ones whose truth is known."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.data.source import read_texts
from seqgan.decipher.ciphers import Cipher

FEWEST = 20
"""Windows that each part holds at least."""
MANUAL = "manual"
"""Name of the text that comes along: the topics of Python's manual."""


class CipherSets(NamedTuple):
    """Windows of letters, as their numbers in the alphabet.

    Args:
        cipher: Enciphered windows to learn from.
        plain: Other windows, which are not enciphered, to learn from.
        valid: Windows of the log, not enciphered.
        test: Windows of the report, not enciphered.
        facts: Sizes and overlaps, for the result.
    """

    cipher: Int64[Tensor, "N T"]
    plain: Int64[Tensor, "M T"]
    valid: Int64[Tensor, "K T"]
    test: Int64[Tensor, "L T"]
    facts: dict[str, float]


def letters(lines: Iterable[str], alphabet: str) -> Int64[Tensor, " N"]:
    """Numbers of the letters of lines in small letters; what is not of the alphabet is left out.

    Args:
        lines: Lines of text.
        alphabet: All letters, in order.
    """
    number = {ord(letter): i for i, letter in enumerate(alphabet)}
    text = "".join(lines).lower()
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    table = np.full(max(max(number), int(codes.max(initial=0))) + 1, -1)
    table[list(number)] = list(number.values())
    found = table[codes]
    return torch.from_numpy(found[found >= 0])


def read_letters(source: str, alphabet: str) -> Int64[Tensor, " N"]:
    """The letters of a text.

    Args:
        source: File or hub data set of sentences; manual takes the topics of Python's manual.
        alphabet: All letters, in order.

    Raises:
        UserError: The source cannot be read.
    """
    if source == MANUAL:
        from pydoc_data.topics import topics

        return letters((topics[name] for name in sorted(topics)), alphabet)
    return letters(read_texts(source).lines, alphabet)


def cut(text: Int64[Tensor, " N"], length: int, cipher: Cipher, seed: int) -> CipherSets:
    """Cut a text into windows and deal them out: a tenth to measure with twice, halves of the rest.

    Args:
        text: Letters.
        length: Letters of a window.
        cipher: Cipher of one half.
        seed: Seed of the deal.

    Raises:
        UserError: There are too few windows.
    """
    count = len(text) // length
    held = count // 10
    if held < FEWEST:
        raise UserError(
            f"--data holds {len(text):,} letters of --alphabet, too few: give "
            f"{10 * FEWEST * length:,}, or a shorter --length"
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    rows = text[: count * length].view(count, length)[order]
    test, valid, rest = rows[:held], rows[held : 2 * held], rows[2 * held :]
    half = len(rest) // 2
    known = {row.numpy().tobytes() for row in rest}
    facts: dict[str, float] = {"cipher_rows": half, "plain_rows": len(rest) - half}
    for role, own in (("valid", valid), ("test", test)):
        twins = [row.numpy().tobytes() in known for row in own]
        facts |= {f"{role}_rows": len(own), f"{role}_in_train": sum(twins) / len(twins)}
    return CipherSets(cipher.encipher(rest[:half]), rest[half:], valid, test, facts)

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
COMPARED, AMONG = 200, 5_000
"""Held-out windows and windows to learn from that are compared for near duplicates."""
NEAR = 0.8
"""Least share of places with the same letter of near duplicates."""
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
    facts: dict[str, int | float]


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


def cut(
    text: Int64[Tensor, " N"],
    length: int,
    cipher: Cipher,
    seed: int,
    *,
    valid: Int64[Tensor, " V"] | None = None,
    test: Int64[Tensor, " W"] | None = None,
) -> CipherSets:
    """Cut a text into windows and deal them out: a tenth to measure with twice, halves of the rest.

    Args:
        text: Letters.
        length: Letters of a window.
        cipher: Cipher of one half.
        seed: Seed of the deal.
        valid: Letters of the log's windows; None deals a tenth of the text.
        test: Letters of the report's windows; None deals a tenth of the text.

    Raises:
        UserError: There are too few windows, or all held-out ones are learned from too.
    """
    rest = _windows(text, length, "data", 10 * FEWEST)
    held = len(rest) // 10
    rest = rest[torch.randperm(len(rest), generator=torch.Generator().manual_seed(seed))]
    parts = {}
    for role, own in (("test", test), ("valid", valid)):
        if own is None:
            parts[role], rest = rest[:held], rest[held:]
        else:
            parts[role] = _windows(own, length, role, FEWEST)
    half = len(rest) // 2
    facts: dict[str, int | float] = {"cipher_rows": half, "plain_rows": len(rest) - half}
    for role in ("valid", "test"):
        facts |= _shared(role, parts[role], rest)
    plain = rest[half:]
    return CipherSets(cipher.encipher(rest[:half]), plain, parts["valid"], parts["test"], facts)


def _windows(text: Int64[Tensor, " N"], length: int, option: str, least: int) -> Tensor:
    count = len(text) // length
    if count < least:
        raise UserError(
            f"--{option} holds {len(text):,} letters of --alphabet, too few: give "
            f"{least * length:,}, or a shorter --length"
        )
    return text[: count * length].view(count, length)


def _shared(
    role: str, own: Int64[Tensor, "K T"], rest: Int64[Tensor, "N T"]
) -> dict[str, int | float]:
    """Number of held-out windows, and shares of those that are learned from too, or nearly so."""
    known = {row.numpy().tobytes() for row in rest}
    same = torch.tensor([row.numpy().tobytes() in known for row in own])
    if same.all():
        raise UserError(
            f"every window of the {role} set is learned from too; name a --{role} of other text"
        )
    draw = torch.Generator().manual_seed(0)
    some = torch.randperm(len(own), generator=draw)[:COMPARED]
    among = rest[torch.randperm(len(rest), generator=draw)[:AMONG]]
    likeness = torch.stack([(row == among).double().mean(1).max() for row in own[some]])
    near = same[some] | (likeness >= NEAR)
    shares = {"in": float(same.double().mean()), "near": float(near.double().mean())}
    found = {f"{role}_{how}_train": share for how, share in shares.items()}
    return {f"{role}_rows": len(own), **found}

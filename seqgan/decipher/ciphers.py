"""Ciphers that are tables of letters: shift, substitution, Vigenere."""

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError

KINDS = ("substitution", "shift", "vigenere")


class Cipher(NamedTuple):
    """Tables of letters that take turns.

    Args:
        tables: Cipher letter of each plain letter, for each place modulo their number, (P, V).
    """

    tables: Int64[Tensor, "P V"]

    @property
    def period(self) -> int:
        """Number P of tables that take turns."""
        return len(self.tables)

    def encipher(self, text: Int64[Tensor, "N T"]) -> Int64[Tensor, "N T"]:
        """Cipher letters of plain letters; the first letter of a row is of the first table."""
        place = torch.arange(text.shape[1]) % self.period
        return self.tables[place, text]

    def decipher(self, text: Int64[Tensor, "N T"]) -> Int64[Tensor, "N T"]:
        """Plain letters of cipher letters."""
        place = torch.arange(text.shape[1]) % self.period
        return self.tables.argsort(1)[place, text]


def make_cipher(kind: str, alphabet: str, *, key: str = "", seed: int = 0) -> Cipher:
    """A cipher on the letters of an alphabet.

    Args:
        kind: One of `KINDS`.
        alphabet: All letters, in order.
        key: Letters whose places in the alphabet are the shifts of vigenere; the first is that of
            shift.
        seed: Seed of the substitution.

    Raises:
        UserError: The key holds a letter that is not of the alphabet, or is missing.
    """
    size = len(alphabet)
    if kind == "substitution":
        draw = torch.Generator().manual_seed(seed)
        return Cipher(torch.randperm(size, generator=draw)[None])
    unknown = [letter for letter in key if letter not in alphabet]
    if unknown or not key:
        raise UserError(
            f"--key {key!r}: {kind} is made with a key of letters of --alphabet, such as "
            f"{alphabet[3:6]!r}"
        )
    shifts = torch.tensor([alphabet.index(letter) for letter in key])
    if kind == "shift":
        shifts = shifts[:1]
    return Cipher((torch.arange(size) + shifts[:, None]) % size)

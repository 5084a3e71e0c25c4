"""How much of held-out cipher text is read, by a game and by what stands beside it."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from image_core.adversarial.discrimination import qualities
from image_core.games.cycle import CycleGAN
from image_core.metrics.intervals import REACH
from seqgan.decipher.ciphers import Cipher
from seqgan.decipher.classical import by_frequency, count_bigrams, em, em_decipher
from seqgan.decipher.data import CipherSets

FREQUENCY, EM = "order of frequencies", "EM on pairs of letters"
UNREAD, REAL_AGAIN = "cipher text as it is", "real again"
"""Rows beside a game's; `real again` is the truth itself."""


def soft(text: Int64[Tensor, "N T"], letters: int) -> Float[Tensor, "N V 1 T"]:
    """One-hot letters as a game reads them.

    Args:
        text: Numbers of letters, (N, T).
        letters: Number V of letters.
    """
    return one_hot(text, letters).float().transpose(1, 2)[:, :, None]


def read(game: CycleGAN, cipher: Int64[Tensor, "N T"], letters: int) -> Int64[Tensor, "N T"]:
    """What a game makes of cipher text: the likeliest letter at each place.

    Args:
        game: Game of a run.
        cipher: Windows of cipher text.
        letters: Number of letters.
    """
    return game.translate(soft(cipher, letters), "ab", chunk=500)[:, :, 0].argmax(1)


def right(
    found: Int64[Tensor, "N T"], true: Int64[Tensor, "N T"]
) -> tuple[float, tuple[float, float]]:
    """Share of letters that are right, and its 95 % interval over windows.

    Args:
        found: Letters that were found, (N, T).
        true: True letters, (N, T).
    """
    each = (found == true).float().mean(1)
    middle, error = float(each.mean()), float(each.std() / len(each) ** 0.5)
    return middle, (middle - REACH * error, middle + REACH * error)


def discrimination(
    game: CycleGAN,
    held: Int64[Tensor, "N T"],
    cipher: Cipher,
    letters: int,
    *,
    diagnose: bool = False,
) -> dict[str, float]:
    """How well the discriminator of plain text tells held-out windows from deciphered ones.

    Args:
        game: Game of a run.
        held: Held-out windows: one half is the real side, the other is enciphered and read.
        cipher: Cipher.
        letters: Number of letters.
        diagnose: Whether the mean distance of D from 1/2 is wanted too.
    """
    half = len(held) // 2
    real = soft(held[:half], letters)
    made = game.translate(soft(cipher.encipher(held[half : 2 * half]), letters), "ab", chunk=500)
    with torch.no_grad():
        scores = [
            game.d_scores("ab", x.to(game.device), x.to(game.device)).cpu() for x in (real, made)
        ]
    return qualities(*scores, diagnose=diagnose)


def rivals(
    sets: CipherSets,
    cipher: Cipher,
    letters: int,
    *,
    restarts: int,
    iterations: int,
    most: int,
    seed: int,
) -> Mapping[str, Int64[Tensor, "N T"]]:
    """What is read of the test windows without a network; the length of the key is told.

    Args:
        sets: Windows.
        cipher: Cipher, of which the length of the key is used, and the tables to make cipher text.
        letters: Number of letters.
        restarts: Starts of EM; 0 leaves it out.
        iterations: Steps of EM from each start.
        most: Windows of cipher text that EM reads.
        seed: Seed of the starts.
    """
    given = cipher.encipher(sets.test)
    place = torch.arange(given.shape[1]) % cipher.period
    ranked = by_frequency(sets.cipher, sets.plain, letters, cipher.period)
    found = {UNREAD: given, FREQUENCY: ranked[place, given]}
    if restarts:
        model = count_bigrams(sets.plain, letters)
        tables = em(
            sets.cipher[:most],
            model,
            cipher.period,
            restarts=restarts,
            iterations=iterations,
            seed=seed,
        )
        found[EM] = em_decipher(given, model, tables)
    return found

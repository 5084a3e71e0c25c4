"""Options of decipherment."""

from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.losses import CONTINUOUS, make_loss
from image_core.runs.papers import Papers
from image_core.runs.penalties import make_penalty
from image_core.runs.shared_options import PrecisionOptions, ShardOptions
from seqgan.decipher.ciphers import KINDS, make_cipher


@dataclass(kw_only=True)
class DecipherOptions(PrecisionOptions, ShardOptions):
    """Text, cipher, training and evaluation.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own.
        data: Text: a file or a hub data set of sentences; manual is the topics of Python's manual.
        valid: Text of the log's windows; a tenth of the windows, drawn by the split seed, when left
            out.
        test: Text of the report's windows; a tenth of the windows, drawn likewise, when left out.
        alphabet: Letters that count; others are left out.
        cipher: Cipher of one half of the text: substitution, shift or vigenere.
        key: Key of vigenere; the first letter is that of shift.
        cipher_seed: Seed of the substitution.
        split_seed: Seed of the deal of windows.
        length: Letters of a window.
        batch: Windows of either half in a step.
        rounds: Number of rounds: a step of the generators, then of the discriminators.
        g_lr: Learning rate of the generators, which learn by SGD.
        d_lr: Learning rate of the discriminators.
        beta1: Decay of the mean of gradients, of Adam and of SGD.
        beta2: Decay of Adam's mean of squared gradients.
        max_grad_norm: Greatest norm of each player's gradient; longer gradients are scaled down.
        evaluate_every: Rounds between two measurements.
        restarts: Starts of the rival EM; 0 leaves it out.
        iterations: Steps of EM from each start.
        em_rows: Most windows of cipher text that EM reads.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    data: str = "manual"
    valid: str | None = None
    test: str | None = None
    alphabet: str = "abcdefghijklmnopqrstuvwxyz"
    cipher: str = "substitution"
    key: str = "key"
    cipher_seed: int = 0
    split_seed: int = 0
    length: int = 32
    batch: int = 128
    rounds: int = 1_000
    g_lr: float = 1.0
    d_lr: float = 1e-2
    beta1: float = 0.5
    beta2: float = 0.9
    max_grad_norm: float | None = None
    evaluate_every: int = 250
    restarts: int = 5
    iterations: int = 40
    em_rows: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "cipher_seed", "split_seed", "restarts")
        options.check_least(self, 1, "batch", "rounds", "evaluate_every", "iterations", "em_rows")
        options.check_least(self, 2, "length")
        options.check_above_zero(self, "g_lr", "d_lr")
        options.check_below_one(self, "beta1", "beta2")
        options.check_choice("cipher", self.cipher, KINDS)
        if len(set(self.alphabet)) < max(2, len(self.alphabet)):
            raise UserError(f"--alphabet {self.alphabet}: give two letters or more, each once")
        if self.alphabet.lower() != self.alphabet:
            raise UserError(
                f"--alphabet {self.alphabet}: text is read in small letters; give those"
            )
        if self.max_grad_norm is not None:
            options.check_above_zero(self, "max_grad_norm")
        make_cipher(self.cipher, self.alphabet, key=self.key)


@dataclass(kw_only=True)
class RoundTripOptions(DecipherOptions):
    """Loss and networks.

    Args:
        loss: Adversarial loss, see `seqgan list losses`. Your own: module:name.
        penalty: Gradient penalties of the discriminators, as in gradient_penalty=10.
        cycle: Weight of a letter's distance from itself after a round trip; a great one settles the
            tables before they are right.
        d_steps: Optimizer steps of each discriminator in a round.
        period: Tables of a network that take turns; 0 = as many as the cipher has.
    """

    loss: str = "least_squares"
    penalty: str = ""
    cycle: float = 0.05
    d_steps: int = 1
    period: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, CONTINUOUS)
        make_penalty(self.penalty)
        options.check_least(self, 0, "cycle", "period")
        options.check_least(self, 1, "d_steps")


PAPERS = Papers("seqgan.decipher.papers", "ciphergan", shared=DecipherOptions, own=DecipherOptions)

PRESETS: dict[str, dict[str, Any]] = {
    "letters": {},
    "tiny": {
        "length": 8,
        "batch": 6,
        "rounds": 3,
        "evaluate_every": 2,
        "restarts": 1,
        "iterations": 2,
        "em_rows": 20,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}

"""Samples with real prefixes that shrink: from teacher forcing to free running."""

from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from seqgan.lm.policies import SequencePolicy


class Teacher(nn.Module):
    """Takes K tokens of real sequences and lets the policy complete each several times.

    K_n = (length - 1) (1 - n / N), rounded down, after n policy moves

    K falls from length - 1 to 0.

    Args:
        length: Tokens of a sequence, including padding.
        moves: Number N of policy moves until the policy writes whole sequences.
        copies: Completions of each real prefix, in contiguous rows.

    Raises:
        UserError: There is less than one move or copy.

    Source: Che et al. 2017, section 3.3 (mixed MLE-MALI training).
    """

    played: Tensor

    def __init__(self, length: int, moves: int, copies: int):
        super().__init__()
        if moves < 1 or copies < 1:
            raise UserError(f"a teacher of {moves} moves and {copies} copies: give 1 or more")
        self.length, self.moves, self.copies = length, moves, copies
        self.register_buffer("played", torch.zeros((), dtype=torch.int64))
        # The number of given tokens determines shapes, so the host counts too and reads the device
        # only after a checkpoint is loaded
        self._counted: int | None = 0
        self.register_load_state_dict_post_hook(self._forget)

    def _forget(self, module: nn.Module, keys: Any) -> None:
        self._counted = None

    @torch.no_grad()
    def forward(
        self, policy: SequencePolicy, count: int, real: Int64[Tensor, "B T"]
    ) -> tuple[Int64[Tensor, "N T"], int]:
        """Return samples and the number of their real first tokens, which falls with each call.

        Raises:
            UserError: There are fewer real sequences than prefixes.
        """
        prefixes = count // self.copies
        if not 0 < prefixes <= len(real):
            raise UserError(
                f"{count} samples of {self.copies} completions each need 1 to {len(real)} "
                "real sequences; change --samples or --batch"
            )
        if self._counted is None:
            self._counted = int(self.played)
        n = min(self._counted, self.moves)
        self._counted += 1
        self.played += 1
        given = (self.length - 1) * (self.moves - n) // self.moves
        prompt = real[:prefixes].repeat_interleave(self.copies, 0)[:, :given]
        return policy.sample(len(prompt), self.length, prompt=prompt), given

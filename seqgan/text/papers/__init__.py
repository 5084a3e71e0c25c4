"""Relatives of SeqGAN by name, one module each: `seqgan train text|oracle --alias NAME`.

A module holds `NAME` as tables print it; `METHOD`, options without which it is not that paper, and
`RATES`, learning rates that suit it, both before a preset's; `PAPER`, the sizes its authors used,
after a preset's; `UNREAD`, options that do nothing in it; `GAME`, whose estimators it takes (a key
of `estimation.SERVED`); `policy`, the class of its policy; and
`game(policy, length, real, options)`.
"""

from collections.abc import Callable

from torch import Tensor

__all__ = ["maligan", "maligan_mixed", "rankgan", "relgan", "seqgan"]

RealRows = Callable[[], Tensor]
"""The real sequences (N, T), read only when they are asked for."""

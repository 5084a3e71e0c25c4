"""Relatives of SeqGAN by name, one module each: `seqgan train text|oracle --alias NAME`.

A module holds `NAME` as tables print it, `METHOD`, the options without which it is not that paper,
`PAPER`, the sizes and rates its authors used (a preset's go before them), `policy`, how a policy is
built, and `game(policy, length, real, options)`.
"""

__all__ = ["maligan", "maligan_mixed", "rankgan", "relgan", "seqgan"]

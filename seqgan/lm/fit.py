"""Training of the language models behind the LM score and the reverse LM score."""

import copy
import functools

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.engine import Engine
from seqgan.data.compact import SentenceBatches, TokenRows
from seqgan.lm.likelihood import nll
from seqgan.lm.likelihood_game import LikelihoodGame
from seqgan.lm.policies import SequencePolicy


def fit_language_model(
    model: SequencePolicy,
    train: Int64[Tensor, "N T"] | TokenRows,
    valid: Int64[Tensor, "V U"],
    *,
    epochs: int,
    lr: float,
    batch: int,
    seed: int,
    unknown: int | None = None,
) -> SequencePolicy:
    """Train by maximum likelihood until validation NLL rises; return the model of the best epoch.

    Args:
        model: Initial model; it is not changed.
        train: Training sequences, (N, T).
        valid: Validation sequences that select the epoch, (V, U).
        epochs: Maximum number of epochs.
        lr: Learning rate of Adam.
        batch: Number of sequences per step.
        seed: Seed of the shuffles.
        unknown: Token id that validation does not score; None scores all.
    """
    game = LikelihoodGame(copy.deepcopy(model))
    adam = functools.partial(torch.optim.Adam, lr=lr, fused=True)
    engine = Engine(game, {"G": adam}, clip={"G": 5.0})
    rows = train.cpu() if isinstance(train, Tensor) else train
    data = SentenceBatches(rows, min(batch, len(rows)), seed=seed)
    best, best_nll = copy.deepcopy(game.G), float("inf")
    for _ in range(epochs):
        engine.run(data, len(data))
        now = nll(game.G.eval(), valid, unknown=unknown)
        if now >= best_nll:
            break
        best.load_state_dict(game.G.state_dict())
        best_nll = now
    return best.eval().requires_grad_(False)

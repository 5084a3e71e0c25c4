"""MaskGAN (Fedus, Goodfellow & Dai 2018): gaps of real sentences are filled, token by token.

    R_t = sum_(s >= t) gamma^(s - t) log D_s,   gradient = E_G sum_t (R_t - V_t) d log G(y_t)

Policy and discriminator both read the sentence with its gaps; each token that was filled in has a
reward of its own, and V is a value of the discriminator's state before it. The paper trains a
language model, then in-filling by maximum likelihood, then the game; here the first two are learned
together, half and half, so that the row MLE fills gaps too and validation stops both. NLL and
samples of the table are of sentences that are written without reading any. The paper's encoder and
decoder are joined by attention; here by place, since both have one length. Gaps are filled with
`seqgan infill RUN --text "the ___ sat on ___"`.
"""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.players import Player, adam
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.infill import KINDS, InfillGame
from seqgan.text.infill import InfillDiscriminator, InfillPolicy


@dataclass(kw_only=True)
class Options(SharedOptions):
    """MaskGAN.

    Args:
        gap_rate: Share of the tokens of a sentence that become gaps.
        gaps: Places of the gaps: contiguous for one run of them, random for any.
        gamma: Discount of a reward per token.
        d_hidden: Size of the discriminator's token vectors and of its state.
        d_dropout: Dropout of the discriminator's inputs.
        d_steps: Optimizer steps of the discriminator in a round.
        d_lr: Adam's learning rate of the discriminator.
        v_lr: Adam's learning rate of the value.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    g_lr: float = 1e-4
    gap_rate: float = 0.5
    gaps: str = "contiguous"
    gamma: float = 0.891
    d_hidden: int = 64
    d_dropout: float = 0.28
    d_steps: int = 2
    d_lr: float = 1e-3
    v_lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("gaps", self.gaps, KINDS)
        options.check_least(self, 1, "d_hidden", "d_steps")
        options.check_least(self, 0, "gamma", "d_dropout")
        options.check_above_zero(self, "gap_rate", "d_lr", "v_lr")
        for name, most in (("gap_rate", 1.0), ("gamma", 1.0)):
            if getattr(self, name) > most:
                raise UserError(f"--{name} {getattr(self, name)}: it must be at most 1")
        if self.d_dropout >= 1:
            raise UserError(f"--d_dropout {self.d_dropout}: it must be below 1")
        if self.policy:
            raise UserError(f"--policy {self.policy}: MaskGAN's policy reads gaps; leave it out")
        if self.layers != 1:
            raise UserError(f"--layers {self.layers}: MaskGAN's policy has one layer")

    def controls(self) -> tuple[str, ...]:
        return ("permuted", *super().controls())

    def method(self) -> dict[str, str]:
        reward = f"log D of each token in a gap, discount {self.gamma:g}"
        loss = "non_saturating, a token in a gap"
        estimator = "reinforce, baseline the value of D's state"
        return {**super().method(), "reward": reward, "loss": loss, "estimator": estimator}


PRESETS = {
    "paper": {
        "batch": 128,
        "embedding": 650,
        "hidden": 650,
        "d_hidden": 650,
        "g_lr": 3.9e-5,
        "d_lr": 5e-4,
        "v_lr": 5.2e-7,
        "max_grad_norm": 10.0,
    },
    "tiny": {"d_hidden": 12},
}


def game(o: Options, s: Sequences) -> InfillGame:
    """Build the game from a run's options."""
    policy = InfillPolicy(
        s.vocab,
        o.embedding,
        o.hidden,
        start=s.start,
        end=s.end,
        pad=s.pad,
        dropout=o.dropout,
    )
    discriminator = InfillDiscriminator(s.vocab, o.d_hidden, o.d_hidden, dropout=o.d_dropout)
    return InfillGame(
        policy,
        discriminator,
        s.length,
        rate=o.gap_rate,
        kind=o.gaps,
        gamma=o.gamma,
        g_steps=o.g_steps,
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """Policy, discriminator and value, with Adam."""
    clip = o.max_grad_norm
    return [
        *one_player(o),
        Player("D", adam(o.d_lr), max_grad_norm=clip),
        Player("V", adam(o.v_lr), max_grad_norm=clip),
    ]

"""TextGAN (Zhang, Gan, Fan, Chen, Henao, Shen & Carin 2017): samples match the features of text.

    L_G = MMD^2(f(x), f(y)),   x real, y relaxed samples
    L_D = E softplus(-d(x)) + E softplus(d(y)) - lambda MMD^2(f(x), f(y))

f are the discriminator's features and MMD their maximum mean discrepancy. The discriminator is
warmed up on real sequences two of whose tokens have changed places. The paper's generator is a
function of a latent code, whose only randomness it is, and its discriminator recovers the code;
such a generator has no density. Here the policy is a language model, its samples are random by
Gumbel noise, and there is no code to recover. A port lets the discriminator lower the discrepancy
that it should raise.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.mmd import squared_mmd
from image_core.adversarial.tricks import match_features
from image_core.runs import options
from image_core.runs.phase import Phase
from seqgan.data.encode import mask_of
from seqgan.text import own
from seqgan.text.config import FILTERS, LossOptions, Sequences, two_players
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.relaxed import RelaxedGame, compared

MATCHINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mmd": squared_mmd,
    "mean": match_features,
}


@dataclass(kw_only=True)
class Options(LossOptions):
    """TextGAN.

    Args:
        feature_matching: What the policy matches of the features: mmd for their distribution, mean
            for their mean alone, as a control.
        d_mmd_weight: Weight of the discrepancy in the discriminator's loss.
        beta: Inverse temperature of the relaxed samples.
        d_l2: Weight of the squared norm of the discriminator's output layer.
        d_warmup_steps: Optimizer steps of the discriminator on changed real sequences before the
            adversarial rounds.
    """

    g_lr: float = 1e-3
    d_lr: float = 1e-4
    g_steps: int = 5
    d_steps: int = 1
    d_dropout: float = 0.0
    feature_matching: str = "mmd"
    d_mmd_weight: float = 0.1
    beta: float = 10.0
    d_l2: float = 0.0
    d_warmup_steps: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("feature_matching", self.feature_matching, tuple(MATCHINGS))
        options.check_least(self, 0, "d_mmd_weight", "d_l2", "d_warmup_steps")
        options.check_least(self, 4, "batch")
        options.check_above_zero(self, "beta")

    def warmup_steps(self) -> int:
        return self.d_warmup_steps

    def method(self) -> dict[str, str]:
        of = "distribution" if self.feature_matching == "mmd" else "mean"
        loss = f"{self.loss}; the policy matches the {of} of features"
        reward = "none: the gradient passes through relaxed samples"
        return {**super().method(), "reward": reward, "loss": loss, "estimator": "gumbel_softmax"}


PRESETS = {"tiny": {"d_warmup_steps": 4}}


@final
class MatchingGame(RelaxedGame):
    """Players "G", "mle" (G with a separate optimizer) and "D", whose features are matched.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        feature_matching: Key of `MATCHINGS`.
        d_mmd_weight: Weight of the discrepancy in the discriminator's loss.
        options: Further arguments of `RelaxedGame`.
    """

    D: CNNDiscriminator

    def __init__(
        self,
        G: Any,
        D: CNNDiscriminator,
        length: int,
        *,
        feature_matching: str = "mmd",
        d_mmd_weight: float = 0.1,
        **options: Any,
    ):
        super().__init__(G, D, length, **options)
        self.gap, self.d_mmd_weight = MATCHINGS[feature_matching], d_mmd_weight

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Bring the features of relaxed sequences to those of as many real ones."""
        self.G.eval()
        self.D.eval()
        self.played += 1
        real = next(batches)
        with torch.no_grad():
            wanted = self.D.represent(real)
        found = self.features(*self.write(len(real), self.beta()))
        yield Loss(self.gap(wanted, found))

    def _discriminator_loss(self, real: Int64[Tensor, "B T"]) -> Loss:
        with torch.no_grad():
            x, mask = self.write(len(real), self.beta())
        of_real, of_fake = self.D.represent(real), self.features(x, mask)
        d_real, d_fake = self.D.logit_of(of_real), self.D.logit_of(of_fake)
        apart = squared_mmd(of_real, of_fake)
        total = self.loss.d(d_real, d_fake) - self.d_mmd_weight * apart + self.D.regularizer()
        # The discrepancy of real from real, below which no policy can bring its own
        floor = squared_mmd(*of_real.detach()[: len(real) // 2 * 2].chunk(2))
        logs = {**compared(d_real, d_fake), "mmd": apart, "mmd_real": floor}
        return self._penalised(Loss(total, logs), real, x, mask)

    def features(
        self, x: Float[Tensor, "B T V"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B F"]:
        """The discriminator's features of relaxed sequences.

        Args:
            x: Relaxed sequences, (B, T, V).
            mask: True up to their end, (B, T).
        """
        lengths = None if self.G.end is None else mask.sum(1)
        return self.D.represent_embedded(self.D.embed_relaxed(x, mask), lengths)

    def swap_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Train the discriminator to tell real sequences from ones with two tokens exchanged.

        Args:
            batches: Batches of real sequences, (B, length).
            steps: Number of optimizer steps.
        """
        self.D.train()
        for _ in range(steps):
            real = next(batches)
            d_real, d_fake = self.D(real), self.D(swapped(real, self.G.end))
            total = self.loss.d(d_real, d_fake) + self.D.regularizer()
            yield Loss(total, compared(d_real, d_fake))


def swapped(tokens: Int64[Tensor, "B T"], end: int | None) -> Int64[Tensor, "B T"]:
    """Sequences with the tokens of two random places exchanged; the end stays where it is.

    Args:
        tokens: Sequences, (B, T).
        end: Id that ends a sequence; None if all sequences have one length.
    """
    inside = mask_of(tokens, end)
    if end is not None:
        inside = inside & (tokens != end)
    drawn = torch.rand(tokens.shape, device=tokens.device).masked_fill(~inside, -1)
    two = drawn.topk(2, dim=1).indices
    # One word and the end cannot be exchanged
    stays = inside.sum(1, keepdim=True) < 2
    there = torch.where(stays, two, two.flip(1))
    return tokens.scatter(1, two, tokens.gather(1, there))


def game(o: Options, s: Sequences) -> MatchingGame:
    """Build the game from a run's options."""
    discriminator = CNNDiscriminator(
        s.vocab, filters=FILTERS[o.discriminator], end=s.end, dropout=o.d_dropout, l2=o.d_l2
    )
    return MatchingGame(
        own.recurrent(o.build_policy(s)),
        discriminator,
        s.length,
        feature_matching=o.feature_matching,
        d_mmd_weight=o.d_mmd_weight,
        moves=o.g_moves(),
        beta_min=o.beta,
        beta_max=o.beta,
        **o.adversarial(),
    )


players = two_players


def phases(run: Any) -> list[Phase]:
    """Maximum likelihood, the discriminator on exchanged tokens, then the rounds."""
    steps, made = run.config.d_warmup_steps, run.game
    turn = Turn("D", lambda batches: made.swap_steps(batches, steps))
    warmup = Phase("warmup", [turn], min(1, steps))
    return [run.mle_phase(), warmup, run.adversarial_phase()]

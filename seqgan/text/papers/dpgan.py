"""DPGAN (Xu, Ren, Lin & Sun 2018): a language model is the discriminator; what it expects is dull.

    L_D = -E_G log D(y) - min(-E_real log D(x), -E_real log MLE(x) + margin)      (a token)
    R_t = r(y) sum_(s >= t) r_s,   r_s = min(-log D(y_s | y_<s), bound),   r(y) = mean_s r_s
    gradient = E_G sum_t (R_t - b) d log G(y_t | y_<t)

The discriminator learns the policy's samples and unlearns real text, so that a token which it does
not expect is novel. Its second term has no least value; it is held at --d_margin nats a token above
maximum likelihood. Real sequences are learned with weights of the same form. In the released code
the weight of real text is stored as an integer and becomes 0, so that its discriminator never sees
any (--d_margin 0 comes close), and the policy's step is nearly all of it likelihood of real text.
Its generator is conditional on a text; here it is a language model.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial import estimators, parallel
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.returns import discounted
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam
from seqgan.lm.policies import SequencePolicy
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.generator import GeneratorGame

BASELINES = ("none", "position_mean")


@dataclass(kw_only=True)
class Options(SharedOptions):
    """DPGAN.

    Args:
        samples: Sequences in a policy step.
        real_weight: Weight of real sequences in the policy's step; 0 for samples alone.
        baseline: Baseline of the rewards: none or position_mean.
        reward_bound: Greatest reward of a token, in nats.
        d_margin: Most nats a token by which real text may cost the discriminator more than it costs
            maximum likelihood.
        d_steps: Optimizer steps of the discriminator in a round.
        d_warmup_steps: Optimizer steps of the discriminator before the adversarial rounds.
        d_lr: Adam's learning rate of the discriminator.
    """

    g_lr: float = 1e-3
    samples: int = 64
    real_weight: float = 1.0
    baseline: str = "position_mean"
    reward_bound: float = 12.0
    d_margin: float = 2.0
    d_steps: int = 5
    d_warmup_steps: int = 200
    d_lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("baseline", self.baseline, BASELINES)
        options.check_least(self, 2, "samples")
        options.check_least(self, 1, "d_steps")
        options.check_least(self, 0, "d_warmup_steps", "real_weight", "d_margin")
        options.check_above_zero(self, "reward_bound", "d_lr")

    def warmup_steps(self) -> int:
        return self.d_warmup_steps

    def controls(self) -> tuple[str, ...]:
        return ("permuted", *super().controls())

    def method(self) -> dict[str, str]:
        baseline = "" if self.baseline == "none" else f", baseline {self.baseline}"
        return {
            **super().method(),
            "reward": "-log D of the sentence times that of the tokens to come",
            "loss": f"likelihood of samples less that of real text, within {self.d_margin:g} nats",
            "estimator": f"reinforce{baseline}",
        }


PRESETS = {"tiny": {"samples": 8, "d_warmup_steps": 4}}


@final
class NoveltyGame(GeneratorGame):
    """Players "G", "mle" (G with a separate optimizer) and "D", a language model.

    Args:
        G: The policy.
        length: Tokens of a sequence, including padding.
        samples: Number of sequences in a policy step.
        real_weight: Weight of real sequences in the policy's step.
        baseline: One of `BASELINES`.
        reward_bound: Greatest reward of a token.
        d_margin: Bound of the second term of the discriminator's loss.
        g_steps: Moves of the policy in a round.
        d_steps: Optimizer steps of the discriminator in a round.
    """

    def __init__(
        self,
        G: SequencePolicy,
        length: int,
        *,
        samples: int = 64,
        real_weight: float = 1.0,
        baseline: str = "position_mean",
        reward_bound: float = 12.0,
        d_margin: float = 2.0,
        g_steps: int = 1,
        d_steps: int = 5,
    ):
        super().__init__(G, length, g_steps=g_steps)
        self.D = copy.deepcopy(G)
        self.samples, self.real_weight = samples, real_weight
        self.reward_bound, self.d_margin, self.d_steps = reward_bound, d_margin, d_steps
        self.estimator = estimators.reinforce(baseline=baseline)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {**super().players(), "D": list(self.D.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [*super().turns(), Turn("D", self.discriminator_move)]

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Policy gradient on samples, and likelihood of real sequences with weights alike."""
        self.G.eval()
        self.D.eval()
        count = parallel.portion(self.samples, "samples")
        tokens = self.G.trim(self.G.sample(count, self.length))
        mask = self.G.mask(tokens)
        returns = self.told(self.returns(tokens, mask), mask)
        loss = self.estimator(self.G.log_prob(tokens), returns, mask)
        logs = {"reward": (returns * mask).sum() / mask.sum()}
        if self.real_weight:
            real = self.G.trim(next(batches))
            mask = self.G.mask(real)
            weight = self.returns(real, mask)
            loss = loss - self.real_weight * (weight * self.G.log_prob(real)).sum() / mask.sum()
            logs["reward_real"] = (weight * mask).sum() / mask.sum()
        yield Loss(loss, logs)

    @torch.no_grad()
    def returns(
        self, tokens: Int64[Tensor, "B T"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T"]:
        """Novelty of the sentence times the novelty of its tokens from each on.

        Args:
            tokens: Sequences, (B, T).
            mask: True up to their end, (B, T).
        """
        reward = (-self.D.log_prob(tokens)).clamp(max=self.reward_bound) * mask
        sentence = reward.sum(1) / mask.sum(1)
        return sentence[:, None] * discounted(reward, mask, 1.0)

    def discriminator_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Learn samples of the policy, and unlearn real sequences within the margin.

        Args:
            batches: Batches of real sequences, (B, length).
            steps: Number of optimizer steps.
        """
        self.G.eval()
        self.D.train()
        self.mle.eval()
        for _ in range(steps):
            real = self.G.trim(next(batches))
            fake = self.G.trim(self.G.sample(len(real), self.length))
            of_real, of_fake = self.D.nll(real), self.D.nll(fake)
            with torch.no_grad():
                most = self.mle.nll(real) + self.d_margin
            logs = {"nll_real": of_real, "nll_fake": of_fake}
            yield Loss(of_fake - torch.minimum(of_real, most), logs)

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take the discriminator's steps of a round."""
        return self.discriminator_steps(batches, self.d_steps)

    @torch.no_grad()
    def discriminate(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Nats a token by which a sequence costs the discriminator more than maximum likelihood."""
        self.D.eval()
        self.mle.eval()
        found = []
        for part in tokens.split(256):
            more = (self.mle.log_prob(part) - self.D.log_prob(part)).sum(1)
            found.append(more / self.G.mask(part).sum(1))
        return torch.cat(found)


def game(o: Options, s: Sequences) -> NoveltyGame:
    """Build the game from a run's options."""
    return NoveltyGame(
        o.build_policy(s),
        s.length,
        samples=o.samples,
        real_weight=o.real_weight,
        baseline=o.baseline,
        reward_bound=o.reward_bound,
        d_margin=o.d_margin,
        g_steps=o.g_steps,
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """Policy and discriminator with Adam."""
    return [*one_player(o), Player("D", adam(o.d_lr), max_grad_norm=o.max_grad_norm)]


def phases(run: Any) -> list[Phase]:
    """Maximum likelihood, the discriminator alone, then the rounds."""
    steps, made = run.config.d_warmup_steps, run.game
    turn = Turn("D", lambda batches: made.discriminator_steps(batches, steps))
    return [run.mle_phase(), Phase("warmup", [turn], min(1, steps)), run.adversarial_phase()]

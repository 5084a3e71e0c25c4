"""The game of prompts: few have answers, many have none, and a discriminator judges answers.

    L_D = -E_(x, y) log D(x, y) - E_x E_(y ~ G(. | x)) log(1 - D(x, y))
    r   = a max(log D(x, y), floor) + b R(x, y) - c log G(y | x) / G_0(y | x)
    L_G = -E_x mean_k A_k log G(y_k | x) - w E_(x, y) log G(y | x)

A is the reward r less the mean of the other samples of its prompt, over the deviation of the batch.
Real answers are to prompts that have some, generated ones to any prompt: D has to tell them apart
by how they fit their prompts, which few pairs teach where a check is simpler than an answer.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial import losses
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.returns import leave_one_out
from image_core.adversarial.sharding import copy_weights
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.games.policy import PolicyGame
from seqgan.text.pooled import PooledDiscriminator
from seqgan.text.prompts import Prompts, answered
from seqgan.text.rewards import Objective


def answer_nll(
    policy: SequencePolicy, tokens: Int64[Tensor, "B T"], mark: int
) -> Float[Tensor, ""]:
    """Mean negative log-likelihood of an answer in nats, its prompt given; differentiable.

    Args:
        policy: Policy.
        tokens: Prompts, each with its mark and answer, (B, T).
        mark: Id that ends a prompt.
    """
    mask = answered(tokens, mark, policy.end)
    return -(policy.log_prob(tokens) * mask).sum() / len(tokens)


class PromptedGame(PolicyGame):
    """Players "G" (a policy of sequences), "mle" (G with a separate optimizer) and "D".

    The data stream yields mappings of sequences with answers under "real", (B, length), and of
    prompts under "prompt", (N, P).

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, prompt and answer, including padding.
        mark: Id that ends a prompt.
        samples: Answers to each prompt in a policy step, at least 2.
        loss: Loss of the discriminator, whose reward is a.
        floor: Least reward of the discriminator.
        d_weight: Weight a of the discriminator's reward; with 0 it takes no turn.
        reward: Further reward R of whole sequences; None for none.
        reward_weight: Weight b of R.
        kl_coef: Weight c of the divergence from the policy after maximum likelihood.
        teacher_forcing: Weight w of maximum likelihood on the real answers.
        g_steps: Optimizer steps of the policy in a round.
        d_steps: Optimizer steps of the discriminator in a round.
        matched: Whether it sees as many generated answers of each further reward as real ones, so
            that the reward itself tells it nothing.
    """

    def __init__(
        self,
        G: SequencePolicy,
        D: SequenceDiscriminator,
        length: int,
        *,
        mark: int,
        samples: int = 4,
        loss: AdversarialLoss = losses.non_saturating,
        floor: float = -6.0,
        d_weight: float = 1.0,
        reward: Objective | None = None,
        reward_weight: float = 1.0,
        kl_coef: float = 0.0,
        teacher_forcing: float = 0.1,
        g_steps: int = 1,
        d_steps: int = 1,
        matched: bool = False,
    ):
        super().__init__(G, D, length, g_steps=g_steps, d_steps=d_steps)
        assert loss.reward is not None
        self.mark, self.samples, self.loss, self.floor = mark, samples, loss, floor
        self.of_logit, self.d_weight = loss.reward, d_weight
        self.objective, self.reward_weight = reward, reward_weight
        self.kl_coef, self.teacher_forcing, self.matched = kl_coef, teacher_forcing, matched
        self.first = copy.deepcopy(D).requires_grad_(False)
        """The discriminator when the rounds began; it ranks answers that a later one cannot."""
        self.asked: Prompts | None = None
        """Prompts of samples for evaluation, those of held-out data."""
        self._latest: Tensor | None = None

    def turns(self) -> Sequence[Turn]:
        every = super().turns()
        return every if self.d_weight else [turn for turn in every if turn.player != "D"]

    def keep_first(self) -> None:
        """Store the discriminator as the one that ranks candidates."""
        copy_weights(self.D, self.first)

    def ranker(self) -> SequenceDiscriminator:
        """The discriminator that chooses among candidates."""
        return self.first.eval()

    def answers(self, prompts: Int64[Tensor, "N P"], each: int = 1) -> Int64[Tensor, "B T"]:
        """Draw answers of the policy.

        Args:
            prompts: Prompts of one length, each with its mark, (N, P).
            each: Answers to each prompt, which stand one after the other.
        """
        rows = prompts.repeat_interleave(each, 0)
        return self.G.eval().sample(len(rows), self.length, prompt=rows)

    def mle_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Take one step of maximum likelihood on real answers, their prompts given."""
        self.G.train()
        yield Loss(answer_nll(self.G, self.G.trim(next(batches)["real"]), self.mark))

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Answer prompts several times each, and learn from which answers earn more."""
        batch = next(batches)
        tokens = self.answers(batch["prompt"], self.samples)
        self._latest = tokens
        # One pass over both
        real = batch["real"] if self.teacher_forcing else batch["real"][:0]
        both = self.G.trim(torch.cat([tokens, real]))
        of_answers = self.G.log_prob(both) * answered(both, self.mark, self.G.end)
        log_prob, of_real = of_answers.sum(1).tensor_split([len(tokens)])
        earned = self.earned(tokens)
        reward = earned
        if self.kl_coef:
            before = self._before(self.G.trim(tokens))
            reward = reward - self.kl_coef * (log_prob.detach() - before)
        reward = self.told(reward[:, None], torch.ones_like(tokens[:, :1], dtype=torch.bool))[:, 0]
        advantage = reward - leave_one_out(reward, self.samples)
        advantage = advantage / (advantage.std() + 1e-6)
        total = -(advantage * log_prob).mean()
        if self.teacher_forcing:
            total = total - self.teacher_forcing * of_real.mean()
        yield Loss(total, {"reward": earned.mean()})

    @torch.no_grad()
    def _before(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Log-probability of answers under the policy after maximum likelihood."""
        mask = answered(tokens, self.mark, self.G.end)
        return (self.mle.log_prob(tokens) * mask).sum(1)

    @torch.no_grad()
    def earned(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Reward of whole sequences, without the divergence.

        Args:
            tokens: Prompts with answers, (B, T).
        """
        total = torch.zeros(len(tokens), device=tokens.device)
        if self.d_weight:
            logit = self.D.scorer()(tokens)
            total = total + self.d_weight * self.of_logit(logit).clamp(min=self.floor)
        if self.objective is not None:
            total = total + self.reward_weight * self.objective(tokens)
        return total

    def discriminator_steps(self, batches: Iterator[Batch], steps: int) -> Iterator[Loss]:
        """Tell real answers from new ones; in a round the first step takes those of the policy."""
        self.D.train()
        for _ in range(steps):
            batch = next(batches)
            fake = self._latest
            self._latest = None
            if fake is None:
                each = max(1, len(batch["real"]) // len(batch["prompt"]))
                fake = self.answers(batch["prompt"], each)
            yield self.d_loss(batch["real"], self._alike(batch["real"], fake))

    def _alike(
        self, real: Int64[Tensor, "B T"], fake: Int64[Tensor, "N U"]
    ) -> Int64[Tensor, "M U"]:
        """With `matched` the fake whose reward is nearest to that of each real one, ties by lot."""
        if not self.matched or self.objective is None:
            return fake
        fake = fake[torch.randperm(len(fake), device=fake.device)]
        apart = self.objective(real)[:, None] - self.objective(fake)
        return fake[apart.abs().argmin(1)]

    def d_loss(self, real: Int64[Tensor, "B T"], fake: Int64[Tensor, "N U"]) -> Loss:
        """The discriminator's loss on real and generated answers.

        Args:
            real: Prompts with real answers, (B, T).
            fake: Prompts with generated answers, (N, U).
        """
        d_real, d_fake = self.D(self.G.trim(real)), self.D(self.G.trim(fake))
        right = (d_real > 0).float().mean() + (d_fake < 0).float().mean()
        logs = {"d_real": d_real.mean(), "d_fake": d_fake.mean(), "accuracy": 0.5 * right}
        return Loss(self.loss.d(d_real, d_fake) + self.D.regularizer(), logs)

    def without_real(self, batch: Batch) -> Batch:
        """Samples in place of the real answers of a batch, to the same prompts, a control."""
        real = batch["real"]
        ends = (real == self.mark).int().argmax(1).tolist()
        made = real.clone()
        for end in sorted(set(ends)):
            rows = torch.tensor([i for i, other in enumerate(ends) if other == end])
            made[rows] = self.answers(real[rows, : end + 1])[:, : real.shape[1]]
        return {**batch, "real": made}

    def sample(
        self,
        count: int,
        *,
        policy: SequencePolicy | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        never: Sequence[int] = (),
        prompt: Int64[Tensor, " P"] | None = None,
    ) -> Int64[Tensor, "B T"]:
        """Answer prompts of held-out data, or one prompt."""
        policy = self.G if policy is None else policy
        device = next(policy.parameters()).device
        parts, left = [], count
        while left:
            rows = min(1000, left)
            given = prompt
            if given is None and self.asked is not None:
                given = self.asked.draw(rows).to(device, non_blocking=True)
            drawn = policy.sample(
                rows,
                self.length,
                temperature=temperature,
                top_p=top_p,
                never=never,
                prompt=given,
            )
            parts.append(drawn)
            left -= rows
        return torch.cat(parts)


def tiny() -> tuple[PromptedGame, dict[str, Tensor]]:
    """A game that runs in seconds and data for it, for tests: two tokens, a mark, an answer."""
    real = torch.randint(4, 12, (8, 8), generator=torch.Generator().manual_seed(1))
    real[:, 2], real[:, 6], real[:, 7] = 3, 2, 0
    G = LSTMPolicy(12, 8, 8, start=1, end=2, pad=0)
    D = PooledDiscriminator(12, mark=3, start=1, end=2, embedding=4, hidden=8)
    return PromptedGame(G, D, 8, mark=3, samples=2), {"real": real, "prompt": real[:4, :3]}

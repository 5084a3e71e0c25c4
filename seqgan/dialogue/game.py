"""The dialogue game: a policy answers contexts, a discriminator tells its replies from people's.

Li et al. 2017 and its relatives differ in the discriminator, in what a token earns
(`dialogue.credit`) and in the estimator; each is a module of `dialogue.papers`. Symbols: G policy,
D discriminator, x context, y reply, K samples a context.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial import estimators, losses, sharding
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_fields
from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import Estimator
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import Penalty
from image_core.adversarial.replay import ReplayBuffer
from seqgan.dialogue.advantage import (
    BASELINES,
    KL,
    Advantage,
    KLCoefficient,
    expected,
    k3,
    kl_to_go,
    length_cost,
    mean_of,
    spread_of,
    summed,
)
from seqgan.dialogue.credit import Credit, Episode, sequence
from seqgan.dialogue.discriminator_loss import discriminator_loss
from seqgan.dialogue.discriminators import (
    POOLINGS,
    DialogueDiscriminator,
    EmbeddedDiscriminator,
    StepDiscriminator,
    pool,
)
from seqgan.dialogue.generation import PLAIN, GenerationOptions
from seqgan.dialogue.own import OwnReward
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.samples import (
    DrawnReplies,
    draw_samples,
    drawn_weights,
    mix_people_in,
    with_prompts,
)


class DialogueGame(Game):
    """Players "G" (the policy), "D", and both under optimizers of their own: "mle", "d_mle".

    The data stream yields mappings: `context` (B, C) padded on the left, `attention_mask` (B, C)
    True where there is no padding, `reply` (B, T) people's replies, padded after their end; perhaps
    also `prompt` and `prompt_mask`, contexts that nobody has answered, for the policy's step.

    Args:
        G: The policy.
        D: The discriminator.
        length: Most tokens of a reply, its end counted.
        credit: Credit assignment: what each token of a reply earns.
        estimator: Makes the policy's gradient of advantages; not asked where a credit knows every
            next token's, for whose mean nothing has to be estimated.
        baseline: Baseline of the reward, see `dialogue.advantage.Advantage`.
        loss: Loss of the discriminator.
        penalty: Penalty of the discriminator, on embedded replies.
        pooling: How the discriminator's logits become one output a reply, see
            `dialogue.discriminators.pool`.
        samples: K, replies to each context of a policy step.
        generation: How these replies are sampled; where it is not as the policy itself would,
            truncated importance weights correct for it.
        cold: Another way in which half of the K replies are sampled; importance weights correct for
            both (ColdGAN). None samples all alike.
        policy_updates: Optimizer steps on the same samples; above 1 is for `estimators.clipped`.
        sequence_level: Whether a reply is one action: the policy's ratio and the weights are of
            whole replies, which count alike whatever their length (TextGAIL).
        d_steps: Optimizer steps of the discriminator in a round.
        d_mle: Whether the discriminator also plays "d_mle", maximum likelihood of its own; for a
            `StepDiscriminator`.
        reuse: Whether the discriminator learns from the policy step's samples, not from fresh ones.
        teacher_forcing: Weight of a step of maximum likelihood after each policy step; 0 = none.
        human_share: Chance of a row of the policy step to be a person's reply, falling to 0 over
            `human_steps` (TextGAIL).
        human_steps: Number of policy moves until that chance is 0; 0 = it does not fall.
        human_reward: Advantage of each token of such a reply.
        kl: Estimator of the KL divergence: k1 (taken off the reward) or k3 (added to the loss).
        kl_coef: Weight beta of the KL term; 0 = no term.
        kl_target: KL divergence in nats a reply that beta adapts to; 0 = it does not adapt.
        length_weight: Reward taken off for each |log(length / people's length)|.
        buffer_size: Number of earlier replies that the discriminator is shown again; 0 = none.
        replay_share: Chance of a discriminator's row to be one of them.
        context_length: Most tokens of a context, in the replay buffer.

    Raises:
        UserError: An argument is of another kind or out of range, or options contradict each other.

    Source: Li et al. 2017, "Adversarial Learning for Neural Dialogue Generation", Algorithm 1.
    """

    moves: Tensor

    @python_call()
    def __init__(
        self,
        G: DialoguePolicy,
        D: DialogueDiscriminator,
        length: int,
        *,
        context_length: int,
        credit: Credit | None = None,
        estimator: Estimator | None = None,
        baseline: str = "leave_one_out",
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        pooling: str = "last",
        samples: int = 2,
        generation: GenerationOptions = PLAIN,
        cold: GenerationOptions | None = None,
        policy_updates: int = 1,
        sequence_level: bool = False,
        d_steps: int = 1,
        d_mle: bool = False,
        reuse: bool = False,
        teacher_forcing: float = 0.0,
        human_share: float = 0.0,
        human_steps: int = 0,
        human_reward: float = 2.0,
        kl: str = "k3",
        kl_coef: float = 0.0,
        kl_target: float = 0.0,
        length_weight: float = 0.0,
        buffer_size: int = 0,
        replay_share: float = 0.3,
    ):
        super().__init__()
        self._refuse(D, pooling, baseline, kl, penalty)
        check_within(1, length=length, context_length=context_length)
        check_within(1, samples=samples, policy_updates=policy_updates)
        check_within(0, d_steps=d_steps, human_steps=human_steps, buffer_size=buffer_size)
        check_within(0, kl_coef=kl_coef, kl_target=kl_target, teacher_forcing=teacher_forcing)
        check_within(0, 1, human_share=human_share, replay_share=replay_share)
        if d_mle and not isinstance(D, StepDiscriminator):
            raise UserError(f"{type(D).__name__} is no language model; use a StepDiscriminator")
        if reuse and human_share:
            raise UserError(
                "human_share mixes people's replies in; the discriminator cannot reuse those"
            )
        if cold is not None and samples % 2:
            raise UserError(
                f"samples = {samples}: half of them are drawn cold; give an even number"
            )
        self.G, self.D, self.length = G, D, length
        self.mle = G.twin().eval().requires_grad_(False)
        """The policy adversarial training started from: baseline, and reference of the KL."""
        self.credit = sequence() if credit is None else credit
        self.estimator = estimators.reinforce() if estimator is None else estimator
        self.advantage = Advantage(baseline, samples)
        self.loss, self.penalty, self.pooling = loss, penalty, pooling
        self.samples = samples
        self.generations = (generation,) if cold is None else (generation, cold)
        self.policy_updates, self.sequence_level, self.reuse = policy_updates, sequence_level, reuse
        self.d_steps, self.d_mle = d_steps, d_mle
        self.teacher_forcing = teacher_forcing
        self.human_share, self.human_steps = human_share, human_steps
        self.human_reward = human_reward
        self.kl, self.kl_coef = kl, KLCoefficient(kl_coef, kl_target)
        self.uses_reference, self.length_weight = kl_coef > 0, length_weight
        widths = {"context": context_length, "attention_mask": context_length}
        widths |= {"human": length, "reply": length}
        row = {name: torch.zeros(width, dtype=torch.int64) for name, width in widths.items()}
        self.replay_buffer = ReplayBuffer(buffer_size, row, replay_share)
        self.register_buffer("moves", torch.tensor(0.0))
        self.adversarial = True
        """Whether the rounds are the game's own; else they are maximum likelihood alone."""
        self._own: OwnReward | None = None
        self._own_weight = 0.0
        self._drawn: DrawnReplies | None = None

    @staticmethod
    def _refuse(
        D: DialogueDiscriminator, pooling: str, baseline: str, kl: str, penalty: Penalty | None
    ) -> None:
        if pooling not in POOLINGS or baseline not in BASELINES or kl not in KL:
            raise UserError(
                f"pooling {pooling!r} is one of {POOLINGS}, baseline {baseline!r} of {BASELINES}, "
                f"kl {kl!r} of {tuple(KL)}"
            )
        if penalty is not None and not isinstance(D, EmbeddedDiscriminator):
            raise UserError(
                f"a penalty moves through embedded replies, which {type(D).__name__} does not read"
            )

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        policy = [p for p in self.G.parameters() if p.requires_grad]
        learned = list(self.estimator.parameters()) if isinstance(self.estimator, nn.Module) else []
        discriminator = [p for p in self.D.parameters() if p.requires_grad]
        found = {"G": policy + learned, "mle": policy, "D": discriminator}
        return {**found, "d_mle": discriminator} if self.d_mle else found

    def turns(self) -> Sequence[Turn]:
        if not self.adversarial:
            return [Turn("G", self.mle_move)]
        learning = Turn("D", self.discriminator_move, repeat=self.d_steps)
        return [Turn("G", self.policy_move), learning]

    def keep_mle(self) -> None:
        """Remember the policy as it is now: the baseline, and the reference of the KL."""
        sharding.copy_weights(self.G, self.mle)

    def add_reward(self, own: OwnReward, weight: float) -> None:
        """Let each token earn (1 - w) r + w r_own, r what the credit assignment gives it.

        Args:
            own: Another reward of each whole reply.
            weight: Its share w, from 0 to 1.
        """
        self._own, self._own_weight = own, weight

    # -- the generator -----------------------------------------------------------------------------

    def mle_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Maximum likelihood of people's replies.

        Raises:
            UserError: The batch lacks a tensor that is read.
        """
        self.G.train()
        batch = _checked(next(batches))
        yield Loss(self._nll(batch["context"], batch["attention_mask"], batch["reply"]))

    def policy_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Answer, ask the discriminator, follow the estimated gradient; then a teacher's step.

        Raises:
            UserError: The batch lacks a tensor that is read.
        """
        self.G.eval()
        self.D.eval()
        batch = _checked(next(batches))
        answered = len(batch["reply"]) * self.samples  # prompts that nobody answers come after
        drawn = self._draw(with_prompts(batch, self.G.end))
        self._drawn = drawn.first(answered) if self.reuse else None
        self.moves += 1
        mask = self.G.mask(drawn.reply)
        given = drawn.context, drawn.attention_mask
        reference = None
        if self.uses_reference:
            with torch.no_grad():
                reference = self.mle.log_prob(*given, drawn.reply)
        old: Tensor | None = None
        advantage = torch.empty(0)
        logs: dict[str, Tensor] = {}
        for _ in range(self.policy_updates):
            logits = self.G.logits(*given, drawn.reply)
            log_prob = self.G.picked(logits, drawn.reply)
            if old is None:
                old = log_prob.detach()
                advantage, logs = self._assess(drawn, mask, logits.detach(), old, reference)
            if advantage.ndim == 3:
                loss = -mean_of(expected(logits, advantage), mask)
            else:
                loss = self._surrogate(log_prob - old, advantage, mask)
            if reference is not None and self.kl == "k3":
                loss = loss + self.kl_coef.beta * mean_of(k3(log_prob, reference), mask)
            del logits
            yield Loss(loss, logs)
        if reference is not None and old is not None:
            self.kl_coef.adapt(summed(old - reference, mask).mean())
        if self.teacher_forcing:
            # One human reply a context, however many samples it has
            human = (part[: answered : self.samples] for part in (*given, drawn.human))
            nll = self._nll(*human)
            yield Loss(self.teacher_forcing * nll, {"teacher": nll})

    def _surrogate(self, log_ratio: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
        if self.sequence_level:
            log_ratio, mask = summed(log_ratio, mask)[:, None], mask[:, :1]
        return self.estimator(log_ratio, advantage, mask)

    def _draw(self, batch: Batch) -> DrawnReplies:
        drawn = draw_samples(self.G, batch, self.length, self.generations, self.samples)
        if not self.human_share:
            return drawn
        left = 1.0 if not self.human_steps else (1 - self.moves / self.human_steps).clamp(min=0)
        return mix_people_in(drawn, self.human_share * left)

    @torch.no_grad()
    def _assess(
        self,
        drawn: DrawnReplies,
        mask: Bool[Tensor, "N T"],
        logits: Float[Tensor, "N T V"],
        log_prob: Float[Tensor, "N T"],
        reference: Float[Tensor, "N T"] | None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Advantages, and what is logged."""
        context, attention_mask, human, reply, written = drawn
        episode = Episode(
            self.G, self.D, self.pooling, context, attention_mask, reply, mask, human, logits
        )
        earned = self.credit(episode)
        every = earned.ndim == 3
        reward = earned.gather(2, reply[..., None])[..., 0] if every else earned
        own = mask & written[:, None]
        logs = {
            "reward": mean_of(reward, own),
            "reward_std": spread_of(reward, own),
            "entropy": -mean_of(log_prob, own),
            "length": mask.sum(1).float().mean(),
        }
        if self._own is not None:
            added = self._own(context, attention_mask, reply)
            logs["own_reward"] = mean_of(added[:, None].expand_as(reward), own)
            reward = (1 - self._own_weight) * reward + self._own_weight * added[:, None]
        if reference is not None:
            each = log_prob - reference
            logs |= {"kl": summed(each, mask).mean(), "beta": self.kl_coef.beta.clone()}
            if self.kl == "k1":
                reward = reward - self.kl_coef.beta * kl_to_go(each, mask)
        if self.length_weight:
            reward = reward - self.length_weight * length_cost(mask, self.G.mask(human))[:, None]
        if every:
            return earned, logs
        if self.sequence_level:
            reward, mask = reward[:, :1], mask[:, :1]
        advantage = self.advantage(reward, mask)
        advantage = torch.where(written[:, None], advantage, self.human_reward)
        if len(self.generations) > 1 or self.generations[0].is_filtered:
            weight = drawn_weights(
                self.G, logits, drawn, self.generations, sequence_level=self.sequence_level
            )
            logs["weight"] = mean_of(*torch.broadcast_tensors(weight, mask))
            advantage = advantage * weight
        return advantage, logs

    def _nll(self, context: Tensor, attention_mask: Tensor, reply: Tensor) -> Float[Tensor, ""]:
        return self.G.nll(context, attention_mask, reply, self.G.mask(reply))

    # -- the discriminator -------------------------------------------------------------------------

    def discriminator_mle_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Maximum likelihood of people's replies, by a `StepDiscriminator` as a language model.

        A token's value is then how well it goes on, which a fresh head takes long to find out.

        Raises:
            UserError: The batch lacks a tensor that is read.
        """
        assert isinstance(self.D, StepDiscriminator)  # only this one plays "d_mle"
        self.D.train()
        batch = _checked(next(batches))
        mask = self.G.mask(batch["reply"])
        yield Loss(self.D.nll(batch["context"], batch["attention_mask"], batch["reply"], mask))

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Tell people's replies from the policy's.

        The policy step's samples are used where `reuse` says so, else fresh ones are drawn.

        Raises:
            UserError: The batch lacks a tensor that is read.
        """
        self.G.eval()
        drawn, self._drawn = self._drawn, None
        if drawn is None:
            drawn = draw_samples(
                self.G, _checked(next(batches)), self.length, self.generations[:1], 1
            )
        names = ("context", "attention_mask", "human", "reply")
        rows = self.replay_buffer.mix({name: getattr(drawn, name) for name in names})
        self.D.train()
        masks = self.G.mask(rows["human"]), self.G.mask(rows["reply"])
        yield discriminator_loss(self.D, rows, masks, self.loss, self.penalty, self.pooling)

    @torch.no_grad()
    def discriminate(
        self,
        context: Int64[Tensor, "N C"],
        attention_mask: Bool[Tensor, "N C"],
        reply: Int64[Tensor, "N T"],
    ) -> Float[Tensor, " N"]:
        """The discriminator's logits of whole replies, of any number; high = human.

        Args:
            context: Contexts, padded on the left.
            attention_mask: True where there is no padding.
            reply: Replies to the contexts.
        """
        self.D.eval()
        parts = zip(*(part.split(64) for part in (context, attention_mask, reply)), strict=True)
        return torch.cat([
            pool(self.D(x, seen, y), self.G.mask(y), self.pooling) for x, seen, y in parts
        ])  # fmt: skip


def _checked(batch: Any) -> Batch:
    check_fields("DialogueGame", batch, ("context", "attention_mask", "reply"))
    return batch


def tiny() -> tuple[DialogueGame, dict[str, Tensor]]:
    """A game of seconds and one batch for it, for tests: short replies with real ends."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from seqgan.dialogue.discriminators import TransformerDiscriminator
    from seqgan.dialogue.language_models import CausalLMPolicy

    config = GPT2Config(
        vocab_size=16, n_positions=16, n_embd=8, n_layer=1, n_head=2, bos_token_id=2,
        eos_token_id=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    G = CausalLMPolicy(model, 16, end=2, pad=0, forbidden=[0, 1])
    game = DialogueGame(
        G, TransformerDiscriminator.like(model), 6, context_length=5, samples=2,
        teacher_forcing=1.0, buffer_size=8,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    context = torch.randint(4, 16, (8, 5), generator=generator)
    attention_mask = torch.ones(8, 5, dtype=torch.bool)
    context[:4, :2], attention_mask[:4, :2] = 0, False
    reply = torch.randint(4, 16, (8, 6), generator=generator)
    reply[:, 4], reply[:, 5] = 2, 0
    return game, {"context": context, "attention_mask": attention_mask, "reply": reply}

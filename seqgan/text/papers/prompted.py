"""Prompted adversary (Ho & Ermon 2016; Swamy et al. 2026): answers to prompts that nobody answered.

    r = max(log D(x, y), floor),   gradient = sum_k A_k d log G(y_k | x) + w d log G(y | x) of pairs

Lines are a prompt, a mark (--prompt_end) and an answer; --prompts names prompts without answers.
Online learning from a discriminator beats likelihood where checking an answer is simpler than
giving one, where few pairs and many prompts are there, and where D judges by local features. It
does not where the two are equally hard, as on plain text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.runs import options, outside
from image_core.runs.losses import make_loss
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam
from seqgan.data.compact import SentenceBatches
from seqgan.lm.policies import SequencePolicy
from seqgan.text import own
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.corpus import Corpus
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.features import FeaturedPolicy, Features
from seqgan.text.games.prompted import PromptedGame
from seqgan.text.pooled import POOLING, PooledDiscriminator
from seqgan.text.prompts import PromptedLines, mark_of, prompts_of, read_prompts

RECIPES = ("text",)
DISCRIMINATORS = ("pooled",)


@dataclass(kw_only=True)
class Options(SharedOptions):
    """Prompted adversary.

    Args:
        prompts: File of prompts without answers, one a line; the prompts of --data when left out.
        prompt_end: Token that stands between prompt and answer in each line of the data.
        prompts_batch: Prompts of a policy step.
        samples: Answers to each prompt of a policy step.
        features: Features of prefixes of your own, as in mypackage.mine:features, a function from
            the `Sequences` of the run to `Features`, which both players read; empty for none.
        discriminator: Discriminator: pooled, or your own, as in mypackage.mine:discriminator, a
            function from the policy to a `SequenceDiscriminator`.
        pooling: Pooling of the pooled discriminator over positions: sum, or mean, which is
            normalised by the answer's length.
        d_hidden: Hidden size of the pooled discriminator.
        loss: Adversarial loss, see `seqgan list losses`. Your own: module:name.
        floor: Least reward of the discriminator.
        d_weight: Weight of the discriminator's reward.
        reward: Reward of your own beside D, as in mypackage.mine:reward, a function from a list of
            sentences to a number for each; empty for D alone.
        reward_weight: Weight of the reward of your own.
        kl_coef: Weight of the divergence from the policy after maximum likelihood.
        teacher_forcing: Weight of maximum likelihood on the pairs in each policy step.
        d_warmup_steps: Optimizer steps of the discriminator before the adversarial rounds.
        d_steps: Optimizer steps of the discriminator in a round.
        d_lr: Adam's learning rate of the discriminator.
        d_frozen_after: Adversarial rounds after which the discriminator learns no more; 0 keeps it
            as the warm-up leaves it, null never freezes it.
        falling: Whether the policy's learning rate falls to zero over the rounds.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    prompts: str | None = None
    prompt_end: str = "=>"
    prompts_batch: int = 32
    samples: int = 4
    features: str = ""
    discriminator: str = "pooled"
    pooling: str = "sum"
    d_hidden: int = 32
    loss: str = "non_saturating"
    floor: float = -6.0
    d_weight: float = 1.0
    reward: str = ""
    reward_weight: float = 1.0
    kl_coef: float = 0.0
    teacher_forcing: float = 0.1
    d_warmup_steps: int = 100
    d_steps: int = 1
    d_lr: float = 2e-3
    d_frozen_after: int | None = None
    falling: bool = True
    g_lr: float = 1e-3
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "prompts_batch", "d_steps", "d_hidden")
        options.check_least(self, 2, "samples")
        options.check_least(self, 0, "kl_coef", "teacher_forcing", "d_warmup_steps", "d_weight")
        options.check_above_zero(self, "d_lr")
        options.check_finite(self, "floor", "reward_weight")
        options.check_choice("pooling", self.pooling, POOLING)
        if make_loss(self.loss).reward is None:
            raise UserError(f"--loss {self.loss} gives single answers no reward; name another")
        if self.d_frozen_after is not None:
            options.check_least(self, 0, "d_frozen_after")
        if not self.reward and not self.d_weight:
            raise UserError("--d_weight 0 leaves no reward; name a --reward of your own")
        if self.features:
            outside.load_function("features", self.features, "(sequences) -> Features")
            if self.policy and not outside.is_outside(self.policy):
                raise UserError(
                    f"--features {self.features} are read by an LSTM: leave --policy "
                    f"{self.policy} out, or name one of your own"
                )
        options.check_own_weight(self, self.reward)
        if self.reward:
            own.function("reward", self.reward)
        if outside.is_outside(self.discriminator):
            own.function("discriminator", self.discriminator)
        else:
            options.check_choice("discriminator", self.discriminator, DISCRIMINATORS)

    def warmup_steps(self) -> int:
        return self.d_warmup_steps

    def controls(self) -> tuple[str, ...]:
        return ("permuted", *super().controls())

    def method(self) -> dict[str, str]:
        parts = [f"{self.d_weight:g} x log D, at least {self.floor:g}"] if self.d_weight else []
        parts += [f"{self.reward_weight:g} x {self.reward}"] if self.reward else []
        parts += [f"- {self.kl_coef:g} x KL"] if self.kl_coef else []
        named = "pooled, " + self.pooling if self.discriminator == "pooled" else self.discriminator
        if self.d_frozen_after is not None:
            named += f", frozen after {self.d_frozen_after} rounds"
        d = {"discriminator": named} if self.d_weight else {}
        estimator = f"reinforce, baseline leave_one_out of {self.samples}, advantage over deviation"
        found = {"reward": " ".join(parts), "loss": self.loss, "estimator": estimator}
        return {**super().method(), **d, **found}

    def own_features(self, s: Sequences) -> Features | None:
        """Features of prefixes, for either player; None without --features.

        Raises:
            UserError: The function of the user's own returns no features.
        """
        if not self.features:
            return None
        found: Features = outside.load_function("features", self.features, "(sequences)")(s)
        if not isinstance(found, Features):
            raise UserError(
                f"--features {self.features} returned {type(found).__name__}; return `Features`"
            )
        return found

    def build_policy(self, s: Sequences) -> SequencePolicy:
        features = self.own_features(s)
        if features is None or self.policy:
            return super().build_policy(s)
        return FeaturedPolicy(
            features, s.vocab, self.embedding, self.hidden, start=s.start, end=s.end, pad=s.pad
        )

    def build_discriminator(
        self, policy: SequencePolicy, s: Sequences, mark: int
    ) -> SequenceDiscriminator:
        """Build the discriminator: pooled, or the user's own.

        Args:
            policy: Policy whose vocabulary and end id are used.
            s: Sequences of the run.
            mark: Id that ends a prompt.
        """
        if outside.is_outside(self.discriminator):
            found: SequenceDiscriminator = own.build(
                "discriminator", self.discriminator, SequenceDiscriminator, policy
            )
            return found
        return PooledDiscriminator(
            policy.vocab,
            mark=mark,
            start=policy.start,
            end=policy.end,
            features=self.own_features(s),
            hidden=self.d_hidden,
            pooling=self.pooling,
        )


PRESETS = {"tiny": {"prompts_batch": 4, "samples": 2, "d_warmup_steps": 4, "d_hidden": 8}}


def game(o: Options, s: Sequences) -> PromptedGame:
    """Build the game from a run's options."""
    names = {s.decode([number]): number for number in range(s.vocab)}
    if o.prompt_end not in names:
        raise UserError(
            f"--prompt_end {o.prompt_end} is no token of --data; write it between prompt and "
            "answer of every line, and read the lines by --level blank"
        )
    mark, policy = names[o.prompt_end], o.build_policy(s)
    return PromptedGame(
        policy,
        o.build_discriminator(policy, s, mark),
        s.length,
        mark=mark,
        samples=o.samples,
        loss=make_loss(o.loss),
        floor=o.floor,
        d_weight=o.d_weight,
        reward=own.objective(o.reward, s.decode) if o.reward else None,
        reward_weight=o.reward_weight,
        kl_coef=o.kl_coef,
        teacher_forcing=o.teacher_forcing,
        g_steps=o.g_steps,
        d_steps=o.d_steps,
    )


def players(o: Options) -> list[Player]:
    """Policy and discriminator with Adam; the policy's rate falls where that is asked for."""
    mle, policy = one_player(o)
    if o.falling:
        policy = policy._replace(schedule=options.falling(o.g_moves()))
    return [mle, policy, Player("D", adam(o.d_lr), max_grad_norm=o.max_grad_norm)]


def data(o: Any, corpus: Corpus) -> PromptedLines:
    """Lines with answers, each batch with prompts beside it."""
    mark = mark_of(corpus.tokenizer, o.prompt_end)
    rows = corpus.train.padded()
    prompts = prompts_of(rows, mark, f"--data {o.data}")
    if o.prompts is not None:
        prompts = read_prompts(o.prompts, corpus.tokenizer, mark, corpus.train.width, o.field)
    lines = SentenceBatches(corpus.train, o.batch, seed=o.seed)
    return PromptedLines(lines, prompts, o.prompts_batch, seed=o.seed)


def phases(run: Any) -> Sequence[Phase]:
    """Maximum likelihood, warm-up, and rounds with a discriminator that may be frozen."""
    c, game_ = run.config, run.game
    moves = -(-c.d_warmup_steps // c.d_steps) if c.d_weight else 0
    turn = Turn("D", game_.discriminator_move)
    warmup = Phase("warmup", [turn], moves, leave=game_.keep_first)
    rounds = run.adversarial_phase()
    if c.d_frozen_after is None or c.d_frozen_after >= c.rounds:
        return [run.mle_phase(), warmup, rounds]
    alone = [turn for turn in game_.turns() if turn.player != "D"]
    frozen = replace(rounds, name="frozen", turns=alone, rounds=c.rounds - c.d_frozen_after)
    return [run.mle_phase(), warmup, replace(rounds, rounds=c.d_frozen_after), frozen]

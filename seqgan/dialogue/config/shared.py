"""Options that every paper shares, parts for its discriminator, and its players."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs import options, outside
from image_core.runs.losses import PLAIN_LOSSES, make_loss
from image_core.runs.penalties import make_penalty
from image_core.runs.players import Player, adam
from image_core.runs.shared_options import AlarmOptions, PrecisionOptions
from seqgan.dialogue.data import DialogueDataOptions
from seqgan.dialogue.discriminators import DialogueDiscriminator, StepDiscriminator
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.generation import PLAIN, GenerationOptions
from seqgan.dialogue.models import (
    DISCRIMINATORS,
    Language,
    LanguageModelOptions,
    copy_generator,
    new_discriminator,
    new_step_discriminator,
)
from seqgan.dialogue.own import SIGNATURE
from seqgan.dialogue.policies import DialoguePolicy


@dataclass(kw_only=True)
class DialogueOptions(LanguageModelOptions, PrecisionOptions, AlarmOptions):
    """Training.

    Args:
        paper: The system that is trained, see `seqgan list papers`; or a module of your own, as in
            mypackage.mydialogue.
        batch: Number of contexts of a step.
        mle_steps: Most steps of maximum likelihood.
        mle_lr: Adam's learning rate in maximum likelihood.
        rounds: Number of adversarial rounds.
        g_lr: Adam's learning rate of the generator in the adversarial rounds.
        d_warmup_steps: Optimizer steps of the discriminator before the adversarial rounds; up to
            four times as many while it is below --min_auc.
        min_auc: Least area under the ROC curve of the discriminator, people's held-out replies
            against the generator's, for the adversarial rounds; below it they are maximum
            likelihood, or under --alarms stop the run ends; 0 = none.
        d_steps: Optimizer steps of the discriminator in a round.
        d_lr: Adam's learning rate of the discriminator.
        d_frozen_after: Adversarial rounds after which the discriminator learns no more; 0 keeps it
            as the warm-up leaves it, null never freezes it.
        max_grad_norm: Greatest norm of either player's gradient; longer ones are scaled down.
        falling: Whether each learning rate rises over a tenth of its steps and then falls to zero.
        samples: Number of replies to each context of a generator step.
        teacher_forcing: Weight of a step of maximum likelihood after each generator step.
        reward: Reward of your own beside the discriminator's, as in mypackage.mine:reward, a
            function from texts of contexts and of replies to a number for each; empty for none.
        reward_weight: Share of the reward of your own, from 0 to 1; the discriminator has the rest.
        evaluate_every: Number of rounds between two evaluations.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    paper: str = ""
    batch: int = 16
    mle_steps: int = 4000
    mle_lr: float = 1e-3
    rounds: int = 1000
    g_lr: float = 1e-4
    d_warmup_steps: int = 200
    min_auc: float = 0.6
    d_steps: int = 1
    d_lr: float = 3e-4
    d_frozen_after: int | None = None
    max_grad_norm: float = 1.0
    falling: bool = False
    samples: int = 4
    teacher_forcing: float = 1.0
    reward: str = ""
    reward_weight: float = 0.5
    evaluate_every: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "batch", "d_steps", "samples", "evaluate_every")
        options.check_least(self, 0, "mle_steps", "d_warmup_steps", "rounds", "teacher_forcing")
        options.check_above_zero(self, "mle_lr", "d_lr", "g_lr", "max_grad_norm")
        options.check_share(self, "reward_weight", "min_auc")
        if self.d_frozen_after is not None:
            options.check_least(self, 0, "d_frozen_after")
        self._check_reward()
        if self.mle_steps + self.d_warmup_steps + self.rounds == 0:
            raise UserError(
                "--mle_steps, --d_warmup_steps and --rounds are all 0; nothing is played"
            )

    def _check_reward(self) -> None:
        plain, own = outside.plain_and_own("reward", self.reward)
        if plain and plain not in self.d_rewards():
            choices = ", ".join((*self.d_rewards(), "a function of your own, module:function"))
            raise UserError(f"--reward {plain}: choose {choices}")
        if own:
            outside.load_function("reward", own, SIGNATURE, 2)
        options.check_own_weight(self, own)

    def d_rewards(self) -> Sequence[str]:
        """Names that --reward may take for what the discriminator earns; a part overrides it."""
        return ()

    def own_reward(self) -> str:
        """The user's own reward, `module:function`; empty for none."""
        return outside.plain_and_own("reward", self.reward)[1]

    def updates(self) -> int:
        """Optimizer steps on the same replies; a part overrides it."""
        return 1

    def d_rounds(self) -> int:
        """Adversarial rounds in which the discriminator learns."""
        return self.rounds if self.d_frozen_after is None else min(self.d_frozen_after, self.rounds)

    def method(self) -> dict[str, str]:
        """Reward, loss and estimator of the paper, named beside its results; parts add to it."""
        own = self.own_reward()
        found = {"own reward": f"{own}, {self.reward_weight:g} of all"} if own else {}
        if self.d_frozen_after is not None:
            found["discriminator"] = f"frozen after {self.d_frozen_after} rounds"
        return found

    def begin_discriminator(self, game: DialogueGame) -> None:
        """Prepare the discriminator when maximum likelihood is over; a part overrides it."""

    def generation(self) -> GenerationOptions:
        """How the replies are sampled that are learned from; a part or a paper overrides it."""
        return PLAIN

    def adversarial(self) -> dict[str, Any]:
        """What a game is made with besides its models; a part adds to it."""
        return {
            "context_length": self.context_tokens,
            "samples": self.samples,
            "generation": self.generation(),
            "policy_updates": self.updates(),
            "d_steps": self.d_steps,
            "teacher_forcing": self.teacher_forcing,
        }


@dataclass(kw_only=True)
class DiscriminatorSizeOptions(DialogueOptions):
    """Discriminator's size.

    Args:
        d_size: Hidden size of a discriminator that is no copy of the generator.
    """

    d_size: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "d_size")


@dataclass(kw_only=True)
class DiscriminatorNetworkOptions(DiscriminatorSizeOptions):
    """Discriminator.

    Args:
        discriminator: Network that judges replies: transformer (a fresh one), copy (of the
            generator, with a fresh head), log_ratio (of a copy of the generator to a frozen one),
            step (StepGAN's), hierarchical (Li et al. 2017) or language_model (DP-GAN's).
        penalty: Penalty of the discriminator, as in r1=10, see `seqgan list penalties`. Your own:
            module:name.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    discriminator: str = "transformer"
    penalty: str = ""

    def __post_init__(self) -> None:
        options.check_choice("discriminator", self.discriminator, DISCRIMINATORS)
        super().__post_init__()
        make_penalty(self.penalty)
        if self.penalty and self.discriminator not in ("transformer", "copy", "hierarchical"):
            raise UserError(
                f"--penalty moves through embedded replies; --discriminator {self.discriminator} "
                "does not"
            )
        if self.shard and self.penalty:
            raise UserError("--shard true goes without --penalty; leave one of them out")
        if self.recurrent() and self.discriminator in ("transformer", "copy", "step"):
            raise UserError(
                f"--discriminator {self.discriminator} copies a transformer; with --architecture "
                "lstm pass --discriminator log_ratio, hierarchical or language_model"
            )

    def network(self, language: Language, policy: DialoguePolicy) -> DialogueDiscriminator:
        """The discriminator of these options."""
        return new_discriminator(self, self.discriminator, language.form, policy, self.d_size)

    def begin_discriminator(self, game: DialogueGame) -> None:
        """One that is a copy of the generator begins as the generator is now."""
        if self.discriminator in ("copy", "log_ratio", "language_model"):
            copy_generator(game.D, game.G)
        super().begin_discriminator(game)

    def adversarial(self) -> dict[str, Any]:
        return {**super().adversarial(), "penalty": make_penalty(self.penalty)}

    def method(self) -> dict[str, str]:
        return super().method() | ({"penalty": self.penalty} if self.penalty else {})


@dataclass(kw_only=True)
class StepDiscriminatorOptions(DiscriminatorSizeOptions):
    """Discriminator as a language model.

    Args:
        d_mle_steps: Steps of maximum likelihood on people's replies that a step discriminator
            begins with, as a language model of its own; 0 = it begins on a copy of the generator.
        d_mle_lr: Adam's learning rate in those steps.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    d_mle_steps: int = 0
    d_mle_lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "d_mle_steps")
        options.check_above_zero(self, "d_mle_lr")
        if self.d_mle_steps and self.d_size % self.heads:
            raise UserError(f"--d_size {self.d_size} is no multiple of --heads {self.heads}")

    def step_network(self, language: Language, policy: DialoguePolicy) -> DialogueDiscriminator:
        """StepGAN's discriminator, a language model of its own where it learns as one."""
        size = self.d_size if self.d_mle_steps else None
        return new_step_discriminator(self, language.form, policy, size)

    def begin_discriminator(self, game: DialogueGame) -> None:
        """One that learned no language of its own begins as the generator is now."""
        if isinstance(game.D, StepDiscriminator) and not self.d_mle_steps:
            copy_generator(game.D, game.G)
        super().begin_discriminator(game)

    def adversarial(self) -> dict[str, Any]:
        return {**super().adversarial(), "d_mle": self.d_mle_steps > 0}


@dataclass(kw_only=True)
class DialogueLossOptions(DialogueOptions):
    """Loss.

    Args:
        loss: Loss of the discriminator, see `seqgan list losses`; relativistic is Bradley-Terry's.
            Your own: module:name.
    """

    loss: str = "non_saturating"

    def __post_init__(self) -> None:
        super().__post_init__()
        make_loss(self.loss, PLAIN_LOSSES)

    def adversarial(self) -> dict[str, Any]:
        return {**super().adversarial(), "loss": make_loss(self.loss, PLAIN_LOSSES)}

    def method(self) -> dict[str, str]:
        return {**super().method(), "loss": self.loss}


@dataclass(kw_only=True)
class ReplayBufferOptions(DialogueOptions):
    """Replay buffer.

    Args:
        buffer_size: Number of earlier replies that the discriminator is shown again.
    """

    buffer_size: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "buffer_size")

    def adversarial(self) -> dict[str, Any]:
        return {**super().adversarial(), "buffer_size": self.buffer_size}


@dataclass(kw_only=True)
class DialogueRunOptions(DialogueOptions, DialogueDataOptions):
    """Evaluation.

    Args:
        patience: Evaluations without a better validation NLL before maximum likelihood stops.
        eval_samples: Most contexts of the test set that are answered and measured.
        best_of: Replies at temperature 1 of which the discriminator chooses one, in a row of its
            own of each model; 0 leaves those rows out.
        judge_seeds: Number of fresh judges of the adversarial evaluation; 0 leaves it out.
        encoder: Encoder behind likeness to people's replies, word vectors and MAUVE: minilm, a
            folder or a hub name; no such figures when left out.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    patience: int = 3
    eval_samples: int = 1000
    best_of: int = 0
    judge_seeds: int = 3
    encoder: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "patience")
        options.check_least(self, 2, "eval_samples", "vocab_size")
        options.check_least(self, 0, "judge_seeds", "best_of")
        if self.backward and self.turns != 1:
            raise UserError(f"--backward true reads one turn: pass --turns 1, not {self.turns}")


def three_players(o: DialogueOptions) -> list[Player]:
    """Generator and discriminator by Adam; the generator has an optimizer of its own in "mle".

    Args:
        o: Options of the run.
    """
    g_steps = o.rounds * (o.updates() + (o.teacher_forcing > 0))
    return [
        player(o, "mle", o.mle_lr, o.mle_steps),
        player(o, "G", o.g_lr, g_steps),
        player(o, "D", o.d_lr, o.d_warmup_steps + o.d_rounds() * o.d_steps),
    ]


def four_players(o: StepDiscriminatorOptions) -> list[Player]:
    """As `three_players`; the discriminator has one of its own in "d_mle", where it plays that.

    Args:
        o: Options of the run.
    """
    alone = [player(o, "d_mle", o.d_mle_lr, o.d_mle_steps)] if o.d_mle_steps else []
    return [*three_players(o), *alone]


def player(o: DialogueOptions, name: str, lr: float, steps: int) -> Player:
    """A player that learns by Adam.

    Args:
        o: Tells the greatest norm of a gradient, and whether the learning rate falls.
        name: Name of the player.
        lr: Learning rate.
        steps: Number of its steps in the whole run.
    """
    schedule = options.falling(steps) if o.falling else None
    return Player(name, adam(lr), max_grad_norm=o.max_grad_norm, schedule=schedule)

"""MaliGAN, mixed (Che et al. 2017, section 3.3): real prefixes that shrink, then its own words.

The first K tokens of a sample are real and learned by likelihood, the rest by `maligan`'s weights,
normalised among the completions of one prefix. K falls from all but one token to none.
"""

from dataclasses import dataclass

from image_core.adversarial import estimators
from image_core.adversarial.errors import UserError
from seqgan.lm.policies import SequencePolicy
from seqgan.text.config import ClassifierOptions, Sequences, two_players
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.games.sequence import SequenceGame
from seqgan.text.papers.maligan import maligan
from seqgan.text.teacher import Teacher


@dataclass(kw_only=True)
class Options(ClassifierOptions):
    """MaliGAN, mixed.

    Args:
        completions: Completions of each real prefix; --samples is a multiple of it.
    """

    g_lr: float = 1e-3
    completions: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        n = self.completions
        if n < 1 or self.samples % n or not 0 < self.samples // n <= self.batch:
            raise UserError(
                f"--samples {self.samples}: a prefix is completed --completions {n} times, so give "
                f"a multiple of {n}, at most {n} times --batch {self.batch}"
            )


def maligan_mixed(
    G: SequencePolicy,
    D: SequenceDiscriminator,
    length: int,
    *,
    moves: int,
    copies: int = 4,
    **options: object,
) -> SequenceGame:
    """MaliGAN from teacher forcing to free running.

    Args:
        G: the policy.
        D: the critic.
        length: tokens of a sequence.
        moves: policy moves until the policy writes alone.
        copies: completions of each real prefix.
        options: of `SequenceGame`.

    Source: Che et al. 2017, section 3.3.
    """
    teacher = Teacher(length, moves, copies)
    mixed = {"teacher": teacher, "estimator": estimators.importance(copies)}
    return maligan(G, D, length, **{**options, **mixed})


def game(o: Options, s: Sequences) -> SequenceGame:
    """The game of a run's options."""
    policy = o.lstm(s)
    discriminator, length = o.cnn(policy, o.d_l2), s.length
    return maligan_mixed(
        policy, discriminator, length, moves=o.g_moves(), copies=o.completions, **o.sampled()
    )


players = two_players

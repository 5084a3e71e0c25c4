"""MaliGAN, mixed (Che et al. 2017, section 3.3): real prefixes that shrink during training.

The first K tokens of a sample are real and trained by maximum likelihood; the policy writes the
rest, which is trained with the weights of `maligan`, normalised over the completions of one prefix.
K falls from all but one token to 0.
"""

from dataclasses import dataclass

from image_core.adversarial import estimators
from image_core.adversarial.arguments import python_call
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
        completions: Completions of each real prefix; --samples must be a multiple of it.

    Raises:
        UserError: A value is out of range, or options contradict one another.
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

    def method(self) -> dict[str, str]:
        estimator = f"importance over {self.completions} completions of a real prefix"
        weights = {"reward": "D/(1-D) of the whole sentence", "estimator": estimator}
        return {**super().method(), **weights}


@python_call()
def maligan_mixed(
    G: SequencePolicy,
    D: SequenceDiscriminator,
    length: int,
    *,
    moves: int,
    copies: int = 4,
    **options: object,
) -> SequenceGame:
    """MaliGAN with a schedule from teacher forcing to free running.

    Args:
        G: The policy.
        D: The discriminator.
        length: Tokens of a sequence, including padding.
        moves: Number of policy moves until the policy writes whole sequences.
        copies: Completions of each real prefix.
        options: Further arguments of `SequenceGame`.

    Raises:
        UserError: An argument is unknown, of another kind or out of range.

    Source: Che et al. 2017, section 3.3.
    """
    teacher = Teacher(length, moves, copies)
    mixed = {"teacher": teacher, "estimator": estimators.importance(copies)}
    return maligan(G, D, length, **{**options, **mixed})


def game(o: Options, s: Sequences) -> SequenceGame:
    """Build the game from a run's options."""
    policy = o.build_policy(s)
    discriminator, length = o.build_discriminator(policy), s.length
    return maligan_mixed(
        policy, discriminator, length, moves=o.g_moves(), copies=o.completions, **o.sampled()
    )


players = two_players

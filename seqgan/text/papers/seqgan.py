"""SeqGAN (Yu, Zhang, Wang & Yu 2017): the reward is the mean D over completions of a prefix.

Q(y_1..t) = mean over completions of D(y),   gradient = sum_t Q(y_1..t) d log G(y_t | y_<t)
"""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.runs import options
from seqgan.text import own
from seqgan.text.config import ScoreOptions, Sequences, two_players
from seqgan.text.estimation import reward_name, sequence_reward
from seqgan.text.games.sequence import SequenceGame
from seqgan.text.rewards import Reward

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(ScoreOptions):
    """SeqGAN.

    Args:
        rollouts: Completions of each prefix of a sample; the discriminator's mean output on them is
            the reward of the prefix's last token.
        reward: Reward of your own beside D, as in mypackage.mine:reward, a function from a list of
            sentences to a number for each (ORGAN; Guimaraes et al. 2017); empty for D alone.
        reward_weight: Share of the reward of your own, from 0 to 1; D has the rest.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    rollouts: int = 16
    reward: str = ""
    reward_weight: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "rollouts")
        options.check_share(self, "reward_weight")
        options.check_own_weight(self, self.reward)
        if self.reward:
            own.function("reward", self.reward)
            if self.estimator in ("importance", "boundary_seeking"):
                raise UserError(
                    f"--reward {self.reward}: --estimator {self.estimator} weighs samples by the "
                    "density ratio of D, to which no other reward can be added; use reinforce"
                )

    def method(self) -> dict[str, str]:
        reward = reward_name(self.estimator, self.rollouts)
        if self.reward:
            d_share = f"{1 - self.reward_weight:g} x {reward}"
            reward = f"{d_share} + {self.reward_weight:g} x {self.reward}"
        return {**super().method(), "reward": reward}

    def token_reward(self, s: Sequences) -> Reward:
        """Build the reward of each token."""
        added = own.objective(self.reward, s.decode) if self.reward else None
        return sequence_reward(self.estimator, self.rollouts, added, self.reward_weight)


PRESETS = {
    "quick": {"baseline": "auto"},
    "default": {"baseline": "auto", "reduction": "mean"},
    "demo": {"baseline": "auto", "reduction": "mean", "rollouts": 8},
    "tiny": {"rollouts": 2},
}


def game(o: Options, s: Sequences) -> SequenceGame:
    """Build the game from a run's options."""
    policy = o.build_policy(s)
    return SequenceGame(
        policy,
        o.build_discriminator(policy),
        s.length,
        reward=o.token_reward(s),
        estimator=o.score_function(s.length),
        **o.sampled(),
    )


players = two_players

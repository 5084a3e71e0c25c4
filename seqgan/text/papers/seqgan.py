"""SeqGAN (Yu, Zhang, Wang & Yu 2017): the reward is the mean D over completions of a prefix.

Q(y_1..t) = mean over completions of D(y),   gradient = sum_t Q(y_1..t) d log G(y_t | y_<t)
"""

from dataclasses import dataclass

from image_core.runs import options
from seqgan.text.config import ScoreOptions, Sequences, two_players
from seqgan.text.estimation import reward_name, sequence_reward
from seqgan.text.games.sequence import SequenceGame

__all__ = ["PRESETS", "Options", "game", "players"]


@dataclass(kw_only=True)
class Options(ScoreOptions):
    """SeqGAN.

    Args:
        rollouts: Completions of each prefix of a sample; the discriminator's mean output on them is
            the reward of the prefix's last token.
    """

    rollouts: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "rollouts")

    def method(self) -> dict[str, str]:
        return {"reward": reward_name(self.estimator, self.rollouts), **super().method()}


PRESETS = {
    "quick": {"baseline": "position_mean"},
    "default": {"baseline": "position_mean", "reduction": "mean"},
    "demo": {"baseline": "position_mean", "reduction": "mean", "rollouts": 8},
    "tiny": {"rollouts": 2},
}


def game(o: Options, s: Sequences) -> SequenceGame:
    """Build the game from a run's options."""
    policy = o.lstm(s)
    return SequenceGame(
        policy,
        o.cnn(policy, o.d_l2),
        s.length,
        reward=sequence_reward(o.estimator, o.rollouts),
        estimator=o.score_function(s.length),
        **o.sampled(),
    )


players = two_players

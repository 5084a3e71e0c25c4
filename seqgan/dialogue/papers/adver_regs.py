"""REGS (Li, Monroe, Shi, Jean, Ritter & Jurafsky 2017, section 3.2): a reward for every prefix.

    Q_t = D(x, y_1..y_t),   gradient = sum_t (Q_t - b_t) d log G(y_t | x, y_<t)

The discriminator learns on one random prefix of each reply (option 2), or judges completions of
each prefix (option 1). The baseline is as in `adver_reinforce`.
"""

from dataclasses import dataclass

from image_core.runs import options
from seqgan.dialogue import credit
from seqgan.dialogue.config import (
    AdvantageOptions,
    DialogueLossOptions,
    DiscriminatorNetworkOptions,
    three_players,
)
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.models import Language


@dataclass(kw_only=True)
class Options(DiscriminatorNetworkOptions, DialogueLossOptions, AdvantageOptions):
    """REGS.

    Args:
        rollouts: Number of completions of each prefix, whose mean output of the discriminator
            rewards its last token (option 1); 0 = the discriminator judges the prefix (option 2).
    """

    discriminator: str = "hierarchical"
    d_steps: int = 5
    samples: int = 2
    rollouts: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 0, "rollouts")

    def one_reward(self) -> bool:
        return False

    def method(self) -> dict[str, str]:
        reward = "rollouts" if self.rollouts else "dense"
        return {
            **super().method(), "reward": f"{reward} of probability", "estimator": "reinforce"
        }  # fmt: skip


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    prefixes = credit.dense()
    if o.rollouts:
        prefixes = credit.rollouts(o.rollouts)
    return DialogueGame(
        policy,
        o.network(language, policy),
        o.reply_tokens,
        credit=prefixes,
        pooling="prefix",
        **o.adversarial(),
    )


players = three_players

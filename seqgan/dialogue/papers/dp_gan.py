"""DP-GAN (Xu, Ren, Lin & Sun 2018): a language model is the discriminator, and surprise the reward.

    r_t = min(-log D(y_t | x, y_<t), 12),   R_t = mean of r_s, s >= t

The mean of what follows takes the place of its discounted sum; rewards are capped, not divided by
10,000.
"""

from dataclasses import dataclass

from image_core.adversarial import losses
from seqgan.dialogue import credit
from seqgan.dialogue.config import AdvantageOptions, three_players
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.models import Language, copy_generator, new_discriminator


@dataclass(kw_only=True)
class Options(AdvantageOptions):
    """DP-GAN."""

    baseline: str = "position_mean"
    samples: int = 1

    def one_reward(self) -> bool:
        return False

    def method(self) -> dict[str, str]:
        own = {"reward": "to_go of surprise", "loss": "wasserstein", "estimator": "reinforce"}
        return {**super().method(), **own}

    def begin_discriminator(self, game: DialogueGame) -> None:
        """It begins as the generator is after maximum likelihood."""
        copy_generator(game.D, game.G)


def game(o: Options, language: Language) -> DialogueGame:
    """The game of a run's options."""
    policy = o.policy(language)
    return DialogueGame(
        policy,
        new_discriminator(o, "language_model", language.form, policy, 0),
        o.reply_tokens,
        credit=credit.to_go(),
        loss=losses.wasserstein,
        pooling="mean",
        reuse=True,
        **o.adversarial(),
    )


players = three_players

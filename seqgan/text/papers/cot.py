"""CoT (Lu, Yu, Feng, Zhu & Zhang 2019): a mediator learns the mixture, the policy moves towards it.

    L_M = -1/2 (E_real log M(y) + E_G log M(y))
    L_G = -mean_t sum_v G(v | y_<t) (log M(v | y_<t) - log G(v | y_<t)),   y ~ G

There is no discriminator and no score-function estimator. The policy starts from random weights;
the row MLE is a policy of the same size that was trained by maximum likelihood. As in the released
code one step of the policy is followed by one of the mediator, which is larger than the policy and
has dropout while it learns. That code redraws the training set from the oracle at each step, and
prints as "jsd" a sum of divergences of tokens along samples, which is not that of sequences.
"""

from dataclasses import dataclass, replace
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.phase import Phase
from image_core.runs.players import Player, adam
from seqgan.text import own
from seqgan.text.config import Sequences, SharedOptions, one_player
from seqgan.text.games.cooperative import CooperativeGame


@dataclass(kw_only=True)
class Options(SharedOptions):
    """CoT.

    Args:
        samples: Sequences in a policy step.
        m_hidden: Size of the mediator's token vectors and of its state.
        m_dropout: Dropout of the mediator while it learns.
        m_lr: Adam's learning rate of the mediator.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    g_lr: float = 1e-3
    samples: int = 64
    m_hidden: int = 64
    m_dropout: float = 0.5
    m_lr: float = 3e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "samples", "m_hidden")
        options.check_least(self, 0, "m_dropout")
        options.check_above_zero(self, "m_lr")
        if self.m_dropout >= 1:
            raise UserError(f"--m_dropout {self.m_dropout}: it must be below 1")

    def method(self) -> dict[str, str]:
        return {**super().method(), "loss": "KL from the policy to the mediator at each prefix"}


PRESETS = {"tiny": {"samples": 8, "m_hidden": 12}}


def game(o: Options, s: Sequences) -> CooperativeGame:
    """Build the game from a run's options."""
    larger = replace(o, embedding=o.m_hidden, hidden=o.m_hidden, dropout=o.m_dropout)
    mediator = larger.lstm(s)
    return CooperativeGame(
        own.recurrent(o.build_policy(s)), mediator, s.length, samples=o.samples, g_steps=o.g_steps
    )


def players(o: Options) -> list[Player]:
    """Policy and mediator with Adam, with the released decays."""
    mle, policy = one_player(o)
    decays = (0.9, 0.95)
    policy = policy._replace(optimizer=adam(o.g_lr, decays))
    return [mle, policy, Player("M", adam(o.m_lr, decays))]


def phases(run: Any) -> list[Phase]:
    """Maximum likelihood as the baseline, then the game from the policy's first weights."""
    return [run.baseline_phase(), run.adversarial_phase()]

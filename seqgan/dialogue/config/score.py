"""Parts for how the generator learns: reward, baseline, estimator and KL term.

Their values make a system, so no preset of the recipe changes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.estimators import Estimator
from image_core.runs import options, outside
from seqgan.dialogue import credit, estimation
from seqgan.dialogue.advantage import BASELINES, KL
from seqgan.dialogue.config.shared import DialogueOptions
from seqgan.dialogue.credit import REWARDS, Credit


@dataclass(kw_only=True)
class AdvantageOptions(DialogueOptions):
    """Advantage.

    Args:
        baseline: Baseline of the reward: none, position_mean, leave_one_out, group_normalised or
            running.
        length_weight: Reward taken off for |log(length / human length)|.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    baseline: str = "leave_one_out"
    length_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("baseline", self.baseline, BASELINES)
        options.check_least(self, 0, "length_weight")
        if self.baseline in ("leave_one_out", "group_normalised") and self.samples < 2:
            raise UserError(f"--baseline {self.baseline} needs --samples of at least 2")
        if self.baseline == "group_normalised" and not self.one_reward():
            raise UserError(
                "--baseline group_normalised is for one reward a reply, not one a token"
            )

    def one_reward(self) -> bool:
        """Whether all tokens of a reply earn the same; a part or a paper overrides it."""
        return True

    def adversarial(self) -> dict[str, Any]:
        return {
            **super().adversarial(),
            "baseline": self.baseline,
            "length_weight": self.length_weight,
        }

    def method(self) -> dict[str, str]:
        return {**super().method(), "baseline": self.baseline}


@dataclass(kw_only=True)
class ClippedOptions(AdvantageOptions):
    """Gradient of the generator.

    Args:
        policy_updates: Optimizer steps on the same replies, for the clipped estimator (PPO).
    """

    policy_updates: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 1, "policy_updates")

    def updates(self) -> int:
        return self.policy_updates


@dataclass(kw_only=True)
class CreditOptions(ClippedOptions):
    """Reward of a token.

    Args:
        credit_assignment: What a token earns: sequence, paired, dense, potential, to_go, advantage,
            every_token (as advantage, of all tokens that could have been sampled) or rollouts.
        rollouts: Number of completions of each prefix, for --credit_assignment rollouts.
        reward: What the discriminator's logit is turned into: probability, logit, log_probability
            or ratio. A reward of your own may stand beside it, as in logit,mypackage.mine:reward,
            a function from texts of contexts and of replies to a number for each; without a name
            before it, the logit is turned into what is the paper's.
        estimator: Estimator of the generator's gradient: reinforce, clipped (PPO), importance
            (MaliGAN; --reward ratio) or boundary_seeking (--reward logit); the last two weigh a
            context's replies against each other. Your own: module:name.
        reuse: Whether the discriminator learns from the replies of the generator's step, not from
            fresh ones.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    credit_assignment: str = "potential"
    rollouts: int = 5
    reward: str = "probability"
    estimator: str = "reinforce"
    reuse: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("credit_assignment", self.credit_assignment, credit.__all__)
        options.check_least(self, 1, "rollouts")
        options.check_estimator(self.estimator, estimation.SERVED, estimation.REASONS)
        if self.credit_assignment == "every_token":
            self._check_every_token()
        self._check_weighing()
        if self.policy_updates > 1 and self.estimator != "clipped":
            raise UserError("--policy_updates above 1 needs --estimator clipped")

    def d_rewards(self) -> Sequence[str]:
        return tuple(REWARDS)

    def d_reward(self) -> str:
        """What the discriminator's logit is turned into."""
        return outside.plain_and_own("reward", self.reward)[0] or type(self).reward

    def _check_every_token(self) -> None:
        """What is made of sampled tokens' rewards says nothing of those that were not sampled."""
        self._refuse_own_reward("--credit_assignment every_token takes the mean over all tokens")
        values = {"baseline": "none", "estimator": "reinforce", "policy_updates": 1}
        self.require("--credit_assignment every_token takes the mean over all tokens", values)

    def _refuse_own_reward(self, why: str) -> None:
        if own := self.own_reward():
            raise UserError(f"{why}, which --reward {own} cannot be added to; leave it out")

    def _check_weighing(self) -> None:
        if (self.estimator == "importance") != (self.d_reward() == "ratio"):
            raise UserError(
                f"--reward ratio and --estimator importance go together; got --reward "
                f"{self.d_reward()} and --estimator {self.estimator}"
            )
        if self.estimator not in estimation.WEIGHED:
            return
        self._refuse_own_reward(f"--estimator {self.estimator} weighs D's outputs as they are")
        reward = estimation.WEIGHED[self.estimator]
        values = {"reward": reward, "credit_assignment": "sequence", "baseline": "none"}
        self.require(f"--estimator {self.estimator} weighs D's outputs as they are", values)
        if self.samples < 2:
            raise UserError(f"--estimator {self.estimator} needs --samples of at least 2")

    def require(self, why: str, values: Mapping[str, Any]) -> None:
        """Refuse other values of some options, and a reward for lengths.

        Args:
            why: The reason, for the complaint.
            values: The values by option.

        Raises:
            UserError: An option has another value.
        """
        for name, value in {**values, "length_weight": 0.0}.items():
            if getattr(self, name) != value:
                raise UserError(f"{why}: pass --{name} {value}, not {getattr(self, name)}")

    def one_reward(self) -> bool:
        return self.credit_assignment in ("sequence", "paired")

    def adversarial(self) -> dict[str, Any]:
        return {**super().adversarial(), "reuse": self.reuse}

    def method(self) -> dict[str, str]:
        read = self.credit_assignment not in ("paired", "advantage", "every_token")
        reward = self.credit_assignment + (f" of {self.d_reward()}" if read else "")
        return {**super().method(), "reward": reward, "estimator": self.estimator}

    def credit(self) -> Credit:
        """The credit assignment of these options."""
        transform = REWARDS[self.d_reward()]
        match self.credit_assignment:
            case "paired" | "advantage" | "every_token" as name:
                return getattr(credit, name)()
            case "rollouts":
                return credit.rollouts(self.rollouts, transform, self.generation())
            case name:
                return getattr(credit, name)(transform)

    def score_function(self) -> Estimator:
        """The estimator of these options."""
        return estimation.of_replies(self.estimator, self.samples)


@dataclass(kw_only=True)
class KLOptions(DialogueOptions):
    """Distance from the start.

    Args:
        kl: Estimator of the KL divergence to the generator that adversarial training started from:
            k1 (taken off the reward) or k3 (added to the loss).
        kl_coef: Weight of the KL term.
        kl_target: KL divergence in nats a reply that the weight adapts to; 0 = it stays.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    kl: str = "k3"
    kl_coef: float = 0.0
    kl_target: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("kl", self.kl, tuple(KL))
        options.check_least(self, 0, "kl_coef", "kl_target")
        if self.kl_target and not self.kl_coef:
            raise UserError("--kl_target adapts --kl_coef, which is 0; give it a start")

    def adversarial(self) -> dict[str, Any]:
        terms = {"kl": self.kl, "kl_coef": self.kl_coef, "kl_target": self.kl_target}
        return {**super().adversarial(), **terms}

    def method(self) -> dict[str, str]:
        term = {"KL term": f"{self.kl} {self.kl_coef}"} if self.kl_coef else {}
        return super().method() | term

"""Options of the dialogue recipe."""

from dataclasses import dataclass

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.penalties import make_penalty
from image_core.runs.recipe import RunConfig
from seqgan.dialogue import estimation
from seqgan.dialogue.advantage import BASELINES, KL
from seqgan.dialogue.credit import __all__ as CREDITS
from seqgan.dialogue.discriminators import JUDGES

ARCHITECTURES = ("gpt", "lstm")
"""Of a model from scratch: a causal transformer of GPT-2's shape, or an LSTM with attention."""

CRITICS = ("transformer", "copy", "step", "hierarchical", "language_model")
"""A fresh causal transformer; a copy of the generator with a scalar head; StepGAN's; Li et al.'s;
DP-GAN's.
"""

REWARDS = ("probability", "logit", "log_probability", "ratio")
"""What a critic's logit is turned into; ratio is D / (1 - D)."""

WEIGHING = {"importance": "ratio", "boundary_seeking": "logit"}
"""Estimators whose weights are made of one verdict a reply, and of which."""


@dataclass(kw_only=True)
class DialogueConfig(RunConfig):
    """Adversarial dialogue on a language model.

    Args:
        data: dialogues: a file (.jsonl, .json, .parquet, .csv, gzipped or not; or one dialogue a
            line, turns separated by tabs), a hub data set, "chitchat" or "chatterbot" for those of
            an installed package.
        valid: dialogues that stop maximum likelihood; every 20th of the data when left out.
        test: dialogues to measure on; the validation set when left out.
        where: keep dialogues of --test with this value in a column, as in train_overlap=0.
        limit: use at most this many dialogues of the data.
        backward: learn what was said before a turn, not the answer to it: for --backward of
            `seqgan chat`.
        model: folder or hub name of a causal or sequence-to-sequence language model with its
            tokenizer; a small one from scratch when left out.
        lora: rank of low-rank adapters on --model, which alone learn; 0 = everything learns.
        architecture: of a model from scratch: gpt (a causal transformer) or lstm (with attention).
        size: of a model from scratch, its hidden states.
        layers: of a model from scratch.
        heads: of attention, of a transformer from scratch.
        dropout: of a model from scratch, in maximum likelihood.
        vocab_size: byte pairs of a tokenizer from scratch.
        context_tokens: most tokens of a context; older ones are cut.
        reply_tokens: most tokens of a reply, its end counted.
        turns: most turns of a context.
        batch: contexts of a step.
        mle_steps: most steps of maximum likelihood.
        mle_lr: Adam rate of maximum likelihood.
        patience: evaluations without a better validation NLL before maximum likelihood stops.
        critic: transformer (fresh), copy (of the generator), step (StepGAN), hierarchical (Li et
            al. 2017) or language_model (DP-GAN).
        critic_size: of the states of a hierarchical critic, and of one with --critic_mle_steps.
        critic_mle_steps: steps of maximum likelihood of people's replies that a step critic begins
            with, as a language model of its own; 0 = it begins on a copy of the generator.
        critic_mle_lr: Adam rate of those.
        critic_warmup: critic steps before the adversarial rounds.
        critic_steps: critic steps a round.
        critic_lr: Adam rate of the critic.
        judge: what judges a whole reply: last (its last token's logit), mean (over its tokens) or
            prefix (as last; the critic learns of random prefixes).
        loss: of the critic, see `seqgan list losses`; relativistic is Bradley-Terry's.
        penalty: of the critic, as in r1=10, see `seqgan list penalties`.
        rounds: adversarial rounds.
        policy_lr: Adam rate of the generator in adversarial rounds.
        falling: whether each rate rises over a tenth of its steps and then falls to nothing.
        clip: greatest gradient norm, of both.
        samples: replies to each context of a generator step.
        credit: what a token earns: sequence, paired, dense, potential, to_go, advantage,
            every_token (as advantage, of all tokens that could have been drawn) or rollouts.
        rollouts: completions of each prefix, for --credit rollouts.
        reward: of the critic's logit: probability, logit or log_probability.
        baseline: none, position_mean, leave_one_out, group_normalised or running.
        estimator: reinforce, clipped (PPO), importance (MaliGAN; --reward ratio) or
            boundary_seeking (--reward logit), which weigh a context's replies against each other.
        policy_updates: steps on the same samples, for clipped.
        temperature: of the samples that are learned from.
        top_p: of them.
        min_length: tokens before their end may be drawn.
        cold_temperature: half of the samples are drawn at this temperature, with importance weights
            (ColdGAN); 0 = none.
        cold_top_p: of that half.
        reuse: whether the critic learns from the generator step's samples.
        teacher_forcing: weight of a step of maximum likelihood after each generator step.
        human_share: chance of a sample to be replaced by the human reply (TextGAIL).
        human_steps: generator steps until that chance is 0.
        kl: k1 (taken off the reward) or k3 (added to the loss), to the maximum-likelihood model.
        kl_weight: of it.
        kl_target: nats a reply that the weight adapts to; 0 = it stays.
        length_weight: reward taken off for |log(length / human length)|.
        memory: earlier samples the critic is shown again.
        critic_limit: the critic rests above this accuracy; 0 = never.
        kl_limit: above this KL a reply the generator takes steps of maximum likelihood only;
            0 = never.
        length_limit: the same when replies are that many times longer or shorter than people's.
        alarms: what to do about signs of collapse: warn, stop or off.
        evaluate_every: rounds between two evaluations.
        test_pairs: most contexts of the test set that are answered and measured.
        judge_seeds: fresh judges of the adversarial evaluation; 0 leaves it out.
        encoder: of likeness to people's replies, word vectors and MAUVE: minilm, a folder or a hub
            name; no such figures when left out.
        precision: no, or bf16.
        shard: whether several processes share the models' parameters among them (FSDP2), each
            holding a part, for a causal model that outgrows one device.
    """

    data: str = "chitchat"
    valid: str | None = None
    test: str | None = None
    where: str = ""
    limit: int | None = None
    backward: bool = False
    model: str | None = None
    lora: int = 0
    architecture: str = "gpt"
    size: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    vocab_size: int = 4000
    context_tokens: int = 64
    reply_tokens: int = 32
    turns: int = 4
    batch: int = 16
    mle_steps: int = 4000
    mle_lr: float = 1e-3
    patience: int = 3
    critic: str = "transformer"
    critic_size: int = 128
    critic_mle_steps: int = 0
    critic_mle_lr: float = 1e-3
    critic_warmup: int = 200
    critic_steps: int = 1
    critic_lr: float = 3e-4
    judge: str = "prefix"
    loss: str = "non_saturating"
    penalty: str = ""
    rounds: int = 1000
    policy_lr: float = 1e-4
    falling: bool = False
    clip: float = 1.0
    samples: int = 4
    credit: str = "potential"
    rollouts: int = 5
    reward: str = "probability"
    baseline: str = "leave_one_out"
    estimator: str = "reinforce"
    policy_updates: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    min_length: int = 0
    cold_temperature: float = 0.0
    cold_top_p: float = 1.0
    reuse: bool = True
    teacher_forcing: float = 1.0
    human_share: float = 0.0
    human_steps: int = 1000
    kl: str = "k3"
    kl_weight: float = 0.0
    kl_target: float = 0.0
    length_weight: float = 0.0
    memory: int = 0
    critic_limit: float = 0.98
    kl_limit: float = 0.0
    length_limit: float = 3.0
    alarms: str = "warn"
    evaluate_every: int = 50
    test_pairs: int = 1000
    judge_seeds: int = 3
    encoder: str = ""
    precision: str = "no"
    shard: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_sizes()
        choices = {
            "architecture": ARCHITECTURES,
            "critic": CRITICS,
            "judge": JUDGES,
            "loss": losses.__all__,
            "credit": CREDITS,
            "reward": REWARDS,
            "baseline": BASELINES,
            "kl": tuple(KL),
            "alarms": ("warn", "stop", "off"),
            "precision": ("no", "bf16"),
        }
        for name, allowed in choices.items():
            options.check_choice(name, getattr(self, name), allowed)
        make_penalty(self.penalty)
        options.check_estimator(self.estimator, estimation.SERVED, estimation.REASONS)
        if self.credit == "every_token":
            self._check_every_token()
        self._check_weighing()
        self._check_together()

    def _check_sizes(self) -> None:
        options.check_least(
            self, 1, "size", "layers", "heads", "turns", "batch", "patience", "critic_size",
            "critic_steps", "samples", "rollouts", "policy_updates", "evaluate_every",
        )  # fmt: skip
        options.check_least(self, 2, "context_tokens", "reply_tokens", "test_pairs")
        options.check_least(
            self, 0, "lora", "dropout", "mle_steps", "critic_warmup", "critic_mle_steps", "rounds",
            "min_length", "cold_temperature", "teacher_forcing", "human_share", "human_steps",
            "kl_weight", "kl_target", "length_weight", "memory", "critic_limit", "kl_limit",
            "length_limit", "judge_seeds",
        )  # fmt: skip
        options.check_above_zero(
            self,
            "mle_lr",
            "critic_mle_lr",
            "critic_lr",
            "policy_lr",
            "clip",
            "temperature",
            "top_p",
            "cold_top_p",
        )
        for name in ("dropout", "human_share", "critic_limit"):
            if getattr(self, name) >= 1:
                raise UserError(f"--{name} {getattr(self, name)}: it must be below 1")
        for name in ("top_p", "cold_top_p"):
            if getattr(self, name) > 1:
                raise UserError(f"--{name} {getattr(self, name)}: it must be at most 1")
        if self.limit is not None:
            options.check_least(self, 2, "limit")
        if self.mle_steps + self.critic_warmup + self.rounds == 0:
            raise UserError(
                "--mle_steps, --critic_warmup and --rounds are all 0; nothing is played"
            )
        if self.min_length >= self.reply_tokens:
            raise UserError(
                f"--min_length {self.min_length} leaves no room for an end within --reply_tokens "
                f"{self.reply_tokens}"
            )

    def _check_every_token(self) -> None:
        """What is made of drawn tokens' rewards says nothing of those that were not drawn."""
        plain = {
            "baseline": "none",
            "estimator": "reinforce",
            "policy_updates": 1,
            "length_weight": 0.0,
            "cold_temperature": 0.0,
            "human_share": 0.0,
        }
        for name, value in plain.items():
            if getattr(self, name) != value:
                raise UserError(
                    f"--credit every_token takes the mean over all tokens: pass --{name} {value}, "
                    f"not {getattr(self, name)}"
                )
        if self.kl_weight and self.kl == "k1":
            raise UserError("--credit every_token takes the mean over all tokens: pass --kl k3")

    def _check_weighing(self) -> None:
        if (self.estimator == "importance") != (self.reward == "ratio"):
            raise UserError(
                f"--reward ratio and --estimator importance go together; got --reward "
                f"{self.reward} and --estimator {self.estimator}"
            )
        if self.estimator not in WEIGHING:
            return
        plain = {
            "reward": WEIGHING[self.estimator],
            "credit": "sequence",
            "baseline": "none",
            "length_weight": 0.0,
            "cold_temperature": 0.0,
            "human_share": 0.0,
        }
        for name, value in plain.items():
            if getattr(self, name) != value:
                raise UserError(
                    f"--estimator {self.estimator} weighs verdicts as they are: pass --{name} "
                    f"{value}, not {getattr(self, name)}"
                )
        if self.kl_weight and self.kl == "k1":
            raise UserError(f"--estimator {self.estimator} reads no KL in rewards: pass --kl k3")
        if self.samples < 2:
            raise UserError(f"--estimator {self.estimator} needs --samples of at least 2")

    def _check_together(self) -> None:
        recurrent = self.model is None and self.architecture == "lstm"
        if self.size % self.heads and self.model is None and self.architecture == "gpt":
            raise UserError(f"--size {self.size} is no multiple of --heads {self.heads}")
        grouped = self.baseline in ("leave_one_out", "group_normalised")
        if grouped and self.samples < 2:
            raise UserError(f"--baseline {self.baseline} needs --samples of at least 2")
        if self.credit in ("advantage", "every_token") and self.critic != "step":
            raise UserError(
                f"--credit {self.credit} needs a value of each next token: pass --critic step, not "
                f"{self.critic}"
            )
        if self.critic_mle_steps and self.critic != "step":
            raise UserError(
                f"--critic_mle_steps is for --critic step, which can be a language model, not "
                f"{self.critic}"
            )
        if self.critic_mle_steps and self.critic_size % self.heads:
            raise UserError(
                f"--critic_size {self.critic_size} is no multiple of --heads {self.heads}"
            )
        if self.baseline == "group_normalised" and self.credit not in ("sequence", "paired"):
            raise UserError(
                f"--baseline group_normalised is for one reward a reply, not --credit {self.credit}"
            )
        if self.policy_updates > 1 and self.estimator != "clipped":
            raise UserError("--policy_updates above 1 needs --estimator clipped")
        if self.kl_target and not self.kl_weight:
            raise UserError("--kl_target adapts --kl_weight, which is 0; give it a start")
        if self.human_share and self.reuse:
            raise UserError("--human_share mixes human replies in; pass --reuse false")
        if self.cold_temperature and self.samples % 2:
            raise UserError(f"--samples {self.samples}: half of them are cold; give an even number")
        if self.cold_temperature and self.estimator == "clipped":
            raise UserError("--cold_temperature brings weights of its own; use reinforce")
        if self.penalty and self.critic not in ("transformer", "copy", "hierarchical"):
            raise UserError(
                f"--penalty moves through embedded replies; --critic {self.critic} does not"
            )
        if self.backward and self.turns != 1:
            raise UserError(f"--backward true reads one turn: pass --turns 1, not {self.turns}")
        if self.shard and (recurrent or self.penalty):
            raise UserError(
                "--shard true is for causal transformers without --penalty; leave one of them out"
            )
        if self.lora and self.model is None:
            raise UserError("--lora is for --model; a model from scratch learns as a whole")
        if self.where and self.test is None:
            raise UserError(f"--where {self.where} keeps rows of --test, which is not named")
        if self.data == "chitchat":
            for name in ("valid", "test", "where"):
                if getattr(self, name):
                    raise UserError(f"--{name} is not for --data chitchat, which has its own")
        if recurrent and self.critic not in ("hierarchical", "language_model"):
            raise UserError(
                f"--critic {self.critic} copies a transformer; with --architecture lstm pass "
                "--critic hierarchical or language_model"
            )


Config = DialogueConfig

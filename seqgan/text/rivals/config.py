"""Options of a comparison with rivals."""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.runs import options, outside
from seqgan.text import own
from seqgan.text.pooled import POOLING

CHECK = "(prompts, answers) -> whether each answer is valid"


@dataclass(kw_only=True)
class RivalOptions:
    """Rivals.

    Args:
        data: File of lines with a prompt, --prompt_end and an answer, tokens between blanks.
        valid: File of such lines that stops maximum likelihood and picks its temperature.
        test: File of such lines, whose prompts are answered.
        prompts: File of prompts without answers, one a line.
        labelled: File of lines with answers to many prompts, for a ceiling; leave it out for none.
        out: Folder of the results; the same command goes on where it stopped.
        prompt_end: Token between prompt and answer.
        check: Check of your own, as in mypackage.mine:check, a function from prompts and answers,
            two lists of texts, to whether each answer is valid.
        reward: Reward of your own, as in mypackage.mine:reward, a function from a list of sentences
            to a number for each; with it each row is also measured by its mean reward.
        kl_coefs: Weights of the divergence in the rows that learn from --reward.
        policy: Generator of your own, as in mypackage.mine:policy; an LSTM when left out.
        larger: Larger generator of your own, for maximum likelihood; an LSTM of twice the size.
        backward: Generator of prompts for answers, of lines turned round; an LSTM when left out.
        features: Features of prefixes that the discriminator reads, and the LSTM too, as in
            mypackage.mine:features.
        pooling: Pooling of the discriminator over positions, sum or mean.
        embedding: Size of a token's vector in the LSTM.
        hidden: Size of the LSTM's state.
        batch: Lines of a step of maximum likelihood.
        mle_lr: AdamW's learning rate in maximum likelihood.
        valid_every: Steps of maximum likelihood between two looks at the validation lines.
        translated: Pairs that back-translation makes, half of them with answers of the data.
        prompts_batch: Prompts of an adversarial step.
        samples: Answers to each of them.
        g_lr: Adam's learning rate of the generator in the adversarial rounds.
        d_lr: Adam's learning rate of the discriminator.
        d_hidden: Hidden size of the discriminator.
        d_warmup_steps: Optimizer steps of the discriminator before the adversarial rounds.
        frozen_steps: Optimizer steps of the discriminator that is frozen, of best-of-n.
        teacher_forcing: Weight of maximum likelihood on the pairs in each adversarial step.
        candidates: Answers to each prompt of which the distilled generator learns the best.
        only: Rows to make, by the beginning of their names, separated by commas; empty for all.
        seed: First seed.
        seeds: Number of seeds.
        seconds: CPU seconds of training of each row, beside a quarter of that for the common start.
        threads: Number of threads.
        device: Device: cpu or cuda, whose seconds are those of the CPU that waits for it.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    data: str
    valid: str
    test: str
    prompts: str
    check: str
    labelled: str = ""
    out: str = "runs/rivals"
    prompt_end: str = "=>"
    reward: str = ""
    kl_coefs: tuple[float, ...] = (0.03, 0.1, 0.3)
    policy: str = ""
    larger: str = ""
    backward: str = ""
    features: str = ""
    pooling: str = "sum"
    embedding: int = 32
    hidden: int = 96
    batch: int = 128
    mle_lr: float = 2e-3
    valid_every: int = 25
    translated: int = 8000
    prompts_batch: int = 32
    samples: int = 4
    g_lr: float = 1e-3
    d_lr: float = 2e-3
    d_hidden: int = 32
    d_warmup_steps: int = 100
    frozen_steps: int = 600
    teacher_forcing: float = 0.1
    candidates: int = 8
    only: str = ""
    seed: int = 0
    seeds: int = 5
    seconds: float = 32.0
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        options.check_seed(self.seed)
        options.check_least(self, 1, "seeds", "hidden", "embedding", "prompts_batch", "threads")
        options.check_least(self, 1, "d_hidden", "frozen_steps", "batch", "valid_every")
        options.check_least(self, 2, "samples", "candidates", "translated")
        options.check_least(self, 0, "teacher_forcing", "d_warmup_steps")
        options.check_above_zero(self, "seconds", "mle_lr", "g_lr", "d_lr")
        options.check_choice("pooling", self.pooling, POOLING)
        options.check_choice("device", self.device, ("cpu", "cuda"))
        outside.load_function("check", self.check, CHECK, 2)
        if self.reward:
            own.function("reward", self.reward)
            if not self.kl_coefs or min(self.kl_coefs) < 0:
                raise UserError(f"--kl_coefs {list(self.kl_coefs)}: name weights of at least 0")
        for name in ("policy", "larger", "backward"):
            if value := vars(self)[name]:
                outside.load_function(name, value, "(sequences) -> SequencePolicy")
        if self.features:
            outside.load_function("features", self.features, "(sequences) -> Features")

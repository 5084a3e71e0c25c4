"""Sequence GANs on an oracle whose density is known (Yu et al. 2017, section 5.1).

A run consists of maximum likelihood, the discriminator's warm-up and adversarial rounds, unless the
paper defines other phases. The result is the temperature sweep of both policies, NLL_oracle against
NLL_test, since a policy that lowers only NLL_oracle may merely have sharpened its distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.runs import options
from image_core.runs.batches import Batches
from image_core.runs.fingerprint import fingerprint
from image_core.runs.papers import Papers
from image_core.runs.phase import Phase
from seqgan import metrics
from seqgan.data.encode import check_vocabulary
from seqgan.data.tokenizer import TextTokenizer
from seqgan.lm.likelihood import jsd, nll, sentence_nll
from seqgan.lm.oracle import draw_oracle, load_oracle
from seqgan.lm.policies import SequencePolicy
from seqgan.metrics.bootstrap import Figure
from seqgan.metrics.ngrams import Sentences
from seqgan.text import policies
from seqgan.text.config import TEMPERATURES, Sequences, SharedOptions
from seqgan.text.report import Keeper, Setting, sweep, write_report
from seqgan.text.run import SequenceRun


@dataclass(kw_only=True)
class OracleOptions(SharedOptions):
    """Oracle.

    Args:
        oracle: File (.npz) of the oracle's parameters; by default they are drawn from the seed.
        vocab: Token ids of a drawn oracle.
        length: Tokens of a sequence.
        train_size: Number of training sequences, drawn once from the oracle.
        test_size: Number of sequences of the oracle, and of the policy, in an evaluation.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    oracle: str | None = None
    vocab: int = 5000
    length: int = 20
    train_size: int = 10_000
    test_size: int = 9_984

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_least(self, 2, "vocab", "length", "test_size")
        if policies.is_model(self.policy):
            raise UserError(
                f"--policy {self.policy}: a language model reads text, and an oracle's tokens are "
                "numbers; give lstm, transformer or mypackage.mine:policy"
            )
        if self.length < self.shortest():
            raise UserError(
                f"--length {self.length} is below the widest filter of the discriminator, "
                f"{self.shortest()}; use longer sequences or --discriminator small"
            )
        if self.train_size < self.batch:
            raise UserError(
                f"--train_size {self.train_size} does not fill one --batch of {self.batch}"
            )


PAPERS = Papers(
    "seqgan.text.papers", "seqgan", shared=SharedOptions, own=OracleOptions, recipe="oracle"
)
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "quick": {
        "vocab": 500,
        "length": 12,
        "train_size": 10_000,
        "test_size": 4_000,
        "discriminator": "small",
        "mle_epochs": 20,
        "d_warmup_steps": 558,
        "d_epochs": 3,
        "d_lr": 1e-3,
        "negatives": 2_000,
        "rounds": 40,
        "g_steps": 5,
        "d_steps": 186,
        "g_lr": 3e-3,
    },
    "tiny": {
        "vocab": 20,
        "length": 10,
        "train_size": 128,
        "test_size": 64,
        "batch": 16,
        "embedding": 8,
        "hidden": 8,
        "discriminator": "small",
        "mle_epochs": 2,
        "d_warmup_steps": 4,
        "d_epochs": 1,
        "negatives": 32,
        "rounds": 3,
        "d_steps": 4,
        "samples": 8,
        "evaluate_every": 1,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}


SAMPLED = 1000
"""Number of sequences in which signs of collapse are looked for."""


class OracleRun(SequenceRun):
    """A run on an oracle.

    Args:
        config: Options of the run.
    """

    recipe = "oracle"

    config: OracleOptions

    def __init__(self, config: OracleOptions, *, data: bool = True):
        super().__init__(config, data=data)
        self.paper = PAPERS.load(config.paper)
        file = config.oracle
        oracle = draw_oracle(config.vocab, config.seed) if file is None else load_oracle(file)
        self.oracle = oracle.to(options.pick_device(config.device))
        self.build(Sequences(oracle.vocab, config.length, 0, None, 0, lambda: self.train_set))
        if data:
            train, self.test = (
                self.draw(self.oracle, size) for size in (config.train_size, config.test_size)
            )
            # In order and without shuffling, as in the released code.
            self.train_set = train.cpu()
            self.data = Batches(self.train_set, config.batch, seed=None)

    def data_fingerprint(self) -> int:
        return fingerprint([self.train_set, self.test.cpu()])

    def data_source(self) -> str:
        file = self.config.oracle
        return f"--oracle {file}" if file else f"the oracle of --seed {self.config.seed}"

    def mle_phase(self) -> Phase:
        """Train for the whole schedule without early stopping, as for the paper's baseline."""
        epoch = [Turn("mle", self.game.mle_move, repeat=len(self.data))]
        every, keep = self.config.evaluate_every, self.game.keep_mle
        return Phase("mle", epoch, self.config.mle_epochs, self.evaluate, every, leave=keep)

    def evaluate(self) -> dict[str, float]:
        """NLL_oracle of new samples, NLL_test of held-out oracle sequences, signs of collapse."""
        policy = self.game.writer()
        samples = self.draw(policy, self.config.test_size)
        sequences = samples[:SAMPLED].tolist()
        return {
            "nll_oracle": nll(self.oracle, samples),
            "nll_test": nll(policy, self.test),
            **self.discrimination(self.test[:SAMPLED], samples[:SAMPLED]),
            "unique": metrics.unique_share(sequences),
            "entropy": metrics.unigram_entropy(sequences),
        }

    def real_sentences(self) -> Sentences:
        return self.train_set[:SAMPLED].tolist()

    def encode_prompt(self, prompt: str, option: str = "prompt") -> Int64[Tensor, " P"]:
        """Token ids separated by spaces.

        Raises:
            UserError: The prompt holds no ids, or is too long.
        """
        try:
            tokens = torch.tensor([int(word) for word in prompt.split()], dtype=torch.int64)
        except ValueError as error:
            raise UserError(
                f"--{option} {prompt}: an oracle's tokens are numbers, as in '17 4'"
            ) from error
        check_vocabulary(tokens, self.oracle.vocab, f"--{option}")
        if len(tokens) >= self.config.length:
            raise UserError(
                f"--{option} has {len(tokens)} tokens, and the run's sequences are complete with "
                f"{self.config.length}; shorten it"
            )
        return tokens

    def encode_sentences(self, sentences: Sequence[str]) -> Int64[Tensor, "N T"]:
        """Token ids separated by spaces, as many as the sequences of the run have.

        Raises:
            UserError: A sequence has another length, or a token is no id.
        """
        try:
            rows = [[int(word) for word in sentence.split()] for sentence in sentences]
        except ValueError as error:
            raise UserError("an oracle's tokens are numbers, as in '17 4'") from error
        for place, row in enumerate(rows, 1):
            if len(row) != self.config.length:
                raise UserError(
                    f"sequence {place} has {len(row)} tokens, and the run's have "
                    f"{self.config.length}"
                )
        tokens = torch.tensor(rows, dtype=torch.int64).view(-1, self.config.length)
        check_vocabulary(tokens, self.oracle.vocab, "a sequence")
        return tokens

    def text_tokenizer(self) -> TextTokenizer:
        raise UserError(f"{self.config.out} is on an oracle, whose tokens are numbers, not text")

    def decode(self, tokens: Sequence[int]) -> str:
        """Token ids separated by spaces."""
        return " ".join(map(str, tokens))

    def report(self, cpu_seconds: float | None = None, *, top_ps: Sequence[float] = ()) -> None:
        c = self.config
        torch.manual_seed(c.seed + 1)
        policies = self.policies()
        temperatures = (1.0,) if c.report == "short" else TEMPERATURES
        drawn = {name: self.draw(policy, c.test_size) for name, policy in policies.items()}
        again, best = self.draw(self.oracle, c.test_size), Keeper("jsd")

        def point(name: str, setting: Setting) -> dict[str, Figure]:
            plain, policy = setting == Setting(), policies[name]
            fake = drawn[name] if plain else self.draw(policy, c.test_size, *setting)
            found = self._point(policy, fake, setting)
            best.see(name, setting, fake, found)
            return found

        curves = sweep(list(policies), temperatures, point, top_ps)
        write_report(
            self.folder,
            self.engine,
            self.as_dict(),
            curves=curves,
            real=("oracle", self._point(self.oracle, again, Setting())),
            method=c.method(),
            controls=self.control_facts(),
            quality=self.quality(drawn, self.test, "oracle"),
            pictures=[("nll.png", "nll_test", "nll_oracle")],
            samples={
                name: [self.decode(row) for row in rows.tolist()] for name, rows in drawn.items()
            },
            cpu_seconds=cpu_seconds,
            log_keys=("nll_oracle", "nll_test", "mle/loss", "D/accuracy", "d_auc", "G/reward"),
            best=(best.metric, [self.decode(row) for row in best.samples.tolist()]),
            facts={},
            files={
                name: [self.decode(row) for row in rows.tolist()]
                for name, rows in (("oracle", again), ("references", self.test))
            },
        )

    def _point(
        self, policy: SequencePolicy, fake: Int64[Tensor, "N T"], setting: Setting
    ) -> dict[str, Figure]:
        found = {"nll_oracle": sentence_nll(self.oracle, fake).figure()}
        if setting.top_p < 1:
            return found  # tokens outside top-p have density zero, so the others are undefined
        t = setting.temperature
        found["nll_test"] = sentence_nll(policy, self.test, t).figure()
        if policy.exact:
            found["jsd"] = Figure(jsd(self.oracle, policy, self.test, fake, t))
        return found


Run = OracleRun

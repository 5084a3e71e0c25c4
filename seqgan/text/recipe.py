"""Sequence GANs on the user's text, at the level of words, characters or byte pairs.

A run consists of maximum likelihood with early stopping on validation NLL, the discriminator's
warm-up, and adversarial rounds, unless the paper defines other phases. The result is the
temperature sweep of both policies: BLEU-5 against Self-BLEU-5, and LM score against reverse LM
score.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import get_args

import torch
from jaxtyping import Int64
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.adversarial.sharding import copy_weights
from image_core.runs import options
from image_core.runs.fingerprint import fingerprint
from image_core.runs.folder import write_text
from image_core.runs.papers import Papers
from image_core.runs.phase import Phase
from seqgan import metrics
from seqgan.data.compact import SentenceBatches, TokenRows
from seqgan.data.tokenizer import END, PAD, START, UNK, Level, TextTokenizer
from seqgan.lm.causal import CausalPolicy
from seqgan.lm.fit import fit_language_model
from seqgan.lm.likelihood import nll, sentence_nll
from seqgan.lm.policies import SequencePolicy
from seqgan.metrics.bootstrap import Figure, mean_figure
from seqgan.metrics.ngrams import Sentences
from seqgan.text import own, policies, presets, vectors
from seqgan.text.config import TEMPERATURES, Sequences, SharedOptions
from seqgan.text.copies import TrainingKeys
from seqgan.text.corpus import drawn as drawn_rows
from seqgan.text.corpus import encode_prompt, encode_sentences, read_corpus
from seqgan.text.games.labelled import LabelledGame
from seqgan.text.games.prompted import PromptedGame
from seqgan.text.labels import FILE as LABELS
from seqgan.text.labels import read_counts
from seqgan.text.mixture import MixturePolicy
from seqgan.text.prompts import prompts_of
from seqgan.text.report import Keeper, Setting, sweep, write_report
from seqgan.text.run import SequenceRun
from seqgan.text.splits import CHITCHAT, CorpusConfig


@dataclass(kw_only=True)
class TextOptions(SharedOptions, CorpusConfig):
    """Evaluation.

    Args:
        patience: Epochs without a better validation NLL before maximum likelihood stops.
        sweep_samples: Sentences at each temperature of the final sweep, at most as many as in the
            training set.
        judge_epochs: Maximum number of epochs to fit a language model that scores samples.
        embeddings: File with vectors of words of --embedding numbers, from which the policy's token
            vectors start: lines of a word and its numbers, as GloVe's, or a .safetensors file with
            a tensor for each word; empty for random ones.
        metric: Metrics of your own, as in mypackage.mine:metric, separated by commas; functions
            from (samples, references), two lists of sentences, to a number, which is logged and
            stands in the table.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    patience: int = 3
    sweep_samples: int = 10_000
    judge_epochs: int = 6
    embeddings: str = ""
    metric: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        own.metrics(self.metric)
        options.check_least(self, 1, "min_count", "patience", "judge_epochs")
        options.check_least(self, 2, "sweep_samples", "vocab_size")
        options.check_least(self, 0, "split_seed")
        options.check_choice("level", self.level, get_args(Level))
        options.check_choice("long_lines", self.long_lines, ("error", "drop", "truncate"))
        if (self.level == "model") != policies.is_model(self.policy):
            raise UserError(_UNFIT.format(policy=self.policy or "''", level=self.level))
        if self.fixed_length and (self.max_length is not None or self.level in ("bpe", "model")):
            name = "max_length" if self.max_length is not None else f"level {self.level}"
            raise UserError(f"--{name} is not for --fixed_length, whose lines have one length")
        for name in ("valid", "test", "field", "label_field"):
            if self.data == CHITCHAT and getattr(self, name) is not None:
                raise UserError(f"--{name} is not for --data {CHITCHAT}, which has its own")
        for name in ("limit", "max_length"):
            if getattr(self, name) is not None:
                options.check_least(self, 2, name)

    def model(self) -> str:
        return self.policy


_UNFIT = (
    "--policy {policy} with --level {level}: a causal language model of transformers needs --level "
    "model, which is for no other policy (lstm, transformer or mypackage.mine:policy)"
)
PAPERS = Papers("seqgan.text.papers", "seqgan", shared=SharedOptions, own=TextOptions)
PRESETS = presets.TEXT


SAMPLED, SEARCHED, LABELLED = 1000, 100_000, 2_000
"""Samples drawn at an evaluation during training; training sentences searched for copies; samples
of all labels whose labels are measured.
"""


class TextRun(SequenceRun):
    """A run on text.

    Args:
        config: Options of the run.
    """

    recipe = "text"
    config: TextOptions

    def __init__(self, config: TextOptions, *, data: bool = True):
        super().__init__(config, data=data)
        self.paper = PAPERS.load(config.paper)
        self.never = (PAD, START, UNK, *((END,) if config.fixed_length else ()))
        self._tokenizer_folder = Path(config.out) / "tokenizer"
        self.label_counts = read_counts(self.folder.folder)
        if not data:
            self.tokenizer = TextTokenizer.load(self._tokenizer_folder)
            self.build(self._sequences(2))  # the checkpoint contains the length
            return
        begun = self._tokenizer_folder.exists()
        self.corpus = read_corpus(config, self._tokenizer_folder if begun else None)
        self.tokenizer = self.corpus.tokenizer
        if self.corpus.labels is not None:
            self.label_counts = self.corpus.labels.counts()
        self.build(self._sequences(self.corpus.train.width))
        if config.embeddings and not begun:
            vectors.fill(self.game, self.tokenizer.ids(), config.embeddings, config.embedding)
        device = self.engine.device
        self.valid, self.test = self.corpus.valid.to(device), self.corpus.test.to(device)
        if isinstance(self.game, PromptedGame):
            self.game.asked = prompts_of(self.corpus.test, self.game.mark, "test set")
        if self.paper.data is not None:
            self.data = self.paper.data(config, self.corpus)
        else:
            self.data = SentenceBatches(self.corpus.train, config.batch, seed=config.seed)

    def _sequences(self, length: int) -> Sequences:
        end = None if self.config.fixed_length else END
        return Sequences(
            self.tokenizer.vocab_size,
            length,
            START,
            end,
            PAD,
            lambda: self.corpus.train,
            self.decode,
            self.label_counts,
        )

    def start(self) -> None:
        super().start()
        self._save_tokenizer()

    def resume(self) -> None:
        super().resume()
        self._save_tokenizer()

    def _save_tokenizer(self) -> None:
        """Save it and rename it when complete; a run killed before resumes without it.

        Among several processes only the first writes.
        """
        if not parallel.first():
            return
        if not self._tokenizer_folder.exists():
            unfinished = self._tokenizer_folder.with_name("tokenizer.tmp")
            self.tokenizer.save(unfinished)
            unfinished.rename(self._tokenizer_folder)
        if self.label_counts:
            write_text(self.folder.folder / LABELS, json.dumps(self.label_counts))
        if isinstance(self.game.G, CausalPolicy):
            self.game.G.model.config.save_pretrained(self.folder.folder / policies.FOLDER)

    def data_fingerprint(self) -> int:
        return fingerprint(chain(self.corpus.train.parts(), [self.corpus.valid, self.corpus.test]))

    def data_source(self) -> str:
        named = (f"--{n} {v}" for n in ("data", "valid", "test") if (v := getattr(self.config, n)))
        return " with ".join(named)

    def mle_phase(self) -> Phase:
        """Train until validation NLL has not fallen for `patience` epochs; keep the best epoch."""
        c, game = self.config, self.game

        def leave() -> None:
            copy_weights(game.mle, game.G)

        return Phase(
            "mle",
            [Turn("mle", game.mle_move, repeat=len(self.data))],
            c.mle_epochs,
            self._validate,
            1,
            enter=game.keep_mle,
            leave=leave,
            finished=lambda: self.engine.notes["epochs_without_gain"] >= c.patience,
        )

    def _validate(self) -> dict[str, float]:
        notes, now = self.engine.notes, self._nll(self.game.G.eval(), self.valid)
        notes.setdefault("epochs_without_gain", 0)
        if now < notes.setdefault("best_nll_valid", float("inf")):
            notes["best_nll_valid"], notes["epochs_without_gain"] = now, 0
            self.game.keep_mle()
        else:
            notes["epochs_without_gain"] += 1
        return {"nll_valid": now}

    def evaluate(self) -> dict[str, float]:
        """Validation NLL, AUC and accuracy of the discriminator, and two signs of collapse."""
        policy = self.game.writer()
        samples = self.draw(policy, SAMPLED)
        sentences = self.corpus.sentences(samples)
        return {
            "nll_valid": self._nll(policy, self.valid),
            **self.discrimination(self.valid[drawn_rows(len(self.valid), SAMPLED)], samples),
            "unique": metrics.unique_share(sentences),
            "entropy": metrics.unigram_entropy(sentences),
            **{name: figure.value for name, figure in self._own_metrics(samples).items()},
        }

    def _own_metrics(self, samples: Int64[Tensor, "N T"] | Sequence[str]) -> dict[str, Figure]:
        """The user's own metrics of samples or of sentences; the test set is the reference."""
        wanted = own.metrics(self.config.metric)
        if not wanted:
            return {}
        if isinstance(samples, Tensor):
            samples = [self.decode(row) for row in samples.tolist()]
        lines: Sequence[str] = samples
        return {name: Figure(f(lines, self.corpus.test_lines)) for name, f in wanted.items()}

    def real_sentences(self) -> Sentences:
        return self.corpus.train_words(SAMPLED)

    def encode_prompt(self, prompt: str, option: str = "prompt") -> Int64[Tensor, " P"]:
        return encode_prompt(self.tokenizer, prompt, self.game.length, option)

    def encode_sentences(self, sentences: Sequence[str]) -> Int64[Tensor, "N T"]:
        fixed = self.config.fixed_length
        return encode_sentences(self.tokenizer, sentences, self.game.length, fixed_length=fixed)

    def text_tokenizer(self) -> TextTokenizer:
        return self.tokenizer

    def decode(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens)

    def report(self, cpu_seconds: float | None = None, *, top_ps: Sequence[float] = ()) -> None:
        c = self.config
        torch.manual_seed(c.seed + 1)
        # The judge is an LSTM, whatever the policy is
        start = c.lstm(self._sequences(self.game.length)).to(self.engine.device)
        judge = self._fit(start, self.corpus.train)
        policies, count = self.policies(), self._sweep_samples()
        temperatures = (1.0,) if c.report == "short" else TEMPERATURES
        # The samples measured at temperature 1 are those that are saved
        drawn = {name: self.draw(policy, count) for name, policy in policies.items()}
        best = Keeper("reverse_lm")

        def point(name: str, setting: Setting) -> dict[str, Figure]:
            plain, policy = setting == Setting(), policies[name]
            samples = drawn[name] if plain else self.draw(policy, count, *setting)
            found = self._point(policy, samples, setting, judge, start)
            best.see(name, setting, samples, found)
            return found

        curves, human = (
            sweep(list(policies), temperatures, point, top_ps),
            self._human(judge, start),
        )
        write_report(
            self.folder,
            self.engine,
            self.as_dict(),
            curves=curves,
            real=("human", human),
            method=c.method(),
            controls=self.control_facts(),
            quality=self.quality(drawn, self.test, "human"),
            pictures=[
                ("bleu.png", "self_bleu5", "bleu5"),
                ("language_model.png", "reverse_lm", "lm"),
            ],
            samples={
                name: [self.decode(row) for row in rows.tolist()] for name, rows in drawn.items()
            },
            cpu_seconds=cpu_seconds,
            log_keys=("nll_valid", "mle/loss", "D/accuracy", "d_auc", "G/reward", "unique"),
            best=(best.metric, [self.decode(row) for row in best.samples.tolist()]),
            facts=self.corpus.facts,
            files={
                "references": self.corpus.test_lines,
                "human": self.corpus.train_lines(count),
            },
            training=self.corpus.train_lines(SEARCHED),
        )

    def _nll(
        self, policy: SequencePolicy, tokens: Int64[Tensor, "N T"], temperature: float = 1.0
    ) -> float:
        return nll(policy, tokens, temperature, unknown=UNK)

    def _fit(
        self, start: SequencePolicy, train: Int64[Tensor, "N T"] | TokenRows
    ) -> SequencePolicy:
        c = self.config
        return fit_language_model(
            start,
            train,
            self.valid,
            epochs=c.judge_epochs,
            lr=c.mle_lr,
            batch=c.batch,
            seed=c.seed,
            unknown=UNK,
        )

    def _point(
        self,
        policy: SequencePolicy,
        samples: Int64[Tensor, "N T"],
        setting: Setting,
        judge: SequencePolicy,
        start: SequencePolicy,
    ) -> dict[str, Figure]:
        found = self._text_metrics(self.corpus.sentences(samples))
        found |= self._own_metrics(samples)
        found |= self._label_metrics(policy, setting)
        found["copied"] = Figure(self._training_keys.copied(samples))
        found["lm"] = self._scored(judge, samples)
        found["reverse_lm"] = self._scored(self._fit(start, samples), self.test)
        if setting.top_p == 1:  # otherwise the tokens outside top-p have density zero
            own = self._scored(policy, self.test, setting.temperature)
            every = sentence_nll(policy, self.test, setting.temperature).figure()
            found = {"nll_test": own, "nll_test_unk": every, **found}
        return found

    def _label_metrics(self, policy: SequencePolicy, setting: Setting) -> dict[str, Figure]:
        """Accuracy of the wanted labels by a classifier, and the least unique share of a label."""
        classifier, game = self.corpus.classifier, self.game
        if classifier is None or not isinstance(policy, MixturePolicy):
            return {}
        assert isinstance(game, LabelledGame)
        each = max(1, min(self._sweep_samples(), LABELLED) // len(policy.parts))
        rows, labels = game.by_label(
            policy,
            [each] * len(policy.parts),
            temperature=setting.temperature,
            top_p=setting.top_p,
            never=self.never,
        )
        sentences = self.corpus.sentences(rows)
        parts = [sentences[i : i + each] for i in range(0, len(sentences), each)]
        right = classifier.accuracy(sentences, labels.tolist())
        return {
            "label_accuracy": mean_figure(right),
            "label_unique": Figure(min(metrics.unique_share(part) for part in parts)),
        }

    def _scored(
        self, policy: SequencePolicy, tokens: Int64[Tensor, "N T"], temperature: float = 1.0
    ) -> Figure:
        return sentence_nll(policy, tokens, temperature, unknown=UNK).figure()

    @functools.cached_property
    def _training_keys(self) -> TrainingKeys:
        return TrainingKeys(self.corpus.train, None if self.config.fixed_length else END)

    def _sweep_samples(self) -> int:
        """Number of samples, at most that of real sentences: Self-BLEU depends on the number."""
        return min(self.config.sweep_samples, len(self.corpus.train))

    def _human(self, judge: SequencePolicy, start: SequencePolicy) -> dict[str, Figure]:
        """Metrics of real text in the samples' place, as many sentences of it.

        They are training sentences, except for the LM score, whose judge was trained on those, and
        for the share of copies: both are of the test set.
        """
        count = self._sweep_samples()
        found = self._text_metrics(self.corpus.train_words(count))
        found |= self._own_metrics(self.corpus.train_lines(count))
        if self.corpus.classifier is not None and self.corpus.labels is not None:
            labels = self.corpus.labels.test.tolist()
            right = self.corpus.classifier.accuracy(self.corpus.references, labels)
            found["label_accuracy"] = mean_figure(right)
        found["copied"] = Figure(self._training_keys.copied(self.test))
        found["lm"] = self._scored(judge, self.test)
        again = torch.tensor(self.corpus.some_train(count))
        own = self._fit(start, self.corpus.train[again])
        found["reverse_lm"] = self._scored(own, self.test)
        return found

    def _text_metrics(self, sentences: Sentences) -> dict[str, Figure]:
        scores = metrics.bleu_per_sentence(sentences, self.corpus.references)
        own = metrics.self_bleu_per_sentence(sentences)
        return {
            **{f"bleu{n}": mean_figure(scores[n]) for n in (2, 5)},
            **{f"self_bleu{n}": mean_figure(own[n]) for n in (2, 5)},
            "distinct2": Figure(metrics.distinct(sentences, 2)),
            "unique": Figure(metrics.unique_share(sentences)),
        }


Run = TextRun

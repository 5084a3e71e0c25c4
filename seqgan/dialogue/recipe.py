"""Adversarial dialogue: maximum likelihood, the discriminator's warm-up, adversarial rounds, table.

Any causal or sequence-to-sequence language model of transformers, or a small one from scratch with
a tokenizer trained on the spot. Maximum likelihood is stopped by the validation set, which chooses
nothing else; the last adversarial round is what is reported.
"""

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.callbacks import Limit
from image_core.adversarial.discrimination import qualities
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Move, Turn
from image_core.adversarial.sharding import copy_weights
from image_core.adversarial.stream import Data
from image_core.runs import options, recipe
from image_core.runs.batches import Batches
from image_core.runs.papers import Papers
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine
from image_core.runs.run import Watch, unwatched
from seqgan import metrics
from seqgan.dialogue.config import DialogueOptions, DialogueRunOptions
from seqgan.dialogue.encode import EncodedPairs, Format, load_tokenizer, train_tokenizer
from seqgan.dialogue.facts import facts_of, tell
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.measurable import check_measurable
from seqgan.dialogue.models import Language, put_together, save_base, save_model
from seqgan.dialogue.own import own_reward
from seqgan.dialogue.policies import DialoguePolicy, nll_per_token
from seqgan.dialogue.prompts import PromptedBatches, encode_prompts, read_prompts
from seqgan.dialogue.reading import read_splits
from seqgan.dialogue.report import DialogueSubject, write_report
from seqgan.dialogue.saved import ScoringOptions, save_discriminator, stands_alone
from seqgan.dialogue.sharded import shard_discriminator, shard_policy
from seqgan.dialogue.turns import backwards, pairs_of
from seqgan.dialogue.warmup import Warmup
from seqgan.metrics.collapse import limits_of
from seqgan.metrics.ngrams import Sentences

PAPERS = Papers("seqgan.dialogue.papers", "shaped", shared=DialogueOptions, own=DialogueRunOptions)
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "tiny": {
        "limit": 60,
        "size": 16,
        "layers": 1,
        "heads": 2,
        "vocab_size": 300,
        "context_tokens": 24,
        "reply_tokens": 8,
        "turns": 2,
        "batch": 8,
        "mle_steps": 20,
        "d_warmup_steps": 4,
        "d_size": 16,
        "rounds": 4,
        "samples": 2,
        "evaluate_every": 2,
        "eval_samples": 48,
        "judge_seeds": 0,
        "min_auc": 0.0,
        "save_seconds": 0.0,
        "device": "cpu",
    },
}
"""Sizes; what makes a system is its paper's."""

STRETCH = 50
"""Steps of maximum likelihood in one round, after which a run can be saved."""

FAR = 3.0
"""Factor by which replies may be longer or shorter than people's before an alarm says so."""

LOOK = 512
"""Validation pairs behind the figures that are logged while a run plays."""


class DialogueRun(recipe.Run):
    """A run of the dialogue game.

    Args:
        config: Options of the run.
        data: False to talk to a trained model, without the data it learned from.

    Raises:
        UserError: The data or models cannot be read, or do not fit the options.
    """

    recipe = "dialogue"
    show = ("nll_valid", "D/accuracy", "d_auc", "G/reward", "distinct2", "length")
    config: DialogueRunOptions
    game: DialogueGame

    def __init__(self, config: DialogueRunOptions, *, data: bool = True):
        super().__init__(config, data=data)
        c, self.paper = config, PAPERS.load(config.paper)
        self.prompts: dict[str, Tensor] = {}
        self.device = options.pick_device(c.device)
        self.base = Path(c.out) / "base"
        begun = parallel.agree(self.base.exists())
        self.sharded = data and c.shard and parallel.world()[1] > 1
        if c.shard and not (begun or self.sharded):
            raise UserError(
                "--shard true shares the models among processes, of which there is one; start two "
                "by `accelerate launch --multi_gpu --num_processes 2 -m seqgan.cli train dialogue`"
            )
        if data:
            read = read_splits(c.data, c.valid, c.test, c.limit, c.where, c.columns)
            self.dialogues = backwards(read) if c.backward else read
            pairs = sum(1 for d in self.dialogues.test.items for _ in pairs_of(d))
            if c.report != "none":  # else nothing is measured, and any test set will do
                check_measurable(pairs, c.eval_samples, judged=bool(c.judge_seeds or c.encoder))
            self.facts = facts_of(self.dialogues)
        self.form = Format(self._tokenizer(begun))
        language = Language(self.form, self.base if begun else None)
        self.game = self.paper.game(c, language).to(self.device)
        if name := c.own_reward():
            self.game.add_reward(own_reward(name, self.form), c.reward_weight)
        if self.sharded:
            for model in (self.game.G, self.game.mle):
                shard_policy(model, self.device)
            shard_discriminator(self.game.D, self.device)
        players = self.paper.players(c)
        self.engine = make_engine(self.game, players, c.precision, source=self.paper.file)
        self.warmup = Warmup(self.engine, self.game, c, self.discrimination)
        if data:
            self.sets = [self._encode(number) for number in range(3)]
            self.data = self._stream()
            if parallel.first():
                tell(self.facts, self.dialogues)

    def _tokenizer(self, begun: bool) -> object:
        c = self.config
        if begun:
            return load_tokenizer(str(self.base))
        if c.model is not None:
            return load_tokenizer(c.model)
        texts = [turn.text for item in self.dialogues.train.items for turn in item.turns]
        return train_tokenizer(texts, c.vocab_size)

    def _encode(self, number: int) -> EncodedPairs:
        c, part = self.config, self.dialogues[number]
        encoded = self.form.encode(
            part, context_tokens=c.context_tokens, reply_tokens=c.reply_tokens, turns=c.turns
        )
        if part is not self.dialogues[number - 1] or not number:
            print(f"{part.told()}; {len(encoded.reply)} replies to learn")
        return encoded

    def _stream(self) -> Data:
        """Batches of the training set, with prompts beside them where there are some."""
        c = self.config
        answered = Batches(self.sets[0]._asdict(), c.batch, seed=c.seed)
        if c.prompts is None:
            return answered
        paired = c.method().get("reward", "").startswith("paired")
        if self.game.human_share or self.game.length_weight or paired:
            raise UserError(
                f"--prompts {c.prompts}: {self.paper.title} sets replies against people's to the "
                "same context, which these have not; leave them out, or name another --paper"
            )
        rows = encode_prompts(read_prompts(c.prompts), self.form, c.context_tokens, c.turns)
        self.prompts = rows
        return PromptedBatches(answered, Batches(rows, c.batch, seed=c.seed))

    # -- phases ------------------------------------------------------------------------------------

    def phases(self) -> list[Phase]:
        """The paper's phases; maximum likelihood, warm-up, adversarial rounds where it has none."""
        if self.paper.phases is not None:
            return self.paper.phases(self)
        return [self.mle_phase(), self.warmup_phase(), *self.adversarial_phases()]

    def mle_phase(self) -> Phase:
        """Maximum likelihood, which ends with the model that is best by validation NLL."""
        c, game = self.config, self.game

        def leave() -> None:
            copy_weights(game.mle, game.G)

        turns, count = _stretches("mle", game.mle_move, c.mle_steps)
        return Phase(
            "mle",
            turns,
            count,
            self._validate,
            4,
            enter=game.keep_mle,
            leave=leave,
            finished=lambda: self.engine.notes["without_gain"] >= c.patience,
        )

    def d_mle_phase(self, steps: int) -> Phase:
        """Maximum likelihood of the discriminator, which plays that as "d_mle".

        Args:
            steps: Number of its steps.
        """
        turns, count = _stretches("d_mle", self.game.discriminator_mle_move, steps)
        return Phase("d_mle", turns, count)

    def warmup_phase(self, *, joint: bool = False) -> Phase:
        """The discriminator, for as many steps as the options say and it needs to earn its turn.

        Args:
            joint: Whether the generator takes a step of maximum likelihood beside each of D's.
        """
        return self.warmup.phase(joint=joint)

    def adversarial_phases(self) -> list[Phase]:
        """The game's own rounds, the last of them with the discriminator as it is by then."""
        c = self.config
        limits = () if c.alarms == "off" else self._limits()
        rounds = Phase("adversarial", None, c.rounds, self.evaluate, c.evaluate_every)
        return self.warmup.frozen(replace(rounds, limits=limits, stop=c.alarms == "stop"))

    def _limits(self) -> list[Limit]:
        """Limits of what is logged: those of any sequences, and of the replies' length."""
        human = self._sentences(self._look().reply)
        length = metrics.lengths(human).mean
        meaning = "the replies have another length than people's; raise --teacher_forcing or "
        meaning += "--length_weight, or lower --g_lr"
        far = Limit("length", length / FAR, length * FAR, rounds=1, meaning=meaning)
        return [*limits_of(human), far]

    def _validate(self) -> dict[str, float]:
        """Keep the best model by validation NLL, and count how long it has been the best."""
        notes, now = self.engine.notes, self._nll(self._look())
        notes.setdefault("without_gain", 0)
        if now < notes.setdefault("best_nll_valid", float("inf")):
            notes["best_nll_valid"], notes["without_gain"] = now, 0
            self.game.keep_mle()
        else:
            notes["without_gain"] += 1
        return {"nll_valid": now}

    def evaluate(self) -> dict[str, float]:
        """Validation NLL, the discriminator's quality, and signs of collapse.

        Of whole replies to validation contexts, sampled as those that are learned from.
        """
        look = self._look()
        replies = self._answers(look)
        sentences = self._sentences(replies)
        return {
            "nll_valid": self._nll(look),
            **self._told_apart(look, replies),
            "length": metrics.lengths(sentences).mean,
            "distinct2": metrics.distinct(sentences, 2),
            "unique": metrics.unique_share(sentences),
            "entropy": metrics.unigram_entropy(sentences),
            "repeats": metrics.repetition_share(sentences, 2),
        }

    def _answers(self, look: EncodedPairs) -> Tensor:
        """The generator's replies, sampled as those that are learned from."""
        return self.game.G.eval().sample(
            look.context, look.attention_mask, self.config.reply_tokens, self.config.generation()
        )

    def discrimination(self) -> dict[str, float]:
        """The discriminator's quality on whole replies to validation contexts."""
        look = self._look()
        return self._told_apart(look, self._answers(look))

    def _told_apart(self, look: EncodedPairs, replies: Tensor) -> dict[str, float]:
        """The discriminator's AUC and accuracy on people's replies and the generator's."""
        d_real, d_fake = self._discriminate(look), self._discriminate(look._replace(reply=replies))
        return qualities(d_real, d_fake, diagnose=self.config.diagnose)

    def _look(self) -> EncodedPairs:
        """Some validation pairs, the same in each run on the data."""
        valid = self.sets[1]
        generator = torch.Generator().manual_seed(0)
        order = torch.randperm(len(valid.reply), generator=generator)[:LOOK]
        return EncodedPairs(*(part[order].to(self.device) for part in valid))

    def _discriminate(self, pairs: EncodedPairs) -> Tensor:
        return self.game.discriminate(*pairs)

    def _sentences(self, replies: Tensor) -> Sentences:
        lengths = (self.game.G.mask(replies) & (replies != self.form.end)).sum(1).tolist()
        return [row[:n] for row, n in zip(replies.tolist(), lengths, strict=True)]

    def _nll(self, pairs: EncodedPairs) -> float:
        return nll_per_token(self.game.G.eval(), pairs, self.device)

    # -- the folder --------------------------------------------------------------------------------

    def start(self) -> None:
        super().start()
        self._save_base()

    def resume(self) -> None:
        super().resume()
        self.warmup.recall()
        self._save_base()

    def load(self) -> None:
        """Load the last checkpoint, of however many processes, to talk or to evaluate."""
        self.engine.load_learned(self.folder.checkpoint)
        self.warmup.recall()
        if self.has_data:
            self._sign()

    def _save_base(self) -> None:
        """Tokenizer and model config, under their name only when they are whole."""
        if parallel.first() and not self.base.exists():
            unfinished = self.base.with_name("base.tmp")
            self.form.save(unfinished)
            save_base(self.game.G, unfinished)
            unfinished.rename(self.base)

    def train(self, watch: Watch = unwatched) -> None:
        super().train(watch)
        if self.config.report == "none":  # a report saves them, too
            self.save_models()

    def report_once(self, cpu_seconds: float | None) -> None:
        """Report by all processes, since each may hold but a part of the models."""
        self.report(cpu_seconds)

    def save_models(self) -> None:
        """Write both generators as transformers does, each with the tokenizer."""
        for name, policy in (("model", self.game.G), ("mle", self.game.mle)):
            whole: DialoguePolicy | None = policy
            if self.sharded:
                whole = put_together(self.config, self.form, self.base, policy)
            if whole is not None and parallel.first():
                c, folder = self.config, self.folder.folder / name
                save_model(whole, folder, c.reply_tokens)
                self.form.save_limited(folder, c.context_tokens, c.turns)
        self._save_discriminator()

    def _save_discriminator(self) -> None:
        """Write the discriminator on its own, as a reward for other trainers."""
        c, game = self.config, self.game
        if self.sharded or not parallel.first() or not stands_alone(game.D):
            return
        how = ScoringOptions(game.pooling, c.context_tokens, c.reply_tokens)
        save_discriminator(game.D, self.form, how, self.folder.folder / "discriminator")

    def report(self, cpu_seconds: float | None = None) -> None:
        self.save_models()
        write_report(self._subject(), cpu_seconds)

    def _subject(self) -> DialogueSubject:
        game, engine = self.game, self.engine
        played = {
            "rounds": engine.round,
            "steps": engine.steps,
            "warmup_auc": engine.notes.get("warmup_auc"),
            "adversary": self.game.adversarial,
        }
        return DialogueSubject(
            config=self.config,
            paper=self.paper,
            folder=self.folder,
            source=self.data_source(),
            dialogues=self.dialogues,
            facts=self.facts,
            pairs=self.sets[2],
            form=self.form,
            policies={"MLE": game.mle, "GAN": game.G},
            discriminate=self._discriminate,
            device=self.device,
            played=played,
            alarms=engine.notes.get("alarms", []),
        )

    def data_fingerprint(self) -> int:
        crc = 0
        for part in (*self.sets, tuple(self.prompts.values())):
            for tensor in part:
                crc = zlib.crc32(tensor.numpy().tobytes(), crc)
        return crc

    def data_source(self) -> str:
        c = self.config
        names = ("data", "valid", "test", "prompts")
        return " with ".join(f"--{n} {v}" for n in names if (v := getattr(c, n)))


def _stretches(player: str, move: Move, steps: int) -> tuple[list[Turn], int]:
    """Steps by rounds of at most `STRETCH`, no fewer than are asked for."""
    count = -(-steps // STRETCH)
    return [Turn(player, move, repeat=-(-steps // max(1, count)))], count


Run = DialogueRun

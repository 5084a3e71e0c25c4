"""Adversarial dialogue: maximum likelihood, the critic's warm-up, adversarial rounds, the table.

Any causal or sequence-to-sequence language model of transformers, or a small one from scratch with
a tokenizer trained on the spot. Maximum likelihood is stopped by the validation set, which chooses
nothing else; the last adversarial round is what is reported.
"""

import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from image_core.adversarial import losses, parallel
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Move, Turn
from image_core.adversarial.sharding import copy_weights
from image_core.runs import options, recipe
from image_core.runs.batches import Batches
from image_core.runs.penalties import make_penalty
from image_core.runs.phase import Phase
from seqgan import metrics
from seqgan.dialogue import credit, estimation
from seqgan.dialogue.config import Config
from seqgan.dialogue.credit import Credit
from seqgan.dialogue.drawing import Drawing
from seqgan.dialogue.encode import EncodedPairs, Format, load_tokenizer, train_tokenizer
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.guards import Guards
from seqgan.dialogue.models import (
    copy_generator,
    new_critic,
    new_policy,
    put_together,
    save_base,
    save_model,
)
from seqgan.dialogue.papers import PRESETS as PRESETS
from seqgan.dialogue.policies import DialoguePolicy, nll_per_token
from seqgan.dialogue.report import DialogueSubject, check_measurable, write_report
from seqgan.dialogue.sharded import shard_critic, shard_policy
from seqgan.dialogue.turns import backwards, pairs_of, read_splits
from seqgan.metrics.collapse import limits_of
from seqgan.metrics.ngrams import Sentences

STRETCH = 50
"""Steps of maximum likelihood in one round, after which a run can be saved."""

LOOK = 512
"""Validation pairs behind the figures that are logged while a run plays."""

TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "probability": torch.sigmoid,
    "logit": credit.identity,
    "log_probability": torch.nn.functional.logsigmoid,
    "ratio": losses.density_ratio,
}


PAPERS = None


class DialogueRun(recipe.Run):
    """A run of the dialogue game.

    Args:
        config: its options.
        data: False to talk to a trained model, without the data it learned from.
    """

    recipe = "dialogue"
    show = ("nll_valid", "D/accuracy", "G/reward", "G/kl", "distinct2", "length")
    config: Config

    def __init__(self, config: Config, *, data: bool = True):
        super().__init__(config)
        c = config
        self.has_data, self.device = data, options.pick_device(c.device)
        self.base = Path(c.out) / "base"
        begun = parallel.agree(self.base.exists())
        self.sharded = data and c.shard and parallel.world()[1] > 1
        if c.shard and not (begun or self.sharded):
            raise UserError(
                "--shard true shares the models among processes, of which there is one; start two "
                "by `accelerate launch --multi_gpu --num_processes 2 -m seqgan.cli train dialogue`"
            )
        if data:
            read = read_splits(c.data, c.valid, c.test, c.limit, c.where)
            self.dialogues = backwards(read) if c.backward else read
            check_measurable(c, sum(1 for d in self.dialogues.test.items for _ in pairs_of(d)))
        self.form = Format(self._tokenizer(begun))
        policy = new_policy(c, self.form, self.base if begun else None)
        critic = new_critic(c, self.form, policy)
        self.game = self._game(policy, critic).to(self.device)
        if self.sharded:
            for model in (self.game.G, self.game.mle):
                shard_policy(model, self.device)
            shard_critic(self.game.D, self.device)
        self.engine = self._engine()
        if data:
            self.sets = [self._encode(number) for number in range(3)]
            self.data = Batches(self.sets[0]._asdict(), c.batch, seed=c.seed)
        if not parallel.first():
            # Equal weights, other samples
            torch.manual_seed(c.seed + (parallel.world()[0] << 32))

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
            print(f"{part.source}: {part.counts.told()}, {len(encoded.reply)} pairs")
        return encoded

    def _game(self, policy: DialoguePolicy, critic: torch.nn.Module) -> DialogueGame:
        c = self.config
        return DialogueGame(
            policy,
            critic,  # type: ignore[arg-type]
            c.reply_tokens,
            context_length=c.context_tokens,
            credit=self._credit(),
            estimator=estimation.of_replies(c.estimator, c.samples),
            baseline=c.baseline,
            loss=getattr(losses, c.loss),
            penalty=make_penalty(c.penalty),
            judge=c.judge,
            samples=c.samples,
            drawing=self.drawing(),
            cold=self.drawing(c.cold_temperature, c.cold_top_p) if c.cold_temperature else None,
            policy_updates=c.policy_updates,
            critic_steps=c.critic_steps,
            reuse=c.reuse,
            teacher_forcing=c.teacher_forcing,
            human_share=c.human_share,
            human_steps=c.human_steps,
            kl=c.kl,
            kl_weight=c.kl_weight,
            kl_target=c.kl_target,
            length_weight=c.length_weight,
            memory=c.memory,
            guards=Guards(c.critic_limit, c.kl_limit, c.length_limit),
        )

    def _engine(self) -> Engine:
        c = self.config
        rates = {"mle": c.mle_lr, "G": c.policy_lr, "D": c.critic_lr}
        steps = {
            "mle": c.mle_steps,
            "G": c.rounds * (c.policy_updates + (c.teacher_forcing > 0)),
            "D": c.critic_warmup + c.rounds * c.critic_steps,
        }
        if c.critic_mle_steps:
            rates["critic_mle"], steps["critic_mle"] = c.critic_mle_lr, c.critic_mle_steps
        return options.make_engine(
            self.game,
            rates,
            dict.fromkeys(rates, c.clip),
            c.precision,
            schedule={name: options.falling(n) for name, n in steps.items()} if c.falling else {},
        )

    def drawing(self, temperature: float | None = None, top_p: float | None = None) -> Drawing:
        """How replies are drawn: as the options say, or otherwise."""
        c = self.config
        return Drawing(
            c.temperature if temperature is None else temperature,
            top_p=c.top_p if top_p is None else top_p,
            min_length=c.min_length,
        )

    def _credit(self) -> Credit:
        c, transform = self.config, TRANSFORMS[self.config.reward]
        match c.credit:
            case "paired":
                return credit.paired()
            case "advantage" | "every_token" as name:
                return getattr(credit, name)()
            case "rollouts":
                return credit.rollouts(c.rollouts, transform, self.drawing())
            case name:
                return getattr(credit, name)(transform)

    # -- phases ------------------------------------------------------------------------------------

    def phases(self) -> list[Phase]:
        """Maximum likelihood, of the critic too if it is to; its warm-up, adversarial rounds."""
        c, game = self.config, self.game

        def begin_critic() -> None:
            game.keep_mle()
            if c.critic in ("copy", "language_model"):
                copy_generator(game.D, game.G)

        def leave_mle() -> None:
            copy_weights(game.mle, game.G)

        def stretches(player: str, move: Move, steps: int) -> tuple[list[Turn], int]:
            """Steps by rounds of at most `STRETCH`, no fewer than are asked for."""
            count = -(-steps // STRETCH)
            return [Turn(player, move, repeat=-(-steps // max(1, count)))], count

        reading = []
        if c.critic_mle_steps:
            turns, count = stretches("critic_mle", game.critic_mle_move, c.critic_mle_steps)
            reading = [Phase("critic_mle", turns, count)]
        turns, count = stretches("mle", game.mle_move, c.mle_steps)
        return [
            Phase(
                "mle", turns, count, self._validate, 4, enter=game.keep_mle, leave=leave_mle,
                finished=lambda: self.engine.notes["without_gain"] >= c.patience,
            ),
            *reading,
            Phase("critic", [Turn("D", game.critic_move)], c.critic_warmup, enter=begin_critic),
            Phase(
                "adversarial", None, c.rounds, self.evaluate, c.evaluate_every,
                limits=() if c.alarms == "off" else limits_of(self._human_look()),
                stop=c.alarms == "stop",
            ),
        ]  # fmt: skip

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
        """Validation NLL, and signs of collapse in replies to validation contexts."""
        look = self._look()
        replies = self.game.G.eval().sample(
            look.context, look.known, self.config.reply_tokens, self.drawing()
        )
        sentences = self._sentences(replies)
        return {
            "nll_valid": self._nll(look),
            "distinct2": metrics.distinct(sentences, 2),
            "unique": metrics.unique_share(sentences),
            "entropy": metrics.unigram_entropy(sentences),
            "repeats": metrics.repetition_share(sentences, 2),
        }

    def _look(self) -> EncodedPairs:
        """Some validation pairs, the same in each run on the data."""
        valid = self.sets[1]
        generator = torch.Generator().manual_seed(0)
        order = torch.randperm(len(valid.reply), generator=generator)[:LOOK]
        return EncodedPairs(*(part[order].to(self.device) for part in valid))

    def _human_look(self) -> Sentences:
        return self._sentences(self._look().reply)

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
        self._save_base()

    def load(self) -> None:
        """Load the last checkpoint, of however many processes, to talk or to evaluate."""
        self.engine.load_learned(self.folder.checkpoint)
        if self.has_data:
            self._sign()

    def _save_base(self) -> None:
        """Tokenizer and model config, under their name only when they are whole."""
        if parallel.first() and not self.base.exists():
            unfinished = self.base.with_name("base.tmp")
            self.form.save(unfinished)
            save_base(self.game.G, unfinished)
            unfinished.rename(self.base)

    def save_models(self) -> None:
        """Write both generators as transformers does, each with the tokenizer."""
        for name, policy in (("model", self.game.G), ("mle", self.game.mle)):
            whole: DialoguePolicy | None = policy
            if self.sharded:
                whole = put_together(self.config, self.form, self.base, policy)
            if whole is not None and parallel.first():
                save_model(whole, self.folder.folder / name)
                self.form.save(self.folder.folder / name)

    def report(self, cpu_seconds: float | None = None) -> None:
        self.save_models()
        write_report(self._subject(), cpu_seconds)

    def _subject(self) -> DialogueSubject:
        game, engine = self.game, self.engine
        played = {
            "rounds": engine.round,
            "steps": engine.steps,
            "critic_rested": float(game.rested),
            "policy_held": float(game.held),
        }
        return DialogueSubject(
            config=self.config,
            folder=self.folder,
            source=self.data_source(),
            dialogues=self.dialogues,
            pairs=self.sets[2],
            form=self.form,
            policies={"MLE": game.mle, "GAN": game.G},
            device=self.device,
            played=played,
            alarms=engine.notes.get("alarms", []),
        )

    def data_fingerprint(self) -> int:
        crc = 0
        for part in self.sets:
            for tensor in part:
                crc = zlib.crc32(tensor.numpy().tobytes(), crc)
        return crc

    def data_source(self) -> str:
        c = self.config
        named = (f"--{n} {v}" for n in ("data", "valid", "test") if (v := getattr(c, n)))
        return " with ".join(named)


Run = DialogueRun

"""A discriminator that trains itself while it scores: a reward of TRL's trainers.

    reward = as_reward(discriminator, form)
    data = data.rename_column("completion", "human")    # TRL keeps "completion" from rewards
    trainer = GRPOTrainer(model, reward_funcs=[reward], ..., callbacks=[reward.callback()])

TRL calls a reward with prompts, completions and the data set's columns; what it logs through
`log_metric` stands beside TRL's own metrics. `trainer.evaluate()` calls it as well: the callback
shows the reward the trainer's model, and while that is in eval mode the discriminator only scores.
The reward is on its own for averaging over processes, saving and eval mode, so all of that is here:
each process brings the completions that it made, and all of them hold one discriminator, the first
one's to begin with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.adversarial import losses, parallel
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.runs.loaded import LoadedRun
from seqgan.data.encode import mask_of
from seqgan.dialogue.discriminators import POOLINGS, DialogueDiscriminator, pool
from seqgan.dialogue.encode import Format
from seqgan.dialogue.saved import (
    ScoringOptions,
    load_discriminator,
    positions_of,
    save_discriminator,
)
from seqgan.dialogue.trl_rows import answers, is_one_message, prompt_turns, reply_text

P = ParamSpec("P")


class RewardGame(Game):
    """A discriminator whose rival is trained elsewhere.

    Args:
        D: The discriminator.
        loss: Its loss; relativistic is Bradley-Terry's, as in GAD.
        pooling: How its logits become one output a reply.
        end: Id that ends a reply.
    """

    def __init__(self, D: DialogueDiscriminator, loss: AdversarialLoss, pooling: str, end: int):
        super().__init__()
        self.D, self.loss, self.pooling, self.end = D, loss, pooling, end

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"D": [p for p in self.D.parameters() if p.requires_grad]}

    def turns(self) -> Sequence[Turn]:
        return [Turn("D", self.move)]

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Each generated reply against the human one of its context."""
        self.D.train()
        batch = next(batches)
        known = batch["known"]
        both = (self.score(batch, name, learning=True) for name in ("human", "reply"))
        real, fake = (scores[known] for scores in both)
        if not len(real):  # another process has rows with answers
            yield Loss(real.sum() + fake.sum(), {})
            return
        right = (real > fake).float() + 0.5 * (real == fake).float()
        logs = {"accuracy": right.mean(), "margin": (real - fake).mean()}
        yield Loss(self.loss.d(real, fake), logs)

    def score(self, batch: Mapping[str, Tensor], name: str, *, learning: bool = False) -> Tensor:
        """One logit a reply."""
        reply = batch[name]
        scores = self.D(batch["context"], batch["attention_mask"], reply)
        return pool(scores, mask_of(reply, self.end), self.pooling, learning=learning)


class TrainedReward:
    """A TRL reward function: the discriminator's logit of completions, after which it learns.

    Args:
        discriminator: The discriminator, moved to the device of its own parameters, never TRL's.
        form: Tells tokens, as the generator's tokenizer does.
        human_column: The data set's column of people's (or a teacher's) answers: texts, lists of
            messages, lists of several answers, or None where a row has none. Of several,
            completions are set against one after another.
        shared_tokenizer: Whether the generator has the discriminator's tokenizer, so that TRL's ids
            are read as they are; else texts are, which every completion then ends.
        context_tokens: Most tokens of a prompt.
        reply_tokens: Most tokens of a reply.
        lr: Adam rate of the discriminator.
        steps: Optimizer steps of the discriminator in a call; TRL calls once a generation batch.
        loss: Loss of the discriminator.
        pooling: How its logits become one output a reply.

    Raises:
        UserError: A number is out of range, or the discriminator has fewer positions than a prompt
            and a reply need.
    """

    @python_call()
    def __init__(
        self,
        discriminator: DialogueDiscriminator,
        form: Format,
        *,
        human_column: str = "human",
        shared_tokenizer: bool = True,
        context_tokens: int = 256,
        reply_tokens: int = 128,
        lr: float = 1e-4,
        steps: int = 1,
        loss: AdversarialLoss = losses.relativistic,
        pooling: str = "last",
    ):
        check_within(1, context_tokens=context_tokens, reply_tokens=reply_tokens, steps=steps)
        check_within(0, lr=lr)
        if pooling not in POOLINGS:
            raise UserError(f"pooling={pooling}: choose one of {', '.join(POOLINGS)}")
        most, needed = positions_of(discriminator), context_tokens + reply_tokens
        if most is not None and needed > most:
            raise UserError(
                f"context_tokens {context_tokens} and reply_tokens {reply_tokens} need {needed} "
                f"positions, but the discriminator has {most}; lower them"
            )
        self.__name__ = "discriminator"
        self.form, self.human_column, self.steps = form, human_column, steps
        self.context_tokens, self.reply_tokens = context_tokens, reply_tokens
        self.shared_tokenizer = shared_tokenizer
        self.game = RewardGame(discriminator, loss, pooling, form.end)
        adam = partial(torch.optim.Adam, lr=lr)
        self.engine = Engine(self.game, {"D": adam}, clip={"D": 1.0})
        self._met = False
        self._model: nn.Module | None = None

    def follow(self, model: nn.Module) -> None:
        """Only score while the model that is rewarded is in eval mode; the callback calls this.

        Args:
            model: The trainer's model.
        """
        self._model = model

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float]:
        """Scores of the completions, given before the discriminator learns from them.

        While the model that it follows is in eval mode, it learns and logs nothing and needs no
        answers. It learns from the rows that have some.

        Raises:
            UserError: The data set has no column of answers, or the discriminator's tokenizer
                cannot spell a text.
        """
        ids = completion_ids if self.shared_tokenizer else None
        if self._model is not None and not self._model.training:
            return self._score(self._batch(prompts, completions, [], ids))
        if self.human_column not in columns:
            raise UserError(
                f"the data set has no column {self.human_column!r} of human replies among "
                f"{sorted(columns)}; rename the one that holds them, 'completion' too, which TRL "
                "does not pass on"
            )
        batch = self._batch(prompts, completions, self._paired(columns[self.human_column]), ids)
        reward = self._score(batch)
        logs = self._learn(batch)
        if log_metric is not None and "D/accuracy" in logs:
            for name in ("loss", "accuracy", "margin"):
                log_metric(f"discriminator/{name}", float(logs[f"D/{name}"]))
        return reward

    async def acall(
        self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
    ) -> list[float]:
        """As a call, for trainers that gather asynchronous rewards: `reward_funcs=[reward.acall]`.

        Another process would train a discriminator of its own: a trainer that asks for rewards
        there needs one that is served.

        Args:
            prompts: Prompts, texts or messages.
            completions: Completion of each.
            columns: Other columns of the data set, and what TRL adds.
        """
        return self(prompts, completions, **columns)

    @python_call()
    def score(
        self, completions: Sequence[str], prompts: Sequence[Any] | None = None
    ) -> list[float]:
        """Logits of completions, high = human; nothing learns.

        Args:
            completions: Texts.
            prompts: Text or messages before each; None where they answer nothing.

        Raises:
            UserError: The lists differ in length, or a text cannot be written in the
                discriminator's tokens.
        """
        return self._score(self._batch(_prompts(prompts, completions), completions, [], None))

    @python_call()
    def update(
        self, real: Sequence[str], fake: Sequence[str], prompts: Sequence[Any] | None = None
    ) -> dict[str, float]:
        """Let the discriminator learn from pairs; returns its loss, accuracy and margin.

        Args:
            real: People's or a teacher's answers.
            fake: The generator's answer beside each, to the same prompt.
            prompts: Text or messages before each pair; None where they answer nothing.

        Raises:
            UserError: There are not as many of one as of the other.
        """
        if len(real) != len(fake) or not real:
            raise UserError(
                f"update takes pairs: {len(real)} real and {len(fake)} fake texts are none; repeat "
                "an answer for each text that is set against it"
            )
        batch = self._batch(_prompts(prompts, fake), fake, [[text] for text in real], None)
        logs = self._learn(batch)
        return {name: float(logs[f"D/{name}"]) for name in ("loss", "accuracy", "margin")}

    def _paired(self, column: Sequence[Any]) -> list[list[str]]:
        """The answers of each row, the one that is its turn first."""
        turned = []
        for row, value in enumerate(column):
            found = answers(value)
            first = (self.engine.round + row) % max(1, len(found))
            turned.append(found[first:] + found[:first])
        return turned

    def _learn(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Steps of the discriminator, of all processes' rows; nothing where no row has answers."""
        if not self._met:
            # The trainer may have brought the processes together after the discriminator was made
            parallel.broadcast(self.game)
            self._met = True
        # The engine gives each process its share of a batch, in their order: its own rows
        joined = {name: parallel.join(tensor) for name, tensor in batch.items()}
        if not bool(joined["known"].any()):
            return {}
        return list(self.engine.rounds(lambda index: joined, self.steps))[-1]

    @torch.no_grad()
    def _score(self, batch: Mapping[str, Tensor]) -> list[float]:
        self.game.D.eval()
        return self.game.score(batch, "reply").float().tolist()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the discriminator with its tokenizer, for `load_reward` and whoever scores with it.

        Args:
            folder: New or empty folder, or one that this has written.

        Raises:
            UserError: The discriminator holds a recurrent generator, which is kept in runs alone.
        """
        c = ScoringOptions(self.game.pooling, self.context_tokens, self.reply_tokens)
        save_discriminator(self.game.D, self.form, c, Path(folder))

    def save(self, folder: str | Path) -> None:
        """Write discriminator and optimizer.

        Args:
            folder: Folder of the checkpoint.
        """
        self.engine.save(folder)

    def load(self, folder: str | Path) -> None:
        """Go on as `save` left it.

        Args:
            folder: Folder of the checkpoint.

        Raises:
            UserError: There is no checkpoint, or one of another discriminator.
        """
        self.engine.load(folder)

    def callback(self) -> Any:
        """A callback for the trainer: D is saved with each checkpoint, loaded on resume, and learns
        nothing in `trainer.evaluate()`.

        Raises:
            UserError: The trainer goes on from a step whose checkpoint is not there.
        """
        return _callback(self)

    def _batch(
        self,
        prompts: Sequence[Any],
        replies: Sequence[Any],
        human: Sequence[Sequence[str]],
        ids: Sequence[Sequence[int]] | None,
    ) -> dict[str, Tensor]:
        """Prompts, completions, and the first answer of each row, if any."""
        counts = {len(rows) for rows in (prompts, replies, *([human] if human else []))}
        if len(counts) > 1:
            raise UserError(
                f"{len(prompts)} prompts, {len(replies)} completions and {len(human)} rows of "
                "people's replies are not as many; give one of each a row"
            )
        device = next(self.game.parameters()).device
        pairs = [self.form.context(prompt_turns(p), self.context_tokens) for p in prompts]
        written = self._spelled([reply_text(reply) for reply in replies])
        if ids is not None:
            own = zip(replies, ids, written, strict=True)
            written = [list(row) if is_one_message(y) else text for y, row, text in own]
        shown = [row[0] if row else "" for row in human or [[]] * len(replies)]
        batch = {
            "context": torch.cat([context for context, _ in pairs]),
            "attention_mask": torch.cat([attention_mask for _, attention_mask in pairs]),
            "reply": self._padded(written),
            "human": self._padded(self._spelled(shown)),
            "known": torch.tensor([bool(text) for text in shown]),
        }
        return {name: tensor.to(device) for name, tensor in batch.items()}

    def _spelled(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids and an end of each text.

        Raises:
            UserError: The tokenizer, another one than the generator's, cannot spell a text.
        """
        rows = [[*ids, self.form.end] for ids in self.form.texts(texts)]
        for text, row in zip(texts, rows, strict=True) if not self.shared_tokenizer else ():
            back = self.form.decode(row)
            if "".join(back.split()) != "".join(text.split()):
                raise UserError(
                    f"the discriminator's tokenizer turns {text[:40]!r} into {back[:40]!r}, so it "
                    "would judge another text; give it a tokenizer of bytes"
                )
        return rows

    def _padded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        # One width, so that rows pair and a compiled discriminator sees one shape
        pad, width = self.form.pad, self.reply_tokens
        cut = [torch.tensor(list(row)[:width] or [self.form.end]) for row in rows]
        return torch.stack([F.pad(row, (0, width - len(row)), value=pad) for row in cut])


def _prompts(prompts: Sequence[Any] | None, completions: Sequence[str]) -> Sequence[Any]:
    return [""] * len(completions) if prompts is None else prompts


def _in_memory(make: Callable[P, TrainedReward]) -> Callable[P, TrainedReward]:
    """Refuse a folder and a loaded run in a discriminator's place, and name what takes these."""

    @wraps(make)
    def call(*args: Any, **kwargs: Any) -> TrainedReward:
        given = args[0] if args else kwargs.get("discriminator")
        if isinstance(given, str | Path):
            raise UserError(
                f"as_reward: discriminator is {str(given)!r}; load_reward reads one of a folder, "
                "as_reward takes one that was made"
            )
        if isinstance(given, LoadedRun):
            raise UserError(
                f"as_reward: discriminator is {given!r}; a dialogue run has a method as_reward"
            )
        return make(*args, **kwargs)

    return call


@_in_memory
@python_call()
def as_reward(discriminator: DialogueDiscriminator, form: Format, **options: Any) -> TrainedReward:
    """A reward of TRL's trainers that trains a discriminator while it scores.

    Args:
        discriminator: Learns to tell the completions from people's replies.
        form: Tells the tokens of the generator's tokenizer.
        options: Options of `TrainedReward`.

    Raises:
        UserError: An argument is of another kind; `load_reward` takes folders.
    """
    return TrainedReward(discriminator, form, **options)


@python_call()
def load_reward(folder: str | Path, **options: Any) -> TrainedReward:
    """A reward of a discriminator that was saved on its own, which learns on.

    It is a function of a module for `trl grpo --reward_funcs mymodule.reward`, where `mymodule.py`
    holds `reward = sg.load_reward("runs/chat")`.

    Args:
        folder: Folder of `TrainedReward.save_pretrained`, or of a finished dialogue run, which has
            one in `discriminator/`.
        options: Options of `TrainedReward`, such as `human_column` and `lr`.

    Raises:
        UserError: The folder holds no discriminator.
    """
    place = Path(folder)
    inner = place / "discriminator"
    discriminator, form, c = load_discriminator(inner if inner.is_dir() else place)
    return TrainedReward(discriminator, form, **{**c._asdict(), **options})


def _callback(reward: TrainedReward) -> Any:
    from transformers import TrainerCallback

    class Saves(TrainerCallback):
        """Keeps the discriminator beside the trainer's checkpoints, and out of evaluations."""

        def on_init_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            reward.follow(others["model"])

        def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            reward.save(Path(args.output_dir) / f"checkpoint-{state.global_step}" / "discriminator")

        def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if not state.global_step:
                return
            name = f"checkpoint-{state.global_step}/discriminator"
            place = Path(args.output_dir) / name
            if place.is_dir():
                reward.load(place)
            elif not reward.engine.round:
                raise UserError(
                    f"the trainer goes on from step {state.global_step}, but {place} is not there; "
                    f"if it resumes from another folder, call reward.load('FOLDER/{name}') first"
                )

    return Saves()

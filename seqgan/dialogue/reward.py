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
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from image_core.adversarial import losses, parallel
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from seqgan.data.encode import mask_of
from seqgan.dialogue.discriminators import DialogueDiscriminator, pool
from seqgan.dialogue.encode import Format
from seqgan.dialogue.turns import ROLES, Utterance


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
        real, fake = (self.score(batch, name, learning=True) for name in ("human", "reply"))
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
        human_column: The data set's column of human replies: texts, or lists of messages.
        context_tokens: Most tokens of a prompt.
        reply_tokens: Most tokens of a reply.
        lr: Adam rate of the discriminator.
        steps: Optimizer steps of the discriminator in a call; TRL calls once a generation batch.
        loss: Loss of the discriminator.
        pooling: How its logits become one output a reply.
    """

    def __init__(
        self,
        discriminator: DialogueDiscriminator,
        form: Format,
        *,
        human_column: str = "human",
        context_tokens: int = 256,
        reply_tokens: int = 128,
        lr: float = 1e-4,
        steps: int = 1,
        loss: AdversarialLoss = losses.relativistic,
        pooling: str = "last",
    ):
        self.__name__ = "discriminator"
        self.form, self.human_column, self.steps = form, human_column, steps
        self.context_tokens, self.reply_tokens = context_tokens, reply_tokens
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
        human replies.

        Raises:
            UserError: The data set has no column of human replies.
        """
        if self._model is not None and not self._model.training:
            return self._score(self._batch(prompts, completions, completions, completion_ids))
        if columns.get(self.human_column) is None:
            raise UserError(
                f"the data set has no column {self.human_column!r} of human replies among "
                f"{sorted(columns)}; rename the one that holds them, 'completion' too, which TRL "
                "does not pass on"
            )
        if not self._met:
            # The trainer may have brought the processes together after the discriminator was made
            parallel.broadcast(self.game)
            self._met = True
        batch = self._batch(prompts, completions, columns[self.human_column], completion_ids)
        reward = self._score(batch)
        # The engine gives each process its share of a batch, in their order: its own rows
        joined = {name: parallel.join(tensor) for name, tensor in batch.items()}
        logs = list(self.engine.rounds(lambda index: joined, self.steps))[-1]
        if log_metric is not None:
            for name in ("loss", "accuracy", "margin"):
                log_metric(f"discriminator/{name}", float(logs[f"D/{name}"]))
        return reward

    @torch.no_grad()
    def _score(self, batch: Mapping[str, Tensor]) -> list[float]:
        self.game.D.eval()
        return self.game.score(batch, "reply").float().tolist()

    def save(self, folder: str | Path) -> None:
        """Write discriminator and optimizer."""
        self.engine.save(folder)

    def load(self, folder: str | Path) -> None:
        """Go on as `save` left it.

        Raises:
            UserError: There is no checkpoint, or one of another discriminator.
        """
        self.engine.load(folder)

    def callback(self) -> Any:
        """A callback for the trainer: D is saved with each checkpoint, loaded on resume, and learns
        nothing in `trainer.evaluate()`.
        """
        return _callback(self)

    def _batch(
        self, prompts: Sequence[Any], replies: Sequence[Any], human: Sequence[Any], ids: Any
    ) -> dict[str, Tensor]:
        device = next(self.game.parameters()).device
        pairs = [self.form.context(_said(prompt), self.context_tokens) for prompt in prompts]
        written = self._replies([_text(reply) for reply in replies]) if ids is None else ids
        batch = {
            "context": torch.cat([context for context, _ in pairs]),
            "attention_mask": torch.cat([attention_mask for _, attention_mask in pairs]),
            "reply": self._padded(written),
            "human": self._padded(self._replies([_text(reply) for reply in human])),
        }
        return {name: tensor.to(device) for name, tensor in batch.items()}

    def _replies(self, texts: Sequence[str]) -> list[list[int]]:
        return [[*ids, self.form.end] for ids in self.form.texts(texts)]

    def _padded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        # One width, so that rows pair and a compiled discriminator sees one shape
        pad, width = self.form.pad, self.reply_tokens
        cut = [torch.tensor(list(row)[:width] or [self.form.end]) for row in rows]
        return torch.stack([F.pad(row, (0, width - len(row)), value=pad) for row in cut])


def as_reward(discriminator: DialogueDiscriminator, form: Format, **options: Any) -> TrainedReward:
    """A reward of TRL's trainers that trains a discriminator while it scores.

    Args:
        discriminator: Learns to tell the completions from people's replies.
        form: Tells the tokens of the generator's tokenizer.
        options: Options of `TrainedReward`.
    """
    return TrainedReward(discriminator, form, **options)


def _said(prompt: Any) -> list[Utterance]:
    """A prompt of TRL, a text or a list of messages, as turns."""
    if isinstance(prompt, str):
        return [Utterance("user", prompt)]
    return [Utterance(ROLES.get(message["role"], "user"), message["content"]) for message in prompt]


def _text(reply: Any) -> str:
    return reply if isinstance(reply, str) else reply[-1]["content"]


def _callback(reward: TrainedReward) -> Any:
    from transformers import TrainerCallback

    class Saves(TrainerCallback):
        """Keeps the discriminator beside the trainer's checkpoints, and out of evaluations."""

        def on_init_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            reward.follow(others["model"])

        def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            reward.save(Path(args.output_dir) / f"checkpoint-{state.global_step}" / "discriminator")

        def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if state.global_step:
                place = Path(args.output_dir) / f"checkpoint-{state.global_step}"
                reward.load(place / "discriminator")

    return Saves()

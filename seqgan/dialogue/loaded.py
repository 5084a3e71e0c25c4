"""A trained dialogue run to work with, without its training data."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.loaded import LoadedRun
from seqgan.dialogue.chat import Chat, Manner
from seqgan.dialogue.decoding import Backward
from seqgan.dialogue.encode import EncodedPairs
from seqgan.dialogue.messages import alternating, dialogue_of
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.recipe import DialogueRun
from seqgan.dialogue.reward import TrainedReward, as_reward
from seqgan.dialogue.turns import Counts, Dialogue, Dialogues, Utterance, joined_turns

MODELS = ("gan", "mle")
ROWS = 64

Said = str | Sequence[str] | Sequence[Mapping[str, Any]]
"""What was said so far: a user's text; texts in turn, a user's last; or messages."""


class LoadedDialogue(LoadedRun[DialogueRun]):
    """A trained run on dialogues.

    A conversation is cut as in training: to the last `turns` turns, then to `context_tokens`
    tokens, the oldest turns first.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    @property
    def tokenizer(self) -> Any:
        """The run's tokenizer, of transformers."""
        return self._run.form.tokenizer

    @python_call()
    def reply(
        self,
        said: Said,
        *,
        temperature: float = 0.7,
        top_p: float = 0.9,
        greedy: bool = False,
        beams: int = 0,
        block: int = 3,
        model: str = "gan",
        seed: int | None = None,
    ) -> str:
        """The assistant's reply to a conversation.

        Args:
            said: A user's text, texts of two speakers in turn, or messages of role and content;
                the last of them is the user's.
            temperature: Sampling temperature; below 1 sharpens, 0 takes the likeliest token.
            top_p: Probability mass of nucleus sampling.
            greedy: Whether the likeliest token is taken each time.
            beams: Number of beams of a search; 0 samples.
            block: Order of the n-grams that may not be repeated in a reply; 0 = any.
            model: "gan" for the generator after the adversarial rounds, "mle" for that after
                maximum likelihood.
            seed: Seed of the reply; None continues torch's random numbers.

        Raises:
            UserError: A value is invalid, or the conversation does not end with the user.
        """
        manner = Manner(0.0 if greedy else temperature, top_p, beams, block)
        chat = self.chat(manner, model=model)
        chat.history = _context(said)
        with torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                options.check_seed(seed)
                torch.manual_seed(seed)
            pieces = chat.respond()
        return "".join(piece.text for piece in pieces).strip()

    @python_call()
    def score(
        self, pairs: Sequence[tuple[Said, str]], *, model: str = "gan"
    ) -> Float64[np.ndarray, " N"]:
        """Log-probability log p(reply | context) of each reply in nats, its end included.

        A reply longer than `reply_tokens` is cut as in training, and the cut one has no end.

        Args:
            pairs: Conversations, as in `reply`, and replies to them.
            model: "gan" or "mle", as in `reply`.

        Raises:
            UserError: A value is invalid, a reply is empty, or a conversation does not end with the
                user.
        """
        policy, device = self._policy(model).eval(), self._run.device
        encoded = self._encode(pairs)
        found = []
        with torch.no_grad():
            for context, mask, reply in zip(*(part.split(ROWS) for part in encoded), strict=True):
                log_prob = policy.log_prob(context.to(device), mask.to(device), reply.to(device))
                found.append(log_prob.double().sum(1).cpu())
        return torch.cat(found).numpy()

    @python_call()
    def discriminate(self, pairs: Sequence[tuple[Said, str]]) -> Float32[np.ndarray, " N"]:
        """The discriminator's logit of each whole reply to its context; high = human.

        Args:
            pairs: Conversations and replies, as in `score`.

        Raises:
            UserError: A reply is empty, or a conversation does not end with the user.
        """
        encoded = (part.to(self._run.device) for part in self._encode(pairs))
        with torch.no_grad():
            return self._run.game.discriminate(*encoded).cpu().float().numpy()

    @python_call()
    def chat(self, manner: Manner, *, model: str = "gan", backward: Backward | None = None) -> Chat:
        """A conversation that has not begun.

        Args:
            manner: How replies are found.
            model: "gan" or "mle", as in `reply`.
            backward: Ranks the beams by mutual information; None takes the likeliest.

        Raises:
            UserError: There is no such model.
        """
        c = self._run.config
        return Chat(
            self._policy(model), self._run.game.D, self._run.form,
            c.context_tokens, c.reply_tokens, c.turns, manner, backward,
        )  # fmt: skip

    @python_call()
    def as_reward(self, **more: Any) -> TrainedReward:
        """A reward of TRL's trainers: a copy of the run's discriminator, which learns on.

        Args:
            more: Options of `TrainedReward`, such as `human_column` and `lr`.
        """
        c, game = self._run.config, self._run.game
        limits = {"context_tokens": c.context_tokens, "reply_tokens": c.reply_tokens}
        given = {"pooling": game.pooling, **limits, **more}
        return as_reward(copy.deepcopy(game.D), self._run.form, **given)

    def backward_model(self) -> Backward:
        """The model of what was said before a turn, for `chat`.

        Raises:
            UserError: The run learned replies.
        """
        c = self._run.config
        if not c.backward:
            raise UserError(
                f"{self.folder} predicts replies, not the turns before them; train one "
                "with `seqgan train dialogue --backward true --turns 1 --rounds 0`"
            )
        return Backward(self._run.game.mle.eval(), self._run.form, c.context_tokens, c.reply_tokens)

    def _policy(self, model: str) -> DialoguePolicy:
        options.check_choice("model", model, MODELS)
        return self._run.game.G if model == "gan" else self._run.game.mle

    def _encode(self, pairs: Sequence[tuple[Said, str]]) -> EncodedPairs:
        c, found = self._run.config, Dialogues("pairs")
        for number, (said, reply) in enumerate(pairs, 1):
            if not reply.strip():
                raise UserError(f"the reply of pair {number} is empty; leave the pair out")
            turns = [*_context(said), Utterance("assistant", reply.strip())]
            found.items.append(Dialogue(turns, False, last_only=True))
        if not found.items:
            raise UserError("there are no pairs; give at least one of a conversation and a reply")
        return self._run.form.encode(
            found, context_tokens=c.context_tokens, reply_tokens=c.reply_tokens, turns=c.turns
        )


def _context(said: Said) -> list[Utterance]:
    """The turns of a conversation, which ends with the user."""
    texts = [said] if isinstance(said, str) else list(said)
    if all(isinstance(text, str) for text in texts):
        turns = alternating([str(text) for text in texts], first=(len(texts) + 1) % 2)
    else:
        turns = dialogue_of(texts, "messages", "the conversation", Counts()).turns
    turns = joined_turns(turns)
    if not turns or turns[-1].role != "user":
        raise UserError("the conversation does not end with something a user says; add that turn")
    return turns


Loaded = LoadedDialogue

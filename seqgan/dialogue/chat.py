"""A conversation with a policy, each token of its replies with the discriminator's output."""

import sys
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.dialogue.decoding import (
    Backward,
    beam_search,
    candidate_log_prob,
    mutual_information,
)
from seqgan.dialogue.discriminators import DialogueDiscriminator
from seqgan.dialogue.encode import Format
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.turns import Utterance, joined_turns


@dataclass(frozen=True)
class Manner:
    """How replies are found; refuses what is out of range or contradictory.

    Args:
        temperature: Temperature of the samples; below 1 sharpens, 0 takes the likeliest token.
        top_p: Probability mass of the tokens that are sampled.
        beams: Number of beams of a search; 0 samples.
        block: Length of n-grams that a reply may not repeat; 0 = any.
        groups: Number of groups of beams, each of which avoids what those before it chose.
        weight: Weight of the backward model in the choice among the beams.
        system: What a system turn says before everything else; empty for none.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    temperature: float = 0.7
    top_p: float = 0.9
    beams: int = 0
    block: int = 3
    groups: int = 1
    weight: float = 0.5
    system: str = ""

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise UserError(f"--temperature {self.temperature}: give at least 0")
        if not 0 < self.top_p <= 1:
            raise UserError(f"--top_p {self.top_p}: give a number above 0 and at most 1")
        if self.beams < 0 or self.block < 0:
            raise UserError("--beams and --block must be at least 0")
        if self.groups < 1 or (self.groups > 1 and self.beams % self.groups):
            raise UserError(
                f"--groups {self.groups} cannot share --beams {self.beams}; use a multiple"
            )
        if not 0 <= self.weight <= 1:
            raise UserError(f"--weight {self.weight}: it must be between 0 and 1")


class Piece(NamedTuple):
    """What one token adds to a reply.

    Args:
        text: Text of the token.
        human: Probability that the reply so far is a person's, as the discriminator sees it.
    """

    text: str
    human: float


@dataclass
class Chat:
    """A conversation.

    Args:
        policy: Generator that answers.
        discriminator: Discriminator of its replies.
        form: Turns words into ids and back.
        context_tokens: Most tokens of a context.
        reply_tokens: Most tokens of a reply.
        turns: Most turns that are remembered.
        manner: How replies are found.
        backward: Chooses among the beams by mutual information (MMI-bidi); None takes the
            likeliest.
        history: The turns so far.
    """

    policy: DialoguePolicy
    discriminator: DialogueDiscriminator
    form: Format
    context_tokens: int
    reply_tokens: int
    turns: int
    manner: Manner
    backward: Backward | None = None
    history: list[Utterance] = field(default_factory=list)

    def answer(self, text: str) -> list[Piece]:
        """The reply to what the user says now; both are remembered.

        Args:
            text: What the user says.
        """
        self.history.append(Utterance("user", text.strip()))
        pieces = self.respond()
        self.history.append(Utterance("assistant", "".join(p.text for p in pieces).strip()))
        return pieces

    @torch.no_grad()
    def respond(self) -> list[Piece]:
        """A reply to the turns so far, which are cut as in training; it is not remembered."""
        self.policy.eval()
        self.discriminator.eval()
        device = next(self.policy.parameters()).device
        context, attention_mask = self.form.context(self._read(), self.context_tokens)
        context, attention_mask = context.to(device), attention_mask.to(device)
        m = self.manner
        generation = GenerationOptions(m.temperature, top_p=m.top_p, min_length=1, block=m.block)
        if m.beams:
            reply = self._searched(context, attention_mask, generation)
        else:
            reply = self.policy.sample(context, attention_mask, self.reply_tokens, generation)
        human = torch.sigmoid(self.discriminator(context, attention_mask, reply))[0].tolist()
        pieces = self.form.pieces(reply[0].tolist())
        return [Piece(text, share) for text, share in zip(pieces, human)]

    def _read(self) -> list[Utterance]:
        """The last turns, as many as in training; a system turn is the first of them."""
        turns, said = joined_turns(self.history), self.manner.system.strip()
        if not said:
            return turns[-self.turns :]
        return [Utterance("system", said), *turns[-max(1, self.turns - 1) :]]

    def _searched(
        self, context: Tensor, attention_mask: Tensor, generation: GenerationOptions
    ) -> Tensor:
        """The best of the beams, by both models where there are two."""
        m = self.manner
        found = beam_search(
            self.policy, context, attention_mask, self.reply_tokens,
            beams=m.beams, groups=m.groups, generation=generation,
        )  # fmt: skip
        if self.backward is not None:
            forward = candidate_log_prob(self.policy, context, attention_mask, found)
            texts = [self.form.decode(row) for row in found.reply[0].tolist()]
            before = self.backward.log_prob(self.history[-1].text, texts)
            found = mutual_information(found, forward, before[None], m.weight)
        return found.reply[:, 0]

    def forget(self) -> None:
        """Begin a new conversation."""
        self.history.clear()


def colored(pieces: list[Piece]) -> str:
    """A reply for a terminal: from red (0, machine) over yellow to green (1, human).

    Args:
        pieces: Tokens of the reply as text, with D's output for each.
    """
    cells = []
    for text, human in pieces:
        red, green = min(1.0, 2 - 2 * human), min(1.0, 2 * human)
        cells.append(f"\x1b[38;2;{round(255 * red)};{round(255 * green)};0m{_harmless(text)}")
    return "".join(cells) + "\x1b[0m"


def numbered(pieces: list[Piece]) -> str:
    """A reply with the discriminator's output behind each token.

    Args:
        pieces: Tokens of the reply as text, with D's output for each.
    """
    return "".join(f"{_harmless(text)}[{human:.2f}]" for text, human in pieces)


def _harmless(text: str) -> str:
    """What a model writes is no command to the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def talk(chat: Chat, seed: int, *, color: bool) -> None:
    """Read lines, answer each; an empty line or the end of the input ends it, /new begins anew.

    Args:
        chat: Conversation.
        seed: Seed of the draws.
        color: Whether the terminal shows colours.
    """
    torch.manual_seed(seed)
    asks = sys.stdin.isatty()
    if asks:
        print("An empty line ends the chat, /new forgets what was said.")
    while True:
        if asks:
            print("> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line.strip():
            return
        if line.strip() == "/new":
            chat.forget()
            continue
        pieces = chat.answer(line)
        print(colored(pieces) if color else numbered(pieces), flush=True)

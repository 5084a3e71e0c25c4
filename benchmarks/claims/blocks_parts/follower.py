"""Where the blocks are while a plan is read: features for both players, and the generators.

Discriminator and generators see which blocks are free, which stand as they are to with all below
them, which one is in the hand, and whether the goal is reached. The generator of plans sees the
whole task besides, as it stands now.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from benchmarks.claims.blocks_parts.world import BLOCKS, MARK, TABLE, TURN
from seqgan.lm.policies import State
from seqgan.text.features import FeaturedPolicy, Features
from seqgan.text.sequences import Sequences

UNKNOWN = -1
"""Place that nobody has told, as where there is no task."""


class Seen(NamedTuple):
    """How a task of N blocks stands.

    Args:
        stands: Number of what each block stands on, N for the table, (B, N).
        goal: The same as it is to be, (B, N).
        held: Number of the block in the hand, -1 for none, (B,).
    """

    stands: Int64[Tensor, "B N"]
    goal: Int64[Tensor, "B N"]
    held: Int64[Tensor, " B"]

    def free(self) -> Bool[Tensor, "B N"]:
        """Whether nothing stands on each block."""
        return (self.stands[:, :, None] != torch.arange(self.stands.shape[1])).all(1)

    def settled(self) -> Bool[Tensor, "B N"]:
        """Whether each block and all below it stand as they are to."""
        table = self.stands.shape[1]
        right = (self.stands == self.goal) & (self.stands != UNKNOWN)
        found = right & (self.stands == table)
        for _ in range(table - 1):
            found = right & F.pad(found, (0, 1), value=True).gather(1, self.stands % (table + 1))
        return found

    def moved(self, word: Int64[Tensor, " B"]) -> "Seen":
        """What follows a word of a plan, -1 for none; what cannot be done changes nothing.

        Args:
            word: Number of a block, or N for the table, (B,).
        """
        table, rows = self.stands.shape[1], torch.arange(len(word))
        free = F.pad(self.free(), (0, 1), value=True)  # the table always is
        put = (self.held >= 0) & (word >= 0)
        made = put & (word != self.held) & free[rows, word] & free[rows, self.held]
        here = made[:, None] & (torch.arange(table) == self.held[:, None])
        stands = torch.where(here, word[:, None], self.stands)
        taken = torch.where((word >= 0) & (word < table), word, UNKNOWN)
        held = torch.where(word < 0, self.held, torch.where(put, UNKNOWN, taken))
        return Seen(stands, self.goal, held)


class Blocks(Features):
    """Free and settled blocks, the one in the hand, and whether the goal is reached.

    They are 0 before the plan.

    Args:
        s: Sequences of the run.
    """

    def __init__(self, s: Sequences):
        number = {s.decode([i]): i for i in range(s.vocab)}
        self.mark, self.blocks = number[MARK], _blocks_of(s, number[MARK], number[TURN])
        self.place_of = torch.full((s.vocab,), UNKNOWN)
        names = (*BLOCKS[: self.blocks], TABLE)
        self.place_of[[number[name] for name in names]] = torch.arange(len(names))
        self.size = 3 * self.blocks + 2

    def told(self, seen: Seen) -> Float[Tensor, "B F"]:
        """The features of a plan's prefix.

        Args:
            seen: How the task stands after it.
        """
        settled, hand = seen.settled(), F.one_hot(seen.held + 1, self.blocks + 1)[:, 1:]
        done = settled.all(1, keepdim=True) & (seen.held[:, None] < 0)
        parts = [seen.free(), settled, hand, done, torch.ones_like(done)]
        return torch.cat([part.float() for part in parts], 1)

    def begin(self, rows: int) -> State:
        """Nothing is known; no token has been read, the one before the first left out."""
        none = torch.full((rows,), UNKNOWN)
        unknown = none[:, None].expand(-1, self.blocks).clone()
        return unknown, unknown.clone(), none, none.clone(), torch.zeros(rows, dtype=torch.bool)

    def step(self, tokens: Int64[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B F"], State]:
        stands, goal, held, count, begun = state
        place, first = self.place_of[tokens], torch.arange(self.blocks)
        known = (~begun & (place >= 0))[:, None]
        stands = torch.where(known & (count[:, None] == first), place[:, None], stands)
        there = known & (count[:, None] == first + self.blocks + 1)
        goal = torch.where(there, place[:, None], goal)
        seen = Seen(stands, goal, held).moved(torch.where(begun, place, UNKNOWN))
        begun = begun | (tokens == self.mark)
        return self.told(seen) * begun[:, None], (*seen, count + 1, begun)

    def of(self, tokens: Int64[Tensor, "B T"], start: int) -> Float[Tensor, "B T F"]:
        first = int((tokens[0] == self.mark).nonzero()[0, 0]) + 1
        alike = bool((tokens[:, first - 1] == self.mark).all())
        if not alike or first not in (1, 2 * self.blocks + 2):
            return super().of(tokens, start)  # models of tasks write prompts of any length
        places = self.place_of[tokens]
        unknown = torch.full((len(tokens), self.blocks), UNKNOWN)
        task = (places[:, : self.blocks], places[:, self.blocks + 1 : first - 1])
        stands, goal = task if first > 1 else (unknown, unknown)
        seen = [Seen(stands, goal, unknown[:, 0])]
        for word in places[:, first:-1].unbind(1):
            seen.append(seen[-1].moved(word))
        every = Seen(*(torch.stack(part, 1).flatten(0, 1) for part in zip(*seen, strict=True)))
        found = self.told(every).view(len(tokens), len(seen), -1)
        return F.pad(found, (0, 0, first, 0))


class Task(Blocks):
    """The same, and what each block stands on and is to stand on, one-hot.

    Args:
        s: Sequences of the run.
    """

    def __init__(self, s: Sequences):
        super().__init__(s)
        self.size += 2 * self.blocks * (self.blocks + 1)

    def told(self, seen: Seen) -> Float[Tensor, "B F"]:
        places = torch.cat([seen.stands, seen.goal], 1)
        known = F.one_hot(places + 1, self.blocks + 2)[:, :, 1:].flatten(1)
        return torch.cat([super().told(seen), known.float()], 1)


class LastPlaces(Features):
    """Where a plan puts each block at last, one-hot, for a model of tasks; 0 for what stays.

    Args:
        s: Sequences of plans with their tasks behind them.
    """

    def __init__(self, s: Sequences):
        known = Blocks(s)
        self.mark, self.blocks, self.place_of = known.mark, known.blocks, known.place_of
        self.size = self.blocks * (self.blocks + 1)

    def begin(self, rows: int) -> State:
        """Last places, block in the hand, whether the plan goes on."""
        unknown = torch.full((rows, self.blocks), UNKNOWN)
        return unknown, unknown[:, 0].clone(), torch.ones(rows, dtype=torch.bool)

    def step(self, tokens: Int64[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B F"], State]:
        last, held, going = state
        place, first = self.place_of[tokens], torch.arange(self.blocks)
        word = going & (place >= 0)
        put = word & (held >= 0)
        last = torch.where(put[:, None] & (held[:, None] == first), place[:, None], last)
        taken = torch.where(word & (place < self.blocks), place, held)
        held = torch.where(put, UNKNOWN, taken)
        known = F.one_hot(last + 1, self.blocks + 2)[:, :, 1:].flatten(1).float()
        return known, (last, held, going & (tokens != self.mark))


def _blocks_of(s: Sequences, mark: int, turn: int) -> int:
    """Number of blocks of a run's tasks, which stand before the mark or behind it."""
    row = s.real()[0].tolist()
    between = row.index(turn) - row.index(mark) - 1
    return row.index(turn) if between < 0 else between


def features(s: Sequences) -> Blocks:
    """Features of the discriminator, for --features.

    Args:
        s: Sequences of the run.
    """
    return Blocks(s)


def plans(s: Sequences, hidden: int = 96) -> FeaturedPolicy:
    """The generator of plans, for --policy.

    Args:
        s: Sequences of the run.
        hidden: Size of the state.
    """
    return FeaturedPolicy(Task(s), s.vocab, 16, hidden, start=s.start, end=s.end, pad=s.pad)


def larger_plans(s: Sequences) -> FeaturedPolicy:
    """A generator of plans with about four times as many parameters, for --larger.

    Args:
        s: Sequences of the run.
    """
    return plans(s, hidden=208)


def tasks(s: Sequences) -> FeaturedPolicy:
    """The generator of tasks for plans, for --backward.

    Args:
        s: Sequences of these lines.
    """
    return FeaturedPolicy(LastPlaces(s), s.vocab, 16, 96, start=s.start, end=s.end, pad=s.pad)

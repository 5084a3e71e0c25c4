"""Blocks world as lines of text, plans, and the check of a plan.

    c t t a d | t a t c b => e t d b ...

A block stands on another or on the table t; at most one stands on each. First what each of the
blocks a, b, c, ... stands on now, then what each is to stand on. A plan names a block and where
to put it, then the next one. Only a block with nothing on it can be moved, and only onto the table
or a block with nothing on it. A plan ends where the blocks stand as they are to. Demonstrations are
shortest plans, each move drawn from those that bring the goal nearer. PlanBench (Valmeekam et al.
2023) asks language models for plans of this world.
"""

import random
from collections import deque
from collections.abc import Iterator, Sequence

MARK, TURN, TABLE = "=>", "|", "t"
BLOCKS = "abcdef"
"""Names of blocks; a task of N blocks has the first N."""

State = tuple[str, ...]
"""What each block stands on."""


def longest(blocks: int) -> int:
    """Moves that are enough: all blocks to the table, then one onto the other.

    Args:
        blocks: Number of blocks.
    """
    return 2 * blocks - 2


def states(blocks: int) -> list[State]:
    """All ways for blocks to stand, in a fixed order.

    Args:
        blocks: Number of blocks.
    """
    return list(distances((TABLE,) * blocks))


def moves(state: State) -> Iterator[tuple[str, str, State]]:
    """Block, place, and what follows, of each move that changes a state.

    Args:
        state: What each block stands on.
    """
    free = [block for block in BLOCKS[: len(state)] if block not in state]
    for block in free:
        number = BLOCKS.index(block)
        for place in (*free, TABLE):
            if place not in (block, state[number]):
                yield block, place, (*state[:number], place, *state[number + 1 :])


def distances(goal: State) -> dict[State, int]:
    """Moves of the shortest plan from each state to a goal.

    Every move can be taken back, so the search from the goal counts the moves to it.

    Args:
        goal: What each block is to stand on.
    """
    found, waiting = {goal: 0}, deque([goal])
    while waiting:
        state = waiting.popleft()
        for _, _, following in moves(state):
            if following not in found:
                found[following] = found[state] + 1
                waiting.append(following)
    return found


def draw_plan(state: State, to_go: dict[State, int], draw: random.Random) -> list[str]:
    """Words of a shortest plan.

    Args:
        state: What each block stands on.
        to_go: Moves from each state to the goal.
        draw: Random numbers.
    """
    words: list[str] = []
    while to_go[state]:
        nearer = [m for m in moves(state) if to_go[m[2]] < to_go[state]]
        block, place, state = draw.choice(nearer)
        words += [block, place]
    return words


def written(state: State, goal: State) -> str:
    """A task as text.

    Args:
        state: What each block stands on.
        goal: What each is to stand on.
    """
    return " ".join((*state, TURN, *goal))


def is_plan(task: str, plan: str) -> bool:
    """Whether each move of a plan can be made, and it ends where it first reaches the goal.

    Args:
        task: Task as text.
        plan: Plan as text.
    """
    before, _, after = task.partition(f" {TURN} ")
    first, last, words = before.split(), after.split(), plan.split()
    if not 0 < len(first) == len(last) <= len(BLOCKS):
        return False  # no task, as a model of tasks may write it
    if len(words) % 2 or len(words) > 2 * longest(len(first)):
        return False
    stands = dict(zip(BLOCKS, first, strict=False))
    goal = dict(zip(BLOCKS, last, strict=False))
    for block, place in zip(words[::2], words[1::2], strict=True):
        covered = stands.values()
        if stands == goal or block not in stands or block in covered or place == block:
            return False
        if place != TABLE and (place not in stands or place in covered):
            return False
        stands[block] = place
    return stands == goal


def check(prompts: Sequence[str], answers: Sequence[str]) -> list[bool]:
    """Whether each answer is a plan of its task, for --check.

    Args:
        prompts: Tasks.
        answers: Plans.
    """
    return [is_plan(task, plan) for task, plan in zip(prompts, answers, strict=True)]

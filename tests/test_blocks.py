"""Blocks world of the claim: its check against a search, what is made, and features."""

import itertools

import pytest
import torch

from benchmarks.claims.blocks_parts import follower, make, world
from seqgan.data.tokenizer import END, PAD, START, TextTokenizer
from seqgan.text.features import Features
from seqgan.text.prompts import answered
from seqgan.text.sequences import Sequences


def test_a_task_by_hand():
    task = "t a t | b t t"  # b stands on a; a is to stand on b
    assert world.is_plan(task, "b t a b")
    assert not world.is_plan(task, "a b")  # a is not free
    assert not world.is_plan(task, "b t")  # not there yet
    assert not world.is_plan(task, "b t a b c a")  # goes on
    assert not world.is_plan(task, "b b b t a b")  # onto itself
    assert not world.is_plan(task, "b t a")  # a is still in the hand
    assert not world.is_plan(task, "t b a b")  # nobody takes the table
    assert not world.is_plan(task, "b c b c b c b t a b")  # longer than any task needs
    assert not world.is_plan("t t | b", "a b")  # no task
    assert world.check([task, task], ["b t a b", "a b"]) == [True, False]


@pytest.mark.parametrize(("blocks", "count"), [(2, 3), (3, 13), (4, 73)])
def test_there_are_as_many_states_as_sets_of_lists(blocks, count):
    """1, 3, 13, 73, 501: the number of ways to put labelled things into lists."""
    assert len(world.states(blocks)) == count


def test_the_check_accepts_exactly_the_plans_of_a_search():
    """All words of three blocks against moves that are made on stacks, apart from the check."""
    task = "t a t | t c t"
    found, going = set(), {((("a", "b"), ("c",)), "")}
    for _ in range(world.longest(3)):
        further = set()
        for stacks, plan in going:
            for source, target in itertools.permutations([*range(len(stacks)), -1], 2):
                if source < 0:
                    continue
                rest = [list(stack) for stack in stacks]
                block = rest[source].pop()
                place = rest[target][-1] if target >= 0 else "t"
                (rest[target] if target >= 0 else rest.append([]) or rest[-1]).append(block)
                state = tuple(sorted(tuple(stack) for stack in rest if stack))
                further.add((state, f"{plan} {block} {place}".strip()))
        goal = (("a",), ("c", "b"))
        found |= {plan for state, plan in further if state == goal}
        going = {(state, plan) for state, plan in further if state != goal}
    assert "b c" in found
    for count in (1, 2):
        for words in itertools.product("abct", repeat=2 * count):
            plan = " ".join(words)
            assert world.is_plan(task, plan) == (plan in found), plan
    assert all(world.is_plan(task, plan) for plan in found)


def test_made_tasks_are_apart_and_their_plans_the_shortest():
    sets = make.make(4, {"test": 30, "pairs": 30}, seed=1)
    rows = sets["test"] + sets["pairs"]
    assert len({task for task, _ in rows}) == 60
    assert all(world.is_plan(task, plan) for task, plan in rows)
    assert make.make(4, {"test": 30, "pairs": 30}, seed=1) == sets
    for task, plan in rows:
        before, _, after = task.partition(" | ")
        state, goal = tuple(before.split()), tuple(after.split())
        assert len(plan.split()) == 2 * world.distances(state)[goal]  # searched the other way


# --------------------------------------------------------------------------------------- features


@pytest.fixture(scope="module")
def rows():
    """Tasks of four blocks with plans, encoded, and the same turned round."""
    made = make.make(4, {"x": 24}, seed=2)["x"]
    lines = [f"{task} => {plan}" for task, plan in made]
    tokenizer = TextTokenizer.train(lines, "blank", 1, 100, lowercase=False)

    def encoded(texts):
        found = torch.full((len(texts), 24), PAD)
        for place, ids in enumerate(tokenizer.encode(texts)):
            found[place, : len(ids) + 1] = torch.tensor([*ids, END])
        return found

    def sequences(real):
        size = tokenizer.vocab_size
        return Sequences(size, 24, START, END, PAD, lambda: real, tokenizer.decode)

    forth, back = encoded(lines), encoded([f"{plan} => {task}" for task, plan in made])
    return forth, back, sequences(forth), sequences(back)


@pytest.mark.parametrize("kind", [follower.Blocks, follower.Task])
def test_features_step_as_they_are_computed_at_once(rows, kind):
    forth, _, s, _ = rows
    features = kind(s)
    counted = answered(forth, features.mark, END)
    bad = forth.clone()  # words that nobody can follow, too
    bad[counted & (forth != END)] = forth[counted & (forth != END)].flip(0)
    for tokens in (forth, bad):
        fast, slow = features.of(tokens, START), Features.of(features, tokens, START)
        assert torch.equal(fast[counted], slow[counted])
    alone = torch.cat([torch.full((24, 1), features.mark), forth[:, 10:]], 1)
    fast, slow = features.of(alone, START), Features.of(features, alone, START)
    assert torch.equal(fast[:, 1:], slow[:, 1:])  # a plan of no task


def test_tasks_of_any_length_are_read_as_models_of_tasks_write_them(rows):
    forth, _, s, _ = rows
    features = follower.Task(s)
    place = forth[0].tolist().index(features.mark)
    short = torch.cat([forth[:, 1:], torch.full((24, 1), PAD)], 1)  # a place too few
    assert int(short[0, place - 1]) == features.mark
    mixed = torch.cat([short[:12], forth[12:]])
    for tokens in (short, mixed, mixed.flip(0)):
        assert torch.equal(features.of(tokens, START), Features.of(features, tokens, START))


def test_features_tell_what_can_be_done_and_that_it_is_done(rows):
    forth, _, s, _ = rows
    features = follower.features(s)
    found, n = features.of(forth, START), features.blocks
    assert n == 4
    for row, values in zip(forth.tolist(), found, strict=True):
        words = [s.decode([token]) for token in row]
        begin, end = words.index("=>") + 1, row.index(END)
        for t in range(begin, end, 2):  # a free block is taken, and is in the hand then
            block = world.BLOCKS.index(words[t])
            assert values[t, block] == 1
            assert values[t + 1, 2 * n + block] == 1
            assert values[t + 1, 2 * n : 3 * n].sum() == 1
            assert values[t, 3 * n] == 0
        assert values[end, 3 * n] == 1
        assert (values[end, n : 2 * n] == 1).all()


def test_a_block_is_settled_with_all_below_it():
    stands, goal = torch.tensor([[3, 0, 1]] * 2), torch.tensor([[3, 0, 1], [2, 0, 1]])
    seen = follower.Seen(stands, goal, torch.tensor([-1, -1]))
    assert seen.settled().tolist() == [[True] * 3, [False] * 3]


def test_what_cannot_be_done_changes_nothing():
    a, b, table = (torch.tensor([n]) for n in range(3))
    before = follower.Seen(torch.tensor([[2, 0]]), torch.tensor([[1, 2]]), torch.tensor([-1]))
    for words in ((a, b), (b, b), (table, table)):  # b stands on a
        after = before
        for word in words:
            after = after.moved(word)
        assert torch.equal(after.stands, before.stands)
        assert after.held.item() == -1
    after = before.moved(b).moved(table).moved(a).moved(b)
    assert torch.equal(after.stands, after.goal)


def test_last_places_are_those_of_the_plan(rows):
    _, back, _, s = rows
    features = follower.LastPlaces(s)
    found = features.of(back, START)
    for row, values in zip(back.tolist(), found, strict=True):
        words = [s.decode([token]) for token in row]
        mark = words.index("=>")
        last = dict(zip(words[:mark:2], words[1:mark:2], strict=True))
        after = words[words.index("|") + 1 : row.index(END)]
        told = values[mark + 1].view(4, 5)
        for block, name in enumerate("abcd"):
            assert told[block].sum() == (name in last)
            if name in last:
                assert "abcdt"[int(told[block].argmax())] == after[block]


def test_players_are_built_for_lines_and_for_lines_turned_round(rows):
    forth, back, s, turned = rows
    policy, larger, writer = follower.plans(s), follower.larger_plans(s), follower.tasks(turned)
    sizes = [sum(p.numel() for p in player.parameters()) for player in (policy, larger)]
    assert 3 < sizes[1] / sizes[0] < 5
    assert policy.log_prob(forth).isfinite().all()
    assert writer.log_prob(back).isfinite().all()
    drawn = policy.sample(24, 24, prompt=forth[:, :10])
    assert torch.equal(drawn[:, :10], forth[:, :10])

"""Mazes of the claim: their check against a search, what is made, and players against sums."""

import itertools
import random

import pytest
import torch

from benchmarks.claims.mazes_parts import make, maze, walker, writers
from seqgan.data.tokenizer import END, PAD, START, TextTokenizer
from seqgan.text.features import Features
from seqgan.text.prompts import answered
from seqgan.text.sequences import Sequences


def test_a_maze_by_hand():
    # 2 x 2: east of 0, south of 0, south of 1, east of 2
    assert [sorted(edge) for edge in maze.edges(2)] == [
        [(0, 0), (0, 1)],
        [(0, 0), (1, 0)],
        [(0, 1), (1, 1)],
        [(1, 0), (1, 1)],
    ]
    walls = ". # . ."
    assert maze.is_path(walls, "e s")
    assert not maze.is_path(walls, "s e")  # through a wall
    assert not maze.is_path(walls, "e")  # not there yet
    assert not maze.is_path(walls, "e s w")  # goes on
    assert not maze.is_path(walls, "e e s")  # leaves the maze
    assert not maze.is_path(walls, "e up")
    assert maze.check([walls, walls], ["e s", "s e"]) == [True, False]
    assert maze.reward([f"{walls} => e s", f"{walls} => "]) == [1.0, 0.0]


def reachable(walls: str, side: int, most: int) -> set[str]:
    """All paths of a maze by brute force over moves, cell by cell, independent of the check."""
    marks = dict(zip(map(frozenset, maze.edges(side)), walls.split(), strict=True))
    ended, going = set(), {((0, 0), "")}
    for _ in range(most):
        further = set()
        for (row, column), path in going:
            for name, (down, right) in maze.MOVES.items():
                cell = (row + down, column + right)
                if marks.get(frozenset([(row, column), cell])) == ".":
                    further.add((cell, f"{path} {name}".strip()))
        ended |= {path for cell, path in further if cell == (side - 1, side - 1)}
        going = {(cell, path) for cell, path in further if cell != (side - 1, side - 1)}
    return ended


def test_the_check_accepts_exactly_the_paths_of_a_search():
    draw = random.Random(3)
    walls = maze.written(maze.draw_maze(3, draw, 1), 3)
    right = reachable(walls, 3, 6)
    assert right
    for count in range(1, 7):
        for moves in itertools.product(maze.MOVES, repeat=count):
            assert maze.is_path(walls, " ".join(moves)) == (" ".join(moves) in right)


@pytest.mark.parametrize(("side", "extra"), [(3, 0), (4, 2), (5, 6)])
def test_made_mazes_are_apart_solved_and_as_open_as_asked(side, extra):
    sets = make.make(side, {"test": 30, "pairs": 30}, seed=1, extra=extra)
    rows = sets["test"] + sets["pairs"]
    assert len({walls for walls, _ in rows}) == 60
    assert all(maze.is_path(walls, moves) for walls, moves in rows)
    assert all(walls.split().count(".") == side * side - 1 + extra for walls, _ in rows)
    assert make.make(side, {"test": 30, "pairs": 30}, seed=1, extra=extra) == sets
    assert maze.side_of(2 * side * (side - 1)) == side


# ---------------------------------------------------------------------------------- players


@pytest.fixture(scope="module")
def rows():
    """Lines of mazes of 3 x 3, encoded, and the same turned round."""
    made = make.make(3, {"x": 24}, seed=2, extra=2)["x"]
    lines = [f"{walls} => {moves}" for walls, moves in made]
    tokenizer = TextTokenizer.train(lines, "blank", 1, 100, lowercase=False)

    def encoded(texts, length=24):
        found = torch.full((len(texts), length), PAD)
        for place, ids in enumerate(tokenizer.encode(texts)):
            found[place, : len(ids) + 1] = torch.tensor([*ids, END])
        return found

    def sequences(real):
        size = tokenizer.vocab_size
        return Sequences(size, 24, START, END, PAD, lambda: real, tokenizer.decode)

    back = encoded([f"{moves} => {walls}" for walls, moves in made])
    forth = encoded(lines)
    return forth, back, sequences(forth), sequences(back)


def stepwise(policy, tokens, log_p):
    """Log-probability of each token from the hidden states of `step`."""
    state, previous, found = policy.begin(len(tokens)), torch.full((len(tokens),), START), []
    for column in tokens.unbind(1):
        hidden, state = policy.step(previous, state)
        found.append(log_p(hidden, column))
        previous = column
    return torch.stack(found, 1)


def test_a_path_policy_steps_as_it_scores(rows):
    forth, _, s, _ = rows
    torch.manual_seed(0)
    policy = writers.PathPolicy(s, 12, hidden=8)
    drawn = policy.sample(24, 24, prompt=forth[:, :13])
    ids = torch.tensor(policy.walker.names.moves)

    def log_p(hidden, column):
        known = policy.out(hidden[:, :-1]).log_softmax(1)
        move = policy.walker.move_of[column]
        value = known.gather(1, move.clamp(min=0)[:, None])[:, 0]
        return torch.where((move >= 0) & (hidden[:, -1] == 0), value, 0.0)

    for tokens in (drawn, forth):
        counted = answered(tokens, policy.walker.names.mark, END)
        expected = stepwise(policy, tokens, log_p) * counted
        torch.testing.assert_close(policy.log_prob(tokens), expected)
    assert torch.isin(drawn[:, 13:], torch.cat([ids, torch.tensor([END, PAD])])).all()
    ended = (drawn == END).any(1)
    cells = policy.walker.trail(policy.walker.move_of[drawn[:, 13:]])
    reached = (cells == policy.walker.goal).any(1)
    assert torch.equal(ended, reached)  # at the goal a path ends, and only there


def test_features_of_mazes_step_as_they_are_computed_at_once(rows):
    forth, _, s, _ = rows
    features = walker.features(s)
    fast, slow = features.of(forth, START), Features.of(features, forth, START)
    counted = answered(forth, features.walker.names.mark, END)
    assert torch.equal(fast[counted], slow[counted])
    # On a demonstration every move has an opening
    moves = features.walker.move_of[forth]
    assert all(
        bool(fast[i, t, moves[i, t]] == 1)
        for i, t in counted.nonzero().tolist()
        if moves[i, t] >= 0
    )
    at_end = fast[(forth == END).nonzero(as_tuple=True)]
    assert (at_end[:, -1] == 1).all()


def test_a_wall_policy_is_a_distribution_and_draws_from_it(rows):
    _, back, _, s = rows
    torch.manual_seed(0)
    policy = writers.WallPolicy(s, 12, hidden=8, each=2)
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, std=0.7)

    def log_p(hidden, column):
        sign = (column == policy.walker.names.open).float() * 2 - 1
        return torch.nn.functional.logsigmoid(sign * hidden[:, 0])

    places = answered(back, policy.walker.names.mark, END) & (back != END)
    assert int(places.sum()) == 24 * 12
    expected = stepwise(policy, back, log_p) * places
    torch.testing.assert_close(policy.log_prob(back), expected)
    first = int((back[0] == policy.walker.names.mark).nonzero()[0, 0]) + 1
    drawn = policy.sample(8, 24, prompt=back[0, :first])
    assert (drawn[:, first + 12] == END).all()
    # All 2^12 ways to place walls for one path have probability 1 together
    ways = torch.tensor(list(itertools.product(policy.ids.tolist(), repeat=12)))
    every = torch.cat([back[:1, :first].expand(len(ways), -1), ways], 1)
    total = policy.log_prob(every).sum(1).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-4)


def test_a_path_passes_the_walls_between_its_cells(rows):
    _, back, _, s = rows
    policy = writers.WallPolicy(s, 12)
    passed = policy.passed(policy.walker.move_of[back])
    signs = policy._split(back)[2]
    assert (signs[passed > 0] == 1).all()  # through openings alone
    assert torch.equal(passed.sum(1).bool(), torch.ones(24, dtype=torch.bool))

"""The generators of mazes: one writes paths for walls, one walls for paths.

Both are given what a discriminator of `walker.features` is given: the openings around the cell that
the path has reached, and that a path ends at the goal.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from benchmarks.claims.mazes_parts.maze import MOVES
from benchmarks.claims.mazes_parts.walker import Walker, asked, names_of
from seqgan.lm import softmax
from seqgan.lm.policies import SequencePolicy, State
from seqgan.lm.softmax import Draw
from seqgan.text.prompts import answered
from seqgan.text.sequences import Sequences


class PathPolicy(SequencePolicy):
    """Moves from a GRU that sees all walls, its cell, the openings there, and its last move.

    h_t = GRU(h_(t-1), [e, cell_t, openings_t, move_(t-1)]),   e = MLP(walls)
    pi(. | y_<t) = softmax(MLP([h_t, e]));   at the goal the path ends

    Tokens of the prompt have log-probability 0. With a prompt of the mark alone it writes paths of
    no maze in particular.

    Args:
        s: Sequences of the run.
        walls: Number of walls of a prompt.
        hidden: Size of the state and of the layers.
    """

    def __init__(self, s: Sequences, walls: int, hidden: int = 96):
        super().__init__()
        assert s.end is not None
        self.vocab, self.start, self.end, self.pad = s.vocab, s.start, s.end, s.pad
        self.walker, self.hidden = Walker(s, walls), hidden
        w = self.walker
        self.read = nn.Sequential(
            *(nn.Linear(walls, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        )
        self.cells = nn.Embedding(w.goal + 1, 24)
        self.gru = nn.GRU(hidden + 24 + 2 * len(MOVES) + 1, hidden, batch_first=True)
        self.join = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU())
        self.out = nn.Linear(hidden, len(MOVES))

    # -- what a step reads -------------------------------------------------------------------------

    def _inputs(
        self,
        read: Float[Tensor, "B T H"],
        around: Float[Tensor, "B T 4"],
        cells: Int64[Tensor, "B T"],
        last: Int64[Tensor, "B T"],
    ) -> Float[Tensor, "B T E"]:
        moved = F.one_hot(last + 1, len(MOVES) + 1).float()
        return torch.cat([read, self.cells(cells), around * 2 - 1, moved], 2)

    def _logits(
        self, h: Float[Tensor, "*B H"], read: Float[Tensor, "*B H"]
    ) -> Float[Tensor, "*B 4"]:
        return self.out(self.join(torch.cat([h, read], -1)))

    # -- the interface -----------------------------------------------------------------------------

    def begin(self, rows: int) -> State:
        """Openings read, tokens read, walls as read, state, cell, last move."""
        count = torch.full((rows,), -1)
        h = torch.zeros(rows, self.hidden)
        return torch.zeros(rows, self.walker.walls), count, h, h, torch.zeros_like(count), count

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        w = self.walker
        openings, count, read, h, cell, last = state
        move = w.move_of[tokens]
        place = torch.arange(w.walls) == count[:, None]
        openings = torch.where(place, (tokens == w.names.open).float()[:, None], openings)
        asked_now = (tokens == w.names.mark)[:, None]
        if bool(asked_now.any()):
            read = torch.where(asked_now, self.read(openings * 2 - 1), read)
        cell = torch.where(move >= 0, w.following[cell, move], cell)
        last = torch.where(move >= 0, move, last)
        going = (tokens == w.names.mark) | (move >= 0)
        joined = torch.zeros_like(h)
        if bool(going.any()):  # inside a prompt there is nothing to write
            around = w.around(openings)[torch.arange(len(cell)), cell]
            x = self._inputs(read[:, None], around[:, None], cell[:, None], last[:, None])[:, 0]
            h = torch.where(going[:, None], torch.gru_cell(x, h, *self.gru.all_weights[0]), h)
            joined = self.join(torch.cat([h, read], 1))
        hidden = torch.cat([joined, (cell == w.goal).float()[:, None]], 1)
        return hidden, (openings, count + 1, read, h, cell, last)

    def drawer(
        self, temperature: float = 1.0, top_p: float = 1.0, never: Sequence[int] = ()
    ) -> Draw:
        draw_move = softmax.drawer(self.out.weight.t(), self.out.bias, temperature, top_p)
        ids = torch.tensor(self.walker.names.moves)

        def draw(hidden: Tensor) -> Tensor:
            tokens = ids[draw_move(hidden[:, :-1])]
            return torch.where(hidden[:, -1] > 0, self.end, tokens)

        return draw

    def log_prob(
        self, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
    ) -> Float[Tensor, "B T"]:
        w, mark = self.walker, self.walker.names.mark
        first = int((tokens[0] == mark).nonzero()[0, 0]) + 1
        openings = w.openings(tokens[:, :first])
        moves = w.move_of[tokens[:, first:]]
        cells = w.trail(moves)
        read = self.read(openings * 2 - 1)
        around = w.around(openings)[torch.arange(len(cells))[:, None], cells]
        last = F.pad(moves[:, :-1], (1, 0), value=-1)
        wide = read[:, None].expand(-1, moves.shape[1], -1)
        h, _ = self.gru(self._inputs(wide, around, cells, last))
        logp = (self._logits(h, wide) / temperature).log_softmax(-1)
        found = logp.gather(2, moves.clamp(min=0)[:, :, None])[:, :, 0]
        counted = answered(tokens, mark, self.end)[:, first:] & (moves >= 0) & (cells != w.goal)
        return F.pad(torch.where(counted, found, 0.0), (first, 0))

    def nll(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, ""]:
        counted = answered(tokens, self.walker.names.mark, self.end)
        return -self.log_prob(tokens).sum() / counted.sum()


class WallPolicy(SequencePolicy):
    """Walls for a path: an autoregressive logistic regression with a hidden layer.

    logit(open_i) = b_i + sum_(j<i) W_ij o_j + v_i tanh(sum_(j<i) U_ij o_j) + C(p)_i + a_i p_i

    o_j is 1 for an opening and -1 for a wall, p_i whether the path goes through wall i. Without a
    path, C and a are left out: so it also learns from mazes alone.

    Args:
        s: Sequences of a path, the mark and walls.
        walls: Number of walls.
        hidden: Size of the hidden layer of C.
        each: Size of the hidden layer of each wall.
    """

    def __init__(self, s: Sequences, walls: int, hidden: int = 96, each: int = 8):
        super().__init__()
        assert s.end is not None
        self.vocab, self.start, self.end, self.pad = s.vocab, s.start, s.end, s.pad
        self.walker = Walker(s, walls)
        number = {s.decode([i]): i for i in range(s.vocab)}
        self.ids = torch.tensor([number["#"], number["."]])
        self.bias = nn.Parameter(torch.zeros(walls))
        self.weight = nn.Parameter(torch.zeros(walls, walls))
        self.u = nn.Parameter(torch.randn(walls, walls, each) * 0.05)
        self.v = nn.Parameter(torch.randn(walls, each) * 0.05)
        self.on_path = nn.Parameter(torch.full((walls,), 3.0))
        self.near_path = nn.Sequential(
            nn.Linear(walls, hidden), nn.ReLU(), nn.Linear(hidden, walls)
        )
        self.register_buffer("before", torch.tril(torch.ones(walls, walls), -1))

    before: Tensor

    def _path_logits(self, passed: Float[Tensor, "B W"]) -> Float[Tensor, "B W"]:
        known = passed.any(1, keepdim=True).float()
        return known * (self.near_path(passed) + self.on_path * passed)

    def _logits(
        self, signs: Float[Tensor, "B W"], passed: Float[Tensor, "B W"]
    ) -> Float[Tensor, "B W"]:
        linear = signs @ (self.weight * self.before).t()
        inner = torch.einsum("bj,ijk->bik", signs, self.u * self.before[:, :, None]).tanh()
        return self.bias + linear + (inner * self.v).sum(2) + self._path_logits(passed)

    def passed(self, moves: Int64[Tensor, "B T"]) -> Float[Tensor, "B W"]:
        """Whether a path goes through each wall.

        Args:
            moves: Numbers of moves, -1 for none.
        """
        w = self.walker
        cells = w.trail(moves)
        walls = torch.where(moves >= 0, w.wall[cells, moves], -1)
        found = torch.zeros(len(moves), w.walls + 1)
        found.scatter_(1, torch.where(walls < 0, w.walls, walls), 1.0)
        return found[:, :-1]

    def _split(self, tokens: Int64[Tensor, "B T"]) -> tuple[Tensor, Tensor, Tensor]:
        """Path, places of the walls, and signs of the openings."""
        mark = (tokens == self.walker.names.mark).int().argmax(1)
        places = mark[:, None] + 1 + torch.arange(self.walker.walls)
        moves = self.walker.move_of[tokens]
        signs = (tokens.gather(1, places) == self.walker.names.open).float() * 2 - 1
        return self.passed(moves), places, signs

    def log_prob(
        self, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
    ) -> Float[Tensor, "B T"]:
        passed, places, signs = self._split(tokens)
        values = F.logsigmoid(signs * self._logits(signs, passed) / temperature)
        return torch.zeros(tokens.shape).scatter(1, places, values)

    def nll(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, ""]:
        return -self.log_prob(tokens).sum() / (len(tokens) * self.walker.walls)

    def begin(self, rows: int) -> State:
        """Signs so far, number of walls written (-1 in the path), cell, walls passed."""
        zeros = torch.zeros(rows, self.walker.walls)
        return zeros, torch.full((rows,), -1), torch.zeros(rows, dtype=torch.int64), zeros

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        w, (signs, written, cell, passed) = self.walker, state
        move = w.move_of[tokens]
        wall = torch.where(move >= 0, w.wall[cell, move], -1)
        passed = torch.where(torch.arange(w.walls) == wall[:, None], 1.0, passed)
        cell = torch.where(move >= 0, w.following[cell, move], cell)
        place = torch.arange(w.walls) == written[:, None]
        sign = (tokens == w.names.open).float() * 2 - 1
        signs = torch.where(place & (written >= 0)[:, None], sign[:, None], signs)
        written = torch.where((written >= 0) | (tokens == w.names.mark), written + 1, written)
        now = written.clamp(0, w.walls - 1)
        before = signs * (torch.arange(w.walls) < now[:, None])
        logits = self._logits(before, passed).gather(1, now[:, None])
        done = (written >= w.walls).float()[:, None]
        return torch.cat([logits, done], 1), (signs, written, cell, passed)

    def drawer(
        self, temperature: float = 1.0, top_p: float = 1.0, never: Sequence[int] = ()
    ) -> Draw:
        def draw(hidden: Tensor) -> Tensor:
            opened = torch.rand(len(hidden)) < torch.sigmoid(hidden[:, 0] / temperature)
            return torch.where(hidden[:, 1] > 0, self.end, self.ids[opened.long()])

        return draw


def paths(s: Sequences) -> PathPolicy:
    """The generator of paths, for --policy.

    Args:
        s: Sequences of the run.
    """
    return PathPolicy(s, asked(s))


def larger_paths(s: Sequences) -> PathPolicy:
    """A generator of paths with about four times as many parameters, for --larger.

    Args:
        s: Sequences of the run.
    """
    return PathPolicy(s, asked(s), hidden=200)


def walls(s: Sequences) -> WallPolicy:
    """The generator of walls, for --backward; its lines are paths, the mark and walls.

    Args:
        s: Sequences of these lines.
    """
    first = s.real()[:1]
    mark = int((first[0] == names_of(s).mark).nonzero()[0, 0])
    ended = int((first[0] == s.end).nonzero()[0, 0])
    return WallPolicy(s, ended - mark - 1)

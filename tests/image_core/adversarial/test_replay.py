"""Pools of earlier samples: rows stay whole, and each policy by hand and by its statistics."""

import copy

import pytest
import torch

from image_core.adversarial import parallel
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.replay import HistoryPool, RecentRows, ReplayBuffer
from tests.image_core.adversarial.test_checkpoint import assert_same
from tests.image_core.adversarial.toys import ToyGAN, adam, points, rounds

ROW = {
    "image": torch.zeros(2, 3),
    "tokens": torch.zeros(4, dtype=torch.int64),
    "k": torch.zeros(()),
}
KINDS = [ReplayBuffer, HistoryPool]


def rows(*numbers):
    """Rows that hold their number in every tensor."""
    n = torch.tensor(numbers)
    return {
        "image": n.view(-1, 1, 1).expand(-1, 2, 3) / 8,
        "tokens": n.view(-1, 1).expand(-1, 4).clone(),
        "k": n.float(),
    }


def numbers(mixed):
    """The numbers of rows, which must be whole."""
    n = mixed["tokens"][:, 0]
    assert torch.equal(mixed["image"], n.view(-1, 1, 1).expand(-1, 2, 3) / 8)
    assert torch.equal(mixed["tokens"], n.view(-1, 1).expand(-1, 4))
    assert torch.equal(mixed["k"], n.float())
    return n.tolist()


def stored(pool):
    return numbers({name: pool.get_buffer(name) for name in pool.names})


# ----------------------------------------------------------------------------------- both policies


@pytest.mark.parametrize("kind", KINDS)
def test_types_shapes_and_gradients(kind):
    pool = kind(4, ROW, 1.0)
    fresh = rows(1, 2, 3, 4)
    fresh["image"] = fresh["image"].clone().requires_grad_()
    for _ in range(2):
        mixed = pool.mix(fresh)
        assert {n: (v.dtype, v.shape) for n, v in mixed.items()} == {
            n: (v.dtype, v.shape) for n, v in fresh.items()
        }
        assert not any(v.requires_grad for v in mixed.values())
    pool = kind(2, {"k": torch.zeros((), dtype=torch.float64)}, 1.0)
    assert pool.get_buffer("k").dtype == torch.float64


@pytest.mark.parametrize("kind", KINDS)
def test_no_pool(kind):
    assert numbers(kind(0, ROW, 0.5).mix(rows(1, 2))) == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "share"), [(-1, 0.5), (2, 1.5), (2, -0.1)])
def test_pools_that_make_no_sense(kind, count, share):
    with pytest.raises(UserError, match=f"a pool of {count} rows and a share of {share}"):
        kind(count, ROW, share)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_do_not_fit(kind):
    with pytest.raises(UserError, match=r"holds 'tokens' of shape \(4,\) a row and was given None"):
        kind(3, ROW, 0.5).mix({"image": torch.zeros(1, 2, 3)})
    with pytest.raises(UserError, match=r"'image' of shape \(2, 3\) a row and was given \(3, 2\)"):
        kind(3, ROW, 0.5).mix(rows(1) | {"image": torch.zeros(1, 3, 2)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_pool_is_in_its_game_s_checkpoint(kind, tmp_path):
    def start(seed):
        torch.manual_seed(seed)
        game = ToyGAN()
        game.pool = kind(5, {"fake": torch.zeros(2)}, 0.5)

        def critic_move(batches):
            fresh = next(batches)
            fake = game.pool.mix({"fake": game.G(fresh["noise"])})["fake"]
            yield from ToyGAN.critic_move(game, iter([{"real": fake, "noise": fresh["noise"]}]))

        game.critic_move = critic_move
        return Engine(game, {"G": adam, "D": adam})

    engine = start(0)
    rounds(engine, 2, data=points)
    engine.save(tmp_path / "run")
    rounds(engine, 3, data=points)
    again = start(1)
    again.load(tmp_path / "run")
    rounds(again, 3, data=points)
    assert {"pool.fake", "pool.filled"} <= again.game.state_dict().keys()
    assert_same(engine.game.state_dict(), again.game.state_dict())


# ------------------------------------------------------------------------------------ replay buffer


def test_rows_come_back_whole_once_the_ring_is_full():
    pool = ReplayBuffer(4, ROW, 1.0)
    assert numbers(pool.mix(rows(1, 2, 3))) == [1, 2, 3]
    assert numbers(pool.mix(rows(4, 5, 6))) == [4, 5, 6]  # it was not full before
    assert stored(pool) == [5, 6, 3, 4]
    assert set(numbers(pool.mix(rows(7, 8, 9)))) <= {3, 4, 5, 6}
    assert stored(pool) == [9, 6, 7, 8]


def test_more_rows_than_the_ring_has():
    pool = ReplayBuffer(2, ROW, 1.0)
    pool.mix(rows(1, 2, 3, 4, 5))
    assert sorted(stored(pool)) == [4, 5]


def test_the_share_of_earlier_rows():
    """Of 20,000 rows a share of 0.3 is earlier: 6,000, standard deviation 65."""
    pool = ReplayBuffer(10, {"k": torch.zeros(())}, 0.3)
    pool.mix({"k": torch.zeros(10)})
    old = sum(
        int((pool.mix({"k": torch.full((10,), 1.0 + i)})["k"] < 1 + i).sum()) for i in range(2000)
    )
    assert abs(old - 6000) < 4 * 65


# ------------------------------------------------------------------------------------- history pool


def by_hand(pool, size, fresh, swap, place):
    """CycleGAN's loop, with the draws given."""
    returned = []
    for i, row in enumerate(fresh):
        if len(pool) < size:
            pool.append(row)
            returned.append(row)
        elif swap[i]:
            returned.append(pool[place[i]])
            pool[place[i]] = row
        else:
            returned.append(row)
    return returned


@pytest.mark.parametrize(("size", "batch"), [(50, 1), (5, 3), (3, 8), (1, 4)])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_pool_is_the_loop_of_the_paper(size, batch, share, monkeypatch):
    """Two rows of a batch may draw one place, and a batch may be larger than the pool."""
    draws = {}

    def remember(name, draw):
        def call(*args, **kwargs):
            draws[name] = draw(*args, **kwargs)
            return draws[name]

        return call

    for name in ("rand", "randint"):
        monkeypatch.setattr(torch, name, remember(name, getattr(torch, name)))
    pool, expected = HistoryPool(size, ROW, share), []
    for start in range(0, 20 * batch + 100, batch):
        fresh = list(range(start, start + batch))
        found = numbers(pool.mix(rows(*fresh)))
        swap, place = (draws["rand"] < share).tolist(), draws["randint"].tolist()
        assert found == by_hand(expected, size, fresh, swap, place)
        assert stored(pool)[: len(expected)] == expected
        assert pool.filled == len(expected)


def test_half_is_fresh_and_a_row_stays_twice_the_size_on_average():
    """40,000 queries: 20,000 fresh, deviation 100; ages have mean and deviation 2 n = 20."""
    pool, fresh, ages = HistoryPool(10, {"k": torch.zeros(())}), 0, []
    for start in range(0, 40_000, 10):
        now = torch.arange(start, start + 10, dtype=torch.float32)
        age = now - pool.mix({"k": now})["k"]
        fresh += int((age == 0).sum())
        ages += age[age > 0].tolist()
    assert abs(fresh - 20_000) < 4 * 100
    mean = sum(ages) / len(ages)
    assert abs(mean - 20) < 4 * 20 / len(ages) ** 0.5


class Process:
    """One of two processes: its part of `parallel`, and what the two have handed to `join`."""

    def __init__(self, rank, joined):
        self.rank, self.joined, self.both = rank, joined, None

    def world(self):
        return self.rank, 2

    def hand_in(self, rows):
        self.joined[self.rank].append(rows)
        return torch.cat([rows, rows])

    def join(self, rows):
        self.both = zip(*self.joined) if self.both is None else self.both
        return torch.cat(next(self.both))


def play_two(pools, step, fresh, monkeypatch):
    """What both get; the call is played twice, first to learn what each hands to the other."""
    joined, returned = [[], []], []
    processes = [Process(rank, joined) for rank in range(2)]
    for join, of in (("hand_in", copy.deepcopy(pools)), ("join", pools)):
        for process, pool in zip(processes, of, strict=True):
            torch.manual_seed(2 * step + process.rank)
            monkeypatch.setattr(parallel, "world", process.world)
            monkeypatch.setattr(parallel, "join", getattr(process, join))
            returned.append(numbers(pool.mix(rows(*fresh[process.rank]))))
    return returned[2:]


@pytest.mark.parametrize("kind", KINDS)
def test_all_processes_hold_one_ring(kind, monkeypatch):
    """Rows are joined in rank order, and each process draws for its own."""
    pools, expected, earlier = [kind(6, ROW, 0.5) for _ in range(2)], [], set()
    for step in range(12):
        fresh = [[100 * step + 10 * rank + i for i in range(4)] for rank in range(2)]
        swap, place = [], []
        for rank in range(2):
            torch.manual_seed(2 * step + rank)
            swap += (torch.rand(4) < 0.5).tolist()
            place += torch.randint(6, (4,)).tolist()
        found = play_two(pools, step, fresh, monkeypatch)
        assert stored(pools[0]) == stored(pools[1])
        if kind is HistoryPool:
            assert found[0] + found[1] == by_hand(expected, 6, fresh[0] + fresh[1], swap, place)
            assert stored(pools[0]) == expected
        else:
            old = [number in earlier for number in found[0] + found[1]]
            assert old == (swap if step else [False] * 8)
            newest = (fresh[0] + fresh[1])[-6:]
            assert sorted(stored(pools[0])) == newest
        earlier |= {*fresh[0], *fresh[1]}


# ------------------------------------------------------------------------------------ recent rows


def test_recent_rows_are_drawn_alike_from_the_first_ones_on():
    torch.manual_seed(0)
    recent = RecentRows(5, ROW)
    recent.store(rows(1, 2))
    assert set(numbers(recent.draw(60))) == {1, 2}
    recent.store(rows(3, 4, 5, 6))
    drawn = torch.tensor(numbers(recent.draw(5_000)))
    counts = drawn.bincount(minlength=7)
    assert counts[:2].tolist() == [0, 0]  # the oldest one has gone
    assert counts[2:].tolist() == pytest.approx([1_000] * 5, abs=120)  # 4 deviations
    recent.store(rows(*range(10, 18)))
    assert set(numbers(recent.draw(200))) == set(range(13, 18))


def test_recent_rows_are_in_the_checkpoint():
    recent = RecentRows(3, ROW)
    recent.store(rows(1, 2))
    again = RecentRows(3, ROW)
    again.load_state_dict(recent.state_dict())
    again.store(rows(3, 4))
    assert stored(again) == [4, 2, 3]


def test_no_recent_rows():
    with pytest.raises(UserError, match="rows=0: give a number of at least 1"):
        RecentRows(0, ROW)
    with pytest.raises(UserError, match=r"'image' of shape .* and was given None"):
        RecentRows(2, ROW).store({"k": torch.zeros(1)})
